/*
 * sasl.h: SASL mechanisms, server side, as pure state machines: no stream, no store, no clock.
 *
 * One `struct sasl` per attempt. Feed it the client's messages; it answers with what to do next. When it needs the account's keys it
 * answers SASL_WANT_KEYS with the user name: the caller looks them up (however long that takes) and calls sasl_keys, with NULL for an
 * unknown user, for whom keys are made up from the service's secret so that the exchange takes the same steps and time. When it needs a
 * slow key derivation (PLAIN) it answers SASL_WANT_DERIVE: the caller runs sasl_derive on a pool thread and then calls sasl_derived.
 *
 *     START --(absent)--> PROMPT              START, PROMPT --first message--> KEYS (SCRAM, PLAIN) or END (ANONYMOUS)
 *     KEYS --sasl_keys--> FINAL (SCRAM) or DERIVE (PLAIN)
 *     FINAL --client-final--> END             DERIVE --sasl_derive--> DERIVED --sasl_derived--> END       any --refusal--> END
 *
 * A message fed where none is expected is the peer's fault and is refused; sasl_keys, sasl_derive and sasl_derived out of turn are bugs.
 * Passwords never leave this folder: accounts hold `struct sasl_keys` only.
 */
#ifndef PROTO_SASL_SASL_H
#define PROTO_SASL_SASL_H

#include "proto/base/arena.h"
#include "proto/base/err.h"
#include "proto/base/errors.h"
#include "proto/base/rng.h"

enum sasl_hash { SASL_SHA1, SASL_SHA256, SASL_SHA512, SASL_HASH_COUNT };
#define SASL_KEY_MAX        64
#define SASL_SALT_LEN       16       /* of the salts made here */
#define SASL_SALT_MAX       64       /* of imported ones: Prosody's are 36 bytes */
#define SASL_MESSAGE_MAX    4096     /* a client's message; longer ones are refused as malformed */
#define SASL_PASSWORD_MAX   1023     /* after preparation */
#define SASL_ITERATIONS     10000    /* the default */
#define SASL_ITERATIONS_MAX 10000000 /* refused above, so that a stored row cannot stall a pool thread for long */

/* What an account stores for one hash. */
struct sasl_key {
	uint32_t iterations; /* 0: this hash has no key */
	uint8_t salt_len;
	uint8_t salt[SASL_SALT_MAX];
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
/* "SCRAM-SHA-256-PLUS"; absent for MECH_NONE and out of range. */
struct str sasl_mech_name(enum sasl_mech m);
/* Exact, upper case as registered; MECH_NONE for an unknown name. */
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
	struct str host;              /* the domain, prepared */
	struct str fake_secret;       /* at least 32 secret bytes of this service, stable across restarts and nodes */
	uint32_t default_iterations;  /* those of new accounts: unknown users show the same; 0 means SASL_ITERATIONS */
	struct rng *rng;
	struct str nonce;             /* the server's part of the SCRAM nonce; absent (always, but for the RFCs' examples): made from rng */
};

enum sasl_step {
	SASL_CONTINUE,    /* send *out (which may be empty) as a challenge and wait for a response */
	SASL_WANT_KEYS,   /* look up sasl_user(), then sasl_keys */
	SASL_WANT_DERIVE, /* run sasl_derive off the loop, then sasl_derived */
	SASL_DONE,        /* success; *out is the additional data (may be absent) */
	SASL_REFUSED      /* *error */
};

struct sasl;
/* In the arena of the attempt, which runs sasl_wipe when it is freed. mech is not MECH_NONE; for a -PLUS one ctx has some cb_data. */
struct sasl *sasl_new(struct arena *a, enum sasl_mech mech, const struct sasl_context *ctx);
/* `in` is the decoded message of the client, borrowed for the call (PLAIN: it holds the password, so wipe it afterwards); absent for an
 * <auth/> without an initial response. *out lives in the arena; it is absent and *error is none where the step does not use them. */
enum sasl_step sasl_feed(struct sasl *s, struct str in, struct str *out, enum sasl_error *error);
/* The prepared authentication identity (a localpart that jid_make takes), once known. Absent for ANONYMOUS. */
struct str sasl_user(const struct sasl *s);
/* The authorization identity that the client asked for (a JID, unprepared, valid UTF-8); absent if none. The caller decides whether it may,
 * after SASL_DONE, and answers invalid-authzid if not. */
struct str sasl_authzid(const struct sasl *s);
/* The account's keys (copied), or NULL for an unknown or disabled user: goes on where SASL_WANT_KEYS stopped. An account without a key for
 * this mechanism's hash counts as unknown. */
enum sasl_step sasl_keys(struct sasl *s, const struct sasl_keys *keys, struct str *out, enum sasl_error *error);
/* Slow (PBKDF2): any thread, but nobody may touch `s` or free its arena meanwhile. It takes nothing from the arena. */
void sasl_derive(struct sasl *s);
enum sasl_step sasl_derived(struct sasl *s, struct str *out, enum sasl_error *error);
/* Wipes secrets and ends the attempt. The arena frees the memory. Idempotent. */
void sasl_wipe(struct sasl *s);

/* Keys from a new password (prepared here: SASLprep, as RFC 5802 says), with fresh salts. Slow. ERR_INVALID for a password that
 * preparation refuses or that is empty, ERR_LIMIT for one that is too long. iterations is 1 to SASL_ITERATIONS_MAX. */
MUST_CHECK enum err sasl_keys_make(struct str password, uint32_t iterations, struct rng *rng, struct sasl_keys *out);
/* Is this the password? Slow; constant time in the comparison. False when there is no key at all. */
bool sasl_keys_check(const struct sasl_keys *keys, struct str password);
/* As stored: a text of the form "SCRAM-SHA-1:iterations:salt:stored:server;..." (base64 parts), without a trailing ';'. */
struct str sasl_keys_format(struct arena *a, const struct sasl_keys *keys);
/* ERR_INVALID for any other form, a hash twice, an unknown hash or no key at all; ERR_LIMIT for too many iterations or too long a salt. */
MUST_CHECK enum err sasl_keys_parse(struct arena *a, struct str text, struct sasl_keys *out);

#endif
