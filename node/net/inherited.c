#include "node/net/inherited.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/arena.h"

#define FIRST_FD 3
#define FDS_MAX  32

static struct inherited {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	struct str name; /* in the environment */
	bool taken;
} sockets[FDS_MAX];
static unsigned n_sockets;

/* The descriptor of the i-th. */
static int fd_of(unsigned i)
{
	return FIRST_FD + (int)i;
}

static bool is_option(int fd, int option, int wanted)
{
	int value = 0;
	socklen_t len = sizeof value;
	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

static void set_close_on_exec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);
	if (flags >= 0)
		fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

static enum err read_one(unsigned i, struct str name, struct buf *why)
{
	struct inherited *s = &sockets[i];
	int fd = fd_of(i);
	*s = (struct inherited){ .addr_len = sizeof s->addr, .name = name };
	bool ok = getsockname(fd, (struct sockaddr *)&s->addr, &s->addr_len) == 0 &&
		  (s->addr.ss_family == AF_INET || s->addr.ss_family == AF_INET6) && is_option(fd, SO_TYPE, SOCK_STREAM) &&
		  is_option(fd, SO_ACCEPTCONN, 1);
	if (!ok) {
		buf_addf(why, "the service manager passed something that is no listening TCP socket: descriptor %d, %.*s", fd,
			 STR_ARG(str_present(name) ? name : STR("without a name")));
		return ERR_INVALID;
	}
	set_close_on_exec(fd, true);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return ERR_NONE;
}

enum err inherited_read(struct buf *why)
{
	uint64_t pid, n;
	struct str names = str_of(getenv("LISTEN_FDNAMES"));
	const char *whose = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	enum err e = ERR_NONE;
	n_sockets = 0;
	if (!whose || !count || !str_to_u64(str_of(whose), &pid) || pid != (uint64_t)getpid())
		return ERR_NONE;
	if (!str_to_u64(str_of(count), &n) || n > FDS_MAX) {
		buf_addf(why, "LISTEN_FDS is no number up to %d: %s", FDS_MAX, count);
		return ERR_INVALID;
	}
	for (unsigned i = 0; e == ERR_NONE && i < n; i++)
		e = read_one(i, str_cut(&names, ':'), why);
	n_sockets = e == ERR_NONE ? (unsigned)n : 0;
	return e;
}

unsigned inherited_count(void)
{
	return n_sockets;
}

int inherited_named(struct str name, struct sockaddr_storage *addr, socklen_t *addr_len)
{
	for (unsigned i = 0; i < n_sockets; i++) {
		if (sockets[i].taken || !str_present(sockets[i].name) || !str_eq(sockets[i].name, name))
			continue;
		sockets[i].taken = true;
		*addr = sockets[i].addr;
		*addr_len = sockets[i].addr_len;
		return fd_of(i);
	}
	return -1;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;
		return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
	}
	const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;
	return a->sa_family == AF_INET6 && x->sin6_port == y->sin6_port && memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

int inherited_at(const struct sockaddr *addr)
{
	for (unsigned i = 0; i < n_sockets; i++) {
		if (sockets[i].taken || !same_address(addr, (const struct sockaddr *)&sockets[i].addr))
			continue;
		sockets[i].taken = true;
		return fd_of(i);
	}
	return -1;
}

struct str inherited_text(struct arena *a, const struct sockaddr *addr)
{
	char ip[INET6_ADDRSTRLEN] = "?";
	if (addr->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)addr;
		inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof ip);
		return arena_printf(a, "%s:%d", ip, ntohs(v4->sin_port));
	}
	const struct sockaddr_in6 *v6 = (const void *)addr;
	inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof ip);
	return arena_printf(a, "[%s]:%d", ip, ntohs(v6->sin6_port));
}

enum err inherited_all_taken(struct buf *why)
{
	struct arena *a = arena_new(256);
	enum err e = ERR_NONE;
	for (unsigned i = 0; i < n_sockets; i++) {
		if (sockets[i].taken)
			continue;
		buf_addf(why, "%s%.*s (%.*s)", e ? ", " : "no listener is configured for a socket that the service manager passed: ",
			 STR_ARG(inherited_text(a, (const struct sockaddr *)&sockets[i].addr)),
			 STR_ARG(str_present(sockets[i].name) ? sockets[i].name : STR("without a name")));
		e = ERR_INVALID;
	}
	arena_free(a);
	return e;
}

void inherited_pass_on(void)
{
	for (unsigned i = 0; i < n_sockets; i++)
		set_close_on_exec(fd_of(i), false);
}
