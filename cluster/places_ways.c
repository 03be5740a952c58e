/* Rule 8 of places.h: what waits before it goes where a place is now, as what went before it may be on its way by another node. */
#include <stdlib.h>

#include "cluster/spot.h"

struct awaiting {
	struct ways_item item;
	struct frame_record r;
	char bytes[];
};

bool places_ways_takes(struct places *p, const struct frame_record *r, uint32_t where)
{
	if (!ways_waits(&p->ways, r->dst_fp, where, r->dst_sid, p->now_ms))
		return false;
	size_t n = spot_bytes(r);
	struct awaiting *a = xmalloc(sizeof *a + n);
	*a = (struct awaiting){ .item.bytes = sizeof *a + n, .r = *r };
	spot_copy(&a->r, a->bytes);
	a->item.name = a->r.to;
	ways_wait(&p->ways, r->dst_fp, r->dst_sid, &a->item, p->now_ms);
	return true;
}

/* ---- what ways.h asks ---- */

static uint32_t on_where(void *place, uint64_t fp)
{
	const struct places *p = place;
	return spot_where(p, map_get_hashed(&p->names, fp), fp);
}

/* It waits where what it follows waits. What has been taken or refused it need not wait for; so it makes no place. */
static void on_echo_goes(void *place, const struct frame_record *r)
{
	struct places *p = place;
	struct spot *l = spot_find(p, r->to);
	uint32_t where = spot_where(p, l, r->dst_fp);
	if (l && l->first)
		spot_wait(p, l, r);
	else if (!where)
		ways_answer(&p->ways, r);
	else
		ways_send_on(&p->ways, where, r);
}

static void on_ways_send(void *arg, uint32_t epoch, const struct frame_record *r)
{
	struct places *p = arg;
	p->out.send(p->out.arg, epoch, r);
}

static void on_go(void *arg, struct ways_item *item)
{
	struct places *p = arg;
	struct awaiting *a = (struct awaiting *)item;
	p->goes(p, &a->r);
	free(a);
}

static void on_drop(void *arg, struct ways_item *item)
{
	struct awaiting *a = (struct awaiting *)item;
	spot_refuse(arg, &a->r);
	free(a);
}

void places_ways_init(struct places *p)
{
	ways_init(&p->ways, &(struct ways_out){ .place = p, .where = on_where, .echo_goes = on_echo_goes, .arg = p, .send = on_ways_send,
						.go = on_go, .drop = on_drop, .echo = PLACES_ECHO, .echoed = PLACES_ECHOED,
						.ttl = PLACES_TTL, .speaks = PLACES_ANSWERS });
}
