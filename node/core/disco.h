/*
 * disco.h: what the service and accounts say of themselves (XEP-0030): gathered from the modules' descriptors and hooks. Here rather
 * than in a feature because two of them need it: disco answers with it, caps hashes it.
 */
#ifndef NODE_CORE_DISCO_H
#define NODE_CORE_DISCO_H

#include "node/core/module.h"

struct disco_ask {
	struct host *host;
	struct user *user;     /* the account asked about; NULL: the service */
	const struct jid *who; /* who asks; NULL: anybody, as for a hash that all see */
	struct str node;       /* absent: the thing itself */
};

/* Appends identities, features and forms. False: nobody knows this node. */
bool disco_info_write(const struct disco_ask *ask, struct arena *a, struct elem *query);

#endif
