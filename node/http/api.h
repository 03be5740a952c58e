/*
 * api.h: the commands of starlingctl over HTTP, on a listener of its own, off by default.
 *
 *   POST /api/kick_session
 *   Authorization: Bearer SECRET
 *   Content-Type: application/json
 *
 *   {"args": {"user": "romeo", "host": "example.net", "resource": "orchard"}}     or {"args": ["romeo", "example.net", "orchard"]}
 *
 * Arguments by name are the words of the command's row in lower case, its options among them; a list has the arguments in order, and
 * options go into {"options": {...}}. Values are strings, numbers or booleans. The reply is {"code": 0, "text": "...", "data": ...}, as on
 * the control socket; its status is 200, 422 when the command refused or failed, 400 when it was not understood.
 * Commands that tell lines and those that run in starlingctl itself are not here. GET /api/openapi.json describes the rest (openapi.h).
 *
 * Each token has a bucket of calls (429 past it). Wrong tokens cost their address: past ten of them within a minute it is told 429.
 * Every call is in the log (component "api"); what changes something is in the audit log as well, with the token's name.
 */
#ifndef NODE_HTTP_API_H
#define NODE_HTTP_API_H

#include "node/core/node.h"

struct api;
struct httpd;

/* The rows of `api:`. */
void api_register(struct config_schema *s);
/* Starts the listener if the configuration wants one; else *out is NULL. A text in `why` on failure. */
MUST_CHECK enum err api_start(struct node *n, struct buf *why, struct api **out);
/* Nulls the pointer; NULL inside is fine. */
void api_stop(struct api **a);

#endif
