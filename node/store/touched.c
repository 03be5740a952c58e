#include "node/store/touched.h"

#define N_WORDS (sizeof((struct touched *)0)->bits / sizeof(uint64_t))

static unsigned bit_of(const struct touched *t, const struct store_op *op)
{
	return (unsigned)((str_hash(op->host, t->key) * 31 + str_hash(op->owner, t->key)) % (64 * N_WORDS));
}

bool store_op_is_wide(const struct store_op *op)
{
	for (const struct store_step *step = op->first; step; step = step->next) {
		if (store_verb_is_wide(step->verb))
			return true;
	}
	return false;
}

void touched_init(struct touched *t, const void *salt)
{
	*t = (struct touched){ .key = { store_now_us(), (uintptr_t)salt } };
}

void touched_clear(struct touched *t)
{
	memset(t->bits, 0, sizeof t->bits);
}

void touched_note(struct touched *t, const struct store_op *op)
{
	unsigned bit = bit_of(t, op);
	if (store_op_is_wide(op))
		memset(t->bits, 0xff, sizeof t->bits);
	t->bits[bit / 64] |= 1ull << (bit % 64);
}

bool touched_has(const struct touched *t, const struct store_op *op)
{
	unsigned bit = bit_of(t, op);
	if (t->bits[bit / 64] & 1ull << (bit % 64))
		return true;
	if (!store_op_is_wide(op))
		return false;
	for (size_t i = 0; i < N_WORDS; i++) {
		if (t->bits[i])
			return true;
	}
	return false;
}
