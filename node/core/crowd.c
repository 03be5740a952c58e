#include "node/core/crowd.h"

#include <stdlib.h>

#include "node/core/node.h"
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
	void (*also)(struct session *s, uint64_t arg);
	uint64_t arg;
};

static void on_worker(struct worker *w, struct message *m, bool cancelled)
{
	struct telling *t = (struct telling *)m;
	struct node_worker *nw = nw_of(w);
	struct str key;
	void *value;
	for (size_t i = 0; !cancelled && map_next(&nw->sessions, &i, &key, &value);) {
		struct session *s = value;
		if (s->user->host != t->host || !session_is_available(s))
			continue;
		struct stanza *st = stanza_readdress(t->stanza, NULL, &s->jid);
		session_deliver(s, st);
		stanza_unref(st);
		if (t->also)
			t->also(s, t->arg);
	}
	stanza_unref(t->stanza);
	free(t);
}

static void tell_host(struct node *n, struct host *h, struct telling how, struct str subject, struct str body)
{
	struct stanza *st = crowd_message(h, TYPE_HEADLINE, subject, body);
	how.message.run = on_worker;
	how.host = h;
	for (unsigned i = 0; i < n->n_workers; i++) {
		struct telling *t = xmalloc(sizeof *t);
		*t = how;
		t->stanza = stanza_ref(st);
		worker_post(n->workers[i], &t->message);
	}
	stanza_unref(st);
}

void crowd_tell(struct node *n, struct host *h, struct str subject, struct str body, void (*also)(struct session *s, uint64_t arg),
		uint64_t arg)
{
	struct telling how = { .also = also, .arg = arg };
	for (unsigned i = 0; i < n->n_hosts; i++)
		if (!h || h == n->hosts[i])
			tell_host(n, n->hosts[i], how, subject, body);
}
