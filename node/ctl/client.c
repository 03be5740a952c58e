#include "node/ctl/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/ctl/command.h"
#include "node/version.h"

#define REPLY_MAX    (64u << 20)
#define PASSWORD_MAX 1024

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

static void print_commands(FILE *f)
{
	fprintf(f, "usage: starlingctl [--socket PATH] [--json] COMMAND [ARGUMENT...]\n\ncommands:\n");
	for (const struct command *c = all_commands; c->name; c++)
		fprintf(f, "  %-20s %-36s %s\n", c->name, c->args, c->doc);
	fprintf(f, "\nA password given as '-' is read from standard input. `starlingctl help COMMAND` explains one command.\n"
		   "The socket is STARLING_CTL_SOCKET, else starling-data/starling.sock here, else /run/starling/starling.sock.\n"
		   "exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no server answers\n");
}

static int help(const char *name)
{
	const struct command *c = name ? command_find(str_of(name)) : NULL;
	if (!name) {
		print_commands(stdout);
		return CTL_OK;
	}
	if (!c) {
		fprintf(stderr, "starlingctl: there is no command '%s'\n", name);
		return CTL_USAGE;
	}
	printf("usage: starlingctl %s %s\n\n%s\n", c->name, c->args, c->doc);
	return CTL_OK;
}

static int connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof sa.sun_path) {
		fprintf(stderr, "starlingctl: the socket's path is too long: %s\n", path);
		return -1;
	}
	memcpy(sa.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		fprintf(stderr, "starlingctl: no node is running (nothing answers on %s)\n", path);
	else
		fprintf(stderr, "starlingctl: cannot open %s: %s\n", path, strerrordesc_np(errno));
	if (fd >= 0)
		close(fd);
	return -1;
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

/* The reply's line, parsed; NULL when the connection breaks first. */
static json_t *read_reply(int fd)
{
	struct buf b;
	buf_init(&b, REPLY_MAX);
	for (;;) {
		char *room = buf_reserve(&b, 65536);
		ssize_t n = room ? read(fd, room, 65536) : -1;
		if (n <= 0)
			break;
		b.len += (size_t)n;
		if (b.p[b.len - 1] == '\n')
			break;
	}
	json_t *reply = b.len ? json_loadb(b.p, b.len, 0, NULL) : NULL;
	buf_fini(&b);
	return reply;
}

/* People get one line an item; objects as "key: value" lines or as a row of values. */
static void print_value(const json_t *v, const char *end)
{
	if (json_is_string(v))
		printf("%s%s", json_string_value(v), end);
	else if (json_is_integer(v))
		printf("%lld%s", (long long)json_integer_value(v), end);
	else if (json_is_boolean(v))
		printf("%s%s", json_is_true(v) ? "yes" : "no", end);
	else
		printf("%s", end);
}

static void print_data(const json_t *data)
{
	size_t i;
	const json_t *v;
	const char *key;
	if (json_is_object(data)) {
		json_object_foreach((json_t *)(uintptr_t)data, key, v)
		{
			printf("%s: ", key);
			print_value(v, "\n");
		}
		return;
	}
	if (!json_is_array(data)) {
		print_value(data, "\n");
		return;
	}
	json_array_foreach(data, i, v)
	{
		const json_t *cell;
		if (!json_is_object(v)) {
			print_value(v, "\n");
			continue;
		}
		json_object_foreach((json_t *)(uintptr_t)v, key, cell)
			print_value(cell, "\t");
		printf("\n");
	}
}

static int print_reply(json_t *reply, bool as_json)
{
	int code = (int)json_integer_value(json_object_get(reply, "code"));
	const char *text = json_string_value(json_object_get(reply, "text"));
	const json_t *data = json_object_get(reply, "data");
	if (as_json) {
		json_dumpf(reply, stdout, JSON_INDENT(2));
		printf("\n");
	} else if (code != CTL_OK) {
		fprintf(stderr, "starlingctl: %s\n", text ? text : "failed");
	} else if (text && *text) {
		printf("%s\n", text);
	} else {
		print_data(data);
	}
	return code;
}

/* A password on the command line is seen by everybody who can list processes: '-' reads it. */
static json_t *argument(const char *arg)
{
	char line[PASSWORD_MAX];
	if (strcmp(arg, "-") != 0)
		return json_string(arg);
	if (!fgets(line, sizeof line, stdin))
		return NULL;
	line[strcspn(line, "\r\n")] = 0;
	json_t *j = json_string(line);
	explicit_bzero(line, sizeof line);
	return j;
}

static int run(const struct options *o, int n, char **words)
{
	json_t *args = json_array();
	for (int i = 1; i < n; i++) {
		if (json_array_append_new(args, argument(words[i])) != 0) {
			fprintf(stderr, "starlingctl: argument %d is not UTF-8, or could not be read\n", i);
			json_decref(args);
			return CTL_USAGE;
		}
	}
	json_t *req = json_pack("{s:s, s:o}", "command", words[0], "args", args);
	char *line = json_dumps(req, JSON_COMPACT);
	json_decref(req);
	int code = CTL_NO_SERVER, fd = connect_to(o->socket);
	if (fd >= 0 && send_all(fd, line, strlen(line)) && send_all(fd, "\n", 1)) {
		json_t *reply = read_reply(fd);
		if (reply)
			code = print_reply(reply, o->json);
		else
			fprintf(stderr, "starlingctl: the node went away before it answered\n");
		json_decref(reply);
	}
	if (fd >= 0)
		close(fd);
	free(line);
	return code;
}

int ctl_client_main(int argc, char **argv)
{
	struct options o = { .socket = default_socket() };
	int i = 1;
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			o.json = true;
		} else if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
			o.socket = argv[++i];
		} else if (strcmp(argv[i], "--help") == 0) {
			return help(NULL);
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("starlingctl %s\n", STARLING_VERSION);
			return CTL_OK;
		} else {
			fprintf(stderr, "starlingctl: unknown option %s\n", argv[i]);
			return CTL_USAGE;
		}
	}
	if (i < argc && argc - 1 > i && strcmp(argv[argc - 1], "--json") == 0) {
		o.json = true; /* behind the command, too: that is where people type it */
		argc--;
	}
	if (i >= argc) {
		print_commands(stderr);
		return CTL_USAGE;
	}
	if (strcmp(argv[i], "help") == 0)
		return help(i + 1 < argc ? argv[i + 1] : NULL);
	if (!command_find(str_of(argv[i]))) {
		fprintf(stderr, "starlingctl: there is no command '%s'; `starlingctl help` lists them\n", argv[i]);
		return CTL_USAGE;
	}
	return run(&o, argc - i, argv + i);
}
