/*
 * inherited.h: listening sockets that the service manager made (systemd's sd_listen_fds protocol: descriptors from 3 on, told by
 * LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES).
 *
 * Such a socket outlives the node: while one stops and the next starts, connections wait in it and none is refused. A listener takes the
 * one that was made for its address, or that has the name which it asks for. What is passed stays open until the process ends, so that a
 * program that begins again in it (execve) finds it once more; listeners work on duplicates.
 *
 * Own, for the reason that notify.h gives. Main thread.
 */
#ifndef NODE_NET_INHERITED_H
#define NODE_NET_INHERITED_H

#include <sys/socket.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

/* Reads the environment; once, at the start. ERR_INVALID with a text in `why` for what is no listening TCP socket. */
MUST_CHECK enum err inherited_read(struct buf *why);
unsigned inherited_count(void);
/* A socket of that name that nobody took yet; it is taken now. Borrowed: duplicate it. -1: there is none (left). */
int inherited_named(struct str name, struct sockaddr_storage *addr, socklen_t *addr_len);
/* The same by its address. */
int inherited_at(const struct sockaddr *addr);
/* ERR_INVALID, with what it is in `why`, when nobody took one of them: its clients would wait for ever. */
MUST_CHECK enum err inherited_all_taken(struct buf *why);
/* The process is about to begin again: its next program gets them too. */
void inherited_pass_on(void);

/* "[::]:5222" */
struct arena;
struct str inherited_text(struct arena *a, const struct sockaddr *addr);

#endif
