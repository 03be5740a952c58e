/*
 * floor.c: the least that a server could do. One thread, one epoll; the login conversation of tests/bench/load is answered with canned
 * replies, and from then on each message is copied, as it came, to the session that its to= names. No parser, no rules, no addresses
 * stamped, nothing checked: what a chat message costs here is the floor that real servers are measured against.
 *
 * floor PORT: listens on 127.0.0.1 until it is killed. Plain TCP only.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' version='1.0'>"
#define MECHANISMS \
	"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
#define BIND "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
#define SUCCESS "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define BOUND "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><jid>%s</jid></bind></iq>"

enum { SLOTS = 1 << 16, IN_BYTES = 16384, NAME_BYTES = 128 };

struct conn {
	int fd, step, dirty, armed;
	size_t in_len, out_len, out_cap;
	char name[NAME_BYTES], in[IN_BYTES], *out;
};
static struct slot {
	char name[NAME_BYTES];
	struct conn *conn;
} slots[SLOTS];
static struct conn *dirty[SLOTS];
static size_t dirty_count;

/* The slot of that name, or the empty one where it belongs. */
static struct slot *lookup(const char *name, size_t len)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 16777619u;
	while (slots[h % SLOTS].name[0] && (memcmp(slots[h % SLOTS].name, name, len) != 0 || slots[h % SLOTS].name[len]))
		h++;
	return &slots[h % SLOTS];
}

static void append(struct conn *c, const char *bytes, size_t n)
{
	if (c->out_len + n > c->out_cap) {
		c->out_cap = (c->out_len + n) * 2;
		c->out = realloc(c->out, c->out_cap);
		if (!c->out)
			abort();
	}
	memcpy(c->out + c->out_len, bytes, n);
	c->out_len += n;
	if (!c->dirty && dirty_count < SLOTS) {
		c->dirty = 1;
		dirty[dirty_count++] = c;
	}
}

/* What stands between `before` and the next `end`, cut to fit `out`. */
static void between(const char *from, const char *to, const char *before, char end, char out[NAME_BYTES])
{
	const char *p = memmem(from, (size_t)(to - from), before, strlen(before));
	const char *q = p ? memchr(p + strlen(before), end, (size_t)(to - p) - strlen(before)) : NULL;
	size_t n = q ? (size_t)(q - p) - strlen(before) : 0;
	n = n < NAME_BYTES ? n : NAME_BYTES - 1;
	memcpy(out, p ? p + strlen(before) : "", n);
	out[n] = 0;
}

/* One step of the login: what is waited for, and what is answered. Returns the bytes used, 0 when there are too few. */
static size_t login(struct conn *c)
{
	static const char *const ends[] = { "version='1.0'>", "</auth>", "version='1.0'>", "</iq>" };
	static const char *const answers[] = { HEADER MECHANISMS, SUCCESS, HEADER BIND };
	char *end = memmem(c->in, c->in_len, ends[c->step], strlen(ends[c->step]));
	if (!end)
		return 0;
	end += strlen(ends[c->step]);
	if (c->step == 0)
		between(c->in, end, "from='", '\'', c->name);
	if (c->step < 3) {
		append(c, answers[c->step], strlen(answers[c->step]));
	} else {
		char resource[NAME_BYTES], full[2 * NAME_BYTES], reply[4 * NAME_BYTES];
		between(c->in, end, "<resource>", '<', resource);
		int n = snprintf(full, sizeof(full), "%s/%s", c->name, resource);
		struct slot *s = lookup(full, n < NAME_BYTES ? (size_t)n : NAME_BYTES - 1);
		snprintf(s->name, NAME_BYTES, "%.*s", NAME_BYTES - 1, full);
		s->conn = c;
		append(c, reply, (size_t)snprintf(reply, sizeof(reply), BOUND, full));
	}
	c->step++;
	return (size_t)(end - c->in);
}

/* Copies each complete message to its target. Returns the bytes used. */
static size_t relay(struct conn *c)
{
	char *at = c->in, *limit = c->in + c->in_len, *end;
	while ((end = memmem(at, (size_t)(limit - at), "</message>", 10))) {
		end += 10;
		char *start = memmem(at, (size_t)(end - at), "<message to='", 13);
		char *quote = start ? memchr(start + 13, '\'', (size_t)(end - start) - 13) : NULL;
		if (quote && quote - start - 13 < NAME_BYTES) {
			struct slot *s = lookup(start + 13, (size_t)(quote - start) - 13);
			if (s->conn)
				append(s->conn, start, (size_t)(end - start));
		}
		at = end;
	}
	return (size_t)(at - c->in);
}

static int on_readable(struct conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	c->in_len += (size_t)n;
	for (size_t used = 1; used;) {
		used = c->step < 4 ? login(c) : relay(c);
		memmove(c->in, c->in + used, c->in_len -= used);
	}
	return c->in_len == sizeof(c->in) || (c->in_len < 64 && memmem(c->in, c->in_len, "</stream:stream>", 16)) ? -1 : 0;
}

/* Sends what it can; the rest goes when the socket says so. */
static void flush(struct conn *c, int ep)
{
	ssize_t n = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
	c->out_len -= n > 0 ? (size_t)n : 0;
	memmove(c->out, c->out + (n > 0 ? n : 0), c->out_len);
	c->dirty = 0;
	if (c->armed == (c->out_len > 0))
		return;
	c->armed = c->out_len > 0;
	epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){ .events = EPOLLIN | (c->armed ? EPOLLOUT : 0), .data.ptr = c });
}

static void hang_up(struct conn *c)
{
	for (size_t i = 0; i < SLOTS; i++)
		slots[i].conn = slots[i].conn == c ? NULL : slots[i].conn;
	for (size_t i = 0; i < dirty_count; i++)
		dirty[i] = dirty[i] == c ? dirty[--dirty_count] : dirty[i];
	close(c->fd);
	free(c->out);
	free(c);
}

static void on_connection(int listener, int ep)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	struct conn *c = fd >= 0 ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return;
	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = c });
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argc > 1 ? argv[1] : "5222", NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int ep = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 65536, 65536 });
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(listener, 1024) != 0) {
		perror("floor: cannot listen");
		return 1;
	}
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = NULL });
	for (;;) {
		struct epoll_event events[256];
		int n = epoll_wait(ep, events, 256, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (!c)
				on_connection(listener, ep);
			else if ((events[i].events & ~(unsigned)EPOLLOUT) && on_readable(c) != 0)
				hang_up(c);
			else if (events[i].events & EPOLLOUT)
				flush(c, ep);
		}
		while (dirty_count)
			flush(dirty[--dirty_count], ep);
	}
}
