/*
 * host.h: a virtual host: a domain that this service answers for. Made at start, read-only afterwards but for modules' slots.
 */
#ifndef NODE_CORE_HOST_H
#define NODE_CORE_HOST_H

#include "node/core/roles.h"
#include "proto/addr/jid.h"
#include "proto/sasl/sasl.h"

struct node;
struct store;
struct module;

struct host {
	struct node *node;
	struct jid jid;          /* the domain alone, prepared */
	struct str name;         /* the same as text, NUL-terminated */
	unsigned index;
	bool anonymous;          /* logins are ANONYMOUS only; nothing is stored */
	bool channel_binding;    /* -PLUS mechanisms are offered */
	uint32_t scram_iterations;
	enum sasl_hash strongest_scram;
	struct store *store;     /* of this host's accounts and all that is theirs: the node's, or for an anonymous host one in memory */
	struct roles roles;
	struct arena *arena;
	char *slots;
	uint64_t enabled;        /* a bit per module of all_modules */
};

/* NULL when the domain is not ours. */
struct host *host_find(const struct node *n, struct str domain);
/* What a feature keeps in the store for the host has changed: on the other nodes its host_stale runs. */
void host_changed(struct host *h, const struct module *m);
/* What a feature says to itself on all nodes that are there: its host_told. Any thread; what one worker says comes in its order. */
#define HOST_TELL_MAX (32u << 10)
void host_tell(struct host *h, const struct module *m, struct str text);
bool host_has_module(const struct host *h, const struct module *m);

#endif
