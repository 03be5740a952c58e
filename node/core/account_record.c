#include "node/core/account_record.h"

#include <jansson.h>
#include <stdlib.h>

#include "proto/base/encode.h"

static struct str text_member(const json_t *root, const char *name)
{
	const json_t *v = json_object_get(root, name);
	return json_is_string(v) ? str_span(json_string_value(v), json_string_length(v)) : STR_NONE;
}

static json_t *load(struct str text)
{
	json_t *root = json_loadb(text.p ? text.p : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

static enum err time_member(const json_t *root, const char *name, int64_t *out)
{
	struct str text = text_member(root, name);
	*out = 0;
	return str_present(text) ? stamp_parse(text, out) : ERR_NONE;
}

static enum err parse(struct arena *a, const json_t *root, struct account *out)
{
	struct str keys = text_member(root, "scram");
	const json_t *disabled = json_object_get(root, "disabled");
	*out = (struct account){ .has_keys = str_present(keys) };
	if (out->has_keys && sasl_keys_parse(a, keys, &out->keys))
		return ERR_INVALID;
	if (time_member(root, "created", &out->created_ms) || time_member(root, "changed", &out->changed_ms) ||
	    time_member(root, "login", &out->login_ms))
		return ERR_INVALID;
	if (disabled) {
		out->disabled = true; /* whatever its form: when in doubt, nobody gets in */
		out->reason = arena_str(a, json_is_string(disabled) ? text_member(root, "disabled") : STR(""));
	}
	return ERR_NONE;
}

enum err account_record_parse(struct arena *a, struct str text, struct account *out)
{
	json_t *root = load(text);
	if (!root)
		return ERR_INVALID;
	enum err err = parse(a, root, out);
	json_decref(root);
	return err;
}

static void set_text(json_t *root, const char *name, struct str text)
{
	bool fits = text.len && !memchr(text.p, 0, text.len) && str_is_utf8(text); /* jansson would not read a NUL back */
	json_t *v = fits ? json_stringn(text.p, text.len) : json_string("");
	BUG_ON(!v || json_object_set_new(root, name, v) != 0);
}

static void set_time(json_t *root, const char *name, int64_t unix_ms)
{
	char stamp[STAMP_BYTES];
	set_text(root, name, stamp_format(stamp, unix_ms, true));
}

struct str account_record_format(struct arena *a, const struct account *account, struct str before)
{
	json_t *root = str_present(before) ? load(before) : NULL;
	if (!root)
		root = json_object();
	json_object_del(root, "scram");
	json_object_del(root, "disabled");
	if (account->has_keys)
		set_text(root, "scram", sasl_keys_format(a, &account->keys));
	set_time(root, "created", account->created_ms);
	set_time(root, "changed", account->changed_ms);
	if (account->login_ms)
		set_time(root, "login", account->login_ms);
	if (account->disabled)
		set_text(root, "disabled", account->reason);
	char *text = json_dumps(root, JSON_COMPACT);
	BUG_ON(!text);
	struct str out = arena_str(a, str_of(text));
	free(text);
	json_decref(root);
	return out;
}
