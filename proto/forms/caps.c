#include "proto/forms/caps.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/encode.h"
#include "proto/xml/names.h"

#define LINES_MAX 1000
#define BYTES_MAX (256u << 10)

struct lines {
	struct str of[LINES_MAX];
	unsigned n;
	bool full;
};

static void lines_add(struct lines *l, struct str s)
{
	if (l->n == LINES_MAX)
		l->full = true;
	else
		l->of[l->n++] = s;
}

static int by_bytes(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorts; false when a line stands twice. */
static bool lines_sort(struct lines *l)
{
	qsort(l->of, l->n, sizeof *l->of, by_bytes);
	for (unsigned i = 1; i < l->n; i++)
		if (str_eq(l->of[i - 1], l->of[i]))
			return false;
	return true;
}

static void lines_write(struct buf *out, const struct lines *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		buf_add_str(out, l->of[i]);
		buf_addc(out, '<');
	}
}

static struct lines *lines_new(struct arena *a)
{
	struct lines *l = arena_alloc(a, sizeof *l);
	l->n = 0;
	l->full = false;
	return l;
}

static struct str or_empty(struct str s)
{
	return str_present(s) ? s : STR("");
}

/* "field<value<value<" of one form field, values sorted. */
static struct str field_text(struct arena *a, const struct elem *field)
{
	struct lines *values = lines_new(a);
	struct buf b;
	for (const struct elem *v = elem_first(field); v; v = elem_next(v))
		if (str_is(v->name, "value"))
			lines_add(values, elem_text(a, v));
	(void)lines_sort(values);
	buf_init(&b, BYTES_MAX);
	buf_add_str(&b, or_empty(elem_attr(field, "var")));
	buf_addc(&b, '<');
	lines_write(&b, values);
	struct str text = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return text;
}

static bool is_form_type(const struct elem *field)
{
	return str_is(or_empty(elem_attr(field, "var")), "FORM_TYPE");
}

/* "FORM_TYPE<field<value<...": sorted by form type, as that comes first. Forms without a hidden FORM_TYPE are left out (section
 * 5.4.3.6). */
static struct str form_text(struct arena *a, const struct elem *x)
{
	struct lines *fields = lines_new(a);
	struct str type = STR_NONE;
	struct buf b;
	for (const struct elem *f = elem_first(x); f; f = elem_next(f)) {
		const struct elem *v = elem_child(f, NS_DATA_FORMS, "value");
		if (!str_is(f->name, "field"))
			continue;
		if (!is_form_type(f))
			lines_add(fields, field_text(a, f));
		else if (v && str_is(or_empty(elem_attr(f, "type")), "hidden"))
			type = elem_text(a, v);
	}
	if (!str_present(type))
		return STR_NONE;
	(void)lines_sort(fields);
	buf_init(&b, BYTES_MAX);
	buf_add_str(&b, type);
	buf_addc(&b, '<');
	for (unsigned i = 0; i < fields->n; i++)
		buf_add_str(&b, fields->of[i]);
	struct str text = arena_str(a, buf_str(&b));
	buf_fini(&b);
	return text;
}

static void collect(struct arena *a, const struct elem *query, struct lines *identities, struct lines *features, struct lines *forms)
{
	for (const struct elem *c = elem_first(query); c; c = elem_next(c)) {
		if (elem_is(c, NS_DISCO_INFO, "identity")) {
			struct str lang = or_empty(elem_attr_ns(c, NS_XML, "lang"));
			lines_add(identities, arena_printf(a, "%.*s/%.*s/%.*s/%.*s", STR_ARG(or_empty(elem_attr(c, "category"))),
							   STR_ARG(or_empty(elem_attr(c, "type"))), STR_ARG(lang),
							   STR_ARG(or_empty(elem_attr(c, "name")))));
		} else if (elem_is(c, NS_DISCO_INFO, "feature")) {
			lines_add(features, or_empty(elem_attr(c, "var")));
		} else if (elem_is(c, NS_DATA_FORMS, "x")) {
			struct str text = form_text(a, c);
			if (str_present(text))
				lines_add(forms, text);
		}
	}
}

enum err caps_hash(struct arena *a, const struct elem *query, struct str *out)
{
	struct lines *identities = lines_new(a), *features = lines_new(a), *forms = lines_new(a);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct buf b;
	collect(a, query, identities, features, forms);
	if (identities->full || features->full || forms->full)
		return ERR_LIMIT;
	if (!lines_sort(identities) || !lines_sort(features) || !lines_sort(forms))
		return ERR_INVALID;
	buf_init(&b, BYTES_MAX);
	lines_write(&b, identities);
	lines_write(&b, features);
	for (unsigned i = 0; i < forms->n; i++)
		buf_add_str(&b, forms->of[i]);
	enum err e = buf_status(&b);
	if (e == ERR_NONE && EVP_Digest(b.p ? b.p : "", b.len, digest, &len, EVP_sha1(), NULL) != 1)
		e = ERR_UNAVAILABLE;
	if (e == ERR_NONE)
		*out = b64_encode(a, str_span((const char *)digest, len));
	buf_fini(&b);
	return e;
}
