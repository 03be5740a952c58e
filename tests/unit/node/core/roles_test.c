#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/core/host.h"

static struct config_schema *schema;
static struct arena *arena;

static int set_up(void **state)
{
	schema = config_schema_new();
	roles_register(schema);
	arena = arena_new(0);
	return 0;
}

static int tear_down(void **state)
{
	config_schema_free(schema);
	arena_free(arena);
	return 0;
}

static const char yaml[] = "admin: {server: [Anna@Example.ORG]}\n"
			   "hosts:\n"
			   "  example.org:\n"
			   "  example.net: {admin: {host: [ben@example.net, anna@elsewhere.example]}}\n";

static struct host host_of(struct config *c, struct str name)
{
	struct host h = { .name = name };
	roles_read(&h.roles, c, name);
	return h;
}

static struct jid jid_of(const char *text)
{
	struct jid j;
	assert_int_equal(jid_parse(arena, str_of(text), &j), ERR_NONE);
	return j;
}

static void everybody_is_what_the_configuration_says(void **state)
{
	static const struct { const char *who; enum role org, net; } rows[] = {
		{ "anna@example.org", ROLE_SERVER_ADMIN, ROLE_SERVER_ADMIN },
		{ "anna@example.org/phone", ROLE_SERVER_ADMIN, ROLE_SERVER_ADMIN },
		{ "anna@example.net", ROLE_STRANGER, ROLE_USER },
		{ "ben@example.net/x", ROLE_STRANGER, ROLE_HOST_ADMIN },
		{ "ben@example.org", ROLE_USER, ROLE_STRANGER },
		{ "anna@elsewhere.example", ROLE_STRANGER, ROLE_HOST_ADMIN },
		{ "example.net", ROLE_STRANGER, ROLE_STRANGER },
	};
	struct config *c;
	struct buf errors;
	buf_init(&errors, 4096);
	assert_int_equal(config_load_text(schema, "test", str_of(yaml), NULL, &errors, &c), ERR_NONE);
	struct host org = host_of(c, STR("example.org")), net = host_of(c, STR("example.net"));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct jid who = jid_of(rows[i].who);
		if (role_of(&org, &who) != rows[i].org || role_of(&net, &who) != rows[i].net)
			fail_msg("%s is %s and %s", rows[i].who, role_name(role_of(&org, &who)), role_name(role_of(&net, &who)));
	}
	roles_fini(&org.roles);
	roles_fini(&net.roles);
	config_unref(c);
	buf_fini(&errors);
}

static void addresses_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {
		"admin: {server: [anna]}", "admin: {server: [\"a@b@c\"]}", "admin: {host: [\"anna@example.org/phone\"]}",
		"hosts: {example.org: {admin: {host: [example.org]}}}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct config *c;
		struct buf errors;
		buf_init(&errors, 4096);
		assert_int_equal(config_load_text(schema, "test", str_of(bad[i]), NULL, &errors, &c), ERR_INVALID);
		assert_non_null(strstr(errors.p, "is no address of a person"));
		buf_fini(&errors);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(everybody_is_what_the_configuration_says),
		CASE(addresses_that_are_none_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
