#include "node/http/openapi.h"

#include <stdio.h>

#include "node/version.h"

bool openapi_has(const struct command *c)
{
	return !(c->flags & (COMMAND_STREAMS | COMMAND_LOCAL));
}

struct str openapi_name(struct arena *a, struct str name)
{
	char *p = arena_strz(a, name);
	for (size_t i = 0; i < name.len; i++)
		p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i] == '-' ? '_' : p[i]);
	return str_span(p, name.len);
}

static json_t *value_schema(struct str name, bool is_switch)
{
	if (is_switch)
		return json_pack("{s:s}", "type", "boolean");
	if (str_is(name, "PASSWORD"))
		return json_pack("{s:s,s:s}", "type", "string", "format", "password");
	return json_pack("{s:[{s:s},{s:s}]}", "oneOf", "type", "string", "type", "integer");
}

/* {"user": ..., "limit": ...}: arguments by name, options among them. */
static json_t *object_schema(const struct command *c, struct arena *a)
{
	json_t *properties = json_object(), *required = json_array();
	unsigned min, max;
	struct str name, value_name;
	command_arity(c, &min, &max);
	for (unsigned i = 0; i < max; i++) {
		name = command_arg_name(c, i);
		json_object_set_new(properties, openapi_name(a, name).p, value_schema(name, false));
		if (i < min)
			json_array_append_new(required, json_str(openapi_name(a, name)));
	}
	for (unsigned i = 0; str_present(name = command_option_name(c, i, &value_name)); i++)
		json_object_set_new(properties, openapi_name(a, name).p, value_schema(name, !str_present(value_name)));
	json_t *s = json_pack("{s:s,s:o,s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
	if (json_array_size(required))
		json_object_set(s, "required", required); /* OpenAPI 3.0 wants at least one there */
	json_decref(required);
	return s;
}

static json_t *list_schema(const struct command *c)
{
	unsigned min, max;
	command_arity(c, &min, &max);
	return json_pack("{s:s,s:{s:[{s:s},{s:s}]},s:i,s:i}", "type", "array", "items", "oneOf", "type", "string", "type", "integer",
			 "minItems", (int)min, "maxItems", strstr(c->args, "...") ? CTL_ARGS_MAX : (int)max);
}

static json_t *body_schema(const struct command *c, struct arena *a)
{
	json_t *options = json_object(), *s;
	unsigned min, max;
	struct str name, value_name;
	command_arity(c, &min, &max);
	for (unsigned i = 0; str_present(name = command_option_name(c, i, &value_name)); i++)
		json_object_set_new(options, openapi_name(a, name).p, value_schema(name, !str_present(value_name)));
	s = json_pack("{s:s,s:{s:{s:[o,o]},s:{s:s,s:o,s:b}},s:b}", "type", "object", "properties", "args", "oneOf", object_schema(c, a),
		      list_schema(c), "options", "type", "object", "properties", options, "additionalProperties", 0,
		      "additionalProperties", 0);
	if (min)
		json_object_set_new(s, "required", json_pack("[s]", "args"));
	return s;
}

static json_t *responses(void)
{
	static const char *const rows[][2] = {
		{ "200", "Done" }, { "400", "Unknown or missing arguments" }, { "401", "No token, or a wrong one" },
		{ "403", "Not with this token" }, { "413", "The body is too long" }, { "415", "The body is not JSON" },
		{ "422", "The command refused, or failed" }, { "429", "Too many calls: wait as Retry-After says" },
		{ "503", "The node is stopping" },
	};
	json_t *all = json_object();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		json_object_set_new(all, rows[i][0],
				    json_pack("{s:s,s:{s:{s:{s:s}}}}", "description", rows[i][1], "content", "application/json", "schema",
					      "$ref", "#/components/schemas/Reply"));
	return all;
}

static json_t *operation(const struct command *c, const char *group, struct arena *a)
{
	unsigned min, max;
	command_arity(c, &min, &max);
	json_t *body = json_pack("{s:b,s:{s:{s:o}}}", "required", min > 0, "content", "application/json", "schema", body_schema(c, a));
	return json_pack("{s:{s:s,s:s,s:[s],s:b,s:o,s:o}}", "post", "operationId", c->name, "summary", c->doc, "tags", group,
			 "x-starling-reads", (c->flags & COMMAND_READS) != 0, "requestBody", body, "responses", responses());
}

static json_t *reply_schema(void)
{
	json_t *code = json_pack("{s:s,s:s}", "type", "integer", "description", "0: done, 1: refused or failed, 2: not understood");
	json_t *data = json_pack("{s:b,s:s}", "nullable", 1, "description", "What programs read; null: nothing");
	return json_pack("{s:s,s:[s,s,s],s:{s:o,s:{s:s},s:o}}", "type", "object", "required", "code", "text", "data", "properties", "code",
			 code, "text", "type", "string", "data", data);
}

json_t *openapi_document(void)
{
	struct arena *a = arena_new(8192);
	json_t *paths = json_object();
	const char *group;
	for (const struct command *c = command_next(NULL, &group); c; c = command_next(c, &group))
		if (openapi_has(c))
			json_object_set_new(paths, arena_printf(a, "/api/%s", c->name).p, operation(c, group, a));
	json_t *info = json_pack("{s:s,s:s,s:s}", "title", "Starling", "version", STARLING_VERSION, "description",
				 "The commands of starlingctl. `starlingctl help COMMAND` explains one.");
	json_t *components = json_pack("{s:{s:o},s:{s:{s:s,s:s}}}", "schemas", "Reply", reply_schema(), "securitySchemes", "token", "type",
				       "http", "scheme", "bearer");
	json_t *doc = json_pack("{s:s,s:o,s:[{s:s}],s:[{s:[]}],s:o,s:o}", "openapi", "3.0.3", "info", info, "servers", "url", "/",
				"security", "token", "paths", paths, "components", components);
	BUG_ON(!doc);
	arena_free(a);
	return doc;
}
