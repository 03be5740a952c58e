#include "node/core/telling.h"

#include <stdlib.h>

#include "node/core/module.h"

/* ---- out ---- */

struct telling {
	struct message message;
	struct host *host;
	const struct module *module;
	struct str text; /* behind it; absent: what is remembered is stale */
};

static void on_tell(struct worker *w, struct message *m, bool cancelled)
{
	struct telling *t = (struct telling *)m;
	struct frame_record r = fleet_record(FLEET_STALE, 0, 0);
	r.to = t->host->name;
	r.from = str_of(t->module->name);
	r.xml = t->text;
	if (!cancelled)
		fleet_broadcast(nw_of(w), &r);
	free(t);
}

/* Main may say so, too, but only workers speak to other nodes. */
static void tell(struct host *h, const struct module *m, struct str text)
{
	if (!h->node->fleet)
		return;
	struct telling *t = xzalloc(sizeof *t + text.len);
	*t = (struct telling){ .message.run = on_tell, .host = h, .module = m };
	if (text.len) {
		memcpy(t + 1, text.p, text.len);
		t->text = str_span((const char *)(t + 1), text.len);
	}
	worker_post(h->node->workers[0], &t->message);
}

void host_changed(struct host *h, const struct module *m)
{
	tell(h, m, STR_NONE);
}

void host_tell(struct host *h, const struct module *m, struct str text)
{
	BUG_ON(!text.len || text.len > HOST_TELL_MAX);
	tell(h, m, text);
}

/* ---- in ---- */

void telling_record(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct host *h = host_find(nw->node, r->to);
	const struct module *m = module_find(r->from);
	const struct view *v = nw->fleet->view;
	if (!h || !m || !host_has_module(h, m))
		return;
	if (!r->xml.len && m->host_stale)
		m->host_stale(h);
	else if (r->xml.len && m->host_told && nw->worker->index == 0 && v && view_is_alive(v, from))
		m->host_told(h, from, r->xml);
}

static void each(const struct node *n, void (*fn)(struct host *h, const struct module *m, uint32_t epoch), uint32_t epoch)
{
	for (unsigned h = 0; h < n->n_hosts; h++)
		for (unsigned i = 0; all_modules[i]; i++)
			if (host_has_module(n->hosts[h], all_modules[i]))
				fn(n->hosts[h], all_modules[i], epoch);
}

static void parted(struct host *h, const struct module *m, uint32_t epoch)
{
	if (m->host_parted)
		m->host_parted(h, epoch);
}

static void met(struct host *h, const struct module *m, uint32_t epoch)
{
	(void)epoch;
	if (m->host_met)
		m->host_met(h);
}

static bool is_there(const struct view *v, uint32_t epoch)
{
	return v && epoch != v->self && view_is_alive(v, epoch);
}

void telling_view(struct node_worker *nw, const struct view *before, const struct view *after)
{
	bool somebody = before && before->self != after->self; /* they have never heard of us, by this name */
	if (nw->worker->index != 0)
		return;
	for (unsigned i = 0; before && i < before->n; i++)
		if (is_there(before, before->nodes[i].epoch) && !is_there(after, before->nodes[i].epoch))
			each(nw->node, parted, before->nodes[i].epoch);
	for (unsigned i = 0; i < after->n; i++)
		somebody |= is_there(after, after->nodes[i].epoch) && !is_there(before, after->nodes[i].epoch);
	if (somebody && after->self)
		each(nw->node, met, 0);
}
