#include "cluster/link.h"

#include <stdlib.h>

void link_out_init(struct link_out *l, size_t window_bytes, size_t window_frames)
{
	*l = (struct link_out){ .next_seq = 1, .window_bytes = window_bytes, .window_frames = window_frames };
	l->newest = &l->oldest;
}

static void drop_oldest(struct link_out *l)
{
	struct link_frame *f = l->oldest;
	if (l->unsent == f)
		l->unsent = f->next;
	l->oldest = f->next;
	if (!l->oldest)
		l->newest = &l->oldest;
	l->bytes -= f->body->len;
	l->frames--;
	blob_unref(f->body);
	free(f);
}

void link_out_fini(struct link_out *l)
{
	while (l->oldest)
		drop_oldest(l);
}

void link_out_take_back(struct link_out *l, struct link_frame **orphans)
{
	*orphans = l->oldest;
	l->oldest = l->unsent = NULL;
	l->newest = &l->oldest;
	l->bytes = l->frames = 0;
}

void link_out_epoch(struct link_out *l, uint32_t epoch, struct link_frame **orphans)
{
	*orphans = NULL;
	if (epoch == l->peer_epoch)
		return;
	link_out_take_back(l, orphans);
	size_t window_bytes = l->window_bytes, window_frames = l->window_frames;
	link_out_init(l, window_bytes, window_frames);
	l->peer_epoch = epoch;
}

enum err link_send(struct link_out *l, struct blob *body, uint32_t nrec, uint64_t *seq)
{
	/* One frame fits into an empty window whatever its size: else it would wait for ever. */
	if (l->frames && (l->frames >= l->window_frames || l->bytes + body->len > l->window_bytes))
		return ERR_LIMIT;
	struct link_frame *f = xzalloc(sizeof *f);
	f->seq = *seq = l->next_seq++;
	f->nrec = nrec;
	f->body = blob_ref(body);
	*l->newest = f;
	l->newest = &f->next;
	if (!l->unsent)
		l->unsent = f;
	l->bytes += body->len;
	l->frames++;
	return ERR_NONE;
}

enum err link_acked(struct link_out *l, uint64_t lack)
{
	if (lack >= l->next_seq)
		return ERR_INVALID;
	while (l->oldest && l->oldest->seq <= lack)
		drop_oldest(l);
	if (lack > l->acked)
		l->acked = lack;
	if (lack > l->sent)
		l->sent = lack;
	return ERR_NONE;
}

enum err link_out_up(struct link_out *l, uint64_t last)
{
	enum err e = link_acked(l, last);
	if (e != ERR_NONE)
		return e;
	l->sent = l->acked;
	l->unsent = l->oldest; /* what the acknowledgement left is what the peer has not taken */
	l->up = true;
	return ERR_NONE;
}

void link_out_down(struct link_out *l)
{
	l->up = false;
}

const struct link_frame *link_out_next(struct link_out *l)
{
	const struct link_frame *f = l->unsent;
	if (!l->up || !f)
		return NULL;
	BUG_ON(f->seq != l->sent + 1);
	l->sent = f->seq;
	l->unsent = f->next;
	return f;
}

void link_out_unsend(struct link_out *l, const struct link_frame *f)
{
	BUG_ON(f->seq != l->sent);
	l->sent = f->seq - 1;
	l->unsent = (struct link_frame *)f;
}

void link_in_epoch(struct link_in *l, uint32_t epoch)
{
	if (epoch == l->peer_epoch)
		return;
	*l = (struct link_in){ .peer_epoch = epoch };
}

enum link_verdict link_take(struct link_in *l, uint32_t epoch, uint64_t seq)
{
	if (epoch != l->peer_epoch)
		return LINK_STALE;
	if (seq <= l->taken)
		return LINK_DUPLICATE;
	if (seq != l->taken + 1)
		return LINK_GAP;
	l->taken = seq;
	return LINK_TAKE;
}
