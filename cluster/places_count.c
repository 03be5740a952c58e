#include "cluster/spot.h"

uint32_t places_where(const struct places *p, uint64_t fp)
{
	return spot_place_of(p, fp);
}

size_t places_count(const struct places *p)
{
	return map_count(&p->names);
}

bool places_are_idle(const struct places *p)
{
	return map_count(&p->names) == 0 && map_count(&p->ways.emptying) == 0;
}

/* A state that came here, before its sender knew that it belongs elsewhere, goes on once it has its claim. */
static bool is_leaving(const struct places *p, const struct spot *l)
{
	bool asks = l->step == RELEASES || (l->step == CLAIMS && l->has_state);
	return (l->step == GIVEN && !l->declined) || (asks && p->view->registry_ok) || (l->step == SERVED && !spot_is_here(p, l->fp));
}

size_t places_leaving(const struct places *p)
{
	struct str key;
	void *value;
	size_t n = map_count(&p->ways.emptying);
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);)
		n += is_leaving(p, value);
	return n;
}

size_t places_held(const struct places *p)
{
	struct str key;
	void *value;
	size_t n = 0;
	for (size_t i = 0; map_next(&p->names, &i, &key, &value);)
		n += ((const struct spot *)value)->holds > 0;
	return n;
}

void places_stats(const struct places *p, struct places_stats *out)
{
	*out = p->stats;
	out->hurried = p->ways.hurried;
}
