#include "node/core/jam.h"

#include <stdlib.h>

#include "node/core/router.h"

#define ANEW 100 /* pairs that are routed anew at a tick */

struct kept {
	struct kept *next;
	struct stanza *stanza;
	size_t bytes;
};

/* Of what one account sends another, in the order in which the first of each came. */
struct pair {
	struct pair *next, **prev;
	struct kept *kept;
	unsigned n;
	size_t key_len;
	char key[]; /* both bare JIDs */
};

struct jam {
	struct node_worker *nw;
	struct map pairs;             /* by their keys */
	struct pair *first, **end;    /* the oldest first */
	size_t bytes, message_bytes;  /* kept; of messages that went on */
	bool ended;
};

/* ---- pairs ---- */

static struct str key_of(struct arena *a, const struct stanza *st)
{
	struct str from = jid_bare_str(&st->from), to = jid_bare_str(&st->to);
	return arena_printf(a, "%.*s %.*s", STR_ARG(from), STR_ARG(to)); /* no bare JID has a space */
}

static struct pair *pair_find(const struct jam *j, const struct stanza *st)
{
	if (map_count(&j->pairs) == 0)
		return NULL;
	struct arena *a = arena_new(512);
	struct pair *p = map_get(&j->pairs, key_of(a, st));
	arena_free(a);
	return p;
}

static struct pair *pair_new(struct jam *j, const struct stanza *st)
{
	struct arena *a = arena_new(512);
	struct str key = key_of(a, st);
	struct pair *p = xzalloc(sizeof *p + key.len);
	memcpy(p->key, key.p, key.len);
	p->key_len = key.len;
	j->bytes += sizeof *p + key.len;
	p->prev = j->end;
	*j->end = p;
	j->end = &p->next;
	map_put(&j->pairs, str_span(p->key, p->key_len), p);
	arena_free(a);
	return p;
}

/* What it has is the caller's. */
static struct kept *pair_end(struct jam *j, struct pair *p)
{
	struct kept *kept = p->kept;
	map_del(&j->pairs, str_span(p->key, p->key_len));
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	else
		j->end = p->prev;
	for (const struct kept *k = kept; k; k = k->next)
		j->bytes -= k->bytes;
	j->bytes -= sizeof *p + p->key_len;
	free(p);
	return kept;
}

static void send_all(struct node_worker *nw, struct kept *k, void (*send)(struct node_worker *nw, struct stanza *st))
{
	while (k) {
		struct kept *next = k->next;
		send(nw, k->stanza);
		free(k);
		k = next;
	}
}

/* ---- what comes ---- */

/* Only the last of these counts. */
static bool is_coalesced(const struct stanza *st)
{
	bool state = st->type == TYPE_AVAILABLE || st->type == TYPE_UNAVAILABLE;
	return st->kind == STANZA_PRESENCE && (state || st->type == TYPE_PROBE);
}

static bool replaces(const struct stanza *new, const struct stanza *old)
{
	return jid_eq(&new->from, &old->from) && jid_eq(&new->to, &old->to) && (new->type == TYPE_PROBE) == (old->type == TYPE_PROBE);
}

/* Many of a broadcast share their bytes: each counts as if they were its own. */
static size_t bytes_of(const struct stanza *st)
{
	return arena_bytes(st->arena) + (str_present(st->wire) ? st->wire.len : 0);
}

/* False: it is too large for that. */
static bool replace(struct jam *j, struct kept *k, struct stanza *st)
{
	size_t bytes = j->bytes - k->bytes + bytes_of(st);
	if (bytes > JAM_BYTES && bytes > j->bytes)
		return false;
	j->bytes = bytes;
	k->bytes = bytes_of(st);
	stanza_unref(k->stanza);
	k->stanza = st;
	count(j->nw, METRIC_PRESENCES_COALESCED_TOTAL, 1);
	return true;
}

static bool keeps(struct jam *j, struct stanza *st)
{
	struct pair *p = pair_find(j, st);
	struct kept **at = p ? &p->kept : NULL;
	for (; at && *at; at = &(*at)->next)
		if (replaces(st, (*at)->stanza))
			return replace(j, *at, st);
	bool room = p ? p->n < JAM_PER_PAIR : map_count(&j->pairs) < JAM_PAIRS;
	if (!room || j->bytes + bytes_of(st) > JAM_BYTES)
		return false;
	if (!p)
		p = pair_new(j, st);
	for (at = &p->kept; *at;)
		at = &(*at)->next;
	*at = xmalloc(sizeof **at);
	**at = (struct kept){ .stanza = st, .bytes = bytes_of(st) };
	j->bytes += (*at)->bytes;
	p->n++;
	return true;
}

/* A message of type error cannot be refused, only lost. */
static bool is_refused(struct jam *j, const struct stanza *st)
{
	if (st->kind == STANZA_IQ)
		return stanza_is_request(st);
	if (st->kind != STANZA_MESSAGE || st->type == TYPE_ERROR)
		return false;
	size_t bytes = bytes_of(st);
	if (j->message_bytes + bytes > JAM_MESSAGES)
		return true;
	j->message_bytes += bytes;
	return false;
}

bool jam_takes(struct jam *j, struct stanza *st)
{
	if (is_coalesced(st))
		return !j->ended && keeps(j, st);
	if (!is_refused(j, st))
		return false;
	count_at(j->nw, METRIC_SLOW_REFUSED_TOTAL, st->kind, 1);
	router_bounce(j->nw, st, STANZA_RESOURCE_CONSTRAINT, STR("the recipient's node is slow"));
	return true;
}

bool jam_takes_of_place(struct jam *j, struct stanza *st)
{
	size_t bytes = bytes_of(st);
	bool is_request = st->kind == STANZA_IQ && stanza_is_request(st);
	if (!is_request && j->message_bytes + bytes <= JAM_MESSAGES) {
		j->message_bytes += bytes;
		return false;
	}
	if (st->kind == STANZA_PRESENCE && st->type == TYPE_UNAVAILABLE && !j->ended && keeps(j, st))
		return true;
	count_at(j->nw, METRIC_SLOW_REFUSED_TOTAL, st->kind, 1);
	router_bounce(j->nw, st, STANZA_RESOURCE_CONSTRAINT, STR("the node that serves it is slow"));
	return true;
}

void jam_release(struct jam *j, const struct stanza *st, void (*send)(struct node_worker *nw, struct stanza *st))
{
	struct pair *p = pair_find(j, st);
	if (p)
		send_all(j->nw, pair_end(j, p), send);
}

/* ---- the end of it ---- */

/* The oldest of them; those whose node is slow come back here. An answer that one of them causes may take others along: fewer are left. */
static void route_anew(struct jam *j, size_t most)
{
	size_t n = map_count(&j->pairs);
	for (n = n < most ? n : most; n && j->first; n--)
		send_all(j->nw, pair_end(j, j->first), router_route);
}

static bool is_slow(const struct view *v, uint32_t epoch)
{
	const struct view_node *n = view_find(v, epoch);
	return n && n->slow && view_is_alive(v, epoch);
}

void jam_view(struct jam *j, const struct view *before, const struct view *after)
{
	bool slow = false, relieved = false;
	for (unsigned i = 0; i < after->n; i++)
		slow |= is_slow(after, after->nodes[i].epoch);
	for (unsigned i = 0; before && i < before->n; i++)
		relieved |= before->nodes[i].slow && !is_slow(after, before->nodes[i].epoch);
	if (!slow)
		j->message_bytes = 0;
	if (relieved)
		route_anew(j, SIZE_MAX);
}

void jam_end(struct jam *j)
{
	j->ended = true;
	route_anew(j, SIZE_MAX);
}

void jam_tick(struct jam *j)
{
	route_anew(j, ANEW);
}

struct jam *jam_new(struct node_worker *nw)
{
	struct jam *j = xzalloc(sizeof *j);
	j->nw = nw;
	j->end = &j->first;
	map_init(&j->pairs, nw->node->hash_key);
	return j;
}

static void drop(struct node_worker *nw, struct stanza *st)
{
	(void)nw;
	stanza_unref(st);
}

void jam_free(struct jam *j)
{
	while (j->first)
		send_all(j->nw, pair_end(j, j->first), drop);
	map_fini(&j->pairs);
	free(j);
}
