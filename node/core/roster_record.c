#include "node/core/roster_record.h"

#include <jansson.h>
#include <stdlib.h>

const struct store_space roster_space = { "roster", STORE_MAP };
const struct store_space roster_requests_space = { "roster-requests", STORE_MAP };
const struct store_space roster_state_space = { "roster-state", STORE_MAP };

/* ---- groups ---- */

void roster_group_add(struct buf *packed, struct str group)
{
	unsigned char len[2] = { (unsigned char)(group.len >> 8), (unsigned char)group.len };
	BUG_ON(group.len > ROSTER_GROUP_MAX);
	buf_add(packed, len, sizeof len);
	buf_add_str(packed, group);
}

bool roster_group_next(struct str *packed, struct str *group)
{
	if (packed->len < 2)
		return false;
	size_t len = (size_t)(unsigned char)packed->p[0] << 8 | (unsigned char)packed->p[1];
	BUG_ON(len > packed->len - 2);
	*group = str_span(packed->p + 2, len);
	*packed = str_span(packed->p + 2 + len, packed->len - 2 - len);
	return true;
}

/* ---- records ---- */

static struct str text_of(const json_t *v)
{
	return json_is_string(v) ? str_span(json_string_value(v), json_string_length(v)) : STR("");
}

enum subscription roster_item_state(const struct roster_item *item)
{
	enum subscription s = item->side.state;
	return subscription_of(subscription_has_to(s) || item->tie_to, subscription_has_from(s) || item->tie_from,
			       subscription_is_pending_out(s), subscription_is_pending_in(s));
}

static enum err groups_parse(struct arena *a, const json_t *list, struct str *out)
{
	struct buf packed;
	size_t i;
	json_t *v;
	enum err err = ERR_NONE;
	buf_init(&packed, STORE_VALUE_MAX * 2);
	json_array_foreach(list, i, v) {
		if (json_is_string(v) && json_string_length(v) <= ROSTER_GROUP_MAX)
			roster_group_add(&packed, text_of(v));
		else
			err = ERR_INVALID;
	}
	*out = packed.len ? arena_str(a, buf_str(&packed)) : STR("");
	buf_fini(&packed);
	return err;
}

static enum err parse(struct arena *a, const json_t *root, struct roster_item *out)
{
	const json_t *state = json_object_get(root, "subscription");
	*out = (struct roster_item){ .listed = true };
	if (state && !subscription_find(text_of(state), &out->side.state))
		return ERR_INVALID;
	out->side.approved = json_is_true(json_object_get(root, "approved"));
	out->name = arena_str(a, text_of(json_object_get(root, "name")));
	return groups_parse(a, json_object_get(root, "groups"), &out->groups);
}

enum err roster_record_parse(struct arena *a, struct str text, struct roster_item *out)
{
	json_t *root = json_loadb(text.p ? text.p : "", text.len, 0, NULL);
	enum err err = json_is_object(root) ? parse(a, root, out) : ERR_INVALID;
	json_decref(root);
	return err;
}

static void set(json_t *root, const char *name, json_t *v)
{
	BUG_ON(!v || json_object_set_new(root, name, v) != 0);
}

struct str roster_record_format(struct arena *a, const struct roster_item *item)
{
	json_t *root = json_object();
	struct str rest = item->groups, group, state = subscription_name(item->side.state);
	json_t *groups = json_array();
	set(root, "subscription", json_stringn(state.p, state.len));
	if (item->name.len)
		set(root, "name", json_stringn(item->name.p, item->name.len));
	while (roster_group_next(&rest, &group))
		BUG_ON(json_array_append_new(groups, json_stringn(group.p, group.len)) != 0);
	if (json_array_size(groups))
		set(root, "groups", groups);
	else
		json_decref(groups);
	if (item->side.approved)
		set(root, "approved", json_true());
	char *text = json_dumps(root, JSON_COMPACT);
	BUG_ON(!text);
	struct str out = arena_str(a, str_of(text));
	free(text);
	json_decref(root);
	return out;
}

struct str roster_ver_format(struct arena *a, uint64_t ver)
{
	return arena_printf(a, "%016llx", (unsigned long long)ver);
}

uint64_t roster_ver_parse(struct str text)
{
	uint64_t ver = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *digits = "0123456789abcdef", *d = text.p[i] ? strchr(digits, text.p[i]) : NULL;
		if (!d || text.len != ROSTER_VER_CHARS)
			return 0;
		ver = ver << 4 | (uint64_t)(d - digits);
	}
	return ver;
}
