#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <zmq.h>
#include <cmocka.h>

#include "cluster/mesh.h"
#include "cluster/redis.h"
#include "tests/unit/cluster/cutter.h"
#include "tests/unit/cluster/registry_fake.h"

/* Several meshes in this process, each with two workers, on the loopback; the registry is a table. */

#define NODES       3
#define WORKERS     2
#define DEADLINE_MS 60000
#define TEXT        250

struct node;

/* A worker's part of a node: what it sends and what it has seen. Its thread's, but for the atomics. */
struct end {
	struct node *node;
	struct worker *worker;
	struct view *view;
	_Atomic uint32_t self, alive, up; /* of the view */
	_Atomic unsigned got, broadcasts, batches, lost, purged, fresh, answers, wrong;
	_Atomic enum err answer;
	uint32_t last[64][WORKERS];       /* by the sender's epoch and worker: the last number */
	uint32_t numbers[64][WORKERS];    /* as a sender: by epoch and worker there */
	uint32_t broadcast_number, broadcast_last[64][WORKERS];
	unsigned to_send;
	uint32_t to;
	_Atomic unsigned sent;
	struct registry_call call;
};

struct node {
	struct mesh *mesh;
	struct end ends[WORKERS];
	struct cutter *cutter;
	_Atomic bool deaf;
	_Atomic unsigned refused, events[CORE_EVENT_COUNT];
	char refused_text[256];
};

static struct node nodes[NODES];
static const struct redis_options redis;
static bool with_curve;
static _Atomic bool enough;
static _Atomic unsigned sending; /* workers */

static void on_view(struct worker *w, struct view *v)
{
	struct end *e = w->node;
	unsigned alive = 0, up = 0;
	for (unsigned i = 0; i < v->n; i++) {
		alive += view_is_alive(v, v->nodes[i].epoch) && v->nodes[i].epoch != v->self && v->nodes[i].linked;
		up += v->nodes[i].state == NODE_UP;
	}
	bool joined = v->self && v->self != e->self;
	view_unref(e->view);
	e->view = view_ref(v);
	e->self = v->self;
	e->alive = alive;
	e->up = up;
	if (joined)
		mesh_synced(e->node->mesh, w);
}

/* xml: sender's worker, number, padding. rule 1: a broadcast. osm: how many unicast records were sent to this worker before it. */
static void on_record(struct worker *w, uint32_t from, const struct frame_record *r)
{
	struct end *e = w->node;
	unsigned sender = r->kind;
	assert_true(from < 64 && sender < WORKERS);
	if (r->rule == 1) {
		e->wrong += r->oseq != ++e->broadcast_last[from][sender];
		e->broadcasts++;
		return;
	}
	e->wrong += r->dst_fp % WORKERS != w->index || r->oseq != ++e->last[from][sender] || r->xml.len != TEXT;
	e->got++;
}

static void on_batch_end(struct worker *w)
{
	((struct end *)w->node)->batches++;
}

static void on_lost(struct worker *w, uint32_t to, const struct frame_record *r)
{
	struct end *e = w->node;
	e->wrong += r->dst_fp % WORKERS != w->index;
	e->lost++;
}

static void on_purged(struct worker *w, uint32_t dead, const struct registry_row *row)
{
	struct end *e = w->node;
	e->wrong += row->bare.len % WORKERS != w->index || !str_is(row->resource, "r") || row->flags != REGISTRY_AVAILABLE || !dead;
	e->purged++;
}

static void on_registry_fresh(struct worker *w)
{
	((struct end *)w->node)->fresh++;
}

static uint64_t fp_of(void *arg, struct str bare)
{
	return bare.len;
}

static void on_event(void *arg, enum core_event event, uint32_t epoch, const char *text)
{
	struct node *n = arg;
	if (getenv("MESH_TEST_SAYS"))
		fprintf(stderr, "%d: event %d of %u: %s\n", (int)(n - nodes), event, epoch, text);
	if (event == CORE_PEER_REFUSED && !n->refused && !strstr(text, "an unknown address")) { /* one may have gone before we looked */
		snprintf(n->refused_text, sizeof n->refused_text, "%s", text);
		n->refused++;
	}
	n->events[event]++;
}

static uint16_t free_port(void)
{
	uint16_t port;
	close(listen_any(&port));
	return port;
}

static void node_open(unsigned i, uint8_t secret, bool cutter)
{
	static const char *const worker_names[WORKERS] = { "w0", "w1" };
	struct node *n = &nodes[i];
	char name[16], bind[64], addr[64];
	uint16_t port = free_port();
	struct worker *workers[WORKERS];
	struct buf why;
	buf_init(&why, 1024);
	*n = (struct node){ 0 };
	snprintf(name, sizeof name, "n%u", i);
	snprintf(bind, sizeof bind, "tcp://127.0.0.1:%u", port);
	snprintf(addr, sizeof addr, "%s", bind);
	if (cutter) {
		n->cutter = cutter_new();
		snprintf(addr, sizeof addr, "tcp://127.0.0.1:%u", n->cutter->port);
		cutter_start(n->cutter, port);
	}
	for (unsigned k = 0; k < WORKERS; k++) {
		workers[k] = n->ends[k].worker = worker_new(k, worker_names[k]);
		n->ends[k].node = n;
		workers[k]->node = &n->ends[k];
	}
	struct mesh_options o = {
		.core = { .name = str_of(name), .addr = str_of(addr), .version = STR_INIT("1"), .ping_ms = 100, .suspect_ms = 600,
			  .renew_ms = 200, .lease_ms = 1000, .isolated_ms = 800 },
		.bind = str_of(bind), .curve = with_curve, .redis = &redis, .workers = workers, .n_workers = WORKERS,
		.on_view = on_view, .on_record = on_record, .on_batch_end = on_batch_end, .on_lost = on_lost, .on_purged = on_purged,
		.on_registry_fresh = on_registry_fresh, .fp_of = fp_of, .on_event = on_event, .arg = n,
	};
	memset(o.secret, secret, sizeof o.secret);
	n->mesh = mesh_start(&o, &why);
	assert_non_null(n->mesh);
	for (unsigned k = 0; k < WORKERS; k++)
		assert_int_equal(worker_start(workers[k], NULL, NULL), ERR_NONE);
	buf_fini(&why);
}

/* As a node ends (node/core/ending.h, life.c): first its workers, so that they do not send any more, then the mesh. */
static void stop_workers(unsigned i)
{
	for (unsigned k = 0; k < WORKERS; k++) {
		worker_stop(nodes[i].ends[k].worker);
		worker_join(nodes[i].ends[k].worker);
	}
}

static void node_close(unsigned i)
{
	struct node *n = &nodes[i];
	if (!n->mesh)
		return;
	stop_workers(i);
	mesh_stop(n->mesh);
	for (unsigned k = 0; k < WORKERS; k++) {
		worker_free(n->ends[k].worker);
		view_unref(n->ends[k].view);
	}
	if (n->cutter)
		cutter_free(n->cutter);
	n->mesh = NULL;
}

static int set_up(void **state)
{
	with_curve = true;
	enough = false;
	sending = 0;
	fake.n = fake.epochs = fake.rows = fake.failures = fake.purge_calls = 0;
	fake.cut_off[0] = 0;
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned i = 0; i < NODES; i++)
		node_close(i);
	return 0;
}

#define wait_for(condition)                                                              \
	do {                                                                             \
		uint64_t until = fake_now() + DEADLINE_MS;                               \
		while (!(condition)) {                                                   \
			if (fake_now() >= until)                                         \
				fail_msg("line %d: waited in vain: %s", __LINE__, #condition); \
			usleep(2000);                                                    \
		}                                                                        \
	} while (0)

static bool all_linked(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < WORKERS; k++)
			if (nodes[i].ends[k].alive != n - 1 || nodes[i].ends[k].up != n)
				return false;
	return true;
}

static unsigned sum(unsigned i, size_t member)
{
	unsigned n = 0;
	for (unsigned k = 0; k < WORKERS; k++)
		n += atomic_load((_Atomic unsigned *)((char *)&nodes[i].ends[k] + member));
	return n;
}
#define SUM(i, member) sum(i, offsetof(struct end, member))

/* ---- workers that send ---- */

#define A_PASS       40
#define UNTIL_ENOUGH UINT32_MAX


static void send_some(struct worker *w, struct message *m, bool cancelled);

static void post_send(struct end *e)
{
	struct message *m = xzalloc(sizeof *m);
	m->run = send_some;
	worker_post(e->worker, m);
}

static bool is_full(const struct end *e, uint32_t epoch)
{
	const struct view_node *n = e->view ? view_find(e->view, epoch) : NULL;
	return (n && n->full) || worker_backlog(mesh_worker(e->node->mesh)) > (1u << 20);
}

static void send_one(struct end *e, bool broadcast)
{
	static const char text[TEXT];
	struct frame_record r = { .kind = (uint8_t)e->worker->index, .ttl = FRAME_TTL, .from = STR_INIT("romeo@example.org/orchard"),
				  .to = STR_INIT("juliet@example.org/balcony"), .xml = { text, TEXT } };
	unsigned to = (unsigned)(rng_u64(&e->worker->rng) % WORKERS);
	if (broadcast) {
		r.rule = 1;
		r.oseq = ++e->broadcast_number;
		assert_int_equal(mesh_broadcast(e->node->mesh, e->worker, &r), ERR_NONE);
		return;
	}
	r.dst_fp = 10 * WORKERS + to;
	r.oseq = ++e->numbers[e->to][to];
	assert_int_equal(mesh_send(e->node->mesh, e->worker, e->to, &r), ERR_NONE);
}

static void send_some(struct worker *w, struct message *m, bool cancelled)
{
	struct end *e = w->node;
	free(m);
	if (cancelled)
		return;
	for (int i = 0; i < A_PASS && e->to_send && !enough && !is_full(e, e->to); i++) {
		e->to_send--;
		e->sent++;
		send_one(e, false);
	}
	if (e->to_send && !enough)
		post_send(e);
	else
		sending--;
}

static void send_begin(unsigned from, unsigned to, unsigned count)
{
	for (unsigned k = 0; k < WORKERS; k++) {
		struct end *e = &nodes[from].ends[k];
		e->to = nodes[to].ends[0].self;
		e->to_send = count / WORKERS;
		sending++;
		post_send(e);
	}
}

/* ---- cases ---- */

static void records_arrive_once_and_in_order(bool curve)
{
	enum { COUNT = 20000 };
	with_curve = curve;
	for (unsigned i = 0; i < 2; i++)
		node_open(i, 1, false);
	wait_for(all_linked(2));
	send_begin(0, 1, COUNT);
	send_begin(1, 0, COUNT);
	wait_for(SUM(0, got) == COUNT && SUM(1, got) == COUNT);
	struct mesh_stats s;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(SUM(i, wrong) + SUM(i, lost), 0);
		assert_true(SUM(i, batches) < COUNT / 4); /* they travelled together */
		wait_for((mesh_stats(nodes[i].mesh, &s), s.records_in == COUNT && s.n_links == 1));
		assert_int_equal(s.records_out, COUNT);
		assert_int_equal(s.bad_frames + s.refused_peers, 0);
		assert_true(s.registry_ok && s.registry_calls > 0);
	}
}

static void records_arrive_once_and_in_order_plain(void **state)
{
	records_arrive_once_and_in_order(false);
}

static void records_arrive_once_and_in_order_with_curve(void **state)
{
	records_arrive_once_and_in_order(true);
}

/* With half of the records' bytes under way in kernels, and traffic in both directions all the time. */
static void nothing_is_lost_when_connections_are_cut(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		node_open(i, 1, true);
	wait_for(all_linked(2));
	send_begin(0, 1, UNTIL_ENOUGH);
	send_begin(1, 0, UNTIL_ENOUGH);
	for (unsigned i = 0; i < 6; i++) {
		struct cutter *c = nodes[i % 2].cutter;
		unsigned before = SUM(1 - i % 2, sent), made = c->cuts_made;
		wait_for(c->n > 0 && SUM(1 - i % 2, sent) > before + 2000);
		c->cut++;
		wait_for(c->cuts_made > made);
	}
	enough = true;
	wait_for(!sending);
	wait_for(SUM(0, got) == SUM(1, sent) && SUM(1, got) == SUM(0, sent));
	struct mesh_stats s[2];
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(SUM(i, wrong) + SUM(i, lost), 0);
		wait_for((mesh_stats(nodes[i].mesh, &s[i]), s[i].records_in == SUM(1 - i, sent)));
	}
	assert_true(s[0].links[0].replayed_frames + s[1].links[0].replayed_frames > 0); /* the cuts did hurt */
}

static void on_mixed(struct worker *w, struct message *m, bool cancelled)
{
	struct end *e = w->node;
	free(m);
	if (cancelled)
		return;
	for (unsigned i = 0; i < 300; i++) {
		e->to = nodes[1 + i % 2].ends[0].self;
		send_one(e, i % 3 == 0);
		e->sent++;
	}
}

static void broadcasts_reach_every_worker_of_every_peer(void **state)
{
	for (unsigned i = 0; i < 3; i++)
		node_open(i, 1, false);
	wait_for(all_linked(3));
	for (unsigned k = 0; k < WORKERS; k++) {
		struct message *m = xzalloc(sizeof *m);
		m->run = on_mixed;
		worker_post(nodes[0].ends[k].worker, m);
	}
	for (unsigned i = 1; i < 3; i++) {
		wait_for(SUM(i, broadcasts) == 100 * WORKERS * WORKERS && SUM(i, got) == 100 * WORKERS);
		assert_int_equal(SUM(i, wrong), 0);
	}
	assert_int_equal(SUM(0, broadcasts), 0);
}

static void a_dead_peer_gives_back_what_it_has_not_acknowledged(void **state)
{
	enum { COUNT = 2000 };
	fake.rows = 1200;
	fake.failures = 1;
	for (unsigned i = 0; i < 2; i++)
		node_open(i, 1, true);
	wait_for(all_linked(2));
	send_begin(0, 1, COUNT);
	struct mesh_stats stats;
	wait_for(SUM(1, got) == COUNT && !sending);
	wait_for((mesh_stats(nodes[0].mesh, &stats), stats.records_out == COUNT && stats.n_links == 1 && !stats.links[0].retained_frames));
	snprintf(fake.cut_off, sizeof fake.cut_off, "n1");
	nodes[0].cutter->closed = nodes[1].cutter->closed = true;
	send_begin(0, 1, COUNT);
	wait_for(nodes[0].ends[0].alive == 0 && nodes[0].ends[1].alive == 0);
	wait_for(SUM(0, sent) == 2 * COUNT && SUM(0, lost) + SUM(1, got) >= 2 * COUNT);
	assert_true(SUM(0, lost) > 0 && SUM(0, lost) <= COUNT); /* what was acknowledged is not given back */
	wait_for(SUM(0, purged) == 1200); /* the janitor, on the accounts' workers */
	assert_int_equal(SUM(0, wrong) + SUM(1, wrong), 0);
}

static void a_node_that_leaves_is_done_within_three_seconds(void **state)
{
	enum { COUNT = 4000 };
	for (unsigned i = 0; i < 2; i++)
		node_open(i, 1, false);
	wait_for(all_linked(2));
	send_begin(0, 1, COUNT);
	send_begin(1, 0, UNTIL_ENOUGH);
	wait_for(SUM(0, sent) == COUNT && SUM(1, sent) > 1000);
	uint64_t began = fake_now();
	node_close(0);
	assert_true(fake_now() - began < 4000);
	wait_for(SUM(1, got) == COUNT); /* it flushed first */
	wait_for(nodes[1].ends[0].alive == 0 && nodes[1].events[CORE_PEER_LEFT] == 1);
	assert_int_equal(nodes[1].events[CORE_PEER_DEAD], 0);
	wait_for(SUM(1, lost) > 0); /* what node 1 goes on to send has nowhere to go */
}

static void on_deaf(void *arg)
{
	((struct node *)arg)->deaf = true;
}

/* Its peer goes on sending all the time: each record is taken by a worker, or given back to whoever sent it. */
static void nothing_is_lost_with_a_node_that_ends(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		node_open(i, 1, false);
	wait_for(all_linked(2));
	send_begin(1, 0, UNTIL_ENOUGH);
	wait_for(SUM(0, got) > 1000);
	mesh_deafen(nodes[0].mesh, nodes[0].ends[0].worker, on_deaf, &nodes[0]);
	wait_for(nodes[0].deaf);
	stop_workers(0); /* what is in their mailboxes they take */
	unsigned taken = SUM(0, got), sent = SUM(1, sent);
	wait_for(SUM(1, sent) > sent + 10000); /* to a node whose workers are no more */
	node_close(0);
	wait_for(nodes[1].ends[0].alive == 0 && nodes[1].ends[1].alive == 0);
	enough = true;
	wait_for(!sending);
	wait_for(SUM(1, lost) + taken == SUM(1, sent));
	assert_int_equal(SUM(0, wrong) + SUM(1, wrong), 0);
}

static void another_secret_is_refused_and_named(void **state)
{
	node_open(0, 1, false);
	node_open(1, 2, false);
	wait_for(nodes[0].refused && nodes[1].refused);
	assert_true(str_starts(str_of(nodes[0].refused_text), STR("127.0.0.1: another secret"))); /* "; 3 others since the last" */
	assert_int_equal(nodes[0].ends[0].alive + nodes[1].ends[0].alive, 0);
	struct mesh_stats s;
	wait_for((mesh_stats(nodes[0].mesh, &s), s.refused_peers > 0));
}

static uint16_t port_of_node(unsigned i)
{
	char addr[64];
	snprintf(addr, sizeof addr, "%.*s", STR_ARG(mesh_addr(nodes[i].mesh)));
	return (uint16_t)strtoul(strrchr(addr, ':') + 1, NULL, 10);
}

/* A frame as node 1 might send it to node 0 if it had a bug, with one thing about it wrong. */
static size_t broken_frame(struct rng *rng, unsigned kind, char *out, size_t size)
{
	struct buf b, body;
	buf_init(&b, FRAME_MAX);
	buf_init(&body, FRAME_MAX);
	const struct frame_record r = { .kind = 0, .ttl = 4, .dst_fp = 1, .oseq = 1, .xml = STR_INIT("x") };
	assert_int_equal(frame_add_record(&body, &r), ERR_NONE);
	struct frame f = { .type = (enum frame_type)(1 + kind % (FRAME_TYPE_COUNT - 1)), .src_node = 2, .dst_node = 1, .src_epoch = 2,
			   .dst_epoch = kind % 3 == 2 ? 77 : 1, .nrec = 1, .link_seq = rng_u64(rng) % 3 ? 0 : rng_u64(rng),
			   .lack = rng_u64(rng) % 2 ? 0 : rng_u64(rng),
			   .body = buf_str(&body) };
	frame_write(&b, &f, false);
	size_t len = b.len < size ? b.len : size;
	memcpy(out, b.p, len);
	if (kind % 3 == 0) /* a length, a count or an offset that is not so */
		out[FRAME_HEADER + rng_u64(rng) % (len - FRAME_HEADER)] ^= (char)(1 + rng_u64(rng) % 255);
	else if (kind % 3 == 1)
		len = rng_u64(rng) % len;
	buf_fini(&b);
	buf_fini(&body);
	return len;
}

/* Without CURVE, so that we get in as a node would that has gone mad. What is sent between the nodes meanwhile arrives as ever. */
static void frames_that_are_wrong_are_counted_and_harmless(void **state)
{
	enum { COUNT = 4000, BAD = 3000 };
	struct rng rng;
	char bytes[4096], to[64];
	with_curve = false;
	rng_init_seeded(&rng, 42);
	for (unsigned i = 0; i < 2; i++)
		node_open(i, 1, false);
	wait_for(all_linked(2));
	void *context = zmq_ctx_new(), *s = zmq_socket(context, ZMQ_PUSH);
	int linger = 0;
	zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof linger);
	snprintf(to, sizeof to, "tcp://127.0.0.1:%u", port_of_node(0));
	assert_int_equal(zmq_connect(s, to), 0);
	send_begin(0, 1, COUNT);
	for (unsigned i = 0; i < BAD; i++) {
		size_t len = broken_frame(&rng, i, bytes, sizeof bytes);
		assert_int_equal(zmq_send(s, bytes, len, i % 50 == 0 ? ZMQ_SNDMORE : 0), len);
	}
	zmq_send(s, "", 0, 0);
	wait_for(SUM(1, got) == COUNT);
	struct mesh_stats stats;
	wait_for((mesh_stats(nodes[0].mesh, &stats), stats.bad_frames > BAD / 3));
	assert_int_equal(SUM(1, wrong), 0);
	zmq_close(s);
	zmq_ctx_term(context);
}

static void on_asked(struct registry_call *c)
{
	struct end *e = c->arg;
	e->wrong += worker_current() != e->worker;
	e->answer = c->err;
	e->answers++;
}

static void ask_now(struct worker *w, struct message *m, bool cancelled)
{
	struct end *e = w->node;
	free(m);
	if (cancelled)
		return;
	e->call = (struct registry_call){ .verb = REGISTRY_HOME_CLAIM, .key = STR_INIT("romeo@example.org"), .epoch = 7 };
	e->call.on_done = on_asked;
	e->call.arg = e;
	mesh_ask(e->node->mesh, w, &e->call);
	e->wrong += e->answers != 0; /* never before mesh_ask has returned */
}

static void a_worker_asks_the_registry_and_hears_on_its_own_thread(void **state)
{
	node_open(0, 1, false);
	struct message *m = xzalloc(sizeof *m);
	m->run = ask_now;
	struct end *e = &nodes[0].ends[1];
	worker_post(e->worker, m);
	wait_for(e->answers == 1);
	assert_int_equal(e->answer, ERR_NONE);
	assert_int_equal(e->call.winner, 7);
	assert_int_equal(e->wrong, 0);
}

static void forget(struct worker *w, struct message *m, bool cancelled)
{
	free(m);
	if (!cancelled)
		fake_last->fn(fake_last->arg, true, true, "another server");
}

static void workers_hear_that_the_registry_lost_its_memory(void **state)
{
	node_open(0, 1, false);
	wait_for(nodes[0].ends[0].self && nodes[0].ends[1].self);
	assert_int_equal(SUM(0, fresh), 0);
	struct message *m = xzalloc(sizeof *m);
	m->run = forget;
	worker_post(mesh_worker(nodes[0].mesh), m);
	wait_for(nodes[0].ends[0].fresh == 1 && nodes[0].ends[1].fresh == 1);
}

static void a_port_that_is_taken_is_said(void **state)
{
	uint16_t port;
	int fd = listen_any(&port);
	char bind[64];
	struct worker *w = worker_new(0, "w0");
	struct buf why;
	buf_init(&why, 1024);
	snprintf(bind, sizeof bind, "tcp://127.0.0.1:%u", port);
	struct mesh_options o = { .core = { .name = STR_INIT("n") }, .bind = str_of(bind), .workers = &w, .n_workers = 1 };
	assert_null(mesh_start(&o, &why));
	assert_true(str_starts(buf_str(&why), STR("cannot listen on ")));
	buf_fini(&why);
	worker_free(w);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_arrive_once_and_in_order_plain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(records_arrive_once_and_in_order_with_curve, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_lost_when_connections_are_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(broadcasts_reach_every_worker_of_every_peer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_dead_peer_gives_back_what_it_has_not_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_node_that_leaves_is_done_within_three_seconds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_lost_with_a_node_that_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_secret_is_refused_and_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_that_are_wrong_are_counted_and_harmless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_worker_asks_the_registry_and_hears_on_its_own_thread, set_up, tear_down),
		cmocka_unit_test_setup_teardown(workers_hear_that_the_registry_lost_its_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_port_that_is_taken_is_said, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
