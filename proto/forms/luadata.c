#include "proto/forms/luadata.h"

struct cursor {
	struct arena *arena;
	const char *p, *end;
};

static enum err parse_value(struct cursor *c, struct luadata *out, unsigned depth);

/* ---- words ---- */

static void skip_space(struct cursor *c)
{
	while (c->p < c->end) {
		if (strchr(" \t\r\n\f\v", *c->p) && *c->p) {
			c->p++;
		} else if (c->end - c->p >= 2 && c->p[0] == '-' && c->p[1] == '-') {
			const char *eol = memchr(c->p, '\n', (size_t)(c->end - c->p));
			c->p = eol ? eol + 1 : c->end;
		} else {
			return;
		}
	}
}

/* Takes this character, after white space. */
static bool take(struct cursor *c, char want)
{
	skip_space(c);
	if (c->p == c->end || *c->p != want)
		return false;
	c->p++;
	return true;
}

static bool is_word(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_';
}

static struct str take_word(struct cursor *c)
{
	skip_space(c);
	const char *begin = c->p;
	while (c->p < c->end && is_word(*c->p))
		c->p++;
	return str_span(begin, (size_t)(c->p - begin));
}

/* ---- strings ---- */

/* \ddd: one to three decimal digits. */
static bool decimal_escape(struct cursor *c, char *out)
{
	unsigned n = 0, digits = 0;
	for (; digits < 3 && c->p < c->end && *c->p >= '0' && *c->p <= '9'; digits++)
		n = n * 10 + (unsigned)(*c->p++ - '0');
	*out = (char)n;
	return digits && n < 256;
}

static int hex_digit(char ch)
{
	const char *digits = "0123456789abcdef", *at = ch ? strchr(digits, ch | (ch >= 'A' && ch <= 'F' ? 32 : 0)) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* What follows a backslash. */
static bool escape(struct cursor *c, char *out)
{
	static const char names[] = "abfnrtv\\\"'\n", values[] = "\a\b\f\n\r\t\v\\\"'\n";
	if (c->p == c->end)
		return false;
	const char *at = *c->p ? strchr(names, *c->p) : NULL;
	if (at) {
		*out = values[at - names];
		c->p++;
		return true;
	}
	if (*c->p != 'x')
		return decimal_escape(c, out);
	int high = c->end - c->p < 3 ? -1 : hex_digit(c->p[1]), low = high < 0 ? -1 : hex_digit(c->p[2]);
	if (high < 0 || low < 0)
		return false;
	*out = (char)(high << 4 | low);
	c->p += 3;
	return true;
}

static enum err parse_string(struct cursor *c, struct str *out)
{
	char quote = *c->p++;
	const char *begin = c->p;
	while (c->p < c->end && *c->p != quote && *c->p != '\\' && *c->p != '\n')
		c->p++;
	if (c->p < c->end && *c->p == quote) {
		*out = str_span(begin, (size_t)(c->p++ - begin));
		return ERR_NONE;
	}
	const char *end = c->p;
	while (end < c->end && *end != quote)
		end += *end == '\\' ? 2 : 1;
	char *text = arena_alloc(c->arena, (size_t)(end - begin) + 1); /* escapes only make it shorter */
	size_t n = (size_t)(c->p - begin);
	memcpy(text, begin, n);
	while (c->p < c->end && *c->p != quote && *c->p != '\n') {
		if (*c->p != '\\') {
			text[n++] = *c->p++;
			continue;
		}
		c->p++;
		if (!escape(c, &text[n++]))
			return ERR_INVALID;
	}
	if (c->p == c->end || *c->p != quote)
		return ERR_INVALID;
	c->p++;
	*out = str_span(text, n);
	return ERR_NONE;
}

/* ---- values ---- */

/* "[key] = ", "name = " or nothing; a name that is no key is put back. */
static enum err parse_key(struct cursor *c, struct luadata *key, unsigned *count, unsigned depth)
{
	enum err err;
	const char *before = c->p;
	if (take(c, '[')) {
		if ((err = parse_value(c, key, depth)) != ERR_NONE)
			return err;
		return take(c, ']') && take(c, '=') ? ERR_NONE : ERR_INVALID;
	}
	struct str name = take_word(c);
	if (name.len && !(*name.p >= '0' && *name.p <= '9') && take(c, '=')) {
		*key = (struct luadata){ .kind = LUADATA_STRING, .text = name };
		return ERR_NONE;
	}
	c->p = before;
	*key = (struct luadata){ .kind = LUADATA_NUMBER, .text = arena_printf(c->arena, "%u", ++*count) };
	return ERR_NONE;
}

static enum err parse_table(struct cursor *c, struct luadata *out, unsigned depth)
{
	const struct luadata_pair **end = &out->pairs;
	unsigned count = 0;
	enum err err;
	out->kind = LUADATA_TABLE;
	while (!take(c, '}')) {
		struct luadata_pair *pair = arena_zalloc(c->arena, sizeof *pair);
		if ((err = parse_key(c, &pair->key, &count, depth)) != ERR_NONE || (err = parse_value(c, &pair->value, depth)) != ERR_NONE)
			return err;
		*end = pair;
		end = &pair->next;
		if (!take(c, ';') && !take(c, ',')) /* the last one needs none */
			return take(c, '}') ? ERR_NONE : ERR_INVALID;
	}
	return ERR_NONE;
}

static bool is_number(struct str s)
{
	bool digit = false;
	for (size_t i = 0; i < s.len; i++) {
		if (!strchr("0123456789.+-eExXabcdefABCDEF", s.p[i]) || !s.p[i])
			return false;
		digit |= s.p[i] >= '0' && s.p[i] <= '9';
	}
	return digit;
}

static enum err parse_other(struct cursor *c, struct luadata *out)
{
	const char *begin = c->p;
	while (c->p < c->end && (is_word(*c->p) || strchr(".+-", *c->p)) && *c->p)
		c->p++;
	struct str word = str_span(begin, (size_t)(c->p - begin));
	out->truth = str_is(word, "true");
	if (out->truth || str_is(word, "false")) {
		out->kind = LUADATA_BOOL;
		return ERR_NONE;
	}
	if (str_is(word, "nil"))
		return ERR_NONE;
	out->kind = LUADATA_NUMBER;
	out->text = word;
	return is_number(word) ? ERR_NONE : ERR_INVALID;
}

static enum err parse_value(struct cursor *c, struct luadata *out, unsigned depth)
{
	*out = (struct luadata){ .kind = LUADATA_NIL };
	skip_space(c);
	if (c->p == c->end)
		return ERR_INVALID;
	if (*c->p == '{') {
		c->p++;
		return depth < LUADATA_DEPTH_MAX ? parse_table(c, out, depth + 1) : ERR_LIMIT;
	}
	if (*c->p != '"' && *c->p != '\'')
		return parse_other(c, out);
	out->kind = LUADATA_STRING;
	return parse_string(c, &out->text);
}

enum err luadata_return(struct arena *a, struct str text, struct luadata *out)
{
	struct cursor c = { a, text.p, text.p + text.len };
	*out = (struct luadata){ .kind = LUADATA_NIL };
	if (!text.len || !str_is(take_word(&c), "return"))
		return ERR_INVALID;
	enum err err = parse_value(&c, out, 0);
	if (err != ERR_NONE)
		return err;
	take(&c, ';');
	skip_space(&c);
	return c.p == c.end ? ERR_NONE : ERR_INVALID;
}

enum err luadata_item(struct arena *a, struct str *rest, struct luadata *out)
{
	struct cursor c = { a, rest->p, rest->p + rest->len };
	*out = (struct luadata){ .kind = LUADATA_NIL };
	if (rest->len)
		skip_space(&c);
	if (c.p == c.end)
		return ERR_NOT_FOUND;
	if (!str_is(take_word(&c), "item") || !take(&c, '('))
		return ERR_INVALID;
	enum err err = parse_value(&c, out, 0);
	if (err == ERR_NONE && !take(&c, ')'))
		err = ERR_INVALID;
	take(&c, ';');
	*rest = str_span(c.p, (size_t)(c.end - c.p));
	return err;
}

/* ---- looking ---- */

const struct luadata *luadata_get(const struct luadata *t, const char *key)
{
	for (const struct luadata_pair *p = t ? t->pairs : NULL; p; p = p->next)
		if (p->key.kind == LUADATA_STRING && str_is(p->key.text, key))
			return &p->value;
	return NULL;
}

struct str luadata_str(const struct luadata *t, const char *key)
{
	const struct luadata *v = luadata_get(t, key);
	return v && v->kind == LUADATA_STRING ? v->text : STR_NONE;
}

bool luadata_u64(const struct luadata *t, const char *key, uint64_t *out)
{
	const struct luadata *v = luadata_get(t, key);
	return v && v->kind == LUADATA_NUMBER && str_to_u64(v->text, out);
}
