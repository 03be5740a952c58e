/*
 * XEP-0478 Stream Limits Advertisement: the longest element that the server takes, and after how long a silence it looks whether the
 * client is still there, in the features before and after authentication.
 */
#include "node/api.h"
#include "proto/xml/names.h"

static void add(struct host *h, bool authenticated, struct arena *a, struct elem *features)
{
	const struct settings *set = &h->node->settings;
	const struct xml_limits *limits = authenticated ? &set->after_auth : &set->before_auth;
	uint64_t idle_ms = set->idle_close_ms;
	if (!idle_ms || (set->idle_ping_ms && set->idle_ping_ms < idle_ms))
		idle_ms = set->idle_ping_ms;
	if (!authenticated)
		idle_ms = set->unauthenticated_ms;
	struct elem *e = elem_add(a, features, NS_STREAM_LIMITS, STR("limits"));
	elem_add_text(a, e, STR("max-bytes"), arena_printf(a, "%u", limits->max_bytes));
	if (idle_ms >= 1000)
		elem_add_text(a, e, STR("idle-seconds"), arena_printf(a, "%llu", (unsigned long long)(idle_ms / 1000)));
}

static void early_features(struct host *h, const struct ip *peer, struct arena *a, struct elem *features)
{
	add(h, false, a, features);
}

static void stream_features(struct host *h, struct arena *a, struct elem *features)
{
	add(h, true, a, features);
}

const struct module mod_stream_limits = {
	.name = "stream_limits",
	.xep = "XEP-0478",
	.version = "0.2.0",
	.doc = "Tells clients how long a stanza may be.",
	.hooks = { .early_features = early_features, .stream_features = stream_features },
};
