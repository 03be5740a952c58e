/*
 * server.h: the control socket: a Unix socket of mode 0600, so that whoever may open it may administer the node.
 *
 * One line of JSON a request, {"command": "register", "args": ["example.net", "secret"]}, one line a reply, {"code": 0, "text": "...",
 * "data": ...}. At most 64 clients at once, 64 KiB a request, one request at a time per client.
 */
#ifndef NODE_CTL_SERVER_H
#define NODE_CTL_SERVER_H

#include "node/core/node.h"

struct ctl_server;

/* Main thread. The path is replaced if a dead node left it. ERR_IO with a text in `why`. on_stop: what the `stop` command does. */
MUST_CHECK enum err ctl_server_start(struct node *n, const char *path, void (*on_stop)(struct node *n), struct buf *why,
				     struct ctl_server **out);
/* Refuses new clients, closes the others once their replies are out. NULL is fine. The loop frees it. */
void ctl_server_stop(struct ctl_server *s);

#endif
