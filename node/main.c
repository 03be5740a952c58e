/*
 * main.c: arguments, signals, exit codes. Called as starlingctl it is the control client. The node's life is core/life.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/core/drain.h"
#include "node/core/fleet.h"
#include "node/core/life.h"
#include "node/core/log.h"
#include "node/core/log_options.h"
#include "node/core/notify.h"
#include "node/core/reload.h"
#include "node/core/settings.h"
#include "node/core/stores.h"
#include "node/ctl/client.h"
#include "node/http/http.h"
#include "node/http/scrape.h"
#include "node/net/endpoints.h"
#include "node/net/inherited.h"
#include "node/version.h"

enum { EXIT_USAGE = 2, EXIT_CONFIG = 78 };
#define AGAIN (-1) /* no exit code: the process begins again */
enum mode { MODE_RUN, MODE_CHECK, MODE_DEFAULTS, MODE_REFERENCE, MODE_METRICS };

struct arguments {
	enum mode mode;
	const char *config;
	struct str folder; /* of this program, with its last slash: where starlingctl is */
};

static void usage(FILE *f)
{
	fputs("usage: starling [--config FILE]        run a node (default: STARLING_CONFIG, else none; data in ./starling-data)\n"
	      "       starling --check-config [FILE]  check a configuration and say what is wrong with it\n"
	      "       starling --print-defaults       a configuration file with every option, its default and what it means\n"
	      "       starling --print-reference      the same as Markdown\n"
	      "       starling --print-metrics        every metric, as Markdown\n"
	      "       starling --version | --help\n"
	      "Signals: TERM and INT end the node; HUP reads configuration and certificates again.\n",
	      f);
}

/* True: go on. False: *code is the exit code. */
static bool arguments_read(int argc, char **argv, struct arguments *out, int *code)
{
	*code = EXIT_SUCCESS;
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		bool has_value = i + 1 < argc && argv[i + 1][0] != '-';
		if (strcmp(a, "--config") == 0 && has_value) {
			out->config = argv[++i];
		} else if (strcmp(a, "--check-config") == 0) {
			out->mode = MODE_CHECK;
			if (has_value)
				out->config = argv[++i];
		} else if (strcmp(a, "--print-defaults") == 0) {
			out->mode = MODE_DEFAULTS;
		} else if (strcmp(a, "--print-reference") == 0) {
			out->mode = MODE_REFERENCE;
		} else if (strcmp(a, "--print-metrics") == 0) {
			out->mode = MODE_METRICS;
		} else if (strcmp(a, "--version") == 0) {
			printf("starling %s\n", STARLING_VERSION);
			return false;
		} else if (strcmp(a, "--help") == 0) {
			usage(stdout);
			return false;
		} else {
			fprintf(stderr, "starling: what is '%s'?\n", a);
			usage(stderr);
			*code = EXIT_USAGE;
			return false;
		}
	}
	return true;
}

/* ---- signals ---- */

struct signals {
	uv_signal_t term, interrupt, hup;
};

static void on_end_signal(uv_signal_t *s, int number)
{
	struct node *n = s->data;
	(void)number;
	life_forget_plans(n); /* even if a restart is under way */
	if (drain_leaves(n))
		drain_begin(n, true);
	else
		life_drain(n);
}

static void on_hup(uv_signal_t *s, int number)
{
	(void)number;
	reload_and_log(s->data);
}

static void signals_block(bool block)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(block ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static void signals_start(struct signals *sig, struct node *n)
{
	uv_loop_t *loop = &n->main->loop;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGPIPE, &ignore, NULL);
	uv_signal_init(loop, &sig->term);
	uv_signal_init(loop, &sig->interrupt);
	uv_signal_init(loop, &sig->hup);
	sig->term.data = sig->interrupt.data = sig->hup.data = n;
	uv_signal_start(&sig->term, on_end_signal, SIGTERM);
	uv_signal_start(&sig->interrupt, on_end_signal, SIGINT);
	uv_signal_start(&sig->hup, on_hup, SIGHUP);
	uv_unref((uv_handle_t *)&sig->term); /* they must not keep the loop alive */
	uv_unref((uv_handle_t *)&sig->interrupt);
	uv_unref((uv_handle_t *)&sig->hup);
	signals_block(false);
}

/* The node is at its end: a second SIGTERM must not turn that into a death by signal, which is what libuv leaves behind. If it begins
 * again, one that comes meanwhile waits until then. */
static void signals_stop(struct signals *sig, bool again)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	uv_close((uv_handle_t *)&sig->term, NULL);
	uv_close((uv_handle_t *)&sig->interrupt, NULL);
	uv_close((uv_handle_t *)&sig->hup, NULL);
	if (again)
		return;
	sigaction(SIGTERM, &ignore, NULL);
	sigaction(SIGINT, &ignore, NULL);
	sigaction(SIGHUP, &ignore, NULL);
	signals_block(false);
}

/* ---- running ---- */

static const char *tls_name(enum listen_tls tls)
{
	return tls == LISTEN_DIRECT_TLS ? "direct TLS" : tls == LISTEN_PLAIN ? "no TLS" : "STARTTLS";
}

static void greet(const struct node *n, const struct arguments *args)
{
	struct str host = n->hosts[0]->name, certificate = config_str(n->config, "tls.certificate");
	bool self_made = !str_present(certificate) || str_empty(certificate);
	printf("\nStarling %s serves %.*s\n", STARLING_VERSION, STR_ARG(host));
	for (unsigned i = 0; i < n->n_listens; i++)
		printf("  on %.*s (%s)\n", STR_ARG(n->listens[i].text), tls_name(n->listens[i].tls));
	printf("\nRegister a user, in another terminal here:\n"
	       "  %.*sstarlingctl register_identified alice %.*s PASSWORD\n"
	       "\nLog in as alice@%.*s with any XMPP client%s. For example:\n"
	       "  profanity, and in it: /connect alice@%.*s server localhost tls %s\n"
	       "\n%s%.*s%sData is in %.*s. Ctrl-C ends the node.\n\n",
	       STR_ARG(args->folder), STR_ARG(host), STR_ARG(host),
	       self_made ? "; the certificate is one that the node made, so let the client trust it" : "", STR_ARG(host),
	       self_made ? "trust" : "force", str_present(n->stats_url) ? "Watch it at " : "", STR_ARG(n->stats_url),
	       str_present(n->stats_url) ? " .\n" : "", STR_ARG(n->data_dir));
	fflush(stdout);
}

static int run(const struct arguments *args, const struct config_schema *schema, struct config *config)
{
	struct node n = { .schema = schema, .config_path = args->config };
	struct signals sig;
	struct buf why;
	char name[VIEW_NAME_MAX];
	bool again = false;
	buf_init(&why, 4096);
	notify_init();
	if (log_apply(config, fleet_name(config, name), &why) != ERR_NONE || inherited_read(&why) != ERR_NONE) {
		fprintf(stderr, "starling: %.*s\n", STR_ARG(buf_str(&why)));
		buf_fini(&why);
		config_unref(config);
		return EXIT_FAILURE;
	}
	signals_block(true); /* for the threads that are made now: no other takes a signal while libuv lets go of it at the end */
	enum err e = life_start(&n, config, &why);
	if (e != ERR_NONE) {
		LOG(LOG_ERROR, "node", "cannot start", L_STR("reason", buf_str(&why)));
		life_finish(&n);
	} else {
		signals_start(&sig, &n);
		for (unsigned i = 0; i < n.n_listens; i++)
			LOG(LOG_INFO, "node", "listening", L_STR("on", n.listens[i].text));
		LOG(LOG_INFO, "node", "started", L_Z("version", STARLING_VERSION), L_UINT("workers", n.n_workers),
		    L_UINT("hosts", n.n_hosts));
		notify_send("READY=1\nSTATUS=Serving %u host%s", n.n_hosts, n.n_hosts == 1 ? "" : "s");
		if (!args->config && !n.fleet) /* somebody tries it out: say how to go on */
			greet(&n, args);
		worker_run(n.main);
		signals_block(true);
		uv_run(&n.main->loop, UV_RUN_NOWAIT); /* one that was caught and not yet told */
		again = life_wants_restart(&n);
		if (life_has_failed(&n))
			e = ERR_UNAVAILABLE;
		signals_stop(&sig, again);
		life_finish(&n);
		LOG(LOG_INFO, "node", "stopped", L_BOOL("restart", again));
	}
	buf_fini(&why);
	return e != ERR_NONE ? EXIT_FAILURE : again ? AGAIN : EXIT_SUCCESS;
}

static int print(const struct config_schema *schema, enum mode mode)
{
	struct buf out;
	buf_init(&out, 4u << 20);
	if (mode == MODE_DEFAULTS)
		config_print_defaults(schema, &out);
	else if (mode == MODE_METRICS)
		scrape_print_reference(&out);
	else
		config_print_reference(schema, &out);
	fwrite(out.p, 1, out.len, stdout);
	buf_fini(&out);
	return EXIT_SUCCESS;
}

static int with_schema(const struct arguments *args, struct config_schema *schema)
{
	struct buf errors;
	struct config *config;
	if (args->mode == MODE_DEFAULTS || args->mode == MODE_REFERENCE || args->mode == MODE_METRICS)
		return print(schema, args->mode);
	buf_init(&errors, 65536);
	enum err e = config_load(schema, args->config, environ, &errors, &config);
	if (e != ERR_NONE)
		fprintf(stderr, "%.*s", STR_ARG(buf_str(&errors)));
	buf_fini(&errors);
	if (e != ERR_NONE)
		return EXIT_CONFIG;
	if (args->mode == MODE_RUN)
		return run(args, schema, config);
	printf("%s: fine\n", args->config ? args->config : "the defaults");
	config_unref(config);
	return EXIT_SUCCESS;
}

/* The same process from its beginning, with the program that lies there now: an update may have put another in its place. */
static int begin_again(const char *program, char **argv)
{
	inherited_pass_on();
	execv(program, argv);
	LOG(LOG_ERROR, "node", "cannot start again", L_Z("program", program), L_ERRNO(errno));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct arguments args = { .mode = MODE_RUN };
	char program[4096];
	const char *slash = strrchr(argv[0], '/');
	int code;
	if (strcmp(slash ? slash + 1 : argv[0], "starlingctl") == 0)
		return ctl_client_main(argc, argv);
	if (!arguments_read(argc, argv, &args, &code))
		return code;
	if (!args.config && args.mode <= MODE_CHECK) { /* for containers, where the command line is the image's */
		const char *path = getenv("STARLING_CONFIG");
		args.config = path && *path ? path : NULL;
	}
	args.folder = slash ? str_span(argv[0], (size_t)(slash - argv[0]) + 1) : STR("");
	struct config_schema *schema = settings_schema();
	endpoints_register(schema);
	log_register(schema);
	stores_register(schema);
	http_register(schema);
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	program[n > 0 ? n : 0] = '\0';
	code = with_schema(&args, schema);
	config_schema_free(schema);
	return code == AGAIN ? begin_again(program, argv) : code;
}
