/*
 * roles.h: who may administer: addresses in the configuration, by host or for the whole service.
 *
 *	admin:
 *	  server: [anna@example.org]           # everything, on every host
 *	hosts:
 *	  example.net:
 *	    admin: {host: [ben@example.net]}   # the accounts and announcements of example.net
 *
 * An administrator is known by its bare JID, of whatever domain: whoever can log in as that. Read at start and at each reload.
 */
#ifndef NODE_CORE_ROLES_H
#define NODE_CORE_ROLES_H

#include "node/core/config.h"
#include "proto/addr/jid.h"

struct host;

/* Ordered: each may do what those before it may. */
enum role { ROLE_STRANGER, ROLE_USER, ROLE_HOST_ADMIN, ROLE_SERVER_ADMIN };

struct roles {
	size_t n_server, n_host;
	const struct jid *server, *host;
	struct arena *arena; /* of both */
};

void roles_register(struct config_schema *s);
/* What a host's part of the configuration says; again in place of what it said before (zeroed: nothing). roles_fini it. */
void roles_read(struct roles *r, const struct config *c, struct str host);
void roles_fini(struct roles *r);
/* What `who` is at this host; a user is whoever has an address there. */
enum role role_of(const struct host *h, const struct jid *who);
const char *role_name(enum role r);

#endif
