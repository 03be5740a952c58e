#include "proto/forms/delay.h"

#include "proto/base/encode.h"
#include "proto/xml/names.h"

static bool is_delay_of(const struct elem *e, struct str by)
{
	return elem_is(e, NS_DELAY, "delay") && (!str_present(by) || str_eq(elem_attr(e, "from"), by));
}

struct elem *delay_stamp(struct arena *a, const struct elem *old, struct str by, int64_t at_ms, struct str text)
{
	char stamp[STAMP_BYTES];
	struct elem *e = elem_reroot(a, old);
	e->children = NULL;
	e->last_child = NULL;
	for (const struct elem *c = elem_first(old); c; c = elem_next(c))
		if (!is_delay_of(c, by))
			elem_append_shared(a, e, c);
	struct elem *d = elem_add(a, e, NS_DELAY, STR("delay"));
	elem_set(a, d, STR("from"), by);
	elem_set(a, d, STR("stamp"), arena_str(a, stamp_format(stamp, at_ms, true)));
	elem_append_text(a, d, text);
	return e;
}

enum err delay_read(const struct elem *stanza, struct str by, int64_t *at_ms)
{
	for (const struct elem *c = elem_first(stanza); c; c = elem_next(c))
		if (is_delay_of(c, by))
			return stamp_parse(elem_attr(c, "stamp"), at_ms);
	return ERR_NOT_FOUND;
}
