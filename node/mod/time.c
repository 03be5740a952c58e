/* XEP-0202 Entity Time: the service's clock, in UTC and with the local zone's offset. */
#include "node/api.h"

#include <time.h>

#include "proto/base/encode.h"
#include "proto/xml/names.h"

/* "+02:00", "Z" for none (XEP-0082). */
static struct str zone_text(struct arena *a, time_t now)
{
	struct tm local;
	if (!localtime_r(&now, &local) || local.tm_gmtoff == 0)
		return STR("Z");
	long minutes = local.tm_gmtoff / 60;
	unsigned long away = (unsigned long)(minutes < 0 ? -minutes : minutes);
	return arena_printf(a, "%c%02lu:%02lu", minutes < 0 ? '-' : '+', away / 60, away % 60);
}

static int on_time(struct iq *iq)
{
	char stamp[STAMP_BYTES];
	struct elem *root;
	int64_t now_ms = worker_wall_ms();
	struct stanza *reply = iq_result(iq, &root);
	struct elem *t = elem_add(reply->arena, root, NS_TIME, STR("time"));
	elem_add_text(reply->arena, t, STR("tzo"), zone_text(reply->arena, (time_t)(now_ms / 1000)));
	elem_add_text(reply->arena, t, STR("utc"), arena_str(reply->arena, stamp_format(stamp, now_ms, false)));
	iq_send(iq, reply);
	return DONE;
}

static const struct iq_route iqs[] = {
	{ IQ_HOST, TYPE_GET, &NS_TIME, "time", on_time },
};
static const char *const features[] = { "urn:xmpp:time", NULL };

const struct module mod_time = {
	.name = "time",
	.xep = "XEP-0202",
	.version = "2.0",
	.doc = "Tells the server's time.",
	.features = features,
	.iqs = iqs,
	.n_iqs = 1,
};
