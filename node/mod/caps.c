/*
 * XEP-0115 Entity Capabilities, the server's own: a hash over its disco#info in the stream features (section 6.3), so that clients
 * need not ask again what they have in their cache.
 */
#include "node/api.h"
#include "proto/forms/caps.h"
#include "proto/xml/names.h"

#define CAPS_NODE "urn:starling:server"

extern const struct module mod_caps;

struct slot {
	struct str ver, node_ver; /* "node#ver" */
};

static void host_ready(struct host *h)
{
	struct slot *slot = host_slot(h, &mod_caps);
	struct arena *a = arena_new(0);
	struct elem *query = elem_new(a, NS_DISCO_INFO, STR("query"));
	struct str ver;
	disco_info_write(&(struct disco_ask){ .host = h }, a, query);
	enum err e = caps_hash(a, query, &ver);
	BUG_ON(e != ERR_NONE); /* two modules claim the same feature */
	slot->ver = arena_str(h->arena, ver);
	slot->node_ver = arena_printf(h->arena, "%s#%.*s", CAPS_NODE, STR_ARG(ver));
	arena_free(a);
}

static void stream_features(struct host *h, struct arena *a, struct elem *f)
{
	const struct slot *slot = host_slot(h, &mod_caps);
	struct elem *c = elem_add(a, f, NS_CAPS, STR("c"));
	elem_set(a, c, STR("hash"), STR("sha-1"));
	elem_set(a, c, STR("node"), STR(CAPS_NODE));
	elem_set(a, c, STR("ver"), slot->ver);
}

/* disco#info of "node#ver" says the same as without a node (section 6.2). */
static bool disco_info(const struct disco_ask *ask, struct arena *a, struct elem *query)
{
	const struct slot *slot = host_slot(ask->host, &mod_caps);
	if (ask->user || !str_present(ask->node) || !str_eq(ask->node, slot->node_ver))
		return false;
	disco_info_write(&(struct disco_ask){ .host = ask->host }, a, query);
	return true;
}

static const char *const features[] = { "http://jabber.org/protocol/caps", NULL };

const struct module mod_caps = {
	.name = "caps",
	.xep = "XEP-0115",
	.version = "1.6.0",
	.doc = "Announces the server's capabilities as a hash.",
	.features = features,
	.hooks = { .stream_features = stream_features, .disco_info = disco_info },
	.host_slot = sizeof(struct slot),
	.host_ready = host_ready,
};
