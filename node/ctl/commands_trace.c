/*
 * commands_trace.c: `trace`: one account's stanzas, told line by line until the asker goes away or enough were seen.
 */
#include "node/core/log.h"
#include "node/core/trace.h"
#include "node/ctl/command.h"
#include "node/ctl/visit.h"
#include "proto/base/encode.h"

#define TRACES_MAX      8
#define SECONDS_DEFAULT 600
#define SECONDS_MAX     86400
#define STANZAS_DEFAULT 1000
#define STANZAS_MAX     1000000

struct tracing {
	struct visit visit;
	struct trace trace;
	struct call *call;
	struct timer timer;
	uint64_t seen, most, unread;
	bool linked, ending;
};

static unsigned traces; /* under way; the main thread's */

static void link_on_worker(struct visit *v, struct node_worker *nw)
{
	struct tracing *t = (struct tracing *)v;
	trace_add(nw, &t->trace);
}

static void unlink_on_worker(struct visit *v, struct node_worker *nw)
{
	struct tracing *t = (struct tracing *)v;
	trace_remove(nw, &t->trace);
}

static void on_unlinked(struct visit *v)
{
	struct tracing *t = (struct tracing *)v;
	uint64_t lost = atomic_load(&t->trace.lost) + t->unread;
	traces--;
	call_ok(t->call, json_pack("{s:I, s:I}", "seen", (json_int_t)t->seen, "lost", (json_int_t)lost), "%llu stanza%s%s",
		(unsigned long long)t->seen, t->seen == 1 ? "" : "s", lost ? "; some came too fast and were left out" : "");
}

static struct worker *shard(const struct tracing *t)
{
	return node_shard(t->call->node, jid_bare_str(&t->trace.jid));
}

static void end(struct tracing *t)
{
	if (t->ending)
		return;
	t->ending = true;
	worker_timer_cancel(t->call->node->main, &t->timer);
	if (t->linked)
		visit_one(&t->visit, t->call->node, shard(t), unlink_on_worker, on_unlinked);
}

static void on_linked(struct visit *v)
{
	struct tracing *t = (struct tracing *)v;
	t->linked = true;
	if (t->ending) /* its asker went away meanwhile */
		visit_one(&t->visit, t->call->node, shard(t), unlink_on_worker, on_unlinked);
}

static void on_time(struct timer *timer)
{
	end((struct tracing *)((char *)timer - offsetof(struct tracing, timer)));
}

static void on_gone(struct call *c)
{
	end(c->state);
}

static void on_stanza(struct trace *trace, bool sent_by_client, struct str full_jid, int64_t at_ms, struct str xml)
{
	struct tracing *t = trace->arg;
	char stamp[STAMP_BYTES];
	if (t->ending)
		return;
	json_t *line = json_pack("{s:o, s:s, s:o, s:o}", "time", json_str(stamp_format(stamp, at_ms, true)), "direction",
				 sent_by_client ? "in" : "out", "jid", json_str(full_jid), "stanza", json_str(xml));
	t->seen++;
	t->unread += !t->call->line(t->call, line);
	if (t->seen >= t->most)
		end(t);
}

static bool number_option(struct call *c, const char *name, const char *what, uint64_t max, uint64_t *out)
{
	struct str text = call_option(c, name);
	return !str_present(text) || call_number(c, text, what, 1, max, out);
}

static void run_trace(struct call *c)
{
	struct jid jid;
	uint64_t seconds = SECONDS_DEFAULT, most = STANZAS_DEFAULT;
	if (!call_jid(c, 0, &jid) || !number_option(c, "seconds", "--seconds", SECONDS_MAX, &seconds) ||
	    !number_option(c, "stanzas", "--stanzas", STANZAS_MAX, &most))
		return;
	if (!jid_has_local(&jid) || !host_find(c->node, jid_domain(&jid))) {
		call_fail(c, CTL_FAILED, "'%s' is no account of this node", c->args[0].p);
		return;
	}
	if (traces >= TRACES_MAX) {
		call_fail(c, CTL_FAILED, "%d traces are under way already", TRACES_MAX);
		return;
	}
	struct tracing *t = arena_zalloc(c->arena, sizeof *t);
	t->call = c;
	t->most = most;
	t->trace.jid = jid;
	t->trace.with_text = str_present(call_option(c, "bodies"));
	t->trace.on_line = on_stanza;
	t->trace.arg = t;
	t->timer.on_timer = on_time;
	c->state = t;
	c->on_gone = on_gone;
	traces++;
	worker_timer_set(c->node->main, &t->timer, seconds * 1000);
	visit_one(&t->visit, c->node, shard(t), link_on_worker, on_linked);
	LOG_EACH(LOG_INFO, "audit", "trace begins", L_STR("by", c->by), L_STR("jid", jid_str(&jid)), L_BOOL("bodies", t->trace.with_text));
}

static const struct command commands[] = {
	{ "trace", "JID --bodies --seconds=N --stanzas=N", COMMAND_STREAMS,
	  "Shows what an account's clients send and get, until Ctrl-C, 600 seconds or 1000 stanzas; text only with --bodies.",
	  run_trace },
	{ 0 },
};

const struct command_group ctl_trace = { "trace", "Looking closely.", commands };
