#include "node/core/removal.h"

#include <stdlib.h>

#include "node/core/hooks.h"
#include "node/core/log.h"
#include "node/core/node.h"
#include "node/core/session.h"
#include "node/ctl/relay.h"

struct removal {
	struct message message;
	struct arena *arena;  /* it lies there */
	struct host *host;
	struct jid jid;
	const char *reason;
	struct worker *asker;
	struct user *user;
	void (*on_done)(const struct account_answer *answer);
	void *arg;
	enum err err;
};

static void on_answered(struct worker *w, struct message *m, bool cancelled)
{
	struct removal *r = (struct removal *)m;
	struct account_answer answer = { .err = r->err, .arg = r->arg };
	if (!cancelled)
		r->on_done(&answer);
	arena_free(r->arena);
}

static void finish(struct removal *r, enum err err)
{
	struct user *u = r->user;
	while (err == ERR_NONE && u->sessions)
		session_close(u->sessions, STREAM_NOT_AUTHORIZED, str_of(r->reason));
	hooks_account_ended(u, err == ERR_NONE);
	if (err == ERR_NONE)
		LOG(LOG_INFO, "account", "removed", L_STR("jid", jid_str(&r->jid)));
	user_release(u);
	r->err = err;
	r->message.run = on_answered;
	worker_post(r->asker, &r->message);
}

static void on_deleted(const struct account_answer *answer)
{
	finish(answer->arg, answer->err);
}

/* At its home, which is another node. */
static void on_removed_there(void *arg, enum err err)
{
	struct removal *r = arg;
	r->err = err;
	r->message.run = on_answered;
	worker_post(r->asker, &r->message);
}

static void on_shard(struct worker *w, struct message *m, bool cancelled)
{
	struct removal *r = (struct removal *)m;
	if (cancelled) {
		arena_free(r->arena);
		return;
	}
	struct account_ask ask = {
		.store = r->host->store, .host = r->host->name, .user = jid_local(&r->jid), .on_done = on_deleted, .arg = r,
	};
	uint32_t home = fleet_elsewhere(nw_of(w), jid_str(&r->jid));
	if (home) {
		relay_remove(nw_of(w), home, &r->jid, on_removed_there, r);
		return;
	}
	r->user = user_hold(nw_of(w), r->host, &r->jid);
	hooks_account_ending(r->user);
	enum err err = account_delete(&ask);
	if (err != ERR_NONE)
		finish(r, err);
}

void account_remove(struct host *h, const struct jid *bare, const char *reason,
		    void (*on_done)(const struct account_answer *answer), void *arg)
{
	struct arena *a = arena_new(0);
	struct removal *r = arena_zalloc(a, sizeof *r);
	*r = (struct removal){ .arena = a, .host = h, .reason = reason, .on_done = on_done, .arg = arg };
	r->jid = jid_bare(bare);
	r->jid = jid_copy(a, &r->jid);
	r->asker = worker_current();
	r->message.run = on_shard;
	worker_post(node_shard(h->node, jid_str(&r->jid)), &r->message);
}
