#include <inttypes.h>

#include "tests/cluster/sim/model_private.h"

#define PURGE_LIMIT 100
#define WAS_MS      600000

/* ---- the index ---- */

static struct member *member_find(const struct model *m, uint32_t epoch, struct str text)
{
	for (unsigned i = 0; i < m->n_members; i++) {
		struct member *x = &m->members[i];
		if (x->epoch == epoch && str_is(text, x->text))
			return x;
	}
	return NULL;
}

/* `name`: of the account or place that it stands for. */
static void member_add(struct model *m, uint32_t epoch, struct str name, struct str text)
{
	if (!member_find(m, epoch, text))
		*PUSH(m->members, m->n_members) =
			(struct member){ epoch, registry_bucket(name), registry_small_bucket(name), model_keep(text) };
}

static void member_del(struct model *m, uint32_t epoch, struct str text)
{
	struct member *x = member_find(m, epoch, text);
	if (!x)
		return;
	free(x->text);
	*x = m->members[--m->n_members];
}

/* ---- accounts ---- */

static struct account *account_of(const struct model *m, struct str bare)
{
	return map_get(&m->accounts, bare);
}

static struct account *account_make(struct model *m, struct str bare)
{
	struct account *a = account_of(m, bare);
	if (a)
		return a;
	a = xzalloc(sizeof *a);
	a->bare = str_span(model_keep(bare), bare.len);
	map_put(&m->accounts, a->bare, a);
	return a;
}

static void account_free(struct account *a)
{
	for (unsigned i = 0; i < a->n; i++)
		free(a->seats[i].resource);
	free(a->seats);
	free((char *)a->bare.p);
	free(a);
}

static void account_trim(struct model *m, struct account *a)
{
	if (a->home || a->n)
		return;
	map_del(&m->accounts, a->bare);
	account_free(a);
}

static struct seat *seat_of(const struct account *a, struct str resource)
{
	for (unsigned i = 0; a && i < a->n; i++)
		if (str_is(resource, a->seats[i].resource))
			return &a->seats[i];
	return NULL;
}

static void seat_del(struct account *a, struct seat *s)
{
	free(s->resource);
	*s = a->seats[--a->n];
}

static void unindex(struct model *m, const struct account *a, uint32_t epoch, struct str bare)
{
	if (a && a->home == epoch)
		return;
	for (unsigned i = 0; a && i < a->n; i++)
		if (a->seats[i].epoch == epoch)
			return;
	member_del(m, epoch, bare);
}

static enum err home_claim(struct model *m, struct registry_call *c, int64_t now_ms)
{
	if (model_nodes_is_dead(m, c->epoch))
		return ERR_DENIED;
	model_nodes_revive(m, c->epoch, now_ms);
	struct account *a = account_make(m, c->key);
	uint32_t holder = a->home;
	bool smaller = c->hlc < a->hlc || (c->hlc == a->hlc && c->epoch < holder);
	if (holder && holder != c->epoch && !(c->flags & REGISTRY_REPLAY && smaller) && !model_nodes_is_gone(m, holder, now_ms)) {
		c->winner = holder;
		c->winner_hlc = a->hlc;
		return ERR_NONE;
	}
	a->home = c->winner = c->epoch;
	a->hlc = c->winner_hlc = c->hlc;
	member_add(m, c->epoch, c->key, c->key);
	if (holder && holder != c->epoch)
		unindex(m, a, holder, c->key);
	return ERR_NONE;
}

static enum err home_release(struct model *m, const struct registry_call *c)
{
	struct account *a = account_of(m, c->key);
	if (!a || !a->home)
		return ERR_NONE;
	if (a->home != c->epoch)
		return ERR_DENIED;
	a->home = 0;
	unindex(m, a, c->epoch, c->key);
	account_trim(m, a);
	return ERR_NONE;
}

static enum err bind_session(struct model *m, const struct registry_call *c)
{
	if (model_nodes_is_dead(m, c->epoch))
		return ERR_DENIED;
	struct account *a = account_of(m, c->key);
	struct seat *s = seat_of(a, c->resource);
	uint32_t before = s ? s->epoch : 0;
	if (s && (s->hlc > c->hlc || (s->hlc == c->hlc && s->sid > c->sid)) && !model_nodes_is_dead(m, before))
		return ERR_EXISTS;
	if (!s && c->limit && a && a->n >= c->limit)
		return ERR_LIMIT;
	a = account_make(m, c->key);
	if (!s) {
		s = PUSH(a->seats, a->n);
		s->resource = model_keep(c->resource);
	}
	s->epoch = c->epoch;
	s->edge = c->edge;
	s->sid = c->sid;
	s->hlc = c->hlc;
	s->priority = c->priority;
	s->flags = c->flags;
	if (a->home != c->epoch)
		member_add(m, c->epoch, c->key, c->key);
	if (before && before != c->epoch && before != a->home)
		unindex(m, a, before, c->key);
	return ERR_NONE;
}

static enum err update(struct model *m, const struct registry_call *c)
{
	struct seat *s = seat_of(account_of(m, c->key), c->resource);
	if (!s)
		return ERR_NOT_FOUND;
	if (s->sid != c->sid)
		return ERR_DENIED;
	s->priority = c->priority;
	s->flags = c->flags;
	return ERR_NONE;
}

static enum err unbind(struct model *m, const struct registry_call *c)
{
	struct account *a = account_of(m, c->key);
	struct seat *s = seat_of(a, c->resource);
	if (!s)
		return ERR_NONE;
	if (s->sid != c->sid)
		return ERR_DENIED;
	uint32_t epoch = s->epoch;
	seat_del(a, s);
	unindex(m, a, epoch, c->key);
	account_trim(m, a);
	return ERR_NONE;
}

/* ---- places ---- */

static void place_text(struct buf *b, struct str name)
{
	buf_init(b, 8192);
	buf_addf(b, "r:{%.*s}", STR_ARG(name));
}

static void place_index(struct model *m, uint32_t epoch, struct str name, bool there)
{
	struct buf text;
	place_text(&text, name);
	if (there)
		member_add(m, epoch, name, buf_str(&text));
	else
		member_del(m, epoch, buf_str(&text));
	buf_fini(&text);
}

static void spot_free(struct spot *s)
{
	free((char *)s->name.p);
	free(s);
}

static struct spot *spot_set(struct model *m, struct str name, uint32_t epoch, uint64_t fence_, uint64_t after)
{
	struct spot *s = map_get(&m->places, name);
	if (!s) {
		s = xzalloc(sizeof *s);
		s->name = str_span(model_keep(name), name.len);
		map_put(&m->places, s->name, s);
	}
	s->epoch = epoch;
	s->fence = fence_;
	s->after = after;
	s->lapsed = false;
	place_index(m, epoch, name, true);
	return s;
}

/* Nobody has it any more. */
static void spot_end(struct spot *s, int64_t now_ms)
{
	s->epoch = 0;
	s->until = now_ms + WAS_MS;
}

static struct spot *spot_find(const struct model *m, struct str name)
{
	struct spot *s = map_get(&m->places, name);
	return s && s->epoch ? s : NULL;
}

/* The fence of the last one, when nobody has it; 0: not known. */
static uint64_t spot_was(const struct model *m, struct str name, int64_t now_ms)
{
	const struct spot *s = map_get(&m->places, name);
	return s && !s->epoch && s->until >= now_ms ? s->fence : 0;
}

static enum err place_claim(struct model *m, struct registry_call *c, int64_t now_ms)
{
	if (model_nodes_is_dead(m, c->epoch))
		return ERR_DENIED;
	model_nodes_revive(m, c->epoch, now_ms);
	const struct spot *s = spot_find(m, c->key);
	uint32_t holder = s ? s->epoch : 0;
	uint64_t fence = s ? s->fence : spot_was(m, c->key, now_ms), next = fence + 1;
	c->after = 0;
	if (s && holder != c->epoch && !model_nodes_is_gone(m, holder, now_ms)) {
		c->winner = holder;
		c->fence = s->fence;
		return ERR_NONE;
	}
	if (next < c->fence + 1)
		next = c->fence + 1;
	if (next < (uint64_t)now_ms)
		next = (uint64_t)now_ms;
	c->after = holder == c->epoch ? s->after : fence;
	spot_set(m, c->key, c->epoch, next, c->after)->lapsed = holder && holder != c->epoch;
	if (holder && holder != c->epoch)
		place_index(m, holder, c->key, false);
	c->winner = c->epoch;
	c->fence = next;
	return ERR_NONE;
}

bool model_place_lapsed(const struct model *m, struct str name)
{
	const struct spot *s = spot_find(m, name);
	return s && s->lapsed;
}

static enum err place_renew(struct model *m, const struct registry_call *c, int64_t now_ms)
{
	const struct spot *s = spot_find(m, c->key);
	if (model_nodes_is_dead(m, c->epoch))
		return ERR_DENIED;
	model_nodes_revive(m, c->epoch, now_ms);
	if (s ? s->epoch != c->epoch || s->fence != c->fence : spot_was(m, c->key, now_ms) > c->fence)
		return ERR_DENIED;
	if (!s)
		spot_set(m, c->key, c->epoch, c->fence, 0);
	return ERR_NONE;
}

static enum err place_release(struct model *m, const struct registry_call *c, int64_t now_ms)
{
	struct spot *s = spot_find(m, c->key);
	if (!s)
		return ERR_NONE;
	if (s->epoch != c->epoch || s->fence != c->fence)
		return ERR_DENIED;
	if (c->edge == c->epoch)
		return ERR_NONE;
	place_index(m, c->epoch, c->key, false);
	if (c->edge)
		spot_set(m, c->key, c->edge, c->fence, c->fence);
	else
		spot_end(s, now_ms);
	return ERR_NONE;
}

/* ---- the purge ---- */

static void row_add(struct registry_call *c, struct str bare, struct str resource, uint32_t flags, uint32_t edge)
{
	struct registry_row *rows = arena_alloc(c->arena, (c->n_rows + 1) * sizeof *rows);
	memcpy(rows, c->rows ? c->rows : rows, c->n_rows * sizeof *rows);
	rows[c->n_rows++] = (struct registry_row){ arena_str(c->arena, bare), arena_str(c->arena, resource), flags, edge };
	c->rows = rows;
}

static void purge_account(struct model *m, struct registry_call *c, struct str bare)
{
	struct account *a = account_of(m, bare);
	if (!a)
		return;
	if (a->home == c->epoch) {
		row_add(c, bare, STR(""), 0, 0);
		a->home = 0;
	}
	for (unsigned i = 0; i < a->n;) {
		struct seat *s = &a->seats[i];
		if (s->epoch != c->epoch) {
			i++;
			continue;
		}
		row_add(c, bare, str_of(s->resource), s->flags, s->edge == s->epoch ? 0 : s->edge);
		seat_del(a, s);
	}
	account_trim(m, a);
}

static void purge_place(struct model *m, const struct registry_call *c, struct str name, int64_t now_ms)
{
	struct spot *s = spot_find(m, name);
	if (s && s->epoch == c->epoch)
		spot_end(s, now_ms);
}

static const struct member *small_first(const struct model *m, uint32_t epoch, unsigned bucket, unsigned small)
{
	for (unsigned i = 0; i < m->n_members; i++) {
		const struct member *x = &m->members[i];
		if (x->epoch == epoch && x->bucket == bucket && x->small == small)
			return x;
	}
	return NULL;
}

static void purge_member(struct model *m, struct registry_call *c, struct str text, int64_t now_ms)
{
	if (str_starts(text, STR("r:{")))
		purge_place(m, c, str_span(text.p + 3, text.len - 4), now_ms);
	else
		purge_account(m, c, text);
}

static enum err purge(struct model *m, struct registry_call *c, int64_t now_ms)
{
	const struct member *x;
	unsigned n = 0, limit = c->limit ? c->limit : PURGE_LIMIT;
	if (!model_nodes_is_dead(m, c->epoch))
		return ERR_DENIED;
	if (!c->arena)
		c->arena = arena_new(0);
	c->rows = NULL;
	c->n_rows = 0;
	c->more = false;
	for (unsigned small = 0; small < REGISTRY_SMALL_BUCKETS && !c->more; small++) {
		c->more = n >= limit && small_first(m, c->epoch, c->bucket, small);
		while (!c->more && (x = small_first(m, c->epoch, c->bucket, small))) {
			struct str text = arena_str(c->arena, str_of(x->text));
			member_del(m, c->epoch, text);
			purge_member(m, c, text, now_ms);
			n++;
		}
	}
	return ERR_NONE;
}

/* ---- all of it ---- */

enum err model_names_ask(struct model *m, struct registry_call *c, int64_t now_ms)
{
	switch (c->verb) {
	case REGISTRY_HOME_CLAIM:
		return home_claim(m, c, now_ms);
	case REGISTRY_HOME_RELEASE:
		return home_release(m, c);
	case REGISTRY_BIND:
		return bind_session(m, c);
	case REGISTRY_UPDATE:
		return update(m, c);
	case REGISTRY_UNBIND:
		return unbind(m, c);
	case REGISTRY_PURGE:
		return purge(m, c, now_ms);
	case REGISTRY_PLACE_CLAIM:
		return place_claim(m, c, now_ms);
	case REGISTRY_PLACE_RENEW:
		return place_renew(m, c, now_ms);
	case REGISTRY_PLACE_RELEASE:
		return place_release(m, c, now_ms);
	default:
		return ERR_INVALID;
	}
}

void model_names_clear(struct model *m)
{
	struct str key;
	void *value;
	for (unsigned i = 0; i < m->n_members; i++)
		free(m->members[i].text);
	for (size_t i = 0; map_next(&m->accounts, &i, &key, &value);)
		account_free(value);
	for (size_t i = 0; map_next(&m->places, &i, &key, &value);)
		spot_free(value);
	map_fini(&m->accounts);
	map_fini(&m->places);
	free(m->members);
}

static void dump_account(const struct account *a, struct buf *out)
{
	if (a->home) {
		buf_addf(out, "s:{%.*s} = %" PRIu32 "|", STR_ARG(a->bare), a->home);
		model_add_wide(out, a->hlc);
		buf_addc(out, '\n');
	}
	for (unsigned i = 0; i < a->n; i++) {
		const struct seat *s = &a->seats[i];
		buf_addf(out, "s:{%.*s} %s = %" PRIu32 "|", STR_ARG(a->bare), s->resource, s->epoch);
		if (s->edge != s->epoch)
			buf_addf(out, "%" PRIu32, s->edge);
		buf_addc(out, '|');
		model_add_wide(out, s->sid);
		buf_addc(out, '|');
		model_add_wide(out, s->hlc);
		buf_addf(out, "|%d|%" PRIu32 "\n", s->priority, s->flags);
	}
}

static void dump_place(const struct spot *s, int64_t now_ms, struct buf *out)
{
	if (s->epoch)
		buf_addf(out, "r:{%.*s} %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", STR_ARG(s->name), s->epoch, s->fence, s->after);
	else if (s->until >= now_ms)
		buf_addf(out, "r:0:{%.*s} %" PRIu64 " %" PRId64 "\n", STR_ARG(s->name), s->fence, s->until - now_ms);
}

void model_names_dump(const struct model *m, int64_t now_ms, struct buf *out)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&m->accounts, &i, &key, &value);)
		dump_account(value, out);
	for (size_t i = 0; map_next(&m->places, &i, &key, &value);)
		dump_place(value, now_ms, out);
	for (unsigned i = 0; i < m->n_members; i++)
		buf_addf(out, "n:%" PRIu32 ":%u:%u %s\n", m->members[i].epoch, m->members[i].bucket, m->members[i].small,
			 m->members[i].text);
}
