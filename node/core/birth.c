#include "node/core/birth.h"

#include "node/core/hooks.h"
#include "node/core/log.h"
#include "node/core/node.h"
#include "node/core/session.h"

struct birth {
	struct message message;
	struct arena *arena; /* it lies there */
	struct host *host;
	struct jid jid;
	struct worker *asker;
	void (*on_done)(const struct account_answer *answer);
	void *arg;
	enum err err;
};

static void on_answered(struct worker *w, struct message *m, bool cancelled)
{
	struct birth *b = (struct birth *)m;
	struct account_answer answer = { .err = b->err, .arg = b->arg };
	if (!cancelled)
		b->on_done(&answer);
	arena_free(b->arena);
}

static void answer(struct birth *b)
{
	b->message.run = on_answered;
	worker_post(b->asker, &b->message);
}

static void on_shard(struct worker *w, struct message *m, bool cancelled)
{
	struct birth *b = (struct birth *)m;
	if (!cancelled) {
		struct user *u = user_hold(nw_of(w), b->host, &b->jid);
		LOG(LOG_INFO, "account", "created", L_STR("jid", jid_str(&b->jid)));
		hooks_account_created(u);
		user_release(u);
	}
	if (b->asker)
		answer(b);
	else
		arena_free(b->arena);
}

static void to_shard(struct birth *b)
{
	b->message.run = on_shard;
	worker_post(node_shard(b->host->node, jid_str(&b->jid)), &b->message);
}

static void on_created(const struct account_answer *a)
{
	struct birth *b = a->arg;
	b->err = a->err;
	if (b->err) {
		answer(b);
		return;
	}
	to_shard(b);
}

static struct birth *birth_new(struct host *h, const struct jid *bare)
{
	struct arena *a = arena_new(0);
	struct birth *b = arena_zalloc(a, sizeof *b);
	*b = (struct birth){ .arena = a, .host = h };
	b->jid = jid_bare(bare);
	b->jid = jid_copy(a, &b->jid);
	return b;
}

void account_announce(struct host *h, const struct jid *bare)
{
	to_shard(birth_new(h, bare));
}

void account_add(struct host *h, const struct jid *bare, struct str password, void (*on_done)(const struct account_answer *answer),
		 void *arg)
{
	struct birth *b = birth_new(h, bare);
	b->asker = worker_current();
	b->on_done = on_done;
	b->arg = arg;
	struct account_ask ask = { .store = h->store, .host = h->name, .user = jid_local(&b->jid), .on_done = on_created, .arg = b };
	b->err = account_create(&ask, password, h->scram_iterations);
	if (b->err)
		answer(b);
}
