#include "node/mod/roster/roster_errand.h"

#include <stdlib.h>

/* ---- the way ---- */

static void on_step(struct worker *w, struct message *m, bool cancelled);

static struct roster_errand *errand_at(struct message *m)
{
	return (struct roster_errand *)((char *)m - offsetof(struct roster_errand, message));
}

/* Also when all ends and nobody runs any more: its asker waits. */
static void on_home(struct worker *w, struct message *m, bool cancelled)
{
	struct roster_errand *e = errand_at(m);
	e->then(e);
}

static void go_home(struct roster_errand *e)
{
	e->message.run = on_home;
	worker_post(e->node->main, &e->message);
}

static void leave(struct roster_errand *e)
{
	struct user *u = e->user;
	e->user = NULL;
	user_release(u);
	go_home(e);
}

/* One contact's task is over. From the mailbox: others have their turn first, and the stack does not grow. */
static void step_done(struct roster_task *t, enum err err, const char *refusal)
{
	struct roster_errand *e = t->errand;
	struct worker *w = t->user->nw->worker;
	e->err = err;
	e->refusal = refusal;
	roster_task_end(t);
	if (err == ERR_NONE && !refusal) {
		e->done++;
		e->next++;
	}
	worker_post(w, &e->message);
}

/* At the end of the node users go without being released. */
static void drop(struct roster_task *t, enum err why)
{
	struct roster_errand *e = t->errand;
	e->err = why;
	if (why == ERR_CANCELLED)
		go_home(e);
	else
		worker_post(t->user->nw->worker, &e->message);
}

static void on_step(struct worker *w, struct message *m, bool cancelled)
{
	struct roster_errand *e = errand_at(m);
	while (e->next < e->n_items && e->items && jid_eq(&e->items[e->next].jid, &e->jid)) /* nobody is a contact of himself */
		e->next++;
	if (cancelled) {
		e->err = ERR_CANCELLED;
		go_home(e);
		return;
	}
	if (!e->user)
		e->user = user_hold(nw_of(w), e->host, &e->jid);
	if (e->err == ERR_NONE && e->stop && atomic_load(e->stop))
		e->err = ERR_CANCELLED;
	if (e->err != ERR_NONE || e->refusal || e->next >= e->n_items) {
		leave(e);
		return;
	}
	struct roster_task *t = roster_task_new(e->run, drop, NULL);
	t->errand = e;
	roster_task_queue(e->user, t);
}

void roster_errand_begin(struct roster_errand *e)
{
	e->message = (struct message){ .run = on_step };
	worker_post(node_shard(e->node, jid_str(&e->jid)), &e->message);
}

/* ---- get ---- */

static int by_address(const void *a, const void *b)
{
	const struct roster_item *x = a, *y = b;
	return str_cmp(jid_str(&x->jid), jid_str(&y->jid));
}

/* As ejabberdctl says it: who asked whom. */
static const char *ask_of(enum subscription s)
{
	bool in = subscription_is_pending_in(s), out = subscription_is_pending_out(s);
	return in && out ? "both" : in ? "in" : out ? "out" : "none";
}

static json_t *tell_one(const struct roster_item *item)
{
	struct str rest = item->groups, group;
	enum subscription state = roster_item_state(item);
	json_t *groups = json_array();
	while (roster_group_next(&rest, &group))
		json_array_append_new(groups, json_str(group));
	for (rest = item->tie_groups; roster_group_next(&rest, &group);)
		json_array_append_new(groups, json_str(group));
	return json_pack("{s:o, s:o, s:o, s:s, s:b, s:o}", "jid", json_str(jid_str(&item->jid)), "nick", json_str(item->name),
			 "subscription", json_str(subscription_attr(state)), "ask", ask_of(state), "approved",
			 item->side.approved, "groups", groups);
}

void roster_errand_get(struct roster_task *t)
{
	struct roster_errand *e = t->errand;
	const struct roster_list *list = &roster_of(t->user)->list;
	struct roster_item *items = xmalloc((list->n + 1u) * sizeof *items);
	size_t n = 0;
	for (uint32_t at = 0; roster_list_next(list, &at, &items[n]);)
		n += !str_present(e->after) || str_cmp(jid_str(&items[n].jid), e->after) > 0;
	qsort(items, n, sizeof *items, by_address);
	e->told = json_array();
	for (size_t i = 0; i < n && i < e->limit; i++)
		json_array_append_new(e->told, tell_one(&items[i]));
	free(items);
	step_done(t, ERR_NONE, NULL);
}

/* What a task keeps of an item, without the list's texts. */
static struct roster_item outline_of(const struct roster_item *item, const struct jid *jid)
{
	return (struct roster_item){ .jid = *jid, .side = item->side, .tie_to = item->tie_to, .tie_from = item->tie_from };
}

/* ---- add ---- */

static void add_committed(struct roster_task *t, enum err err)
{
	struct user *u = t->user;
	const struct jid *to = &t->item.jid;
	struct roster_item now = t->item;
	now.side = t->outcome.side;
	enum subscription before = roster_item_state(&t->item), after = roster_item_state(&now);
	if (err == ERR_NONE) {
		roster_push(u, to);
		if (subscription_is_pending_in(before) && !subscription_is_pending_in(after))
			roster_say(u, to, TYPE_SUBSCRIBED);
		if (subscription_has_from(after) && !subscription_has_from(before))
			roster_show_presence(u, to);
		else if (subscription_has_from(before) && !subscription_has_from(after))
			roster_hide_presence(u, to);
	}
	step_done(t, err, NULL);
}

/* What was asked and not answered yet goes on waiting, unless the new state answers it; so does an approval in advance. */
static struct subscription_side side_of(const struct subscription_side *before, enum subscription wanted)
{
	bool to = subscription_has_to(wanted), from = subscription_has_from(wanted);
	return (struct subscription_side){
		.state = subscription_of(to, from, subscription_is_pending_out(before->state), subscription_is_pending_in(before->state)),
		.approved = before->approved && !from,
	};
}

void roster_errand_add(struct roster_task *t)
{
	const struct roster_errand *e = t->errand;
	const struct roster_item *wanted = &e->items[e->next];
	struct roster_item before = roster_item_or_none(t->user, &wanted->jid);
	struct roster_change change = { .item = *wanted };
	change.item.listed = true;
	change.item.side = side_of(&before.side, wanted->side.state);
	if (!roster_has_room(t->user, &before, &change.item)) {
		step_done(t, ERR_NONE, "the roster is full");
		return;
	}
	change.drops_request = subscription_is_pending_in(before.side.state) && !subscription_is_pending_in(change.item.side.state);
	t->item = outline_of(&before, &wanted->jid);
	t->outcome.side = change.item.side;
	t->committed = add_committed;
	roster_commit(t, &change);
}

/* ---- delete ---- */

static void delete_committed(struct roster_task *t, enum err err)
{
	if (err == ERR_NONE) {
		roster_farewell(t->user, &t->item);
		roster_push(t->user, &t->item.jid);
	}
	step_done(t, err, NULL);
}

void roster_errand_delete(struct roster_task *t)
{
	const struct roster_errand *e = t->errand;
	struct roster_item before = roster_item_or_none(t->user, &e->items[e->next].jid);
	struct roster_change change = { .item = { .jid = e->items[e->next].jid, .name = STR(""), .groups = STR("") } };
	if (!before.listed) {
		step_done(t, ERR_NONE, before.tie_to ? "that contact is there by a shared group" : "there is no such contact");
		return;
	}
	change.drops_request = subscription_is_pending_in(before.side.state);
	t->item = outline_of(&before, &change.item.jid);
	t->committed = delete_committed;
	roster_commit(t, &change);
}
