/*
 * httpd.h: a small HTTP/1.1 server on the main thread's loop, for operators and their programs: a few connections, small answers.
 *
 * What it serves is a table of rows (struct path). A handler gets an exchange and replies once, now or later, on the main thread; while it
 * is at it the connection is not read. If the client goes away meanwhile the reply is dropped, and nobody need know.
 * Ceilings: HTTPD_CONNECTIONS (past it the longest idle one is closed, else the newcomer is told 503), head and body of a request
 * (431, 413), 10 s for a request to arrive (408), 75 s idle, 30 s for a reply to be taken.
 * No TLS: it listens on the loopback unless told otherwise, and where it must be reached from afar a proxy stands before it.
 */
#ifndef NODE_HTTP_HTTPD_H
#define NODE_HTTP_HTTPD_H

#include "node/core/node.h"
#include "node/http/request.h"
#include "proto/addr/ip.h"

#define HTTPD_CONNECTIONS 64
#define HTTPD_HEAD_MAX    (16u << 10)
#define HTTPD_BODY_MAX    (1u << 20)
#define HTTPD_REPLY_MAX   (64u << 20)

struct httpd;

struct exchange {
	struct node *node;
	const struct path *path;
	void *arg;                /* as httpd_start got it */
	struct request request;   /* all of it until the reply */
	struct str rest;          /* of the path, behind a prefix row's */
	struct ip peer;
	struct arena *arena;      /* of this exchange */
	struct str fields;        /* more of the reply's head: whole lines, in the arena */
};

struct path {
	const char *path;         /* a prefix when it ends in '/' and is longer than that */
	unsigned methods;         /* bits of enum request_method; HEAD goes with GET by itself */
	void (*handle)(struct exchange *x);
};

/* Listens; `paths` ends with a NULL path and stays; `arg` is for its handlers. `name` is for logs. A text in `why` on failure. */
MUST_CHECK enum err httpd_start(struct node *n, const char *name, const char *address, int port, const struct path *paths,
				void *arg, struct buf *why, struct httpd **out);
/* Takes no more connections and closes those it has; handlers under way may still reply, into the void. NULL is fine. The loop frees it. */
void httpd_stop(struct httpd *h);

/* Ends the exchange. The body is copied. `type` NULL: text/plain. */
void exchange_reply(struct exchange *x, unsigned status, const char *type, struct str body);
/* The same with a line of text as the body. */
void exchange_say(struct exchange *x, unsigned status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Adds a field to the reply's head. */
void exchange_field(struct exchange *x, const char *name, struct str value);

#endif
