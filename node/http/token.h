/*
 * token.h: who may use the admin API: bearer tokens from the configuration, each with a role.
 *
 * A set is made from one configuration and holds on to it; of secrets it keeps hashes only, and looks at all of them for every question,
 * so that the time of an answer tells nothing. Main thread.
 *
 *   reader   commands that change nothing, but for those that take a password
 *   admin    all commands
 *   `commands` of a token narrows its role to those that it names
 */
#ifndef NODE_HTTP_TOKEN_H
#define NODE_HTTP_TOKEN_H

#include "node/ctl/command.h"
#include "proto/base/bucket.h"

#define TOKENS_MAX      64
#define TOKEN_BYTES_MIN 16

enum token_role { TOKEN_READER, TOKEN_ADMIN };

struct token {
	struct str name;            /* for logs */
	uint8_t hash[32];
	enum token_role role;
	const struct str *commands; /* NULL: all of the role */
	size_t n_commands;
	struct bucket bucket;       /* of its calls */
};
struct token_set {
	struct config *config;
	unsigned n;
	struct token tokens[TOKENS_MAX + 1];
};

/* The rows of `api:` that are about tokens, and their check. */
void token_register(struct config_schema *s);
struct token_set *token_set_new(struct config *c);
/* NULL is fine. */
void token_set_free(struct token_set *s);
/* The token with this secret; NULL if there is none. */
struct token *token_find(struct token_set *s, struct str secret);
bool token_may(const struct token *t, const struct command *c);

#endif
