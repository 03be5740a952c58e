/*
 * server.h: the control socket: a Unix socket of mode 0600, so that whoever may open it may administer the node.
 *
 * One line of JSON a request, {"command": "registered_users", "args": ["example.net"], "options": {"limit": "10"}}, one line a reply,
 * {"code": 0, "text": "...", "data": ...}; before it, of commands that stream, lines {"line": ...}. At most 64 clients at once, 1 MiB a
 * request, one request at a time per client; what its peer is called in the audit log comes from the kernel.
 */
#ifndef NODE_CTL_SERVER_H
#define NODE_CTL_SERVER_H

#include "node/core/node.h"

struct ctl_server;

/* Main thread. The path is replaced if a dead node left it. ERR_IO with a text in `why`. on_stop: what the `stop` command does. */
MUST_CHECK enum err ctl_server_start(struct node *n, const char *path, void (*on_stop)(struct node *n), struct buf *why,
				     struct ctl_server **out);
/* Refuses new clients, closes the others once their replies are out, then calls on_gone (which may be NULL) and frees itself. NULL is
 * fine, and gone at once. */
void ctl_server_stop(struct ctl_server *s, void (*on_gone)(void *arg), void *arg);
/* After ctl_server_stop: closes whoever is left. A command under way still answers, to nobody. on_gone is not called any more. */
void ctl_server_cut(struct ctl_server *s);

#endif
