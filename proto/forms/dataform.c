#include "proto/forms/dataform.h"

#include "proto/base/buf.h"
#include "proto/xml/names.h"

#define TEXT_MAX (256u << 10)

static const struct str type_names[] = {
	[DATAFORM_FORM] = STR_INIT("form"),
	[DATAFORM_SUBMIT] = STR_INIT("submit"),
	[DATAFORM_CANCEL] = STR_INIT("cancel"),
	[DATAFORM_RESULT] = STR_INIT("result"),
};
static const struct str kind_names[] = {
	[DATAFORM_TEXT_SINGLE] = STR_INIT("text-single"), [DATAFORM_TEXT_MULTI] = STR_INIT("text-multi"),
	[DATAFORM_TEXT_PRIVATE] = STR_INIT("text-private"), [DATAFORM_BOOLEAN] = STR_INIT("boolean"),
	[DATAFORM_FIXED] = STR_INIT("fixed"),             [DATAFORM_HIDDEN] = STR_INIT("hidden"),
	[DATAFORM_JID_SINGLE] = STR_INIT("jid-single"),   [DATAFORM_JID_MULTI] = STR_INIT("jid-multi"),
	[DATAFORM_LIST_SINGLE] = STR_INIT("list-single"), [DATAFORM_LIST_MULTI] = STR_INIT("list-multi"),
};

/* ---- building ---- */

struct elem *dataform_new(struct arena *a, struct elem *parent, enum dataform_type type, struct str form_type)
{
	return dataform_titled(a, parent, type, form_type, STR_NONE, STR_NONE);
}

struct elem *dataform_titled(struct arena *a, struct elem *parent, enum dataform_type type, struct str form_type, struct str title,
			     struct str instructions)
{
	struct elem *x = elem_add(a, parent, NS_DATA_FORMS, STR("x"));
	elem_set(a, x, STR("type"), type_names[type]);
	if (str_present(title))
		elem_add_text(a, x, STR("title"), title);
	if (str_present(instructions))
		elem_add_text(a, x, STR("instructions"), instructions);
	if (str_present(form_type))
		dataform_field(a, x, DATAFORM_HIDDEN, STR("FORM_TYPE"), STR_NONE, form_type);
	return x;
}

struct elem *dataform_field(struct arena *a, struct elem *x, enum dataform_kind kind, struct str var, struct str label, struct str value)
{
	struct elem *f = elem_add(a, x, STR_NONE, STR("field"));
	elem_set(a, f, STR("type"), kind_names[kind]);
	elem_set(a, f, STR("var"), var);
	elem_set(a, f, STR("label"), label);
	if (str_present(value))
		dataform_value(a, f, value);
	return f;
}

void dataform_value(struct arena *a, struct elem *field, struct str value)
{
	elem_add_text(a, field, STR("value"), value);
}

void dataform_lines(struct arena *a, struct elem *field, struct str text)
{
	while (str_present(text))
		dataform_value(a, field, str_cut(&text, '\n'));
}

void dataform_option(struct arena *a, struct elem *field, struct str label, struct str value)
{
	struct elem *o = elem_add(a, field, STR_NONE, STR("option"));
	elem_set(a, o, STR("label"), label);
	dataform_value(a, o, value);
}

void dataform_required(struct arena *a, struct elem *field)
{
	elem_add(a, field, STR_NONE, STR("required"));
}

/* ---- reading ---- */

static bool is_field(const struct elem *e)
{
	return elem_is(e, NS_DATA_FORMS, "field");
}

const struct elem *dataform_find(const struct elem *parent)
{
	return elem_child(parent, NS_DATA_FORMS, "x");
}

static bool var_is_taken(const struct elem *x, const struct elem *field, struct str var)
{
	for (const struct elem *f = elem_first(x); f != field; f = elem_next(f))
		if (is_field(f) && str_present(elem_attr(f, "var")) && str_eq(elem_attr(f, "var"), var))
			return true;
	return false;
}

enum err dataform_read(struct arena *a, const struct elem *x, struct dataform *out)
{
	struct str type = elem_attr(x, "type");
	unsigned n = 0;
	*out = (struct dataform){ .x = x };
	while (out->type <= DATAFORM_RESULT && !str_eq(type_names[out->type], type))
		out->type++;
	if (out->type > DATAFORM_RESULT)
		return ERR_INVALID;
	for (const struct elem *f = elem_first(x); f; f = elem_next(f)) {
		struct str var = elem_attr(f, "var");
		if (!is_field(f))
			continue;
		if (++n > DATAFORM_FIELDS_MAX)
			return ERR_LIMIT;
		if (!str_present(var) && str_eq(elem_attr(f, "type"), kind_names[DATAFORM_FIXED]))
			continue;
		if (!str_present(var) || var_is_taken(x, f, var))
			return ERR_INVALID;
	}
	out->form_type = dataform_str(a, out, "FORM_TYPE");
	return ERR_NONE;
}

const struct elem *dataform_get(const struct dataform *f, const char *var)
{
	for (const struct elem *c = elem_first(f->x); c; c = elem_next(c)) {
		struct str name = elem_attr(c, "var");
		if (is_field(c) && str_present(name) && str_is(name, var))
			return c;
	}
	return NULL;
}

static const struct elem *value_from(const struct elem *e)
{
	while (e && !elem_is(e, NS_DATA_FORMS, "value"))
		e = elem_next(e);
	return e;
}

const struct elem *dataform_first_value(const struct dataform *f, const char *var)
{
	const struct elem *field = dataform_get(f, var);
	return field ? value_from(elem_first(field)) : NULL;
}

const struct elem *dataform_next_value(const struct elem *value)
{
	return value_from(elem_next(value));
}

struct str dataform_str(struct arena *a, const struct dataform *f, const char *var)
{
	const struct elem *v = dataform_first_value(f, var);
	return v ? elem_text(a, v) : STR_NONE;
}

static bool bool_read(struct str s, bool *out)
{
	*out = str_is(s, "1") || str_is(s, "true");
	return *out || str_is(s, "0") || str_is(s, "false");
}

enum err dataform_bool(struct arena *a, const struct dataform *f, const char *var, bool otherwise, bool *out)
{
	struct str s = dataform_str(a, f, var);
	*out = otherwise;
	return !str_present(s) || bool_read(str_trim(s), out) ? ERR_NONE : ERR_INVALID;
}

struct str dataform_text(struct arena *a, const struct dataform *f, const char *var)
{
	const struct elem *v = dataform_first_value(f, var);
	if (!v)
		return STR_NONE;
	struct buf b;
	buf_init(&b, TEXT_MAX);
	for (bool first = true; v; v = dataform_next_value(v), first = false) {
		if (!first)
			buf_addc(&b, '\n');
		buf_add_str(&b, elem_text(a, v));
	}
	struct str text = arena_str(a, b.len ? buf_str(&b) : STR(""));
	buf_fini(&b);
	return text;
}

/* ---- forms as tables ---- */

void dataform_rows_write(struct arena *a, struct elem *x, const struct dataform_row *rows, size_t n)
{
	for (const struct dataform_row *r = rows; r < rows + n; r++) {
		struct elem *f = dataform_field(a, x, r->kind, str_of(r->var), str_of(r->label), str_of(r->value));
		for (const struct dataform_choice *c = r->choices; c && c->value; c++)
			dataform_option(a, f, str_of(c->label), str_of(c->value));
		if (r->required)
			dataform_required(a, f);
	}
}

static bool is_multi(enum dataform_kind k)
{
	return k == DATAFORM_TEXT_MULTI || k == DATAFORM_JID_MULTI || k == DATAFORM_LIST_MULTI || k == DATAFORM_HIDDEN;
}

static bool is_choice(const struct dataform_row *r, struct str value)
{
	const struct dataform_choice *c = r->choices;
	while (c && c->value && !str_is(value, c->value))
		c++;
	return !c || c->value;
}

/* What is wrong with one value, as the end of a sentence; NULL when nothing is. */
static const char *value_problem(struct arena *a, const struct dataform_row *r, struct str value)
{
	struct jid jid;
	bool yes;
	switch (r->kind) {
	case DATAFORM_BOOLEAN:
		return bool_read(str_trim(value), &yes) ? NULL : "is neither true nor false";
	case DATAFORM_JID_SINGLE:
	case DATAFORM_JID_MULTI:
		return jid_parse(a, str_trim(value), &jid) == ERR_NONE ? NULL : "is not an address";
	case DATAFORM_LIST_SINGLE:
	case DATAFORM_LIST_MULTI:
		return is_choice(r, value) ? NULL : "is none of the choices";
	default:
		return NULL;
	}
}

static const char *row_problem(struct arena *a, const struct dataform *f, const struct dataform_row *r)
{
	const struct elem *v = dataform_first_value(f, r->var);
	bool filled = false;
	if (v && !is_multi(r->kind) && dataform_next_value(v))
		return "has several values";
	for (; v; v = dataform_next_value(v)) {
		struct str value = elem_text(a, v);
		/* Clients submit fields that their user left alone as empty ones. */
		const char *problem = str_empty(value) ? NULL : value_problem(a, r, value);
		if (problem)
			return problem;
		filled |= !str_empty(value);
	}
	return r->required && !filled ? "is required" : NULL;
}

enum err dataform_rows_check(struct arena *a, const struct dataform *f, const struct dataform_row *rows, size_t n, struct str *why)
{
	for (const struct dataform_row *r = rows; r < rows + n; r++) {
		const char *problem = r->kind == DATAFORM_FIXED ? NULL : row_problem(a, f, r);
		if (!problem)
			continue;
		*why = arena_printf(a, "'%s' %s", r->label ? r->label : r->var, problem);
		return ERR_INVALID;
	}
	return ERR_NONE;
}
