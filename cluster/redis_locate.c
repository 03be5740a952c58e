#include "cluster/redis_locate.h"

#include <hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster/redis_wire.h"

#define SENTINEL_PORT 26379
#define STEP_MIN_MS   100

struct redis_locate {
	struct worker *worker;
	const struct redis_options *o;
	struct redis_target target;
	void (*done)(void *arg, const char *host, uint16_t port, const char *text);
	void *arg;
	struct redis_wire *wire;
	struct timer timer;      /* of the sentinel that is asked; the next one begins there too, so that nobody is called back too early */
	unsigned at, asked;      /* which one; how many of this question */
	unsigned replies;        /* of this one */
	char sentinel[256], host[256];
	char text[192];
};

bool redis_locate_parse(struct str s, uint16_t default_port, struct str *host, uint16_t *port)
{
	uint64_t number = default_port;
	struct str rest = s;
	if (s.len && *s.p == '[') {
		rest = str_span(s.p + 1, s.len - 1);
		*host = str_cut(&rest, ']');
		if (!str_present(rest) || (rest.len && *rest.p != ':'))
			return false;
		str_cut(&rest, ':');
	} else {
		*host = str_cut(&rest, ':');
	}
	if (str_present(rest) && !str_empty(rest) && !str_to_u64(rest, &number))
		return false;
	*port = (uint16_t)number;
	return !str_empty(*host) && number > 0 && number <= UINT16_MAX && host->len < sizeof((struct redis_locate *)0)->host &&
	       !(str_present(rest) && str_empty(rest) && s.p[s.len - 1] == ':');
}

/* The next one, from the timer; or the end. */
static void give_up_this(struct redis_locate *l, const char *text)
{
	char kept[128];
	snprintf(kept, sizeof kept, "%s", text);
	snprintf(l->text, sizeof l->text, "sentinel %.40s: %s", l->sentinel, kept);
	redis_wire_close(l->wire);
	l->wire = NULL;
	l->at = (l->at + 1) % l->o->n_sentinels;
	worker_timer_set(l->worker, &l->timer, 0);
}

static void found(struct redis_locate *l, const redisReply *host, const redisReply *port)
{
	uint64_t number;
	if (!host->str || !port->str || host->len >= sizeof l->host || !str_to_u64(str_span(port->str, port->len), &number) ||
	    number == 0 || number > UINT16_MAX) {
		give_up_this(l, "it names no address");
		return;
	}
	memcpy(l->host, host->str, host->len);
	l->host[host->len] = '\0';
	worker_timer_cancel(l->worker, &l->timer);
	redis_wire_close(l->wire);
	l->wire = NULL;
	l->done(l->arg, l->host, (uint16_t)number, "");
}

static void on_reply(void *arg, const struct redisReply *reply)
{
	struct redis_locate *l = arg;
	bool auth = str_present(l->o->sentinel_password) && l->replies++ == 0;
	if (reply->type == REDIS_REPLY_ERROR)
		give_up_this(l, reply->str);
	else if (auth)
		return;
	else if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2)
		found(l, reply->element[0], reply->element[1]);
	else
		give_up_this(l, "it does not know this master");
}

static void on_closed(void *arg, const char *text)
{
	struct redis_locate *l = arg;
	l->wire = NULL;
	give_up_this(l, text);
}

static void on_open(void *arg)
{
}

static const struct redis_wire_ops wire_ops = { on_open, on_reply, on_closed };

static void ask_this(struct redis_locate *l)
{
	struct str host;
	l->asked++;
	l->replies = 0;
	struct str named = l->o->sentinels[l->at];
	snprintf(l->sentinel, sizeof l->sentinel, "%.*s", STR_ARG(named));
	if (!redis_locate_parse(named, SENTINEL_PORT, &host, &l->target.port)) {
		give_up_this(l, "this is no address");
		return;
	}
	memcpy(l->sentinel, host.p, host.len);
	l->sentinel[host.len] = '\0';
	l->target.host = l->sentinel;
	uint64_t step_ms = l->o->connect_ms / (l->o->n_sentinels + 1);
	worker_timer_set(l->worker, &l->timer, step_ms > STEP_MIN_MS ? step_ms : STEP_MIN_MS);
	l->wire = redis_wire_open(l->worker, &l->target, &wire_ops, l);
	if (str_present(l->o->sentinel_password))
		redis_wire_send(l->wire, 2, (struct str[]){ STR("AUTH"), l->o->sentinel_password });
	redis_wire_send(l->wire, 3, (struct str[]){ STR("SENTINEL"), STR("get-master-addr-by-name"), l->o->master_name });
}

static void on_timer(struct timer *t)
{
	struct redis_locate *l = (struct redis_locate *)((char *)t - offsetof(struct redis_locate, timer));
	if (l->wire)
		give_up_this(l, "no answer in time");
	else if (l->asked < l->o->n_sentinels)
		ask_this(l);
	else
		l->done(l->arg, NULL, 0, l->text);
}

void redis_locate_ask(struct redis_locate *l)
{
	redis_locate_stop(l);
	l->asked = 0;
	worker_timer_set(l->worker, &l->timer, 0);
}

void redis_locate_stop(struct redis_locate *l)
{
	worker_timer_cancel(l->worker, &l->timer);
	redis_wire_close(l->wire);
	l->wire = NULL;
	l->at = (l->at + 1) % l->o->n_sentinels;
}

struct redis_locate *redis_locate_new(struct worker *w, const struct redis_options *o, const struct redis_target *like,
				      void (*done)(void *arg, const char *host, uint16_t port, const char *text), void *arg)
{
	struct redis_locate *l = xzalloc(sizeof *l);
	l->worker = w;
	l->o = o;
	l->target = *like;
	l->target.unix_path = NULL;
	l->target.tls_name = NULL; /* each by its own name */
	l->done = done;
	l->arg = arg;
	l->timer.on_timer = on_timer;
	return l;
}

void redis_locate_free(struct redis_locate *l)
{
	if (!l)
		return;
	worker_timer_cancel(l->worker, &l->timer);
	redis_wire_close(l->wire);
	free(l);
}
