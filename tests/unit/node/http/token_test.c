#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/core/config.h"
#include "node/http/api.h"
#include "node/http/token.h"

static struct config_schema *schema;

static int set_up(void **state)
{
	(void)state;
	schema = config_schema_new();
	api_register(schema);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_schema_free(schema);
	return 0;
}

/* NULL with the complaint in *why when the text is refused. */
static struct token_set *tokens_of(const char *text, struct buf *why)
{
	struct config *c;
	buf_init(why, 4096);
	if (config_load_text(schema, "t.yml", str_of(text), NULL, why, &c) != ERR_NONE)
		return NULL;
	struct token_set *s = token_set_new(c);
	config_unref(c);
	buf_fini(why);
	return s;
}

static const char some[] = "api:\n  admin_token: the-secret-of-admins\n  tokens:\n    - {name: r, secret: the-secret-of-readers}\n"
			   "    - {name: k, secret: the-secret-of-kickers, role: admin, commands: [kick_user, kick-session]}\n";

static bool may(struct token_set *s, const char *secret, const char *command)
{
	struct token *t = token_find(s, str_of(secret));
	const struct command *c = command_find(str_of(command));
	assert_non_null(t);
	assert_non_null(c);
	return token_may(t, c);
}

static void token_is_found_by_its_whole_secret_only(void **state)
{
	struct buf why;
	struct token_set *s = tokens_of(some, &why);
	(void)state;
	assert_non_null(s);
	assert_true(str_is(token_find(s, STR("the-secret-of-readers"))->name, "r"));
	assert_true(str_is(token_find(s, STR("the-secret-of-admins"))->name, "admin"));
	assert_null(token_find(s, STR("the-secret-of-reader")));
	assert_null(token_find(s, STR("the-secret-of-readersx")));
	assert_null(token_find(s, STR("")));
	assert_null(token_find(s, STR_NONE));
	token_set_free(s);
}

static void token_of_a_reader_changes_nothing_and_tries_no_passwords(void **state)
{
	struct buf why;
	struct token_set *s = tokens_of(some, &why);
	(void)state;
	assert_true(may(s, "the-secret-of-readers", "status"));
	assert_true(may(s, "the-secret-of-readers", "registered_users"));
	assert_false(may(s, "the-secret-of-readers", "unregister"));
	assert_false(may(s, "the-secret-of-readers", "check_password"));
	token_set_free(s);
}

static void token_with_commands_has_those_only(void **state)
{
	struct buf why;
	struct token_set *s = tokens_of(some, &why);
	(void)state;
	assert_true(may(s, "the-secret-of-kickers", "kick_user"));
	assert_true(may(s, "the-secret-of-kickers", "kick_session"));
	assert_false(may(s, "the-secret-of-kickers", "status"));
	assert_true(may(s, "the-secret-of-admins", "unregister"));
	token_set_free(s);
}

static void token_set_without_tokens_knows_nobody(void **state)
{
	struct buf why;
	struct token_set *s = tokens_of("api: {enabled: true}\n", &why);
	(void)state;
	assert_null(token_find(s, STR("")));
	assert_null(token_find(s, STR_NONE));
	token_set_free(s);
}

static void token_configuration_refuses_short_secrets_and_unknown_commands(void **state)
{
	struct buf why;
	(void)state;
	assert_null(tokens_of("api: {admin_token: short}\n", &why));
	buf_fini(&why);
	assert_null(tokens_of("api: {tokens: [{name: x, secret: a-long-enough-one, commands: [kick_usr]}]}\n", &why));
	buf_addc(&why, '\0');
	assert_non_null(strstr(why.p, "kick_usr"));
	buf_fini(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_is_found_by_its_whole_secret_only),
		cmocka_unit_test(token_of_a_reader_changes_nothing_and_tries_no_passwords),
		cmocka_unit_test(token_with_commands_has_those_only),
		cmocka_unit_test(token_set_without_tokens_knows_nobody),
		cmocka_unit_test(token_configuration_refuses_short_secrets_and_unknown_commands),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
