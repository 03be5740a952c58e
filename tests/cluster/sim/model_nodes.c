#include <inttypes.h>

#include "cluster/view.h"
#include "tests/cluster/sim/model_private.h"

#define DEAD_MS      86400000
#define DEAD_SHOWN   64
#define START_2026   1767225600 /* s */
#define HEARD_MS     4000
#define RETURN_MS    3000 /* that all have to come back */

static struct row *row_of(const struct model *m, uint32_t epoch)
{
	for (unsigned i = 0; i < m->n_rows; i++)
		if (m->rows[i].node.epoch == epoch)
			return &m->rows[i];
	return NULL;
}

bool model_nodes_is_dead(const struct model *m, uint32_t epoch)
{
	for (unsigned i = 0; i < m->n_graves; i++)
		if (m->graves[i].epoch == epoch)
			return true;
	return false;
}

/* A key of Redis ends after its time, not at it. */
static bool has_lease(const struct row *r, int64_t now_ms)
{
	return r->lease_until && r->lease_until >= now_ms;
}

static bool is_leased(const struct model *m, uint32_t epoch, int64_t now_ms)
{
	const struct row *r = row_of(m, epoch);
	return r && has_lease(r, now_ms);
}

static bool is_young(const struct model *m, int64_t now_ms)
{
	return m->heard_until < now_ms || m->young_until >= now_ms;
}

static void hear(struct model *m, int64_t now_ms)
{
	if (m->heard_until < now_ms && m->young_until < now_ms)
		m->young_until = now_ms + RETURN_MS;
	m->heard_until = now_ms + HEARD_MS;
}

bool model_nodes_is_gone(const struct model *m, uint32_t epoch, int64_t now_ms)
{
	return model_nodes_is_dead(m, epoch) || (!is_leased(m, epoch, now_ms) && !is_young(m, now_ms));
}

void model_nodes_revive(struct model *m, uint32_t epoch, int64_t now_ms)
{
	struct row *r = row_of(m, epoch);
	if (r && !has_lease(r, now_ms))
		r->lease_until = now_ms + REGISTRY_LEASE_MS;
}

static void row_fini(struct row *r)
{
	free((char *)r->node.name.p);
	free((char *)r->node.addr.p);
	free((char *)r->node.version.p);
}

static void log_add(struct model *m, const char *event, uint32_t epoch, struct str name)
{
	buf_addf(&m->log, "log %s %" PRIu32 " %.*s\n", event, epoch, STR_ARG(name));
}

static void bury(struct model *m, uint32_t epoch, uint8_t state, const char *event, int64_t now_ms)
{
	struct row *r = row_of(m, epoch);
	*PUSH(m->graves, m->n_graves) = (struct grave){ epoch, now_ms };
	if (r) {
		r->lease_until = 0;
		r->node.state = state;
	}
	log_add(m, event, epoch, r ? r->node.name : STR(""));
}

/* Dead for a day, or 64 newer ones are dead as well. */
static bool is_forgettable(const struct model *m, uint32_t epoch, int64_t now_ms)
{
	bool dead = false, old = false;
	unsigned newer = 0;
	for (unsigned i = 0; i < m->n_graves; i++) {
		const struct grave *g = &m->graves[i];
		dead |= g->epoch == epoch;
		old |= g->epoch == epoch && g->at_ms <= now_ms - DEAD_MS;
		newer += g->epoch > epoch && row_of(m, g->epoch);
	}
	return dead && (old || newer >= DEAD_SHOWN);
}

static void forget(struct model *m, int64_t now_ms)
{
	unsigned kept = 0;
	bool *drop = xzalloc(m->n_rows + 1);
	for (unsigned i = 0; i < m->n_rows; i++)
		drop[i] = is_forgettable(m, m->rows[i].node.epoch, now_ms);
	for (unsigned i = 0; i < m->n_rows; i++)
		if (drop[i])
			row_fini(&m->rows[i]);
		else
			m->rows[kept++] = m->rows[i];
	m->n_rows = kept;
	free(drop);
	for (unsigned i = 0; i < m->n_graves;)
		if (m->graves[i].at_ms <= now_ms - DEAD_MS)
			REMOVE(m->graves, m->n_graves, i);
		else
			i++;
}

static int by_epoch(const void *a, const void *b)
{
	const struct registry_node *x = a, *y = b;
	return x->epoch < y->epoch ? -1 : x->epoch > y->epoch;
}

static void answer_nodes(const struct model *m, struct registry_call *c, int64_t now_ms)
{
	if (!c->arena)
		c->arena = arena_new(0);
	c->nodes = arena_zalloc(c->arena, m->n_rows * sizeof *c->nodes);
	c->n_nodes = m->n_rows;
	for (unsigned i = 0; i < m->n_rows; i++) {
		const struct row *r = &m->rows[i];
		struct registry_node *n = &c->nodes[i];
		*n = r->node;
		n->name = arena_str(c->arena, n->name);
		n->addr = arena_str(c->arena, n->addr);
		n->version = arena_str(c->arena, n->version);
		n->dead = model_nodes_is_dead(m, n->epoch);
		n->lease_ms = r->lease_until > now_ms ? r->lease_until - now_ms : 0;
	}
	qsort(c->nodes, c->n_nodes, sizeof *c->nodes, by_epoch);
}

static bool id_is_taken(const struct model *m, uint16_t id, uint32_t but)
{
	for (unsigned i = 0; i < m->n_rows; i++)
		if (m->rows[i].node.id == id && m->rows[i].node.epoch != but && !model_nodes_is_dead(m, m->rows[i].node.epoch))
			return true;
	return false;
}

static uint16_t free_id(const struct model *m, uint32_t but)
{
	uint16_t id = 1;
	while (id_is_taken(m, id, but))
		id++;
	return id;
}

static struct row *row_by_token(const struct model *m, uint64_t token)
{
	for (unsigned i = 0; token && i < m->n_rows; i++)
		if (m->rows[i].token == token && !model_nodes_is_dead(m, m->rows[i].node.epoch))
			return &m->rows[i];
	return NULL;
}

static unsigned count_leases(const struct model *m, int64_t now_ms)
{
	unsigned n = 0;
	for (unsigned i = 0; i < m->n_rows; i++)
		n += has_lease(&m->rows[i], now_ms);
	return n;
}

static uint32_t next_epoch(const struct model *m, uint64_t fence, int64_t now_ms)
{
	uint64_t n = m->counted ? m->epoch : 0;
	int64_t seconds = now_ms / 1000 - START_2026;
	if (fence > n)
		n = fence;
	if (seconds > (int64_t)n)
		n = (uint64_t)seconds;
	return (uint32_t)(n + 1);
}

static void row_set(struct model *m, uint32_t epoch, uint16_t id, const struct registry_call *c, int64_t now_ms)
{
	struct row *r = row_of(m, epoch);
	if (r)
		row_fini(r);
	else
		r = PUSH(m->rows, m->n_rows);
	*r = (struct row){ .node = c->self, .token = c->sid };
	r->node.epoch = epoch;
	r->node.id = id;
	r->node.dead = false;
	r->node.name = str_of(model_keep(c->self.name));
	r->node.addr = str_of(model_keep(c->self.addr));
	r->node.version = str_of(model_keep(c->self.version));
	r->lease_until = now_ms + (c->limit ? c->limit : REGISTRY_LEASE_MS);
}

static enum err join(struct model *m, struct registry_call *c, int64_t now_ms)
{
	bool again = c->epoch != 0;
	uint32_t epoch = c->epoch;
	uint16_t id = c->id;
	if (again && model_nodes_is_dead(m, epoch))
		return ERR_DENIED;
	const struct row *found = again ? NULL : row_by_token(m, c->sid);
	if (!again && !found && count_leases(m, now_ms) >= VIEW_NODES_MAX)
		return ERR_LIMIT;
	if (found) {
		epoch = found->node.epoch;
		id = found->node.id;
	} else if (again) {
		id = id == 0 || id_is_taken(m, id, epoch) ? free_id(m, epoch) : id;
	} else {
		id = free_id(m, 0);
		epoch = next_epoch(m, c->fence, now_ms);
	}
	forget(m, now_ms);
	if (!m->counted)
		m->young_until = now_ms + (c->limit ? c->limit : REGISTRY_LEASE_MS);
	hear(m, now_ms);
	m->epoch = m->counted && m->epoch > epoch ? m->epoch : epoch;
	m->counted = true;
	row_set(m, epoch, id, c, now_ms);
	if (!found)
		log_add(m, again ? "again" : "join", epoch, c->self.name);
	c->epoch = epoch;
	c->id = id;
	answer_nodes(m, c, now_ms);
	return ERR_NONE;
}

static enum err renew(struct model *m, const struct registry_call *c, int64_t now_ms)
{
	struct row *r = row_of(m, c->epoch);
	if (model_nodes_is_dead(m, c->epoch))
		return ERR_DENIED;
	if (!r)
		return ERR_NOT_FOUND;
	hear(m, now_ms);
	r->lease_until = now_ms + (c->limit ? c->limit : REGISTRY_LEASE_MS);
	return ERR_NONE;
}

static enum err set_state(struct model *m, const struct registry_call *c)
{
	struct row *r = row_of(m, c->epoch);
	if (model_nodes_is_dead(m, c->epoch))
		return ERR_DENIED;
	if (!r)
		return ERR_NOT_FOUND;
	r->node.state = c->state;
	return ERR_NONE;
}

static enum err fence(struct model *m, const struct registry_call *c, int64_t now_ms)
{
	if (model_nodes_is_dead(m, c->epoch))
		return ERR_EXISTS;
	if (is_young(m, now_ms))
		return ERR_DENIED;
	if (is_leased(m, c->epoch, now_ms) && !(c->refused && (uint64_t)c->votes * 2 > count_leases(m, now_ms)))
		return ERR_DENIED;
	bury(m, c->epoch, NODE_DEAD, "fence", now_ms);
	return ERR_NONE;
}

static enum err leave(struct model *m, const struct registry_call *c, int64_t now_ms)
{
	if (!model_nodes_is_dead(m, c->epoch))
		bury(m, c->epoch, NODE_LEFT, "leave", now_ms);
	return ERR_NONE;
}

enum err model_nodes_ask(struct model *m, struct registry_call *c, int64_t now_ms)
{
	switch (c->verb) {
	case REGISTRY_JOIN:
		return join(m, c, now_ms);
	case REGISTRY_RENEW:
		return renew(m, c, now_ms);
	case REGISTRY_NODES:
		answer_nodes(m, c, now_ms);
		return ERR_NONE;
	case REGISTRY_STATE:
		return set_state(m, c);
	case REGISTRY_FENCE:
		return fence(m, c, now_ms);
	case REGISTRY_LEAVE:
		return leave(m, c, now_ms);
	default:
		return ERR_INVALID;
	}
}

void model_nodes_clear(struct model *m)
{
	for (unsigned i = 0; i < m->n_rows; i++)
		row_fini(&m->rows[i]);
	free(m->rows);
	free(m->graves);
	buf_fini(&m->log);
}

void model_nodes_dump(const struct model *m, int64_t now_ms, struct buf *out)
{
	if (m->counted)
		buf_addf(out, "epoch %" PRIu32 "\n", m->epoch);
	if (m->young_until >= now_ms)
		buf_addf(out, "young %" PRId64 "\n", m->young_until - now_ms);
	if (m->heard_until >= now_ms)
		buf_addf(out, "heard %" PRId64 "\n", m->heard_until - now_ms);
	for (unsigned i = 0; i < m->n_rows; i++) {
		const struct registry_node *n = &m->rows[i].node;
		buf_addf(out, "node %" PRIu32 " %u %.*s %.*s %.*s %u %u %u %u ", n->epoch, n->id, STR_ARG(n->name), STR_ARG(n->addr),
			 STR_ARG(n->version), n->workers, n->speaks_min, n->speaks_max, n->state);
		if (m->rows[i].token)
			model_add_wide(out, m->rows[i].token);
		buf_addc(out, '\n');
		if (has_lease(&m->rows[i], now_ms))
			buf_addf(out, "lease %" PRIu32 " %" PRId64 "\n", n->epoch, m->rows[i].lease_until - now_ms);
	}
	for (unsigned i = 0; i < m->n_graves; i++)
		buf_addf(out, "dead %" PRIu32 " %" PRId64 "\n", m->graves[i].epoch, m->graves[i].at_ms);
	buf_add_str(out, buf_str(&m->log));
}
