#include "proto/sasl/machine.h"

#include <openssl/crypto.h>

#include "proto/addr/jid.h"
#include "proto/sasl/hmac.h"

#define BIT(state) (1u << (state))
/* From each state, the states that may follow: the drawing in sasl.h. */
static const unsigned next_states[SASL_STATE_COUNT] = {
	[SASL_AT_START] = BIT(SASL_AT_PROMPT) | BIT(SASL_AT_KEYS) | BIT(SASL_AT_END),
	[SASL_AT_PROMPT] = BIT(SASL_AT_KEYS) | BIT(SASL_AT_END),
	[SASL_AT_KEYS] = BIT(SASL_AT_FINAL) | BIT(SASL_AT_DERIVE) | BIT(SASL_AT_END),
	[SASL_AT_FINAL] = BIT(SASL_AT_END),
	[SASL_AT_DERIVE] = BIT(SASL_AT_DERIVED) | BIT(SASL_AT_END),
	[SASL_AT_DERIVED] = BIT(SASL_AT_END),
	[SASL_AT_END] = BIT(SASL_AT_END),
};

static void go(struct sasl *s, enum sasl_state to)
{
	BUG_ON(!(next_states[s->state] & BIT(to)));
	s->state = to;
}

/* The state that a step leads to. */
static enum sasl_step settle(struct sasl *s, enum sasl_step step)
{
	switch (step) {
	case SASL_CONTINUE:
		go(s, s->state == SASL_AT_START ? SASL_AT_PROMPT : SASL_AT_FINAL);
		break;
	case SASL_WANT_KEYS:
		go(s, SASL_AT_KEYS);
		break;
	case SASL_WANT_DERIVE:
		go(s, SASL_AT_DERIVE);
		break;
	case SASL_DONE:
	case SASL_REFUSED:
		sasl_wipe(s);
	}
	return step;
}

enum sasl_step sasl_refuse(enum sasl_error why, enum sasl_error *error)
{
	*error = why;
	return SASL_REFUSED;
}

static void wipe(void *arg)
{
	sasl_wipe(arg);
}

struct sasl *sasl_new(struct arena *a, enum sasl_mech mech, const struct sasl_context *ctx)
{
	BUG_ON(!str_present(sasl_mech_name(mech)));
	BUG_ON(ctx->fake_secret.len < 32);
	struct sasl *s = arena_zalloc(a, sizeof(*s));
	s->arena = a;
	s->ctx = ctx;
	s->mech = mech;
	sasl_mech_hash(mech, &s->hash);
	arena_defer(a, wipe, s);
	return s;
}

static enum sasl_step feed_first(struct sasl *s, struct str in, struct str *out, enum sasl_error *error)
{
	if (s->mech == MECH_ANONYMOUS)
		return anonymous_first(in, error);
	if (!str_present(in)) {
		if (s->state != SASL_AT_START)
			return sasl_refuse(SASL_MALFORMED_REQUEST, error);
		*out = STR("");
		return SASL_CONTINUE;
	}
	return s->mech == MECH_PLAIN ? plain_first(s, in, error) : scram_first(s, in, error);
}

static enum sasl_step feed(struct sasl *s, struct str in, struct str *out, enum sasl_error *error)
{
	if (in.len > SASL_MESSAGE_MAX || !str_is_utf8(in))
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	switch (s->state) {
	case SASL_AT_START:
	case SASL_AT_PROMPT:
		return feed_first(s, in, out, error);
	case SASL_AT_FINAL:
		return scram_final(s, in, out, error);
	default:
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	}
}

enum sasl_step sasl_feed(struct sasl *s, struct str in, struct str *out, enum sasl_error *error)
{
	*out = STR_NONE;
	*error = SASL_ERROR_NONE;
	return settle(s, feed(s, in, out, error));
}

enum sasl_step sasl_keys(struct sasl *s, const struct sasl_keys *keys, struct str *out, enum sasl_error *error)
{
	BUG_ON(s->state != SASL_AT_KEYS);
	*out = STR_NONE;
	*error = SASL_ERROR_NONE;
	return settle(s, s->mech == MECH_PLAIN ? plain_keys(s, keys) : scram_keys(s, keys, out));
}

void sasl_derive(struct sasl *s)
{
	BUG_ON(s->state != SASL_AT_DERIVE);
	plain_derive(s);
	go(s, SASL_AT_DERIVED);
}

enum sasl_step sasl_derived(struct sasl *s, struct str *out, enum sasl_error *error)
{
	BUG_ON(s->state != SASL_AT_DERIVED);
	*out = STR_NONE;
	*error = SASL_ERROR_NONE;
	return settle(s, plain_derived(s, error));
}

struct str sasl_user(const struct sasl *s)
{
	return s->user;
}

struct str sasl_authzid(const struct sasl *s)
{
	return s->authzid;
}

void sasl_wipe(struct sasl *s)
{
	if (s->password)
		OPENSSL_cleanse(s->password, SASL_PASSWORD_MAX);
	s->password_len = 0;
	OPENSSL_cleanse(&s->key, sizeof(s->key));
	go(s, SASL_AT_END);
}

enum err sasl_set_user(struct sasl *s, struct str name)
{
	struct jid j;
	if (str_empty(name))
		return ERR_INVALID;
	enum err e = jid_make(s->arena, name, s->ctx->host, STR_NONE, &j);
	if (e == ERR_NONE)
		s->user = arena_str(s->arena, jid_local(&j));
	return e;
}

/* The salt of an unknown user must be the same at every attempt and on every node, and tell nothing: a MAC of who was asked for. */
static void make_up_key(const struct sasl *s, enum sasl_hash h, struct sasl_key *out)
{
	uint8_t mac[SASL_KEY_MAX];
	struct str text = arena_printf(s->arena, "%d/%.*s/%.*s", h, STR_ARG(s->ctx->host), STR_ARG(s->user));
	hmac_sign(SASL_SHA512, s->ctx->fake_secret, text, mac);
	memset(out, 0, sizeof(*out));
	out->iterations = s->ctx->default_iterations ? s->ctx->default_iterations : SASL_ITERATIONS;
	out->salt_len = SASL_SALT_LEN;
	memcpy(out->salt, mac, SASL_SALT_LEN);
	/* Any bytes do: who has no account is refused whatever the proof. */
	memcpy(out->stored_key, mac, sizeof(mac));
	memcpy(out->server_key, mac, sizeof(mac));
}

void sasl_choose_key(struct sasl *s, const struct sasl_keys *keys, enum sasl_hash h)
{
	struct sasl_key made_up;
	make_up_key(s, h, &made_up);
	s->hash = h;
	s->known = keys && keys->of[h].iterations != 0;
	s->key = s->known ? keys->of[h] : made_up;
}
