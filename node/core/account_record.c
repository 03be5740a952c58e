#include "node/core/account_record.h"

#include <jansson.h>
#include <stdlib.h>

#include "proto/base/encode.h"

#define MEMBERS_MAX 8

/* ---- reading ---- */

struct member {
	struct str name, text;
};

/* A record as it is read. Nearly all are flat objects of a few plain strings without spaces, as account_record_format writes them, and are
 * cut up in place: a JSON parser takes twenty times as long, which was the most of what a login asks of its account. Whatever else
 * a record may be, the parser decides. */
struct record {
	json_t *root; /* NULL: cut up */
	struct member members[MEMBERS_MAX];
	size_t n;
};

static const struct member *member_of(const struct record *r, struct str name)
{
	for (size_t i = 0; i < r->n; i++)
		if (str_eq(r->members[i].name, name))
			return &r->members[i];
	return NULL;
}

static bool take(struct str *rest, char c)
{
	if (!rest->len || rest->p[0] != c)
		return false;
	*rest = str_span(rest->p + 1, rest->len - 1);
	return true;
}

static bool is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static bool take_string(struct str *rest, struct str *out)
{
	size_t n = 0;
	if (!take(rest, '"'))
		return false;
	while (n < rest->len && is_plain(rest->p[n]))
		n++;
	*out = str_span(rest->p, n);
	*rest = str_span(rest->p + n, rest->len - n);
	return take(rest, '"');
}

/* False: it is not as ours are. */
static bool cut_up(struct record *r, struct str rest)
{
	struct member m;
	bool ours = take(&rest, '{');
	do {
		ours = ours && r->n < MEMBERS_MAX && take_string(&rest, &m.name) && take(&rest, ':') && take_string(&rest, &m.text) &&
		       !member_of(r, m.name);
		if (ours)
			r->members[r->n++] = m;
	} while (ours && take(&rest, ','));
	return ours && take(&rest, '}') && !rest.len;
}

static json_t *load(struct str text)
{
	json_t *root = json_loadb(text.p ? text.p : "", text.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

static struct str text_member(const struct record *r, const char *name)
{
	const struct member *m = member_of(r, str_of(name));
	const json_t *v = r->root ? json_object_get(r->root, name) : NULL;
	if (m)
		return m->text;
	return json_is_string(v) ? str_span(json_string_value(v), json_string_length(v)) : STR_NONE;
}

static enum err time_member(const struct record *r, const char *name, int64_t *out)
{
	struct str text = text_member(r, name);
	*out = 0;
	return str_present(text) ? stamp_parse(text, out) : ERR_NONE;
}

static enum err parse(struct arena *a, const struct record *r, struct account *out)
{
	struct str keys = text_member(r, "scram"), reason = text_member(r, "disabled");
	*out = (struct account){ .has_keys = str_present(keys) };
	if (out->has_keys && sasl_keys_parse(a, keys, &out->keys))
		return ERR_INVALID;
	if (time_member(r, "created", &out->created_ms) || time_member(r, "changed", &out->changed_ms) ||
	    time_member(r, "login", &out->login_ms))
		return ERR_INVALID;
	if (str_present(reason) || (r->root && json_object_get(r->root, "disabled"))) {
		out->disabled = true; /* whatever its form: when in doubt, nobody gets in */
		out->reason = arena_str(a, str_present(reason) ? reason : STR(""));
	}
	return ERR_NONE;
}

enum err account_record_parse(struct arena *a, struct str text, struct account *out)
{
	struct record r = { 0 };
	if (!cut_up(&r, text)) {
		r.n = 0;
		r.root = load(text);
		if (!r.root)
			return ERR_INVALID;
	}
	enum err err = parse(a, &r, out);
	json_decref(r.root);
	return err;
}

/* ---- writing ---- */

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
