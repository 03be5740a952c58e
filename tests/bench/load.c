/*
 * load.c: options of the load tool. See load_modes.h for what it measures; `load --help` for how it is called.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "tests/bench/load_modes.h"
#include "tests/bench/load_proc.h"

static const char usage[] =
	"load MODE [options]   MODE: register login idle chat befriend presence\n"
	"  --address IP --port N --domain NAME   the server (127.0.0.1, 5222, localhost)\n"
	"  --pid N              its process: processor time and memory are read from there\n"
	"  --other-port N --other-pid N   another node of the service, once for each: users are spread over all, the two of a pair never\n"
	"                       on one; processor times and memory are added\n"
	"  --tls HOW            none starttls direct (none)\n"
	"  --sasl HOW           scram plain (scram)\n"
	"  --sm N               with stream management (XEP-0198); chat: each asks for acknowledgement after N messages (0: never)\n"
	"  --prefix S --password S   accounts are S0, S1, ... (load), with one password (secret)\n"
	"  --users N            accounts and sessions (100; chat needs an even number)\n"
	"  --parallel N         logins under way at once (32)\n"
	"  --rate N             logins or messages a second (0: as fast as it goes)\n"
	"  --rounds N           login: how often all log in and out (3)\n"
	"  --seconds N --warm-up N   chat: how long is measured (5) and before that (1)\n"
	"  --in-flight N        chat: messages under way for each user (4)\n"
	"  --bytes N            chat: size of a message (300)\n"
	"  --contacts N         befriend, presence: contacts of each (20); users are a multiple of one more\n"
	"  --settle N           idle: seconds before the memory is read again (3)\n"
	"  --marks              idle, chat, presence: lines `mark window` and `mark end` on stderr around what is measured; but for idle\n"
	"                       `mark begin?` and `mark over?` around all; at a question mark it waits for a line on stdin\n";

static const struct mode {
	const char *name;
	int (*run)(struct load *load, const struct load_options *o);
} modes[] = {
	{ "register", load_mode_register }, { "login", load_mode_login }, { "idle", load_mode_idle }, { "chat", load_mode_chat },
	{ "befriend", load_mode_befriend }, { "presence", load_mode_presence },
};

static void refuse(const char *what, const char *value)
{
	fprintf(stderr, "load: %s: '%s'\n%s", what, value, usage);
	exit(2);
}

static unsigned long number(const char *name, const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (!*text || *text == '-' || *end || n > max)
		refuse(name, text);
	return n;
}

static enum load_tls parse_tls(const char *text)
{
	static const char *const names[] = { "none", "starttls", "direct" };
	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0)
			return (enum load_tls)i;
	}
	refuse("--tls", text);
	return LOAD_PLAIN;
}

static const struct option options[] = {
	{ "address", 1, 0, 'a' }, { "port", 1, 0, 'p' }, { "domain", 1, 0, 'd' }, { "pid", 1, 0, 'P' }, { "other-port", 1, 0, 'O' },
	{ "other-pid", 1, 0, 'Q' }, { "tls", 1, 0, 't' },
	{ "sasl", 1, 0, 'S' }, { "prefix", 1, 0, 'x' }, { "password", 1, 0, 'w' }, { "users", 1, 0, 'u' }, { "parallel", 1, 0, 'l' },
	{ "rate", 1, 0, 'r' }, { "rounds", 1, 0, 'R' }, { "seconds", 1, 0, 's' }, { "warm-up", 1, 0, 'W' }, { "in-flight", 1, 0, 'f' },
	{ "bytes", 1, 0, 'b' }, { "settle", 1, 0, 'T' }, { "contacts", 1, 0, 'c' }, { "sm", 1, 0, 'k' },
	{ "marks", 0, 0, 'm' }, { "help", 0, 0, 'h' }, { 0 },
};

static void take_number(int option, const char *text, struct load_options *o)
{
	switch (option) {
	case 'P': o->pid = (pid_t)number("--pid", text, 1u << 30); break;
	case 'Q':
		if (!load_proc_add((pid_t)number("--other-pid", text, 1u << 30)))
			refuse("too many", "--other-pid");
		break;
	case 'u': o->users = number("--users", text, 1000000); break;
	case 'l': o->parallel = number("--parallel", text, 100000); break;
	case 'r': o->rate = (double)number("--rate", text, 10000000); break;
	case 'R': o->rounds = (unsigned)number("--rounds", text, 10000); break;
	case 'c': o->contacts = number("--contacts", text, 1000); break;
	case 's': o->seconds = (unsigned)number("--seconds", text, 86400); break;
	case 'W': o->warm_up = (unsigned)number("--warm-up", text, 3600); break;
	case 'f': o->in_flight = (unsigned)number("--in-flight", text, 500); break;
	case 'b': o->bytes = number("--bytes", text, 4000); break;
	case 'T': o->settle = (unsigned)number("--settle", text, 3600); break;
	default: exit(2);
	}
}

static void parse_options(int argc, char **argv, struct load *load, struct load_options *o)
{
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'a':
			if (inet_pton(AF_INET, optarg, &load->server.sin_addr) != 1)
				refuse("--address", optarg);
			break;
		case 'p': load->server.sin_port = htons((uint16_t)number("--port", optarg, 65535)); break;
		case 'O':
			if (load->n_others == LOAD_NODES_MAX)
				refuse("too many", "--other-port");
			load->others[load->n_others++] = htons((uint16_t)number("--other-port", optarg, 65535));
			break;
		case 'd': load->domain = optarg; break;
		case 't': load->tls = parse_tls(optarg); break;
		case 'S':
			load->plain_sasl = strcmp(optarg, "plain") == 0;
			if (!load->plain_sasl && strcmp(optarg, "scram") != 0)
				refuse("--sasl", optarg);
			break;
		case 'x': load->prefix = optarg; break;
		case 'w': load->password = optarg; break;
		case 'k':
			load->sm = true;
			o->sm_asks = (unsigned)number("--sm", optarg, 1000000);
			break;
		case 'm': o->marks = true; break;
		case 'h': fputs(usage, stdout); exit(0);
		default: take_number(c, optarg, o);
		}
	}
}

static void prepare(struct load *load, const struct load_options *o)
{
	struct rlimit files;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (o->users == 0 || o->users + 64 > files.rlim_max)
		refuse("as many files may not be open as there would be users", "--users");
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to sockets without MSG_NOSIGNAL */
	setvbuf(stdout, NULL, _IOLBF, 0);
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	load->keys = calloc(o->users, sizeof(*load->keys));
	load->key_count = o->users;
	load->tls_ctx = SSL_CTX_new(TLS_client_method());
	if (!load->keys || load->epoll < 0 || !load->tls_ctx)
		abort();
	/* Every login is a full handshake, with a certificate that nobody checks: it is the server's work that is measured. */
	SSL_CTX_set_session_cache_mode(load->tls_ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(load->tls_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

int main(int argc, char **argv)
{
	struct load load = { .domain = "localhost", .password = "secret", .prefix = "load" };
	struct load_options o = { .users = 100, .parallel = 32, .rounds = 3, .seconds = 5, .warm_up = 1, .settle = 3, .in_flight = 4 };
	o.contacts = 20;
	o.bytes = 300;
	load.server = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(5222), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	parse_options(argc, argv, &load, &o);
	if (optind != argc - 1)
		refuse("one mode is wanted", optind < argc ? argv[argc - 1] : "");
	prepare(&load, &o);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(argv[optind], modes[i].name) != 0)
			continue;
		if (modes[i].run == load_mode_chat && o.users % 2)
			refuse("chat needs an even number", "--users");
		if ((modes[i].run == load_mode_befriend || modes[i].run == load_mode_presence) && o.users % (o.contacts + 1))
			refuse("users must be a multiple of contacts + 1", "--users");
		int status = modes[i].run(&load, &o);
		SSL_CTX_free(load.tls_ctx);
		free(load.keys);
		return status;
	}
	refuse("no such mode", argv[optind]);
	return 2;
}
