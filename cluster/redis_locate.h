/*
 * redis_locate.h: asks Redis Sentinels where the master is, one after the other until one knows. Each gets a part of connect_ms, and each
 * new question begins with another one, as a sentinel that is cut off goes on naming the old master. What it names is only believed once
 * it says of itself that it is a master (redis.c).
 */
#ifndef CLUSTER_REDIS_LOCATE_H
#define CLUSTER_REDIS_LOCATE_H

#include "cluster/redis.h"

struct redis_target;
struct redis_locate;

/* `o` and what `like` points to (TLS, ceilings) must outlive it. done gets the master's address, valid until the next question, or
 * host NULL and what the last sentinel said. */
struct redis_locate *redis_locate_new(struct worker *w, const struct redis_options *o, const struct redis_target *like,
				      void (*done)(void *arg, const char *host, uint16_t port, const char *text), void *arg);
/* done follows, unless it is stopped; never from inside this. */
void redis_locate_ask(struct redis_locate *l);
void redis_locate_stop(struct redis_locate *l);
void redis_locate_free(struct redis_locate *l);

/* "host", "host:port", "[address]:port"; false: no such thing. */
bool redis_locate_parse(struct str s, uint16_t default_port, struct str *host, uint16_t *port);

#endif
