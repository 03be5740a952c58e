#include "node/core/life.h"

#include <openssl/rand.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/core/ending.h"
#include "node/core/fleet.h"
#include "node/core/ghost.h"
#include "node/core/giveback.h"
#include "node/core/hooks.h"
#include "node/core/log.h"
#include "node/core/notify.h"
#include "node/core/placing.h"
#include "node/core/session.h"
#include "node/core/settings.h"
#include "node/core/stores.h"
#include "node/ctl/relay.h"
#include "node/ctl/server.h"
#include "node/http/http.h"
#include "node/net/endpoints.h"
#include "node/net/inherited.h"
#include "node/stream/c2s.h"

#define WATCH_MS    10
#define WATCH_IDLE_MS 1000 /* while no worker does anything */
#define SLOW_MS     50
#define MUTTER_MS   5000

/* What main's timers need; there is one node in a process. */
struct life {
	struct node *node;
	struct ctl_server *ctl; /* until the end begins */
	struct ending *ending;
	struct http *http;
	struct tls_config *tls;
	struct watchdog dogs[WORKERS_MAX];
	struct timer watch, mutter, end_timer;
	struct giveback giveback;
	bool restart, failed;
	uint64_t tell_at_ms;
	uint64_t watch_ms;
};

/* ---- workers ---- */

void life_serve(struct node_worker *nw)
{
	for (unsigned i = 0; i < nw->node->n_listens; i++)
		listener_start(nw, &nw->node->listens[i]);
	nw->node->workers_ready++;
}

static void on_worker_start(struct worker *w)
{
	struct node_worker *nw = nw_of(w);
	if (nw->fleet)
		fleet_worker_start(nw->fleet);
	else
		life_serve(nw);
}

/* Empty by now, unless the start failed half-way. */
static void on_worker_stop(struct worker *w)
{
	listener_stop_all(nw_of(w));
	c2s_abort_all(nw_of(w));
	ghost_end_all(nw_of(w));
	relay_give_up(nw_of(w));
	placing_end(nw_of(w));
}

/* Health checks were answered up to here. */
static void on_end(struct node *n)
{
	worker_timer_cancel(n->main, &n->life->watch);
	worker_timer_cancel(n->main, &n->life->mutter);
	worker_timer_cancel(n->main, &n->life->end_timer);
	http_stop(&n->life->http);
	worker_stop(n->main);
}

void life_drain(struct node *n)
{
	struct ctl_server *ctl = n->life->ctl;
	notify_send("STOPPING=1\nSTATUS=Streams are being closed");
	n->life->ctl = NULL;
	ending_begin(n->life->ending, ctl, on_end);
}

/* ---- the main thread's timers ---- */

/* The service manager hears that the node lives as long as no worker hangs: then it starts the node anew. */
static void tell_manager(struct life *l, uint64_t now_ms)
{
	uint64_t every_ms = notify_alive_every_ms();
	if (!every_ms || now_ms < l->tell_at_ms)
		return;
	for (unsigned i = 0; i < l->node->n_workers; i++)
		if (watchdog_stuck_ms(&l->dogs[i], now_ms) > every_ms)
			return;
	notify_send("WATCHDOG=1");
	l->tell_at_ms = now_ms + every_ms;
}

static void on_end_timer(struct timer *t)
{
	struct life *l = (struct life *)((char *)t - offsetof(struct life, end_timer));
	life_drain(l->node);
}

void life_end_after(struct node *n, uint64_t delay_ms, bool restart)
{
	struct life *l = n->life;
	l->restart = restart;
	if (n->draining)
		return;
	if (delay_ms)
		LOG(LOG_INFO, "node", "will stop", L_UINT("in_ms", delay_ms), L_BOOL("restart", restart));
	l->end_timer.on_timer = on_end_timer;
	worker_timer_set(n->main, &l->end_timer, delay_ms);
}

void life_forget_plans(struct node *n)
{
	n->life->restart = false;
	worker_timer_cancel(n->main, &n->life->end_timer);
}

bool life_wants_restart(const struct node *n)
{
	return n->life->restart;
}

static void on_watch(struct timer *t)
{
	struct life *l = (struct life *)((char *)t - offsetof(struct life, watch));
	struct worker *main = l->node->main;
	bool quiet = true;
	for (unsigned i = 0; i < l->node->n_workers; i++) {
		uint64_t for_ms;
		const char *doing = watchdog_look(&l->dogs[i], main->now_ms, &for_ms);
		if (doing)
			LOG(LOG_WARN, "watchdog", "a callback takes long", L_Z("worker", l->node->workers[i]->name), L_Z("doing", doing),
			    L_UINT("ms", for_ms));
		quiet &= l->dogs[i].quiet;
	}
	tell_manager(l, main->now_ms);
	l->watch_ms = !quiet ? WATCH_MS : l->watch_ms < WATCH_IDLE_MS / 2 ? l->watch_ms * 2 : WATCH_IDLE_MS;
	worker_timer_set(main, t, l->watch_ms);
}

static void on_mutter(struct timer *t)
{
	struct life *l = (struct life *)((char *)t - offsetof(struct life, mutter));
	log_report_suppressed();
	giveback_look(&l->giveback);
	worker_timer_set(l->node->main, t, MUTTER_MS);
}

/* ---- certificates ---- */

struct tls_hand {
	struct message message;
	struct tls_config *tls;
};

static void on_tls(struct worker *w, struct message *m, bool cancelled)
{
	struct tls_hand *h = (struct tls_hand *)m;
	struct tls_config *drop = h->tls;
	if (!cancelled) {
		drop = nw_of(w)->tls;
		nw_of(w)->tls = h->tls;
	}
	tls_config_unref(drop);
	free(h);
}

static void tls_tell(const struct tls_config *tls)
{
	for (size_t i = 0; i < tls_host_count(tls); i++) {
		int days = tls_host_days_left(tls, i, worker_wall_ms() / 1000);
		if (tls_host_self_signed(tls, i))
			LOG(LOG_WARN, "tls", "self-signed certificate: clients will ask their users whether to trust it",
			    L_STR("host", tls_host_name(tls, i)));
		if (days < 14)
			LOG(LOG_WARN, "tls", "certificate ends soon", L_STR("host", tls_host_name(tls, i)), L_INT("days", days));
	}
}

enum err life_load_tls(const struct node *n, const struct config *c, struct tls_config **out, struct buf *why)
{
	*out = endpoints_tls(n, c, n->life->tls, why);
	return *out ? ERR_NONE : ERR_INVALID;
}

void life_use_tls(struct node *n, struct tls_config *fresh)
{
	tls_config_unref(n->life->tls);
	n->life->tls = fresh;
	for (unsigned i = 0; i < n->n_workers; i++) {
		struct tls_hand *h = xzalloc(sizeof *h);
		h->message.run = on_tls;
		h->tls = tls_config_ref(fresh);
		worker_post(n->workers[i], &h->message);
	}
	tls_tell(fresh);
	LOG(LOG_INFO, "tls", "certificates loaded again");
}

enum err life_reload_tls(struct node *n, struct buf *why)
{
	struct tls_config *fresh;
	enum err e = life_load_tls(n, n->config, &fresh, why);
	if (e == ERR_NONE)
		life_use_tls(n, fresh);
	return e;
}

const struct tls_config *life_tls(const struct node *n)
{
	return n->life ? n->life->tls : NULL;
}

/* ---- start ---- */

/* The service's secret outlives restarts: fake SCRAM salts must not change between two looks. */
static enum err secret_load(struct node *n, struct buf *why)
{
	if (n->fleet) {
		fleet_service_secret(n);
		return ERR_NONE;
	}
	struct str path = arena_printf(n->arena, "%.*s/secret", STR_ARG(n->data_dir));
	FILE *f = fopen(path.p, "rb");
	size_t got = f ? fread(n->secret, 1, sizeof n->secret, f) : 0;
	if (f)
		fclose(f);
	if (got == sizeof n->secret)
		return ERR_NONE;
	BUG_ON(RAND_bytes(n->secret, sizeof n->secret) != 1);
	mode_t before = umask(0077);
	f = fopen(path.p, "wb");
	umask(before);
	bool ok = f && fwrite(n->secret, 1, sizeof n->secret, f) == sizeof n->secret;
	if (f && fclose(f) != 0)
		ok = false;
	if (!ok)
		buf_addf(why, "cannot write %s", path.p);
	return ok ? ERR_NONE : ERR_IO;
}

static enum err data_dir_make(struct node *n, struct buf *why)
{
	n->data_dir = config_str(n->config, "data_dir");
	if (mkdir(n->data_dir.p, 0700) == 0 || access(n->data_dir.p, W_OK | X_OK) == 0)
		return ERR_NONE;
	buf_addf(why, "cannot use the data folder %.*s: %s", STR_ARG(n->data_dir), strerrordesc_np(errno));
	return ERR_IO;
}

static void on_no_store(struct node *n)
{
	n->life->failed = true;
	life_end_after(n, 0, false);
}

bool life_has_failed(const struct node *n)
{
	return n->life->failed;
}

static enum err modules_start(struct node *n, struct buf *why)
{
	struct rng rng;
	const char *shuffle = getenv("STARLING_SHUFFLE_HOOKS");
	if (shuffle)
		rng_init_seeded(&rng, strtoull(shuffle, NULL, 10));
	n->hooks = hooks_new(n, shuffle ? &rng : NULL);
	for (unsigned h = 0; h < n->n_hosts; h++)
		for (unsigned i = 0; all_modules[i]; i++)
			if (host_has_module(n->hosts[h], all_modules[i]) && all_modules[i]->host_start &&
			    all_modules[i]->host_start(n->hosts[h], why) != ERR_NONE)
				return ERR_INVALID;
	if (placing_find_services(n, why) != ERR_NONE)
		return ERR_INVALID;
	for (unsigned h = 0; h < n->n_hosts; h++)
		for (unsigned i = 0; all_modules[i]; i++)
			if (host_has_module(n->hosts[h], all_modules[i]) && all_modules[i]->host_ready)
				all_modules[i]->host_ready(n->hosts[h]);
	return ERR_NONE;
}

static void modules_stop(struct node *n)
{
	for (unsigned h = 0; n->hooks && h < n->n_hosts; h++)
		for (unsigned i = 0; all_modules[i]; i++)
			if (host_has_module(n->hosts[h], all_modules[i]) && all_modules[i]->host_stop)
				all_modules[i]->host_stop(n->hosts[h]);
	hooks_free(n->hooks);
}

static void workers_make(struct node *n)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t wanted = config_int(n->config, "workers");
	n->n_workers = (unsigned)(wanted ? wanted : cpus < 1 ? 1 : cpus > WORKERS_MAX ? WORKERS_MAX : cpus);
	for (unsigned i = 0; i < n->n_workers; i++) {
		n->workers[i] = worker_new(i, arena_printf(n->arena, "w%u", i).p);
		struct node_worker *nw = node_worker_new(n, n->workers[i]);
		nw->fleet = n->fleet ? fleet_worker_new(nw) : NULL;
		nw->placing = placing_new(nw);
		watchdog_init(&n->life->dogs[i], n->workers[i], SLOW_MS);
	}
}

static enum err workers_start(struct node *n)
{
	enum err e = ERR_NONE;
	for (unsigned i = 0; e == ERR_NONE && i < n->n_workers; i++)
		e = worker_start(n->workers[i], on_worker_start, on_worker_stop);
	return e;
}

static enum err ctl_start(struct node *n, struct buf *why)
{
	struct str path = config_str(n->config, "control_socket");
	if (!str_present(path) || str_empty(path))
		path = arena_printf(n->arena, "%.*s/starling.sock", STR_ARG(n->data_dir));
	n->control_path = path;
	return ctl_server_start(n, path.p, life_drain, why, &n->life->ctl);
}

enum err life_make(struct node *n, struct config *config, struct buf *why)
{
	n->config = config;
	n->started = config_ref(config);
	n->arena = arena_new(0);
	n->life = arena_zalloc(n->arena, sizeof *n->life);
	n->life->node = n;
	n->life->ending = ending_new(n);
	n->started_wall_ms = worker_wall_ms();
	BUG_ON(RAND_bytes((unsigned char *)n->hash_key, sizeof n->hash_key) != 1);
	enum err e = fleet_make(n, config, why);
	settings_read(config, &n->settings);
	n->limits = limits_new(config, n->hash_key);
	n->main = worker_new(WORKERS_MAX, "main");
	n->started_ms = n->main->now_ms;
	workers_make(n);
	settings_make_hosts(n);
	e = e ? e : data_dir_make(n, why);
	e = e ? e : secret_load(n, why);
	e = e ? e : stores_start(n, on_no_store, why);
	e = e ? e : modules_start(n, why);
	if (!e && !(n->life->tls = endpoints_tls(n, config, NULL, why)))
		e = ERR_INVALID;
	for (unsigned i = 0; !e && i < n->n_workers; i++)
		nw_of(n->workers[i])->tls = tls_config_ref(n->life->tls);
	return e;
}

enum err life_start(struct node *n, struct config *config, struct buf *why)
{
	enum err e = life_make(n, config, why);
	e = e ? e : endpoints_listen(n, why);
	e = e ? e : http_start(n, why, &n->life->http);
	e = e ? e : inherited_all_taken(why);
	e = e ? e : ctl_start(n, why); /* last: who finds its socket finds all else */
	if (e)
		return e;
	tls_tell(n->life->tls);
	n->life->watch.on_timer = on_watch;
	n->life->mutter.on_timer = on_mutter;
	n->life->watch_ms = WATCH_MS;
	worker_timer_set(n->main, &n->life->watch, WATCH_MS);
	worker_timer_set(n->main, &n->life->mutter, MUTTER_MS);
	giveback_look(&n->life->giveback); /* what the node itself is made of is no waste */
	e = workers_start(n);
	return e ? e : fleet_start(n, why);
}

void life_finish(struct node *n)
{
	ctl_server_stop(n->life->ctl, NULL, NULL);
	http_stop(&n->life->http);
	for (unsigned i = 0; i < n->n_workers; i++)
		worker_stop(n->workers[i]);
	for (unsigned i = 0; i < n->n_workers; i++)
		worker_join(n->workers[i]);
	fleet_stop(n);
	stores_close(n);
	for (unsigned i = 0; i < n->n_listens; i++)
		listen_unbind(&n->listens[i]);
	for (unsigned i = 0; i < n->n_workers; i++)
		placing_free(nw_of(n->workers[i])->placing);
	for (unsigned i = 0; i < n->n_workers; i++)
		user_free_all(nw_of(n->workers[i]));
	modules_stop(n);
	for (unsigned i = 0; i < n->n_workers; i++) {
		struct node_worker *nw = nw_of(n->workers[i]);
		worker_free(n->workers[i]);
		fleet_worker_free(nw->fleet);
		node_worker_free(nw);
	}
	worker_free(n->main);
	ending_free(n->life->ending);
	tls_config_unref(n->life->tls);
	fleet_free(n);
	limits_free(n->limits);
	config_unref(n->config);
	config_unref(n->started);
	for (unsigned i = 0; i < n->n_hosts; i++)
		roles_fini(&n->hosts[i]->roles);
	arena_free(n->arena);
}
