/*
 * XEP-0050 Ad-Hoc Commands: shows the commands of all features (node/core/adhoc.h) to those who may run them, and leads through their forms
 * (proto/rules/stages.h).
 *
 * A run belongs to the session that began it: it ends with the command, with the session, when it is cancelled, or when nobody went on for
 * a while. Both the runs of one session and the steps of one run have a ceiling. While a command works, the session's stream is held.
 */
#include <stdlib.h>

#include "node/api.h"
#include "proto/rules/stages.h"
#include "proto/xml/names.h"

#define ID_CHARS  16
#define STEPS_MAX 64 /* of one run: each keeps a copy of what was submitted */

extern const struct module mod_adhoc;

static const struct option options[] = {
	{ .name = "max_runs", .kind = OPTION_INT, .default_text = "10", .min = 1, .max = 1000, .unit = "commands",
	  .doc = "Commands that one session may have open at a time." },
	{ .name = "timeout", .kind = OPTION_DURATION, .default_text = "10m", .min = 100, .max = 86400000,
	  .doc = "After this long without a step an open command is forgotten." },
};

struct run {
	struct adhoc x;
	struct run *next;
	struct str id;
	unsigned stage, steps;
	struct timer timer;
	uint64_t sid;
	struct iq *iq; /* held while the command works */
};
struct session_part {
	struct run *runs;
	unsigned n;
};

static struct run *run_of(struct adhoc *x)
{
	return (struct run *)((char *)x - offsetof(struct run, x));
}

/* ---- which commands there are ---- */

/* The one after `c`, over all modules of the host; NULL begins and ends. */
static const struct adhoc_command *command_after(const struct host *h, const struct adhoc_command *c)
{
	bool found = c == NULL;
	for (unsigned i = 0; all_modules[i]; i++) {
		const struct module *m = all_modules[i];
		for (size_t k = 0; host_has_module(h, m) && k < m->n_adhoc; k++) {
			if (found)
				return &m->adhoc[k];
			found = &m->adhoc[k] == c;
		}
	}
	return NULL;
}

static const struct adhoc_command *command_named(const struct host *h, struct str node)
{
	const struct adhoc_command *c = NULL;
	while ((c = command_after(h, c)) && !str_is(node, c->node))
		;
	return c;
}

static bool disco_items(const struct disco_ask *ask, struct arena *a, struct elem *query)
{
	enum role role = ask->who ? role_of(ask->host, ask->who) : ROLE_STRANGER;
	if (ask->user || !str_eq(ask->node, NS_COMMANDS))
		return false;
	for (const struct adhoc_command *c = command_after(ask->host, NULL); c; c = command_after(ask->host, c)) {
		if (role < c->least)
			continue;
		struct elem *item = elem_add(a, query, NS_DISCO_ITEMS, STR("item"));
		elem_set(a, item, STR("jid"), ask->host->name);
		elem_set(a, item, STR("node"), str_of(c->node));
		elem_set(a, item, STR("name"), str_of(c->name));
	}
	return true;
}

static void identity(struct arena *a, struct elem *query, struct str type, const char *name)
{
	struct elem *i = elem_add(a, query, NS_DISCO_INFO, STR("identity"));
	elem_set(a, i, STR("category"), STR("automation"));
	elem_set(a, i, STR("type"), type);
	elem_set(a, i, STR("name"), str_of(name));
}

static bool disco_info(const struct disco_ask *ask, struct arena *a, struct elem *query)
{
	if (ask->user || !str_present(ask->node))
		return false;
	if (str_eq(ask->node, NS_COMMANDS)) {
		identity(a, query, STR("command-list"), "Commands");
		return true;
	}
	const struct adhoc_command *c = command_named(ask->host, ask->node);
	if (!c || !ask->who || role_of(ask->host, ask->who) < c->least)
		return false;
	identity(a, query, STR("command-node"), c->name);
	elem_set(a, elem_add(a, query, NS_DISCO_INFO, STR("feature")), STR("var"), NS_COMMANDS);
	elem_set(a, elem_add(a, query, NS_DISCO_INFO, STR("feature")), STR("var"), NS_DATA_FORMS);
	return true;
}

/* ---- runs ---- */

static void run_unlink(struct run *r)
{
	struct session *s = session_find(r->x.nw, r->sid);
	struct session_part *part = s ? session_slot(s, &mod_adhoc) : NULL;
	for (struct run **at = part ? &part->runs : NULL; at && *at; at = &(*at)->next) {
		if (*at == r) {
			*at = r->next;
			part->n--;
			break;
		}
	}
}

static void run_free(struct run *r)
{
	worker_timer_cancel(r->x.nw->worker, &r->timer);
	arena_free(r->x.arena);
}

static void on_timeout(struct timer *t)
{
	struct run *r = (struct run *)((char *)t - offsetof(struct run, timer));
	run_unlink(r);
	run_free(r);
}

static void on_end(struct adhoc *x, const struct adhoc_end *how);

static struct run *run_new(struct iq *iq, struct session *s, const struct adhoc_command *c)
{
	struct session_part *part = session_slot(s, &mod_adhoc);
	struct arena *a = arena_new(2048);
	struct run *r = arena_zalloc(a, sizeof *r);
	r->x = (struct adhoc){ .nw = iq->nw, .host = iq->host, .command = c, .arena = a, .end = on_end };
	r->x.who = jid_copy(a, &iq->stanza->from);
	r->x.role = role_of(iq->host, &iq->stanza->from);
	r->id = rng_token(&iq->nw->worker->rng, a, ID_CHARS);
	r->timer.on_timer = on_timeout;
	r->sid = s->sid;
	r->next = part->runs;
	part->runs = r;
	part->n++;
	return r;
}

static void session_gone(struct session *s)
{
	struct session_part *part = session_slot(s, &mod_adhoc);
	while (part->runs) {
		struct run *r = part->runs;
		part->runs = r->next;
		if (!r->iq) /* else it ends when the command has */
			run_free(r);
	}
}

/* ---- answers ---- */

static struct elem *answer_new(struct iq *iq, const struct run *r, struct str status, struct stanza **reply)
{
	struct elem *root;
	*reply = iq_result(iq, &root);
	struct arena *a = (*reply)->arena;
	struct elem *c = elem_add(a, root, NS_COMMANDS, STR("command"));
	elem_set(a, c, STR("node"), str_of(r->x.command->node));
	elem_set(a, c, STR("sessionid"), arena_str(a, r->id));
	elem_set(a, c, STR("status"), status);
	return c;
}

static void add_note(struct arena *a, struct elem *command, struct str type, struct str text)
{
	if (str_present(text))
		elem_set(a, elem_add_text(a, command, STR("note"), arena_str(a, text)), STR("type"), type);
}

/* The stage's form; `problem`: what was wrong with what came back. */
static void show(struct iq *iq, struct run *r, struct str problem)
{
	struct stanza *reply;
	const struct adhoc_command *c = r->x.command;
	const struct adhoc_stage *stage = &c->stages[r->stage];
	bool last = r->stage + 1 == c->n_stages;
	struct elem *e = answer_new(iq, r, STR("executing"), &reply);
	struct arena *a = reply->arena;
	struct elem *actions = elem_add(a, e, STR_NONE, STR("actions"));
	elem_set(a, actions, STR("execute"), last ? STR("complete") : STR("next"));
	for (enum stages_action act = STAGES_PREV; act <= STAGES_COMPLETE; act++)
		if (stages_allows(act, r->stage, c->n_stages))
			elem_add(a, actions, STR_NONE, stages_action_name(act));
	struct elem *x = dataform_titled(a, e, DATAFORM_FORM, str_of(c->form_type), str_of(stage->title), str_of(stage->instructions));
	if (stage->fill)
		stage->fill(&r->x, a, x);
	else
		dataform_rows_write(a, x, stage->rows, stage->n_rows);
	add_note(a, e, STR("error"), problem);
	worker_timer_set(r->x.nw->worker, &r->timer, (uint64_t)module_int(iq->host, &mod_adhoc, "timeout"));
	iq_send(iq, reply);
}

static void on_end(struct adhoc *x, const struct adhoc_end *how)
{
	struct run *r = run_of(x);
	struct iq *iq = r->iq;
	struct stanza *reply = NULL;
	if (!how->error) {
		struct elem *e = answer_new(iq, r, STR("completed"), &reply);
		if (how->form)
			elem_append(reply->arena, e, elem_copy(reply->arena, how->form));
		add_note(reply->arena, e, how->failed ? STR("error") : STR("info"), how->text);
	}
	run_unlink(r);
	iq_finish(iq, reply, how->error, how->text);
	run_free(r);
}

/* XEP-0050 section 4: an error with a condition of its own. */
static int refuse(struct iq *iq, enum stanza_error e, struct str condition)
{
	struct arena *a = arena_new(256);
	struct stanza *reply = stanza_error_reply(iq->stanza, e, STR_NONE, elem_new(a, NS_COMMANDS, condition));
	if (reply)
		iq_send(iq, reply);
	arena_free(a);
	return DONE;
}

/* ---- steps ---- */

static int work(struct iq *iq, struct run *r)
{
	worker_timer_cancel(r->x.nw->worker, &r->timer);
	r->iq = iq_hold(iq);
	LOG_EACH(LOG_INFO, "adhoc", "command", L_Z("command", r->x.command->node), L_STR("by", jid_str(&r->x.who)));
	r->x.command->run(&r->x);
	return HOLD;
}

/* Keeps a copy of what was submitted. False: *why tells what is wrong. */
static bool take_form(struct iq *iq, struct run *r, struct str *why)
{
	const struct adhoc_stage *stage = &r->x.command->stages[r->stage];
	struct dataform *f = &r->x.forms[r->stage];
	const struct elem *x = dataform_find(iq->payload);
	*why = STR("fill in the form, please");
	if (!x || dataform_read(r->x.arena, elem_copy(r->x.arena, x), f) != ERR_NONE)
		return false;
	return dataform_rows_check(r->x.arena, f, stage->rows, stage->n_rows, why) == ERR_NONE;
}

static int cancel(struct iq *iq, struct run *r)
{
	struct stanza *reply;
	answer_new(iq, r, STR("canceled"), &reply);
	iq_send(iq, reply);
	run_unlink(r);
	run_free(r);
	return DONE;
}

static int go_on(struct iq *iq, struct run *r, enum stages_action action)
{
	struct str why = STR_NONE;
	struct stages_move m = stages_decide(action, r->stage, r->x.command->n_stages);
	if (m.verdict == STAGES_REFUSE || (m.verdict != STAGES_END && ++r->steps > STEPS_MAX))
		return refuse(iq, STANZA_BAD_REQUEST, STR("bad-action"));
	if (m.verdict == STAGES_END)
		return cancel(iq, r);
	if (m.submits && !take_form(iq, r, &why)) {
		show(iq, r, why);
		return DONE;
	}
	if (m.verdict == STAGES_RUN)
		return work(iq, r);
	r->stage = m.show;
	show(iq, r, STR_NONE);
	return DONE;
}

static int start(struct iq *iq, struct session *s, const struct adhoc_command *c, enum stages_action action)
{
	const struct session_part *part = session_slot(s, &mod_adhoc);
	if (action != STAGES_EXECUTE)
		return refuse(iq, STANZA_BAD_REQUEST, STR("bad-action"));
	if (part->n >= (unsigned)module_int(iq->host, &mod_adhoc, "max_runs"))
		return -STANZA_RESOURCE_CONSTRAINT;
	struct run *r = run_new(iq, s, c);
	if (!c->n_stages)
		return work(iq, r);
	show(iq, r, STR_NONE);
	return DONE;
}

static struct run *run_with_id(struct session *s, struct str id)
{
	struct run *r = ((struct session_part *)session_slot(s, &mod_adhoc))->runs;
	while (r && !str_eq(r->id, id))
		r = r->next;
	return r;
}

static int on_command(struct iq *iq)
{
	enum stages_action action;
	struct session *s = iq_session(iq);
	struct str node = elem_attr(iq->payload, "node"), id = elem_attr(iq->payload, "sessionid");
	const struct adhoc_command *c = str_present(node) ? command_named(iq->host, node) : NULL;
	if (!str_present(node))
		return -STANZA_BAD_REQUEST;
	if (!c) /* XEP-0133 section 6: known to the protocol, but not to us */
		return str_starts(node, NS_ADMIN) ? -STANZA_FEATURE_NOT_IMPLEMENTED : -STANZA_ITEM_NOT_FOUND;
	if (!s || role_of(iq->host, &iq->stanza->from) < c->least)
		return -STANZA_FORBIDDEN;
	if (!stages_action_from_name(elem_attr(iq->payload, "action"), &action))
		return refuse(iq, STANZA_BAD_REQUEST, STR("malformed-action"));
	if (!str_present(id))
		return start(iq, s, c, action);
	struct run *r = run_with_id(s, id);
	if (!r || r->x.command != c || r->iq)
		return refuse(iq, STANZA_BAD_REQUEST, STR("bad-sessionid"));
	return go_on(iq, r, action);
}

static const struct iq_route iqs[] = {
	{ IQ_HOST, TYPE_SET, &NS_COMMANDS, "command", on_command },
};
static const char *const features[] = { "http://jabber.org/protocol/commands", NULL };

const struct module mod_adhoc = {
	.name = "adhoc",
	.xep = "XEP-0050",
	.version = "1.3.0",
	.doc = "Lets clients run commands on the service, step by step.",
	.features = features,
	.options = options,
	.n_options = 2,
	.iqs = iqs,
	.n_iqs = 1,
	.hooks = { .disco_info = disco_info, .disco_items = disco_items, .session_gone = session_gone },
	.session_slot = sizeof(struct session_part),
};
