#include "node/core/sm_past.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "node/core/sm_private.h"

struct sm_past {
	unsigned next;
	struct {
		uint64_t account;
		uint32_t handled;
		char id[SM_ID_CHARS];
	} of[SM_PAST_MAX];
};

void sm_past_add(struct node_worker *nw, struct str bare, struct str id, uint32_t handled)
{
	if (!nw->sm_past)
		nw->sm_past = xzalloc(sizeof *nw->sm_past);
	struct sm_past *p = nw->sm_past;
	unsigned i = p->next++ % SM_PAST_MAX;
	p->of[i].account = str_hash(bare, nw->node->hash_key);
	p->of[i].handled = handled;
	memcpy(p->of[i].id, id.p, SM_ID_CHARS);
}

bool sm_past_find(const struct node_worker *nw, struct str bare, struct str id, uint32_t *handled)
{
	uint64_t account = str_hash(bare, nw->node->hash_key);
	const struct sm_past *p = nw->sm_past;
	for (unsigned i = 0; p && id.len == SM_ID_CHARS && i < SM_PAST_MAX; i++) {
		if (p->of[i].account == account && CRYPTO_memcmp(p->of[i].id, id.p, SM_ID_CHARS) == 0) {
			*handled = p->of[i].handled;
			return true;
		}
	}
	return false;
}

void sm_past_free(struct node_worker *nw)
{
	free(nw->sm_past);
	nw->sm_past = NULL;
}
