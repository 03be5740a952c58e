/*
 * Announcements of administrators, and the message of the day: as ad-hoc commands (XEP-0133 sections 4.23 to 4.26), as commands of
 * starlingctl, and as messages to addresses of the host, which work in every client:
 *
 *	example.org/announce/online        to everybody who is there now
 *	example.org/announce/all           to every account; those who are away get it when they come
 *	example.org/announce/motd          to everybody who is there, and once to each who comes later
 *	example.org/announce/motd/update   other words for the same message: whoever had it does not get it again
 *	example.org/announce/motd/delete
 *	example.org/announce/all-hosts/... the same for every host of this service; server administrators only
 *
 * The message of the day is kept by the host (space "motd", owner ""), and each account remembers the last one that it had (space
 * "motd-seen"). Guests of a host without accounts get it each time.
 */
#include <pthread.h>
#include <stdlib.h>

#include "node/api.h"
#include "proto/xml/names.h"

#define FORM_TYPE "http://jabber.org/protocol/admin"
#define NODE(n)   FORM_TYPE "#" n
#define PAGE      500
#define TEXT_MAX  65536 /* bytes of an announcement */

extern const struct module mod_announce;

static const struct store_space motd_space = { "motd", STORE_KV };
static const struct store_space seen_space = { "motd-seen", STORE_KV };

/* Immutable, counted: many workers look at it while an administrator changes it. */
struct motd {
	_Atomic unsigned refs;
	uint64_t id; /* when it was set */
	struct str subject, body;
	struct arena *arena;
};
struct host_part {
	pthread_mutex_t lock; /* guards the two below, for moments */
	struct motd *motd;    /* NULL: there is none */
	bool known;           /* the store has been asked */
};
struct user_part {
	uint64_t asked; /* the message of the day that it had, or that is being looked up for it */
};

/* ---- the message of the day in memory ---- */

static struct motd *motd_new(uint64_t id, struct str subject, struct str body)
{
	struct arena *a = arena_new(0);
	struct motd *m = arena_zalloc(a, sizeof *m);
	m->refs = 1;
	m->id = id;
	m->subject = arena_str(a, subject);
	m->body = arena_str(a, body);
	m->arena = a;
	return m;
}

static void motd_unref(struct motd *m)
{
	if (m && --m->refs == 0)
		arena_free(m->arena);
}

/* Yours; NULL when there is none. */
static struct motd *motd_get(struct host *h, bool *known)
{
	struct host_part *p = host_slot(h, &mod_announce);
	pthread_mutex_lock(&p->lock);
	struct motd *m = p->motd;
	if (m)
		m->refs++;
	*known = p->known;
	pthread_mutex_unlock(&p->lock);
	return m;
}

/* Consumes m, which may be NULL. What was only read does not replace what was set meanwhile. */
static void motd_put(struct host *h, struct motd *m, bool only_read)
{
	struct host_part *p = host_slot(h, &mod_announce);
	struct motd *drop = m;
	pthread_mutex_lock(&p->lock);
	if (!only_read || !p->known) {
		drop = p->motd;
		p->motd = m;
		p->known = true;
	}
	pthread_mutex_unlock(&p->lock);
	motd_unref(drop);
}

/* Set, changed or deleted on another node: read again when somebody needs it. */
static void host_stale(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_announce);
	pthread_mutex_lock(&p->lock);
	struct motd *drop = p->motd;
	p->motd = NULL;
	p->known = false;
	pthread_mutex_unlock(&p->lock);
	motd_unref(drop);
}

static enum err host_start(struct host *h, struct buf *why)
{
	struct host_part *p = host_slot(h, &mod_announce);
	pthread_mutex_init(&p->lock, NULL);
	return ERR_NONE;
}

static void host_stop(struct host *h)
{
	struct host_part *p = host_slot(h, &mod_announce);
	motd_unref(p->motd);
	pthread_mutex_destroy(&p->lock);
}

/* As stored: {"id": 1700000000000, "subject": "...", "body": "..."}. */
static struct str motd_format(struct arena *a, const struct motd *m)
{
	json_t *o = json_pack("{s:I, s:o, s:o}", "id", (json_int_t)m->id, "subject", json_str(m->subject), "body", json_str(m->body));
	char *text = json_dumps(o, JSON_COMPACT);
	struct str out = arena_str(a, str_of(text));
	free(text);
	json_decref(o);
	return out;
}

static struct motd *motd_parse(struct str text)
{
	json_t *o = json_loadb(text.p, text.len, 0, NULL);
	const char *subject = json_string_value(json_object_get(o, "subject")), *body = json_string_value(json_object_get(o, "body"));
	struct motd *m = NULL;
	if (body)
		m = motd_new((uint64_t)json_integer_value(json_object_get(o, "id")), subject ? str_of(subject) : STR(""), str_of(body));
	json_decref(o);
	return m;
}

/* ---- who has had it ---- */

static void on_marked(struct store_op *op)
{
	if (op->err && op->err != ERR_NOT_FOUND)
		LOG(LOG_WARN, "announce", "cannot note who had the message of the day", L_STR("user", op->owner), L_ERR(op->err));
}

static void mark(struct session *s, uint64_t id)
{
	struct host *h = s->user->host;
	((struct user_part *)user_slot(s->user, &mod_announce))->asked = id;
	if (h->anonymous)
		return;
	struct store_op *op = store_op_new(h->name, jid_local(&s->user->jid), on_marked, NULL);
	stored_if_account(op, h);
	store_kv_put(op, &seen_space, arena_printf(op->arena, "%llu", (unsigned long long)id));
	if (store_submit(h->store, op) != ERR_NONE)
		LOG(LOG_WARN, "announce", "cannot note who had the message of the day", L_STR("user", jid_local(&s->user->jid)));
}

/* Somebody comes: what is looked up for him. */
struct greeting {
	struct user *user; /* held */
	uint64_t sid;
	struct motd *motd;
};

static void greeting_end(struct greeting *g)
{
	motd_unref(g->motd);
	user_release(g->user);
	free(g);
}

static void deliver(struct session *s, const struct motd *m)
{
	struct stanza *st = crowd_message(s->user->host, TYPE_HEADLINE, m->subject, m->body);
	stanza_stamp_to(st, &s->jid);
	session_deliver(s, st);
	stanza_unref(st);
	mark(s, m->id);
}

static void on_seen(struct store_op *op)
{
	struct greeting *g = op->arg;
	uint64_t seen = 0;
	struct session *s = session_find(g->user->nw, g->sid);
	bool known = op->err == ERR_NONE && str_to_u64(op->first->value, &seen);
	if (op->err && op->err != ERR_NOT_FOUND)
		LOG(LOG_WARN, "announce", "cannot tell who had the message of the day", L_STR("user", op->owner), L_ERR(op->err));
	else if (s && (!known || seen != g->motd->id))
		deliver(s, g->motd);
	greeting_end(g);
}

/* Consumes g, which has its motd. */
static void greet(struct greeting *g)
{
	struct host *h = g->user->host;
	struct user_part *p = user_slot(g->user, &mod_announce);
	struct session *s = session_find(g->user->nw, g->sid);
	if (!s || p->asked == g->motd->id) {
		greeting_end(g);
		return;
	}
	if (h->anonymous) {
		deliver(s, g->motd);
		greeting_end(g);
		return;
	}
	p->asked = g->motd->id;
	struct store_op *op = store_op_new(h->name, jid_local(&g->user->jid), on_seen, g);
	store_kv_get(op, &seen_space);
	if (store_submit(h->store, op) != ERR_NONE)
		greeting_end(g);
}

static void on_motd(struct store_op *op)
{
	struct greeting *g = op->arg;
	struct host *h = g->user->host;
	bool known;
	if (op->err == ERR_NONE || op->err == ERR_NOT_FOUND)
		motd_put(h, op->err ? NULL : motd_parse(op->first->value), true);
	else
		LOG(LOG_WARN, "announce", "cannot read the message of the day", L_STR("host", h->name), L_ERR(op->err));
	g->motd = motd_get(h, &known);
	if (g->motd)
		greet(g);
	else
		greeting_end(g);
}

/* Without a sid nobody is greeted. */
static struct greeting *greeting_new(struct session *s, uint64_t sid, struct motd *m)
{
	struct greeting *g = xzalloc(sizeof *g);
	g->user = s->user;
	g->user->holds++;
	g->sid = sid;
	g->motd = m;
	return g;
}

/* Consumes g. */
static void load(struct greeting *g)
{
	const struct host *h = g->user->host;
	struct store_op *op = store_op_new(h->name, STR(""), on_motd, g);
	store_kv_get(op, &motd_space);
	if (store_submit(h->store, op) != ERR_NONE)
		greeting_end(g);
}

/* The first who log in after the start make it known, whether they are greeted later or not. */
static void session_bound(struct session *s)
{
	bool known;
	motd_unref(motd_get(s->user->host, &known));
	if (!known)
		load(greeting_new(s, 0, NULL));
}

static void session_available(struct session *s)
{
	bool known;
	struct motd *m = motd_get(s->user->host, &known);
	if (known && !m)
		return;
	struct greeting *g = greeting_new(s, s->sid, m);
	if (known)
		greet(g);
	else
		load(g);
}

/* ---- what administrators do: from any thread ---- */

enum deed { TELL_ONLINE, TELL_ALL, MOTD_SET, MOTD_UPDATE, MOTD_DELETE };

/* One deed on one host. `on_done` is called once, here or later, on the thread that asked; then it is freed. */
struct task {
	struct arena *arena; /* it lies there */
	enum deed deed;
	struct host *host;
	struct str subject, body;
	struct motd *motd;
	uint64_t told;
	void (*on_done)(struct task *t, enum err err);
	void *arg;
};

static struct task *task_new(enum deed deed, struct host *h, struct str subject, struct str body)
{
	struct arena *a = arena_new(1024);
	struct task *t = arena_zalloc(a, sizeof *t);
	*t = (struct task){ .arena = a, .deed = deed, .host = h };
	t->subject = arena_str(a, str_present(subject) ? subject : STR(""));
	t->body = arena_str(a, str_present(body) ? body : STR(""));
	return t;
}

static void task_end(struct task *t, enum err err)
{
	motd_unref(t->motd);
	t->on_done(t, err);
	arena_free(t->arena);
}

static void on_motd_written(struct store_op *op)
{
	struct task *t = op->arg;
	if (!op->err) {
		if (t->motd)
			t->motd->refs++;
		motd_put(t->host, t->motd, false);
		host_changed(t->host, &mod_announce);
		if (t->deed == MOTD_SET && t->motd)
			crowd_tell(t->host->node, t->host, t->subject, t->body, &mod_announce, t->motd->id);
	}
	task_end(t, op->err);
}

static void motd_write(struct task *t, uint64_t id)
{
	struct store_op *op = store_op_new(t->host->name, STR(""), on_motd_written, t);
	if (t->deed == MOTD_DELETE) {
		store_kv_delete(op, &motd_space);
	} else {
		t->motd = motd_new(id, t->subject, t->body);
		store_kv_put(op, &motd_space, motd_format(op->arena, t->motd));
	}
	enum err err = store_submit(t->host->store, op);
	if (err)
		task_end(t, err);
}

/* Update: the message keeps its id, by which people remember that they had it. */
static void on_motd_before(struct store_op *op)
{
	struct task *t = op->arg;
	struct motd *before = op->err ? NULL : motd_parse(op->first->value);
	uint64_t id = before ? before->id : (uint64_t)worker_wall_ms();
	motd_unref(before);
	if (op->err && op->err != ERR_NOT_FOUND)
		task_end(t, op->err);
	else
		motd_write(t, id);
}

static void motd_update(struct task *t)
{
	struct store_op *op = store_op_new(t->host->name, STR(""), on_motd_before, t);
	store_kv_get(op, &motd_space);
	enum err err = store_submit(t->host->store, op);
	if (err)
		task_end(t, err);
}

/* To every account: a page of names at a time, so that no mailbox overflows. */
struct page {
	struct message message;
	struct host *host;
	struct stanza *stanza;
	uint32_t n;
	struct str *names;
	struct arena *arena;
};

static void on_page_worker(struct worker *w, struct message *m, bool cancelled)
{
	struct page *p = (struct page *)m;
	for (uint32_t i = 0; !cancelled && i < p->n; i++) {
		struct jid to;
		if (jid_make(p->arena, p->names[i], p->host->name, STR_NONE, &to) == ERR_NONE)
			router_route(nw_of(w), stanza_readdress(p->stanza, NULL, &to));
	}
	stanza_unref(p->stanza);
	arena_free(p->arena);
}

static void tell_page(struct task *t, struct str after);

static void on_page(const struct account_answer *a)
{
	struct task *t = a->arg;
	if (a->err) {
		task_end(t, a->err);
		return;
	}
	struct arena *arena = arena_new(0);
	struct page *p = arena_zalloc(arena, sizeof *p);
	*p = (struct page){ .message.run = on_page_worker, .host = t->host, .n = a->n_rows, .arena = arena };
	p->names = arena_alloc(arena, (a->n_rows + 1) * sizeof *p->names);
	for (uint32_t i = 0; i < a->n_rows; i++)
		p->names[i] = arena_str(arena, a->rows[i].key);
	p->stanza = crowd_message(t->host, TYPE_NORMAL, t->subject, t->body); /* a headline would not be kept for who is away */
	stanza_stamp_to(p->stanza, &t->host->jid);
	stanza_prewrite(p->stanza); /* for all of them */
	struct str last = a->n_rows ? arena_str(t->arena, p->names[a->n_rows - 1]) : STR_NONE;
	t->told += a->n_rows;
	worker_post(t->host->node->workers[0], &p->message);
	if (a->more && a->n_rows)
		tell_page(t, last);
	else
		task_end(t, ERR_NONE);
}

static void tell_page(struct task *t, struct str after)
{
	struct account_ask ask = { .store = t->host->store, .host = t->host->name, .on_done = on_page, .arg = t };
	enum err err = account_list(&ask, after, PAGE);
	if (err)
		task_end(t, err);
}

static void task_start(struct task *t, void (*on_done)(struct task *t, enum err err), void *arg)
{
	t->on_done = on_done;
	t->arg = arg;
	if (t->deed == TELL_ONLINE) {
		crowd_tell(t->host->node, t->host, t->subject, t->body, NULL, 0);
		task_end(t, ERR_NONE);
	} else if (t->deed == TELL_ALL) {
		tell_page(t, STR_NONE);
	} else if (t->deed == MOTD_UPDATE) {
		motd_update(t);
	} else {
		motd_write(t, (uint64_t)worker_wall_ms());
	}
}

static bool deed_has_text(enum deed d)
{
	return d != MOTD_DELETE;
}

/* ---- by message ---- */

static bool deed_of_path(struct str path, enum deed *out)
{
	static const struct { const char *path; enum deed deed; } rows[] = {
		{ "online", TELL_ONLINE },       { "all", TELL_ALL },
		{ "motd", MOTD_SET },            { "motd/update", MOTD_UPDATE },
		{ "motd/delete", MOTD_DELETE },
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (str_is(path, rows[i].path)) {
			*out = rows[i].deed;
			return true;
		}
	}
	return false;
}

static struct str after_prefix(struct str s, const char *prefix)
{
	struct str p = str_of(prefix);
	return str_starts(s, p) ? str_span(s.p + p.len, s.len - p.len) : STR_NONE;
}

static void on_message_done(struct task *t, enum err err)
{
	const struct stanza *st = t->arg;
	LOG_EACH(LOG_INFO, "audit", "announcement", L_STR("by", jid_str(&st->from)), L_STR("to", jid_str(&st->to)),
	    L_STR("host", t->host->name), L_Z("result", err_name(err)));
	stanza_unref(t->arg);
}

static int host_message(struct node_worker *nw, struct host *h, struct stanza *st)
{
	enum deed deed;
	struct str path = after_prefix(jid_resource(&st->to), "announce/");
	struct str everywhere = str_present(path) ? after_prefix(path, "all-hosts/") : STR_NONE;
	if (!str_present(path) || st->type == TYPE_ERROR)
		return PASS;
	if (!deed_of_path(str_present(everywhere) ? everywhere : path, &deed))
		return -STANZA_ITEM_NOT_FOUND;
	if (role_of(h, &st->from) < (str_present(everywhere) ? ROLE_SERVER_ADMIN : ROLE_HOST_ADMIN))
		return -STANZA_FORBIDDEN;
	const struct elem *subject = elem_child(st->root, NS_CLIENT, "subject"), *body = elem_child(st->root, NS_CLIENT, "body");
	struct arena *a = arena_new(0);
	struct str title = subject ? elem_text(a, subject) : STR(""), text = body ? elem_text(a, body) : STR("");
	bool fine = !deed_has_text(deed) || (text.len && text.len <= TEXT_MAX);
	for (unsigned i = 0; fine && i < h->node->n_hosts; i++) {
		struct host *each = h->node->hosts[i];
		if (each == h || (str_present(everywhere) && host_has_module(each, &mod_announce)))
			task_start(task_new(deed, each, title, text), on_message_done, stanza_ref(st));
	}
	arena_free(a);
	return fine ? DONE : -STANZA_BAD_REQUEST;
}

/* ---- as ad-hoc commands ---- */

static const struct dataform_row announce_rows[] = {
	{ .kind = DATAFORM_TEXT_SINGLE, .var = "subject", .label = "Subject" },
	{ .kind = DATAFORM_TEXT_MULTI, .var = "announcement", .label = "Announcement", .required = true },
};
static const struct dataform_row motd_rows[] = {
	{ .kind = DATAFORM_TEXT_MULTI, .var = "motd", .label = "Message of the Day", .required = true },
};

static void fill_motd(struct adhoc *x, struct arena *a, struct elem *form)
{
	bool known;
	struct motd *m = motd_get(x->host, &known);
	struct elem *f = dataform_field(a, form, DATAFORM_TEXT_MULTI, STR("motd"), STR("Message of the Day"), STR_NONE);
	if (m)
		dataform_lines(a, f, arena_str(a, m->body));
	dataform_required(a, f);
	motd_unref(m);
}

static const struct adhoc_stage announce_stage = {
	.title = "Making an Announcement", .instructions = "Fill out this form to make an announcement.",
	.rows = announce_rows, .n_rows = 2,
};
static const struct adhoc_stage set_stage = {
	.title = "Setting the Message of the Day", .instructions = "Fill out this form to set the message of the day.",
	.rows = motd_rows, .n_rows = 1,
};
static const struct adhoc_stage edit_stage = {
	.title = "Editing the Message of the Day", .instructions = "Fill out this form to edit the message of the day.",
	.rows = motd_rows, .n_rows = 1, .fill = fill_motd,
};

static void on_adhoc_done(struct task *t, enum err err)
{
	if (err)
		adhoc_failed(t->arg, STR("the store does not answer"));
	else
		adhoc_done(t->arg, STR_NONE, NULL);
}

static void run_adhoc(struct adhoc *x, enum deed deed, const char *var)
{
	struct str subject = var ? dataform_str(x->arena, &x->forms[0], "subject") : STR_NONE;
	struct str text = var ? dataform_text(x->arena, &x->forms[0], var) : STR_NONE;
	if (var && text.len > TEXT_MAX)
		adhoc_refuse(x, STANZA_POLICY_VIOLATION, STR("the text is too long"));
	else
		task_start(task_new(deed, x->host, subject, text), on_adhoc_done, x);
}

static void run_announce(struct adhoc *x)
{
	run_adhoc(x, TELL_ONLINE, "announcement");
}

static void run_announce_all(struct adhoc *x)
{
	run_adhoc(x, TELL_ALL, "announcement");
}

static void run_set(struct adhoc *x)
{
	run_adhoc(x, MOTD_SET, "motd");
}

static void run_edit(struct adhoc *x)
{
	run_adhoc(x, MOTD_UPDATE, "motd");
}

static void run_delete(struct adhoc *x)
{
	run_adhoc(x, MOTD_DELETE, NULL);
}

static const struct adhoc_command adhoc_commands[] = {
	{ NODE("announce"), "Send Announcement to Online Users", FORM_TYPE, ROLE_HOST_ADMIN, &announce_stage, 1, run_announce },
	{ NODE("announce-all"), "Send Announcement to All Users", FORM_TYPE, ROLE_HOST_ADMIN, &announce_stage, 1,
	  run_announce_all },
	{ NODE("set-motd"), "Set Message of the Day", FORM_TYPE, ROLE_HOST_ADMIN, &set_stage, 1, run_set },
	{ NODE("edit-motd"), "Edit Message of the Day", FORM_TYPE, ROLE_HOST_ADMIN, &edit_stage, 1, run_edit },
	{ NODE("delete-motd"), "Delete Message of the Day", FORM_TYPE, ROLE_HOST_ADMIN, NULL, 0, run_delete },
};

/* ---- as commands of starlingctl ---- */

static void on_ctl_done(struct task *t, enum err err)
{
	struct call *c = t->arg;
	if (err)
		call_fail(c, CTL_FAILED, "the store answers: %s", err_name(err));
	else if (t->deed == TELL_ALL)
		call_ok(c, json_integer((json_int_t)t->told), "%llu accounts are told", (unsigned long long)t->told);
	else
		call_ok(c, NULL, "done");
}

static void run_ctl(struct call *c, enum deed deed)
{
	struct host *h = call_host(c, 0);
	if (!h)
		return;
	struct str text = deed_has_text(deed) ? c->args[c->n_args - 1] : STR_NONE;
	struct str subject = deed == TELL_ONLINE || deed == TELL_ALL ? c->args[1] : STR_NONE;
	if (!host_has_module(h, &mod_announce))
		call_fail(c, CTL_FAILED, "announcements are turned off on %s", h->name.p);
	else if (deed_has_text(deed) && (!text.len || text.len > TEXT_MAX))
		call_fail(c, CTL_USAGE, "a text has 1 to %d bytes", TEXT_MAX);
	else
		task_start(task_new(deed, h, subject, text), on_ctl_done, c);
}

static void ctl_announce(struct call *c)
{
	run_ctl(c, TELL_ONLINE);
}

static void ctl_announce_all(struct call *c)
{
	run_ctl(c, TELL_ALL);
}

static void ctl_set(struct call *c)
{
	run_ctl(c, MOTD_SET);
}

static void ctl_update(struct call *c)
{
	run_ctl(c, MOTD_UPDATE);
}

static void ctl_delete(struct call *c)
{
	run_ctl(c, MOTD_DELETE);
}

static const struct command commands[] = {
	{ "announce_online", "HOST SUBJECT BODY", 0, "Sends a message to all who are connected; '' for no subject.", ctl_announce },
	{ "announce_all", "HOST SUBJECT BODY", 0, "Sends a message to all accounts, also those that are away.", ctl_announce_all },
	{ "set_motd", "HOST BODY", 0, "Sets a message that everybody gets once: now, or at the next login.", ctl_set },
	{ "update_motd", "HOST BODY", 0, "Changes that message; whoever had it does not get it again.", ctl_update },
	{ "delete_motd", "HOST", 0, "Removes that message.", ctl_delete },
	{ 0 },
};

const struct module mod_announce = {
	.name = "announce",
	.xep = "XEP-0133",
	.version = "1.3.1",
	.doc = "Lets administrators announce things, and has a message of the day.",
	.adhoc = adhoc_commands,
	.n_adhoc = sizeof adhoc_commands / sizeof *adhoc_commands,
	.commands = commands,
	.hooks = { .host_message = host_message, .session_bound = session_bound, .session_available = session_available, .told = mark },
	.host_slot = sizeof(struct host_part),
	.user_slot = sizeof(struct user_part),
	.host_start = host_start,
	.host_stop = host_stop,
	.host_stale = host_stale,
};
