/*
 * machine.h: what the mechanisms share, for this folder only. sasl.c owns the state; a mechanism is two or three functions that it calls.
 */
#ifndef PROTO_SASL_MACHINE_H
#define PROTO_SASL_MACHINE_H

#include "proto/sasl/sasl.h"

enum sasl_state {
	SASL_AT_START,
	SASL_AT_PROMPT,
	SASL_AT_KEYS,
	SASL_AT_FINAL,
	SASL_AT_DERIVE,
	SASL_AT_DERIVED,
	SASL_AT_END,
	SASL_STATE_COUNT
};

struct sasl {
	struct arena *arena;
	const struct sasl_context *ctx;
	enum sasl_mech mech;
	enum sasl_state state;
	struct str user, authzid;

	enum sasl_hash hash;  /* of the key in use */
	struct sasl_key key;  /* the account's, or the made-up one */
	bool known;           /* the key is an account's */

	/* SCRAM */
	struct str cbind;        /* gs2-header and binding data: what c= must say */
	struct str client_first; /* without the gs2-header */
	struct str server_first;
	struct str nonce;        /* the client's part, later both */

	/* PLAIN */
	char *password;          /* SASL_PASSWORD_MAX bytes in the arena, prepared */
	size_t password_len;
	bool password_ok;        /* preparation took it */
	bool matches;            /* what sasl_derive found */
};

/* Sets *error and gives SASL_REFUSED. */
enum sasl_step sasl_refuse(enum sasl_error why, enum sasl_error *error);
/* Prepares `name` as a localpart of the host into s->user: RFC 8265 UsernameCaseMapped and what RFC 7622 excludes besides. */
MUST_CHECK enum err sasl_set_user(struct sasl *s, struct str name);
/* Sets s->key and s->known for hash h. The made-up key is always computed, so that unknown users cost what known ones do. */
void sasl_choose_key(struct sasl *s, const struct sasl_keys *keys, enum sasl_hash h);

enum sasl_step scram_first(struct sasl *s, struct str in, enum sasl_error *error);
enum sasl_step scram_keys(struct sasl *s, const struct sasl_keys *keys, struct str *out);
enum sasl_step scram_final(struct sasl *s, struct str in, struct str *out, enum sasl_error *error);

enum sasl_step plain_first(struct sasl *s, struct str in, enum sasl_error *error);
enum sasl_step plain_keys(struct sasl *s, const struct sasl_keys *keys);
void plain_derive(struct sasl *s);
enum sasl_step plain_derived(struct sasl *s, enum sasl_error *error);

enum sasl_step anonymous_first(struct str in, enum sasl_error *error);

/* The hash that a password is checked against: the strongest that every new account has and that is cheap here, else what there is.
 * False when there is no key at all. */
bool sasl_keys_preferred(const struct sasl_keys *keys, enum sasl_hash *h);
/* Does the prepared password lead to this key? Slow; the comparison is constant-time. */
bool sasl_key_matches(const struct sasl_key *key, enum sasl_hash h, struct str password);

#endif
