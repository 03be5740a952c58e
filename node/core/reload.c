#include "node/core/reload.h"

#include <unistd.h>

#include "node/core/life.h"
#include "node/core/log.h"
#include "node/core/log_options.h"
#include "node/core/notify.h"
#include "node/core/pause.h"
#include "node/core/settings.h"
#include "node/net/tls.h"

/* While all workers stand still. */
static void apply(struct node *n, void *arg)
{
	n->config = arg;
	settings_read(n->config, &n->settings);
	limits_reload(n->limits, n->config);
	for (unsigned h = 0; h < n->n_hosts; h++) {
		settings_read_host(n->hosts[h]);
		for (unsigned i = 0; all_modules[i]; i++)
			if (all_modules[i]->host_reload && host_has_module(n->hosts[h], all_modules[i]))
				all_modules[i]->host_reload(n->hosts[h]);
	}
}

/* `fresh` is consumed. The log file comes first, as it is the only step that can fail besides the certificates; to open a file changes
 * nothing. */
static enum err swap(struct node *n, struct config *fresh, struct buf *why)
{
	struct config *old = n->config;
	struct tls_config *tls = NULL;
	struct log_file file = { -1 };
	enum err e = log_file_open(fresh, &file, why);
	e = e ? e : life_load_tls(n, fresh, &tls, why);
	if (e == ERR_NONE && (e = pause_and(n, apply, fresh)) != ERR_NONE)
		buf_addz(why, "a worker does not answer");
	if (e != ERR_NONE) {
		log_file_close(&file);
		tls_config_unref(tls);
		config_unref(fresh);
		return e;
	}
	log_file_use(fresh, &file);
	log_apply_again(fresh);
	life_use_tls(n, tls);
	config_unref(old);
	return ERR_NONE;
}

enum err reload_config(struct node *n, bool dry_run, void (*tell)(void *arg, const struct config_change *ch), void *arg, struct buf *why)
{
	struct config *fresh;
	if (n->draining) {
		buf_addz(why, "the node is stopping");
		return ERR_UNAVAILABLE;
	}
	enum err e = config_load(n->schema, n->config_path, environ, why, &fresh);
	if (e != ERR_NONE)
		return e;
	config_diff(n->config, fresh, tell, arg);
	if (!dry_run)
		return swap(n, fresh, why);
	config_unref(fresh);
	return ERR_NONE;
}

static void log_change(void *arg, const struct config_change *ch)
{
	struct buf line;
	buf_init(&line, 1024);
	config_add_change(&line, ch);
	LOG_EACH(LOG_INFO, "node", "configuration changed", L_STR("change", buf_str(&line)));
	buf_fini(&line);
}

void reload_and_log(struct node *n)
{
	struct buf why;
	buf_init(&why, 65536);
	notify_reloading();
	if (reload_config(n, false, log_change, NULL, &why) == ERR_NONE)
		LOG(LOG_INFO, "node", "configuration and certificates loaded again");
	else
		LOG(LOG_ERROR, "node", "configuration stays as it was", L_STR("reason", buf_str(&why)));
	notify_send("READY=1");
	buf_fini(&why);
}
