#include "node/ctl/show.h"

#include <stdlib.h>
#include <unistd.h>

#include "node/ctl/command.h"
#include "proto/base/buf.h"

#define CELL_MAX    4096
#define COLUMNS_MAX 32

/* What a value looks like in a cell. */
static void add_value(struct buf *b, const json_t *v)
{
	if (json_is_string(v)) {
		for (const char *p = json_string_value(v); *p; p++)
			buf_addc(b, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
	} else if (json_is_integer(v)) {
		buf_addf(b, "%lld", (long long)json_integer_value(v));
	} else if (json_is_real(v)) {
		buf_addf(b, "%g", json_real_value(v));
	} else if (json_is_boolean(v)) {
		buf_addz(b, json_is_true(v) ? "yes" : "no");
	} else if (json_is_array(v)) {
		size_t i;
		const json_t *item;
		json_array_foreach(v, i, item)
		{
			buf_addz(b, i ? ", " : "");
			add_value(b, item);
		}
	} else if (json_is_object(v)) {
		char *text = json_dumps(v, JSON_COMPACT);
		buf_addz(b, text ? text : "");
		free(text);
	} else {
		buf_addz(b, "-");
	}
}

static void print_value(const json_t *v, const char *end, FILE *out)
{
	struct buf b;
	buf_init(&b, 16u << 20);
	add_value(&b, v);
	fprintf(out, "%.*s%s", STR_ARG(buf_str(&b)), end);
	buf_fini(&b);
}

/* ---- tables ---- */

/* Characters, not bytes: good enough for what is not wide or combining. */
static size_t width_of(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

struct table {
	const char *names[COLUMNS_MAX];
	size_t widths[COLUMNS_MAX], n;
	struct buf cell;
};

static struct str cell_of(struct table *t, const json_t *row, size_t i)
{
	const json_t *v = json_object_get(row, t->names[i]);
	buf_clear(&t->cell);
	if (v)
		add_value(&t->cell, v);
	return str_present(buf_str(&t->cell)) ? buf_str(&t->cell) : STR("");
}

/* The columns are the members of all rows, in the order in which they first appear. */
static void columns_find(struct table *t, const json_t *rows)
{
	size_t r, i;
	const json_t *row, *v;
	const char *key;
	json_array_foreach(rows, r, row)
	{
		json_object_foreach((json_t *)(uintptr_t)row, key, v)
		{
			for (i = 0; i < t->n && strcmp(t->names[i], key) != 0; i++)
				;
			if (i == t->n && t->n < COLUMNS_MAX)
				t->names[t->n++] = key;
		}
	}
}

static void print_cell(struct str s, size_t width, bool last, bool head, FILE *out)
{
	fprintf(out, "%.*s", STR_ARG(s));
	if (last)
		fputc('\n', out);
	else if (!head)
		fputc('\t', out);
	else
		fprintf(out, "%*s", (int)(width - width_of(s) + 2), "");
}

static void print_table(const json_t *rows, bool head, FILE *out)
{
	size_t r;
	const json_t *row;
	struct table t = { .n = 0 };
	buf_init(&t.cell, CELL_MAX);
	columns_find(&t, rows);
	for (size_t i = 0; i < t.n; i++)
		t.widths[i] = strlen(t.names[i]);
	json_array_foreach(rows, r, row)
		for (size_t i = 0; i < t.n; i++) {
			size_t width = width_of(cell_of(&t, row, i));
			t.widths[i] = width > t.widths[i] ? width : t.widths[i];
		}
	for (size_t i = 0; head && i < t.n; i++)
		print_cell(str_of(t.names[i]), t.widths[i], i + 1 == t.n, true, out);
	json_array_foreach(rows, r, row)
		for (size_t i = 0; i < t.n; i++)
			print_cell(cell_of(&t, row, i), t.widths[i], i + 1 == t.n, head, out);
	buf_fini(&t.cell);
}

/* The first member that is a list of objects in any of the rows; NULL: there is none. */
static const char *inner_key(const json_t *rows)
{
	size_t r;
	const json_t *row, *v;
	const char *key;
	json_array_foreach(rows, r, row)
		json_object_foreach((json_t *)(uintptr_t)row, key, v)
			if (json_is_array(v) && json_is_object(json_array_get(v, 0)))
				return key;
	return NULL;
}

/* What the rows have under that key, which they lose: each item after the first member of the row that it was in. */
static json_t *take_inner(json_t *rows, const char *key)
{
	json_t *all = json_array(), *row, *item;
	size_t r, i;
	json_array_foreach(rows, r, row)
	{
		void *first = json_object_iter(row);
		json_array_foreach(json_object_get(row, key), i, item)
		{
			json_t *o = json_object();
			json_object_set(o, json_object_iter_key(first), json_object_iter_value(first));
			json_object_update_missing(o, item);
			json_array_append_new(all, o);
		}
		json_object_del(row, key);
	}
	return all;
}

void show_table(const json_t *rows, bool head, FILE *out)
{
	json_t *own = json_deep_copy(rows), *inner = json_array();
	const json_t *table;
	const char *key;
	size_t i;
	while ((key = inner_key(own))) {
		char *name = xstrndup(key, strlen(key)); /* it goes with what it names */
		json_array_append_new(inner, take_inner(own, name));
		free(name);
	}
	print_table(own, head, out);
	json_array_foreach(inner, i, table)
	{
		fputc('\n', out);
		print_table(table, head, out);
	}
	json_decref(inner);
	json_decref(own);
}

/* ---- answers ---- */

static void show_data(const json_t *data, FILE *out)
{
	size_t i;
	const json_t *v;
	const char *key;
	if (json_is_object(data)) {
		json_object_foreach((json_t *)(uintptr_t)data, key, v)
		{
			fprintf(out, "%s: ", key);
			print_value(v, "\n", out);
		}
	} else if (json_is_array(data) && json_is_object(json_array_get(data, 0))) {
		show_table(data, isatty(fileno(out)), out);
	} else if (json_is_array(data)) {
		json_array_foreach(data, i, v)
			print_value(v, "\n", out);
	} else {
		print_value(data, "\n", out);
	}
}

int show_reply(json_t *reply, bool as_json, FILE *out, FILE *err)
{
	int code = (int)json_integer_value(json_object_get(reply, "code"));
	const char *text = json_string_value(json_object_get(reply, "text"));
	if (as_json) {
		json_dumpf(reply, out, JSON_INDENT(2));
		fputc('\n', out);
	} else if (code != CTL_OK) {
		fprintf(err, "starlingctl: %s\n", text ? text : "failed");
	} else if (text && *text) {
		fprintf(out, "%s\n", text);
	} else {
		show_data(json_object_get(reply, "data"), out);
	}
	return code;
}

void show_line(const json_t *line, bool as_json, FILE *out)
{
	const char *key;
	const json_t *v;
	if (as_json) {
		json_dumpf(line, out, JSON_COMPACT);
		fputc('\n', out);
	} else if (json_is_object(line)) {
		json_object_foreach((json_t *)(uintptr_t)line, key, v)
			print_value(v, " ", out);
		fputc('\n', out);
	} else {
		print_value(line, "\n", out);
	}
	fflush(out);
}

static const char *order_key(const json_t *v)
{
	const json_t *name = json_is_object(v) ? json_object_get(v, "jid") : v;
	const char *text = json_string_value(name ? name : json_object_get(v, "node"));
	return text ? text : "";
}

static int by_text(const void *a, const void *b)
{
	return strcmp(order_key(*(json_t *const *)a), order_key(*(json_t *const *)b));
}

/* In order, so that two listings can be compared; the first `limit` (0: all). */
json_t *show_sorted(json_t *list, uint64_t limit)
{
	size_t n = json_array_size(list);
	json_t **items = xmalloc((n + 1) * sizeof *items), *out = json_array();
	for (size_t i = 0; i < n; i++)
		items[i] = json_array_get(list, i);
	qsort(items, n, sizeof *items, by_text);
	for (size_t i = 0; i < n && (!limit || i < limit); i++)
		json_array_append(out, items[i]);
	free(items);
	json_decref(list);
	return out;
}
