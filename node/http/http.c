#include "node/http/http.h"

#include <stdlib.h>

#include "node/core/log.h"
#include "node/http/api.h"
#include "node/http/health.h"
#include "node/http/httpd.h"
#include "node/http/page.h"
#include "node/http/scrape.h"
#include "node/http/stats.h"

struct http {
	struct httpd *stats;
	struct api *api;
};

static const struct option http_options[] = {
	{ .name = "enabled", .kind = OPTION_BOOL, .default_text = "true", .needs_restart = true,
	  .doc = "Whether there is a stats endpoint." },
	{ .name = "address", .kind = OPTION_STRING, .default_text = "127.0.0.1", .max = 64, .needs_restart = true,
	  .doc = "IPv4 or IPv6 address of the stats endpoint; it asks nobody who they are." },
	{ .name = "port", .kind = OPTION_INT, .default_text = "5280", .min = 1, .max = 65535, .unit = "port", .needs_restart = true,
	  .doc = "TCP port of the stats endpoint." },
};

void http_register(struct config_schema *s)
{
	config_register(s, "http", http_options, sizeof http_options / sizeof *http_options);
	config_describe(s, "http", "The stats endpoint: health, metrics, a live page.");
	api_register(s);
}

/* OpenMetrics unless only the older format is asked for. */
static void on_metrics(struct exchange *x)
{
	struct buf out;
	struct str accept = x->request.accept;
	bool plain = false;
	while (str_present(accept) && !plain) {
		struct str type = str_cut(&accept, ',');
		type = str_trim(str_cut(&type, ';'));
		if (str_caseeq(type, STR("application/openmetrics-text")) || str_is(type, "*/*"))
			break;
		plain = str_caseeq(type, STR("text/plain"));
	}
	buf_init(&out, SCRAPE_MAX);
	scrape_write(x->node, plain, &out);
	if (buf_status(&out) == ERR_NONE)
		exchange_reply(x, 200, plain ? SCRAPE_TEXT : SCRAPE_OPENMETRICS, buf_str(&out));
	else
		exchange_say(x, 503, "the metrics are larger than %u bytes", SCRAPE_MAX);
	buf_fini(&out);
}

static const struct path stats_paths[] = {
	{ "/", REQUEST_GET, page_show },
	{ "/healthz", REQUEST_GET, health_alive },
	{ "/readyz", REQUEST_GET, health_ready },
	{ "/metrics", REQUEST_GET, on_metrics },
	{ "/stats.json", REQUEST_GET, stats_show },
	{ NULL, 0, NULL },
};

static bool is_chosen(const struct config *c, const char *path)
{
	return config_value(c, path)->origin.source != OPTION_FROM_DEFAULT;
}

static struct str url_of(struct node *n)
{
	struct str address = config_str(n->config, "http.address");
	const char *open = str_chr(address, ':') ? "[" : "", *close = str_chr(address, ':') ? "]" : "";
	return arena_printf(n->arena, "http://%s%.*s%s:%d/", open, STR_ARG(address), close, (int)config_int(n->config, "http.port"));
}

static enum err stats_start(struct node *n, struct buf *why, struct http *h)
{
	struct buf reason;
	if (!config_bool(n->config, "http.enabled"))
		return ERR_NONE;
	buf_init(&reason, 1024);
	enum err e = httpd_start(n, "the stats endpoint", config_str(n->config, "http.address").p, (int)config_int(n->config, "http.port"),
				 stats_paths, NULL, &reason, &h->stats);
	if (e == ERR_EXISTS && !is_chosen(n->config, "http.port") && !is_chosen(n->config, "http.address")) {
		LOG(LOG_WARN, "http", "no stats endpoint: its default address is taken (http.port chooses another)",
		    L_STR("reason", buf_str(&reason)));
		e = ERR_NONE;
	}
	if (e != ERR_NONE)
		buf_add_str(why, buf_str(&reason));
	if (h->stats)
		n->stats_url = url_of(n);
	buf_fini(&reason);
	return e;
}

enum err http_start(struct node *n, struct buf *why, struct http **out)
{
	struct http *h = *out = xzalloc(sizeof *h);
	enum err e = stats_start(n, why, h);
	return e != ERR_NONE ? e : api_start(n, why, &h->api);
}

void http_stop(struct http **h)
{
	if (!*h)
		return;
	httpd_stop((*h)->stats);
	api_stop(&(*h)->api);
	free(*h);
	*h = NULL;
}
