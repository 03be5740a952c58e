#include "node/core/birth.h"

#include "node/core/fleet.h"
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

static void born(struct node_worker *nw, struct host *h, const struct jid *bare)
{
	struct user *u = user_hold(nw, h, bare);
	hooks_account_created(u);
	user_release(u);
}

static void on_shard(struct worker *w, struct message *m, bool cancelled)
{
	struct birth *b = (struct birth *)m;
	struct node_worker *nw = nw_of(w);
	uint32_t home = cancelled ? 0 : fleet_elsewhere(nw, jid_str(&b->jid));
	struct frame_record r = fleet_record(FLEET_BORN, home ? fleet_fp(nw, jid_str(&b->jid)) : 0, 0);
	if (!cancelled)
		LOG(LOG_INFO, "account", "created", L_STR("jid", jid_str(&b->jid)));
	r.to = jid_str(&b->jid);
	if (home)
		fleet_send(nw, home, &r);
	else if (!cancelled)
		born(nw, b->host, &b->jid);
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

void birth_heard(struct node_worker *nw, struct str bare)
{
	struct jid jid;
	struct arena *a = arena_new(256);
	struct host *h = jid_parse(a, bare, &jid) == ERR_NONE ? host_find(nw->node, jid_domain(&jid)) : NULL;
	if (h && jid_has_local(&jid) && node_shard(nw->node, jid_bare_str(&jid)) == nw->worker)
		born(nw, h, &jid);
	arena_free(a);
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
