/*
 * fleet_rig.h: one node of two: the test is the other node, and the mesh between them. What the node sends is caught here, what the other
 * says is put in by hand.
 */
#ifndef TESTS_UNIT_NODE_CORE_FLEET_RIG_H
#define TESTS_UNIT_NODE_CORE_FLEET_RIG_H

#include "tests/unit/node/node_rig.h"

#include "node/core/fleet.h"
#include "node/core/freeze.h"

#define OTHER 2 /* its epoch; ours is 1 */

static const char cluster[] = "cluster:\n  enabled: true\n  secret: 0123456789abcdef0123456789abcdef\n";

struct sent {
	struct sent *next;
	struct frame_record r;
	struct buf bytes;
};

static struct sent *sent, **sent_end;
static struct mesh_options hooks;
static struct arena *keep;
static uint32_t self_epoch; /* ours, in the next view */
static bool other_slow;      /* takes too little */
static uint8_t other_speaks; /* the protocol version that both have, there */

static uint64_t places_granted; /* the last fence that was given; 0: no place is granted */

/* ---- the mesh ---- */

struct mesh *mesh_start(const struct mesh_options *o, struct buf *why)
{
	return NULL;
}

void mesh_drain(struct mesh *m)
{
}

void mesh_deafen(struct mesh *m, struct worker *asker, void (*then)(void *arg), void *arg)
{
}

bool mesh_owes(const struct mesh *m)
{
	return false;
}

struct worker *mesh_worker(const struct mesh *m)
{
	return NULL;
}

void mesh_stop(struct mesh *m)
{
}

struct str mesh_addr(const struct mesh *m)
{
	return STR_NONE;
}

enum err mesh_send(struct mesh *m, struct worker *w, uint32_t epoch, const struct frame_record *r)
{
	struct sent *s = calloc(1, sizeof *s);
	struct str body;
	assert_int_equal(epoch, OTHER);
	buf_init(&s->bytes, FRAME_MAX);
	assert_int_equal(frame_add_record(&s->bytes, r), ERR_NONE);
	body = buf_str(&s->bytes);
	assert_int_equal(frame_next_record(&body, &s->r), ERR_NONE);
	*sent_end = s;
	sent_end = &s->next;
	return ERR_NONE;
}

enum err mesh_broadcast(struct mesh *m, struct worker *w, const struct frame_record *r)
{
	return mesh_send(m, w, OTHER, r);
}

void mesh_synced(struct mesh *m, struct worker *w)
{
}

void mesh_stats(struct mesh *m, struct mesh_stats *out)
{
	memset(out, 0, sizeof *out);
}

struct answer {
	struct message message;
	struct registry_call *call;
};

static inline void on_answer(struct worker *w, struct message *m, bool cancelled)
{
	struct answer *a = (struct answer *)m;
	a->call->on_done(a->call);
	free(a);
}

static unsigned asked;
static uint32_t told_edge; /* the node of the client of whom the registry was told last */

/* Without a registry: the arbiter's word is enough. */
void mesh_ask(struct mesh *m, struct worker *w, struct registry_call *c)
{
	struct answer *a = calloc(1, sizeof *a);
	a->message.run = on_answer;
	a->call = c;
	c->err = ERR_UNAVAILABLE;
	if (places_granted && c->verb >= REGISTRY_PLACE_CLAIM) {
		c->err = ERR_NONE;
		c->winner = c->epoch;
		c->fence = c->verb == REGISTRY_PLACE_CLAIM ? ++places_granted : c->fence;
	}
	asked++;
	if (c->verb == REGISTRY_BIND)
		told_edge = c->edge;
	worker_post(w, &a->message);
}

/* ---- the other node ---- */

/* The first record of this kind that was sent and not looked at yet; those before it are forgotten. */
static inline struct sent *next_of(unsigned kind)
{
	while (sent) {
		struct sent *s = sent;
		sent = s->next;
		if (!sent)
			sent_end = &sent;
		if (s->r.kind == kind)
			return s;
		buf_fini(&s->bytes);
		free(s);
	}
	return NULL;
}

static inline struct frame_record expect(unsigned kind)
{
	struct sent *s = NULL;
	RIG_UNTIL((s = next_of(kind)));
	struct frame_record r = s->r;
	r.from = arena_str(keep, r.from);
	r.to = arena_str(keep, r.to);
	r.xml = arena_str(keep, r.xml);
	buf_fini(&s->bytes);
	free(s);
	return r;
}

struct heard {
	struct message message;
	struct frame_record r;
	bool lost;
};

static inline void on_heard(struct worker *w, struct message *m, bool cancelled)
{
	struct heard *h = (struct heard *)m;
	if (h->lost)
		hooks.on_lost(w, OTHER, &h->r);
	else
		hooks.on_record(w, OTHER, &h->r);
	free(h);
}

static inline void post(struct frame_record r, bool lost)
{
	struct heard *h = calloc(1, sizeof *h);
	*h = (struct heard){ .message.run = on_heard, .r = r, .lost = lost };
	worker_post(node.workers[mesh_worker_of(r.dst_fp, node.n_workers)], &h->message);
}

static inline void other_says(struct frame_record r)
{
	post(r, false);
}

struct look {
	struct message message;
	struct view *view;
};

static inline void on_look(struct worker *w, struct message *m, bool cancelled)
{
	struct look *l = (struct look *)m;
	hooks.on_view(w, l->view);
	view_unref(l->view);
	free(l);
}

/* We are up, and see the other node in this state. */
static inline void look(enum node_state other)
{
	struct view *v = view_new(2);
	v->self = self_epoch;
	v->state = NODE_UP;
	v->nodes[self_epoch > OTHER] = (struct view_node){ .epoch = self_epoch, .state = NODE_UP, .workers = 2, .name = "here",
						       .speaks = FLEET_SM };
	v->nodes[self_epoch < OTHER] = (struct view_node){ .epoch = OTHER, .state = other, .workers = 1, .linked = true, .name = "there",
						       .speaks = other_speaks, .full = other_slow, .slow = other_slow };
	for (unsigned i = 0; i < node.n_workers; i++) {
		struct look *l = calloc(1, sizeof *l);
		l->message.run = on_look;
		l->view = view_ref(v);
		worker_post(node.workers[i], &l->message);
	}
	view_unref(v);
	rig_turns(4);
}

static inline uint64_t fp(const char *bare)
{
	return str_hash(str_of(bare), node.hash_key);
}

static inline struct frame_record record(unsigned kind, const char *bare, uint64_t sid)
{
	return (struct frame_record){ .kind = (uint8_t)kind, .ttl = FRAME_TTL, .dst_fp = fp(bare), .dst_sid = sid };
}

/* The other node has claimed this account. */
static inline void other_claims(const char *bare)
{
	struct frame_record add = record(HOMES_ADD, bare, 0);
	add.osm = 5;
	other_says(add);
	rig_turns(4);
}

/* An account whose place is that node, when nobody claims it. */
static inline void account_with_place(uint32_t epoch, char user[16], char bare[64])
{
	do {
		rig_account_on(0, user);
		snprintf(bare, 64, "%s@localhost", user);
	} while (homes_where(nw_of(node.workers[0])->fleet->homes, fp(bare)) != epoch);
}

static inline int set_up(void **state)
{
	sent = NULL;
	sent_end = &sent;
	keep = arena_new(0);
	self_epoch = 1;
	other_speaks = 1;
	other_slow = false;
	rig_start(cluster);
	fleet_hooks(node.fleet, &hooks);
	node.fleet->mesh = (struct mesh *)&hooks; /* not looked into */
	for (unsigned i = 0; i < node.n_workers; i++)
		nw_of(node.workers[i])->fleet->serving = true; /* its clients come as socket pairs */
	look(NODE_UP);
	return 0;
}

static inline int tear_down(void **state)
{
	look(NODE_DEAD);
	rig_stop();
	assert_null(next_of(255));
	arena_free(keep);
	return 0;
}

/* Up to the request to be bound, which is not answered yet. */
static inline struct rig_client begin_login(const char *user)
{
	struct rig_client c = rig_authenticate(1, user);
	rig_ask_to_bind(&c, "r");
	return c;
}

/* A client of ours whose session is at the other node, as its 77. */
static inline struct rig_client far_login(const char *user, uint64_t *edge)
{
	struct rig_client c = begin_login(user);
	struct frame_record bind = expect(FLEET_BIND);
	assert_int_equal(bind.to.len, strlen(c.bare) + 2);
	*edge = bind.dst_sid;
	struct frame_record bound = record(FLEET_BOUND, c.bare, *edge);
	bound.osm = 77;
	other_says(bound);
	RIG_HEAR(&c, "</iq>");
	return c;
}

/* The same by an account that would be at home here, had it not been there before. */
static inline struct rig_client begin_login_there(void)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	return begin_login(user);
}

static inline struct rig_client login_there(uint64_t *edge)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	return far_login(user, edge);
}

/* A client of an account that is at home here. */
static inline struct rig_client login_here(const char *resource)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	return rig_login(0, user, resource);
}

/* The request of the other node's edge 9 to bind a client of an account that a client here has made ours. */
static inline struct frame_record bind_of_far(const char *bare)
{
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", bare);
	bind.from = STR("10.1.2.3");
	bind.oseq = 5;
	bind.rule = TRANSPORT_STARTTLS;
	bind.osm = UINT64_C(1) << 60;
	return bind;
}

static inline bool holds(struct str s, const char *text)
{
	return memmem(s.p, s.len, text, strlen(text)) != NULL;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
