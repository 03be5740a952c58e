/*
 * dataform.h: data forms (XEP-0004): fields that a service asks for or tells, and what came back.
 *
 * Building: dataform_new begins a form inside a parent; each dataform_field adds one. Strings are borrowed, as everywhere in element
 * trees: they must outlive the arena.
 * Reading: dataform_read checks the form of the form once; the getters look values up afterwards. A struct dataform borrows the element.
 * Checking: a table of rows (struct dataform_row) says what the fields of one form are; the same rows build the empty form
 * (dataform_rows_write) and check what was submitted (dataform_rows_check), so that the two cannot differ.
 */
#ifndef PROTO_FORMS_DATAFORM_H
#define PROTO_FORMS_DATAFORM_H

#include "proto/addr/jid.h"
#include "proto/xml/elem.h"

#define DATAFORM_FIELDS_MAX 256 /* of a form that was sent to us */

enum dataform_type { DATAFORM_FORM, DATAFORM_SUBMIT, DATAFORM_CANCEL, DATAFORM_RESULT };
/* Section 3.3. */
enum dataform_kind {
	DATAFORM_TEXT_SINGLE, DATAFORM_TEXT_MULTI, DATAFORM_TEXT_PRIVATE, DATAFORM_BOOLEAN, DATAFORM_FIXED, DATAFORM_HIDDEN,
	DATAFORM_JID_SINGLE, DATAFORM_JID_MULTI, DATAFORM_LIST_SINGLE, DATAFORM_LIST_MULTI
};

/* ---- building ---- */

/* Appends <x xmlns='jabber:x:data'/>; form_type is the hidden FORM_TYPE field (XEP-0068), absent: none. */
struct elem *dataform_new(struct arena *a, struct elem *parent, enum dataform_type type, struct str form_type);
/* The same with <title/> and <instructions/>; either may be absent. */
struct elem *dataform_titled(struct arena *a, struct elem *parent, enum dataform_type type, struct str form_type, struct str title,
			     struct str instructions);
/* Appends a field. label and value may be absent. */
struct elem *dataform_field(struct arena *a, struct elem *x, enum dataform_kind kind, struct str var, struct str label, struct str value);
/* One value more. A text of several lines becomes one value a line (text-multi). */
void dataform_value(struct arena *a, struct elem *field, struct str value);
void dataform_lines(struct arena *a, struct elem *field, struct str text);
void dataform_option(struct arena *a, struct elem *field, struct str label, struct str value);
void dataform_required(struct arena *a, struct elem *field);

/* ---- reading ---- */

struct dataform {
	enum dataform_type type;
	struct str form_type; /* absent if it has none */
	const struct elem *x;
};

/* The form inside a payload; NULL if there is none. */
const struct elem *dataform_find(const struct elem *parent);
/* ERR_INVALID for an unknown type, a field without `var` (but a fixed one), a `var` twice; ERR_LIMIT for too many fields. What is read
 * lives in the arena or is borrowed from x. */
MUST_CHECK enum err dataform_read(struct arena *a, const struct elem *x, struct dataform *out);
const struct elem *dataform_get(const struct dataform *f, const char *var);
/* The first value; absent without the field or without a value. */
struct str dataform_str(struct arena *a, const struct dataform *f, const char *var);
/* `otherwise` without the field; ERR_INVALID for what is none of 1, 0, true, false. */
MUST_CHECK enum err dataform_bool(struct arena *a, const struct dataform *f, const char *var, bool otherwise, bool *out);
/* All values joined by line ends; absent without the field. */
struct str dataform_text(struct arena *a, const struct dataform *f, const char *var);
/* for (v = dataform_first_value(f, "jids"); v; v = dataform_next_value(v)) elem_text(a, v) */
const struct elem *dataform_first_value(const struct dataform *f, const char *var);
const struct elem *dataform_next_value(const struct elem *value);

/* ---- forms as tables ---- */

struct dataform_choice {
	const char *value, *label;
};
struct dataform_row {
	enum dataform_kind kind;
	const char *var, *label;
	const char *value;   /* the default; NULL: none */
	bool required;
	const struct dataform_choice *choices; /* of a list; ends with a NULL value */
};

void dataform_rows_write(struct arena *a, struct elem *x, const struct dataform_row *rows, size_t n);
/* ERR_INVALID, with a sentence for the user in *why: a required field that is missing or empty, several values where one belongs, a
 * value that is no boolean, no address or none of the choices. Fields that no row names are ignored (section 3.2). */
MUST_CHECK enum err dataform_rows_check(struct arena *a, const struct dataform *f, const struct dataform_row *rows, size_t n,
					struct str *why);

#endif
