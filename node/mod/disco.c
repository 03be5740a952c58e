/*
 * XEP-0030 Service Discovery: info and items of the service and of accounts.
 *
 * An account answers its owner and those who may see its presence; anybody else gets service-unavailable, exactly as for an account that
 * does not exist (XEP-0030 section 8).
 */
#include "node/api.h"
#include "proto/xml/names.h"

static struct disco_ask ask_of(const struct iq *iq)
{
	return (struct disco_ask){ .host = iq->host, .user = iq->user, .who = &iq->stanza->from, .node = elem_attr(iq->payload, "node") };
}

static int on_info(struct iq *iq)
{
	struct elem *root;
	struct disco_ask ask = ask_of(iq);
	struct stanza *reply = iq_result(iq, &root);
	struct elem *query = elem_add(reply->arena, root, NS_DISCO_INFO, STR("query"));
	if (str_present(ask.node))
		elem_set(reply->arena, query, STR("node"), arena_str(reply->arena, ask.node));
	if (!disco_info_write(&ask, reply->arena, query)) {
		stanza_unref(reply);
		return -STANZA_ITEM_NOT_FOUND;
	}
	iq_send(iq, reply);
	return DONE;
}

static int on_items(struct iq *iq)
{
	struct elem *root;
	struct disco_ask ask = ask_of(iq);
	struct stanza *reply = iq_result(iq, &root);
	struct elem *query = elem_add(reply->arena, root, NS_DISCO_ITEMS, STR("query"));
	if (str_present(ask.node))
		elem_set(reply->arena, query, STR("node"), arena_str(reply->arena, ask.node));
	bool known = hooks_disco_items(&ask, reply->arena, query);
	if (str_present(ask.node) && !known) {
		stanza_unref(reply);
		return -STANZA_ITEM_NOT_FOUND;
	}
	iq_send(iq, reply);
	return DONE;
}

static const struct iq_route iqs[] = {
	{ IQ_HOST | IQ_OWN | IQ_FRIEND, TYPE_GET, &NS_DISCO_INFO, "query", on_info },
	{ IQ_HOST | IQ_OWN | IQ_FRIEND, TYPE_GET, &NS_DISCO_ITEMS, "query", on_items },
};
static const char *const features[] = { "http://jabber.org/protocol/disco#info", "http://jabber.org/protocol/disco#items", NULL };

const struct module mod_disco = {
	.name = "disco",
	.xep = "XEP-0030",
	.version = "2.5.0",
	.doc = "Tells what the service and accounts can do.",
	.features = features,
	.account_features = features,
	.iqs = iqs,
	.n_iqs = 2,
};
