#include "node/core/hooks.h"

#include <stdlib.h>

#include "node/core/disco.h"
#include "node/core/early.h"
#include "node/core/node.h"
#include "node/core/session.h"

/* One list of module numbers per hook. */
#define EVERY_HOOK(X)                                                                                                                  \
	SESSION_VERDICT_HOOKS(X) USER_VERDICT_HOOKS(X) SESSION_EVENT_HOOKS(X) X(amend) X(arrive_archive) X(arrive_copy) X(knows)       \
	X(leave_policy) X(hides) X(ties) X(ties_changed) X(host_message) X(session_broadcast) X(session_freeze) X(session_thaw)         \
	X(user_free) X(early_iq) X(early_features) X(stream_features) X(disco_info) X(disco_items) X(account_created)                  \
	X(account_ending) X(account_ended)
#define X(hook) PHASE_##hook,
enum phase { EVERY_HOOK(X) PHASE_COUNT };
#undef X

struct hook_list {
	uint8_t n;
	uint8_t module[MODULES_MAX];
};
struct iq_entry {
	const struct iq_route *route;
	struct iq_entry *next;
	uint8_t module;
};

#define PLACES 256 /* a power of two, so many times MODULES_MAX that a number is found at the first look or the second */
_Static_assert(PLACES >= 4 * MODULES_MAX, "modules would lie in one another's way");

struct hook_set {
	struct hook_list of[PHASE_COUNT];
	/* Which number a module has: open addressing by its descriptor's address. */
	const struct module *placed[PLACES];
	uint8_t number_at[PLACES];
	uint32_t host_at[MODULES_MAX], user_at[MODULES_MAX], session_at[MODULES_MAX];
	size_t host_bytes, user_bytes, session_bytes;
	unsigned n_modules;
	struct map iqs; /* namespace -> struct iq_entry */
	struct arena *arena;
};

/* Where the module is, or where it would be. */
static unsigned place_of(const struct hook_set *hs, const struct module *m)
{
	unsigned i = (unsigned)((uint64_t)(uintptr_t)m * 0x9e3779b97f4a7c15u >> 32) % PLACES;
	while (hs->placed[i] && hs->placed[i] != m)
		i = (i + 1) % PLACES;
	return i;
}

static unsigned module_number(const struct hook_set *hs, const struct module *m)
{
	unsigned i = place_of(hs, m);
	BUG_ON(!hs->placed[i]);
	return hs->number_at[i];
}

const struct module *module_find(struct str name)
{
	for (unsigned i = 0; all_modules[i]; i++)
		if (str_is(name, all_modules[i]->name))
			return all_modules[i];
	return NULL;
}

static void list_shuffle(struct hook_list *l, struct rng *rng)
{
	for (unsigned i = l->n; i > 1; i--) {
		unsigned j = (unsigned)(rng_u64(rng) % i);
		uint8_t t = l->module[i - 1];
		l->module[i - 1] = l->module[j];
		l->module[j] = t;
	}
}

static void iqs_add(struct hook_set *hs, const struct module *m, unsigned number)
{
	for (size_t i = 0; i < m->n_iqs; i++) {
		struct iq_entry *e = arena_zalloc(hs->arena, sizeof *e);
		e->route = &m->iqs[i];
		e->module = (uint8_t)number;
		e->next = map_get(&hs->iqs, *m->iqs[i].ns);
		map_put(&hs->iqs, *m->iqs[i].ns, e);
	}
}

static size_t slot_take(size_t *total, size_t bytes)
{
	size_t at = *total;
	*total += (bytes + 7) & ~(size_t)7;
	return at;
}

struct hook_set *hooks_new(struct node *n, struct rng *shuffle)
{
	struct hook_set *hs = xzalloc(sizeof *hs);
	hs->arena = arena_new(0);
	map_init(&hs->iqs, n->hash_key);
	for (unsigned i = 0; all_modules[i]; i++) {
		const struct module *m = all_modules[i];
		BUG_ON(i >= MODULES_MAX);
		unsigned place = place_of(hs, m);
		hs->placed[place] = m;
		hs->number_at[place] = (uint8_t)i;
#define X(hook)             \
	if (m->hooks.hook) \
		hs->of[PHASE_##hook].module[hs->of[PHASE_##hook].n++] = (uint8_t)i;
		EVERY_HOOK(X)
#undef X
		iqs_add(hs, m, i);
		hs->host_at[i] = (uint32_t)slot_take(&hs->host_bytes, m->host_slot);
		hs->user_at[i] = (uint32_t)slot_take(&hs->user_bytes, m->user_slot);
		hs->session_at[i] = (uint32_t)slot_take(&hs->session_bytes, m->session_slot);
		hs->n_modules = i + 1;
	}
	for (unsigned p = 0; shuffle && p < PHASE_COUNT; p++)
		list_shuffle(&hs->of[p], shuffle);
	for (unsigned i = 0; i < n->n_hosts; i++)
		n->hosts[i]->slots = arena_zalloc(n->hosts[i]->arena, hs->host_bytes);
	return hs;
}

void hooks_free(struct hook_set *hs)
{
	if (!hs)
		return;
	map_fini(&hs->iqs);
	arena_free(hs->arena);
	free(hs);
}

size_t hooks_user_slots(const struct hook_set *hs)
{
	return hs->user_bytes;
}

size_t hooks_session_slots(const struct hook_set *hs)
{
	return hs->session_bytes;
}

void *host_slot(struct host *h, const struct module *m)
{
	const struct hook_set *hs = h->node->hooks;
	return h->slots + hs->host_at[module_number(hs, m)];
}

void *user_slot(struct user *u, const struct module *m)
{
	const struct hook_set *hs = u->host->node->hooks;
	return u->slots + hs->user_at[module_number(hs, m)];
}

void *session_slot(struct session *s, const struct module *m)
{
	const struct hook_set *hs = s->user->host->node->hooks;
	return s->slots + hs->session_at[module_number(hs, m)];
}

bool host_has_module(const struct host *h, const struct module *m)
{
	return h->enabled >> module_number(h->node->hooks, m) & 1;
}

/* The next module of a phase that this host has; NULL at the end. */
static const struct module *next_of(const struct host *h, enum phase p, unsigned *i)
{
	const struct hook_list *l = &h->node->hooks->of[p];
	while (*i < l->n) {
		unsigned number = l->module[(*i)++];
		if (h->enabled >> number & 1)
			return all_modules[number];
	}
	return NULL;
}

/* Whether a hook's session is there still: hooks run often and end one hardly ever. */
struct watch {
	struct node_worker *nw;
	uint64_t sid, ends;
};

static struct watch watch_of(const struct session *s)
{
	return (struct watch){ .nw = s->nw, .sid = s->sid, .ends = s->nw->session_ends };
}

static bool watch_lost(const struct watch *w)
{
	return w->nw->session_ends != w->ends && !session_find(w->nw, w->sid);
}

#define X(hook)                                                                   \
	int hooks_##hook(struct session *s, struct stanza *st)                    \
	{                                                                         \
		const struct module *m;                                           \
		const struct host *h = s->user->host;                             \
		struct watch watch = watch_of(s);                                 \
		int verdict = PASS;                                               \
		for (unsigned i = 0; !verdict && (m = next_of(h, PHASE_##hook, &i));) { \
			verdict = m->hooks.hook(s, st);                           \
			if (verdict == PASS && watch_lost(&watch))                \
				verdict = DONE;                                   \
		}                                                                 \
		return verdict;                                                   \
	}
SESSION_VERDICT_HOOKS(X)
#undef X

#define X(hook)                                                                        \
	int hooks_##hook(struct user *u, struct stanza *st)                            \
	{                                                                              \
		const struct module *m;                                                \
		int verdict = PASS;                                                    \
		for (unsigned i = 0; !verdict && (m = next_of(u->host, PHASE_##hook, &i));) \
			verdict = m->hooks.hook(u, st);                                \
		return verdict;                                                        \
	}
USER_VERDICT_HOOKS(X)
#undef X

#define X(hook)                                                                             \
	void hooks_##hook(struct session *s)                                                \
	{                                                                                   \
		const struct module *m;                                                     \
		const struct host *h = s->user->host;                                       \
		struct watch watch = watch_of(s);                                           \
		for (unsigned i = 0; !watch_lost(&watch) && (m = next_of(h, PHASE_##hook, &i));) \
			m->hooks.hook(s);                                                   \
	}
SESSION_EVENT_HOOKS(X)
#undef X

void hooks_amend(struct session *s, struct stanza *st)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(s->user->host, PHASE_amend, &i));)
		m->hooks.amend(s, st);
}

void hooks_arrive_archive(struct user *u, struct stanza *st)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_arrive_archive, &i));)
		m->hooks.arrive_archive(u, st);
}

void hooks_arrive_copy(struct user *u, struct stanza *st, struct session *taken_by)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_arrive_copy, &i));)
		m->hooks.arrive_copy(u, st, taken_by);
}

int hooks_knows(struct user *u, const struct jid *who, struct asked *later)
{
	const struct module *m;
	int verdict = PASS;
	for (unsigned i = 0; !verdict && (m = next_of(u->host, PHASE_knows, &i));)
		verdict = m->hooks.knows(u, who, later);
	return verdict;
}

bool hooks_may_leave(struct user *u, const struct jid *to)
{
	const struct module *m;
	int verdict = PASS;
	for (unsigned i = 0; !verdict && (m = next_of(u->host, PHASE_leave_policy, &i));)
		verdict = m->hooks.leave_policy(u, to);
	return verdict == PASS;
}

int hooks_host_message(struct node_worker *nw, struct host *h, struct stanza *st)
{
	const struct module *m;
	int verdict = PASS;
	for (unsigned i = 0; !verdict && (m = next_of(h, PHASE_host_message, &i));)
		verdict = m->hooks.host_message(nw, h, st);
	return verdict;
}

void hooks_hides(struct user *u, struct str item, bool hidden)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_hides, &i));)
		m->hooks.hides(u, item, hidden);
}

void hooks_ties(struct user *u, const struct jid *who, struct tie_list *out)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_ties, &i));)
		m->hooks.ties(u, who, out);
}

void hooks_ties_changed(struct user *u, const struct jid *who, int phase)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_ties_changed, &i));)
		m->hooks.ties_changed(u, who, phase);
}

void hooks_session_broadcast(struct session *s, struct stanza *st, bool was_available)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(s->user->host, PHASE_session_broadcast, &i));)
		m->hooks.session_broadcast(s, st, was_available);
}

void hooks_session_freeze(struct session *s, void (*add)(void *arg, const char *module, struct str bytes), void *arg)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(s->user->host, PHASE_session_freeze, &i));) {
		struct buf b;
		buf_init(&b, STORE_VALUE_MAX);
		m->hooks.session_freeze(s, &b);
		add(arg, m->name, buf_str(&b));
		buf_fini(&b);
	}
}

void hooks_session_thaw(struct session *s, struct str module, struct str bytes)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(s->user->host, PHASE_session_thaw, &i));)
		if (str_is(module, m->name))
			m->hooks.session_thaw(s, bytes);
}

void hooks_user_free(struct user *u)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_user_free, &i));)
		m->hooks.user_free(u);
}

int hooks_early_iq(struct early *e)
{
	const struct module *m;
	int verdict = PASS;
	for (unsigned i = 0; !verdict && (m = next_of(e->host, PHASE_early_iq, &i));)
		verdict = m->hooks.early_iq(e);
	return verdict;
}

void hooks_early_features(struct host *h, const struct ip *peer, struct arena *a, struct elem *features)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(h, PHASE_early_features, &i));)
		m->hooks.early_features(h, peer, a, features);
}

void hooks_stream_features(struct host *h, struct arena *a, struct elem *features)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(h, PHASE_stream_features, &i));)
		m->hooks.stream_features(h, a, features);
}

bool hooks_disco_info(const struct disco_ask *ask, struct arena *a, struct elem *query)
{
	const struct module *m;
	bool known = false;
	for (unsigned i = 0; (m = next_of(ask->host, PHASE_disco_info, &i));)
		known |= m->hooks.disco_info(ask, a, query);
	return known;
}

bool hooks_disco_items(const struct disco_ask *ask, struct arena *a, struct elem *query)
{
	const struct module *m;
	bool known = false;
	for (unsigned i = 0; (m = next_of(ask->host, PHASE_disco_items, &i));)
		known |= m->hooks.disco_items(ask, a, query);
	return known;
}

void hooks_account_created(struct user *u)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_account_created, &i));)
		m->hooks.account_created(u);
}

void hooks_account_ending(struct user *u)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_account_ending, &i));)
		m->hooks.account_ending(u);
}

void hooks_account_ended(struct user *u, bool removed)
{
	const struct module *m;
	for (unsigned i = 0; (m = next_of(u->host, PHASE_account_ended, &i));)
		m->hooks.account_ended(u, removed);
}

const struct iq_route *hooks_iq_route(const struct hook_set *hs, const struct host *h, const struct elem *payload, enum stanza_type type,
				      enum iq_target target)
{
	if (!str_present(payload->ns))
		return NULL;
	for (const struct iq_entry *e = map_get(&hs->iqs, payload->ns); e; e = e->next)
		if ((e->route->targets & target) && e->route->type == type && (h->enabled >> e->module & 1) &&
		    (!e->route->element || str_is(payload->name, e->route->element)))
			return e->route;
	return NULL;
}
