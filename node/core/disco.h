/*
 * disco.h: what the service and accounts say of themselves (XEP-0030): gathered from the modules' descriptors and hooks. Here rather
 * than in a feature because two of them need it: disco answers with it, caps hashes it.
 */
#ifndef NODE_CORE_DISCO_H
#define NODE_CORE_DISCO_H

#include "node/core/module.h"

/* Appends identities, features and forms of the service (u NULL) or an account. False: nobody knows this node. */
bool disco_info_write(struct host *h, struct user *u, struct str node, struct arena *a, struct elem *query);

#endif
