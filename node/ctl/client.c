#include "node/ctl/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "node/core/option.h"
#include "node/ctl/command.h"
#include "node/ctl/manual.h"
#include "node/ctl/show.h"
#include "node/version.h"

#define REPLY_MAX    (64u << 20)
#define PASSWORD_MAX 1024
#define COMMANDS_MAX 512
#define CONNECT_AGAIN_MS 50
#define START_S      60
#define START_S_MAX  86400
#define PROBE_S      5 /* a health check must not hang */

struct options {
	const char *socket;
	bool json;
};

static const char *default_socket(void)
{
	static const char *const places[] = { "starling-data/starling.sock", "/run/starling/starling.sock" };
	const char *env = getenv("STARLING_CTL_SOCKET");
	if (env && *env)
		return env;
	return access(places[0], F_OK) == 0 ? places[0] : places[1];
}

static int unknown(const char *name)
{
	const char *words[COMMANDS_MAX], *near;
	size_t n = 0;
	for (const struct command *c = command_next(NULL, NULL); c && n < COMMANDS_MAX; c = command_next(c, NULL))
		words[n++] = c->name;
	near = option_nearest(str_of(name), words, n);
	fprintf(stderr, "starlingctl: there is no command '%s'; %s%s%s`starlingctl help` lists them\n", name, near ? "did you mean " : "",
		near ? near : "", near ? "? " : "");
	return CTL_USAGE;
}

static int help(const char *name)
{
	const struct command *c = name ? command_find(str_of(name)) : NULL;
	if (!name) {
		manual_help(stdout);
		return CTL_OK;
	}
	if (!c)
		return unknown(name);
	manual_command(c, stdout);
	return CTL_OK;
}

/* -1, with errno. */
static int try_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof sa.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	int e = errno;
	if (fd >= 0)
		close(fd);
	errno = e;
	return -1;
}

/* Tries again for so long while there is no node. */
static int connect_to(const char *path, uint64_t patience_s)
{
	struct timespec pause = { .tv_nsec = CONNECT_AGAIN_MS * 1000000 };
	uint64_t tries = patience_s * 1000 / CONNECT_AGAIN_MS;
	int fd;
	while ((fd = try_connect(path)) < 0 && (errno == ENOENT || errno == ECONNREFUSED) && tries--)
		nanosleep(&pause, NULL);
	if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED))
		fprintf(stderr, "starlingctl: no node is running (nothing answers on %s)\n", path);
	else if (fd < 0)
		fprintf(stderr, "starlingctl: cannot open %s: %s\n", path, strerrordesc_np(errno));
	return fd;
}

static bool send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

/* What the node tells: lines of a stream, which are shown as they come, then the reply. NULL when the connection breaks first. */
static json_t *read_reply(int fd, const struct options *o)
{
	struct buf b;
	json_t *reply = NULL;
	buf_init(&b, REPLY_MAX);
	while (!reply) {
		const char *end = b.len ? memchr(b.p, '\n', b.len) : NULL;
		if (end) {
			json_t *got = json_loadb(b.p, (size_t)(end - b.p), 0, NULL);
			const json_t *line = json_object_get(got, "line");
			buf_consume(&b, (size_t)(end - b.p) + 1);
			if (!line) {
				reply = got;
				break;
			}
			show_line(line, o->json, stdout);
			json_decref(got);
			continue;
		}
		char *room = buf_reserve(&b, 65536);
		ssize_t n = room ? read(fd, room, 65536) : -1;
		if (n <= 0)
			break;
		b.len += (size_t)n;
	}
	buf_fini(&b);
	return reply;
}

/* A line of standard input; a person at a terminal is asked, and what he types is not shown. */
static bool read_secret(char *line, int size)
{
	struct termios before, quiet;
	bool asks = tcgetattr(STDIN_FILENO, &before) == 0;
	if (asks) {
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		fputs("Password: ", stderr);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	bool ok = fgets(line, size, stdin);
	if (asks) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	return ok;
}

/* A password on the command line is seen by everybody who can list processes: '-' reads it. */
static json_t *argument(const struct command *cmd, unsigned i, const char *arg)
{
	char line[PASSWORD_MAX];
	if (strcmp(arg, "-") != 0 || !str_is(command_arg_name(cmd, i), "PASSWORD"))
		return json_string(arg);
	if (!read_secret(line, sizeof line))
		return NULL;
	line[strcspn(line, "\r\n")] = 0;
	json_t *j = json_string(line);
	explicit_bzero(line, sizeof line);
	return j;
}

/* The words behind the command: "--limit 10", "--limit=10", "--dry-run"; "--" ends the options. False: told why. */
static bool words_read(const struct command *cmd, int n, char **words, struct options *o, json_t *args, json_t *options)
{
	bool literal = false;
	for (int i = 0; i < n; i++) {
		const char *w = words[i];
		if (literal || strncmp(w, "--", 2) != 0) {
			if (json_array_append_new(args, argument(cmd, (unsigned)json_array_size(args), w)) != 0) {
				fprintf(stderr, "starlingctl: argument %d is not UTF-8, or could not be read\n", i + 1);
				return false;
			}
			continue;
		}
		struct str value = str_of(w + 2), name = str_cut(&value, '='), value_name;
		if (!w[2]) {
			literal = true;
		} else if (strcmp(w, "--json") == 0) { /* behind the command, too: that is where people type it */
			o->json = true;
		} else if (!command_option(cmd, name, &value_name)) {
			fprintf(stderr, "starlingctl: %s has no option %s; -- goes before an argument that begins with --\n", cmd->name, w);
			return false;
		} else {
			char key[64];
			snprintf(key, sizeof key, "%.*s", STR_ARG(name));
			if (!str_present(value) && str_present(value_name) && i + 1 < n)
				value = str_of(words[++i]);
			else if (!str_present(value))
				value = STR("true");
			json_object_set_new(options, key, json_str(value));
		}
	}
	return true;
}

/* For how long a command waits for its node; false: told why it cannot. */
static bool patience_of(const struct command *cmd, const json_t *options, uint64_t *seconds)
{
	const char *text = json_string_value(json_object_get(options, "seconds"));
	*seconds = cmd->flags & COMMAND_AWAITS ? START_S : 0;
	if (!(cmd->flags & COMMAND_AWAITS) || !text || (str_to_u64(str_of(text), seconds) && *seconds <= START_S_MAX))
		return true;
	fprintf(stderr, "starlingctl: --seconds must be a number from 0 to %d, not '%s'\n", START_S_MAX, text);
	return false;
}

static int ask_node(const struct options *o, const struct command *cmd, json_t *args, json_t *options)
{
	uint64_t patience_s;
	if (!patience_of(cmd, options, &patience_s))
		return CTL_USAGE;
	json_t *req = json_pack("{s:s, s:O, s:O}", "command", cmd->name, "args", args, "options", options);
	char *line = json_dumps(req, JSON_COMPACT);
	json_decref(req);
	int code = CTL_NO_SERVER, fd = connect_to(o->socket, patience_s);
	struct timeval patience = { .tv_sec = PROBE_S };
	if (fd >= 0 && strcmp(cmd->name, "probe") == 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (fd >= 0 && send_all(fd, line, strlen(line)) && send_all(fd, "\n", 1)) {
		json_t *reply = read_reply(fd, o);
		if (reply)
			code = show_reply(reply, o->json, stdout, stderr);
		else
			fprintf(stderr, "starlingctl: the node went away, or did not answer in time\n");
		json_decref(reply);
	}
	if (fd >= 0)
		close(fd);
	free(line);
	return code;
}

/* ---- commands that need no node ---- */

struct local {
	const struct options *options;
	int code;
};

static void on_local_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct local *l = c->asker;
	json_t *reply = json_pack("{s:i, s:o, s:o}", "code", code, "text", json_str(text), "data", data ? data : json_null());
	l->code = show_reply(reply, l->options->json, stdout, stderr);
	json_decref(reply);
}

static int run_here(const struct options *o, const struct command *cmd, const json_t *args, json_t *options)
{
	size_t i;
	const char *name;
	json_t *v;
	struct local l = { .options = o, .code = CTL_FAILED };
	struct arena *a = arena_new(1024);
	struct call *c = arena_zalloc(a, sizeof *c);
	*c = (struct call){ .command = cmd, .arena = a, .done = on_local_done, .asker = &l };
	json_array_foreach(args, i, v)
		if (c->n_args < CTL_ARGS_MAX)
			c->args[c->n_args++] = arena_str(a, str_of(json_string_value(v)));
	json_object_foreach(options, name, v)
		if (c->n_options < CTL_OPTIONS_MAX)
			c->options[c->n_options++] = (struct call_option){ arena_str(a, str_of(name)),
									   arena_str(a, str_of(json_string_value(v))) };
	command_run(c);
	arena_free(a);
	return l.code;
}

static int run(struct options *o, const struct command *cmd, int n, char **words)
{
	json_t *args = json_array(), *options = json_object();
	int code = CTL_USAGE;
	if (words_read(cmd, n, words, o, args, options))
		code = cmd->flags & COMMAND_LOCAL ? run_here(o, cmd, args, options) : ask_node(o, cmd, args, options);
	json_decref(args);
	json_decref(options);
	return code;
}

/* The options before the command; the index of the first other word, or -1: *code is the exit code. */
static int options_read(int argc, char **argv, struct options *o, int *code)
{
	int i = 1;
	*code = CTL_OK;
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			o->json = true;
		} else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
			o->socket = argv[++i];
		} else if (strcmp(argv[i], "--help") == 0) {
			*code = help(NULL);
			return -1;
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("starlingctl %s\n", STARLING_VERSION);
			return -1;
		} else if (strcmp(argv[i], "--manual") == 0) {
			manual_page(stdout);
			return -1;
		} else if (strcmp(argv[i], "--list") == 0) {
			manual_names(stdout);
			return -1;
		} else {
			fprintf(stderr, "starlingctl: unknown option %s\n", argv[i]);
			*code = CTL_USAGE;
			return -1;
		}
	}
	return i;
}

int ctl_client_main(int argc, char **argv)
{
	struct options o = { .socket = default_socket() };
	int code, i = options_read(argc, argv, &o, &code);
	if (i < 0)
		return code;
	if (i >= argc) {
		manual_help(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[i], "help") == 0)
		return help(i + 1 < argc ? argv[i + 1] : NULL);
	const struct command *cmd = command_find(str_of(argv[i]));
	if (!cmd)
		return unknown(argv[i]);
	return run(&o, cmd, argc - i - 1, argv + i + 1);
}
