/*
 * Whole exchanges with fuzzed messages. The first byte chooses the mechanism, the second what the server knows, the rest are the client's
 * messages with a 0xff byte between them (never part of UTF-8). In a client-final message '@' stands for the server's nonce, so that the
 * fuzzer gets past that check. Nobody gets in without the password: SCRAM must never end well here.
 */
#include "proto/sasl/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sasl_keys account;

static void make_account(struct rng *rng)
{
	if (account.of[0].iterations == 0)
		BUG_ON(sasl_keys_make(STR("pencil"), 1, rng, &account) != ERR_NONE);
}

/* `in` with the first '@' replaced by the r= of the challenge. */
static struct str with_nonce(struct arena *a, struct str in, struct str challenge)
{
	struct str rest = in, nonce = challenge;
	if (!str_starts(challenge, STR("r=")) || !str_chr(in, '@'))
		return in;
	struct str before = str_cut(&rest, '@');
	nonce = str_cut(&nonce, ',');
	char *p = arena_alloc(a, in.len + nonce.len);
	memcpy(p, before.p, before.len);
	memcpy(p + before.len, nonce.p + 2, nonce.len - 2);
	memcpy(p + before.len + nonce.len - 2, rest.p, rest.len);
	return str_span(p, before.len + nonce.len - 2 + rest.len);
}

static enum sasl_step answer(struct sasl *s, enum sasl_step step, bool known, struct str *out, enum sasl_error *error)
{
	if (step == SASL_WANT_KEYS) {
		BUG_ON(str_empty(sasl_user(s)));
		step = sasl_keys(s, known ? &account : NULL, out, error);
	}
	if (step == SASL_WANT_DERIVE) {
		sasl_derive(s);
		step = sasl_derived(s, out, error);
	}
	return step;
}

static void run(struct arena *a, struct sasl *s, enum sasl_mech mech, struct str rest, bool known)
{
	struct str out = STR_NONE;
	enum sasl_hash h;
	for (int n = 0; n < 8; n++) {
		enum sasl_error error;
		struct str in = with_nonce(a, str_cut(&rest, '\xff'), out);
		enum sasl_step step = answer(s, sasl_feed(s, in, &out, &error), known, &out, &error);
		BUG_ON((step == SASL_REFUSED) != (error != SASL_ERROR_NONE));
		BUG_ON(step == SASL_CONTINUE && !str_present(out));
		BUG_ON(step == SASL_DONE && mech != MECH_ANONYMOUS && !known);
		BUG_ON(step == SASL_DONE && sasl_mech_hash(mech, &h));
		if (step == SASL_DONE || step == SASL_REFUSED)
			return;
	}
}

static void keys_round_trip(struct arena *a, struct str text)
{
	struct sasl_keys keys, back;
	if (sasl_keys_parse(a, text, &keys) != ERR_NONE)
		return;
	struct str row = sasl_keys_format(a, &keys);
	BUG_ON(sasl_keys_parse(a, row, &back) != ERR_NONE || !str_eq(row, sasl_keys_format(a, &back)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rng rng;
	if (size < 2)
		return 0;
	rng_init_seeded(&rng, 1);
	make_account(&rng);
	struct arena *a = arena_new(0);
	struct str rest = str_span((const char *)data + 2, size - 2);
	struct sasl_context ctx = {
		.plus_offered = data[1] & 1,
		.host = STR("example.org"),
		.fake_secret = STR("0123456789abcdef0123456789abcdef"),
		.default_iterations = 1,
		.rng = &rng,
	};
	if (data[1] & 2)
		ctx.cb_data[CB_TLS_EXPORTER] = STR("exported bytes");
	if (data[1] & 4)
		ctx.cb_data[CB_TLS_UNIQUE] = STR("");
	enum sasl_mech mech = data[0] % MECH_COUNT;
	if (mech == MECH_NONE)
		keys_round_trip(a, rest);
	else
		run(a, sasl_new(a, mech, &ctx), mech, rest, data[1] & 8);
	arena_free(a);
	return 0;
}
