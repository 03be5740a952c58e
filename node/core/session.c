#include "node/core/session.h"

#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/hooks.h"
#include "node/core/log.h"
#include "node/core/node.h"
#include "node/core/sm_session.h"

/* ---- users ---- */

struct user *user_find(struct node_worker *nw, struct str bare)
{
	return map_get(&nw->users, bare);
}

static int64_t user_bytes(const struct user *u)
{
	return (int64_t)(sizeof *u + hooks_user_slots(u->nw->node->hooks) + u->jid.bare_len + 1);
}

/* One block: the struct, its slots, its address. */
static struct user *user_new(struct node_worker *nw, struct host *host, const struct jid *bare)
{
	size_t slots = hooks_user_slots(nw->node->hooks);
	struct user *u = xzalloc(sizeof *u + slots + bare->bare_len + 1u);
	char *text = (char *)(u + 1) + slots;
	memcpy(text, bare->text, bare->bare_len);
	u->nw = nw;
	u->host = host;
	u->slots = (char *)(u + 1);
	u->jid = (struct jid){ .text = text, .local_len = bare->local_len, .bare_len = bare->bare_len, .len = bare->bare_len };
	map_put(&nw->users, jid_str(&u->jid), u);
	count_at(nw, METRIC_MEMORY_BYTES, MEMORY_ACCOUNT, user_bytes(u));
	return u;
}

struct user *user_hold(struct node_worker *nw, struct host *host, const struct jid *bare)
{
	struct user *u = user_find(nw, jid_bare_str(bare));
	if (!u)
		u = user_new(nw, host, bare);
	u->holds++;
	return u;
}

static void on_forgotten(struct store_op *op)
{
	(void)op; /* a store in memory that cannot forget is one that ends */
}

/* A guest leaves nothing behind. */
static void forget(const struct user *u)
{
	struct store_op *op = store_op_new(u->host->name, jid_local(&u->jid), on_forgotten, NULL);
	store_owner_delete(op);
	if (store_submit(u->host->store, op) != ERR_NONE)
		LOG(LOG_WARN, "session", "what a guest left stays until the node ends", L_STR("jid", jid_str(&u->jid)));
}

void user_release(struct user *u)
{
	BUG_ON(u->holds == 0);
	if (--u->holds || u->sessions)
		return;
	hooks_user_free(u);
	if (u->host->anonymous)
		forget(u);
	map_del(&u->nw->users, jid_str(&u->jid));
	fleet_user_gone(u);
	count_at(u->nw, METRIC_MEMORY_BYTES, MEMORY_ACCOUNT, -user_bytes(u));
	free(u);
}

void user_free_all(struct node_worker *nw)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(&nw->users, &i, &key, &value);)
		((struct user *)value)->holds++; /* what a hook lets go of may hold one of them */
	for (size_t i = 0; map_next(&nw->users, &i, &key, &value);)
		hooks_user_free(value);
	for (size_t i = 0; map_next(&nw->users, &i, &key, &value);)
		free(value);
	map_fini(&nw->users);
}

bool user_is_reachable(const struct user *u)
{
	for (const struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s) && s->priority >= 0)
			return true;
	return false;
}

struct session *user_session(const struct user *u, struct str resource)
{
	for (struct session *s = u->sessions; s; s = s->next)
		if (str_eq(jid_resource(&s->jid), resource))
			return s;
	return NULL;
}

/* ---- sessions ---- */

static struct str sid_key(const struct session *s)
{
	return str_span((const char *)&s->sid, sizeof s->sid);
}

struct session *session_find(struct node_worker *nw, uint64_t sid)
{
	return map_get(&nw->sessions, str_span((const char *)&sid, sizeof sid));
}

/* +1 or -1: it is there, or gone. */
static void session_count(struct session *s, int n)
{
	size_t bytes = sizeof *s + hooks_session_slots(s->nw->node->hooks) + s->jid.len + 1;
	count_at(s->nw, METRIC_SESSIONS, metric_host(s->user->host->index, s->transport), n);
	count_at(s->nw, METRIC_MEMORY_BYTES, MEMORY_SESSION, n * (int64_t)bytes);
}

struct session *session_new(struct node_worker *nw, struct host *host, const struct jid *full, struct outlet *outlet, uint64_t hlc)
{
	size_t slots = hooks_session_slots(nw->node->hooks);
	struct session *s = xzalloc(sizeof *s + slots + full->len + 1u);
	char *text = (char *)(s + 1) + slots;
	memcpy(text, full->text, full->len);
	s->slots = (char *)(s + 1);
	s->jid = *full;
	s->jid.text = text;
	s->nw = nw;
	s->outlet = outlet;
	s->hlc = hlc;
	s->sid = ++nw->next_sid;
	s->secure = outlet->secure;
	s->anonymous = host->anonymous;
	s->transport = outlet->transport;
	s->bound_wall_ms = worker_wall_ms();
	s->user = user_hold(nw, host, full);
	struct session **end = &s->user->sessions;
	while (*end)
		end = &(*end)->next;
	*end = s;
	s->user->n_sessions++;
	map_put(&nw->sessions, sid_key(s), s);
	session_count(s, 1);
	fleet_session_bound(s);
	hooks_session_bound(s);
	return s;
}

/* RFC 6121 section 4.7.2.3: an integer from -128 to 127; 0 when there is none. */
static bool priority_read(const struct stanza *st, int8_t *out)
{
	*out = 0;
	const struct elem *e = elem_child(st->root, st->root->ns, "priority");
	if (!e)
		return true;
	struct str text = str_trim(elem_text(st->arena, e));
	bool minus = str_starts(text, STR("-"));
	uint64_t n;
	if (minus || str_starts(text, STR("+")))
		text = str_span(text.p + 1, text.len - 1);
	if (!str_to_u64(text, &n) || n > 128u - !minus)
		return false;
	*out = (int8_t)(minus ? -(int)n : (int)n);
	return true;
}

/* RFC 6121 section 4.5.2: a client that left without a word is announced as unavailable. */
static void say_goodbye(struct session *s)
{
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_UNAVAILABLE);
	struct stanza *st = stanza_new(&a, root, &s->jid, NULL);
	bool is_set = session_set_presence(s, st);
	BUG_ON(!is_set);
	stanza_unref(st);
}

static void unlink_and_free(struct session *s)
{
	struct node_worker *nw = s->nw;
	struct user *u = s->user;
	hooks_session_gone(s);
	fleet_session_gone(s);
	for (struct session **at = &u->sessions; *at; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	u->n_sessions--;
	nw->session_ends++;
	map_del(&nw->sessions, sid_key(s));
	session_count(s, -1);
	stanza_unref(s->presence);
	free(s);
	user_release(u);
}

void session_end(struct session *s)
{
	struct user *u = s->user;
	struct sm_session *sm;
	u->holds++;
	if (session_is_available(s))
		say_goodbye(s);
	sm = s->sm;
	unlink_and_free(s);
	if (sm)
		sm_session_end(sm, u);
	user_release(u);
}

void session_lost(struct session *s)
{
	s->outlet = NULL;
	if (sm_session_detach(s))
		fleet_session_bound(s);
	else
		session_end(s);
}

void session_attach(struct session *s, struct outlet *outlet)
{
	session_count(s, -1);
	s->outlet = outlet;
	s->secure = outlet->secure;
	s->transport = outlet->transport;
	session_count(s, 1);
	fleet_session_bound(s);
	for (unsigned i = 0; i < s->holds; i++)
		outlet->ops->hold(outlet);
}

void session_depart(struct session *s)
{
	struct sm_session *sm = s->sm;
	s->moving = true;
	unlink_and_free(s);
	if (sm)
		sm_session_free(sm);
}

void session_changed(struct session *s)
{
	fleet_session_presence(s);
	session_restated(s);
}

void session_restated(struct session *s)
{
	if (s->outlet && s->outlet->ops->changed)
		s->outlet->ops->changed(s->outlet);
}

void session_restore_presence(struct session *s, struct stanza *st)
{
	if (!priority_read(st, &s->priority))
		return;
	stanza_unref(s->presence);
	s->presence = stanza_ref(st);
}

enum stanza_error session_make_room(struct node_worker *nw, const struct jid *full)
{
	struct user *u = user_find(nw, jid_bare_str(full));
	struct session *old = u ? user_session(u, jid_resource(full)) : NULL;
	if (old)
		session_close(old, STREAM_CONFLICT, STR("another client has taken this resource"));
	if (old || !u || u->n_sessions < nw->node->settings.resources_max)
		return STANZA_ERROR_NONE;
	count_limit(nw, LIMIT_RESOURCES);
	return STANZA_RESOURCE_CONSTRAINT;
}

bool session_is_overtaken(struct node_worker *nw, const struct jid *full, uint64_t hlc)
{
	struct user *u = user_find(nw, jid_bare_str(full));
	struct session *s = u ? user_session(u, jid_resource(full)) : NULL;
	return s && s->hlc > hlc;
}

static void deliver(struct session *s, const struct stanza *st, struct unacked_share *share, bool kept)
{
	if (s->sm)
		sm_session_send(s, st, share, kept);
	else if (s->outlet)
		s->outlet->ops->send(s->outlet, st);
}

void session_deliver(struct session *s, const struct stanza *st)
{
	deliver(s, st, NULL, false);
}

void session_deliver_kept(struct session *s, const struct stanza *st)
{
	deliver(s, st, NULL, true);
}

static bool takes(const struct session *s, int lowest)
{
	return session_is_available(s) && s->priority >= lowest;
}

void user_deliver(struct user *u, const struct stanza *st, int lowest, bool kept)
{
	unsigned n = 0, acknowledging = 0;
	for (const struct session *s = u->sessions; s; s = s->next) {
		n += takes(s, lowest);
		acknowledging += takes(s, lowest) && s->sm;
	}
	struct unacked_share *share = n > 1 && acknowledging ? unacked_share_new(u->nw->fleet ? fleet_now(u->nw->fleet) : 0) : NULL;
	if (share)
		share->taken = acknowledging < n;
	for (struct session *s = u->sessions; s; s = s->next)
		if (takes(s, lowest))
			deliver(s, st, share, kept);
	unacked_share_unref(share);
}

void session_hold(struct session *s)
{
	s->holds++;
	if (s->outlet)
		s->outlet->ops->hold(s->outlet);
}

void session_release(struct node_worker *nw, uint64_t sid)
{
	struct session *s = session_find(nw, sid);
	if (!s)
		return;
	BUG_ON(s->holds == 0);
	s->holds--;
	if (s->sm && !s->holds)
		sm_session_released(s);
	if (s->outlet)
		s->outlet->ops->release(s->outlet);
}

bool session_set_presence(struct session *s, struct stanza *st)
{
	int8_t priority;
	bool was_available = session_is_available(s);
	struct node_worker *nw = s->nw;
	uint64_t sid = s->sid;
	if (st->type == TYPE_UNAVAILABLE) {
		stanza_unref(s->presence);
		s->presence = NULL;
		s->priority = 0;
		hooks_session_broadcast(s, st, was_available);
		hooks_session_presence(s);
		session_changed(s);
		return true;
	}
	if (!priority_read(st, &priority))
		return false;
	stanza_ref(st);
	stanza_unref(s->presence);
	s->presence = st;
	s->priority = priority;
	hooks_session_broadcast(s, st, was_available);
	if (!was_available)
		hooks_session_available(s);
	if (session_find(nw, sid))
		hooks_session_presence(s);
	if (session_find(nw, sid))
		session_changed(s);
	return true;
}

void session_announce(struct session *s)
{
	struct stanza *st = s->presence;
	if (!st)
		return;
	s->presence = NULL;
	bool is_set = session_set_presence(s, st);
	BUG_ON(!is_set); /* it was before */
	stanza_unref(st);
}

void session_close(struct session *s, enum stream_error e, struct str text)
{
	session_close_with(s, e, text, STR_NONE);
}

void session_close_with(struct session *s, enum stream_error e, struct str text, struct str extra)
{
	if (s->outlet)
		s->outlet->ops->close(s->outlet, e, text, extra);
}
