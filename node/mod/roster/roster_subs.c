/*
 * Subscriptions: RFC 6121 section 3 and appendix A. What to do is said by proto/rules/subscription.h; here it is done.
 */
#include "node/mod/roster/roster.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

static bool verb_of(const struct stanza *st, enum subscription_verb *verb)
{
	switch (st->type) {
	case TYPE_SUBSCRIBE:
		*verb = VERB_SUBSCRIBE;
		return true;
	case TYPE_SUBSCRIBED:
		*verb = VERB_SUBSCRIBED;
		return true;
	case TYPE_UNSUBSCRIBE:
		*verb = VERB_UNSUBSCRIBE;
		return true;
	case TYPE_UNSUBSCRIBED:
		*verb = VERB_UNSUBSCRIBED;
		return true;
	default:
		return false;
	}
}

void roster_say(struct user *u, const struct jid *to, enum stanza_type type)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, type);
	router_route(u->nw, stanza_new(&a, root, &u->jid, to));
}

/* A contact whom a subscription, a request for one or an approval ties to the user belongs in the roster; one who only asks does not. */
static bool is_listed(const struct roster_item *before, const struct subscription_side *after)
{
	return before->listed || after->approved || subscription_has_to(after->state) || subscription_has_from(after->state) ||
	       subscription_is_pending_out(after->state);
}

static struct roster_change change_of(const struct roster_item *before, const struct subscription_outcome *o)
{
	struct roster_change c = { .item = *before, .drops_request = o->drops_request };
	c.item.side = o->side;
	c.item.listed = is_listed(before, &o->side);
	return c;
}

/* ---- what the user sends (sections 3.1.2, 3.1.5, 3.2.2, 3.3.2, 3.4) ---- */

static void bounce(struct roster_task *t, enum stanza_error e)
{
	router_bounce(t->user->nw, stanza_ref(t->stanza), e, STR_NONE);
}

static void sent_committed(struct roster_task *t, enum err err)
{
	struct user *u = t->user;
	const struct subscription_outcome *o = &t->outcome;
	if (err != ERR_NONE) {
		bounce(t, STANZA_INTERNAL_SERVER_ERROR);
	} else {
		struct jid from = jid_bare(&u->jid);
		if (o->pushes)
			roster_push(u, &t->jid);
		if (o->hides_presence) /* while he is still subscribed (3.2.2) */
			roster_hide_presence(u, &t->jid);
		if (o->routes)
			router_route(u->nw, stanza_readdress(t->stanza, &from, &t->jid));
		if (o->shows_presence)
			roster_show_presence(u, &t->jid);
	}
	session_release(u->nw, t->sid);
	roster_task_end(t);
}

/* Does the service keep up what the verb is about? `sent`: the user says it, else the contact. */
static bool is_tied(const struct roster_item *item, enum subscription_verb verb, bool sent)
{
	bool of_asker = verb == VERB_SUBSCRIBE || verb == VERB_UNSUBSCRIBE;
	return of_asker == sent ? item->tie_to : item->tie_from;
}

/* What is given is not asked for, and cannot be given up. */
static void sent_about_tie(struct roster_task *t)
{
	if (t->verb == VERB_UNSUBSCRIBE || t->verb == VERB_UNSUBSCRIBED)
		bounce(t, STANZA_NOT_ALLOWED);
	session_release(t->user->nw, t->sid);
	roster_task_end(t);
}

static void run_sent(struct roster_task *t)
{
	struct roster *r = roster_of(t->user);
	struct roster_item before = roster_item_or_none(t->user, &t->jid);
	if (is_tied(&before, t->verb, true)) {
		sent_about_tie(t);
		return;
	}
	t->outcome = subscription_out(before.side, t->verb);
	t->committed = sent_committed;
	struct roster_change change = change_of(&before, &t->outcome);
	if (change.item.listed && !before.listed && r->list.n_listed >= roster_limits(t->user->host)->items) {
		count_limit(t->user->nw, LIMIT_ROSTER);
		bounce(t, STANZA_RESOURCE_CONSTRAINT);
		session_release(t->user->nw, t->sid);
		roster_task_end(t);
		return;
	}
	roster_commit(t, &change);
}

static void drop_sent(struct roster_task *t, enum err why)
{
	if (why == ERR_CANCELLED)
		return;
	bounce(t, why == ERR_LIMIT ? STANZA_RESOURCE_CONSTRAINT : STANZA_INTERNAL_SERVER_ERROR);
	session_release(t->user->nw, t->sid);
}

/* A token for each request, whether it is the first to this contact or not: each reaches a person. */
static bool may_ask(struct user *u)
{
	struct roster_host *p = roster_host(u->host);
	uint64_t key = str_hash(jid_str(&u->jid), u->nw->node->hash_key), now_ms = u->nw->worker->now_ms;
	if (!p->asks.cost_ns)
		return true;
	pthread_mutex_lock(&p->lock);
	bool fine = bucket_try(&tally_touch(&p->asked, key, now_ms)->bucket, &p->asks, 1, now_ms);
	pthread_mutex_unlock(&p->lock);
	return fine;
}

/* A policy is violated, and to wait is the cure (RFC 6120 section 8.3.3.12): a client that changed its request would gain nothing. */
static int refuse_haste(struct session *s, const struct stanza *st)
{
	count_limit(s->nw, LIMIT_REQUEST_RATE);
	count_at(s->nw, METRIC_STANZAS_BOUNCED_TOTAL, STANZA_POLICY_VIOLATION, 1);
	router_route(s->nw, stanza_error_reply_as(st, STANZA_POLICY_VIOLATION, STR("wait"), STR("you ask too many people at once"), NULL));
	return DONE;
}

int roster_subscription_sent(struct session *s, struct stanza *st)
{
	enum subscription_verb verb;
	if (!jid_present(&st->to) || !verb_of(st, &verb))
		return PASS;
	if (jid_bare_eq(&st->to, &s->jid)) /* everybody is subscribed to himself */
		return DONE;
	if (verb == VERB_SUBSCRIBE && !may_ask(s->user))
		return refuse_haste(s, st);
	struct roster_task *t = roster_task_new(run_sent, drop_sent, st);
	t->verb = verb;
	t->jid = jid_bare(&t->stanza->to);
	t->sid = s->sid;
	session_hold(s);
	roster_task_queue(s->user, t);
	return HOLD;
}

/* ---- what the contact sends (sections 3.1.3, 3.1.6, 3.2.3, 3.3.3) ---- */

/* A request goes to whoever can answer it, the rest to whoever shows a roster. */
static void deliver(struct roster_task *t)
{
	for (struct session *s = t->user->sessions; s; s = s->next)
		if (t->verb == VERB_SUBSCRIBE ? session_is_available(s) : roster_session(s)->interested)
			session_deliver(s, t->stanza);
}

static void arrived_committed(struct roster_task *t, enum err err)
{
	struct user *u = t->user;
	const struct subscription_outcome *o = &t->outcome;
	if (err != ERR_NONE) {
		if (t->verb == VERB_SUBSCRIBE)
			bounce(t, STANZA_INTERNAL_SERVER_ERROR);
		roster_task_end(t);
		return;
	}
	if (o->delivers)
		deliver(t);
	if (o->pushes)
		roster_push(u, &t->jid);
	if (o->hides_presence)
		roster_hide_presence(u, &t->jid);
	if (o->answers)
		roster_say(u, &t->jid, TYPE_SUBSCRIBED);
	if (o->shows_presence)
		roster_show_presence(u, &t->jid);
	roster_task_end(t);
}

/* Section 3.1.3 wants the complete stanza kept. One that is too big loses what it carries: the request alone matters. */
static struct str request_bytes(struct roster_task *t)
{
	struct arena *a = t->stanza->arena;
	struct buf b;
	buf_init(&b, roster_limits(t->user->host)->request_bytes);
	xml_write(&b, t->stanza->root, NS_CLIENT, true);
	if (buf_status(&b) != ERR_NONE) {
		struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_SUBSCRIBE);
		elem_set(a, root, STR("from"), jid_str(&t->jid));
		buf_fini(&b);
		buf_init(&b, STORE_VALUE_MAX);
		xml_write(&b, root, NS_CLIENT, true);
	}
	struct str bytes = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return bytes;
}

/* As if he were subscribed, which nothing that he says can change (subscription.c, rules 5 to 8). */
static void arrived_about_tie(struct roster_task *t)
{
	if (t->verb == VERB_SUBSCRIBE) {
		roster_say(t->user, &t->jid, TYPE_SUBSCRIBED);
		roster_show_presence(t->user, &t->jid);
	}
	roster_task_end(t);
}

static void run_arrived(struct roster_task *t)
{
	struct roster *r = roster_of(t->user);
	struct roster_item before = roster_item_or_none(t->user, &t->jid);
	if (is_tied(&before, t->verb, false)) {
		arrived_about_tie(t);
		return;
	}
	t->outcome = subscription_in(before.side, t->verb);
	t->committed = arrived_committed;
	struct roster_change change = change_of(&before, &t->outcome);
	if (t->outcome.keeps_request && r->list.n_pending >= roster_limits(t->user->host)->requests) {
		count_limit(t->user->nw, LIMIT_ROSTER_REQUESTS);
		bounce(t, STANZA_RESOURCE_CONSTRAINT);
		roster_task_end(t);
		return;
	}
	if (t->outcome.keeps_request) {
		change.keeps_request = true;
		change.request = request_bytes(t);
	}
	roster_commit(t, &change);
}

/* Nobody hears whether there is such an account (section 8.5.1). */
static void drop_arrived(struct roster_task *t, enum err why)
{
	if (why != ERR_CANCELLED && why != ERR_NOT_FOUND && t->verb == VERB_SUBSCRIBE)
		bounce(t, why == ERR_LIMIT ? STANZA_RESOURCE_CONSTRAINT : STANZA_INTERNAL_SERVER_ERROR);
}

int roster_subscription_arrived(struct user *u, struct stanza *st)
{
	enum subscription_verb verb;
	if (!verb_of(st, &verb))
		return PASS;
	if (jid_bare_eq(&st->from, &u->jid))
		return DONE;
	/* Section 8.5.3.2.3: to a resource that is not there only a request means anything. */
	if (jid_is_full(&st->to) && verb != VERB_SUBSCRIBE && !user_session(u, jid_resource(&st->to)))
		return DONE;
	struct jid from = jid_bare(&st->from);
	struct stanza *stamped = stanza_readdress(st, &from, &u->jid);
	struct roster_task *t = roster_task_new(run_arrived, drop_arrived, stamped);
	stanza_unref(stamped);
	t->verb = verb;
	t->jid = t->stanza->from;
	t->in_order = true;
	roster_task_queue(u, t);
	return DONE;
}

int roster_error_arrived(struct user *u, struct stanza *st)
{
	struct roster_item item;
	if (st->type != TYPE_ERROR || jid_is_full(&st->to) || !roster_is_here(u))
		return PASS;
	if (!roster_list_find(&roster_of(u)->list, jid_bare_str(&st->from), &item) || !roster_item_shows(&item))
		return PASS;
	for (struct session *s = u->sessions; s; s = s->next)
		if (roster_session(s)->interested)
			session_deliver(s, st);
	return DONE;
}

/* ---- order: what a contact sends after a subscription stanza waits until that is done ---- */

static void run_pass(struct roster_task *t)
{
	roster_of(t->user)->passing = true;
	router_arrive(t->user, stanza_ref(t->stanza));
	roster_of(t->user)->passing = false;
	roster_task_end(t);
}

static void drop_pass(struct roster_task *t, enum err why)
{
	if (why == ERR_CANCELLED)
		return;
	roster_of(t->user)->passing = true;
	if (why == ERR_LIMIT)
		bounce(t, STANZA_RESOURCE_CONSTRAINT);
	else
		router_arrive(t->user, stanza_ref(t->stanza));
	roster_of(t->user)->passing = false;
}

int roster_arrive_in_order(struct user *u, struct stanza *st)
{
	enum subscription_verb verb;
	const struct roster *r = roster_of(u);
	if (r->passing || !(r->first || r->current) || !jid_present(&st->from) || (st->kind == STANZA_PRESENCE && verb_of(st, &verb)))
		return PASS;
	if (!roster_is_busy_with(u, &st->from))
		return PASS;
	struct roster_task *t = roster_task_new(run_pass, drop_pass, st);
	t->jid = t->stanza->from;
	t->in_order = true;
	roster_task_queue(u, t);
	return HOLD;
}

/* ---- requests that wait (section 3.1.3, rule 4) ---- */

struct offer {
	struct user *user; /* held */
	uint64_t sid;
};

static void offer_one(struct session *s, const struct store_row *row)
{
	struct arena *a = arena_new(0);
	enum stanza_error error;
	struct roster_item item;
	struct elem *root = xml_fragment_read(s->nw->parser, row->value, a);
	struct stanza *st = root ? stanza_from_elem(&a, root, NS_CLIENT, &error) : NULL;
	if (!st || error != STANZA_ERROR_NONE || st->kind != STANZA_PRESENCE || !jid_present(&st->from))
		LOG(LOG_WARN, "roster", "a stored request cannot be used", L_STR("jid", jid_str(&s->jid)), L_STR("from", row->key));
	else if (roster_list_find(&roster_of(s->user)->list, jid_bare_str(&st->from), &item) &&
		 subscription_is_pending_in(roster_item_state(&item)))
		session_deliver(s, st);
	stanza_unref(st);
	arena_free(a);
}

static void on_requests(struct store_op *op)
{
	struct offer *o = op->arg;
	struct user *u = o->user;
	struct session *s = session_find(u->nw, o->sid);
	if (op->err != ERR_NONE)
		LOG(LOG_WARN, "roster", "requests cannot be loaded", L_STR("jid", jid_str(&u->jid)), L_ERR(op->err));
	for (uint32_t i = 0; i < op->first->n_rows && op->err == ERR_NONE && s && session_is_available(s); i++)
		offer_one(s, &op->first->rows[i]);
	user_release(u);
}

void roster_offer_requests(struct session *s)
{
	struct user *u = s->user;
	if (!roster_is_here(u) || !roster_of(u)->list.n_pending)
		return;
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_requests, NULL);
	struct offer *o = arena_zalloc(op->arena, sizeof *o);
	*o = (struct offer){ .user = u, .sid = s->sid };
	op->arg = o;
	store_map_all(op, &roster_requests_space, STR_NONE, 0);
	u->holds++;
	if (store_submit(u->host->store, op) != ERR_NONE)
		user_release(u);
}

/* ---- the end of an account ---- */

void roster_farewell_all(struct user *u)
{
	struct roster *r = roster_of(u);
	struct roster_item item;
	roster_walk_begin(u);
	for (uint32_t at = 0; roster_list_next(&r->list, &at, &item);) {
		struct subscription_farewell f = subscription_remove(item.side.state);
		if (f.unsubscribe)
			roster_say(u, &item.jid, TYPE_UNSUBSCRIBE);
		if (f.unsubscribed)
			roster_say(u, &item.jid, TYPE_UNSUBSCRIBED);
	}
	roster_list_fini(&r->list);
	r->state = ROSTER_COLD;
	r->tie_ver = 0;
	r->ties_late = false;
	roster_forget(u, ERR_NOT_FOUND);
	roster_walk_end(u);
}
