/*
 * Shared groups in an administrator's hand; names as in ejabberd's mod_shared_roster.
 */
#include <stdlib.h>

#include "node/mod/shared/shared_deeds.h"
#include "proto/xml/elem.h"

/* ---- commands: their arguments ---- */

static struct host *host_of(struct call *c, unsigned i)
{
	struct host *h = call_host(c, i);
	if (!h || (!h->anonymous && host_has_module(h, &mod_shared)))
		return h;
	call_fail(c, CTL_FAILED, "%s has no shared groups: it is anonymous, or the module is off", h->name.p);
	return NULL;
}

static bool is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == ',' || s.p[i] == 0x7f)
			return false;
	return s.len && s.len <= SHARED_NAME_MAX && elem_may_hold(s);
}

static struct shared_deed *deed_of(struct call *c, unsigned host, void (*run)(struct shared_deed *d))
{
	struct host *h = host_of(c, host);
	if (!h)
		return NULL;
	struct shared_deed *d = shared_deed_new(h, run);
	d->call = c;
	return d;
}

static struct shared_group *group_of(struct shared_deed *d, unsigned arg)
{
	return shared_find(&shared_host(d->host)->groups, d->call->args[arg]);
}

/* ---- commands: making and removing groups ---- */

static bool pack_names(struct str text, struct str own, struct buf *out)
{
	unsigned n = 0;
	for (struct str name; str_present(name = str_cut(&text, ','));) {
		name = str_trim(name);
		if (str_empty(name))
			continue;
		if (!is_name(name) || ++n > SHARED_SHOWS_MAX)
			return false;
		roster_group_add(out, name);
	}
	if (!n)
		roster_group_add(out, own);
	return true;
}

static void on_created(struct store_op *op)
{
	struct shared_deed *d = op->arg;
	struct shared_host *p = shared_host(d->host);
	const struct str *args = d->call->args;
	if (shared_deed_again(op))
		return;
	if (op->err) {
		shared_deed_fail(d, op->err == ERR_LIMIT ? "there are too many shared groups" : err_name(op->err));
		return;
	}
	pthread_mutex_lock(&p->lock);
	shared_put(&p->groups, args[0], args[2], args[3], d->names);
	p->any = true;
	pthread_mutex_unlock(&p->lock);
	d->done = "The group is there";
	shared_deed_spread(d);
}

static void create(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	const struct str *args = d->call->args;
	const struct shared_group *before = group_of(d, 0);
	struct store_op *op = shared_rows_write_new(p, on_created, d);
	pthread_mutex_lock(&p->lock); /* workers take members out of groups */
	struct shared_group after = before ? *before : (struct shared_group){ 0 };
	after.label = args[2];
	after.description = args[3];
	after.shows = d->names;
	shared_rows_put(op, args[0], shared_format(op->arena, &after, STR(""), false), p->max_groups);
	pthread_mutex_unlock(&p->lock);
	enum err err = store_submit(d->host->store, op);
	if (err)
		shared_deed_fail(d, err_name(err));
}

static void run_create(struct call *c)
{
	struct str name = c->args[0], label = c->args[2], description = c->args[3];
	struct shared_deed *d = deed_of(c, 1, create);
	struct buf shows;
	if (!d)
		return;
	buf_init(&shows, (SHARED_NAME_MAX + 2) * (SHARED_SHOWS_MAX + 1));
	const char *why = NULL;
	if (!is_name(name) || label.len > SHARED_NAME_MAX || !elem_may_hold(label))
		why = "a group's name has 1 to 256 bytes without commas and control characters, its label at most as many";
	else if (description.len > SHARED_TEXT_MAX || !elem_may_hold(description))
		why = "the description is too long, or has characters that XML forbids";
	else if (!pack_names(c->n_args > 4 ? c->args[4] : STR(""), name, &shows))
		why = "the groups that it shows must be names with commas between them, at most 100";
	if (!why) {
		d->names = arena_str(d->arena, buf_str(&shows));
		shared_deed_queue(d);
	} else {
		call_fail(c, CTL_USAGE, "%s", why);
		arena_free(d->arena);
	}
	buf_fini(&shows);
}

static void on_deleted(struct store_op *op)
{
	struct shared_deed *d = op->arg;
	struct shared_host *p = shared_host(d->host);
	if (shared_deed_again(op))
		return;
	if (op->err) {
		shared_deed_fail(d, err_name(op->err));
		return;
	}
	pthread_mutex_lock(&p->lock);
	shared_del(&p->groups, group_of(d, 0));
	p->any = p->groups.n > 0;
	pthread_mutex_unlock(&p->lock);
	d->done = "The group is gone";
	shared_deed_spread(d);
}

static void delete(struct shared_deed *d)
{
	if (!group_of(d, 0)) {
		shared_deed_fail(d, "there is no such group");
		return;
	}
	struct store_op *op = shared_rows_write_new(shared_host(d->host), on_deleted, d);
	shared_rows_delete(op, d->call->args[0]);
	enum err err = store_submit(d->host->store, op);
	if (err)
		shared_deed_fail(d, err_name(err));
}

static void run_delete(struct call *c)
{
	struct shared_deed *d = deed_of(c, 1, delete);
	if (d)
		shared_deed_queue(d);
}

/* ---- commands: members ---- */

static void on_counted_all(struct shared_roll *r, enum err err)
{
	struct shared_deed *d = r->deed;
	free(r);
	if (err) {
		LOG(LOG_ERROR, "shared", "accounts cannot be listed, trying again: a group of all lacks some", L_ERR(err));
		shared_stale(d->host);
	}
	shared_deed_spread(d);
}

static void on_member(struct store_op *op)
{
	struct shared_deed *d = op->arg;
	struct shared_host *p = shared_host(d->host);
	if (shared_deed_again(op))
		return;
	if (op->err) {
		shared_deed_fail(d, op->err == ERR_LIMIT ? "the group is too large" : err_name(op->err));
		return;
	}
	bool count = d->joins && str_eq(d->member, SHARED_ALL) && !p->counts_accounts;
	if (d->joins && str_eq(d->member, SHARED_ONLINE))
		p->counts_online = true;
	pthread_mutex_lock(&p->lock);
	struct shared_group *group = group_of(d, 2);
	if (d->joins)
		shared_join(&p->groups, group, d->member);
	else
		shared_leave(&p->groups, group, d->member);
	pthread_mutex_unlock(&p->lock);
	if (count)
		shared_roll_call(p, d, on_counted_all);
	else
		shared_deed_spread(d);
}

static void member_write(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	const struct shared_group *group = group_of(d, 2);
	struct store_op *op = shared_rows_write_new(p, on_member, d);
	pthread_mutex_lock(&p->lock);
	shared_rows_put(op, group->name, shared_format(op->arena, group, d->member, d->joins), 0);
	pthread_mutex_unlock(&p->lock);
	enum err err = store_submit(d->host->store, op);
	if (err)
		shared_deed_fail(d, err_name(err));
}

static void on_account(const struct account_answer *a)
{
	struct shared_deed *d = a->arg;
	if (a->err)
		shared_deed_fail(d, a->err == ERR_NOT_FOUND ? "there is no such account" : err_name(a->err));
	else
		member_write(d);
}

static void member(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	const struct shared_group *group = group_of(d, 2);
	pthread_mutex_lock(&p->lock);
	bool is_in = group && shared_has(&p->groups, group, d->member);
	bool full = group && d->joins && jid_present(&d->user) && group->n_members >= p->max_members;
	pthread_mutex_unlock(&p->lock);
	if (!group) {
		shared_deed_fail(d, "there is no such group");
	} else if (is_in == d->joins) {
		if (d->joins)
			shared_deed_done(d);
		else
			shared_deed_fail(d, "the group has no such member");
	} else if (full) {
		shared_deed_fail(d, "the group has as many members as it may have");
	} else if (!d->joins || !jid_present(&d->user)) {
		member_write(d);
	} else {
		struct account_ask ask = { .store = d->host->store, .host = d->host->name, .user = d->member, .on_done = on_account,
					   .arg = d };
		enum err err = account_get(&ask);
		if (err)
			shared_deed_fail(d, err_name(err));
	}
}

static void run_member(struct call *c, bool joins)
{
	struct host *h = host_of(c, 3), *own = h ? call_host(c, 1) : NULL;
	struct str user = c->args[0];
	struct jid jid = { 0 };
	bool some = str_eq(user, SHARED_ALL) || str_eq(user, SHARED_ONLINE);
	if (!own || (!some && !call_user(c, 0, h, &jid)))
		return;
	if (own != h) {
		call_fail(c, CTL_FAILED, "members of a group are accounts of its own host");
		return;
	}
	struct shared_deed *d = deed_of(c, 3, member);
	d->joins = joins;
	d->done = joins ? "The group has this member" : "The group has this member no more";
	if (!some)
		d->user = jid_copy(d->arena, &jid);
	d->member = some ? user : jid_local(&d->user);
	shared_deed_queue(d);
}

static void run_user_add(struct call *c)
{
	run_member(c, true);
}

static void run_user_del(struct call *c)
{
	run_member(c, false);
}

/* ---- commands: looking ---- */

static void list(struct shared_deed *d)
{
	const struct shared_groups *g = &shared_host(d->host)->groups;
	json_t *names = json_array();
	for (unsigned i = 0; i < g->n; i++)
		json_array_append_new(names, json_str(g->v[i]->name));
	call_ok(d->call, names, "%s", "");
	shared_deed_end(d);
}

static void run_list(struct call *c)
{
	struct shared_deed *d = deed_of(c, 0, list);
	if (d)
		shared_deed_queue(d);
}

/* The group as it is stored; NULL, and an answer, when there is none. */
static json_t *look_at(struct shared_deed *d)
{
	struct shared_host *p = shared_host(d->host);
	const struct shared_group *group = group_of(d, 0);
	if (!group) {
		shared_deed_fail(d, "there is no such group");
		return NULL;
	}
	pthread_mutex_lock(&p->lock);
	struct str text = shared_format(d->arena, group, STR(""), false);
	pthread_mutex_unlock(&p->lock);
	return json_loadb(text.p, text.len, 0, NULL);
}

static void info(struct shared_deed *d)
{
	json_t *o = look_at(d);
	if (!o)
		return;
	json_t *told = json_object();
	json_object_set_new(told, "name", json_str(d->call->args[0]));
	json_object_set(told, "label", json_object_get(o, "label"));
	json_object_set(told, "description", json_object_get(o, "description"));
	json_object_set(told, "display", json_object_get(o, "shows"));
	json_object_set_new(told, "members", json_integer((json_int_t)json_array_size(json_object_get(o, "members"))));
	json_decref(o); /* whoever gets the answer, on whatever thread, has it alone */
	call_ok(d->call, told, "%s", "");
	shared_deed_end(d);
}

static void run_info(struct call *c)
{
	struct shared_deed *d = deed_of(c, 1, info);
	if (d)
		shared_deed_queue(d);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(json_string_value(*(json_t *const *)a), json_string_value(*(json_t *const *)b));
}

static json_t *address(struct arena *a, const json_t *member, const struct host *h)
{
	const char *name = json_string_value(member);
	return json_str(*name == '@' ? str_of(name) : arena_printf(a, "%s@%s", name, h->name.p));
}

static void members(struct shared_deed *d)
{
	json_t *o = look_at(d), *list = json_object_get(o, "members"), *out = json_array();
	size_t n = json_array_size(list);
	if (!o) {
		json_decref(out);
		return;
	}
	json_t **sorted = arena_alloc(d->arena, (n + 1) * sizeof *sorted);
	for (size_t i = 0; i < n; i++)
		sorted[i] = address(d->arena, json_array_get(list, i), d->host);
	qsort(sorted, n, sizeof *sorted, by_text);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, sorted[i]);
	json_decref(o);
	call_ok(d->call, out, "%s", "");
	shared_deed_end(d);
}

static void run_members(struct call *c)
{
	struct shared_deed *d = deed_of(c, 1, members);
	if (d)
		shared_deed_queue(d);
}

const struct command shared_commands[] = {
	{ "srg_create", "GROUP HOST LABEL DESCRIPTION [DISPLAY]", 0,
	  "Makes a shared group, or changes it; its members see those of the groups in DISPLAY (commas between; itself if left out).",
	  run_create },
	{ "srg_delete", "GROUP HOST", 0, "Removes a shared group.", run_delete },
	{ "srg_list", "HOST", COMMAND_READS, "Lists a host's shared groups.", run_list },
	{ "srg_get_info", "GROUP HOST", COMMAND_READS, "Tells what a shared group is called, and whom its members see.", run_info },
	{ "srg_get_members", "GROUP HOST", COMMAND_READS, "Lists the members of a shared group.", run_members },
	{ "srg_user_add", "USER HOST GROUP GROUPHOST", 0,
	  "Puts an account into a shared group; @all@: all accounts; @online@: who is online.", run_user_add },
	{ "srg_user_del", "USER HOST GROUP GROUPHOST", 0,
	  "Takes an account, @all@ or @online@ out of a shared group.", run_user_del },
	{ 0 },
};
