#include "node/http/token.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>

static const struct option token_fields[] = {
	{ .name = "name", .kind = OPTION_STRING, .required = true, .min = 1, .max = 64, .doc = "What the audit log calls it." },
	{ .name = "secret", .kind = OPTION_STRING, .required = true, .min = TOKEN_BYTES_MIN, .max = 1024, .is_secret = true,
	  .doc = "What callers send as their bearer token; {file: PATH} reads it from a file." },
	{ .name = "role", .kind = OPTION_ENUM, .default_text = "reader", .choices = "reader admin",
	  .doc = "reader: commands that change nothing and take no password; admin: all commands." },
	{ .name = "commands", .kind = OPTION_STRINGS, .doc = "Only these commands, of those that the role may use; none: all of them." },
};

static const struct option options[] = {
	{ .name = "tokens", .kind = OPTION_MAPS, .max = TOKENS_MAX, .fields = token_fields,
	  .n_fields = sizeof token_fields / sizeof *token_fields, .doc = "Who may use the admin API." },
	{ .name = "admin_token", .kind = OPTION_STRING, .min = TOKEN_BYTES_MIN, .max = 1024, .is_secret = true,
	  .doc = "A token with the role admin, by the name of admin: for those who configure by the environment." },
};

/* A name that is no command would be a token that silently may not. */
static void check(const struct config *c, struct config_report *r)
{
	size_t n, n_commands;
	const struct option_map *maps = config_maps(c, "api.tokens", &n);
	for (size_t i = 0; i < n; i++) {
		const struct option_value *v = option_field(&maps[i], "commands");
		const struct str *names = option_strs(v, &n_commands);
		for (size_t k = 0; k < n_commands; k++)
			if (!command_find(names[k]))
				config_complain(r, v, "there is no command '%.*s'", STR_ARG(names[k]));
	}
}

void token_register(struct config_schema *s)
{
	config_register(s, "api", options, sizeof options / sizeof *options);
	config_register_check(s, check);
}

static struct token *add(struct token_set *s, struct str name, struct str secret)
{
	struct token *t = &s->tokens[s->n++];
	t->name = name;
	SHA256((const unsigned char *)secret.p, secret.len, t->hash);
	return t;
}

struct token_set *token_set_new(struct config *c)
{
	struct token_set *s = xzalloc(sizeof *s);
	size_t n;
	const struct option_map *maps = config_maps(c, "api.tokens", &n);
	struct str admin = config_str(c, "api.admin_token");
	s->config = config_ref(c);
	for (size_t i = 0; i < n; i++) {
		struct token *t = add(s, option_str(option_field(&maps[i], "name")), option_str(option_field(&maps[i], "secret")));
		t->role = (enum token_role)option_enum(option_field(&maps[i], "role"));
		t->commands = option_strs(option_field(&maps[i], "commands"), &t->n_commands);
	}
	if (str_present(admin) && !str_empty(admin))
		add(s, STR("admin"), admin)->role = TOKEN_ADMIN;
	return s;
}

void token_set_free(struct token_set *s)
{
	if (!s)
		return;
	config_unref(s->config);
	free(s);
}

struct token *token_find(struct token_set *s, struct str secret)
{
	uint8_t hash[32];
	struct token *found = NULL;
	SHA256((const unsigned char *)(secret.p ? secret.p : ""), secret.len, hash);
	for (unsigned i = 0; i < s->n; i++)
		found = CRYPTO_memcmp(hash, s->tokens[i].hash, sizeof hash) == 0 ? &s->tokens[i] : found;
	return found;
}

static bool takes_a_password(const struct command *c)
{
	struct str name;
	for (unsigned i = 0; str_present(name = command_arg_name(c, i)); i++)
		if (str_is(name, "PASSWORD"))
			return true;
	return false;
}

bool token_may(const struct token *t, const struct command *c)
{
	bool listed = t->n_commands == 0;
	if (t->role == TOKEN_READER && (!(c->flags & COMMAND_READS) || takes_a_password(c)))
		return false;
	for (size_t i = 0; !listed && i < t->n_commands; i++)
		listed = command_find(t->commands[i]) == c;
	return listed;
}
