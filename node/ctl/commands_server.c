/*
 * commands_server.c: the node itself; names as in ejabberdctl.
 */
#include "node/core/crowd.h"
#include "node/core/life.h"
#include "node/core/log.h"
#include "node/core/log_options.h"
#include "node/core/reload.h"
#include "node/ctl/errand.h"
#include "node/net/tls.h"
#include "node/version.h"
#include "proto/base/encode.h"

static uint64_t uptime_s(const struct node *n)
{
	return (n->main->now_ms - n->started_ms) / 1000;
}

static void run_status(struct call *c)
{
	struct node *n = c->node;
	char stamp[STAMP_BYTES];
	uint64_t up_s = uptime_s(n);
	int64_t sessions = node_metric(n, METRIC_SESSIONS);
	json_t *hosts = json_array();
	for (unsigned i = 0; i < n->n_hosts; i++)
		json_array_append_new(hosts, json_str(n->hosts[i]->name));
	const char *state = n->draining ? "stopping" : "running";
	json_t *data = json_pack("{s:s, s:s, s:o, s:I, s:i, s:I, s:I, s:s, s:b, s:o}", "status", state, "version",
				 STARLING_VERSION, "started", json_str(stamp_format(stamp, n->started_wall_ms, false)), "uptime_s",
				 (json_int_t)up_s, "workers", (int)n->n_workers, "sessions", (json_int_t)sessions, "connections",
				 (json_int_t)node_metric(n, METRIC_CONNECTIONS), "store", store_backend_name(n->store), "store_healthy",
				 store_healthy(n->store), "hosts", hosts);
	call_ok(c, data, "Starling %s is %s: up %llu s, %lld session%s, %u worker%s, %u host%s, store %s %s", STARLING_VERSION,
		state, (unsigned long long)up_s, (long long)sessions, sessions == 1 ? "" : "s", n->n_workers,
		n->n_workers == 1 ? "" : "s", n->n_hosts, n->n_hosts == 1 ? "" : "s", store_backend_name(n->store),
		store_healthy(n->store) ? "works" : "FAILS");
}

static void run_probe(struct call *c)
{
	if (c->node->draining)
		call_fail(c, CTL_FAILED, "the node is stopping");
	else if (!store_healthy(c->node->store))
		call_fail(c, CTL_FAILED, "the store fails");
	else
		call_ok(c, json_true(), "ready");
}

/* ---- figures ---- */

static json_t *figures(const struct node *n)
{
	json_t *o = json_object();
	struct store_stats st;
	store_stats(n->store, &st);
	json_object_set_new(o, "uptimeseconds", json_integer((json_int_t)uptime_s(n)));
	json_object_set_new(o, "onlineusers", json_integer(node_metric(n, METRIC_SESSIONS)));
	for (unsigned m = 0; m < METRIC_COUNT; m++)
		json_object_set_new(o, metric_rows[m].name, json_integer(node_metric(n, (enum metric)m)));
	json_object_set_new(o, "store_waiting", json_integer((json_int_t)st.waiting));
	json_object_set_new(o, "store_waiting_bytes", json_integer((json_int_t)st.waiting_bytes));
	json_object_set_new(o, "store_reads_total", json_integer((json_int_t)st.reads));
	json_object_set_new(o, "store_writes_total", json_integer((json_int_t)st.writes));
	json_object_set_new(o, "store_failed_total", json_integer((json_int_t)st.failed));
	json_object_set_new(o, "store_timeouts_total", json_integer((json_int_t)st.timeouts));
	json_object_set_new(o, "store_refused_total", json_integer((json_int_t)st.refused));
	json_object_set_new(o, "log_lines_lost_total", json_integer((json_int_t)log_lost()));
	return o;
}

static void run_stats(struct call *c)
{
	json_t *all = figures(c->node);
	if (!c->n_args) {
		call_ok(c, all, "%s", "");
		return;
	}
	json_t *one = json_incref(json_object_get(all, c->args[0].p));
	json_decref(all); /* whoever gets the answer, on whatever thread, has it alone */
	if (one)
		call_ok(c, one, "%s", "");
	else
		call_fail(c, CTL_USAGE, "there is no figure '%s'; `stats` without a name shows them all", c->args[0].p);
}

/* ---- logs ---- */

static void run_set_loglevel(struct call *c)
{
	enum log_level level;
	const char *component = c->n_args > 1 ? c->args[1].p : NULL;
	if (!log_level_parse(c->args[0], &level)) {
		call_fail(c, CTL_USAGE, "a level is debug, info, warn, error or off, not '%s'", c->args[0].p);
		return;
	}
	if (component && (!*component || strlen(component) > 32)) {
		call_fail(c, CTL_USAGE, "'%s' cannot be a component; the log names them: component=c2s", component);
		return;
	}
	if (log_set_level(component, level) != ERR_NONE)
		call_fail(c, CTL_FAILED, "there are too many components with a level of their own");
	else
		call_ok(c, NULL, "%s logs %s and above, until the next reload of the configuration", component ? component : "The node",
			log_level_name(level));
}

static void run_get_loglevel(struct call *c)
{
	const char *name = log_level_name(log_level_of(c->n_args ? c->args[0].p : ""));
	call_ok(c, json_string(name), "%s", name);
}

/* `moved` may be NULL: it was moved by somebody else. */
static void reopen(struct call *c, const char *moved)
{
	struct buf why;
	struct log_file file;
	buf_init(&why, 4096);
	if (log_file_open(c->node->config, &file, &why) != ERR_NONE) {
		call_fail(c, CTL_FAILED, "%.*s", STR_ARG(buf_str(&why)));
	} else if (file.fd < 0) {
		call_fail(c, CTL_FAILED, "the log goes to no file: log.file is not set");
	} else {
		log_file_use(c->node->config, &file);
		call_ok(c, moved ? json_string(moved) : NULL, "The log file is open again%s%s", moved ? "; the old one is " : "",
			moved ? moved : "");
	}
	buf_fini(&why);
}

static void run_reopen_log(struct call *c)
{
	reopen(c, NULL);
}

static void run_rotate_log(struct call *c)
{
	struct buf moved, why;
	buf_init(&moved, 8192);
	buf_init(&why, 16384);
	if (log_file_move(c->node->config, &moved, &why) == ERR_NONE)
		reopen(c, moved.p);
	else
		call_fail(c, CTL_FAILED, "%.*s", STR_ARG(buf_str(&why)));
	buf_fini(&moved);
	buf_fini(&why);
}

/* ---- configuration ---- */

struct changes {
	struct buf text;
	json_t *list;
	unsigned n, later;
};

static json_t *value_text(const struct option_value *v)
{
	struct buf b;
	if (!v)
		return json_null();
	buf_init(&b, 1u << 20);
	option_add_value(&b, v);
	json_t *j = json_str(buf_str(&b));
	buf_fini(&b);
	return j;
}

static void on_change(void *arg, const struct config_change *ch)
{
	struct changes *all = arg;
	config_add_change(&all->text, ch);
	buf_addc(&all->text, '\n');
	all->n++;
	all->later += ch->needs_restart;
	json_array_append_new(all->list, json_pack("{s:o, s:o, s:o, s:o, s:b}", "option", json_str(ch->path), "host",
						   str_present(ch->host) ? json_str(ch->host) : json_null(), "before",
						   value_text(ch->before), "after", value_text(ch->after), "needs_restart",
						   ch->needs_restart));
}

static void run_reload_config(struct call *c)
{
	struct changes all = { .list = json_array() };
	struct buf why;
	bool dry_run = str_present(call_option(c, "dry_run"));
	buf_init(&all.text, 4u << 20);
	buf_init(&why, 65536);
	if (reload_config(c->node, dry_run, on_change, &all, &why) != ERR_NONE) {
		json_decref(all.list);
		call_fail(c, CTL_FAILED, "nothing changed: %.*s", STR_ARG(str_trim(buf_str(&why))));
	} else if (all.n == 0) {
		call_ok(c, all.list, dry_run ? "Nothing would change" : "Nothing changed; certificates and log file are read again");
	} else {
		call_ok(c, all.list, "%.*s%u option%s %s%s", STR_ARG(buf_str(&all.text)), all.n, all.n == 1 ? "" : "s",
			dry_run ? "would change" : "changed", all.later ? "; what needs a restart waits for it" : "");
	}
	buf_fini(&all.text);
	buf_fini(&why);
}

static void run_dump_config(struct call *c)
{
	struct buf text;
	buf_init(&text, 16u << 20);
	config_dump(c->node->config, c->node->started, &text);
	struct str s = str_trim(buf_str(&text));
	call_ok(c, json_str(s), "%.*s", STR_ARG(s));
	buf_fini(&text);
}

/* ---- certificates ---- */

static void run_list_certificates(struct call *c)
{
	json_t *list = json_array();
	const struct tls_config *tls = life_tls(c->node);
	for (size_t i = 0; i < tls_host_count(tls); i++)
		json_array_append_new(list, json_pack("{s:o, s:i, s:b}", "host", json_str(tls_host_name(tls, i)), "days_left",
						      tls_host_days_left(tls, i, worker_wall_ms() / 1000), "self_signed",
						      tls_host_self_signed(tls, i)));
	call_ok(c, list, "%s", "");
}

static void run_reload_certificates(struct call *c)
{
	struct buf why;
	buf_init(&why, 4096);
	if (life_reload_tls(c->node, &why) == ERR_NONE)
		call_ok(c, NULL, "Certificates loaded; new connections use them");
	else
		call_fail(c, CTL_FAILED, "nothing changed: %.*s", STR_ARG(buf_str(&why)));
	buf_fini(&why);
}

/* ---- the end ---- */

#define DELAY_MAX 86400

static void run_stop(struct call *c)
{
	c->stop_after = true;
	call_ok(c, NULL, "The node is stopping");
}

static void run_restart(struct call *c)
{
	life_end_after(c->node, 0, true);
	call_ok(c, NULL, "The node restarts");
}

/* DELAY [TEXT...]: whoever is connected is told, and has so long. */
static void end_kindly(struct call *c, bool restart)
{
	uint64_t delay_s;
	if (!call_number(c, c->args[0], "DELAY", 0, DELAY_MAX, &delay_s))
		return;
	if (c->n_args > 1 && c->args[1].len)
		crowd_tell(c->node, NULL, restart ? STR("This service will restart") : STR("This service will stop"), c->args[1], NULL, 0);
	life_end_after(c->node, delay_s * 1000, restart);
	call_ok(c, NULL, "The node %s in %llu s", restart ? "restarts" : "stops", (unsigned long long)delay_s);
}

static void run_stop_kindly(struct call *c)
{
	end_kindly(c, false);
}

static void run_restart_kindly(struct call *c)
{
	end_kindly(c, true);
}

static const struct command commands[] = {
	{ "status", "", COMMAND_READS, "Tells whether and how the node runs.", run_status },
	{ "probe", "", COMMAND_READS,
	  "Exit code 0 when the node serves, 1 when it does not, 3 when it does not answer: for health checks.", run_probe },
	{ "started", "--seconds=N", COMMAND_READS | COMMAND_AWAITS,
	  "Waits until the node has started, at most 60 seconds: for scripts that have just begun to start it.", run_probe },
	{ "stats", "[NAME]", COMMAND_READS, "Shows the node's figures, or one of them.", run_stats },
	{ "set_loglevel", "LEVEL [COMPONENT]", 0,
	  "Sets the log level (debug, info, warn, error, off) of all components, or of one.", run_set_loglevel },
	{ "get_loglevel", "[COMPONENT]", COMMAND_READS, "Tells a log level.", run_get_loglevel },
	{ "reopen_log", "", 0, "Opens the log file again, after it was moved away.", run_reopen_log },
	{ "rotate_log", "", 0, "Moves the log file away, with the time behind its name, and begins a new one.", run_rotate_log },
	{ "reload_config", "--dry_run", 0,
	  "Reads configuration and certificates again, shows what changes, and applies all of it or nothing.", run_reload_config },
	{ "dump_config", "", COMMAND_READS, "Shows every option in force and where its value came from.", run_dump_config },
	{ "list_certificates", "", COMMAND_READS, "Lists the certificates with the days that are left.", run_list_certificates },
	{ "reload_certificates", "", 0, "Reads the certificates again, for new connections.", run_reload_certificates },
	{ "stop", "", 0, "Ends the node: streams are closed, then it exits.", run_stop },
	{ "stop_kindly", "DELAY [ANNOUNCEMENT...]", 0, "The same after so many seconds; all who are connected are told.",
	  run_stop_kindly },
	{ "restart", "", 0, "Ends the node and begins again in the same process, with the program and configuration that lie there then.",
	  run_restart },
	{ "restart_kindly", "DELAY [ANNOUNCEMENT...]", 0, "The same after so many seconds; all who are connected are told.",
	  run_restart_kindly },
	{ 0 },
};

const struct command_group ctl_server = { "server", "The node.", commands };
