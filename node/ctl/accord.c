#include "node/ctl/accord.h"

#include <stdlib.h>

#include "node/core/log.h"
#include "node/core/node.h"
#include "node/ctl/relay.h"

/* Goes to the first worker, which asks, and comes back to main. */
struct accord {
	struct message message;
	struct host *host;
	const struct module *module;
	unsigned step, waiting, failed;
	void (*then)(void *arg);
	void (*drop)(void *arg);
	void *arg;
};

/* ---- asking ---- */

static void on_main(struct worker *w, struct message *m, bool cancelled)
{
	struct accord *a = (struct accord *)m;
	(void)w;
	if (!cancelled && a->failed) {
		LOG(LOG_WARN, "fleet", "nodes did not do at once what all were to do", L_UINT("nodes", a->failed),
		    L_Z("feature", a->module->name));
		host_changed(a->host, a->module);
	}
	if (cancelled)
		a->drop(a->arg);
	else
		a->then(a->arg);
	free(a);
}

static void one_less(struct accord *a)
{
	if (--a->waiting)
		return;
	a->message.run = on_main;
	worker_post(a->host->node->main, &a->message);
}

static void on_answer(void *arg, int code, json_t *answer)
{
	struct accord *a = arg;
	json_decref(answer);
	a->failed += code != CTL_OK;
	one_less(a);
}

static void on_worker(struct worker *w, struct message *m, bool cancelled)
{
	struct accord *a = (struct accord *)m;
	struct node_worker *nw = nw_of(w);
	const struct view *v = cancelled ? NULL : nw->fleet->view;
	char step[16];
	snprintf(step, sizeof step, "%u", a->step);
	a->waiting = 1;
	for (unsigned i = 0; v && i < v->n; i++) {
		if (v->nodes[i].epoch == v->self || !view_is_alive(v, v->nodes[i].epoch))
			continue;
		a->waiting++;
		relay_ask(nw, v->nodes[i].epoch,
			  json_pack("{s:s, s:[o, s, s], s:s}", "command", accord_command.name, "args", json_str(a->host->name),
				    a->module->name, step, "by", "another node"),
			  on_answer, a);
	}
	one_less(a);
}

void accord(struct host *h, const struct module *m, unsigned step, void (*then)(void *arg), void (*drop)(void *arg), void *arg)
{
	if (!h->node->fleet) {
		then(arg);
		return;
	}
	struct accord *a = xzalloc(sizeof *a);
	*a = (struct accord){
		.message.run = on_worker, .host = h, .module = m, .step = step, .then = then, .drop = drop, .arg = arg,
	};
	worker_post(h->node->workers[0], &a->message);
}

/* ---- being asked ---- */

static void run_step(struct call *c)
{
	struct host *h = host_find(c->node, c->args[0]);
	const struct module *m = module_find(c->args[1]);
	uint64_t step;
	if (h && m && host_has_module(h, m) && m->host_step && str_to_u64(c->args[2], &step))
		m->host_step(h, (unsigned)step, c);
	else
		call_fail(c, CTL_USAGE, "there is no such step here");
}

const struct command accord_command = { "_step", "HOST FEATURE STEP", COMMAND_READS, "Does its part of a change.", run_step };
