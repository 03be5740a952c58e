#include "tests/cluster/sim/model.h"

#include "cluster/registry_script.h"
#include "tests/cluster/sim/model_private.h"

void model_ask(struct model *m, struct registry_call *c, int64_t now_ms)
{
	c->err = c->verb <= REGISTRY_LEAVE ? model_nodes_ask(m, c, now_ms) : model_names_ask(m, c, now_ms);
}

static void begin(struct model *m)
{
	static const uint64_t seed[2] = { 1, 2 };
	*m = (struct model){ 0 };
	map_init(&m->accounts, seed);
	map_init(&m->places, seed);
	buf_init(&m->log, SIZE_MAX / 2);
}

struct model *model_new(void)
{
	struct model *m = xmalloc(sizeof *m);
	begin(m);
	return m;
}

void model_clear(struct model *m)
{
	model_nodes_clear(m);
	model_names_clear(m);
	begin(m);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	model_nodes_clear(m);
	model_names_clear(m);
	free(m);
}

void model_add_wide(struct buf *out, uint64_t n)
{
	char text[REGISTRY_NUMBER];
	registry_number_write(n, text);
	buf_add(out, text, sizeof text);
}

void model_dump(const struct model *m, int64_t now_ms, struct buf *out)
{
	model_nodes_dump(m, now_ms, out);
	model_names_dump(m, now_ms, out);
}
