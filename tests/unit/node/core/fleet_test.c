/*
 * One node of two: the test is the other node, and the mesh between them. What the node sends is caught here, what the other says is
 * put in by hand.
 */
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

/* ---- the mesh ---- */

struct mesh *mesh_start(const struct mesh_options *o, struct buf *why)
{
	return NULL;
}

void mesh_drain(struct mesh *m)
{
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

static void on_answer(struct worker *w, struct message *m, bool cancelled)
{
	struct answer *a = (struct answer *)m;
	a->call->on_done(a->call);
	free(a);
}

static unsigned asked;

/* Without a registry: the arbiter's word is enough. */
void mesh_ask(struct mesh *m, struct worker *w, struct registry_call *c)
{
	struct answer *a = calloc(1, sizeof *a);
	a->message.run = on_answer;
	a->call = c;
	c->err = ERR_UNAVAILABLE;
	asked++;
	worker_post(w, &a->message);
}

/* ---- the other node ---- */

/* The first record of this kind that was sent and not looked at yet; those before it are forgotten. */
static struct sent *next_of(unsigned kind)
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

static struct frame_record expect(unsigned kind)
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

static void on_heard(struct worker *w, struct message *m, bool cancelled)
{
	struct heard *h = (struct heard *)m;
	if (h->lost)
		hooks.on_lost(w, OTHER, &h->r);
	else
		hooks.on_record(w, OTHER, &h->r);
	free(h);
}

static void post(struct frame_record r, bool lost)
{
	struct heard *h = calloc(1, sizeof *h);
	*h = (struct heard){ .message.run = on_heard, .r = r, .lost = lost };
	worker_post(node.workers[mesh_worker_of(r.dst_fp, node.n_workers)], &h->message);
}

static void other_says(struct frame_record r)
{
	post(r, false);
}

struct look {
	struct message message;
	struct view *view;
};

static void on_look(struct worker *w, struct message *m, bool cancelled)
{
	struct look *l = (struct look *)m;
	hooks.on_view(w, l->view);
	view_unref(l->view);
	free(l);
}

/* We are up, and see the other node in this state. */
static void look(enum node_state other)
{
	struct view *v = view_new(2);
	v->self = 1;
	v->state = NODE_UP;
	v->nodes[0] = (struct view_node){ .epoch = 1, .state = NODE_UP, .workers = 2, .name = "here" };
	v->nodes[1] = (struct view_node){ .epoch = OTHER, .state = other, .workers = 1, .linked = true, .name = "there" };
	for (unsigned i = 0; i < node.n_workers; i++) {
		struct look *l = calloc(1, sizeof *l);
		l->message.run = on_look;
		l->view = view_ref(v);
		worker_post(node.workers[i], &l->message);
	}
	view_unref(v);
	rig_turns(4);
}

static uint64_t fp(const char *bare)
{
	return str_hash(str_of(bare), node.hash_key);
}

static struct frame_record record(unsigned kind, const char *bare, uint64_t sid)
{
	return (struct frame_record){ .kind = (uint8_t)kind, .ttl = FRAME_TTL, .dst_fp = fp(bare), .dst_sid = sid };
}

/* The other node has claimed this account. */
static void other_claims(const char *bare)
{
	struct frame_record add = record(HOMES_ADD, bare, 0);
	add.osm = 5;
	other_says(add);
	rig_turns(4);
}

/* An account whose place is that node, when nobody claims it. */
static void account_with_place(uint32_t epoch, char user[16], char bare[64])
{
	do {
		rig_account_on(0, user);
		snprintf(bare, 64, "%s@localhost", user);
	} while (homes_where(nw_of(node.workers[0])->fleet->homes, fp(bare)) != epoch);
}

static int set_up(void **state)
{
	sent = NULL;
	sent_end = &sent;
	keep = arena_new(0);
	rig_start(cluster);
	fleet_hooks(node.fleet, &hooks);
	node.fleet->mesh = (struct mesh *)&hooks; /* not looked into */
	for (unsigned i = 0; i < node.n_workers; i++)
		nw_of(node.workers[i])->fleet->serving = true; /* its clients come as socket pairs */
	look(NODE_UP);
	return 0;
}

static int tear_down(void **state)
{
	look(NODE_DEAD);
	rig_stop();
	assert_null(next_of(255));
	arena_free(keep);
	return 0;
}

/* Up to the request to be bound, which is not answered yet. */
static struct rig_client begin_login(const char *user)
{
	struct rig_client c = rig_connect(1);
	struct str secret = arena_printf(keep, "%c%s%cp", 0, user, 0);
	rig_say(&c, RIG_HEADER);
	RIG_HEAR(&c, "</stream:features>");
	rig_say(&c, arena_printf(keep, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%.*s</auth>",
				 STR_ARG(b64_encode(keep, secret))).p);
	RIG_HEAR(&c, "<success");
	rig_say(&c, RIG_HEADER);
	RIG_HEAR(&c, "</stream:features>");
	rig_say(&c, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>");
	snprintf(c.bare, sizeof c.bare, "%s@localhost", user);
	c.worker = node_shard(&node, str_of(c.bare))->index;
	return c;
}

/* A client of ours whose session is at the other node, as its 77. */
static struct rig_client far_login(const char *user, uint64_t *edge)
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

static bool holds(struct str s, const char *text)
{
	return memmem(s.p, s.len, text, strlen(text)) != NULL;
}

/* ---- clients here, sessions there ---- */

static void a_client_is_bound_where_its_account_is_at_home(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge);
	assert_null(rig_session(&c, "r"));
	rig_say(&c, "<message to='somebody@localhost' type='chat'><body>up</body></message>");
	struct frame_record up = expect(FLEET_UP);
	assert_int_equal(up.dst_sid, 77);
	assert_true(holds(up.xml, "<body>up</body>") && holds(up.xml, arena_printf(keep, "from='%s/r'", bare).p));
	struct frame_record down = record(FLEET_DOWN, bare, edge);
	down.xml = STR("<message from='x@localhost'><body>down</body></message>");
	other_says(down);
	RIG_HEAR(&c, "<body>down</body>");
	rig_hang_up(&c);
	assert_int_equal(expect(FLEET_GONE).dst_sid, 77);
}

static void a_client_hears_why_its_home_ends_its_session(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge);
	struct frame_record close = record(FLEET_CLOSE, bare, edge);
	close.rule = STREAM_CONFLICT;
	other_says(close);
	RIG_HEAR(&c, "<conflict xmlns");
	rig_hang_up(&c);
}

static void a_client_is_not_read_while_its_home_holds_it(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge);
	other_says(record(FLEET_HOLD, bare, edge));
	rig_turns(4);
	rig_say(&c, "<message to='somebody@localhost'><body>later</body></message>");
	rig_turns(10);
	assert_null(next_of(FLEET_UP));
	other_says(record(FLEET_RELEASE, bare, edge));
	assert_true(holds(expect(FLEET_UP).xml, "later"));
	rig_hang_up(&c);
}

static void a_refusal_of_the_home_reaches_the_client(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = begin_login(user);
	struct frame_record bound = record(FLEET_BOUND, bare, expect(FLEET_BIND).dst_sid);
	bound.rule = STANZA_RESOURCE_CONSTRAINT;
	other_says(bound);
	RIG_HEAR(&c, "<resource-constraint");
	rig_hang_up(&c);
}

static void a_client_asks_again_when_its_home_has_just_gone(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = begin_login(user);
	struct frame_record no = record(FLEET_BOUND, bare, expect(FLEET_BIND).dst_sid);
	other_says(record(HOMES_DEL, bare, 0));
	other_says(no);
	RIG_HEAR(&c, "</iq>");
	assert_non_null(rig_session(&c, "r"));
	rig_hang_up(&c);
}

static void a_session_comes_here_when_its_home_dies(void **state)
{
	char user[16], bare[64], friend_name[16], friend_bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	account_with_place(1, friend_name, friend_bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge), d = rig_login(0, friend_name, "r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>one</body></message>", friend_bare).p);
	struct frame_record lost = expect(FLEET_UP), state_now = record(FLEET_STATE, bare, edge);
	struct buf b;
	buf_init(&b, 1000);
	static const char presence[] = "<presence><priority>7</priority></presence>";
	buf_addf(&b, "%cpresence%c%c%c%c%s", 8, (int)sizeof presence - 1, 0, 0, 0, presence);
	state_now.xml = buf_str(&b);
	other_says(state_now);
	rig_turns(4);
	buf_fini(&b);
	post(lost, true);
	rig_turns(4);
	look(NODE_DEAD);
	RIG_UNTIL(rig_session(&c, "r"));
	assert_int_equal(rig_session(&c, "r")->priority, 7);
	RIG_HEAR(&d, "<body>one</body>");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>two</body></message>", friend_bare).p);
	RIG_HEAR(&d, "<body>two</body>");
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void a_login_waits_for_another_home_when_the_first_dies(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = begin_login(user);
	expect(FLEET_BIND);
	look(NODE_DEAD);
	RIG_HEAR(&c, "</iq>");
	assert_non_null(rig_session(&c, "r"));
	rig_hang_up(&c);
}

static void what_was_under_way_to_a_home_that_gives_up_a_session_comes_with_it(void **state)
{
	char user[16], bare[64], friend_name[16], friend_bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	account_with_place(1, friend_name, friend_bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge), d = rig_login(0, friend_name, "r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>one</body></message>", friend_bare).p);
	struct frame_record back = expect(FLEET_UP);
	other_says(record(HOMES_DEL, bare, 0));
	other_says(record(FLEET_REHOME, bare, edge));
	struct frame_record last = expect(FLEET_UP);
	assert_int_equal(last.dst_sid, 77);
	assert_int_equal(last.xml.len, 0);
	rig_turns(10);
	assert_null(rig_session(&c, "r")); /* it waits for what is under way */
	back.kind = last.kind = FLEET_BACK;
	back.dst_sid = last.dst_sid = edge;
	back.osm = last.osm = 77;
	other_says(back);
	other_says(last);
	RIG_UNTIL(rig_session(&c, "r"));
	RIG_HEAR(&d, "<body>one</body>");
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void a_client_whose_home_has_lost_its_session_gets_another(void **state)
{
	char user[16], bare[64], friend_name[16], friend_bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	account_with_place(1, friend_name, friend_bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge), d = rig_login(0, friend_name, "r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>one</body></message>", friend_bare).p);
	struct frame_record back = expect(FLEET_UP);
	other_says(record(HOMES_DEL, bare, 0));
	back.kind = FLEET_BACK;
	back.dst_sid = edge;
	back.osm = 77;
	other_says(back);
	RIG_HEAR(&d, "<body>one</body>");
	assert_non_null(rig_session(&c, "r"));
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void what_comes_back_when_its_edge_is_gone_is_sent_all_the_same(void **state)
{
	char user[16], bare[64], friend_name[16], friend_bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	account_with_place(1, friend_name, friend_bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge), d = rig_login(0, friend_name, "r");
	rig_say(&c, arena_printf(keep, "<message to='%s/r' type='chat'><body>last words</body></message>", friend_bare).p);
	struct frame_record lost = expect(FLEET_UP);
	rig_hang_up(&c);
	expect(FLEET_GONE);
	post(lost, true);
	RIG_HEAR(&d, "<body>last words</body>");
	rig_hang_up(&d);
}

static void a_message_for_a_client_that_has_gone_is_not_lost(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	struct frame_record down = record(FLEET_DOWN, bare, 99);
	down.osm = 77;
	down.rule = STANZA_MESSAGE;
	down.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s/r' type='chat'><body>for whom</body></message>", bare);
	other_says(down);
	assert_int_equal(expect(FLEET_GONE).dst_sid, 77); /* first: its home must not send it here again */
	assert_true(holds(expect(FLEET_STANZA).xml, "for whom"));
}

static void what_goes_up_to_a_session_that_is_not_here_goes_back(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct frame_record up = record(FLEET_UP, bare, 1234567);
	up.osm = 9;
	up.xml = STR("<message/>");
	other_says(up);
	struct frame_record back = expect(FLEET_BACK);
	assert_int_equal(back.dst_sid, 9);
	assert_int_equal(back.osm, 1234567);
	assert_true(holds(back.xml, "<message/>"));
}

static void what_a_node_does_not_take_has_a_ceiling(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	struct frame_record st = record(FLEET_STANZA, "absent@localhost", 0);
	struct fleet_worker *fw = nw_of(node_shard(&node, STR("absent@localhost")))->fleet;
	other_claims("absent@localhost");
	fw->n_lost = 10000;
	st.xml = arena_printf(keep, "<message from='%s/r' to='absent@localhost/x' type='chat'><body>too much</body></message>", bare);
	post(st, true);
	RIG_HEAR(&c, "<resource-constraint");
	assert_null(fw->lost);
	fw->n_lost = 0;
	st.xml = arena_printf(keep, "<message from='x@localhost' to='%s/r' type='chat'><body>after the view</body></message>", bare);
	st.dst_fp = fp(bare);
	fleet_worker_start(nw_of(node.workers[c.worker])->fleet);
	post(st, true);
	RIG_HEAR(&c, "after the view"); /* although no view comes */
	worker_timer_cancel(node.workers[c.worker], &nw_of(node.workers[c.worker])->fleet->tick);
	rig_hang_up(&c);
}

static void clients_that_wait_for_one_home_are_told_in_order(void **state)
{
	char user[16], bare[64], other_user[16], other_bare[64];
	account_with_place(OTHER, user, bare);
	account_with_place(OTHER, other_user, other_bare);
	struct rig_client c = begin_login(user);
	assert_int_equal(expect(HOMES_CLAIM).dst_fp, fp(bare));
	struct rig_client d = begin_login(user), e = begin_login(other_user);
	assert_int_equal(expect(HOMES_CLAIM).dst_fp, fp(other_bare));
	struct frame_record grant = record(HOMES_GRANT, bare, 1);
	grant.to = str_of(bare);
	other_says(grant);
	RIG_HEAR(&c, "<conflict xmlns"); /* the later one has its resource now */
	RIG_HEAR(&d, "</iq>");
	assert_non_null(rig_session(&d, "r"));
	assert_false(rig_heard(&e, "</iq>"));
	rig_hang_up(&c);
	rig_hang_up(&d);
	rig_hang_up(&e); /* while it waits */
}

/* ---- sessions here, clients there ---- */

/* A client of the other node, its edge 9, is bound here, by an account that a client here has made ours. */
static uint64_t far_session(const char *bare)
{
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", bare);
	bind.from = STR("10.1.2.3");
	bind.oseq = 5;
	bind.rule = TRANSPORT_STARTTLS;
	bind.osm = UINT64_C(1) << 60;
	other_says(bind);
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.dst_sid, 9);
	assert_int_not_equal(bound.osm, 0);
	return bound.osm;
}

static void a_session_serves_a_client_of_another_node(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near");
	uint64_t sid = far_session(bare);
	assert_non_null(rig_session(&c, "far"));
	struct frame_record up = record(FLEET_UP, bare, sid);
	up.xml = arena_printf(keep, "<message from='%s/far' to='%s/near' type='chat'><body>from afar</body></message>", bare, bare);
	other_says(up);
	RIG_HEAR(&c, "<body>from afar</body>");
	rig_say(&c, arena_printf(keep, "<message to='%s/far' type='chat'><body>to afar</body></message>", bare).p);
	struct frame_record down = expect(FLEET_DOWN);
	assert_int_equal(down.dst_sid, 9);
	assert_true(holds(down.xml, "<body>to afar</body>"));
	other_says(record(FLEET_GONE, bare, sid));
	RIG_UNTIL(!rig_session(&c, "far"));
	rig_hang_up(&c);
}

static void a_session_ends_with_the_node_of_its_client(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near");
	far_session(bare);
	look(NODE_DEAD);
	assert_null(rig_session(&c, "far"));
	assert_non_null(rig_session(&c, "near"));
	rig_hang_up(&c);
}

static void a_newer_client_here_ends_the_older_one_there(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near"), d;
	far_session(bare);
	d = rig_login(0, user, "far");
	struct frame_record close = expect(FLEET_CLOSE);
	assert_int_equal(close.dst_sid, 9);
	assert_int_equal(close.rule, STREAM_CONFLICT);
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void a_new_client_with_a_slow_clock_takes_its_resource_and_an_old_one_does_not(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "far");
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", bare);
	bind.osm = 1;
	bind.flags = FRAME_REROUTED;
	other_says(bind);
	assert_int_equal(expect(FLEET_CLOSE).rule, STREAM_CONFLICT);
	assert_non_null(rig_session(&c, "far"));
	bind.flags = 0;
	other_says(bind);
	RIG_HEAR(&c, "<conflict xmlns");
	assert_int_not_equal(expect(FLEET_BOUND).osm, 0);
	/* The same client once more: it does not hear that it has replaced itself. */
	bind.flags = FRAME_REROUTED;
	other_says(bind);
	assert_int_not_equal(expect(FLEET_BOUND).osm, 0);
	rig_turns(4);
	assert_null(next_of(FLEET_CLOSE));
	rig_hang_up(&c);
}

static void an_isolated_node_takes_no_new_sessions_after_a_while(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	atomic_store(&node.fleet->isolated_ms, 1); /* long ago */
	struct rig_client c = begin_login(user);
	RIG_HEAR(&c, "<system-shutdown xmlns");
	rig_hang_up(&c);
}

static void a_registry_that_forgot_is_told_in_steps(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	struct fleet_worker *fw = nw_of(node.workers[c.worker])->fleet;
	for (int i = 0; i < 3000; i++) { /* accounts that are at home here */
		char name[64];
		struct jid jid;
		snprintf(name, sizeof name, "crowd%d@localhost", i);
		assert_int_equal(jid_parse(keep, str_of(name), &jid), ERR_NONE);
		struct user *u = user_hold(fw->nw, node.hosts[0], &jid);
		homes_want(fw->homes, jid_str(&jid), fp(name), 5, fw->nw->worker->now_ms);
		homes_registered(fw->homes, fp(name), ERR_NONE, 1, 5, fw->nw->worker->now_ms);
		(void)u;
	}
	rig_turns(4);
	asked = 0;
	fleet_register_all(fw);
	assert_in_range(asked, 200, 400); /* a tenth of a second's, of one of two workers */
	fleet_register_all(fw);           /* from the beginning, before it is done */
	assert_non_null(fw->retelling);
	for (int i = 0; i < 3000; i++) {
		char name[64];
		snprintf(name, sizeof name, "crowd%d@localhost", i);
		user_release(user_find(fw->nw, str_of(name)));
	}
	rig_hang_up(&c);
}

static void an_account_stays_at_home_while_its_only_session_is_replaced(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "far"), d;
	far_session(bare); /* the client here hears that it is replaced */
	RIG_HEAR(&c, "<conflict xmlns");
	assert_int_equal(homes_claimed(nw_of(node.workers[0])->fleet->homes, fp(bare)), 1);
	d = rig_login(0, user, "far");
	assert_int_equal(homes_claimed(nw_of(node.workers[0])->fleet->homes, fp(bare)), 1);
	assert_null(next_of(HOMES_DEL));
	rig_hang_up(&c);
	rig_hang_up(&d);
}

static void a_node_that_is_no_home_says_so(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", bare);
	other_says(bind);
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.osm, 0);
	assert_int_equal(bound.rule, 0);
}

/* ---- stanzas ---- */

static void a_stanza_goes_to_its_recipients_home(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	rig_say(&c, "<message to='absent@localhost/x' type='chat'><body>over there</body></message>");
	other_claims("absent@localhost");
	rig_say(&c, "<message to='absent@localhost/x' type='chat'><body>over there</body></message>");
	struct frame_record st = expect(FLEET_STANZA);
	assert_int_equal(st.dst_fp, fp("absent@localhost"));
	assert_true(holds(st.xml, "over there"));
	rig_hang_up(&c);
}

static void a_stanza_for_a_client_here_arrives(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	struct frame_record st = record(FLEET_STANZA, bare, 0);
	st.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s/r' type='chat'><body>hello</body></message>", bare);
	other_says(st);
	RIG_HEAR(&c, "<body>hello</body>");
	rig_hang_up(&c);
}

static void what_a_dead_node_did_not_take_goes_where_it_belongs_now(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	struct frame_record st = record(FLEET_STANZA, bare, 0);
	st.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s/r' type='chat'><body>late</body></message>", bare);
	post(st, true);
	rig_turns(4);
	assert_false(rig_heard(&c, "late"));
	look(NODE_DEAD);
	RIG_HEAR(&c, "<body>late</body>");
	rig_hang_up(&c);
}

static void an_account_claimed_on_two_nodes_goes_to_the_older_claim(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	other_claims(bare); /* at 5, long ago */
	struct frame_record bind = expect(FLEET_BIND);
	assert_null(rig_session(&c, "r"));
	struct frame_record bound = record(FLEET_BOUND, bare, bind.dst_sid);
	bound.osm = 77;
	other_says(bound);
	rig_turns(4);
	rig_say(&c, "<message to='x@localhost'><body>on</body></message>");
	assert_int_equal(expect(FLEET_UP).dst_sid, 77);
	rig_hang_up(&c);
}

static void the_contacts_of_who_died_with_his_node_are_told(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "r");
	rig_say(&c, "<presence/>");
	RIG_HEAR(&c, "<presence");
	struct frame_record bury = record(FLEET_BURY, bare, 0);
	bury.to = arena_printf(keep, "%s/other", bare);
	other_says(bury);
	RIG_HEAR(&c, "type='unavailable'");
	assert_null(rig_session(&c, "other"));
	rig_hang_up(&c);
}

/* ---- a node with a bug ---- */

static void values_that_are_none_end_a_stream_or_nothing(void **state)
{
	char user[16], bare[64];
	uint64_t edge;
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = far_login(user, &edge);
	struct frame_record down = record(FLEET_DOWN, bare, edge);
	down.rule = 200;
	down.xml = STR("<message><body>of no kind</body></message>");
	other_says(down);
	down.rule = STANZA_MESSAGE;
	down.xml = STR("<message><body>of a kind</body></message>");
	other_says(down);
	RIG_HEAR(&c, "of a kind");
	assert_false(rig_heard(&c, "of no kind"));
	struct frame_record close = record(FLEET_CLOSE, bare, edge);
	close.rule = 200;
	other_says(close);
	RIG_HEAR(&c, "<internal-server-error xmlns");
	rig_hang_up(&c);
}

static void a_refusal_that_is_none_is_an_internal_error(void **state)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	struct rig_client c = begin_login(user);
	struct frame_record bound = record(FLEET_BOUND, bare, expect(FLEET_BIND).dst_sid);
	bound.rule = 200;
	other_says(bound);
	RIG_HEAR(&c, "<internal-server-error");
	rig_hang_up(&c);
}

/* Another account of the worker to which `bare` does not belong, and is at home here. */
static void a_record_for_another_account_than_it_says_is_refused(void **state)
{
	char user[16], bare[64], other[64] = "stranger0@localhost";
	account_with_place(1, user, bare);
	struct rig_client c = rig_login(0, user, "near");
	for (int i = 1; node_shard(&node, str_of(other)) == node.workers[c.worker]; i++)
		snprintf(other, sizeof other, "stranger%d@localhost", i);
	struct frame_record bind = record(FLEET_BIND, bare, 9);
	bind.to = arena_printf(keep, "%s/far", other);
	bind.osm = UINT64_C(1) << 60;
	other_says(bind);
	struct frame_record bound = expect(FLEET_BOUND);
	assert_int_equal(bound.osm, 0);
	assert_int_equal(bound.rule, STANZA_INTERNAL_SERVER_ERROR);
	struct frame_record st = record(FLEET_STANZA, bare, 0);
	st.xml = arena_printf(keep, "<message from='x@localhost/y' to='%s'><body>astray</body></message>", other);
	other_says(st);
	struct frame_record bury = record(FLEET_BURY, bare, 0);
	bury.to = bind.to;
	other_says(bury);
	struct frame_record born = record(FLEET_BORN, bare, 0);
	born.to = str_of(other);
	other_says(born);
	rig_turns(10);
	assert_null(user_find(nw_of(node.workers[c.worker]), str_of(other)));
	rig_hang_up(&c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_client_is_bound_where_its_account_is_at_home),
		CASE(a_client_hears_why_its_home_ends_its_session),
		CASE(a_client_is_not_read_while_its_home_holds_it),
		CASE(a_refusal_of_the_home_reaches_the_client),
		CASE(a_client_asks_again_when_its_home_has_just_gone),
		CASE(a_session_comes_here_when_its_home_dies),
		CASE(a_login_waits_for_another_home_when_the_first_dies),
		CASE(what_was_under_way_to_a_home_that_gives_up_a_session_comes_with_it),
		CASE(a_client_whose_home_has_lost_its_session_gets_another),
		CASE(what_comes_back_when_its_edge_is_gone_is_sent_all_the_same),
		CASE(a_message_for_a_client_that_has_gone_is_not_lost),
		CASE(what_goes_up_to_a_session_that_is_not_here_goes_back),
		CASE(what_a_node_does_not_take_has_a_ceiling),
		CASE(clients_that_wait_for_one_home_are_told_in_order),
		CASE(a_session_serves_a_client_of_another_node),
		CASE(a_session_ends_with_the_node_of_its_client),
		CASE(a_newer_client_here_ends_the_older_one_there),
		CASE(a_new_client_with_a_slow_clock_takes_its_resource_and_an_old_one_does_not),
		CASE(an_isolated_node_takes_no_new_sessions_after_a_while),
		CASE(a_registry_that_forgot_is_told_in_steps),
		CASE(an_account_stays_at_home_while_its_only_session_is_replaced),
		CASE(a_node_that_is_no_home_says_so),
		CASE(a_stanza_goes_to_its_recipients_home),
		CASE(a_stanza_for_a_client_here_arrives),
		CASE(what_a_dead_node_did_not_take_goes_where_it_belongs_now),
		CASE(an_account_claimed_on_two_nodes_goes_to_the_older_claim),
		CASE(the_contacts_of_who_died_with_his_node_are_told),
		CASE(values_that_are_none_end_a_stream_or_nothing),
		CASE(a_refusal_that_is_none_is_an_internal_error),
		CASE(a_record_for_another_account_than_it_says_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
