#include "node/ctl/relay.h"

#include <stdlib.h>

#include "node/core/log.h"
#include "node/ctl/accord.h"
#include "node/ctl/show.h"
#include "node/ctl/visit.h"

#define ANSWER_MS    15000
#define QUESTION_MAX (FRAME_MAX / 2) /* bytes; of an answer as well */

/* ---- questions of a worker to another node ---- */

struct relay_pending {
	struct message message; /* when it is not asked at all */
	struct relay_pending *next;
	struct node_worker *nw;
	uint64_t id;
	relay_then *then;
	void *arg;
	struct timer deadline;
};

static struct relay_pending *pending_take(struct node_worker *nw, uint64_t id)
{
	for (struct relay_pending **at = &nw->fleet->pending; *at; at = &(*at)->next) {
		struct relay_pending *p = *at;
		if (p->id != id)
			continue;
		*at = p->next;
		worker_timer_cancel(nw->worker, &p->deadline);
		return p;
	}
	return NULL;
}

static void on_deadline(struct timer *t)
{
	struct relay_pending *p = (struct relay_pending *)((char *)t - offsetof(struct relay_pending, deadline));
	pending_take(p->nw, p->id);
	p->then(p->arg, -1, NULL);
	free(p);
}

void relay_give_up(struct node_worker *nw)
{
	struct relay_pending *p = nw->fleet ? nw->fleet->pending : NULL;
	if (p)
		nw->fleet->pending = NULL;
	for (struct relay_pending *next; p; p = next) {
		next = p->next;
		worker_timer_cancel(nw->worker, &p->deadline);
		p->then(p->arg, -1, NULL);
		free(p);
	}
}

static void on_not_asked(struct worker *w, struct message *m, bool cancelled)
{
	struct relay_pending *p = (struct relay_pending *)m;
	(void)w;
	(void)cancelled;
	p->then(p->arg, -1, NULL);
	free(p);
}

/* A fingerprint that brings the answer back to this worker; not 0, which would mean all. */
static uint64_t way_back(const struct node_worker *nw)
{
	return (uint64_t)nw->node->n_workers + nw->worker->index;
}

void relay_ask(struct node_worker *nw, uint32_t epoch, json_t *question, relay_then *then, void *arg)
{
	struct relay_pending *p = xzalloc(sizeof *p);
	char *text = json_dumps(question, JSON_COMPACT);
	struct frame_record r = fleet_record(FLEET_CALL, way_back(nw), 0);
	*p = (struct relay_pending){ .next = nw->fleet->pending, .nw = nw, .id = ++nw->next_sid, .then = then, .arg = arg };
	p->deadline.on_timer = on_deadline;
	p->message.run = on_not_asked;
	r.osm = p->id;
	r.xml = str_of(text);
	if (!text || r.xml.len > QUESTION_MAX || nw->draining) {
		worker_post(nw->worker, &p->message);
	} else {
		nw->fleet->pending = p;
		worker_timer_set(nw->worker, &p->deadline, ANSWER_MS);
		fleet_send(nw, epoch, &r);
	}
	free(text);
	json_decref(question);
}

static json_t *question_of(const struct call *c)
{
	json_t *args = json_array(), *options = json_object();
	for (unsigned i = 0; i < c->n_args; i++)
		json_array_append_new(args, json_str(c->args[i]));
	for (unsigned i = 0; i < c->n_options; i++)
		json_object_set_new(options, c->options[i].name.p, json_str(c->options[i].value));
	return json_pack("{s:s, s:o, s:o, s:o}", "command", c->command->name, "args", args, "options", options, "by", json_str(c->by));
}

/* ---- answering another node ---- */

struct asked_call {
	struct message message;
	struct call call;
	struct node_worker *nw; /* whose record it was */
	uint32_t from;
	uint64_t fp, id;
	struct str answer;
};

static void send_answer(struct worker *w, struct message *m, bool cancelled)
{
	struct asked_call *q = (struct asked_call *)m;
	struct frame_record r = fleet_record(FLEET_ANSWER, q->fp, 0);
	(void)w;
	r.osm = q->id;
	r.xml = q->answer;
	if (!cancelled)
		fleet_send(q->nw, q->from, &r);
	arena_free(q->call.arena);
}

static void on_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct asked_call *q = (struct asked_call *)((char *)c - offsetof(struct asked_call, call));
	json_t *o = json_pack("{s:i, s:o, s:i, s:o}", "code", code, "text", json_str(text), "err", c->err, "data",
			      data ? data : json_null());
	char *line = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	q->answer = line && strlen(line) < QUESTION_MAX ? arena_str(c->arena, str_of(line))
							 : STR("{\"code\":1,\"text\":\"the answer is too long: ask for less at once\"}");
	free(line);
	q->message.run = send_answer;
	worker_post(q->nw->worker, &q->message);
}

static bool read_question(struct call *c, const json_t *o)
{
	const char *name, *command = json_string_value(json_object_get(o, "command"));
	const json_t *args = json_object_get(o, "args");
	json_t *v;
	bool step = command && strcmp(command, accord_command.name) == 0;
	c->command = step ? &accord_command : command ? command_find(str_of(command)) : NULL;
	if (!c->command || json_array_size(args) > CTL_ARGS_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(args); i++) {
		v = json_array_get(args, i);
		if (!json_is_string(v))
			return false;
		c->args[c->n_args++] = arena_str(c->arena, str_span(json_string_value(v), json_string_length(v)));
	}
	json_object_foreach(json_object_get(o, "options"), name, v)
		if (c->n_options < CTL_OPTIONS_MAX && json_is_string(v))
			c->options[c->n_options++] = (struct call_option){ arena_str(c->arena, str_of(name)),
									   arena_str(c->arena, str_of(json_string_value(v))) };
	v = json_object_get(o, "by");
	c->by = arena_str(c->arena, json_is_string(v) ? str_of(json_string_value(v)) : STR("another node"));
	return true;
}

static void run_asked(struct worker *w, struct message *m, bool cancelled)
{
	struct asked_call *q = (struct asked_call *)m;
	(void)w;
	json_t *o = json_loadb(q->answer.p, q->answer.len, 0, NULL);
	if (cancelled) {
		arena_free(q->call.arena);
	} else {
		q->call.done = on_done;
		q->call.relayed = true;
		if (o && read_question(&q->call, o))
			command_run(&q->call);
		else
			on_done(&q->call, CTL_USAGE, STR("this node does not know that command"), NULL);
	}
	json_decref(o);
}

static void on_call(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	struct arena *a = arena_new(1024);
	struct asked_call *q = arena_zalloc(a, sizeof *q);
	*q = (struct asked_call){ .nw = nw, .from = from, .fp = r->dst_fp, .id = r->osm, .message.run = run_asked };
	q->call.arena = a;
	q->call.node = nw->node;
	q->answer = arena_str(a, r->xml);
	worker_post(nw->node->main, &q->message);
}

static void on_answer(struct node_worker *nw, const struct frame_record *r)
{
	struct relay_pending *p = pending_take(nw, r->osm);
	if (!p)
		return;
	json_t *o = json_loadb(r->xml.p, r->xml.len, 0, NULL);
	p->then(p->arg, o ? (int)json_integer_value(json_object_get(o, "code")) : -1, o);
	free(p);
}

void relay_lost(struct node_worker *nw, const struct frame_record *r)
{
	struct relay_pending *p = pending_take(nw, r->osm);
	if (!p)
		return;
	p->then(p->arg, -1, NULL);
	free(p);
}

void relay_record(struct node_worker *nw, uint32_t from, const struct frame_record *r)
{
	if (r->kind == FLEET_CALL)
		on_call(nw, from, r);
	else
		on_answer(nw, r);
}

/* ---- removal ---- */

struct removing {
	void (*then)(void *arg, enum err err);
	void *arg;
};

static void on_removed(void *arg, int code, json_t *answer)
{
	struct removing *r = arg;
	enum err err = code < 0 ? ERR_UNAVAILABLE : (enum err)json_integer_value(json_object_get(answer, "err"));
	json_decref(answer);
	r->then(r->arg, code == CTL_OK ? ERR_NONE : err != ERR_NONE ? err : ERR_UNAVAILABLE);
	free(r);
}

void relay_remove(struct node_worker *nw, uint32_t home, const struct jid *bare, void (*then)(void *arg, enum err err), void *arg)
{
	struct removing *r = xzalloc(sizeof *r);
	*r = (struct removing){ then, arg };
	relay_ask(nw, home,
	    json_pack("{s:s, s:[o, o], s:s}", "command", "unregister", "args", json_str(jid_local(bare)), json_str(jid_domain(bare)), "by",
		      "another node"),
	    on_removed, r);
}

/* ---- calls of this node ---- */

/* One call on its way: an errand to a worker, which asks one node or all. */
struct relay {
	struct visit visit;
	struct message back;
	struct call *call;
	struct str bare;            /* COMMAND_HOME */
	bool everywhere, local;     /* local: it is to run here, after all */
	unsigned waiting, silent;   /* nodes asked that have not answered yet; that never will */
	int code, own_code;
	json_t *own_data;
	json_t *answers;            /* data */
	struct str text;
	/* the call's own, while our own answer is one of many */
	void (*done)(struct call *c, enum ctl_exit code, struct str text, json_t *data);
};

static void finish_one(struct relay *y)
{
	struct call *c = y->call;
	json_t *answer = json_array_get(y->answers, 0);
	if (!answer) {
		json_decref(y->answers);
		call_fail(c, CTL_FAILED, "the node where this account is at home does not answer");
		return;
	}
	const char *text = json_string_value(json_object_get(answer, "text"));
	json_t *data = json_incref(json_object_get(answer, "data"));
	y->text = arena_str(c->arena, str_of(text ? text : ""));
	c->err = (enum err)json_integer_value(json_object_get(answer, "err"));
	json_decref(y->answers);
	if (y->code == CTL_OK) {
		call_ok(c, json_is_null(data) ? NULL : data, "%s", y->text.p);
	} else {
		json_decref(data);
		call_fail(c, (enum ctl_exit)y->code, "%s", y->text.p);
	}
}

/* Lists become one, numbers their sum; of anything else our own answer stands for all. */
static json_t *merged(json_t *answers, uint64_t limit, json_t *own)
{
	json_t *list = NULL, *a;
	json_int_t sum = 0;
	size_t i;
	json_array_foreach(answers, i, a)
	{
		json_t *data = json_object_get(a, "data");
		if (json_is_integer(data))
			sum += json_integer_value(data);
		if (json_is_array(data) && !list)
			list = json_array();
		if (json_is_array(data))
			json_array_extend(list, data);
	}
	if (list)
		return show_sorted(list, limit);
	return json_is_integer(own) ? json_integer(sum) : json_incref(own);
}

static void finish_all(struct relay *y)
{
	struct call *c = y->call;
	struct str text = call_option(c, "limit");
	uint64_t limit = 0;
	if (str_present(text) && !str_to_u64(text, &limit))
		limit = 0; /* our own answer says so */
	json_t *data = merged(y->answers, limit, y->own_data);
	json_decref(y->answers);
	json_decref(y->own_data);
	c->done = y->done;
	if (y->silent)
		LOG(LOG_WARN, "ctl", "nodes did not answer: what is shown lacks theirs", L_UINT("nodes", y->silent));
	if (y->own_code != CTL_OK) {
		json_decref(data);
		call_fail(c, (enum ctl_exit)y->own_code, "%.*s", STR_ARG(y->text));
	} else if (json_is_integer(data)) {
		call_ok(c, data, "%lld", (long long)json_integer_value(data));
	} else {
		call_ok(c, data, "%.*s", STR_ARG(json_is_array(data) ? STR("") : y->text));
	}
}

static void on_back(struct worker *w, struct message *m, bool cancelled)
{
	struct relay *y = (struct relay *)((char *)m - offsetof(struct relay, back));
	(void)w;
	(void)cancelled; /* main ends last, and an asker waits */
	if (y->everywhere)
		finish_all(y);
	else
		finish_one(y);
}

/* On the worker that asked. */
static void on_one_answer(void *arg, int code, json_t *answer)
{
	struct relay *y = arg;
	if (code < 0) {
		y->silent++;
		json_decref(answer);
	} else {
		y->code = code;
		json_array_append_new(y->answers, answer);
	}
	if (--y->waiting)
		return;
	y->back.run = on_back;
	worker_post(y->call->node->main, &y->back);
}

static void ask_home(struct visit *v, struct node_worker *nw)
{
	struct relay *y = (struct relay *)v;
	uint32_t home = fleet_elsewhere(nw, y->bare);
	y->local = home == 0;
	y->waiting = 1;
	if (home)
		relay_ask(nw, home, question_of(y->call), on_one_answer, y);
}

static void ask_all(struct visit *v, struct node_worker *nw)
{
	struct relay *y = (struct relay *)v;
	const struct view *view = nw->fleet->view;
	y->waiting = 1; /* ourselves */
	for (unsigned i = 0; view && i < view->n; i++) {
		if (view->nodes[i].epoch == view->self || !view_is_alive(view, view->nodes[i].epoch))
			continue;
		y->waiting++;
		relay_ask(nw, view->nodes[i].epoch, question_of(y->call), on_one_answer, y);
	}
}

/* Our own answer to what all are asked: one of many. */
struct own_answer {
	struct visit visit;
	struct relay *relay;
	json_t *answer;
	int code;
};

static void add_own(struct visit *v, struct node_worker *nw)
{
	struct own_answer *o = (struct own_answer *)v;
	(void)nw;
	on_one_answer(o->relay, o->code, o->answer);
}

static void on_added(struct visit *v)
{
	free(v);
}

static void on_own_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct relay *y = c->relay;
	y->own_code = (int)code; /* a host that is unknown here is unknown to all */
	y->text = arena_str(c->arena, text);
	y->own_data = data ? json_incref(data) : json_null();
	struct own_answer *o = xzalloc(sizeof *o);
	o->relay = y;
	o->code = code;
	o->answer = json_pack("{s:i, s:o}", "code", code, "data", data ? data : json_null());
	visit_one(&o->visit, c->node, c->node->workers[0], add_own, on_added);
}

static void on_asked(struct visit *v)
{
	struct relay *y = (struct relay *)v;
	struct call *c = y->call;
	if (y->everywhere) {
		y->done = c->done;
		c->done = on_own_done;
		c->relay = y;
		c->command->run(c);
	} else if (y->local) {
		json_decref(y->answers);
		c->command->run(c);
	}
}

/* The arguments that name the account: USER and the HOST behind it, or LOCALUSER and LOCALHOST. */
static bool account_of(const struct call *c, struct str *bare)
{
	struct jid jid;
	for (unsigned i = 0; i + 1 < c->n_args; i++) {
		struct str name = command_arg_name(c->command, i);
		if (!str_is(name, "USER") && !str_is(name, "LOCALUSER"))
			continue;
		struct arena *a = c->arena;
		if (jid_make(a, c->args[i], c->args[i + 1], STR_NONE, &jid) != ERR_NONE)
			return false;
		*bare = jid_bare_str(&jid);
		return true;
	}
	return false;
}

bool relay_takes(struct call *c)
{
	struct str bare = STR_NONE;
	bool everywhere = c->command->flags & COMMAND_EVERYWHERE;
	if (!c->node || !c->node->fleet || c->relayed || !(c->command->flags & (COMMAND_HOME | COMMAND_EVERYWHERE)))
		return false;
	if (!everywhere && !account_of(c, &bare))
		return false; /* the command says what is wrong with it */
	struct relay *y = arena_zalloc(c->arena, sizeof *y);
	y->call = c;
	y->bare = bare;
	y->everywhere = everywhere;
	y->answers = json_array();
	struct worker *w = everywhere ? c->node->workers[0] : node_shard(c->node, bare);
	visit_one(&y->visit, c->node, w, everywhere ? ask_all : ask_home, on_asked);
	return true;
}
