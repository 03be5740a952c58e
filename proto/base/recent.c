#include "proto/base/recent.h"

#include <stdlib.h>

struct entry {
	void *value;
	size_t weight;
	uint64_t born_ms;
	size_t key_len;
	char key[];
};

static struct str key_of(const struct entry *e)
{
	return str_span(e->key, e->key_len);
}

static void drop_all(struct recent *r, struct map *m)
{
	struct str key;
	void *value;
	for (size_t i = 0; map_next(m, &i, &key, &value);) {
		struct entry *e = value;
		r->drop(e->value);
		free(e);
	}
	map_fini(m); /* it is an empty one now */
}

void recent_init(struct recent *r, const uint64_t seed[2], size_t max_weight, uint64_t max_age_ms, void (*drop)(void *value))
{
	*r = (struct recent){ .max_weight = max_weight, .max_age_ms = max_age_ms, .drop = drop };
	map_init(&r->young, seed);
	map_init(&r->old, seed);
}

void recent_fini(struct recent *r)
{
	drop_all(r, &r->young);
	drop_all(r, &r->old);
}

static void turn(struct recent *r, uint64_t now_ms)
{
	struct map old = r->old;
	drop_all(r, &old);
	r->old = r->young;
	r->young = old;
	r->weight = 0;
	r->since_ms = now_ms;
}

void recent_put(struct recent *r, struct str key, void *value, size_t weight, uint64_t born_ms, uint64_t now_ms)
{
	if (weight > r->max_weight / 2 || now_ms - born_ms >= r->max_age_ms) {
		r->drop(value);
		return;
	}
	if (r->weight + weight > r->max_weight / 2 || now_ms - r->since_ms >= r->max_age_ms)
		turn(r, now_ms);
	struct entry *e = xmalloc(sizeof *e + key.len);
	*e = (struct entry){ .value = value, .weight = weight, .born_ms = born_ms, .key_len = key.len };
	memcpy(e->key, key.p, key.len);
	BUG_ON(map_put(&r->young, key_of(e), e));
	r->weight += weight;
}

void *recent_take(struct recent *r, struct str key, uint64_t now_ms, uint64_t *born_ms)
{
	struct entry *e = map_del(&r->young, key);
	if (e)
		r->weight -= e->weight;
	else
		e = map_del(&r->old, key);
	if (!e)
		return NULL;
	void *value = e->value;
	*born_ms = e->born_ms;
	free(e);
	if (now_ms - *born_ms < r->max_age_ms)
		return value;
	r->drop(value);
	return NULL;
}
