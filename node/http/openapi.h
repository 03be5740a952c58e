/*
 * openapi.h: the OpenAPI 3.0 document of the admin API, made from the rows of the commands.
 */
#ifndef NODE_HTTP_OPENAPI_H
#define NODE_HTTP_OPENAPI_H

#include <jansson.h>

#include "node/ctl/command.h"

/* True when a command can be called over HTTP. */
bool openapi_has(const struct command *c);
/* The whole document; yours. */
json_t *openapi_document(void);
/* An argument's or option's name in JSON: lower case. In the arena. */
struct str openapi_name(struct arena *a, struct str name);

#endif
