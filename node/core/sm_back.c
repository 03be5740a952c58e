#include "node/core/sm_back.h"

#include "node/core/log.h"
#include "node/core/node.h"
#include "node/core/router.h"
#include "proto/forms/delay.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"

/* NULL, and a line in the log, when it is none. */
static struct stanza *stanza_of(struct user *u, const struct unacked_item *i)
{
	enum stanza_error e = STANZA_ERROR_NONE;
	struct arena *a = arena_new(i->len + 1024);
	struct elem *root = xml_fragment_read(u->nw->parser, unacked_item_str(i), a);
	if (root && i->kind == STANZA_MESSAGE)
		root = delay_stamp(a, root, u->host->name, i->at_ms, STR_NONE);
	struct stanza *st = root ? stanza_from_elem(&a, root, NS_CLIENT, &e) : NULL;
	arena_free(a);
	if (st && e == STANZA_ERROR_NONE) {
		st->received_ms = i->at_ms;
		return st;
	}
	LOG(LOG_ERROR, "sm", "what was sent cannot be read back", L_STR("jid", jid_str(&u->jid)), L_UINT("bytes", i->len));
	stanza_unref(st);
	return NULL;
}

void sm_back_write(struct buf *out, struct user *u, const struct unacked_item *i)
{
	struct stanza *st = i->kind == STANZA_MESSAGE ? stanza_of(u, i) : NULL;
	if (st)
		stanza_write(out, st);
	else
		buf_add_str(out, unacked_item_str(i));
	stanza_unref(st);
}

void sm_back_give(struct user *u, const struct unacked_item *i)
{
	struct stanza *st = i->kind != STANZA_PRESENCE ? stanza_of(u, i) : NULL;
	if (st && jid_present(&st->to))
		router_return(u, st);
	else
		stanza_unref(st);
}
