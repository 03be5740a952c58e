/* What several clients share, as nodes send it to one another, for a queue of as many stanzas as the first byte says: what is accepted is
 * written back to the same bytes, and joined with itself it stays what it is. */
#include "proto/wire/unacked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct unacked *u, unsigned n)
{
	unacked_init(u);
	while (n--)
		unacked_add(u, STANZA_MESSAGE, STR("x"), 0, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unacked u, v;
	struct buf again;
	if (size == 0)
		return 0;
	struct str shares = str_span((const char *)data + 1, size - 1);
	fill(&u, data[0]);
	fill(&v, data[0]);
	bool valid = unacked_read_shares(&u, shares) == ERR_NONE;
	BUG_ON(valid != (unacked_read_shares(&v, shares) == ERR_NONE));
	buf_init(&again, size);
	unacked_write_shares(&u, &again);
	BUG_ON(valid && (buf_status(&again) != ERR_NONE || !str_eq(buf_str(&again), shares)));
	unacked_join(&v, &u);
	buf_clear(&again);
	unacked_write_shares(&v, &again);
	BUG_ON(valid && !str_eq(buf_str(&again), shares));
	unacked_drop(&u);
	buf_fini(&again);
	unacked_drop(&v);
	return 0;
}
