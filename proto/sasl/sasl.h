/*
 * sasl.h: SASL mechanisms, server side, as pure state machines: no stream, no store, no clock.
 *
 * One `struct sasl` per attempt. Feed it the client's messages; it answers with what to do next. When it needs the account's keys it answers
 * SASL_WANT_KEYS with the user name: the caller looks them up (however long that takes) and calls sasl_keys, with NULL for an unknown user, for
 * whom keys are derived from the host's secret so that the exchange takes the same steps and time. When it needs a slow key derivation (PLAIN) it
 * answers SASL_WANT_DERIVE: the caller runs sasl_derive on a pool thread and then calls sasl_derived.
 *
 * Passwords never leave this folder: accounts hold `struct sasl_keys` only.
 */
#ifndef PROTO_SASL_SASL_H
#define PROTO_SASL_SASL_H

#include "proto/base/arena.h"
#include "proto/base/err.h"
#include "proto/base/errors.h"
#include "proto/base/rng.h"

enum sasl_hash { SASL_SHA1, SASL_SHA256, SASL_SHA512, SASL_HASH_COUNT };
#define SASL_KEY_MAX  64
#define SASL_SALT_LEN 16

/* What an account stores for one hash. */
struct sasl_key {
	uint32_t iterations; /* 0: this hash has no key */
	uint8_t salt_len;
	uint8_t salt[32];
	uint8_t stored_key[SASL_KEY_MAX]; /* as long as the hash */
	uint8_t server_key[SASL_KEY_MAX];
};
struct sasl_keys {
	struct sasl_key of[SASL_HASH_COUNT];
};

enum sasl_mech {
	MECH_NONE,
	MECH_SCRAM_SHA_512_PLUS, MECH_SCRAM_SHA_512,
	MECH_SCRAM_SHA_256_PLUS, MECH_SCRAM_SHA_256,
	MECH_SCRAM_SHA_1_PLUS, MECH_SCRAM_SHA_1,
	MECH_PLAIN, MECH_ANONYMOUS,
	MECH_COUNT
};
/* "SCRAM-SHA-256-PLUS"; MECH_NONE for an unknown name. */
struct str sasl_mech_name(enum sasl_mech m);
enum sasl_mech sasl_mech_from_name(struct str name);
bool sasl_mech_is_plus(enum sasl_mech m);
bool sasl_mech_hash(enum sasl_mech m, enum sasl_hash *hash); /* false: not SCRAM */

/* Channel bindings of RFC 5929 and RFC 9266, with the names that GS2 and XEP-0440 use. */
enum sasl_cb { CB_TLS_EXPORTER, CB_TLS_SERVER_END_POINT, CB_TLS_UNIQUE, CB_COUNT };
struct str sasl_cb_name(enum sasl_cb cb);

/* What the server knows about the connection and itself. Borrowed for the attempt. */
struct sasl_context {
	struct str cb_data[CB_COUNT]; /* absent where the connection has no such binding */
	bool plus_offered;            /* a client that says 'y' then was downgraded: refuse (RFC 5802 section 6) */
	struct str host;              /* the domain, for fake keys */
	struct str fake_secret;       /* at least 32 secret bytes of this service, stable across restarts and nodes */
	uint32_t default_iterations;
	struct rng *rng;
};

enum sasl_step {
	SASL_CONTINUE,    /* send *out as a challenge and wait for a response */
	SASL_WANT_KEYS,   /* look up sasl_user(), then sasl_keys */
	SASL_WANT_DERIVE, /* run sasl_derive off the loop, then sasl_derived */
	SASL_DONE,        /* success; *out is the additional data (may be absent) */
	SASL_REFUSED      /* *error */
};

struct sasl;
/* In the arena of the attempt. */
struct sasl *sasl_new(struct arena *a, enum sasl_mech mech, const struct sasl_context *ctx);
/* `in` is the decoded message of the client; absent for an <auth/> without an initial response. *out lives in the arena. */
enum sasl_step sasl_feed(struct sasl *s, struct str in, struct str *out, enum sasl_error *error);
/* The prepared authentication identity (a localpart), once known. Absent for ANONYMOUS. */
struct str sasl_user(const struct sasl *s);
/* The authorization identity that the client asked for (a JID); absent if none. The caller decides whether it may. */
struct str sasl_authzid(const struct sasl *s);
/* The account's keys, or NULL for an unknown or disabled user: goes on where SASL_WANT_KEYS stopped. */
enum sasl_step sasl_keys(struct sasl *s, const struct sasl_keys *keys, struct str *out, enum sasl_error *error);
/* Slow (PBKDF2): any thread, but nobody may touch `s` meanwhile. */
void sasl_derive(struct sasl *s);
enum sasl_step sasl_derived(struct sasl *s, struct str *out, enum sasl_error *error);
/* Wipes secrets. The arena frees the memory. */
void sasl_wipe(struct sasl *s);

/* Keys from a new password (prepared here: SASLprep, as RFC 5802 says), with fresh salts. Slow. ERR_INVALID for a password that
 * preparation refuses or that is empty. */
MUST_CHECK enum err sasl_keys_make(struct str password, uint32_t iterations, struct rng *rng, struct sasl_keys *out);
/* Is this the password? Slow; constant time in the comparison. */
bool sasl_keys_check(const struct sasl_keys *keys, struct str password);
/* As stored: a text of the form "SCRAM-SHA-1:iterations:salt:stored:server;..." (base64 parts). */
struct str sasl_keys_format(struct arena *a, const struct sasl_keys *keys);
MUST_CHECK enum err sasl_keys_parse(struct arena *a, struct str text, struct sasl_keys *out);

#endif
