#include "node/mod/shared/shared_groups.h"

#include <stdlib.h>

#define LABELS_MAX 60 /* groups that one contact is shown under */

struct shared_person {
	struct str name;
	struct shared_group **groups; /* the named ones */
	unsigned n_groups, cap;
	bool account;
	uint32_t online; /* on which node; 0: on none */
	uint64_t marked, told;
};

void shared_init(struct shared_groups *g, const uint64_t hash_key[2])
{
	*g = (struct shared_groups){ 0 };
	map_init(&g->people, hash_key);
}

/* ---- sets ---- */

static void set_add(struct shared_set *s, unsigned i)
{
	s->bits[i / 64] |= UINT64_C(1) << i % 64;
}

static bool set_has(const struct shared_set *s, unsigned i)
{
	return s->bits[i / 64] >> i % 64 & 1;
}

static void set_join(struct shared_set *s, const struct shared_set *more)
{
	for (unsigned i = 0; i < SHARED_GROUPS_MAX / 64; i++)
		s->bits[i] |= more->bits[i];
}

static bool set_meets(const struct shared_set *a, const struct shared_set *b)
{
	for (unsigned i = 0; i < SHARED_GROUPS_MAX / 64; i++)
		if (a->bits[i] & b->bits[i])
			return true;
	return false;
}

/* ---- people ---- */

static struct shared_person *person_of(struct shared_groups *g, struct str name)
{
	struct shared_person *p = map_get(&g->people, name);
	if (p)
		return p;
	p = xzalloc(sizeof *p + name.len + 1);
	memcpy(p + 1, name.p, name.len);
	p->name = str_span((const char *)(p + 1), name.len);
	map_put(&g->people, p->name, p);
	return p;
}

/* Nobody keeps those of whom nothing is known. */
static void person_tidy(struct shared_groups *g, struct shared_person *p)
{
	if (p->n_groups || p->account || p->online)
		return;
	map_del(&g->people, p->name);
	free(p->groups);
	free(p);
}

bool shared_set_account(struct shared_groups *g, struct str user, bool exists)
{
	struct shared_person *p = exists ? person_of(g, user) : map_get(&g->people, user);
	if (p && p->told != g->roll)
		g->n_told += exists;
	if (p)
		p->told = g->roll;
	if (!p || p->account == exists)
		return false;
	p->account = exists;
	g->n_accounts += exists ? 1 : UINT32_MAX;
	person_tidy(g, p);
	return true;
}

void shared_accounts_begin(struct shared_groups *g)
{
	g->roll++;
	g->n_told = 0;
}

void shared_accounts_end(struct shared_groups *g)
{
	struct shared_person **gone = xmalloc((map_count(&g->people) + 1) * sizeof *gone);
	size_t n = 0;
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&g->people, &i, &key, &value);) {
		struct shared_person *p = value;
		if (p->account && p->told != g->roll)
			gone[n++] = p;
	}
	for (size_t i = 0; i < n; i++) {
		gone[i]->account = false;
		g->n_accounts--;
		person_tidy(g, gone[i]);
	}
	free(gone);
}

uint32_t shared_is_online(const struct shared_groups *g, struct str user)
{
	const struct shared_person *p = map_get(&g->people, user);
	return p ? p->online : 0;
}

bool shared_set_online(struct shared_groups *g, struct str user, uint32_t node, bool online)
{
	struct shared_person *p = online ? person_of(g, user) : map_get(&g->people, user);
	bool was = p && p->online;
	if (!p || (!online && p->online != node))
		return false;
	p->online = online ? node : 0;
	person_tidy(g, p);
	return was != online;
}

bool shared_next_online(const struct shared_groups *g, size_t *i, uint32_t node, struct str *user)
{
	void *value;
	while (map_next(&g->people, i, user, &value))
		if (((const struct shared_person *)value)->online == node)
			return true;
	return false;
}

bool shared_node_gone(struct shared_groups *g, uint32_t node)
{
	struct shared_person **gone = xmalloc((map_count(&g->people) + 1) * sizeof *gone);
	struct str key;
	void *value;
	size_t n = 0;
	for (size_t i = 0; map_next(&g->people, &i, &key, &value);)
		if (((struct shared_person *)value)->online == node)
			gone[n++] = value;
	for (size_t i = 0; i < n; i++) {
		gone[i]->online = 0;
		person_tidy(g, gone[i]);
	}
	free(gone);
	return n > 0;
}

/* ---- groups ---- */

/* Where it is, or would be. */
static unsigned place_of(const struct shared_groups *g, struct str name, bool *found)
{
	unsigned low = 0, high = g->n;
	while (low < high) {
		unsigned mid = (low + high) / 2;
		int order = str_cmp(name, g->v[mid]->name);
		if (order == 0) {
			*found = true;
			return mid;
		}
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	*found = false;
	return low;
}

struct shared_group *shared_find(const struct shared_groups *g, struct str name)
{
	bool found;
	unsigned i = place_of(g, name, &found);
	return found ? g->v[i] : NULL;
}

/* Names become numbers: before anybody is asked about, after any change of groups. */
static void resolve(struct shared_groups *g)
{
	if (!g->stale)
		return;
	g->stale = false;
	g->all = g->online = (struct shared_set){ 0 };
	for (unsigned i = 0; i < g->n; i++) {
		struct shared_group *group = g->v[i];
		struct str rest = group->shows, name;
		group->index = i;
		group->shown = (struct shared_set){ 0 };
		while (roster_group_next(&rest, &name)) {
			bool found;
			unsigned at = place_of(g, name, &found);
			if (found)
				set_add(&group->shown, at);
		}
		if (group->all)
			set_add(&g->all, i);
		if (group->online)
			set_add(&g->online, i);
	}
}

static char *copy(struct str s)
{
	char *p = xmalloc(s.len + 1);
	if (s.len)
		memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

static void set_text(struct str *to, struct str s)
{
	struct str new = str_span(copy(s), s.len);
	free((char *)(uintptr_t)to->p);
	*to = new;
}

struct shared_group *shared_put(struct shared_groups *g, struct str name, struct str label, struct str description, struct str shows)
{
	bool found;
	unsigned at = place_of(g, name, &found);
	if (!found && g->n >= SHARED_GROUPS_MAX)
		return NULL;
	if (!found) {
		memmove(&g->v[at + 1], &g->v[at], (g->n - at) * sizeof(struct shared_group *));
		g->v[at] = xzalloc(sizeof **g->v);
		set_text(&g->v[at]->name, name);
		g->n++;
	}
	set_text(&g->v[at]->label, label);
	set_text(&g->v[at]->description, description);
	set_text(&g->v[at]->shows, shows);
	g->stale = true;
	return g->v[at];
}

static struct shared_person *member(const struct shared_groups *g, const struct shared_group *group, struct str user, unsigned *at)
{
	struct shared_person *p = map_get(&g->people, user);
	for (*at = 0; p && *at < p->n_groups; ++*at)
		if (p->groups[*at] == group)
			return p;
	return NULL;
}

bool shared_has(const struct shared_groups *g, const struct shared_group *group, struct str user)
{
	unsigned at;
	if (str_eq(user, SHARED_ALL))
		return group->all;
	return str_eq(user, SHARED_ONLINE) ? group->online : member(g, group, user, &at) != NULL;
}

void shared_join(struct shared_groups *g, struct shared_group *group, struct str user)
{
	if (shared_has(g, group, user))
		return;
	if (str_eq(user, SHARED_ALL) || str_eq(user, SHARED_ONLINE)) {
		*(str_eq(user, SHARED_ALL) ? &group->all : &group->online) = true;
		g->stale = true;
		return;
	}
	struct shared_person *p = person_of(g, user);
	if (p->n_groups == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 2;
		p->groups = xrealloc(p->groups, p->cap * sizeof *p->groups);
	}
	p->groups[p->n_groups++] = group;
	if (group->n_members == group->cap) {
		group->cap = group->cap ? group->cap * 2 : 8;
		group->members = xrealloc(group->members, group->cap * sizeof *group->members);
	}
	group->members[group->n_members++] = p;
}

void shared_leave(struct shared_groups *g, struct shared_group *group, struct str user)
{
	unsigned at;
	if (str_eq(user, SHARED_ALL) || str_eq(user, SHARED_ONLINE)) {
		*(str_eq(user, SHARED_ALL) ? &group->all : &group->online) = false;
		g->stale = true;
		return;
	}
	struct shared_person *p = member(g, group, user, &at);
	if (!p)
		return;
	p->groups[at] = p->groups[--p->n_groups];
	for (at = 0; group->members[at] != p;)
		at++;
	group->members[at] = group->members[--group->n_members];
	person_tidy(g, p);
}

static void group_free(struct shared_group *group)
{
	struct str texts[] = { group->name, group->label, group->description, group->shows };
	for (unsigned i = 0; i < 4; i++)
		free((char *)(uintptr_t)texts[i].p);
	free(group->members);
	free(group);
}

void shared_del(struct shared_groups *g, struct shared_group *group)
{
	bool found;
	unsigned at = place_of(g, group->name, &found);
	while (group->n_members)
		shared_leave(g, group, group->members[0]->name);
	memmove(&g->v[at], &g->v[at + 1], (g->n - at - 1) * sizeof(struct shared_group *));
	g->n--;
	group_free(group);
	g->stale = true;
}

void shared_fini(struct shared_groups *g)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&g->people, &i, &key, &value);) {
		struct shared_person *p = value;
		free(p->groups);
		free(p);
	}
	map_fini(&g->people);
	for (unsigned i = 0; i < g->n; i++)
		group_free(g->v[i]);
	g->n = 0;
}

/* ---- who sees whom ---- */

static struct shared_set groups_of(const struct shared_groups *g, const struct shared_person *p)
{
	struct shared_set s = { 0 };
	for (unsigned i = 0; i < p->n_groups; i++)
		set_add(&s, p->groups[i]->index);
	if (p->account)
		set_join(&s, &g->all);
	if (p->online)
		set_join(&s, &g->online);
	return s;
}

static struct shared_set shown_by(const struct shared_groups *g, const struct shared_set *groups)
{
	struct shared_set s = { 0 };
	for (unsigned i = 0; i < g->n; i++)
		if (set_has(groups, i))
			set_join(&s, &g->v[i]->shown);
	return s;
}

/* A user, as far as questions about him are concerned. */
struct view {
	struct shared_groups *g;
	struct shared_person *me;
	struct shared_set groups, sees;
	struct str domain;
	struct tie_list *out;
	struct buf labels;
};

static void add_label(struct buf *labels, struct str label, unsigned *n)
{
	struct str rest = buf_str(labels), other;
	while (roster_group_next(&rest, &other))
		if (str_eq(other, label))
			return;
	if ((*n)++ < LABELS_MAX)
		roster_group_add(labels, label);
}

static void tie_with(struct view *v, const struct shared_person *other)
{
	struct shared_set groups = groups_of(v->g, other), sees = shown_by(v->g, &groups);
	struct tie t = { .to = set_meets(&v->sees, &groups), .from = set_meets(&sees, &v->groups) };
	unsigned n = 0;
	if (other == v->me || (!t.to && !t.from) || jid_make(v->out->arena, other->name, v->domain, STR_NONE, &t.jid) != ERR_NONE)
		return;
	buf_clear(&v->labels);
	for (unsigned i = 0; i < v->g->n; i++)
		if (set_has(&v->sees, i) && set_has(&groups, i))
			add_label(&v->labels, v->g->v[i]->label.len ? v->g->v[i]->label : v->g->v[i]->name, &n);
	t.groups = buf_str(&v->labels);
	ties_add(v->out, &t);
}

/* People who may be tied to somebody: each once. */
struct crowd {
	struct shared_person **v;
	size_t n, cap;
};

static void crowd_add(struct crowd *c, struct shared_groups *g, struct shared_person *p)
{
	if (p->marked == g->turn)
		return;
	p->marked = g->turn;
	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->v = xrealloc(c->v, c->cap * sizeof(struct shared_person *));
	}
	c->v[c->n++] = p;
}

/* As their addresses are ordered, where an '@' comes after the name: "u10@" is before "u1@". */
static int by_address(const void *a, const void *b)
{
	struct str x = (*(struct shared_person *const *)a)->name, y = (*(struct shared_person *const *)b)->name;
	size_t n = x.len < y.len ? x.len : y.len;
	int order = memcmp(x.p, y.p, n);
	if (order || x.len == y.len)
		return order;
	return x.len < y.len ? '@' - (unsigned char)y.p[n] : (unsigned char)x.p[n] - '@';
}

static struct crowd crowd_of(struct view *v)
{
	struct crowd c = { 0 };
	struct shared_groups *g = v->g;
	bool all = false, online = false;
	struct str key;
	void *value;
	g->turn++;
	for (unsigned i = 0; i < g->n; i++) {
		const struct shared_group *group = g->v[i];
		if (!set_has(&v->sees, i) && !set_meets(&group->shown, &v->groups))
			continue;
		for (uint32_t k = 0; k < group->n_members; k++)
			crowd_add(&c, g, group->members[k]);
		all |= group->all;
		online |= group->online;
	}
	for (size_t i = 0; (all || online) && map_next(&g->people, &i, &key, &value);) {
		struct shared_person *p = value;
		if ((all && p->account) || (online && p->online))
			crowd_add(&c, g, p);
	}
	if (c.n)
		qsort(c.v, c.n, sizeof *c.v, by_address);
	return c;
}

void shared_ties(struct shared_groups *g, struct str domain, struct str user, struct str who, struct tie_list *out)
{
	struct view v = { .g = g, .me = map_get(&g->people, user), .domain = domain, .out = out };
	const struct shared_person *one = str_present(who) ? map_get(&g->people, who) : NULL;
	if (!v.me || (str_present(who) && !one))
		return;
	buf_init(&v.labels, (SHARED_NAME_MAX + 2) * LABELS_MAX);
	resolve(g);
	v.groups = groups_of(g, v.me);
	v.sees = shown_by(g, &v.groups);
	if (one) {
		tie_with(&v, one);
	} else {
		struct crowd c = crowd_of(&v);
		for (size_t i = 0; i < c.n && !out->more; i++)
			tie_with(&v, c.v[i]);
		free(c.v);
	}
	buf_fini(&v.labels);
}

/* ---- as it is stored ---- */

static json_t *members_json(const struct shared_group *group, struct str user, bool joins)
{
	json_t *list = json_array();
	bool all = str_eq(user, SHARED_ALL) ? joins : group->all, online = str_eq(user, SHARED_ONLINE) ? joins : group->online;
	if (all)
		json_array_append_new(list, json_str(SHARED_ALL));
	if (online)
		json_array_append_new(list, json_str(SHARED_ONLINE));
	for (uint32_t i = 0; i < group->n_members; i++)
		if (!str_eq(group->members[i]->name, user))
			json_array_append_new(list, json_str(group->members[i]->name));
	if (joins && !str_eq(user, SHARED_ALL) && !str_eq(user, SHARED_ONLINE))
		json_array_append_new(list, json_str(user));
	return list;
}

struct str shared_format(struct arena *a, const struct shared_group *group, struct str user, bool joins)
{
	json_t *shows = json_array();
	struct str rest = group->shows, name;
	while (roster_group_next(&rest, &name))
		json_array_append_new(shows, json_str(name));
	json_t *o = json_pack("{s:o, s:o, s:o, s:o}", "label", json_str(group->label), "description", json_str(group->description), "shows",
			      shows, "members", members_json(group, user, joins));
	char *text = json_dumps(o, JSON_COMPACT);
	BUG_ON(!text);
	struct str out = arena_str(a, str_of(text));
	free(text);
	json_decref(o);
	return out;
}

static struct str text_of(struct arena *a, const json_t *v)
{
	return arena_str(a, json_is_string(v) ? str_span(json_string_value(v), json_string_length(v)) : STR(""));
}

enum err shared_parse(struct shared_groups *g, struct arena *a, struct str name, struct str text)
{
	json_t *o = json_loadb(text.p ? text.p : "", text.len, 0, NULL), *v;
	struct str label = text_of(a, json_object_get(o, "label")), description = text_of(a, json_object_get(o, "description"));
	struct buf shows;
	size_t i;
	enum err err = ERR_INVALID;
	buf_init(&shows, (SHARED_NAME_MAX + 2) * SHARED_SHOWS_MAX);
	bool fits = true;
	json_array_foreach(json_object_get(o, "shows"), i, v) {
		fits &= json_string_length(v) <= SHARED_NAME_MAX;
		if (fits)
			roster_group_add(&shows, text_of(a, v));
	}
	if (json_is_object(o) && fits && label.len <= SHARED_NAME_MAX && buf_status(&shows) == ERR_NONE) {
		struct shared_group *group = shared_put(g, name, label, description, buf_str(&shows));
		json_array_foreach(json_object_get(o, "members"), i, v)
			if (group)
				shared_join(g, group, text_of(a, v));
		err = group ? ERR_NONE : ERR_LIMIT;
	}
	buf_fini(&shows);
	json_decref(o);
	return err;
}
