#include "node/http/api.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#include "node/core/life.h"
#include "node/core/log.h"
#include "node/ctl/command.h"
#include "node/http/httpd.h"
#include "node/http/openapi.h"
#include "node/http/token.h"
#include "proto/base/tally.h"

#define STRANGERS   1024
#define FORGET_MS   600000
#define MISSES      10    /* wrong tokens of one address within MISSES_MS */
#define MISSES_MS   60000

struct api {
	struct node *node;
	struct httpd *httpd;
	struct token_set *tokens;
	struct tally strangers;
};

/* A call under way: what the reply and the log need. */
struct call_of {
	struct exchange *exchange;
	struct str token, command, peer;
	uint64_t began_ms;
};

static const struct option options[] = {
	{ .name = "enabled", .kind = OPTION_BOOL, .default_text = "false", .needs_restart = true,
	  .doc = "Whether administrators may send commands over HTTP, with tokens." },
	{ .name = "address", .kind = OPTION_STRING, .default_text = "127.0.0.1", .max = 64, .needs_restart = true,
	  .doc = "IPv4 or IPv6 address; it speaks no TLS: a proxy that does must stand before it where others can listen in." },
	{ .name = "port", .kind = OPTION_INT, .default_text = "5281", .min = 1, .max = 65535, .unit = "port", .needs_restart = true,
	  .doc = "TCP port." },
	{ .name = "rate", .kind = OPTION_INT, .default_text = "20", .min = 1, .max = 100000, .unit = "calls a second",
	  .doc = "Calls of one token." },
	{ .name = "burst", .kind = OPTION_INT, .default_text = "100", .min = 1, .max = 100000, .unit = "calls",
	  .doc = "Calls of one token at once." },
};

void api_register(struct config_schema *s)
{
	config_register(s, "api", options, sizeof options / sizeof *options);
	token_register(s);
	config_describe(s, "api", "The admin API: the commands of starlingctl over HTTP.");
}

/* ---- replies ---- */

static void reply(struct exchange *x, unsigned status, enum ctl_exit code, struct str text, json_t *data)
{
	json_t *o = json_pack("{s:i,s:o,s:o}", "code", code, "text", json_str(text), "data", data ? data : json_null());
	char *line = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	exchange_reply(x, status, "application/json", str_of(line));
	free(line);
}

static void log_call(const struct call_of *of, const struct node *n, unsigned status)
{
	LOG_EACH(LOG_INFO, "api", "call", L_STR("command", of->command), L_STR("token", of->token), L_STR("peer", of->peer),
		 L_UINT("status", status), L_UINT("ms", n->main->now_ms - of->began_ms));
}

/* Refuses a call before it is one. */
static void refuse(struct call_of *of, unsigned status, const char *text)
{
	log_call(of, of->exchange->node, status);
	reply(of->exchange, status, CTL_USAGE, str_of(text), NULL);
}

static void on_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct call_of of = *(struct call_of *)c->asker;
	struct node *n = c->node;
	bool stop = c->stop_after;
	unsigned status = code == CTL_OK ? 200 : code == CTL_FAILED ? 422 : 400;
	log_call(&of, n, status);
	reply(of.exchange, status, code, text, data);
	arena_free(c->arena); /* the text may lie in it */
	if (stop)
		life_drain(n);
}

/* ---- who asks ---- */

static struct str bearer(struct str authorization)
{
	struct str scheme = str_cut(&authorization, ' ');
	return str_caseeq(scheme, STR("bearer")) ? str_trim(authorization) : STR_NONE;
}

/* What the configuration says now: a reload makes another. */
static struct token_set *tokens_now(struct api *a)
{
	if (!a->tokens || a->tokens->config != a->node->config) {
		token_set_free(a->tokens);
		a->tokens = token_set_new(a->node->config);
	}
	return a->tokens;
}

static void stranger(struct api *a, struct call_of *of)
{
	static const struct bucket_rate misses = { .cost_ns = UINT64_C(1000000) * MISSES_MS / MISSES, .burst = MISSES };
	struct exchange *x = of->exchange;
	uint64_t now_ms = a->node->main->now_ms;
	uint64_t key = str_hash(str_span((const char *)x->peer.bytes, sizeof x->peer.bytes), a->node->hash_key);
	bool few = bucket_try(&tally_touch(&a->strangers, key, now_ms)->bucket, &misses, 1, now_ms);
	LOG(LOG_WARN, "api", "wrong token", L_STR("peer", of->peer));
	if (few)
		exchange_field(x, "WWW-Authenticate", STR("Bearer realm=\"starling\""));
	else
		exchange_field(x, "Retry-After", STR("60"));
	refuse(of, few ? 401 : 429, few ? "a token is needed: Authorization: Bearer ..." : "too many wrong tokens");
}

/* NULL: refused, and told. */
static struct token *caller(struct api *a, struct call_of *of)
{
	struct exchange *x = of->exchange;
	struct token *t = token_find(tokens_now(a), bearer(x->request.authorization));
	if (!t) {
		stranger(a, of);
		return NULL;
	}
	of->token = arena_str(x->arena, t->name);
	struct bucket_rate rate = bucket_rate_of((uint64_t)config_int(a->node->config, "api.rate"), 1000,
						 (uint64_t)config_int(a->node->config, "api.burst"));
	if (bucket_try(&t->bucket, &rate, 1, a->node->main->now_ms))
		return t;
	exchange_field(x, "Retry-After", STR("1"));
	refuse(of, 429, "too many calls with this token (api.rate)");
	return NULL;
}

/* ---- what is asked ---- */

/* A value as the command line would have it; absent for what cannot stand there. */
static struct str value_text(struct arena *a, const json_t *v)
{
	if (json_is_string(v))
		return arena_str(a, str_span(json_string_value(v), json_string_length(v)));
	if (json_is_integer(v))
		return arena_printf(a, "%lld", (long long)json_integer_value(v));
	return json_is_boolean(v) ? json_is_true(v) ? STR("true") : STR("false") : STR_NONE;
}

static const char *add_option(struct call *c, const char *name, const json_t *v)
{
	struct str value_name, text = value_text(c->arena, v);
	if (!command_option(c->command, str_of(name), &value_name))
		return "there is no argument or option of one of these names";
	if (c->n_options == CTL_OPTIONS_MAX || !str_present(text))
		return "an option is no string, number or boolean, or there are too many";
	c->options[c->n_options++] = (struct call_option){ .name = arena_str(c->arena, str_of(name)), .value = text };
	return NULL;
}

static const char *read_list(struct call *c, const json_t *list)
{
	if (json_array_size(list) > CTL_ARGS_MAX)
		return "too many arguments";
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct str text = value_text(c->arena, json_array_get(list, i));
		if (!str_present(text))
			return "an argument is no string, number or boolean";
		c->args[c->n_args++] = text;
	}
	return NULL;
}

/* The place of an argument of this name; CTL_ARGS_MAX: there is none. */
static unsigned arg_place(const struct call *c, const char *name)
{
	struct str arg;
	for (unsigned i = 0; i < CTL_ARGS_MAX && str_present(arg = command_arg_name(c->command, i)); i++)
		if (str_is(openapi_name(c->arena, arg), name))
			return i;
	return CTL_ARGS_MAX;
}

/* Arguments by name; the first that is left out ends them. */
static const char *read_object(struct call *c, json_t *object)
{
	const char *name, *wrong;
	json_t *v;
	struct str arg;
	for (unsigned i = 0; i < CTL_ARGS_MAX && str_present(arg = command_arg_name(c->command, i)); i++) {
		v = json_object_get(object, openapi_name(c->arena, arg).p);
		if (!v)
			break;
		if (!str_present(c->args[c->n_args++] = value_text(c->arena, v)))
			return "an argument is no string, number or boolean";
	}
	json_object_foreach(object, name, v)
	{
		unsigned place = arg_place(c, name);
		if (place == CTL_ARGS_MAX && (wrong = add_option(c, name, v)))
			return wrong;
		if (place != CTL_ARGS_MAX && place >= c->n_args)
			return "an argument is missing before another";
	}
	return NULL;
}

static const char *read_body(struct call *c, json_t *body)
{
	const char *name, *wrong = NULL;
	json_t *v, *args = json_object_get(body, "args"), *named = json_object_get(body, "options");
	if (!json_is_object(body) || json_object_size(body) != (size_t)(args != NULL) + (named != NULL) ||
	    (named && !json_is_object(named)) || (args && !json_is_object(args) && !json_is_array(args)))
		return "the body is to be {\"args\": {...} or [...], \"options\": {...}}";
	if (args)
		wrong = json_is_array(args) ? read_list(c, args) : read_object(c, args);
	if (wrong || !named)
		return wrong;
	json_object_foreach(named, name, v)
		if ((wrong = add_option(c, name, v)))
			return wrong;
	return NULL;
}

static bool is_json(struct str type)
{
	return str_caseeq(str_trim(str_cut(&type, ';')), STR("application/json"));
}

static void run(struct call_of *of, const struct command *command)
{
	struct exchange *x = of->exchange;
	struct arena *a = arena_new(1024);
	struct call *c = arena_zalloc(a, sizeof *c);
	struct str text = x->request.body;
	json_t *body = text.len ? json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, NULL) : json_object();
	c->arena = a;
	c->node = x->node;
	c->command = command;
	c->asker = of;
	c->done = on_done;
	c->by = of->token;
	const char *wrong = body ? read_body(c, body) : "the body is not JSON";
	json_decref(body);
	if (!wrong) {
		command_run(c);
		return;
	}
	arena_free(a);
	refuse(of, 400, wrong);
}

static void on_call(struct exchange *x)
{
	struct api *a = x->arg;
	struct call_of *of = arena_zalloc(x->arena, sizeof *of);
	char peer[IP_TEXT_BYTES];
	*of = (struct call_of){ .exchange = x, .command = arena_str(x->arena, x->rest), .began_ms = x->node->main->now_ms };
	of->peer = arena_str(x->arena, ip_format(peer, &x->peer));
	struct token *t = caller(a, of);
	if (!t)
		return;
	of->token = arena_printf(x->arena, "token %.*s", STR_ARG(t->name));
	const struct command *c = command_find(x->rest);
	if (!c || !openapi_has(c))
		refuse(of, 404, "there is no such command here");
	else if (!token_may(t, c))
		refuse(of, 403, "not with this token");
	else if (x->request.body.len && !is_json(x->request.content_type))
		refuse(of, 415, "the body is to be application/json");
	else if (atomic_load(&x->node->draining))
		refuse(of, 503, "the node is stopping");
	else
		run(of, c);
}

static void on_document(struct exchange *x)
{
	json_t *doc = openapi_document();
	char *text = json_dumps(doc, JSON_INDENT(1));
	json_decref(doc);
	exchange_reply(x, 200, "application/json", str_of(text));
	free(text);
}

static const struct path paths[] = {
	{ "/api/openapi.json", REQUEST_GET, on_document },
	{ "/api/", REQUEST_POST, on_call },
	{ NULL, 0, NULL },
};

/* ---- start and stop ---- */

enum err api_start(struct node *n, struct buf *why, struct api **out)
{
	*out = NULL;
	if (!config_bool(n->config, "api.enabled"))
		return ERR_NONE;
	struct api *a = *out = xzalloc(sizeof *a);
	a->node = n;
	tally_init(&a->strangers, STRANGERS, FORGET_MS);
	if (tokens_now(a)->n == 0)
		LOG(LOG_WARN, "api", "the admin API has no tokens: nobody can use it (api.tokens)");
	return httpd_start(n, "the admin API", config_str(n->config, "api.address").p, (int)config_int(n->config, "api.port"), paths, a,
			   why, &a->httpd);
}

void api_stop(struct api **api)
{
	struct api *a = *api;
	*api = NULL;
	if (!a)
		return;
	httpd_stop(a->httpd);
	token_set_free(a->tokens);
	tally_fini(&a->strangers);
	free(a);
}
