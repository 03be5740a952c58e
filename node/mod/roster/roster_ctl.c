/*
 * roster_ctl.c: rosters in an administrator's hand; names as in ejabberdctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/mod/roster/roster_errand.h"
#include "proto/addr/precis.h"
#include "proto/forms/erldata.h"

#define TEMPLATE_BYTES_MAX (4u << 20)
#define AT_ONCE            8 /* accounts that a template goes to */
#define TOLD_MAX           20

/* ---- arguments ---- */

static bool has_rosters(const struct host *h)
{
	return !h->anonymous && host_has_module(h, &mod_roster);
}

static struct host *host_with_rosters(struct call *c, unsigned i)
{
	struct host *h = call_host(c, i);
	if (!h || has_rosters(h))
		return h;
	call_fail(c, CTL_FAILED, "%s has no rosters: it is anonymous, or the module is off", h->name.p);
	return NULL;
}

static bool read_contact(struct call *c, unsigned user, unsigned host, struct jid *out)
{
	if (jid_make(c->arena, c->args[user], c->args[host], STR_NONE, out) == ERR_NONE)
		return true;
	call_fail(c, CTL_FAILED, "'%s@%s' is no XMPP address", c->args[user].p, c->args[host].p);
	return false;
}

/* "friends;work", or with commas, as later versions of ejabberdctl have it. NULL, or why not. */
static const char *pack_groups(struct arena *a, struct str text, const struct roster_limits *max, struct str *out)
{
	char between = str_chr(text, ';') ? ';' : ',';
	struct buf packed;
	unsigned n = 0;
	const char *why = NULL;
	buf_init(&packed, ROSTER_GROUPS_BYTES_MAX);
	for (struct str group; !why && str_present(group = str_cut(&text, between));) {
		struct str rest = buf_str(&packed), other;
		bool twice = str_empty(group = str_trim(group));
		while (!twice && roster_group_next(&rest, &other))
			twice = str_eq(group, other);
		if (twice)
			continue;
		if (group.len > max->group_bytes || ++n > max->groups)
			why = "a group's name is too long, or there are too many groups";
		else
			roster_group_add(&packed, group);
	}
	*out = packed.len ? arena_str(a, buf_str(&packed)) : STR("");
	buf_fini(&packed);
	return why;
}

/* What a contact is called and where it is; NULL, or why not. */
static const char *name_contact(struct arena *a, const struct host *h, struct str nick, struct str groups, struct roster_item *item)
{
	const struct roster_limits *max = roster_limits((struct host *)(uintptr_t)h);
	if (!elem_may_hold(nick) || !elem_may_hold(groups))
		return "a nick or a group has characters that XML forbids";
	if (nick.len > max->name_bytes)
		return "the nick is too long";
	item->name = nick;
	return pack_groups(a, groups, max, &item->groups);
}

static bool read_subscription(struct call *c, struct str text, enum subscription *out)
{
	static const enum subscription states[] = { SUBSCRIPTION_NONE, SUBSCRIPTION_TO, SUBSCRIPTION_FROM, SUBSCRIPTION_BOTH };
	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		*out = states[i];
		if (str_eq(text, subscription_attr(states[i])))
			return true;
	}
	call_fail(c, CTL_USAGE, "a subscription is none, to, from or both, not '%.*s'", STR_ARG(text));
	return false;
}

/* ---- one account ---- */

/* NULL when all is well. */
static const char *trouble(const struct roster_errand *e)
{
	if (e->refusal)
		return e->refusal;
	switch (e->err) {
	case ERR_NONE:
		return NULL;
	case ERR_NOT_FOUND:
		return "there is no such account";
	case ERR_LIMIT:
		return "too many changes of this roster wait already";
	case ERR_CANCELLED:
		return "it was broken off";
	default:
		return err_name(e->err);
	}
}

static bool failed(struct roster_errand *e)
{
	struct call *c = e->arg;
	const char *why = trouble(e);
	c->err = e->err;
	if (why)
		call_fail(c, CTL_FAILED, "%.*s: %s", STR_ARG(jid_str(&e->jid)), why);
	return why != NULL;
}

static struct roster_errand *errand_new(struct call *c, void (*run)(struct roster_task *t), void (*then)(struct roster_errand *e))
{
	struct jid jid;
	struct host *h = host_with_rosters(c, 1);
	if (!h || !call_user(c, 0, h, &jid)) /* answered: the call's arena is gone */
		return NULL;
	struct roster_errand *e = arena_zalloc(c->arena, sizeof *e);
	*e = (struct roster_errand){
		.node = c->node, .host = h, .jid = jid, .run = run, .n_items = 1, .then = then, .arg = c,
	};
	return e;
}

static void on_got(struct roster_errand *e)
{
	if (!failed(e))
		call_ok(e->arg, e->told, "%s", "");
}

static void run_get_roster(struct call *c)
{
	struct str limit = call_option(c, "limit");
	uint64_t most = ROSTER_ITEMS_MAX;
	if (str_present(limit) && !call_number(c, limit, "--limit", 1, ROSTER_ITEMS_MAX, &most))
		return;
	struct roster_errand *e = errand_new(c, roster_errand_get, on_got);
	if (!e)
		return;
	e->limit = most;
	e->after = call_option(c, "after");
	roster_errand_begin(e);
}

static void on_added(struct roster_errand *e)
{
	if (!failed(e))
		call_ok(e->arg, NULL, "%.*s has the contact %.*s", STR_ARG(jid_str(&e->jid)), STR_ARG(jid_str(&e->items->jid)));
}

static void run_add_rosteritem(struct call *c)
{
	struct roster_item *item = arena_zalloc(c->arena, sizeof *item);
	if (!read_subscription(c, c->args[6], &item->side.state))
		return;
	struct roster_errand *e = errand_new(c, roster_errand_add, on_added);
	if (!e || !read_contact(c, 2, 3, &item->jid))
		return;
	const char *why = jid_eq(&item->jid, &e->jid) ? "nobody is a contact of himself"
						      : name_contact(c->arena, e->host, c->args[4], c->args[5], item);
	if (why) {
		call_fail(c, CTL_FAILED, "%s", why);
		return;
	}
	e->items = item;
	roster_errand_begin(e);
}

static void on_deleted(struct roster_errand *e)
{
	if (!failed(e))
		call_ok(e->arg, NULL, "%.*s has the contact %.*s no more", STR_ARG(jid_str(&e->jid)), STR_ARG(jid_str(&e->items->jid)));
}

static void run_delete_rosteritem(struct call *c)
{
	struct roster_item *item = arena_zalloc(c->arena, sizeof *item);
	struct roster_errand *e = errand_new(c, roster_errand_delete, on_deleted);
	if (!e || !read_contact(c, 2, 3, &item->jid))
		return;
	if (jid_eq(&item->jid, &e->jid)) {
		call_fail(c, CTL_FAILED, "nobody is a contact of himself");
		return;
	}
	e->items = item;
	roster_errand_begin(e);
}

/* ---- templates ---- */

struct push {
	struct call *call;
	struct roster_item *items; /* whom everybody gets */
	unsigned n_items, next, under_way;
	_Atomic bool stop;
	struct buf troubles;
	unsigned accounts, contacts, failed, elsewhere;
};

static void push_finish(struct push *p)
{
	struct call *c = p->call;
	bool stopped = atomic_load(&p->stop);
	struct str troubles = arena_str(c->arena, buf_str(&p->troubles));
	struct str counts = arena_printf(c->arena, "%u roster%s changed, %u contact%s pushed; %u failed, %u of other services", p->accounts,
					 p->accounts == 1 ? "" : "s", p->contacts, p->contacts == 1 ? "" : "s", p->failed, p->elsewhere);
	buf_fini(&p->troubles);
	c->on_gone = NULL;
	if (p->failed || stopped)
		call_fail(c, CTL_FAILED, "%s%.*s%.*s", stopped ? "it was broken off. Up to there: " : "", STR_ARG(counts),
			  STR_ARG(troubles));
	else
		call_ok(c, json_pack("{s:i, s:i, s:i}", "rosters", (int)p->accounts, "contacts", (int)p->contacts, "of_other_services",
				     (int)p->elsewhere), "%.*s", STR_ARG(counts));
}

static void push_failed(struct push *p, struct str jid, const char *why)
{
	if (++p->failed <= TOLD_MAX)
		buf_addf(&p->troubles, "\n%.*s: %s", STR_ARG(jid), why);
}

static void push_more(struct push *p);

static void on_pushed(struct roster_errand *e)
{
	struct push *p = e->arg;
	const char *why = trouble(e);
	p->under_way--;
	p->accounts += e->done > 0;
	p->contacts += e->done;
	if (why && !(e->err == ERR_CANCELLED && atomic_load(&p->stop)))
		push_failed(p, jid_str(&e->jid), why);
	push_more(p);
}

static void push_one(struct push *p, struct host *h, const struct jid *jid)
{
	struct roster_errand *e = arena_zalloc(p->call->arena, sizeof *e);
	*e = (struct roster_errand){ .node = p->call->node, .host = h, .jid = *jid, .run = roster_errand_add, .items = p->items,
				     .n_items = p->n_items, .stop = &p->stop, .then = on_pushed, .arg = p };
	p->under_way++;
	roster_errand_begin(e);
}

/* To all who are in the template, some at once. */
static void push_more(struct push *p)
{
	while (p->under_way < AT_ONCE && p->next < p->n_items && !atomic_load(&p->stop)) {
		const struct jid *jid = &p->items[p->next++].jid;
		struct host *h = host_find(p->call->node, jid_domain(jid));
		if (!h || !jid_has_local(jid))
			p->elsewhere++;
		else if (!has_rosters(h))
			push_failed(p, jid_str(jid), "its host has no rosters");
		else
			push_one(p, h, jid);
	}
	if (!p->under_way)
		push_finish(p);
}

static void on_gone(struct call *c)
{
	struct push *p = c->state;
	atomic_store(&p->stop, true);
}

/* 0, or why not: ERANGE when it is too long, EINVAL when it is no file (a pipe could keep the node waiting). */
static int read_file(const char *path, struct buf *out)
{
	struct stat st;
	char chunk[4096];
	ssize_t n = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), e = 0;
	if (fd < 0 || fstat(fd, &st) != 0)
		e = errno;
	else if (!S_ISREG(st.st_mode))
		e = EINVAL;
	while (!e && (n = read(fd, chunk, sizeof chunk)) > 0) {
		buf_add(out, chunk, (size_t)n);
		e = buf_status(out) == ERR_NONE ? 0 : ERANGE;
	}
	if (!e && n < 0)
		e = errno;
	if (fd >= 0)
		close(fd);
	return e;
}

static unsigned line_at(struct str text, const char *at)
{
	unsigned line = 1;
	for (const char *p = text.p; p < at; p++)
		line += *p == '\n';
	return line;
}

/* Whose limits of nicks and groups hold for a contact: its own host's, or for strangers those of any. */
static const struct host *host_of_limits(const struct node *n, const struct jid *jid)
{
	const struct host *h = host_find(n, jid_domain(jid));
	for (unsigned i = 0; (!h || !has_rosters(h)) && i < n->n_hosts; i++)
		h = n->hosts[i];
	return h && has_rosters(h) ? h : NULL;
}

/* {"user", "host", "group", "nick"}; NULL, or why not. */
static const char *contact_of(struct call *c, const struct str texts[4], struct roster_item *item)
{
	if (jid_make(c->arena, texts[0], texts[1], STR_NONE, &item->jid) != ERR_NONE)
		return "that is no XMPP address";
	item->side.state = SUBSCRIPTION_BOTH;
	const struct host *h = host_of_limits(c->node, &item->jid);
	return h ? name_contact(c->arena, h, texts[3], texts[2], item) : "no host here has rosters";
}

/* NULL, or why not, with d->rest where. */
static const char *read_template(struct push *p, struct erldata *d)
{
	struct arena *a = p->call->arena;
	struct str t[4];
	const char *why = NULL;
	enum err err = ERR_NONE;
	p->items = arena_zalloc(a, ROSTER_ITEMS_MAX * sizeof *p->items);
	while (!why && (err = erldata_next(d, a, t, 4)) == ERR_NONE) {
		for (unsigned i = 0; i < 4; i++)
			t[i] = arena_str(a, t[i]);
		why = p->n_items == ROSTER_ITEMS_MAX ? "there are too many contacts" : contact_of(p->call, t, &p->items[p->n_items]);
		p->n_items++;
	}
	return err == ERR_INVALID ? "that is no list of {\"user\", \"host\", \"group\", \"nick\"}" : why;
}

/* NULL: answered already. */
static struct push *push_new(struct call *c, struct str path)
{
	struct buf text;
	struct push *p = arena_zalloc(c->arena, sizeof *p);
	*p = (struct push){ .call = c };
	buf_init(&p->troubles, 65536);
	buf_init(&text, TEMPLATE_BYTES_MAX);
	int e = *path.p == '/' ? read_file(path.p, &text) : 0;
	struct str whole = text.p ? buf_str(&text) : STR("");
	struct erldata d = { .rest = whole };
	const char *why = *path.p != '/' || e ? NULL : read_template(p, &d);
	unsigned line = why ? line_at(whole, d.rest.p) : 0;
	bool good = *path.p == '/' && !e && !why; /* the path is gone once the call is answered */
	buf_fini(&text);
	if (*path.p != '/')
		call_fail(c, CTL_USAGE, "the node reads the file: give it a path from the root, not '%s'", path.p);
	else if (e)
		call_fail(c, CTL_FAILED, "cannot read %s: %s", path.p,
			  e == ERANGE ? "it is longer than 4 MiB" : e == EINVAL ? "it is no plain file" : strerrordesc_np(e));
	else if (why)
		call_fail(c, CTL_FAILED, "nothing was pushed: line %u: %s", line, why);
	if (!good)
		return NULL;
	c->state = p;
	c->on_gone = on_gone;
	return p;
}

static void run_push_roster(struct call *c)
{
	struct jid jid;
	struct host *h = host_with_rosters(c, 2);
	struct push *p = h && call_user(c, 1, h, &jid) ? push_new(c, c->args[0]) : NULL;
	if (!p)
		return;
	p->next = p->n_items; /* nobody else */
	push_one(p, h, &jid);
}

static void run_push_roster_all(struct call *c)
{
	struct push *p = push_new(c, c->args[0]);
	if (p)
		push_more(p);
}

const struct command roster_commands[] = {
	{ "get_roster", "USER HOST --limit=N --after=JID", COMMAND_READS | COMMAND_HOME,
	  "Lists an account's contacts by address, with who asked whom for a subscription.", run_get_roster },
	{ "add_rosteritem", "LOCALUSER LOCALHOST USER HOST NICK GROUPS SUBS", COMMAND_HOME,
	  "Puts a contact into one account's roster, or changes it; groups with ';' between them; SUBS is none, to, from or both.",
	  run_add_rosteritem },
	{ "delete_rosteritem", "LOCALUSER LOCALHOST USER HOST", COMMAND_HOME,
	  "Takes a contact out of an account's roster; subscriptions end both ways.", run_delete_rosteritem },
	{ "push_roster", "FILE USER HOST", 0,
	  "Puts all whom a template names into an account's roster: [{\"user\", \"host\", \"group\", \"nick\"}, ...].", run_push_roster },
	{ "push_roster_all", "FILE", 0, "Puts all whom a template names into one another's rosters, subscribed both ways.",
	  run_push_roster_all },
	{ 0 },
};
