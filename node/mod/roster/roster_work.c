#include <stdlib.h>

#include "node/mod/roster/roster.h"

static void pump(struct user *u);

/* ---- tasks ---- */

struct roster_task *roster_task_new(void (*run)(struct roster_task *t), void (*drop)(struct roster_task *t, enum err why),
				    struct stanza *stanza)
{
	struct roster_task *t = xzalloc(sizeof *t);
	t->run = run;
	t->drop = drop;
	t->stanza = stanza ? stanza_ref(stanza) : NULL;
	return t;
}

void roster_task_free(struct roster_task *t)
{
	stanza_unref(t->stanza);
	free(t);
}

static void task_drop(struct roster_task *t, enum err why)
{
	struct user *u = t->user;
	t->drop(t, why);
	roster_task_free(t);
	if (why != ERR_CANCELLED)
		user_release(u);
}

void roster_task_end(struct roster_task *t)
{
	struct user *u = t->user;
	struct roster *r = roster_of(u);
	BUG_ON(r->current != t);
	r->current = NULL;
	roster_task_free(t);
	pump(u);
	user_release(u);
}

void roster_task_queue(struct user *u, struct roster_task *t)
{
	struct roster *r = roster_of(u);
	t->user = u;
	u->holds++;
	if (r->n_tasks >= roster_limits(u->host)->tasks) {
		task_drop(t, ERR_LIMIT);
		return;
	}
	if (!r->first)
		r->end = &r->first;
	*r->end = t;
	r->end = &t->next;
	r->n_tasks++;
	pump(u);
}

bool roster_is_busy_with(struct user *u, const struct jid *who)
{
	const struct roster *r = roster_of(u);
	if (r->current && r->current->in_order && jid_bare_eq(&r->current->jid, who))
		return true;
	for (const struct roster_task *t = r->first; t; t = t->next)
		if (t->in_order && jid_bare_eq(&t->jid, who))
			return true;
	return false;
}

static struct roster_task *take(struct roster *r)
{
	struct roster_task *t = r->first;
	r->first = t->next;
	t->next = NULL;
	r->n_tasks--;
	return t;
}

/* Gives the next task its turn. One that ends at once comes back here from inside: the outer loop goes on, the inner does nothing. */
static void pump(struct user *u)
{
	struct roster *r = roster_of(u);
	if (r->pumping)
		return;
	r->pumping = true;
	u->holds++;
	while ((r->first || r->ties_late) && !r->current && !r->walks && !r->ending && !r->loading) {
		if (r->ties_late) {
			roster_ties_late(u);
			continue;
		}
		if (r->state != ROSTER_WARM) {
			roster_load(u); /* comes back here when it is done */
			continue;
		}
		r->current = take(r);
		r->current->run(r->current);
	}
	r->pumping = false;
	user_release(u);
}

void roster_walk_begin(struct user *u)
{
	roster_of(u)->walks++;
}

void roster_walk_end(struct user *u)
{
	roster_of(u)->walks--;
	pump(u);
}

void roster_ending(struct user *u, bool ending)
{
	roster_of(u)->ending = ending;
	pump(u);
}

void roster_forget(struct user *u, enum err why)
{
	struct roster *r = roster_of(u);
	while (r->first)
		task_drop(take(r), why);
}

void roster_user_free(struct user *u)
{
	struct roster *r = roster_of(u);
	if (r->current)
		task_drop(r->current, ERR_CANCELLED);
	r->current = NULL;
	roster_forget(u, ERR_CANCELLED);
	roster_list_fini(&r->list);
}

struct roster_item roster_item_or_none(struct user *u, const struct jid *bare)
{
	struct roster_item item = { .jid = *bare, .name = STR(""), .groups = STR("") };
	roster_list_find(&roster_of(u)->list, jid_bare_str(bare), &item);
	return item;
}

/* ---- loading ---- */

/* A row that cannot be read is left where it is, and left out: the rest of the roster is worth more than the error. */
static void take_rows(struct user *u, const struct store_step *step, struct arena *a)
{
	struct roster *r = roster_of(u);
	for (uint32_t i = 0; i < step->n_rows; i++) {
		struct roster_item item;
		struct jid jid;
		if (roster_record_parse(a, step->rows[i].value, &item) != ERR_NONE || jid_parse(a, step->rows[i].key, &jid) != ERR_NONE ||
		    item.groups.len > ROSTER_GROUPS_BYTES_MAX || item.name.len > UINT16_MAX || r->list.n >= ROSTER_ITEMS_MAX) {
			LOG(LOG_WARN, "roster", "a stored item cannot be used", L_STR("jid", jid_str(&u->jid)),
			    L_STR("contact", step->rows[i].key));
			continue;
		}
		item.jid = jid_bare(&jid);
		roster_list_put(&r->list, &item);
	}
}

static void take_requests(struct user *u, const struct store_step *step, struct arena *a)
{
	for (uint32_t i = 0; i < step->n_rows; i++) {
		struct jid jid;
		if (jid_parse(a, step->rows[i].key, &jid) != ERR_NONE)
			continue;
		struct roster_item item = roster_item_or_none(u, &jid);
		if (subscription_is_pending_in(item.side.state) || subscription_has_from(item.side.state))
			continue;
		bool to = subscription_has_to(item.side.state), asked = subscription_is_pending_out(item.side.state);
		item.side.state = subscription_of(to, false, asked, true);
		item.name = arena_str(a, item.name);
		item.groups = arena_str(a, item.groups);
		item.jid = jid;
		roster_list_put(&roster_of(u)->list, &item);
	}
}

static void on_loaded(struct store_op *op)
{
	struct user *u = op->arg;
	struct roster *r = roster_of(u);
	r->loading = false;
	if (op->err != ERR_NONE) {
		if (op->err != ERR_NOT_FOUND)
			LOG(LOG_WARN, "roster", "a roster cannot be loaded", L_STR("jid", jid_str(&u->jid)), L_ERR(op->err));
		roster_forget(u, op->err);
	} else {
		struct roster_list before = r->list;
		r->list = (struct roster_list){ 0 };
		for (const struct store_step *step = op->first; step != op->last; step = step->next) {
			if (step->space == &roster_space)
				take_rows(u, step, op->arena);
			else if (step->space == &roster_state_space && step->n_rows)
				r->ver = roster_ver_parse(step->rows[0].value);
		}
		take_requests(u, op->last, op->arena);
		if (r->state == ROSTER_COLD)
			roster_ties_load(u);
		else
			roster_ties_keep(r, &before);
		roster_list_fini(&before);
		r->state = ROSTER_WARM;
		roster_list_trim(&r->list);
		pump(u);
	}
	user_release(u);
}

/* For an account without sessions nobody has proved yet that it exists. */
void roster_load(struct user *u)
{
	struct roster *r = roster_of(u);
	bool exists = u->n_sessions > 0;
	if (r->loading || r->state == ROSTER_WARM)
		return;
	if (!exists && u->host->anonymous) {
		roster_forget(u, ERR_NOT_FOUND);
		return;
	}
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_loaded, u);
	if (!exists)
		store_kv_get(op, &account_space);
	store_map_all(op, &roster_state_space, STR_NONE, 0);
	store_map_all(op, &roster_space, STR_NONE, 0);
	store_map_all(op, &roster_requests_space, STR_NONE, 0);
	u->holds++;
	r->loading = true;
	enum err err = store_submit(u->host->store, op);
	if (err == ERR_NONE)
		return;
	r->loading = false;
	roster_forget(u, err);
	user_release(u);
}

/* ---- commits ---- */

/* What a commit will have made of the roster; lives in its op. */
struct outcome {
	struct roster_task *task;
	struct roster_item item;
	uint64_t ver;
	bool goes;
};

static void apply(struct user *u, const struct outcome *o)
{
	struct roster *r = roster_of(u);
	if (o->goes)
		roster_list_del(&r->list, jid_bare_str(&o->item.jid));
	else
		roster_list_put(&r->list, &o->item);
	r->ver = o->ver;
}

static void on_committed(struct store_op *op)
{
	const struct outcome *o = op->arg;
	struct roster_task *t = o->task;
	if (op->err == ERR_NONE) {
		apply(t->user, o);
	} else {
		LOG(LOG_WARN, "roster", "a change cannot be stored", L_STR("jid", jid_str(&t->user->jid)), L_ERR(op->err));
		roster_of(t->user)->state = ROSTER_STALE;
	}
	t->committed(t, op->err);
}

static bool same(const struct roster_item *a, const struct roster_item *b)
{
	return a->side.state == b->side.state && a->side.approved == b->side.approved && a->listed == b->listed &&
	       str_eq(a->name, b->name) && str_eq(a->groups, b->groups);
}

static struct roster_item item_copy(struct arena *a, const struct roster_item *item)
{
	struct roster_item copy = *item;
	copy.jid = jid_copy(a, &item->jid);
	copy.name = arena_str(a, item->name);
	copy.groups = arena_str(a, item->groups);
	return copy;
}

void roster_commit(struct roster_task *t, const struct roster_change *c)
{
	struct user *u = t->user;
	struct roster_item before = roster_item_or_none(u, &c->item.jid);
	if (same(&before, &c->item) && !c->keeps_request && !c->drops_request) {
		t->committed(t, ERR_NONE);
		return;
	}
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_committed, NULL);
	struct outcome *o = arena_zalloc(op->arena, sizeof *o);
	struct str field = jid_bare_str(&c->item.jid);
	bool shown = before.listed || c->item.listed;
	*o = (struct outcome){ .task = t, .item = item_copy(op->arena, &c->item), .ver = roster_of(u)->ver };
	if (shown)
		o->ver = rng_u64(&u->nw->worker->rng);
	o->goes = !c->item.listed && !subscription_is_pending_in(c->item.side.state);
	op->arg = o;
	if (c->item.listed)
		store_map_put(op, &roster_space, field, roster_record_format(op->arena, &o->item), 0);
	else if (before.listed)
		store_map_delete(op, &roster_space, field);
	if (c->keeps_request)
		store_map_put(op, &roster_requests_space, field, c->request, 0);
	else if (c->drops_request)
		store_map_delete(op, &roster_requests_space, field);
	if (shown)
		store_map_put(op, &roster_state_space, ROSTER_VER_FIELD, roster_ver_format(op->arena, o->ver), 0);
	enum err err = store_submit(u->host->store, op);
	if (err != ERR_NONE)
		t->committed(t, err);
}
