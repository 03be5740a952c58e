/* From a node of the tree, or a text, to the value of an option. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "node/core/config_private.h"

#define WHY_MAX      1024
#define SECRET_BYTES 65536

struct option_origin config_value_place(const char *file, const struct yamltree *t)
{
	return (struct option_origin){ .source = OPTION_FROM_FILE, .name = file, .line = t->line, .column = t->column };
}

struct option_origin config_key_place(const char *file, const struct yamltree *t)
{
	return (struct option_origin){ .source = OPTION_FROM_FILE, .name = file, .line = t->key_line, .column = t->key_column };
}

static bool wrong_shape(struct config_report *r, const struct option *o, struct str label, const struct yamltree *t, const char *file)
{
	static const char *const shapes[] = { "a value", "a list", "a map" };
	struct option_origin at = config_value_place(file, t);
	const char *expected = o->kind == OPTION_MAPS ? "a list of maps" : option_is_list(o) ? "a list" : "one value";
	config_report_at(r, &at, "%.*s: expected %s; found %s", STR_ARG(label), expected, t->is_null ? "nothing" : shapes[t->kind]);
	return false;
}

enum err config_read_secret(struct arena *a, const char *path, struct str *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_IO;
	char *p = arena_alloc(a, SECRET_BYTES + 1);
	size_t len = 0;
	ssize_t n;
	while (len <= SECRET_BYTES && (n = read(fd, p + len, SECRET_BYTES + 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	if (n < 0)
		return ERR_IO;
	if (len > SECRET_BYTES) {
		errno = EFBIG;
		return ERR_LIMIT;
	}
	while (len && (p[len - 1] == '\n' || p[len - 1] == '\r'))
		len--;
	*out = str_span(p, len);
	return ERR_NONE;
}

bool config_read_text(struct config_report *r, struct arena *a, const struct option *o, struct str label, struct str text,
                      struct option_origin at, struct option_value *v)
{
	struct buf why;
	buf_init(&why, WHY_MAX);
	enum err e = option_parse(o, a, text, v, &why);
	if (e)
		config_report_at(r, &at, "%.*s: %.*s", STR_ARG(label), STR_ARG(buf_str(&why)));
	buf_fini(&why);
	v->origin = at;
	return !e;
}

/* {file: PATH} */
static bool read_from_file(struct config_report *r, struct arena *a, const struct option *o, struct str label, const struct yamltree *t,
                           const char *file, struct option_value *v)
{
	struct option_origin at = config_value_place(file, t);
	struct str text;
	const struct yamltree *path = t->first;
	if (t->n != 1 || !str_is(path->key, "file") || path->kind != YAMLTREE_SCALAR || path->is_null) {
		config_report_at(r, &at, "%.*s: expected text, or {file: PATH}", STR_ARG(label));
		return false;
	}
	if (config_read_secret(a, path->text.p, &text)) {
		config_report_at(r, &at, "%.*s: cannot read \"%s\": %s", STR_ARG(label), path->text.p, strerrordesc_np(errno));
		return false;
	}
	return config_read_text(r, a, o, label, text, at, v);
}

static bool read_scalar(struct config_report *r, struct arena *a, const struct option *o, struct str label, const struct yamltree *t,
                        const char *file, struct option_value *v)
{
	if (o->kind == OPTION_STRING && t->kind == YAMLTREE_MAP)
		return read_from_file(r, a, o, label, t, file, v);
	if (t->kind != YAMLTREE_SCALAR || t->is_null)
		return wrong_shape(r, o, label, t, file);
	return config_read_text(r, a, o, label, t->text, config_value_place(file, t), v);
}

static bool read_string_item(struct config_report *r, struct arena *a, struct str label, const struct yamltree *t, const char *file,
                             struct str *out)
{
	static const struct option item = { .kind = OPTION_STRING };
	struct option_value v = { .option = &item };
	if (!read_scalar(r, a, &item, label, t, file, &v))
		return false;
	*out = v.text;
	return true;
}

static bool read_cidr_item(struct config_report *r, struct str label, const struct yamltree *t, const char *file, struct cidr *out)
{
	if (t->kind == YAMLTREE_SCALAR && !cidr_parse(t->text, out))
		return true;
	struct option_origin at = config_value_place(file, t);
	config_report_at(r, &at, "%.*s: expected an address range such as 10.0.0.0/8 or ::1, host bits zero", STR_ARG(label));
	return false;
}

void config_report_unknown(struct config_report *r, const struct option_origin *at, struct str path, struct str key,
        const char *const *words,
                           size_t n)
{
	const char *near = option_nearest(key, words, n);
	if (near)
		config_report_at(r, at, "%.*s: unknown option; did you mean \"%s\"?", STR_ARG(path), near);
	else
		config_report_at(r, at, "%.*s: unknown option", STR_ARG(path));
}

static bool read_fields(struct config_report *r, struct arena *a, const struct option *o, struct str label, const struct yamltree *t,
                        const char *file, struct option_value *values)
{
	const char *words[CONFIG_FIELDS_MAX];
	bool ok = true;
	for (size_t f = 0; f < o->n_fields && f < CONFIG_FIELDS_MAX; f++)
		words[f] = o->fields[f].name;
	for (const struct yamltree *k = t->first; k; k = k->next) {
		struct str path = arena_printf(a, "%.*s.%.*s", STR_ARG(label), STR_ARG(k->key));
		size_t f = 0;
		while (f < o->n_fields && !str_is(k->key, o->fields[f].name))
			f++;
		if (f < o->n_fields) {
			ok &= config_read_value(r, a, &o->fields[f], path, k, file, &values[f]);
			continue;
		}
		struct option_origin at = config_key_place(file, k);
		config_report_unknown(r, &at, path, k->key, words, o->n_fields);
		ok = false;
	}
	return ok;
}

static bool read_map_item(struct config_report *r, struct arena *a, const struct option *o, struct str label, const struct yamltree *t,
                          const char *file, struct option_map *out)
{
	struct option_origin at = config_value_place(file, t);
	if (t->kind != YAMLTREE_MAP)
		return wrong_shape(r, o, label, t, file);
	struct option_value *values = arena_zalloc(a, o->n_fields * sizeof(*values));
	for (size_t f = 0; f < o->n_fields; f++) {
		config_read_default(a, &o->fields[f], &values[f]);
		values[f].origin.source = OPTION_FROM_DEFAULT;
	}
	bool ok = read_fields(r, a, o, label, t, file, values);
	for (size_t f = 0; f < o->n_fields && ok; f++) {
		const struct option *field = &o->fields[f];
		if (!field->required || values[f].origin.source != OPTION_FROM_DEFAULT)
			continue;
		config_report_at(r, &at, "%.*s.%s: must be given", STR_ARG(label), field->name);
		ok = false;
	}
	*out = (struct option_map){ o, values };
	return ok;
}

static bool read_list(struct config_report *r, struct arena *a, const struct option *o, struct str label, const struct yamltree *t,
                      const char *file, struct option_value *v)
{
	int64_t max = option_max(o);
	bool ok = true;
	size_t i = 0;
	if (t->kind != YAMLTREE_LIST)
		return wrong_shape(r, o, label, t, file);
	struct option_origin at = config_value_place(file, t);
	if ((int64_t)t->n < o->min || (int64_t)t->n > max) {
		config_report_at(r, &at, "%.*s: expected %lld to %lld items; found %zu", STR_ARG(label), (long long)o->min,
			(long long)max, t->n);
		return false;
	}
	struct str *strings = o->kind == OPTION_STRINGS ? arena_zalloc(a, t->n * sizeof(*strings)) : NULL;
	struct cidr *cidrs = o->kind == OPTION_CIDRS ? arena_zalloc(a, t->n * sizeof(*cidrs)) : NULL;
	struct option_map *maps = o->kind == OPTION_MAPS ? arena_zalloc(a, t->n * sizeof(*maps)) : NULL;
	for (const struct yamltree *item = t->first; item; item = item->next, i++) {
		struct str path = arena_printf(a, "%.*s[%zu]", STR_ARG(label), i);
		if (strings)
			ok &= read_string_item(r, a, path, item, file, &strings[i]);
		else if (cidrs)
			ok &= read_cidr_item(r, path, item, file, &cidrs[i]);
		else if (maps)
			ok &= read_map_item(r, a, o, path, item, file, &maps[i]);
	}
	*v = (struct option_value){ .option = o, .origin = at, .n_items = t->n, .strings = strings, .cidrs = cidrs, .maps = maps };
	return ok;
}

bool config_read_value(struct config_report *r, struct arena *a, const struct option *o, struct str label, const struct yamltree *t,
                       const char *file, struct option_value *v)
{
	v->option = o;
	return option_is_list(o) ? read_list(r, a, o, label, t, file, v) : read_scalar(r, a, o, label, t, file, v);
}

static void on_default_error(void *arg, unsigned line, unsigned column, const char *text)
{
	fprintf(stderr, "%s:%u:%u: %s\n", (const char *)arg, line, column, text);
}

void config_read_default(struct arena *a, const struct option *o, struct option_value *v)
{
	static char where[] = "default";
	struct yamltree_errors errors = { on_default_error, where };
	struct yamltree *t;
	struct buf out;
	struct config_report r = { .out = &out };
	*v = (struct option_value){ .option = o };
	if (!o->default_text)
		return;
	buf_init(&out, WHY_MAX);
	if (yamltree_parse(a, str_of(o->default_text), errors, &t) || !config_read_value(&r, a, o, str_of(o->name), t, where, v)) {
		fprintf(stderr, "%.*s", STR_ARG(buf_str(&out)));
		BUG("the default of an option does not parse");
	}
	buf_fini(&out);
	v->origin = (struct option_origin){ .source = OPTION_FROM_DEFAULT };
}
