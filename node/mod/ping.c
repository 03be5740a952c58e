/* XEP-0199 XMPP Ping: clients ask the service, their account or (through it) nobody else; we answer. */
#include "node/api.h"
#include "proto/xml/names.h"

static int on_ping(struct iq *iq)
{
	iq_send_empty(iq);
	return DONE;
}

static const struct iq_route iqs[] = {
	{ IQ_HOST | IQ_OWN, TYPE_GET, &NS_PING, "ping", on_ping },
};
static const char *const features[] = { "urn:xmpp:ping", NULL };

const struct module mod_ping = {
	.name = "ping",
	.xep = "XEP-0199",
	.version = "2.0.1",
	.doc = "Answers pings to the service and to one's own account.",
	.features = features,
	.iqs = iqs,
	.n_iqs = 1,
};
