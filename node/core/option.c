#include "node/core/option.h"

#include <stdio.h>

#define CHOICES_MAX 32

bool option_is_list(const struct option *o)
{
	return o->kind == OPTION_STRINGS || o->kind == OPTION_CIDRS || o->kind == OPTION_MAPS;
}

int64_t option_max(const struct option *o)
{
	if (o->max || !(option_is_list(o) || o->kind == OPTION_STRING || o->kind == OPTION_PATH))
		return o->max;
	return option_is_list(o) ? OPTION_ITEMS_MAX : OPTION_STRING_MAX;
}

bool option_bool(const struct option_value *v)
{
	BUG_ON(v->option->kind != OPTION_BOOL);
	return v->number != 0;
}

int64_t option_int(const struct option_value *v)
{
	enum option_kind kind = v->option->kind;
	BUG_ON(kind != OPTION_INT && kind != OPTION_DURATION && kind != OPTION_SIZE);
	return v->number;
}

int option_enum(const struct option_value *v)
{
	BUG_ON(v->option->kind != OPTION_ENUM);
	return (int)v->number;
}

struct str option_str(const struct option_value *v)
{
	BUG_ON(v->option->kind != OPTION_STRING && v->option->kind != OPTION_PATH);
	return v->text;
}

const struct str *option_strs(const struct option_value *v, size_t *n)
{
	BUG_ON(v->option->kind != OPTION_STRINGS);
	*n = v->n_items;
	return v->strings;
}

const struct cidr *option_cidrs(const struct option_value *v, size_t *n)
{
	BUG_ON(v->option->kind != OPTION_CIDRS);
	*n = v->n_items;
	return v->cidrs;
}

const struct option_map *option_maps(const struct option_value *v, size_t *n)
{
	BUG_ON(v->option->kind != OPTION_MAPS);
	*n = v->n_items;
	return v->maps;
}

const struct option_value *option_field(const struct option_map *m, const char *name)
{
	for (size_t i = 0; i < m->of->n_fields; i++)
		if (strcmp(m->of->fields[i].name, name) == 0)
			return &m->values[i];
	BUG("no such field");
}

static bool item_eq(const struct option_value *a, const struct option_value *b, size_t i)
{
	if (a->option->kind == OPTION_STRINGS)
		return str_eq(a->strings[i], b->strings[i]);
	if (a->option->kind == OPTION_CIDRS)
		return memcmp(&a->cidrs[i], &b->cidrs[i], sizeof(struct cidr)) == 0;
	for (size_t f = 0; f < a->option->n_fields; f++)
		if (!option_value_eq(&a->maps[i].values[f], &b->maps[i].values[f]))
			return false;
	return true;
}

bool option_value_eq(const struct option_value *a, const struct option_value *b)
{
	BUG_ON(a->option != b->option);
	if (a->number != b->number || !str_eq(a->text, b->text) || str_present(a->text) != str_present(b->text) || a->n_items != b->n_items)
		return false;
	for (size_t i = 0; i < a->n_items; i++)
		if (!item_eq(a, b, i))
			return false;
	return true;
}

struct unit {
	const char *name;
	int64_t factor;
};
/* The largest last: printing takes the last one that divides. */
static const struct unit durations[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
static const struct unit sizes[] = { { "B", 1 }, { "bytes", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 } };
#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Digits, spaces, the name of a unit; without one the number counts `bare` each, or is refused when that is 0 and the number is not. */
static enum err parse_united(struct str s, const struct unit *units, size_t n, int64_t bare, int64_t *out)
{
	size_t digits = 0;
	uint64_t number;
	int64_t factor = -1;
	while (digits < s.len && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (!str_to_u64(str_span(s.p, digits), &number) || number > INT64_MAX)
		return ERR_INVALID;
	struct str unit = str_trim(str_span(s.p + digits, s.len - digits));
	if (unit.len == 0)
		factor = number ? bare : 1;
	for (size_t i = 0; i < n; i++)
		if (str_is(unit, units[i].name))
			factor = units[i].factor;
	if (factor <= 0 || __builtin_mul_overflow((int64_t)number, factor, out))
		return ERR_INVALID;
	return ERR_NONE;
}

enum err option_parse_duration(struct str s, int64_t *ms)
{
	return parse_united(s, durations, N(durations), 0, ms);
}

enum err option_parse_size(struct str s, int64_t *bytes)
{
	return parse_united(s, sizes, N(sizes), 1, bytes);
}

static enum err parse_int(struct str s, int64_t *out)
{
	uint64_t v;
	bool negative = str_starts(s, STR("-"));
	if (!str_to_u64(negative ? str_span(s.p + 1, s.len - 1) : s, &v) || v > INT64_MAX)
		return ERR_INVALID;
	*out = negative ? -(int64_t)v : (int64_t)v;
	return ERR_NONE;
}

static enum err parse_bool(struct str s, int64_t *out)
{
	static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" } };
	for (size_t i = 0; i < N(words); i++) {
		for (int on = 0; on < 2; on++) {
			if (!str_caseeq(s, str_of(words[i][on])))
				continue;
			*out = on;
			return ERR_NONE;
		}
	}
	return ERR_INVALID;
}

/* The words of an enum, cut in `store`. */
static size_t choices(const struct option *o, char store[512], const char *words[CHOICES_MAX])
{
	size_t n = 0, len = strlen(o->choices);
	BUG_ON(len >= 512);
	memcpy(store, o->choices, len + 1);
	for (char *word = store, *end; word; word = end ? end + 1 : NULL) {
		BUG_ON(n == CHOICES_MAX);
		end = strchr(word, ' ');
		if (end)
			*end = '\0';
		words[n++] = word;
	}
	return n;
}

static enum err parse_enum(const struct option *o, struct str s, int64_t *out, struct buf *why)
{
	char store[512];
	const char *words[CHOICES_MAX];
	size_t n = choices(o, store, words);
	for (size_t i = 0; i < n; i++) {
		if (!str_is(s, words[i]))
			continue;
		*out = (int64_t)i;
		return ERR_NONE;
	}
	buf_addz(why, "expected one of ");
	for (size_t i = 0; i < n; i++)
		buf_addf(why, "%s%s", i ? ", " : "", words[i]);
	buf_addz(why, "; found ");
	option_add_shown(why, s);
	const char *near = option_nearest(s, words, n);
	if (near)
		buf_addf(why, "; did you mean \"%s\"?", near);
	return ERR_INVALID;
}

static enum err parse_text(const struct option *o, struct arena *a, struct str s, struct option_value *v, struct buf *why)
{
	size_t max = (size_t)option_max(o);
	size_t min = o->kind == OPTION_PATH && o->min == 0 ? 1 : (size_t)o->min;
	if (s.len < min || s.len > max) {
		buf_addf(why, "expected %zu to %zu bytes of text; found %zu", min, max, s.len);
		return ERR_INVALID;
	}
	if ((s.len && memchr(s.p, '\0', s.len)) || !str_is_utf8(s)) {
		buf_addz(why, "expected text in UTF-8 without NUL bytes");
		return ERR_INVALID;
	}
	v->text = arena_str(a, str_present(s) ? s : STR(""));
	return ERR_NONE;
}

static enum err parse_number(const struct option *o, struct str s, int64_t *out, struct buf *why)
{
	enum err e;
	const char *expected;
	if (o->kind == OPTION_BOOL) {
		e = parse_bool(s, out);
		expected = "true or false";
	} else if (o->kind == OPTION_DURATION) {
		e = option_parse_duration(s, out);
		expected = "a duration such as 30s (units: ms, s, m, h, d)";
	} else if (o->kind == OPTION_SIZE) {
		e = option_parse_size(s, out);
		expected = "a size such as 64 KiB (units: bytes, KiB, MiB, GiB)";
	} else {
		e = parse_int(s, out);
		expected = "a whole number";
	}
	if (!e)
		return ERR_NONE;
	buf_addf(why, "expected %s; found ", expected);
	option_add_shown(why, s);
	return ERR_INVALID;
}

static bool has_bounds(const struct option *o)
{
	return o->min != 0 || o->max != 0;
}

enum err option_parse(const struct option *o, struct arena *a, struct str text, struct option_value *v, struct buf *why)
{
	int64_t number = 0;
	enum err e;
	BUG_ON(option_is_list(o));
	if (o->kind == OPTION_STRING || o->kind == OPTION_PATH)
		return parse_text(o, a, text, v, why);
	text = str_trim(text);
	e = o->kind == OPTION_ENUM ? parse_enum(o, text, &number, why) : parse_number(o, text, &number, why);
	if (e)
		return e;
	if (has_bounds(o) && (number < o->min || number > o->max)) {
		option_add_shown(why, text);
		buf_addz(why, " is out of range; expected ");
		option_add_range(why, o);
		return ERR_INVALID;
	}
	v->number = number;
	return ERR_NONE;
}

static void add_united(struct buf *b, const struct unit *units, size_t n, int64_t number, const char *gap)
{
	size_t i = n - 1;
	while (i > 0 && (number ? number % units[i].factor != 0 : units[i].factor > 1))
		i--;
	buf_addf(b, "%lld%s%s", (long long)(number / units[i].factor), gap, units[i].name);
}

void option_add_number(struct buf *b, const struct option *o, int64_t number)
{
	if (o->kind == OPTION_DURATION)
		add_united(b, durations, N(durations), number, "");
	else if (o->kind == OPTION_SIZE)
		add_united(b, sizes, N(sizes), number, " ");
	else if (o->unit)
		buf_addf(b, "%lld %s", (long long)number, o->unit);
	else
		buf_addf(b, "%lld", (long long)number);
}

void option_add_range(struct buf *b, const struct option *o)
{
	struct option bare = *o;
	if (!has_bounds(o) || o->kind == OPTION_BOOL || o->kind == OPTION_ENUM)
		return;
	if (o->kind == OPTION_STRING || o->kind == OPTION_PATH)
		bare.unit = "bytes";
	else if (option_is_list(o))
		bare.unit = "items";
	const char *unit = bare.unit;
	bare.unit = NULL;
	option_add_number(b, &bare, o->min);
	buf_addz(b, " to ");
	bare.unit = unit;
	option_add_number(b, &bare, option_max(o));
}

static void add_cidr(struct buf *b, const struct cidr *c)
{
	char text[IP_TEXT_BYTES];
	unsigned base = c->bits >= 96 && ip_is_v4(&c->net) ? 96 : 0;
	buf_addf(b, "\"%s", (base ? ip_format(text, &c->net) : ip_format_v6(text, &c->net)).p);
	if (c->bits < 128)
		buf_addf(b, "/%u", c->bits - base);
	buf_addc(b, '"');
}

static void add_items(struct buf *b, const struct option_value *v)
{
	for (size_t i = 0; i < v->n_items; i++) {
		buf_addz(b, i ? ", " : "");
		if (v->option->kind == OPTION_STRINGS) {
			option_add_quoted(b, v->strings[i]);
		} else if (v->option->kind == OPTION_CIDRS) {
			add_cidr(b, &v->cidrs[i]);
		} else {
			buf_addc(b, '{');
			for (size_t f = 0; f < v->option->n_fields; f++) {
				buf_addf(b, "%s%s: ", f ? ", " : "", v->option->fields[f].name);
				option_add_value(b, &v->maps[i].values[f]);
			}
			buf_addc(b, '}');
		}
	}
}

void option_add_value(struct buf *b, const struct option_value *v)
{
	const struct option *o = v->option;
	char store[512];
	const char *words[CHOICES_MAX];
	if (o->is_secret && (v->n_items || str_present(v->text))) {
		buf_addz(b, "(hidden)");
	} else if (option_is_list(o)) {
		buf_addc(b, '[');
		add_items(b, v);
		buf_addc(b, ']');
	} else if (o->kind == OPTION_STRING || o->kind == OPTION_PATH) {
		if (str_present(v->text))
			option_add_quoted(b, v->text);
		else
			buf_addz(b, "(none)");
	} else if (o->kind == OPTION_BOOL) {
		buf_addz(b, v->number ? "true" : "false");
	} else if (o->kind == OPTION_ENUM) {
		choices(o, store, words);
		buf_addz(b, words[v->number]);
	} else {
		struct option bare = *o;
		bare.unit = NULL;
		option_add_number(b, &bare, v->number);
	}
}

void option_add_quoted(struct buf *b, struct str s)
{
	buf_addc(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\')
			buf_addf(b, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_addf(b, "\\x%02x", c);
		else
			buf_addc(b, (char)c);
	}
	buf_addc(b, '"');
}

void option_add_shown(struct buf *b, struct str s)
{
	size_t n = s.len < 60 ? s.len : 60;
	bool text = str_is_utf8(s);
	while (text && n < s.len && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	buf_addc(b, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		buf_addc(b, c < ' ' || c == 0x7f || (c >= 0x80 && !text) ? '?' : (char)c);
	}
	buf_addz(b, n < s.len ? "...\"" : "\"");
}

const char *option_nearest(struct str word, const char *const *words, size_t n)
{
	const char *best = NULL;
	unsigned least = word.len < 6 ? 1 : word.len < 9 ? 2 : 3; /* as many slips as somebody may have made */
	for (size_t i = 0; i < n; i++) {
		unsigned d = str_distance(word, str_of(words[i]));
		if (d > least || (best && d == least))
			continue;
		best = words[i];
		least = d;
	}
	return best;
}
