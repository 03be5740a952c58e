/*
 * proxy: a TCP relay that spoils connections on request, for tests without privileges: latency, bandwidth, stalls, half-closes, a cut at
 * any byte.
 *
 *     proxy [ADDRESS:]PORT ADDRESS:PORT     listens on the first (port 0: any), relays to the second; both IPv4
 *
 * Prints "listening PORT". Then reads commands from its standard input, a line each, and answers each with a line; ends with its input.
 * WAY is up (from who connected), down, or both.
 *
 *     latency WAY MS     each byte arrives so much later          rate WAY BYTES     at most so many a second, 0: any
 *     stall WAY          nothing is passed on, until: flow WAY    half WAY           passes an end on, and nothing after it
 *     cut                resets all connections                   cut-after WAY N    after N more bytes, exactly
 *     refuse             cuts, and resets all that come, until: accept
 *     count              -> pairs N up BYTES down BYTES made N
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 256
#define HELD_MAX  (4u << 20) /* of one way; past it nothing more is read */
#define CHUNK     16384

enum { UP, DOWN, WAYS };

struct chunk {
	struct chunk *next;
	uint64_t due_us;
	size_t at, len;
	char bytes[CHUNK];
};

/* One direction of a connection: read from `from`, held, written to `to`. */
struct way {
	int from, to;
	struct chunk *oldest, **newest;
	size_t held;
	bool ended, passed_on; /* the reader saw the end; the writer was told */
	bool blocked;
};

struct pair {
	int fd[WAYS]; /* whose bytes go up, whose go down */
	bool connecting;
	struct way way[WAYS];
};

static struct {
	uint64_t latency_us, rate, passed;
	double tokens;
	uint64_t filled_us;
	bool stalled, half;
	int64_t cut_after; /* bytes; negative: never */
} settings[WAYS] = { { .cut_after = -1 }, { .cut_after = -1 } };

static struct pair *pairs[PAIRS_MAX];
static unsigned n_pairs, made;
static int listener;
static bool refusing, cutting;
static struct sockaddr_in target;

static uint64_t now_us(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void reset(int fd)
{
	struct linger now = { 1, 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(fd);
}

static void pair_end(unsigned i, bool by_reset)
{
	struct pair *p = pairs[i];
	for (int k = 0; k < WAYS; k++) {
		if (by_reset)
			reset(p->fd[k]);
		else
			close(p->fd[k]);
		while (p->way[k].oldest) {
			struct chunk *c = p->way[k].oldest;
			p->way[k].oldest = c->next;
			free(c);
		}
	}
	free(p);
	pairs[i] = pairs[--n_pairs];
}

static void cut_all(void)
{
	while (n_pairs)
		pair_end(0, true);
}

static void on_guest(void)
{
	int in = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (in < 0)
		return;
	if (refusing || n_pairs == PAIRS_MAX) {
		reset(in);
		return;
	}
	int out = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(out, (struct sockaddr *)&target, sizeof target) != 0 && errno != EINPROGRESS) {
		reset(in);
		close(out);
		return;
	}
	struct pair *p = calloc(1, sizeof *p);
	p->fd[UP] = in;
	p->fd[DOWN] = out;
	p->connecting = true;
	for (int k = 0; k < WAYS; k++) {
		p->way[k].from = p->fd[k];
		p->way[k].to = p->fd[1 - k];
		p->way[k].newest = &p->way[k].oldest;
	}
	pairs[n_pairs++] = p;
	made++;
}

/* False: the connection broke. */
static bool way_read(struct way *w, int k)
{
	struct chunk *c = malloc(sizeof *c);
	ssize_t n = recv(w->from, c->bytes, CHUNK, 0);
	if (n <= 0) {
		bool broken = n < 0 && errno != EAGAIN && errno != EINTR;
		free(c);
		w->ended |= n == 0;
		return !broken;
	}
	c->next = NULL;
	c->at = 0;
	c->len = (size_t)n;
	c->due_us = now_us() + settings[k].latency_us;
	*w->newest = c;
	w->newest = &c->next;
	w->held += (size_t)n;
	return true;
}

static size_t allowed(int k, size_t want)
{
	uint64_t now = now_us();
	if (settings[k].cut_after >= 0 && (uint64_t)settings[k].cut_after < want)
		want = (size_t)settings[k].cut_after;
	if (!settings[k].rate)
		return want;
	settings[k].tokens += (double)(now - settings[k].filled_us) * (double)settings[k].rate / 1e6;
	settings[k].filled_us = now;
	if (settings[k].tokens > (double)settings[k].rate / 20 + 1500) /* bursts of 50 ms */
		settings[k].tokens = (double)settings[k].rate / 20 + 1500;
	return (double)want > settings[k].tokens ? (size_t)settings[k].tokens : want;
}

static void count_passed(int k, size_t n)
{
	settings[k].passed += n;
	settings[k].tokens -= (double)n;
	if (settings[k].cut_after < 0)
		return;
	settings[k].cut_after -= (int64_t)n;
	if (settings[k].cut_after == 0) {
		settings[k].cut_after = -1;
		cutting = true;
	}
}

/* Writes what is due. False: the connection broke. */
static bool way_write(struct way *w, int k)
{
	w->blocked = false;
	while (w->oldest && !settings[k].stalled && !cutting && w->oldest->due_us <= now_us()) {
		struct chunk *c = w->oldest;
		size_t n = allowed(k, c->len - c->at);
		if (n == 0)
			return true;
		ssize_t sent = w->passed_on ? (ssize_t)n : send(w->to, c->bytes + c->at, n, MSG_NOSIGNAL);
		if (sent < 0) {
			w->blocked = errno == EAGAIN;
			return w->blocked || errno == EINTR;
		}
		count_passed(k, (size_t)sent);
		c->at += (size_t)sent;
		w->held -= (size_t)sent;
		if (c->at < c->len)
			continue;
		w->oldest = c->next;
		if (!w->oldest)
			w->newest = &w->oldest;
		free(c);
	}
	if (!w->passed_on && !settings[k].stalled && (settings[k].half || (w->ended && !w->oldest))) {
		shutdown(w->to, SHUT_WR);
		w->passed_on = true;
	}
	return true;
}

/* ---- commands ---- */

static bool ways_of(const char *name, int *first, int *last)
{
	*first = strcmp(name, "down") == 0 ? DOWN : UP;
	*last = strcmp(name, "up") == 0 ? UP : DOWN;
	return strcmp(name, "up") == 0 || strcmp(name, "down") == 0 || strcmp(name, "both") == 0;
}

static bool set(const char *verb, int k, long long n)
{
	if (strcmp(verb, "latency") == 0)
		settings[k].latency_us = (uint64_t)n * 1000;
	else if (strcmp(verb, "rate") == 0)
		settings[k].rate = (uint64_t)n, settings[k].tokens = 0, settings[k].filled_us = now_us();
	else if (strcmp(verb, "stall") == 0 || strcmp(verb, "flow") == 0)
		settings[k].stalled = strcmp(verb, "stall") == 0;
	else if (strcmp(verb, "half") == 0)
		settings[k].half = true;
	else if (strcmp(verb, "cut-after") == 0)
		settings[k].cut_after = n;
	else
		return false;
	return true;
}

static void on_command(const char *line)
{
	char verb[16] = "", name[16] = "";
	long long n = 0;
	int first = 1, last = 0, words = sscanf(line, "%15s %15s %lld", verb, name, &n);
	bool ok = words >= 1 && n >= 0;
	if (words == 1 && strcmp(verb, "count") == 0) {
		printf("pairs %u up %llu down %llu made %u\n", n_pairs, (unsigned long long)settings[UP].passed,
		       (unsigned long long)settings[DOWN].passed, made);
		return;
	}
	if (words == 1 && strcmp(verb, "accept") == 0) {
		refusing = settings[UP].half = settings[DOWN].half = false;
	} else if (words == 1 && (strcmp(verb, "cut") == 0 || strcmp(verb, "refuse") == 0)) {
		refusing |= verb[0] == 'r';
		cut_all();
	} else {
		ok = ok && ways_of(name, &first, &last);
		for (int k = first; ok && k <= last; k++)
			ok = set(verb, k, n);
	}
	printf("%s\n", ok ? "ok" : "what?");
}

/* False: the input has ended. */
static bool read_commands(void)
{
	static char line[256];
	static size_t len;
	ssize_t n = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
	if (n <= 0)
		return false;
	len += (size_t)n;
	char *end;
	while ((end = memchr(line, '\n', len))) {
		*end = 0;
		on_command(line);
		len -= (size_t)(end + 1 - line);
		memmove(line, end + 1, len);
	}
	if (len == sizeof line - 1)
		len = 0;
	fflush(stdout);
	return true;
}

/* ---- the loop ---- */

/* How long nothing will be due. */
static int sleep_ms(void)
{
	uint64_t now = now_us(), soonest = now + 1000000;
	for (unsigned i = 0; i < n_pairs; i++) {
		for (int k = 0; k < WAYS; k++) {
			const struct way *w = &pairs[i]->way[k];
			if (!w->oldest || w->blocked || settings[k].stalled)
				continue;
			uint64_t due = settings[k].rate ? now + 1000 : w->oldest->due_us;
			soonest = due < soonest ? due : soonest;
		}
	}
	return soonest <= now ? 0 : (int)((soonest - now + 999) / 1000);
}

static void fill_poll(struct pollfd *p)
{
	p[0] = (struct pollfd){ STDIN_FILENO, POLLIN, 0 };
	p[1] = (struct pollfd){ listener, POLLIN, 0 };
	for (unsigned i = 0; i < n_pairs; i++) {
		for (int k = 0; k < WAYS; k++) {
			const struct way *in = &pairs[i]->way[k], *out = &pairs[i]->way[1 - k];
			bool reads = !in->ended && in->held < HELD_MAX && !pairs[i]->connecting;
			bool writes = out->blocked || (k == DOWN && pairs[i]->connecting);
			p[2 + 2 * i + (unsigned)k] = (struct pollfd){ reads || writes ? pairs[i]->fd[k] : -1,
								      (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), 0 };
		}
	}
}

/* False: it is over. */
static bool pair_run(struct pair *p, const struct pollfd *ready)
{
	if (p->connecting && ready[DOWN].revents) {
		int error = 0;
		socklen_t size = sizeof error;
		getsockopt(p->fd[DOWN], SOL_SOCKET, SO_ERROR, &error, &size);
		if (error)
			return false;
		p->connecting = false;
	}
	if (p->connecting)
		return true;
	for (int k = 0; k < WAYS; k++)
		if (((ready[k].revents & (POLLIN | POLLHUP | POLLERR)) && !p->way[k].ended && !way_read(&p->way[k], k)) ||
		    !way_write(&p->way[k], k))
			return false;
	return !(p->way[UP].passed_on && p->way[DOWN].passed_on && !p->way[UP].oldest && !p->way[DOWN].oldest);
}

static void run(void)
{
	for (;;) {
		struct pollfd p[2 + 2 * PAIRS_MAX];
		unsigned n = n_pairs;
		fill_poll(p);
		poll(p, 2 + 2 * n, sleep_ms());
		for (unsigned i = n; i-- > 0;) {
			struct pair *one = pairs[i];
			if (!pair_run(one, &p[2 + 2 * i]))
				pair_end(i, !(one->way[UP].passed_on && one->way[DOWN].passed_on));
		}
		if (cutting)
			cut_all();
		cutting = false;
		if (p[1].revents)
			on_guest();
		if (p[0].revents && !read_commands())
			return;
	}
}

/* "127.0.0.1:7400" or "7400". */
static struct sockaddr_in address(const char *text)
{
	struct sockaddr_in sa = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':');
	char host[64];
	snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - text) : 9, colon ? text : "127.0.0.1");
	if (inet_pton(AF_INET, host, &sa.sin_addr) != 1) {
		fprintf(stderr, "proxy: no address: %s\n", text);
		exit(2);
	}
	sa.sin_port = htons((uint16_t)strtoul(colon ? colon + 1 : text, NULL, 10));
	return sa;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: proxy [ADDRESS:]PORT ADDRESS:PORT\n");
		return 2;
	}
	struct sockaddr_in sa = address(argv[1]);
	socklen_t size = sizeof sa;
	int yes = 1;
	target = address(argv[2]);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(listener, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(listener, 128) != 0) {
		perror("proxy: cannot listen");
		return 1;
	}
	getsockname(listener, (struct sockaddr *)&sa, &size);
	printf("listening %u\n", ntohs(sa.sin_port));
	fflush(stdout);
	run();
	cut_all();
	return 0;
}
