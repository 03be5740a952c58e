/*
 * registry_fake.h: the registry for tests of the mesh: registry.h's functions over a table in this process, shared by all meshes in it.
 * Only what a mesh without sessions asks; what Redis answers is tested against Redis itself.
 */
#ifndef TESTS_UNIT_CLUSTER_REGISTRY_FAKE_H
#define TESTS_UNIT_CLUSTER_REGISTRY_FAKE_H

#include <pthread.h>
#include <stdlib.h>

#include "cluster/registry.h"
#include "cluster/view.h"

#define FAKE_NODES 16
#define FAKE_ROWS  1500

struct fake_node {
	uint32_t epoch;
	uint16_t id, workers;
	uint8_t state, min, max;
	bool dead, left;
	uint64_t lease_until;
	char name[64], addr[128], version[32];
};

static struct {
	pthread_mutex_t lock;
	uint32_t epochs, lease_ms;
	unsigned n;
	struct fake_node nodes[FAKE_NODES];
	unsigned rows, failures, purge_calls; /* rows of every dead node in bucket 5; how often a purge is refused first */
	char cut_off[64];                     /* the name of a node whose questions are not answered */
} fake = { .lock = PTHREAD_MUTEX_INITIALIZER, .lease_ms = 1000 };

struct registry {
	struct worker *w;
	char name[64]; /* from its JOIN */
	void (*fn)(void *arg, bool up, bool fresh, const char *text);
	void *arg;
};

static struct registry *fake_last; /* made */

static uint64_t fake_now(void)
{
	return uv_hrtime() / 1000000;
}

static struct fake_node *fake_find(uint32_t epoch)
{
	for (unsigned i = 0; i < fake.n; i++)
		if (fake.nodes[i].epoch == epoch)
			return &fake.nodes[i];
	return NULL;
}

static struct str fake_keep(struct arena *a, const char *z)
{
	char *copy = arena_alloc(a, strlen(z) + 1);
	memcpy(copy, z, strlen(z) + 1);
	return str_of(copy);
}

static void fake_list(struct registry_call *c)
{
	c->arena = arena_new(0);
	c->nodes = arena_alloc(c->arena, FAKE_NODES * sizeof *c->nodes);
	c->n_nodes = 0;
	for (unsigned i = 0; i < fake.n; i++) {
		const struct fake_node *n = &fake.nodes[i];
		if (n->left)
			continue;
		c->nodes[c->n_nodes++] = (struct registry_node){
			.epoch = n->epoch, .id = n->id, .workers = n->workers, .state = n->state, .speaks_min = n->min,
			.speaks_max = n->max, .dead = n->dead,
			.lease_ms = n->lease_until > fake_now() ? (int64_t)(n->lease_until - fake_now()) : 0,
			.name = fake_keep(c->arena, n->name), .addr = fake_keep(c->arena, n->addr),
			.version = fake_keep(c->arena, n->version),
		};
	}
}

static enum err fake_join(struct registry *r, struct registry_call *c)
{
	if (fake.n == FAKE_NODES || c->self.epoch)
		return ERR_UNAVAILABLE;
	struct fake_node *n = &fake.nodes[fake.n++];
	*n = (struct fake_node){ .epoch = ++fake.epochs, .workers = c->self.workers, .state = NODE_SYNCING, .min = c->self.speaks_min,
				 .max = c->self.speaks_max, .lease_until = fake_now() + fake.lease_ms };
	n->id = (uint16_t)n->epoch;
	snprintf(n->name, sizeof n->name, "%.*s", STR_ARG(c->self.name));
	snprintf(n->addr, sizeof n->addr, "%.*s", STR_ARG(c->self.addr));
	snprintf(n->version, sizeof n->version, "%.*s", STR_ARG(c->self.version));
	snprintf(r->name, sizeof r->name, "%s", n->name);
	c->epoch = n->epoch;
	c->id = n->id;
	fake_list(c);
	return ERR_NONE;
}

static enum err fake_fence(struct registry_call *c)
{
	struct fake_node *n = fake_find(c->epoch);
	if (!n)
		return ERR_NOT_FOUND;
	if (n->dead)
		return ERR_EXISTS;
	if (n->lease_until > fake_now() && !c->refused)
		return ERR_DENIED;
	n->dead = true;
	return ERR_NONE;
}

/* `rows` of them in bucket 5, in chunks of the limit; they are gone once they were given. */
static enum err fake_purge(struct registry_call *c)
{
	fake.purge_calls++;
	if (fake.failures && fake.failures--)
		return ERR_UNAVAILABLE;
	if (c->bucket != 5)
		return ERR_NONE;
	c->arena = arena_new(0);
	c->rows = arena_alloc(c->arena, c->limit * sizeof *c->rows);
	while (c->n_rows < c->limit && fake.rows) {
		char bare[32];
		snprintf(bare, sizeof bare, "u%u@example.org", fake.rows--);
		c->rows[c->n_rows++] = (struct registry_row){ fake_keep(c->arena, bare), STR("r"), REGISTRY_AVAILABLE, 0 };
	}
	c->more = fake.rows > 0;
	return ERR_NONE;
}

static enum err fake_answer(struct registry *r, struct registry_call *c)
{
	struct fake_node *n = fake_find(c->epoch);
	if (c->verb != REGISTRY_JOIN && r->name[0] && strcmp(r->name, fake.cut_off) == 0)
		return ERR_UNAVAILABLE;
	switch (c->verb) {
	case REGISTRY_JOIN:
		return fake_join(r, c);
	case REGISTRY_RENEW:
		if (!n)
			return ERR_NOT_FOUND;
		if (n->dead)
			return ERR_DENIED;
		n->lease_until = fake_now() + fake.lease_ms;
		return ERR_NONE;
	case REGISTRY_NODES:
		fake_list(c);
		return ERR_NONE;
	case REGISTRY_STATE:
		if (n)
			n->state = c->state;
		return n ? ERR_NONE : ERR_NOT_FOUND;
	case REGISTRY_FENCE:
		return fake_fence(c);
	case REGISTRY_LEAVE:
		if (n)
			n->left = true;
		return ERR_NONE;
	case REGISTRY_PURGE:
		return fake_purge(c);
	case REGISTRY_HOME_CLAIM:
		c->winner = c->epoch;
		return ERR_NONE;
	default:
		return ERR_INVALID;
	}
}

struct registry *registry_new(struct worker *w, const struct redis_options *o)
{
	struct registry *r = xzalloc(sizeof *r);
	r->w = w;
	fake_last = r;
	return r;
}

void registry_free(struct registry *r)
{
	free(r);
}

void registry_start(struct registry *r)
{
	r->fn(r->arg, true, false, "the fake is up");
}

void registry_on_change(struct registry *r, void (*fn)(void *arg, bool up, bool fresh, const char *text), void *arg)
{
	r->fn = fn;
	r->arg = arg;
}

bool registry_is_up(const struct registry *r)
{
	return true;
}

void registry_ask(struct registry *r, struct registry_call *c, void (*done)(void *arg, struct registry_call *c), void *arg)
{
	pthread_mutex_lock(&fake.lock);
	c->n_nodes = c->n_rows = 0;
	c->more = false;
	c->err = fake_answer(r, c);
	pthread_mutex_unlock(&fake.lock);
	done(arg, c);
}

#endif
