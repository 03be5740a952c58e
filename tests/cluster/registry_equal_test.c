/*
 * registry_equal_test.c: the registry's scripts on a real Redis and the simulator's model of them are the same. Random calls, seeded; after
 * each the answers and all that is stored are compared. The Redis has a clock that the test moves, so that leases and fences are compared
 * to the millisecond.
 *
 *   registry_equal_test [SEED [CALLS]]
 */
#include "tests/unit/cluster/redis_rig.h"

#include <inttypes.h>
#include <libgen.h>
#include <sys/mman.h>

#include "cluster/registry_script.h"
#include "cluster/view.h"
#include "tests/cluster/redis_server.h"
#include "tests/cluster/sim/model.h"

#define PREFIX   "eq:"
#define NODES    6
#define ACCOUNTS 7

static struct redis_server server;
static struct registry *registry;
static struct redis *raw; /* to look, and to empty */
static struct model *model;
static struct rng rng;
static int64_t *clock_ms;
static uint64_t first_seed = 1;
static unsigned n_seeds = 4, n_calls = 1500;

/* What the random calls choose from: real numbers, so that most calls meet something. */
static uint32_t epochs[NODES];
static uint16_t ids[NODES];
static uint64_t fences[4];

static unsigned below(unsigned n)
{
	return (unsigned)(rng_u64(&rng) % n);
}

/* ---- the two ---- */

static const char dump_script[] =
	"local P, out = ARGV[1], {}\n"
	"local function add(...) out[#out + 1] = string.format(...) end\n"
	"for _, key in ipairs(redis.call('KEYS', P .. '*')) do\n"
	"  local k = string.sub(key, #P + 1)\n"
	"  if k == 'c:epoch' then add('epoch %s', redis.call('GET', key))\n"
	"  elseif k == 'c:young' then add('young %d', redis.call('PTTL', key))\n"
	"  elseif k == 'c:heard' then add('heard %d', redis.call('PTTL', key))\n"
	"  elseif string.sub(k, 1, 8) == 'c:lease:' then add('lease %s %d', string.sub(k, 9), redis.call('PTTL', key))\n"
	"  elseif k == 'c:dead' then\n"
	"    local all = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')\n"
	"    for i = 1, #all, 2 do add('dead %s %.0f', all[i], tonumber(all[i + 1])) end\n"
	"  elseif k == 'c:nodes' then\n"
	"    local all = redis.call('HGETALL', key)\n"
	"    for i = 1, #all, 2 do\n"
	"      local n = cjson.decode(all[i + 1])\n"
	"      add('node %s %d %s %s %s %d %d %d %d %s', all[i], n.id, n.name, n.addr, n.version, n.workers, n.min, n.max, n.state,\n"
	"          n.token)\n"
	"    end\n"
	"  elseif k == 'c:log' then\n"
	"    for _, e in ipairs(redis.call('XRANGE', key, '-', '+')) do add('log %s %s %s', e[2][2], e[2][4], e[2][6]) end\n"
	"  elseif string.sub(k, 1, 2) == 's:' then\n"
	"    local all = redis.call('HGETALL', key)\n"
	"    for i = 1, #all, 2 do add('%s%s = %s', k, all[i] == '' and '' or ' ' .. all[i], all[i + 1]) end\n"
	"  elseif string.sub(k, 1, 4) == 'r:0:' then add('%s %s %d', k, redis.call('GET', key), redis.call('PTTL', key))\n"
	"  elseif string.sub(k, 1, 2) == 'r:' then add('%s %s %s %s', k, unpack(redis.call('HMGET', key, 'epoch', 'fence', 'after')))\n"
	"  elseif string.sub(k, 1, 2) == 'n:' then\n"
	"    for _, m in ipairs(redis.call('HKEYS', key)) do add('%s %s', k, m) end\n"
	"  else add('unknown key %s', k) end\n"
	"end\n"
	"return table.concat(out, '\\n') .. '\\n'\n";

static bool dumped;
static void on_dump(void *arg, const struct redisReply *reply)
{
	assert_non_null(reply);
	if (reply->type != REDIS_REPLY_STRING)
		fail_msg("dump: %s", reply->str);
	buf_add(arg, reply->str, reply->len);
	dumped = true;
}

static void spin_until(const bool *done)
{
	uint64_t end = rig_ms() + RIG_WAIT_MS;
	for (unsigned i = 1; !*done; i++) {
		worker_turn(rig_worker);
		if (i % 1024 == 0 && rig_ms() > end)
			fail_msg("no answer");
	}
}

static void redis_dump(struct buf *out)
{
	dumped = false;
	redis_command(raw, 4, (struct str[]){ STR("EVAL"), str_of(dump_script), STR("0"), STR(PREFIX) }, on_dump, out);
	spin_until(&dumped);
}

static void on_flushed(void *arg, const struct redisReply *reply)
{
	assert_non_null(reply);
	*(bool *)arg = true;
}

static void empty_both(void)
{
	bool done = false;
	redis_command(raw, 1, (struct str[]){ STR("FLUSHALL") }, on_flushed, &done);
	spin_until(&done);
	model_clear(model);
}

static void on_done(void *arg, struct registry_call *c)
{
	*(bool *)arg = true;
}

static void ask_redis(struct registry_call *c)
{
	bool done = false;
	registry_ask(registry, c, on_done, &done);
	spin_until(&done);
}

/* ---- comparing ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static unsigned lines_sorted(struct buf *b, char **lines, unsigned max)
{
	unsigned n = 0;
	buf_addc(b, '\0');
	for (char *at = b->p, *end; *at && (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		assert_true(n < max);
		if (*at)
			lines[n++] = at;
	}
	qsort(lines, n, sizeof *lines, by_text);
	return n;
}

/* The first line that only one of them has; NULL: they are the same. */
static const char *first_difference(char **a, unsigned n, char **b, unsigned m)
{
	for (unsigned i = 0; i < n || i < m; i++) {
		if (i == n)
			return b[i];
		if (i == m || strcmp(a[i], b[i]) < 0)
			return a[i];
		if (strcmp(a[i], b[i]) > 0)
			return b[i];
	}
	return NULL;
}

static void describe(struct buf *b, const struct registry_call *c)
{
	buf_addf(b, "%s key=%.*s resource=%.*s epoch=%u edge=%u hlc=%" PRIu64 " sid=%" PRIu64 " fence=%" PRIu64 " flags=%u limit=%u"
		    " bucket=%u votes=%u refused=%d state=%u id=%u",
		 registry_verb_name(c->verb), STR_ARG(c->key), STR_ARG(c->resource), c->epoch, c->edge, c->hlc, c->sid, c->fence, c->flags,
		 c->limit, c->bucket, c->votes, c->refused, c->state, c->id);
	buf_addc(b, '\0');
}

static void compare_state(const char *call)
{
	enum { LINES = 20000 };
	static char *ours[LINES], *theirs[LINES];
	struct buf a, b;
	buf_init(&a, 16 << 20);
	buf_init(&b, 16 << 20);
	model_dump(model, *clock_ms, &a);
	redis_dump(&b);
	unsigned n = lines_sorted(&a, ours, LINES), m = lines_sorted(&b, theirs, LINES);
	const char *different = first_difference(ours, n, theirs, m);
	if (different)
		fail_msg("after %s: only one of them has: %s", call, different);
	buf_fini(&a);
	buf_fini(&b);
}

static void compare_nodes(const char *call, const struct registry_call *a, const struct registry_call *b)
{
	if (a->n_nodes != b->n_nodes)
		fail_msg("%s: %u nodes, %u of the model", call, a->n_nodes, b->n_nodes);
	for (unsigned i = 0; i < a->n_nodes; i++) {
		const struct registry_node *x = &a->nodes[i], *y = &b->nodes[i];
		bool same = x->epoch == y->epoch && x->id == y->id && x->workers == y->workers && x->state == y->state &&
			    x->dead == y->dead && x->speaks_min == y->speaks_min && x->speaks_max == y->speaks_max &&
			    x->lease_ms == y->lease_ms &&
			    str_eq(x->name, y->name) && str_eq(x->addr, y->addr) && str_eq(x->version, y->version);
		if (!same)
			fail_msg("%s: node %u differs: epoch %u and %u, lease %" PRId64 " and %" PRId64, call, i, x->epoch, y->epoch,
				 x->lease_ms, y->lease_ms);
	}
}

static int by_row(const void *a, const void *b)
{
	const struct registry_row *x = a, *y = b;
	int d = str_cmp(x->bare, y->bare);
	return d ? d : str_cmp(x->resource, y->resource);
}

static void compare_rows(const char *call, struct registry_call *a, struct registry_call *b)
{
	if (a->n_rows != b->n_rows || a->more != b->more)
		fail_msg("%s: %u rows, %u of the model; more %d and %d", call, a->n_rows, b->n_rows, a->more, b->more);
	if (!a->n_rows)
		return;
	qsort(a->rows, a->n_rows, sizeof *a->rows, by_row);
	qsort(b->rows, b->n_rows, sizeof *b->rows, by_row);
	for (unsigned i = 0; i < a->n_rows; i++)
		if (by_row(&a->rows[i], &b->rows[i]) || a->rows[i].flags != b->rows[i].flags || a->rows[i].edge != b->rows[i].edge)
			fail_msg("%s: row %u differs: %.*s/%.*s", call, i, STR_ARG(a->rows[i].bare), STR_ARG(a->rows[i].resource));
}

static void compare_answers(const char *call, struct registry_call *a, struct registry_call *b)
{
	if (a->err != b->err)
		fail_msg("%s: %s, the model says %s", call, err_name(a->err), err_name(b->err));
	if (a->err)
		return;
	if (a->epoch != b->epoch || a->id != b->id || a->winner != b->winner || a->winner_hlc != b->winner_hlc ||
	    a->fence != b->fence || a->after != b->after)
		fail_msg("%s: epoch %u %u id %u %u winner %u %u fence %" PRIu64 " %" PRIu64 " after %" PRIu64 " %" PRIu64, call, a->epoch,
			 b->epoch, a->id, b->id, a->winner, b->winner, a->fence, b->fence, a->after, b->after);
	compare_nodes(call, a, b);
	compare_rows(call, a, b);
}

static unsigned chunks_with_more;
static unsigned verdicts[REGISTRY_VERB_COUNT][ERR_COUNT];

/* Asks both, compares; *c has the answer, without its arena. */
static void ask_both(struct registry_call *c)
{
	struct registry_call ours = *c;
	struct buf text;
	buf_init(&text, 4096);
	describe(&text, c);
	ask_redis(c);
	model_ask(model, &ours, *clock_ms);
	compare_answers(text.p, c, &ours);
	compare_state(text.p);
	verdicts[c->verb][c->err]++;
	chunks_with_more += c->verb == REGISTRY_PURGE && c->more;
	arena_free(c->arena);
	arena_free(ours.arena);
	c->arena = NULL;
	c->n_nodes = c->n_rows = 0;
	buf_fini(&text);
}

/* ---- random calls ---- */

/* The last three are chosen to share the first one's bucket, so that a purge has more than a chunk to do. */
static char neighbours[3][32];
static const char *const bares[ACCOUNTS] = {
	"romeo@montague.example", "juliet@capulet.example", "a|b:c@x.example", "\xc3\xbc@d\xc3\xb6main.example",
	neighbours[0],		  neighbours[1],	    neighbours[2],
};

static void find_neighbours(void)
{
	unsigned n = 0;
	for (unsigned i = 0; n < 3; i++) {
		snprintf(neighbours[n], sizeof neighbours[n], "user%u@capulet.example", i);
		n += registry_bucket(str_of(neighbours[n])) == registry_bucket(str_of(bares[0]));
	}
}
static const char *const resources[] = { "orchard", "balcony|1", "a b\xe2\x9c\x93", "x" };

static struct registry_node random_self(unsigned i)
{
	static char names[NODES][16], addrs[NODES][32];
	snprintf(names[i], sizeof names[i], "node%u", i);
	snprintf(addrs[i], sizeof addrs[i], "tcp://10.0.0.%u:7400", i);
	return (struct registry_node){ .name = str_of(names[i]),
				       .addr = str_of(addrs[i]),
				       .version = STR("1.0"),
				       .workers = (uint16_t)(1 + i),
				       .speaks_min = 1,
				       .speaks_max = (uint8_t)(1 + i % 2),
				       .state = NODE_JOINING };
}

static void random_join(struct registry_call *c, unsigned i)
{
	c->verb = REGISTRY_JOIN;
	c->self = random_self(i);
	c->limit = below(4) ? 0 : 1000 + below(8000);
	if (epochs[i] && below(3) == 0) {
		c->epoch = epochs[i];
		c->id = below(4) ? ids[i] : (uint16_t)below(4);
		return;
	}
	c->epoch = 0;
	c->fence = below(3) ? 0 : epochs[below(NODES)];
	c->sid = below(4) ? i + 100 : below(2) ? rng_u64(&rng) : 0;
}

static uint64_t near(void)
{
	return below(8) ? (uint64_t)*clock_ms << 16 | below(4) : rng_u64(&rng);
}

static void random_named(struct registry_call *c)
{
	static const enum registry_verb verbs[] = {
		REGISTRY_HOME_CLAIM, REGISTRY_HOME_CLAIM, REGISTRY_HOME_RELEASE, REGISTRY_BIND,	  REGISTRY_BIND,
		REGISTRY_BIND,	     REGISTRY_UPDATE,	  REGISTRY_UNBIND,	 REGISTRY_UNBIND,
	};
	c->verb = verbs[below(sizeof verbs / sizeof *verbs)];
	c->key = str_of(bares[below(ACCOUNTS)]);
	c->resource = str_of(resources[below(4)]);
	c->edge = below(2) ? c->epoch : epochs[below(NODES)];
	c->hlc = near();
	c->sid = below(8) ? 1000 + below(3) : rng_u64(&rng);
	c->priority = (int8_t)(below(256) - 128);
	c->flags = below(8);
	c->limit = below(3) ? 0 : 2;
	if (c->verb == REGISTRY_BIND)
		c->flags = below(REGISTRY_FLAGS_MAX + 1);
}

static void random_place(struct registry_call *c)
{
	unsigned i = below(4);
	static const char *const places[] = { "room@muc.example", "other}room@muc.example", "remote.example", "p" };
	c->verb = REGISTRY_PLACE_CLAIM + below(3);
	c->key = str_of(places[i]);
	c->fence = below(6) ? fences[i] : fences[i] + 1 + below(3);
	if (c->verb == REGISTRY_PLACE_CLAIM && below(2))
		c->fence = 0;
	if (c->verb == REGISTRY_PLACE_RELEASE && below(2))
		c->edge = epochs[below(NODES)];
}

static void random_call(struct registry_call *c)
{
	unsigned i = below(NODES), what = below(100);
	*c = (struct registry_call){ .epoch = below(20) && epochs[i] ? epochs[i] : 1 + below(1000) };
	if (what < 5) {
		random_join(c, i);
	} else if (what < 15) {
		c->verb = REGISTRY_RENEW;
		c->limit = below(3) ? 0 : 500 + below(8000);
	} else if (what < 17) {
		c->verb = REGISTRY_NODES;
	} else if (what < 19) {
		c->verb = REGISTRY_STATE;
		c->state = (uint8_t)below(NODE_DEAD);
	} else if (what < 23) {
		c->verb = REGISTRY_FENCE;
		c->votes = below(NODES);
		c->refused = below(2);
	} else if (what < 24) {
		c->verb = REGISTRY_LEAVE;
	} else if (what < 34) {
		c->verb = REGISTRY_PURGE;
		c->bucket = (uint8_t)registry_bucket(str_of(bares[below(ACCOUNTS)]));
		c->limit = below(2);
	} else if (what < 46) {
		random_place(c);
	} else {
		random_named(c);
	}
}

static void note(const struct registry_call *c)
{
	for (unsigned i = 0; c->verb == REGISTRY_JOIN && !c->err && i < NODES; i++)
		if (str_eq(c->self.name, random_self(i).name)) {
			epochs[i] = c->epoch;
			ids[i] = c->id;
		}
	if (c->verb == REGISTRY_PLACE_CLAIM && !c->err)
		for (unsigned i = 0; i < 4; i++)
			if (below(2))
				fences[i] = c->fence;
}

static void move_clock(void)
{
	static const int64_t steps[] = { 0, 0, 1, 50, 2000, 9000 };
	*clock_ms += below(500) == 0 ? 90000000 : steps[below(6)];
}

static void run_seed(uint64_t seed)
{
	rng_init_seeded(&rng, seed);
	memset(epochs, 0, sizeof epochs);
	memset(ids, 0, sizeof ids);
	memset(fences, 0, sizeof fences);
	*clock_ms = INT64_C(1800000000000);
	empty_both();
	for (unsigned i = 0; i < n_calls; i++) {
		struct registry_call c;
		random_call(&c);
		ask_both(&c);
		note(&c);
		move_clock();
		if (below(400) == 0)
			empty_both();
	}
}

static void registry_scripts_equal_the_model(void **state)
{
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++) {
		print_message("seed %" PRIu64 "\n", seed);
		run_seed(seed);
	}
	if (n_seeds == 1) /* a seed that is looked at alone */
		return;
	/* Each verb was answered well, and with each of its refusals. */
	static const struct {
		enum registry_verb verb;
		enum err err;
	} expected[] = {
		{ REGISTRY_JOIN, ERR_NONE }, { REGISTRY_JOIN, ERR_DENIED }, { REGISTRY_RENEW, ERR_NONE }, { REGISTRY_RENEW, ERR_DENIED },
		{ REGISTRY_RENEW, ERR_NOT_FOUND }, { REGISTRY_NODES, ERR_NONE }, { REGISTRY_STATE, ERR_NONE },
		{ REGISTRY_STATE, ERR_DENIED },
		{ REGISTRY_STATE, ERR_NOT_FOUND }, { REGISTRY_FENCE, ERR_NONE }, { REGISTRY_FENCE, ERR_EXISTS },
		{ REGISTRY_FENCE, ERR_DENIED }, { REGISTRY_LEAVE, ERR_NONE }, { REGISTRY_HOME_CLAIM, ERR_NONE },
		{ REGISTRY_HOME_CLAIM, ERR_DENIED },
		{ REGISTRY_HOME_RELEASE, ERR_NONE }, { REGISTRY_HOME_RELEASE, ERR_DENIED }, { REGISTRY_BIND, ERR_NONE },
		{ REGISTRY_BIND, ERR_EXISTS }, { REGISTRY_BIND, ERR_LIMIT }, { REGISTRY_BIND, ERR_DENIED }, { REGISTRY_UPDATE, ERR_NONE },
		{ REGISTRY_UPDATE, ERR_NOT_FOUND }, { REGISTRY_UPDATE, ERR_DENIED }, { REGISTRY_UNBIND, ERR_NONE },
		{ REGISTRY_UNBIND, ERR_DENIED }, { REGISTRY_PURGE, ERR_NONE }, { REGISTRY_PURGE, ERR_DENIED },
		{ REGISTRY_PLACE_CLAIM, ERR_NONE },
		{ REGISTRY_PLACE_CLAIM, ERR_DENIED }, { REGISTRY_PLACE_RENEW, ERR_NONE }, { REGISTRY_PLACE_RENEW, ERR_DENIED },
		{ REGISTRY_PLACE_RELEASE, ERR_NONE }, { REGISTRY_PLACE_RELEASE, ERR_DENIED },
	};
	assert_true(chunks_with_more > 0);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
		if (!verdicts[expected[i].verb][expected[i].err])
			fail_msg("no %s was answered %s: this test lost its aim", registry_verb_name(expected[i].verb),
				 err_name(expected[i].err));
}

static void registry_refuses_more_nodes_than_a_view_has(void **state)
{
	*clock_ms = INT64_C(1800000000000);
	empty_both();
	for (unsigned i = 0; i <= VIEW_NODES_MAX; i++) {
		struct registry_call c = { .verb = REGISTRY_JOIN, .self = random_self(0) };
		ask_both(&c);
		assert_int_equal(c.err, i < VIEW_NODES_MAX ? ERR_NONE : ERR_LIMIT);
	}
}

/* More die than are shown: the newest 64 stay in c:nodes, all in c:dead for a day. */
static void registry_forgets_the_dead(void **state)
{
	*clock_ms = INT64_C(1800000000000);
	empty_both();
	for (unsigned i = 0; i < 80; i++) {
		struct registry_call c = { .verb = REGISTRY_JOIN, .self = random_self(0) };
		ask_both(&c);
		c = (struct registry_call){ .verb = REGISTRY_LEAVE, .epoch = c.epoch };
		ask_both(&c);
	}
	*clock_ms += 86400001;
	struct registry_call c = { .verb = REGISTRY_JOIN, .self = random_self(1) };
	ask_both(&c);
	c = (struct registry_call){ .verb = REGISTRY_NODES };
	ask_redis(&c);
	assert_int_equal(c.n_nodes, 1);
	arena_free(c.arena);
}

/* Longer than a lease, in which this one alone renews its own. */
static void renew_alone(uint32_t epoch)
{
	for (unsigned i = 0; i < 3; i++) {
		*clock_ms += 3000;
		struct registry_call c = { .verb = REGISTRY_RENEW, .epoch = epoch };
		ask_both(&c);
		assert_int_equal(c.err, ERR_NONE);
	}
}

static uint32_t join(unsigned i)
{
	struct registry_call c = { .verb = REGISTRY_JOIN, .self = random_self(i) };
	ask_both(&c);
	assert_int_equal(c.err, ERR_NONE);
	return c.epoch;
}

/* Of four with a lease two are no majority; nobody is fenced while Redis is young; once it is done it is done. */
static void registry_fences_by_a_majority_only(void **state)
{
	uint32_t four[4];
	*clock_ms = INT64_C(1800000000000);
	empty_both();
	struct registry_call c, fence = { .verb = REGISTRY_FENCE, .refused = true, .votes = 4 };
	for (unsigned i = 0; i < 4; i++)
		four[i] = join(i);
	fence.epoch = four[0];
	ask_both(&fence);
	assert_int_equal(fence.err, ERR_DENIED);
	for (unsigned round = 0; round < 3; round++) {
		*clock_ms += REGISTRY_LEASE_MS / 3 + 1;
		for (unsigned i = 0; i < 4; i++) {
			c = (struct registry_call){ .verb = REGISTRY_RENEW, .epoch = four[i] };
			ask_both(&c);
		}
	}
	for (unsigned votes = 2; votes <= 3; votes++) {
		fence.votes = votes;
		ask_both(&fence);
		assert_int_equal(fence.err, votes == 2 ? ERR_DENIED : ERR_NONE);
	}
	ask_both(&fence);
	assert_int_equal(fence.err, ERR_EXISTS);
	fence = (struct registry_call){ .verb = REGISTRY_FENCE, .epoch = four[1], .votes = 3 };
	ask_both(&fence);
	assert_int_equal(fence.err, ERR_DENIED); /* nobody says that it was refused */
	renew_alone(four[2]);
	ask_both(&fence);
	assert_int_equal(fence.err, ERR_NONE);
}

/* After an absence of Redis who comes to it first has what it is granted, though it has not renewed its lease yet. */
static void registry_grants_nothing_that_another_could_have_at_once(void **state)
{
	const enum registry_verb verbs[] = { REGISTRY_PLACE_CLAIM, REGISTRY_PLACE_RENEW, REGISTRY_HOME_CLAIM };
	struct registry_call c = { .fence = 0 };
	*clock_ms = INT64_C(1800000000000);
	empty_both();
	uint32_t two[2] = { join(0), join(1) }, third = join(2);
	renew_alone(third); /* it is not young any more */
	for (unsigned i = 0; i < 3; i++) {
		renew_alone(third);
		c = (struct registry_call){ .verb = verbs[i], .key = STR("a@example.org"), .epoch = two[0], .fence = c.fence };
		ask_both(&c);
		assert_int_equal(c.err, ERR_NONE);
		enum registry_verb claim = verbs[i] == REGISTRY_HOME_CLAIM ? REGISTRY_HOME_CLAIM : REGISTRY_PLACE_CLAIM;
		c = (struct registry_call){ .verb = claim, .key = STR("a@example.org"), .epoch = two[1] };
		ask_both(&c);
		assert_int_equal(c.winner, two[0]);
	}
}

/* Redis was away for all, longer than a lease: whoever comes back first may not have what another one serves, who comes a little later. */
static void registry_expects_all_back_when_it_was_away(void **state)
{
	*clock_ms = INT64_C(1800000000000);
	empty_both();
	uint32_t first = join(0), second = join(1);
	struct registry_call c = { .verb = REGISTRY_PLACE_CLAIM, .key = STR("a@example.org"), .epoch = first };
	ask_both(&c);
	assert_int_equal(c.winner, first);
	for (unsigned i = 0; i < 2; i++) {
		*clock_ms += 60000;
		if (i == 1) { /* or a newcomer does */
			second = join(2);
		} else {
			c = (struct registry_call){ .verb = REGISTRY_RENEW, .epoch = second };
			ask_both(&c);
		}
		*clock_ms += 2900;
		c = (struct registry_call){ .verb = REGISTRY_PLACE_CLAIM, .key = STR("a@example.org"), .epoch = second };
		ask_both(&c);
		assert_int_equal(c.winner, first);
		c = (struct registry_call){ .verb = REGISTRY_FENCE, .epoch = first };
		ask_both(&c);
		assert_int_equal(c.err, ERR_DENIED);
	}
	*clock_ms += 200; /* it has not come back */
	c = (struct registry_call){ .verb = REGISTRY_PLACE_CLAIM, .key = STR("a@example.org"), .epoch = second };
	ask_both(&c);
	assert_int_equal(c.winner, second);
}

/* ---- set up ---- */

static bool registry_came_up;
static void on_registry(void *arg, bool up, bool fresh, const char *text)
{
	registry_came_up |= up;
}

static char preload[512];

static int set_up_all(void **state)
{
	redis_server_init(&server, 0);
	server.preload = preload;
	int fd = open(server.clock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(ftruncate(fd, sizeof *clock_ms), errno);
	clock_ms = mmap(NULL, sizeof *clock_ms, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(clock_ms != MAP_FAILED);
	close(fd);
	*clock_ms = INT64_C(1800000000000);
	redis_server_start(&server, NULL);
	rig_open();
	struct redis_options o = { .unix_path = str_of(server.unix_path),
				   .timeout_ms = 20000,
				   .connect_ms = 20000,
				   .key_prefix = STR(PREFIX) };
	registry = registry_new(rig_worker, &o);
	registry_on_change(registry, on_registry, NULL);
	registry_start(registry);
	raw = redis_new(rig_worker, &o);
	redis_start(raw);
	rig_until(registry_came_up && redis_is_up(raw));
	model = model_new();
	find_neighbours();
	return 0;
}

static int tear_down_all(void **state)
{
	model_free(model);
	registry_free(registry);
	redis_free(raw);
	rig_close();
	redis_server_fini(&server);
	munmap(clock_ms, sizeof *clock_ms);
	return 0;
}

int main(int argc, char **argv)
{
	char self[256];
	snprintf(self, sizeof self, "%s", argv[0]);
	snprintf(preload, sizeof preload, "%s/clock_preload.so", dirname(self));
	if (preload[0] != '/') {
		char *whole = realpath(preload, NULL);
		snprintf(preload, sizeof preload, "%s", whole ? whole : "");
		free(whole);
	}
	if (argc > 1) {
		first_seed = strtoull(argv[1], NULL, 10);
		n_seeds = 1;
	}
	if (argc > 2)
		n_calls = (unsigned)strtoul(argv[2], NULL, 10);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_refuses_more_nodes_than_a_view_has),
		cmocka_unit_test(registry_forgets_the_dead),
		cmocka_unit_test(registry_fences_by_a_majority_only),
		cmocka_unit_test(registry_grants_nothing_that_another_could_have_at_once),
		cmocka_unit_test(registry_expects_all_back_when_it_was_away),
		cmocka_unit_test(registry_scripts_equal_the_model),
	};
	return cmocka_run_group_tests_name("registry_equal", tests, set_up_all, tear_down_all);
}
