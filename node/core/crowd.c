#include "node/core/crowd.h"

#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/session.h"

struct stanza *crowd_message(const struct host *h, enum stanza_type type, struct str subject, struct str body)
{
	struct arena *a = arena_new(1024);
	struct elem *root = stanza_root(a, STANZA_MESSAGE, type);
	if (str_present(subject) && !str_empty(subject))
		elem_add_text(a, root, STR("subject"), arena_str(a, subject));
	elem_add_text(a, root, STR("body"), arena_str(a, body));
	return stanza_new(&a, root, &h->jid, NULL);
}

/* Of one host on one worker. */
struct telling {
	struct message message;
	struct host *host;
	struct stanza *stanza; /* shared by all workers */
	const struct module *by;
	uint64_t arg;
	bool pass_on;          /* to the other nodes */
};

static void tell_here(struct node_worker *nw, const struct telling *t)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&nw->sessions, &i, &key, &value);) {
		struct session *s = value;
		if (s->user->host != t->host || !session_is_available(s))
			continue;
		struct stanza *st = stanza_readdress(t->stanza, NULL, &s->jid);
		session_deliver(s, st);
		stanza_unref(st);
		if (t->by && t->by->hooks.told)
			t->by->hooks.told(s, t->arg);
	}
}

static void pass_on(struct node_worker *nw, const struct telling *t)
{
	struct frame_record r = fleet_record(FLEET_CROWD, 0, 0);
	struct buf b;
	buf_init(&b, FRAME_MAX);
	stanza_write(&b, t->stanza);
	r.to = t->host->name;
	r.from = t->by ? str_of(t->by->name) : STR("");
	r.osm = t->arg;
	r.xml = buf_str(&b);
	fleet_broadcast(nw, &r);
	buf_fini(&b);
}

static void on_worker(struct worker *w, struct message *m, bool cancelled)
{
	struct telling *t = (struct telling *)m;
	struct node_worker *nw = nw_of(w);
	if (!cancelled)
		tell_here(nw, t);
	if (!cancelled && t->pass_on && nw->fleet)
		pass_on(nw, t);
	stanza_unref(t->stanza);
	free(t);
}

static void tell_host(struct node *n, struct telling how, struct str subject, struct str body)
{
	struct stanza *st = crowd_message(how.host, TYPE_HEADLINE, subject, body);
	how.message.run = on_worker;
	for (unsigned i = 0; i < n->n_workers; i++) {
		struct telling *t = xmalloc(sizeof *t);
		*t = how;
		t->stanza = stanza_ref(st);
		t->pass_on = i == 0;
		worker_post(n->workers[i], &t->message);
	}
	stanza_unref(st);
}

void crowd_tell(struct node *n, struct host *h, struct str subject, struct str body, const struct module *by, uint64_t arg)
{
	for (unsigned i = 0; i < n->n_hosts; i++)
		if (!h || h == n->hosts[i])
			tell_host(n, (struct telling){ .host = n->hosts[i], .by = by, .arg = arg }, subject, body);
}

void crowd_heard(struct node_worker *nw, const struct frame_record *r)
{
	struct telling t = { .host = host_find(nw->node, r->to), .by = module_find(r->from), .arg = r->osm };
	t.stanza = t.host ? fleet_stanza(nw, r) : NULL;
	if (t.stanza)
		tell_here(nw, &t);
	stanza_unref(t.stanza);
}
