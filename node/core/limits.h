/*
 * limits.h: how much a stranger may ask of this node: connections from one address, failed logins, and what one stream may send.
 *
 * What is counted per address or account is shared by all workers, under one mutex: it is taken when a connection begins, ends or fails
 * to log in, never for a stanza. An IPv6 peer is its /64, as it has 2^64 addresses. Addresses in limits.exempt (by default the loopback,
 * where a proxy without a PROXY header would make everybody one address) are not counted.
 * What one stream sends is counted in the stream (two buckets of eight bytes), what all streams of an account send in the account, as all
 * of them are on one worker; past the rate the socket is not read for a while: nothing is lost, and a client that sends steadily at the
 * rate never notices.
 */
#ifndef NODE_CORE_LIMITS_H
#define NODE_CORE_LIMITS_H

#include "node/core/config.h"
#include "proto/base/bucket.h"

struct limits;

/* Read by every stream; only a reload changes them. */
struct limit_rates {
	struct bucket_rate stanzas, account, bytes;
};

void limits_register(struct config_schema *s);
/* `hash_key`: secret and random. */
struct limits *limits_new(const struct config *c, const uint64_t hash_key[2]);
void limits_free(struct limits *l);
/* Takes the options of another config that need no restart. While no worker runs (core/pause.h). */
void limits_reload(struct limits *l, const struct config *c);
const struct limit_rates *limits_rates(const struct limits *l);

/* ---- any thread ---- */

/* One more connection of this address; false when it has too many, and then nothing is counted. Pair it with limits_disconnected. */
bool limits_connected(struct limits *l, const struct ip *peer);
void limits_disconnected(struct limits *l, const struct ip *peer);
/* A wrong password for user@host: after how many ms to say so. Grows with each one from the address and with each one for the account. */
uint64_t limits_login_failed(struct limits *l, const struct ip *peer, struct str user, struct str host, uint64_t now_ms);
/* The number that stands for an address in a tally: 0 when it is exempt. */
uint64_t limits_address_key(const struct limits *l, const struct ip *peer);

#endif
