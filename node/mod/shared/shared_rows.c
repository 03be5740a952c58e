#include "node/mod/shared/shared_rows.h"

#include <stdlib.h>

static const struct store_space rows_space = { "shared-groups", STORE_MAP };
static const struct store_space turn_space = { "shared-turn", STORE_KV };

/* ---- reading: all pages first, so that nobody sees some of the groups only ---- */

struct reading {
	struct shared_host *p;
	void (*then)(void *arg, enum err err, bool all);
	void *arg;
	uint64_t turn;
	struct store_op **pages;
	unsigned n;
};

static void reading_end(struct reading *r, enum err err, bool all)
{
	for (unsigned i = 0; i < r->n; i++)
		store_op_cancel(&r->pages[i]);
	r->then(r->arg, err, all);
	free(r->pages);
	free(r);
}

static void take_page(struct shared_host *p, const struct store_op *page)
{
	const struct store_step *rows = page->first;
	for (uint32_t i = 0; i < rows->n_rows; i++)
		if (shared_parse(&p->groups, page->arena, rows->rows[i].key, rows->rows[i].value) != ERR_NONE)
			LOG(LOG_WARN, "shared", "a stored group cannot be used", L_STR("group", rows->rows[i].key));
}

/* True: some group is of all accounts. */
static bool take_all(struct reading *r)
{
	struct shared_host *p = r->p;
	bool all = false, online = false;
	pthread_mutex_lock(&p->lock);
	while (p->groups.n)
		shared_del(&p->groups, p->groups.v[p->groups.n - 1]);
	for (unsigned i = 0; i < r->n; i++)
		take_page(p, r->pages[i]);
	for (unsigned i = 0; i < p->groups.n; i++) {
		all |= p->groups.v[i]->all;
		online |= p->groups.v[i]->online;
	}
	p->any = p->groups.n > 0;
	p->counts_online |= online;
	pthread_mutex_unlock(&p->lock);
	p->turn = r->turn;
	return all;
}

static void read_page(struct reading *r, struct str after);

static void on_page(struct store_op *op)
{
	struct reading *r = op->arg;
	const struct store_step *rows = op->first;
	if (op->err) {
		reading_end(r, op->err, false);
		return;
	}
	store_op_keep(op);
	r->pages = xrealloc(r->pages, (r->n + 1) * sizeof(struct store_op *));
	r->pages[r->n++] = op;
	if (rows->more && rows->n_rows)
		read_page(r, rows->rows[rows->n_rows - 1].key);
	else
		reading_end(r, ERR_NONE, take_all(r));
}

static void submit(struct reading *r, struct store_op *op)
{
	enum err err = store_submit(r->p->host->store, op);
	if (err)
		reading_end(r, err, false);
}

static void read_page(struct reading *r, struct str after)
{
	struct store_op *op = store_op_new(r->p->host->name, STR(""), on_page, r);
	store_map_all(op, &rows_space, after, SHARED_GROUPS_MAX);
	submit(r, op);
}

/* Before the rows: they may be younger than this, but not older. */
static void on_turn(struct store_op *op)
{
	struct reading *r = op->arg;
	if (op->err && op->err != ERR_NOT_FOUND) {
		reading_end(r, op->err, false);
		return;
	}
	r->turn = op->err ? 0 : op->first->version;
	read_page(r, STR_NONE);
}

void shared_rows_read(struct shared_host *p, void (*then)(void *arg, enum err err, bool all), void *arg)
{
	struct reading *r = xzalloc(sizeof *r);
	*r = (struct reading){ .p = p, .then = then, .arg = arg };
	struct store_op *op = store_op_new(p->host->name, STR(""), on_turn, r);
	store_kv_get(op, &turn_space);
	submit(r, op);
}

/* ---- writing ---- */

struct store_op *shared_rows_write_new(struct shared_host *p, void (*on_done)(struct store_op *op), void *arg)
{
	struct store_op *op = store_op_new(p->host->name, STR(""), on_done, arg);
	if (p->turn)
		store_kv_replace(op, &turn_space, p->turn, STR("1"));
	else
		store_kv_create(op, &turn_space, STR("1"));
	return op;
}

void shared_rows_put(struct store_op *op, struct str name, struct str text, uint32_t max_groups)
{
	store_map_put(op, &rows_space, name, text, max_groups);
}

void shared_rows_delete(struct store_op *op, struct str name)
{
	store_map_delete(op, &rows_space, name);
}

bool shared_rows_overtaken(struct shared_host *p, const struct store_op *op)
{
	if (op->err == ERR_NONE)
		p->turn = op->first->version;
	return op->err == ERR_EXISTS || op->err == ERR_NOT_FOUND;
}
