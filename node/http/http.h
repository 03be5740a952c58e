/*
 * http.h: what the node says over HTTP: the stats endpoint (health, metrics, a live page) on a listener of its own.
 *
 *   /          a page that shows how the node does, live        /healthz   the process is alive
 *   /metrics   OpenMetrics (scrape.h)                           /readyz    it takes clients (health.h)
 *   /stats.json the same figures for programs (stats.h)
 *
 * Beside it, off by default, the admin API (api.h).
 *
 * The stats endpoint has no access control: it listens on the loopback, and where it listens elsewhere the network decides who may look.
 * It changes nothing and names no account.
 */
#ifndef NODE_HTTP_HTTP_H
#define NODE_HTTP_HTTP_H

#include "node/core/node.h"

struct http;

/* The rows of `http:` and `api:`. */
void http_register(struct config_schema *s);
/* Main thread. An address that somebody else has is an error when the configuration names it, else a warning: a second node on a machine
 * needs no care. http_stop it, also when this failed. */
MUST_CHECK enum err http_start(struct node *n, struct buf *why, struct http **out);
/* Nulls the pointer; NULL inside is fine. */
void http_stop(struct http **h);

#endif
