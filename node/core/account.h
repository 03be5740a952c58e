/*
 * account.h: who may log in. One value per account in the kv space "account": a JSON object with SCRAM keys (never a password), the times
 * of creation, of the last password and of the last login, and whether it is disabled. Members that this version does not know are kept
 * when it writes.
 *
 * `user` is a prepared localpart (precis_username), `host` a host of ours. Everything is asynchronous and happens on the asker's worker;
 * slow key derivation runs on the pool. A function that returns an error did nothing and will not call on_done: ERR_LIMIT (too much
 * waits already: resource-constraint), ERR_INVALID (an empty name), ERR_UNAVAILABLE (closing). Otherwise on_done is called once, later,
 * unless cancelled.
 */
#ifndef NODE_CORE_ACCOUNT_H
#define NODE_CORE_ACCOUNT_H

#include "node/store/store.h"
#include "proto/sasl/sasl.h"

extern const struct store_space account_space;

struct account {
	bool has_keys; /* false: nobody can log in with a password */
	struct sasl_keys keys;
	int64_t created_ms, changed_ms; /* changed: the password */
	int64_t login_ms;               /* the last login, to ACCOUNT_LOGIN_EVERY_MS; 0: none was seen */
	bool disabled;
	struct str reason; /* why, for people; may be empty */
};
/* When somebody was last here, as far as the record tells: the login, or the account's birth. */
static inline int64_t account_seen_ms(const struct account *a)
{
	return a->login_ms > a->created_ms ? a->login_ms : a->created_ms;
}

struct account_call;

/* Borrowed for the call of on_done. */
struct account_answer {
	enum err err;
	void *arg;
	const struct account *account;             /* get, check_password: when there is one */
	bool matches;                              /* check_password */
	const struct store_row *rows;              /* list: `key` is the user's name */
	uint32_t n_rows;
	bool more;
	uint64_t count;                            /* count */
};

/* What all questions have in common. The strings are copied. */
struct account_ask {
	struct store *store;
	struct str host, user;
	void (*on_done)(const struct account_answer *answer);
	void *arg;
	struct account_call **call; /* may be NULL; else holds the call until just before on_done, for account_cancel */
};

/* The asker went away: on_done will not be called. A write takes place only if it was under way. Nulls the pointer; NULL inside is fine. */
void account_cancel(struct account_call **call);

/* ERR_NOT_FOUND. For SASL: a missing account has no keys to give; a disabled one is refused at the end, when the password was right. */
MUST_CHECK enum err account_get(const struct account_ask *ask);
/* ERR_EXISTS; ERR_INVALID for a password that SASLprep refuses; ERR_LIMIT for one that is too long. `iterations` 0: SASL_ITERATIONS. */
MUST_CHECK enum err account_create(const struct account_ask *ask, struct str password, uint32_t iterations);
/* ERR_NOT_FOUND, and errors of passwords as account_create. */
MUST_CHECK enum err account_set_password(const struct account_ask *ask, struct str password, uint32_t iterations);
/* ERR_NOT_FOUND; else answer->matches, whether disabled or not. Takes as long as a key derivation only when there is an account: for
 * administrators, not for login. */
MUST_CHECK enum err account_check_password(const struct account_ask *ask, struct str password);
/* Disables with a reason (at most 1023 bytes), or enables (absent reason). ERR_NOT_FOUND. */
MUST_CHECK enum err account_set_disabled(const struct account_ask *ask, struct str reason);
/* The account logged in now. A write a login would cost more than the login: whoever looked at the account calls this only when
 * account_seen_ms is older than ACCOUNT_LOGIN_EVERY_MS. on_done may be NULL. ERR_NOT_FOUND. */
#define ACCOUNT_LOGIN_EVERY_MS 86400000
MUST_CHECK enum err account_note_login(const struct account_ask *ask);
/* The account and everything in this store that belongs to it. ERR_NOT_FOUND. */
MUST_CHECK enum err account_delete(const struct account_ask *ask);
/* The host's accounts in the order of their names' bytes, after `after` (absent: from the first). ask->user does not matter. */
MUST_CHECK enum err account_list(const struct account_ask *ask, struct str after, uint32_t limit);
/* How many the host has. */
MUST_CHECK enum err account_count(const struct account_ask *ask);

#endif
