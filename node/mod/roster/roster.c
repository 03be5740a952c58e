/*
 * RFC 6121: rosters, presence subscriptions and presence. With roster versioning (section 2.6, once XEP-0237) and approval in advance
 * (section 3.4). roster.h says how the files share the work.
 */
#include "node/mod/roster/roster.h"

#include "proto/xml/names.h"

#define ASKERS  65536 /* accounts whose requests are remembered */
#define HOUR_MS 3600000

/* ---- options ---- */

static const struct option options[] = {
	{ .name = "items", .kind = OPTION_INT, .default_text = "1000", .min = 1, .max = ROSTER_ITEMS_MAX, .unit = "contacts",
	  .per_host = true, .needs_restart = true, .doc = "How many contacts a roster may have." },
	{ .name = "bytes", .kind = OPTION_SIZE, .default_text = "256 KiB", .min = 4096, .max = 16 << 20,
	  .per_host = true, .needs_restart = true, .doc = "What a roster may take in memory, with its addresses, names and groups." },
	{ .name = "groups", .kind = OPTION_INT, .default_text = "32", .min = 1, .max = 60, .unit = "groups",
	  .per_host = true, .needs_restart = true, .doc = "In how many groups one contact may be." },
	{ .name = "name_bytes", .kind = OPTION_SIZE, .default_text = "1023", .min = 64, .max = 4096,
	  .per_host = true, .needs_restart = true, .doc = "How long the name of a contact may be." },
	{ .name = "group_bytes", .kind = OPTION_SIZE, .default_text = "256", .min = 64, .max = ROSTER_GROUP_MAX,
	  .per_host = true, .needs_restart = true, .doc = "How long the name of a group may be." },
	{ .name = "requests", .kind = OPTION_INT, .default_text = "200", .min = 1, .max = 5000, .unit = "requests",
	  .per_host = true, .needs_restart = true,
	  .doc = "How many subscription requests may wait for a user's answer; further ones are refused." },
	{ .name = "request_rate", .kind = OPTION_INT, .default_text = "60", .min = 0, .max = 1000000, .unit = "requests",
	  .per_host = true, .needs_restart = true,
	  .doc = "Subscription requests that a user may send in an hour; further ones are refused; 0 means no limit." },
	{ .name = "request_burst", .kind = OPTION_INT, .default_text = "100", .min = 1, .max = 1000000, .unit = "requests",
	  .per_host = true, .needs_restart = true, .doc = "Subscription requests that a user who sent none may send at once." },
	{ .name = "request_bytes", .kind = OPTION_SIZE, .default_text = "2 KiB", .min = 256, .max = 65536,
	  .per_host = true, .needs_restart = true,
	  .doc = "A request that waits keeps what it carries (a greeting, a nickname) up to this size." },
	{ .name = "directed", .kind = OPTION_INT, .default_text = "256", .min = 16, .max = 10000, .unit = "addresses",
	  .per_host = true, .needs_restart = true,
	  .doc = "To how many addresses that are no contacts (rooms, mostly) a client may send its presence." },
	{ .name = "waiting", .kind = OPTION_INT, .default_text = "500", .min = 16, .max = 60000, .unit = "changes",
	  .per_host = true, .needs_restart = true,
	  .doc = "How many changes of one roster may wait for the store; further ones are refused." },
	{ .name = "shared", .kind = OPTION_INT, .default_text = "1000", .min = 0, .max = ROSTER_ITEMS_MAX, .unit = "contacts",
	  .per_host = true, .needs_restart = true,
	  .doc = "How many contacts shared groups may add to a roster; the rest, in the order of their addresses, is left out." },
};

static enum err host_start(struct host *h, struct buf *why)
{
	struct roster_host *p = roster_host(h);
	uint64_t rate = (uint64_t)module_int(h, &mod_roster, "request_rate");
	uint64_t burst = (uint64_t)module_int(h, &mod_roster, "request_burst");
	p->asks = bucket_rate_of(rate, HOUR_MS, burst);
	pthread_mutex_init(&p->lock, NULL);
	tally_init(&p->asked, ASKERS, rate ? burst * HOUR_MS / rate + 1 : 1); /* by then a bucket is full again */
	p->limits = (struct roster_limits){
		.items = (uint32_t)module_int(h, &mod_roster, "items"),
		.bytes = (uint32_t)module_int(h, &mod_roster, "bytes"),
		.groups = (uint32_t)module_int(h, &mod_roster, "groups"),
		.name_bytes = (uint32_t)module_int(h, &mod_roster, "name_bytes"),
		.group_bytes = (uint32_t)module_int(h, &mod_roster, "group_bytes"),
		.requests = (uint32_t)module_int(h, &mod_roster, "requests"),
		.request_bytes = (uint32_t)module_int(h, &mod_roster, "request_bytes"),
		.directed = (uint32_t)module_int(h, &mod_roster, "directed"),
		.tasks = (uint32_t)module_int(h, &mod_roster, "waiting"),
		.ties = (uint32_t)module_int(h, &mod_roster, "shared"),
	};
	return ERR_NONE;
}

static void host_stop(struct host *h)
{
	struct roster_host *p = roster_host(h);
	tally_fini(&p->asked);
	pthread_mutex_destroy(&p->lock);
}

/* ---- the life of a session ---- */

static void run_bound(struct roster_task *t)
{
	session_release(t->user->nw, t->sid);
	roster_task_end(t);
}

static void drop_bound(struct roster_task *t, enum err why)
{
	if (why != ERR_CANCELLED)
		session_release(t->user->nw, t->sid);
}

/* Whatever the client says first finds the roster there: presence, requests, and whether a stranger may ask it something. */
static void session_bound(struct session *s)
{
	if (roster_is_here(s->user))
		return;
	struct roster_task *t = roster_task_new(run_bound, drop_bound, NULL);
	t->sid = s->sid;
	session_hold(s);
	roster_task_queue(s->user, t);
}

/* One that never was available may have told others all the same. */
static void session_gone(struct session *s)
{
	if (s->moving)
		roster_directed_forget(s);
	if (!roster_session(s)->directed.n)
		return;
	struct arena *a = arena_new(512);
	struct elem *root = stanza_root(a, STANZA_PRESENCE, TYPE_UNAVAILABLE);
	struct stanza *st = stanza_new(&a, root, &s->jid, NULL);
	roster_directed_end(s, st, false);
	stanza_unref(st);
}

/* One byte: interested; then whom it told. */
static void session_freeze(struct session *s, struct buf *out)
{
	const struct roster_session *p = roster_session(s);
	if (!p->interested && !p->directed.n)
		return;
	buf_addc(out, (char)p->interested);
	roster_directed_freeze(s, out);
}

static void session_thaw(struct session *s, struct str state)
{
	roster_session(s)->interested = state.len && state.p[0];
	if (state.len > 1)
		roster_directed_thaw(s, str_span(state.p + 1, state.len - 1));
}

/* ---- presence on its way ---- */

static int presence_sent(struct session *s, struct stanza *st)
{
	int v = roster_subscription_sent(s, st);
	return v == PASS ? roster_directed_sent(s, st) : v;
}

static int presence_arrived(struct user *u, struct stanza *st)
{
	int v = roster_subscription_arrived(u, st);
	if (v == PASS)
		v = roster_probe_arrived(u, st);
	if (v == PASS)
		v = roster_error_arrived(u, st);
	if (v == PASS && st->type == TYPE_ERROR && jid_is_full(&st->to)) {
		struct session *s = user_session(u, jid_resource(&st->to));
		if (s)
			roster_directed_drop(s, &st->from);
	}
	return v;
}

/* ---- who may know ---- */

static int knows_now(struct user *u, const struct jid *who)
{
	struct roster_item item;
	bool yes = roster_sender_kind(u, who) != PROBE_BY_CONTACT || roster_directed_has_bare(u, who);
	if (!yes && roster_list_find(&roster_of(u)->list, jid_bare_str(who), &item))
		yes = subscription_has_from(roster_item_state(&item));
	return yes ? DONE : -STANZA_SERVICE_UNAVAILABLE;
}

static void run_asked(struct roster_task *t)
{
	t->asked->then(t->asked, knows_now(t->user, &t->jid) == DONE, false);
	roster_task_end(t);
}

static void drop_asked(struct roster_task *t, enum err why)
{
	t->asked->then(t->asked, false, why == ERR_CANCELLED);
}

static int knows(struct user *u, const struct jid *who, struct asked *later)
{
	if (roster_is_here(u))
		return knows_now(u, who);
	if (!later)
		return HOLD;
	struct arena *a = arena_new(256);
	struct stanza *keeper = stanza_new(&a, stanza_root(a, STANZA_PRESENCE, TYPE_AVAILABLE), who, NULL);
	struct roster_task *t = roster_task_new(run_asked, drop_asked, keeper);
	stanza_unref(keeper);
	t->jid = t->stanza->from;
	t->asked = later;
	roster_task_queue(u, t);
	return HOLD;
}

/* ---- the end of an account ---- */

/* What is asked of the store now is answered before the account goes (core/removal.h). */
static void account_ending(struct user *u)
{
	roster_ending(u, true);
	roster_load(u);
}

static void account_ended(struct user *u, bool removed)
{
	if (removed)
		roster_farewell_all(u);
	roster_ending(u, false);
}

/* ---- the descriptor ---- */

static void stream_features(struct host *h, struct arena *a, struct elem *features)
{
	elem_add(a, features, NS_ROSTER_VER, STR("ver"));
	elem_add(a, features, NS_PREAPPROVAL, STR("sub"));
}

static const struct iq_route iqs[] = {
	{ IQ_OWN, TYPE_GET, &NS_ROSTER, "query", roster_on_get },
	{ IQ_OWN, TYPE_SET, &NS_ROSTER, "query", roster_on_set },
	{ IQ_OTHER, TYPE_GET, &NS_ROSTER, "query", roster_on_foreign },
	{ IQ_OTHER, TYPE_SET, &NS_ROSTER, "query", roster_on_foreign },
};
static const char *const features[] = { "jabber:iq:roster", NULL };

const struct module mod_roster = {
	.name = "roster",
	.doc = "Rosters, presence subscriptions and presence (RFC 6121), with roster versioning and approval in advance.",
	.features = features,
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.iqs = iqs,
	.n_iqs = sizeof iqs / sizeof *iqs,
	.commands = roster_commands,
	.parts = roster_parts,
	.n_parts = 2,
	.hooks = {
		.presence_sent = presence_sent,
		.arrive_policy = roster_arrive_in_order,
		.presence_arrived = presence_arrived,
		.knows = knows,
		.hides = roster_hides,
		.ties_changed = roster_ties_changed,
		.session_bound = session_bound,
		.session_broadcast = roster_broadcast,
		.session_gone = session_gone,
		.session_freeze = session_freeze,
		.session_thaw = session_thaw,
		.user_free = roster_user_free,
		.stream_features = stream_features,
		.account_ending = account_ending,
		.account_ended = account_ended,
	},
	.host_slot = sizeof(struct roster_host),
	.user_slot = sizeof(struct roster),
	.session_slot = sizeof(struct roster_session),
	.host_start = host_start,
	.host_stop = host_stop,
};
