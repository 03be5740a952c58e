/* What a reload would change: two configs of one schema, value by value. */
#include "node/core/config_private.h"

struct diff {
	const struct config *before, *after;
	void (*tell)(void *arg, const struct config_change *ch);
	void *arg;
};

static bool has_own(const struct config *c, struct str host, const struct config_row *row)
{
	return config_host_value(c, host, row->path.p) != &c->values[row->index];
}

/* A host that differs only because the value for all does is not told again. */
static void diff_host_row(const struct diff *d, struct str host, const struct config_row *row)
{
	if (!has_own(d->before, host, row) && !has_own(d->after, host, row))
		return;
	struct config_change ch = { .path = row->path,
				    .host = host,
				    .before = config_host_value(d->before, host, row->path.p),
				    .after = config_host_value(d->after, host, row->path.p),
				    .needs_restart = row->needs_restart };
	if (!option_value_eq(ch.before, ch.after))
		d->tell(d->arg, &ch);
}

static void diff_row(const struct diff *d, const struct config_row *row)
{
	struct config_change ch = { .path = row->path,
				    .before = &d->before->values[row->index],
				    .after = &d->after->values[row->index],
				    .needs_restart = row->needs_restart };
	if (!option_value_eq(ch.before, ch.after))
		d->tell(d->arg, &ch);
}

/* A host that only one of the two has. */
static void diff_presence(const struct diff *d, struct str host, const struct option_value *before, const struct option_value *after)
{
	struct config_change ch = { .path = STR("hosts"), .host = host, .before = before, .after = after, .needs_restart = true };
	d->tell(d->arg, &ch);
}

void config_diff(const struct config *before, const struct config *after, void (*tell)(void *arg, const struct config_change *ch),
		 void *arg)
{
	static const struct option there = { .name = "hosts", .kind = OPTION_BOOL };
	static const struct option_value is_there = { .option = &there, .number = 1 };
	const struct config_schema *s = before->schema;
	const struct diff d = { .before = before, .after = after, .tell = tell, .arg = arg };
	BUG_ON(s != after->schema);
	for (size_t i = 0; i < s->n_rows; i++)
		diff_row(&d, s->rows[i]);
	for (const struct config_host *h = before->hosts; h; h = h->next) {
		if (!config_has_host(after, h->name)) {
			diff_presence(&d, h->name, &is_there, NULL);
			continue;
		}
		const struct config_host *other = map_get(&after->hosts_by_name, h->name);
		for (size_t i = 0; (h->overrides || other->overrides) && i < s->n_rows; i++)
			diff_host_row(&d, h->name, s->rows[i]);
	}
	for (const struct config_host *h = after->hosts; h; h = h->next)
		if (!config_has_host(before, h->name))
			diff_presence(&d, h->name, NULL, &is_there);
}

void config_add_change(struct buf *b, const struct config_change *ch)
{
	if (!ch->before || !ch->after) {
		buf_addf(b, "hosts.%.*s: %s", STR_ARG(ch->host), ch->before ? "gone" : "new");
	} else {
		if (str_present(ch->host))
			buf_addf(b, "hosts.%.*s.", STR_ARG(ch->host));
		buf_addf(b, "%.*s: ", STR_ARG(ch->path));
		option_add_value(b, ch->before);
		buf_addz(b, " -> ");
		option_add_value(b, ch->after);
	}
	if (ch->needs_restart)
		buf_addz(b, " (needs a restart)");
}

static void note_restart(void *arg, const struct config_change *ch)
{
	bool *any = arg;
	*any = *any || ch->needs_restart;
}

bool config_needs_restart(const struct config *before, const struct config *after)
{
	bool any = false;
	config_diff(before, after, note_restart, &any);
	return any;
}
