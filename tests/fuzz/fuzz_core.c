/*
 * A core that is fed with frames as a peer with bugs could send them, between ticks, connections, answers of the registry and sends of its
 * own: it never crashes, forgets nothing that it promised to hand back, names at most so many nodes, and takes nothing that does not parse.
 *
 * The input is a run of operations: a byte that says which, then what it needs; see run_one.
 */
#include "cluster/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t n;
};

static struct {
	struct registry_call *asked[16];
	unsigned n_asked;
	bool open[VIEW_NODES_MAX];
	struct view *view;
	uint64_t now;
	uint32_t next_epoch;
} world;

static uint8_t byte(struct input *in)
{
	if (!in->n)
		return 0;
	in->n--;
	return *in->p++;
}

static struct str bytes(struct input *in, size_t n)
{
	if (n > in->n)
		n = in->n;
	struct str s = str_span((const char *)in->p, n);
	in->p += n;
	in->n -= n;
	return s;
}

static void on_open(void *arg, unsigned slot, struct str addr)
{
	BUG_ON(slot >= VIEW_NODES_MAX || world.open[slot] || !addr.len);
	world.open[slot] = true;
}

static void on_close(void *arg, unsigned slot)
{
	BUG_ON(!world.open[slot]);
	world.open[slot] = false;
}

static bool on_send(void *arg, unsigned slot, struct str header, struct str body)
{
	struct frame f;
	struct buf whole;
	BUG_ON(!world.open[slot] || header.len + body.len > FRAME_MAX);
	buf_init(&whole, FRAME_MAX);
	buf_add_str(&whole, header);
	buf_add_str(&whole, body);
	BUG_ON(frame_read(buf_str(&whole), &f) != ERR_NONE);
	buf_fini(&whole);
	return (world.now & 0x700) != 0;
}

static void on_ask(void *arg, struct registry_call *c)
{
	BUG_ON(world.n_asked == 16);
	world.asked[world.n_asked++] = c;
}

static void on_take(void *arg, uint32_t from, uint32_t nrec, struct str body)
{
	struct frame f = { .nrec = nrec, .body = body };
	BUG_ON(frame_check_records(&f) != ERR_NONE || !from);
}

static void on_lost(void *arg, uint32_t to, struct blob *body)
{
	BUG_ON(!to || !body->len);
}

static void on_view(void *arg, struct view *v)
{
	BUG_ON(v->n > VIEW_NODES_MAX);
	for (unsigned i = 1; i < v->n; i++)
		BUG_ON(v->nodes[i].epoch <= v->nodes[i - 1].epoch);
	view_unref(world.view);
	world.view = v;
}

static void on_event(void *arg, enum core_event e, uint32_t epoch, const char *text)
{
	BUG_ON(e >= CORE_EVENT_COUNT || !text);
}

static void on_janitor(void *arg, uint32_t epoch)
{
	BUG_ON(!epoch);
}

static void answer(struct core *c, struct input *in)
{
	if (!world.n_asked)
		return;
	struct registry_call *r = world.asked[--world.n_asked];
	r->err = (enum err)(byte(in) % ERR_COUNT);
	if (r->err == ERR_NONE && r->verb == REGISTRY_JOIN && !r->self.epoch) {
		r->epoch = world.next_epoch++;
		r->id = 1;
	}
	if (r->err == ERR_NONE && (r->verb == REGISTRY_JOIN || r->verb == REGISTRY_NODES)) {
		r->arena = arena_new(0);
		r->n_nodes = byte(in) % 70;
		r->nodes = arena_zalloc(r->arena, (r->n_nodes + 1) * sizeof *r->nodes);
		for (unsigned i = 0; i < r->n_nodes; i++) {
			uint8_t flags = byte(in);
			r->nodes[i] = (struct registry_node){ .epoch = byte(in), .state = flags & 15, .dead = flags & 16,
							      .lease_ms = flags & 32 ? 8000 : 0, .speaks_min = 1, .speaks_max = 1,
							      .name = bytes(in, 1), .addr = bytes(in, 2), .version = bytes(in, 1) };
		}
	}
	core_answered(c, r);
}

/* A frame whose header makes sense, so that what is in it is looked at; `inside` another one: a RELAY. */
static void built(struct core *c, struct input *in, bool relay)
{
	struct buf b, outer;
	struct frame f = { .type = (enum frame_type)(byte(in) % FRAME_TYPE_COUNT), .flags = byte(in) };
	f.src_epoch = byte(in);
	uint8_t dst = byte(in);
	f.dst_epoch = dst & 1 && world.view ? world.view->self : dst >> 1;
	f.link_seq = byte(in);
	f.lack = byte(in) & 3;
	f.nrec = byte(in);
	f.body = bytes(in, byte(in) * 4u);
	buf_init(&b, FRAME_MAX);
	buf_init(&outer, FRAME_MAX);
	frame_write(&b, &f, false);
	if (relay) {
		struct frame wrap = { .type = FRAME_RELAY, .src_epoch = byte(in), .dst_epoch = world.view ? world.view->self : 0 };
		wrap.body = buf_str(&b);
		frame_write(&outer, &wrap, true);
	}
	core_frame(c, relay ? buf_str(&outer) : buf_str(&b));
	buf_fini(&b);
	buf_fini(&outer);
}

static void post(struct core *c, struct input *in)
{
	struct buf b;
	uint8_t to = byte(in);
	buf_init(&b, FRAME_MAX);
	BUG_ON(frame_add_record(&b, &(struct frame_record){ .xml = bytes(in, byte(in)) }) != ERR_NONE);
	struct blob *body = blob_new(buf_str(&b));
	if (to)
		(void)!core_send(c, to, body, 1);
	else
		core_broadcast(c, body, 1);
	blob_unref(body);
	buf_fini(&b);
	core_flush(c);
}

static void connection(struct core *c, struct input *in)
{
	uint8_t what = byte(in);
	unsigned slot = what % VIEW_NODES_MAX;
	if (!world.open[slot])
		return;
	if (what & 64)
		core_disconnected(c, slot, what & 128);
	else if (what & 128)
		core_writable(c, slot);
	else
		core_connected(c, slot);
}

static void run_one(struct core *c, struct input *in)
{
	switch (byte(in) % 9) {
	case 0:
		core_frame(c, bytes(in, byte(in) * 4u));
		break;
	case 1:
		built(c, in, false);
		break;
	case 2:
		built(c, in, true);
		break;
	case 3:
		world.now += byte(in) * 20u;
		core_tick(c, world.now, (int64_t)world.now);
		break;
	case 4:
		answer(c, in);
		break;
	case 5:
		post(c, in);
		break;
	case 6:
		connection(c, in);
		break;
	case 7:
		core_seed(c, bytes(in, byte(in)));
		break;
	default:
		if (byte(in) & 128)
			core_drain(c);
		else
			core_synced(c);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct rng rng;
	struct core_out out = { .open = on_open, .close = on_close, .send = on_send, .ask = on_ask, .take = on_take, .lost = on_lost,
				.view = on_view, .event = on_event, .janitor = on_janitor };
	struct core_options o = { .name = STR("n"), .addr = STR("tcp://a:1"), .version = STR("1"), .workers = 1, .window_frames = 8,
				  .hard_bytes = 4096 };
	rng_init_seeded(&rng, 1);
	memset(&world, 0, sizeof world);
	world.now = 1000;
	world.next_epoch = 10;
	struct core *c = core_new(&o, &out, &rng);
	core_start(c, world.now, 0);
	while (in.n)
		run_one(c, &in);
	struct core_link_stats stats[VIEW_NODES_MAX];
	unsigned n = core_links(c, stats, VIEW_NODES_MAX);
	for (unsigned i = 0; i < n; i++)
		BUG_ON(stats[i].retained_bytes > 8192 || stats[i].retained_frames > 128);
	core_free(c);
	view_unref(world.view);
	return 0;
}
