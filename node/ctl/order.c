#include "node/ctl/order.h"

#include "node/core/life.h"

struct errand_of_order {
	struct message message;
	struct call call;
	struct order order;
	struct worker *asker;
	enum ctl_exit code;
	struct str text;
	json_t *data;
};

static void free_all(struct errand_of_order *e)
{
	json_decref(e->data);
	arena_free(e->call.arena);
}

static void on_answered(struct worker *w, struct message *m, bool cancelled)
{
	struct errand_of_order *e = (struct errand_of_order *)m;
	struct order_answer answer = {
		.code = e->code, .err = e->call.err, .text = e->text, .data = e->data, .arg = e->order.arg,
	};
	if (!cancelled)
		e->order.on_done(&answer);
	free_all(e);
}

static void on_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct errand_of_order *e = c->asker;
	bool stop = c->stop_after;
	struct node *n = c->node;
	e->code = code;
	e->text = arena_str(c->arena, text);
	e->data = data;
	e->message.run = on_answered;
	worker_post(e->asker, &e->message);
	if (stop)
		life_drain(n);
}

static void on_main(struct worker *w, struct message *m, bool cancelled)
{
	struct errand_of_order *e = (struct errand_of_order *)m;
	struct call *c = &e->call;
	if (cancelled) {
		free_all(e);
		return;
	}
	c->command = command_find(str_of(e->order.command));
	if (!c->command || (c->command->flags & (COMMAND_STREAMS | COMMAND_LOCAL)))
		call_fail(c, CTL_USAGE, "there is no command '%s'", e->order.command);
	else
		command_run(c);
}

void order_run(struct node *n, const struct order *o)
{
	struct arena *a = arena_new(1024);
	struct errand_of_order *e = arena_zalloc(a, sizeof *e);
	e->order = *o;
	e->asker = worker_current();
	e->call = (struct call){ .node = n, .arena = a, .n_args = o->n_args, .by = arena_str(a, o->by), .done = on_done, .asker = e };
	for (unsigned i = 0; i < o->n_args; i++)
		e->call.args[i] = arena_str(a, o->args[i]);
	if (str_present(o->option.name))
		e->call.options[e->call.n_options++] = (struct call_option){ arena_str(a, o->option.name), arena_str(a, o->option.value) };
	e->message.run = on_main;
	worker_post(n->main, &e->message);
}
