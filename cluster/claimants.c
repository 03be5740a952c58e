#include "cluster/claimants.h"

#include <stdlib.h>
#include <string.h>

static struct str key_of(const uint64_t *fp)
{
	return str_span((const char *)fp, sizeof *fp);
}

void claimants_init(struct claimants *c)
{
	*c = (struct claimants){ 0 };
	map_init(&c->by_fp, (const uint64_t[2]){ 0, 0 }); /* its keys are hashes under a secret already */
}

void claimants_fini(struct claimants *c)
{
	for (struct claimant *w = c->oldest, *younger; w; w = younger) {
		younger = w->younger;
		free(w);
	}
	map_fini(&c->by_fp);
}

const struct claimant *claimants_find(const struct claimants *c, uint64_t fp)
{
	return map_get(&c->by_fp, key_of(&fp));
}

bool claimants_has(const struct claimants *c, uint64_t fp, uint32_t epoch)
{
	for (const struct claimant *w = claimants_find(c, fp); w; w = w->next)
		if (w->epoch == epoch)
			return true;
	return false;
}

void claimants_add(struct claimants *c, uint64_t fp, uint32_t epoch, uint64_t hlc, struct str bare, uint64_t until_ms)
{
	struct claimant *w = xmalloc(sizeof *w + bare.len), *last = map_get(&c->by_fp, key_of(&fp));
	*w = (struct claimant){ .fp = fp, .hlc = hlc, .until_ms = until_ms, .epoch = epoch, .len = bare.len, .older = c->youngest };
	memcpy(w->bare, bare.p, bare.len);
	*(c->youngest ? &c->youngest->younger : &c->oldest) = w;
	c->youngest = w;
	c->n++;
	if (!last) {
		map_put(&c->by_fp, key_of(&w->fp), w);
		return;
	}
	while (last->next)
		last = last->next;
	last->next = w;
}

struct claimant *claimants_take(struct claimants *c, uint64_t fp)
{
	struct claimant *first = c->n ? map_del(&c->by_fp, key_of(&fp)) : NULL;
	for (struct claimant *w = first; w; w = w->next) {
		*(w->older ? &w->older->younger : &c->oldest) = w->younger;
		*(w->younger ? &w->younger->older : &c->youngest) = w->older;
		c->n--;
	}
	return first;
}
