#include "node/core/pie.h"

#include "node/core/host.h"
#include "node/core/log.h"
#include "node/core/stored.h"
#include "proto/xml/fragment.h"

struct elem *pie_read(struct pie_put *p, struct str value)
{
	struct elem *e = xml_fragment_read(p->parser, value, p->arena);
	if (e)
		return e;
	LOG(LOG_ERROR, "export", "what is stored is broken; it is left out", L_STR("jid", jid_str(&p->jid)));
	p->broken++;
	return NULL;
}

struct store_op *pie_op(struct pie_take *t)
{
	if (t->last && t->last->op->n_steps < STORE_STEPS_MAX)
		return t->last->op;
	struct pie_ops *o = arena_zalloc(t->arena, sizeof *o);
	o->op = store_op_new(t->host->name, jid_local(&t->jid), t->on_op, t->arg);
	if (t->last)
		t->last->next = o;
	else
		t->first = o;
	t->last = o;
	return o->op;
}

void pie_taken(struct pie_take *t, const char *what)
{
	struct pie_tally *y = t->tally;
	unsigned i = 0;
	while (i < y->n && strcmp(y->of[i].what, what) != 0)
		i++;
	BUG_ON(i == PIE_KINDS_MAX);
	if (i == y->n)
		y->of[y->n++].what = what;
	y->of[i].n++;
}

void pie_left(struct pie_take *t, struct str what, const char *why)
{
	t->tally->left++;
	t->on_left(t->arg, what, why);
}

bool pie_write(struct pie_take *t, const struct elem *e, const char *what, struct str *out)
{
	if (stored_write(t->arena, e, STORE_VALUE_MAX, out) == ERR_NONE)
		return true;
	pie_left(t, str_of(what), "it is too long");
	return false;
}
