#include "node/core/ghost.h"

#include <stdlib.h>

#include "node/core/log.h"
#include "node/core/session.h"

#define STEP    20 /* begun in one go */
#define STEP_MS 10

/* One that waits for its turn. */
struct burial {
	struct burial *next;
	unsigned ttl;
	size_t len;
	char full[];
};

/* Stands for the client until the roster is here. */
struct ghost {
	struct outlet outlet;
	struct ghost *next;
	struct node_worker *nw;
	uint64_t sid;
	unsigned holds;
	struct timer end;
};

/* ---- one ---- */

static void next_step(struct fleet_worker *fw, uint64_t in_ms)
{
	if (fw->burials && !timer_is_set(&fw->bury))
		worker_timer_set(fw->nw->worker, &fw->bury, in_ms);
}

/* Its session, which has no client any more. */
static struct session *ghost_free(struct ghost *g)
{
	struct fleet_worker *fw = g->nw->fleet;
	struct session *s = session_find(g->nw, g->sid);
	if (s)
		s->outlet = NULL;
	worker_timer_cancel(g->nw->worker, &g->end);
	struct ghost **at = &fw->ghosts;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	fw->n_ghosts--;
	next_step(fw, 0);
	free(g);
	return s;
}

static void end(struct ghost *g)
{
	struct session *s = ghost_free(g);
	if (s)
		session_end(s);
}

static void on_end(struct timer *t)
{
	end((struct ghost *)((char *)t - offsetof(struct ghost, end)));
}

static struct ghost *ghost_of(const struct outlet *o)
{
	return (struct ghost *)((char *)o - offsetof(struct ghost, outlet));
}

static void ghost_send(struct outlet *o, const struct stanza *st)
{
	(void)o;
	(void)st;
}

static void ghost_hold(struct outlet *o)
{
	ghost_of(o)->holds++;
}

static void ghost_release(struct outlet *o)
{
	struct ghost *g = ghost_of(o);
	if (--g->holds == 0)
		worker_timer_set(g->nw->worker, &g->end, 0);
}

/* Somebody takes its name: it ends now, so that its end comes before the other's beginning. */
static void ghost_close(struct outlet *o, enum stream_error e, struct str text, struct str extra)
{
	(void)e;
	(void)text;
	(void)extra;
	end(ghost_of(o));
}

static void ghost_describe(const struct outlet *o, struct outlet_info *out)
{
	(void)o;
	*out = (struct outlet_info){ .port = 0 };
}

static const struct outlet_ops ghost_ops = {
	.send = ghost_send, .hold = ghost_hold, .release = ghost_release, .close = ghost_close, .describe = ghost_describe,
};

static struct stanza *presence_of(const struct jid *full)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_AVAILABLE);
	elem_add_text(a, root, STR("priority"), STR("-128")); /* takes no messages meanwhile */
	return stanza_new(&a, root, full, NULL);
}

static void begin(struct node_worker *nw, struct host *h, const struct jid *full)
{
	struct fleet_worker *fw = nw->fleet;
	struct ghost *g = xzalloc(sizeof *g);
	g->outlet = (struct outlet){ .ops = &ghost_ops, .transport = TRANSPORT_STARTTLS, .secure = true };
	g->nw = nw;
	g->end.on_timer = on_end;
	g->next = fw->ghosts;
	fw->ghosts = g;
	fw->n_ghosts++;
	g->sid = nw->next_sid + 1;
	struct session *s = session_new(nw, h, full, &g->outlet, 0);
	struct stanza *st = presence_of(full);
	session_restore_presence(s, st);
	stanza_unref(st);
	if (!g->holds)
		worker_timer_set(nw->worker, &g->end, 0);
}

/* ---- all ---- */

static void send_on(struct node_worker *nw, uint32_t home, struct str full, struct str bare, unsigned ttl)
{
	struct frame_record r = fleet_record(FLEET_BURY, fleet_fp(nw, bare), 0);
	r.to = full;
	r.ttl = (uint8_t)ttl;
	fleet_send(nw, home, &r);
}

/* Its turn has come: who has logged in meanwhile lives, and whose home has gone elsewhere is told of there. */
static void bury(struct node_worker *nw, struct str full, unsigned ttl)
{
	struct jid jid;
	struct arena *a = arena_new(512);
	bool valid = jid_parse(a, full, &jid) == ERR_NONE && jid_is_full(&jid) && jid_has_local(&jid) &&
		     node_shard(nw->node, jid_bare_str(&jid)) == nw->worker;
	struct host *h = valid ? host_find(nw->node, jid_domain(&jid)) : NULL;
	struct user *u = h ? user_find(nw, jid_bare_str(&jid)) : NULL;
	uint32_t elsewhere = h ? fleet_elsewhere(nw, jid_bare_str(&jid)) : 0;
	if (elsewhere && ttl > 1)
		send_on(nw, elsewhere, full, jid_bare_str(&jid), ttl - 1);
	else if (h && !elsewhere && !(u && user_session(u, jid_resource(&jid))))
		begin(nw, h, &jid);
	arena_free(a);
}

static struct burial *take(struct fleet_worker *fw)
{
	struct burial *b = fw->burials;
	fw->burials = b->next;
	if (!fw->burials)
		fw->burials_end = &fw->burials;
	fw->n_burials--;
	return b;
}

static void on_step(struct timer *t)
{
	struct fleet_worker *fw = (struct fleet_worker *)((char *)t - offsetof(struct fleet_worker, bury));
	for (unsigned n = 0; n < STEP && fw->burials && fw->n_ghosts < GHOSTS_MAX; n++) {
		struct burial *b = take(fw);
		bury(fw->nw, str_span(b->full, b->len), b->ttl);
		free(b);
	}
	if (fw->n_ghosts < GHOSTS_MAX) /* else when one has ended */
		next_step(fw, STEP_MS);
}

void ghost_bury(struct node_worker *nw, struct str full, unsigned ttl)
{
	struct fleet_worker *fw = nw->fleet;
	if (fw->n_burials == BURIALS_MAX) {
		LOG(LOG_WARN, "fleet", "too many died with their node: the contacts of one are not told", L_STR("jid", full));
		return;
	}
	struct burial *b = xmalloc(sizeof *b + full.len);
	*b = (struct burial){ .ttl = ttl, .len = full.len };
	memcpy(b->full, full.p, full.len);
	*fw->burials_end = b;
	fw->burials_end = &b->next;
	fw->n_burials++;
	fw->bury.on_timer = on_step;
	next_step(fw, 0);
}

void ghost_farewell(struct node_worker *nw)
{
	struct fleet_worker *fw = nw->fleet;
	for (struct ghost *g = fw->ghosts, *next; g; g = next) {
		next = g->next;
		struct session *s = ghost_free(g);
		if (!s)
			continue;
		ghost_bury(nw, jid_str(&s->jid), FRAME_TTL);
		session_depart(s);
	}
	for (size_t left = fw->n_burials; left; left--) {
		struct burial *b = take(fw);
		struct str full = str_span(b->full, b->len), rest = full, bare = str_cut(&rest, '/');
		uint32_t home = fleet_elsewhere(nw, bare);
		if (home)
			send_on(nw, home, full, bare, b->ttl);
		else /* nobody else is there */
			ghost_bury(nw, full, b->ttl);
		free(b);
	}
}

void ghost_end_all(struct node_worker *nw)
{
	struct fleet_worker *fw = nw->fleet;
	while (fw && fw->burials)
		free(take(fw));
	for (struct ghost *g = fw ? fw->ghosts : NULL, *next; g; g = next) {
		next = g->next;
		end(g);
	}
}
