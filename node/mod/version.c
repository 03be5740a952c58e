/* XEP-0092 Software Version: name and version; the operating system only if the operator wants it told. */
#include "node/api.h"

#include <sys/utsname.h>

#include "proto/xml/names.h"

extern const struct module mod_version;

struct slot {
	bool show_os;
};

static const struct option options[] = {
	{ .name = "show_os", .kind = OPTION_BOOL, .default_text = "false", .doc = "Tell the operating system's name too." },
};

static void host_reload(struct host *h)
{
	struct slot *slot = host_slot(h, &mod_version);
	slot->show_os = module_bool(h, &mod_version, "show_os");
}

static enum err host_start(struct host *h, struct buf *why)
{
	host_reload(h);
	return ERR_NONE;
}

static int on_version(struct iq *iq)
{
	struct slot *slot = host_slot(iq->host, &mod_version);
	struct utsname u;
	struct elem *root;
	struct stanza *reply = iq_result(iq, &root);
	struct elem *q = elem_add(reply->arena, root, NS_VERSION, STR("query"));
	elem_add_text(reply->arena, q, STR("name"), STR("Starling"));
	elem_add_text(reply->arena, q, STR("version"), STR(STARLING_VERSION));
	if (slot->show_os && uname(&u) == 0)
		elem_add_text(reply->arena, q, STR("os"), arena_str(reply->arena, str_of(u.sysname)));
	iq_send(iq, reply);
	return DONE;
}

static const struct iq_route iqs[] = {
	{ IQ_HOST, TYPE_GET, &NS_VERSION, "query", on_version },
};
static const char *const features[] = { "jabber:iq:version", NULL };

const struct module mod_version = {
	.name = "version",
	.xep = "XEP-0092",
	.version = "1.1",
	.doc = "Tells name and version of the server.",
	.features = features,
	.options = options,
	.n_options = 1,
	.iqs = iqs,
	.n_iqs = 1,
	.host_slot = sizeof(struct slot),
	.host_start = host_start,
	.host_reload = host_reload,
};
