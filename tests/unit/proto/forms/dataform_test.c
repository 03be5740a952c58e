#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/forms/dataform.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

static int setup(void **state)
{
	*state = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static struct elem *query(struct arena *a)
{
	return elem_new(a, NS_DISCO_INFO, STR("query"));
}

static void assert_written(const struct elem *e, const char *want)
{
	struct buf b;
	buf_init(&b, 10000);
	xml_write(&b, e, NS_DATA_FORMS, false);
	buf_addc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_fini(&b);
}

/* A submitted form with these pairs of var and value; an equal var goes on with the field before. */
static struct dataform submitted(struct arena *a, const char *const *pairs)
{
	struct dataform f;
	struct elem *x = dataform_new(a, query(a), DATAFORM_SUBMIT, STR_NONE), *field = NULL;
	const char *last = "";
	for (; *pairs; pairs += 2) {
		if (strcmp(pairs[0], last) != 0)
			field = dataform_field(a, x, DATAFORM_TEXT_SINGLE, str_of(pairs[0]), STR_NONE, STR_NONE);
		dataform_value(a, field, str_of(pairs[1]));
		last = pairs[0];
	}
	assert_int_equal(dataform_read(a, x, &f), ERR_NONE);
	return f;
}

static void form_is_written_as_in_the_examples(void **state)
{
	struct arena *a = *state;
	struct elem *x = dataform_titled(a, query(a), DATAFORM_FORM, STR("urn:example"), STR("Bot"), STR("Fill in"));
	struct elem *f = dataform_field(a, x, DATAFORM_LIST_SINGLE, STR("max"), STR("Most"), STR("20"));
	dataform_option(a, f, STR("10"), STR("10"));
	dataform_required(a, f);
	assert_written(x, "<x type='form'><title>Bot</title><instructions>Fill in</instructions>"
			  "<field type='hidden' var='FORM_TYPE'><value>urn:example</value></field>"
			  "<field type='list-single' var='max' label='Most'><value>20</value>"
			  "<option label='10'><value>10</value></option><required/></field></x>");
}

static void lines_become_values_and_text_again(void **state)
{
	struct arena *a = *state;
	struct dataform f;
	struct elem *x = dataform_new(a, query(a), DATAFORM_SUBMIT, STR_NONE);
	dataform_lines(a, dataform_field(a, x, DATAFORM_TEXT_MULTI, STR("t"), STR_NONE, STR_NONE), STR("one\n\nthree"));
	assert_written(x, "<x type='submit'><field type='text-multi' var='t'><value>one</value><value/><value>three</value></field></x>");
	assert_int_equal(dataform_read(a, x, &f), ERR_NONE);
	assert_true(str_is(dataform_text(a, &f, "t"), "one\n\nthree"));
	assert_false(str_present(dataform_text(a, &f, "u")));
}

static void form_type_and_values_are_found(void **state)
{
	struct arena *a = *state;
	struct elem *parent = query(a);
	struct dataform f;
	struct elem *x = dataform_new(a, parent, DATAFORM_RESULT, STR("urn:example"));
	dataform_field(a, x, DATAFORM_JID_SINGLE, STR("j"), STR_NONE, STR("a@b"));
	assert_int_equal(dataform_read(a, dataform_find(parent), &f), ERR_NONE);
	assert_int_equal(f.type, DATAFORM_RESULT);
	assert_true(str_is(f.form_type, "urn:example"));
	assert_true(str_is(dataform_str(a, &f, "j"), "a@b"));
	assert_null(dataform_get(&f, "k"));
	assert_null(dataform_find(query(a)));
}

static void read_rejects_an_unknown_type(void **state)
{
	struct arena *a = *state;
	struct dataform f;
	struct elem *x = elem_new(a, NS_DATA_FORMS, STR("x"));
	assert_int_equal(dataform_read(a, x, &f), ERR_INVALID);
	elem_set(a, x, STR("type"), STR("wish"));
	assert_int_equal(dataform_read(a, x, &f), ERR_INVALID);
}

static void read_rejects_a_var_twice_or_none(void **state)
{
	struct arena *a = *state;
	struct dataform f;
	struct elem *x = dataform_new(a, query(a), DATAFORM_SUBMIT, STR_NONE);
	dataform_field(a, x, DATAFORM_FIXED, STR_NONE, STR_NONE, STR("head"));
	dataform_field(a, x, DATAFORM_TEXT_SINGLE, STR("v"), STR_NONE, STR_NONE);
	assert_int_equal(dataform_read(a, x, &f), ERR_NONE);
	dataform_field(a, x, DATAFORM_TEXT_SINGLE, STR("v"), STR_NONE, STR_NONE);
	assert_int_equal(dataform_read(a, x, &f), ERR_INVALID);
	x = dataform_new(a, query(a), DATAFORM_SUBMIT, STR_NONE);
	dataform_field(a, x, DATAFORM_TEXT_SINGLE, STR_NONE, STR_NONE, STR_NONE);
	assert_int_equal(dataform_read(a, x, &f), ERR_INVALID);
}

static void read_rejects_too_many_fields(void **state)
{
	struct arena *a = *state;
	struct dataform f;
	struct elem *x = dataform_new(a, query(a), DATAFORM_SUBMIT, STR_NONE);
	for (int i = 0; i <= DATAFORM_FIELDS_MAX; i++)
		dataform_field(a, x, DATAFORM_TEXT_SINGLE, arena_printf(a, "v%d", i), STR_NONE, STR_NONE);
	assert_int_equal(dataform_read(a, x, &f), ERR_LIMIT);
}

static void booleans_have_four_spellings(void **state)
{
	struct arena *a = *state;
	static const char *const pairs[] = { "a", "1", "b", "true", "c", "0", "d", "false", "e", "yes", NULL };
	struct dataform f = submitted(a, pairs);
	bool b;
	assert_int_equal(dataform_bool(a, &f, "a", false, &b), ERR_NONE);
	assert_true(b);
	assert_int_equal(dataform_bool(a, &f, "b", false, &b), ERR_NONE);
	assert_true(b);
	assert_int_equal(dataform_bool(a, &f, "c", true, &b), ERR_NONE);
	assert_false(b);
	assert_int_equal(dataform_bool(a, &f, "d", true, &b), ERR_NONE);
	assert_false(b);
	assert_int_equal(dataform_bool(a, &f, "e", true, &b), ERR_INVALID);
	assert_int_equal(dataform_bool(a, &f, "absent", true, &b), ERR_NONE);
	assert_true(b);
}

static const struct dataform_choice sizes[] = { { "s", "Small" }, { "l", "Large" }, { NULL, NULL } };
static const struct dataform_row rows[] = {
	{ .kind = DATAFORM_FIXED, .value = "About you" },
	{ .kind = DATAFORM_TEXT_SINGLE, .var = "name", .label = "Name", .required = true },
	{ .kind = DATAFORM_BOOLEAN, .var = "fun", .label = "Fun", .value = "1" },
	{ .kind = DATAFORM_JID_MULTI, .var = "who", .label = "Who" },
	{ .kind = DATAFORM_LIST_SINGLE, .var = "size", .label = "Size", .choices = sizes },
};

static void rows_write_the_empty_form(void **state)
{
	struct arena *a = *state;
	struct elem *x = dataform_new(a, query(a), DATAFORM_FORM, STR_NONE);
	dataform_rows_write(a, x, rows, 5);
	assert_written(x, "<x type='form'><field type='fixed'><value>About you</value></field>"
			  "<field type='text-single' var='name' label='Name'><required/></field>"
			  "<field type='boolean' var='fun' label='Fun'><value>1</value></field>"
			  "<field type='jid-multi' var='who' label='Who'/><field type='list-single' var='size' label='Size'>"
			  "<option label='Small'><value>s</value></option><option label='Large'><value>l</value></option></field></x>");
}

static void rows_accept_what_fits_and_ignore_what_they_do_not_know(void **state)
{
	struct arena *a = *state;
	static const char *const pairs[] = { "name", "Juliet", "fun", "0", "who", "a@b", "who", "b@c", "size", "l", "more", "x", NULL };
	struct dataform f = submitted(a, pairs);
	struct str why;
	assert_int_equal(dataform_rows_check(a, &f, rows, 5, &why), ERR_NONE);
}

static void rows_tell_what_is_wrong(void **state)
{
	struct arena *a = *state;
	static const struct {
		const char *pairs[7], *why;
	} cases[] = {
		{ { "fun", "1" }, "'Name' is required" },
		{ { "name", "" }, "'Name' is required" },
		{ { "name", "a", "name", "b" }, "'Name' has several values" },
		{ { "name", "a", "fun", "maybe" }, "'Fun' is neither true nor false" },
		{ { "name", "a", "who", "a@b", "who", "@b" }, "'Who' is not an address" },
		{ { "name", "a", "size", "m" }, "'Size' is none of the choices" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct dataform f = submitted(a, cases[i].pairs);
		struct str why = STR_NONE;
		assert_int_equal(dataform_rows_check(a, &f, rows, 5, &why), ERR_INVALID);
		assert_true(str_is(why, cases[i].why));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(form_is_written_as_in_the_examples), CASE(lines_become_values_and_text_again), CASE(form_type_and_values_are_found),
		CASE(read_rejects_an_unknown_type), CASE(read_rejects_a_var_twice_or_none), CASE(read_rejects_too_many_fields),
		CASE(booleans_have_four_spellings), CASE(rows_write_the_empty_form),
		CASE(rows_accept_what_fits_and_ignore_what_they_do_not_know), CASE(rows_tell_what_is_wrong),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
