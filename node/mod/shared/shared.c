/*
 * Shared roster groups: members of a group have one another in their rosters, without anybody having asked. Administrators make groups with
 * starlingctl; commands are named as in ejabberd's mod_shared_roster.
 */
#include "node/mod/shared/shared.h"

static const struct option options[] = {
	{ .name = "groups", .kind = OPTION_INT, .default_text = "200", .min = 1, .max = SHARED_GROUPS_MAX, .unit = "groups",
	  .per_host = true, .needs_restart = true, .doc = "How many shared groups a host may have." },
	{ .name = "members", .kind = OPTION_INT, .default_text = "2000", .min = 1, .max = 10000, .unit = "members", .per_host = true,
	  .needs_restart = true, .doc = "How many named members a shared group may have." },
	{ .name = "accounts", .kind = OPTION_INT, .default_text = "10000", .min = 1, .max = 1000000, .unit = "accounts", .per_host = true,
	  .needs_restart = true, .doc = "How many accounts count for groups of all accounts (@all@); those past it are in none." },
};

static enum err host_start(struct host *h, struct buf *why)
{
	struct shared_host *p = shared_host(h);
	pthread_mutex_init(&p->lock, NULL);
	shared_init(&p->groups, h->node->hash_key);
	p->host = h;
	p->max_groups = (uint32_t)module_int(h, &mod_shared, "groups");
	p->max_members = (uint32_t)module_int(h, &mod_shared, "members");
	p->max_accounts = (uint32_t)module_int(h, &mod_shared, "accounts");
	return ERR_NONE;
}

static void host_ready(struct host *h)
{
	struct shared_host *p = shared_host(h);
	p->boot.run = shared_boot;
	if (h->anonymous)
		return;
	atomic_fetch_add(&h->node->loading, 1);
	worker_post(h->node->main, &p->boot);
}

static void host_stop(struct host *h)
{
	struct shared_host *p = shared_host(h);
	shared_drop(p);
	shared_fini(&p->groups);
	pthread_mutex_destroy(&p->lock);
}

/* ---- what rosters ask ---- */

static void ties(struct user *u, const struct jid *who, struct tie_list *out)
{
	struct shared_host *p = shared_host(u->host);
	if (!p->any || (who && (!jid_has_local(who) || !str_eq(jid_domain(who), u->host->name))))
		return;
	pthread_mutex_lock(&p->lock);
	shared_ties(&p->groups, u->host->name, jid_local(&u->jid), who ? jid_local(who) : STR_NONE, out);
	pthread_mutex_unlock(&p->lock);
}

/* ---- who is there ---- */

static bool is_available(const struct user *u)
{
	for (const struct session *s = u->sessions; s; s = s->next)
		if (session_is_available(s))
			return true;
	return false;
}

/* To the other nodes: "+NAME" or "-NAME", in lines. Under the lock, so that they hear it in the order in which it became true. */
static void tell(struct host *h, struct str user, bool online)
{
	char line[1 + JID_PART_MAX];
	if (user.len > JID_PART_MAX || !user.len)
		return;
	line[0] = online ? '+' : '-';
	memcpy(line + 1, user.p, user.len);
	host_tell(h, &mod_shared, str_span(line, 1 + user.len));
}

static void note_online(struct user *u, bool online, bool spreads)
{
	struct shared_host *p = shared_host(u->host);
	struct str name = jid_local(&u->jid);
	pthread_mutex_lock(&p->lock);
	bool was_here = shared_is_online(&p->groups, name) == SHARED_HERE;
	bool changed = shared_set_online(&p->groups, name, SHARED_HERE, online);
	if (was_here != online)
		tell(u->host, name, online);
	pthread_mutex_unlock(&p->lock);
	if (changed && spreads)
		ties_spread(u->host, &u->jid, NULL, NULL);
}

/* Those who came before anybody asked. */
static void ties_changed(struct user *u, const struct jid *who, int phase)
{
	if (phase == TIES_LOOK && shared_host(u->host)->counts_online && is_available(u))
		note_online(u, true, false);
}

static void session_available(struct session *s)
{
	if (shared_host(s->user->host)->counts_online)
		note_online(s->user, true, true);
}

static void session_presence(struct session *s)
{
	if (shared_host(s->user->host)->counts_online && !is_available(s->user))
		note_online(s->user, false, true);
}

/* It has gone to another node without a word, which tells us that it is there. */
static void session_gone(struct session *s)
{
	if (!shared_host(s->user->host)->counts_online)
		return;
	for (const struct session *o = s->user->sessions; o; o = o->next)
		if (o != s && session_is_available(o))
			return;
	note_online(s->user, false, true);
}

/* ---- who is there on other nodes ---- */

/* Takes in a line; true when that changed something. Of one who is here, too, both nodes have said so, and others believe the one that they
 * heard last: when he has gone from there they must hear us again. */
static bool take_line(struct shared_host *p, uint32_t node, struct str line)
{
	bool online = str_starts(line, STR("+"));
	if (line.len < 2 || (!online && !str_starts(line, STR("-"))))
		return false;
	struct str user = str_span(line.p + 1, line.len - 1);
	bool is_here = shared_is_online(&p->groups, user) == SHARED_HERE;
	if (is_here && !online)
		tell(p->host, user, true);
	return !is_here && shared_set_online(&p->groups, user, node, online);
}

/* One who has come or gone is a look at one contact of each account, many are a look at all. */
static void spread_told(struct host *h, struct str user)
{
	struct arena *a = arena_new(512);
	struct jid who;
	bool one = str_present(user) && jid_make(a, user, h->name, STR_NONE, &who) == ERR_NONE;
	ties_run(h, one ? &who : NULL, 1u << TIES_LOOK | 1u << TIES_LATE, NULL, NULL);
	arena_free(a);
}

static void host_told(struct host *h, uint32_t node, struct str text)
{
	struct shared_host *p = shared_host(h);
	struct str rest = text, user = STR_NONE;
	unsigned changed = 0;
	pthread_mutex_lock(&p->lock);
	while (str_present(rest)) {
		struct str line = str_cut(&rest, '\n');
		if (!take_line(p, node, line))
			continue;
		changed++;
		user = str_span(line.p + 1, line.len - 1);
	}
	pthread_mutex_unlock(&p->lock);
	if (changed && p->any)
		spread_told(h, changed == 1 ? user : STR_NONE);
}

static void host_met(struct host *h)
{
	struct shared_host *p = shared_host(h);
	struct buf all;
	struct str user;
	buf_init(&all, HOST_TELL_MAX);
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; p->counts_online && shared_next_online(&p->groups, &i, SHARED_HERE, &user);) {
		if (all.len + user.len + 2 > HOST_TELL_MAX) {
			host_tell(h, &mod_shared, buf_str(&all));
			buf_clear(&all);
		}
		buf_addf(&all, "%s+%.*s", all.len ? "\n" : "", STR_ARG(user));
	}
	if (all.len)
		host_tell(h, &mod_shared, buf_str(&all));
	pthread_mutex_unlock(&p->lock);
	buf_fini(&all);
}

static void host_parted(struct host *h, uint32_t node)
{
	struct shared_host *p = shared_host(h);
	pthread_mutex_lock(&p->lock);
	bool changed = shared_node_gone(&p->groups, node);
	pthread_mutex_unlock(&p->lock);
	if (changed && p->any)
		spread_told(h, STR_NONE);
}

/* ---- accounts ---- */

static void account_created(struct user *u)
{
	struct shared_host *p = shared_host(u->host);
	if (!p->counts_accounts)
		return;
	pthread_mutex_lock(&p->lock);
	bool changed = p->groups.n_accounts < p->max_accounts && shared_set_account(&p->groups, jid_local(&u->jid), true);
	pthread_mutex_unlock(&p->lock);
	if (!changed)
		return;
	ties_spread(u->host, &u->jid, NULL, NULL);
	host_changed(u->host, &mod_shared);
}

static struct str leave_all(struct shared_groups *g, struct str user, struct buf *names)
{
	for (unsigned i = 0; i < g->n; i++) {
		if (!shared_has(g, g->v[i], user))
			continue;
		roster_group_add(names, g->v[i]->name);
		shared_leave(g, g->v[i], user);
	}
	return buf_str(names);
}

/* Whoever comes by that name next is somebody else. */
static void account_ended(struct user *u, bool removed)
{
	struct shared_host *p = shared_host(u->host);
	struct buf names;
	if (!removed || (!p->any && !p->counts_accounts))
		return;
	buf_init(&names, (SHARED_NAME_MAX + 2) * SHARED_GROUPS_MAX);
	pthread_mutex_lock(&p->lock);
	struct str left = leave_all(&p->groups, jid_local(&u->jid), &names);
	bool changed = shared_set_account(&p->groups, jid_local(&u->jid), false) || left.len;
	pthread_mutex_unlock(&p->lock);
	if (left.len)
		shared_forget(u->host, &u->jid, left);
	if (changed) {
		ties_spread(u->host, &u->jid, NULL, NULL);
		host_changed(u->host, &mod_shared);
	}
	buf_fini(&names);
}

const struct module mod_shared = {
	.name = "shared",
	.doc = "Shared roster groups: members have one another in their rosters.",
	.options = options,
	.n_options = sizeof options / sizeof *options,
	.commands = shared_commands,
	.hooks = {
		.ties = ties,
		.ties_changed = ties_changed,
		.session_available = session_available,
		.session_presence = session_presence,
		.session_gone = session_gone,
		.account_created = account_created,
		.account_ended = account_ended,
	},
	.host_slot = sizeof(struct shared_host),
	.host_start = host_start,
	.host_ready = host_ready,
	.host_stale = shared_stale,
	.host_step = shared_step,
	.host_told = host_told,
	.host_met = host_met,
	.host_parted = host_parted,
	.host_stop = host_stop,
};
