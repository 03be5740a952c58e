/*
 * commands_trace.c: `trace`: one account's stanzas, told line by line until the asker goes away or enough were seen.
 *
 * All of an account's stanzas pass through its home (core/fleet.h), so that is where it can be traced: any other node says which one it is.
 * An account without sessions has a home when the first one comes: a trace that waits for it looks again every second, and so it ends, too,
 * when the account's home moves.
 */
#include "node/core/fleet.h"
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
#define LOOK_MS         1000

struct tracing {
	struct visit visit;
	struct trace trace;
	struct call *call;
	struct timer timer, look;
	uint64_t seen, most, unread;
	bool visiting, linked, ending;
	bool elsewhere;               /* the account is at home on the node of that name */
	char home[VIEW_NAME_MAX];
};

static unsigned traces; /* under way; the main thread's */

/* Is the account claimed by another node? */
static void look_on_worker(struct visit *v, struct node_worker *nw)
{
	struct tracing *t = (struct tracing *)v;
	struct fleet_worker *fw = nw->fleet;
	uint32_t home = fw ? homes_claimed(fw->homes, fleet_fp(nw, jid_bare_str(&t->trace.jid))) : 0;
	if (!home || home == homes_self(fw->homes))
		return;
	const struct view_node *n = fw->view ? view_find(fw->view, home) : NULL;
	t->elsewhere = true;
	memcpy(t->home, n ? n->name : "?", n ? sizeof n->name : 2);
}

static void link_on_worker(struct visit *v, struct node_worker *nw)
{
	struct tracing *t = (struct tracing *)v;
	look_on_worker(v, nw);
	if (!t->elsewhere)
		trace_add(nw, &t->trace);
}

static void unlink_on_worker(struct visit *v, struct node_worker *nw)
{
	struct tracing *t = (struct tracing *)v;
	trace_remove(nw, &t->trace);
}

static void finish(struct tracing *t)
{
	uint64_t lost = atomic_load(&t->trace.lost) + t->unread;
	traces--;
	if (t->elsewhere)
		call_fail(t->call, CTL_FAILED, "%s is at home at the node %s%s: ask there", t->call->args[0].p, t->home,
			  t->linked ? " now" : "");
	else
		call_ok(t->call, json_pack("{s:I, s:I}", "seen", (json_int_t)t->seen, "lost", (json_int_t)lost), "%llu stanza%s%s",
			(unsigned long long)t->seen, t->seen == 1 ? "" : "s", lost ? "; some came too fast and were left out" : "");
}

static void on_unlinked(struct visit *v)
{
	finish((struct tracing *)v);
}

static void visit_shard(struct tracing *t, void (*on_worker)(struct visit *v, struct node_worker *nw), void (*on_done)(struct visit *v))
{
	t->visiting = true;
	visit_one(&t->visit, t->call->node, node_shard(t->call->node, jid_bare_str(&t->trace.jid)), on_worker, on_done);
}

static void end(struct tracing *t)
{
	if (t->ending)
		return;
	t->ending = true;
	worker_timer_cancel(t->call->node->main, &t->timer);
	worker_timer_cancel(t->call->node->main, &t->look);
	if (!t->visiting)
		visit_shard(t, unlink_on_worker, on_unlinked);
}

/* Linked, or looked again. */
static void on_looked(struct visit *v)
{
	struct tracing *t = (struct tracing *)v;
	bool ending = t->ending;
	t->visiting = false;
	t->linked = t->linked || !t->elsewhere;
	if (ending || t->elsewhere) {
		t->ending = false;
		if (t->linked) {
			end(t);
		} else {
			worker_timer_cancel(t->call->node->main, &t->timer);
			finish(t);
		}
	} else if (t->call->node->fleet) {
		worker_timer_set(t->call->node->main, &t->look, LOOK_MS);
	}
}

static void on_look(struct timer *timer)
{
	visit_shard((struct tracing *)((char *)timer - offsetof(struct tracing, look)), look_on_worker, on_looked);
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
	t->look.on_timer = on_look;
	c->state = t;
	c->on_gone = on_gone;
	traces++;
	worker_timer_set(c->node->main, &t->timer, seconds * 1000);
	visit_shard(t, link_on_worker, on_looked);
	LOG_EACH(LOG_INFO, "audit", "trace begins", L_STR("by", c->by), L_STR("jid", jid_str(&jid)), L_BOOL("bodies", t->trace.with_text));
}

static const struct command commands[] = {
	{ "trace", "JID --bodies --seconds=N --stanzas=N", COMMAND_STREAMS,
	  "Shows what an account's clients send and get, until Ctrl-C, 600 seconds or 1000 stanzas; text only with --bodies.",
	  run_trace },
	{ 0 },
};

const struct command_group ctl_trace = { "trace", "Looking closely.", commands };
