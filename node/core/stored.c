#include "node/core/stored.h"

#include "node/core/account.h"
#include "node/core/log.h"
#include "node/core/node.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

enum err stored_write(struct arena *a, const struct elem *e, size_t max_bytes, struct str *out)
{
	struct buf b;
	buf_init(&b, max_bytes);
	xml_write(&b, e, NS_CLIENT, true);
	enum err err = buf_status(&b);
	*out = err ? STR_NONE : arena_str(a, buf_str(&b));
	buf_fini(&b);
	return err;
}

struct elem *stored_read(struct node_worker *nw, struct arena *a, struct str value, const char *what)
{
	struct elem *e = xml_fragment_read(nw->parser, value, a);
	if (!e)
		LOG(LOG_ERROR, "store", "what is stored is broken", L_Z("what", what));
	return e;
}

void stored_if_account(struct store_op *op, const struct host *h)
{
	if (!h->anonymous)
		store_kv_get(op, &account_space);
}

enum stanza_error stored_error(enum err err)
{
	return err == ERR_NOT_FOUND ? STANZA_ITEM_NOT_FOUND : err == ERR_LIMIT ? STANZA_RESOURCE_CONSTRAINT : STANZA_INTERNAL_SERVER_ERROR;
}
