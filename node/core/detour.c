#include "node/core/detour.h"

#include <stdlib.h>

#include "node/core/brake.h"

struct detoured {
	struct ways_item item;
	struct stanza *stanza;
	uint64_t passed, read_ns;
	struct sender sender;
	uint8_t ttl;
};

bool detour_takes(struct node_worker *nw, uint32_t home, uint8_t ttl, uint64_t passed, struct stanza *st)
{
	struct ways *w = homes_ways(nw->fleet->homes);
	uint64_t fp = fleet_fp(nw, jid_bare_str(&st->to));
	if (!ways_waits(w, fp, home, passed, nw->worker->now_ms))
		return false;
	struct detoured *d = xmalloc(sizeof *d);
	*d = (struct detoured){
		.item.bytes = sizeof *d + arena_bytes(st->arena) + (str_present(st->wire) ? st->wire.len : 0),
		.stanza = st, .passed = passed, .read_ns = nw->read_ns, .sender = nw->sender, .ttl = ttl,
	};
	brake_on(nw, &d->sender);
	ways_wait(w, fp, passed, &d->item, nw->worker->now_ms);
	ways_run(w);
	return true;
}

bool detour_is_on(const struct node_worker *nw)
{
	struct ways_stats st = { 0 };
	if (nw->fleet)
		ways_stats(homes_ways(nw->fleet->homes), &st);
	return st.waiting > 0;
}

void detour_end(struct node_worker *nw)
{
	if (nw->fleet)
		ways_end(homes_ways(nw->fleet->homes));
}

void detour_go(void *arg, struct ways_item *item)
{
	struct node_worker *nw = ((struct fleet_worker *)arg)->nw;
	struct detoured *d = (struct detoured *)item;
	uint64_t read_before = nw->read_ns;
	struct sender sender_before = nw->sender;
	nw->read_ns = d->read_ns;
	nw->sender = d->sender;
	fleet_move_on(nw, d->ttl, d->passed, d->stanza);
	nw->read_ns = read_before;
	nw->sender = sender_before;
	brake_off(nw, &d->sender);
	free(d);
}

void detour_drop(void *arg, struct ways_item *item)
{
	struct detoured *d = (struct detoured *)item;
	(void)arg;
	stanza_unref(d->stanza);
	free(d);
}
