#include "tests/unit/node/store/store_rig.h"

#include "node/core/account_record.h"
#include "node/store/fault.h"
#include "node/store/memory.h"

/* A question, asked on the worker, and what came back. */
struct question {
	struct rig *rig;
	enum { GET, CREATE, PASSWORD, CHECK, DISABLE, LOGIN, DELETE, LIST, COUNT } what;
	const char *user, *text;
	uint32_t limit;
	bool cancel, unawaited;
	struct account_call *call;
	/* the answer */
	enum err err;
	bool has_account, has_keys, disabled, matches, more;
	char reason[32], names[256];
	int64_t created_ms, changed_ms, login_ms, seen_ms;
	uint64_t count;
};
static struct question *asked;

static void on_answer(const struct account_answer *answer)
{
	struct question *q = answer->arg;
	const struct account *account = answer->account;
	assert_null(q->call);
	q->err = answer->err;
	q->matches = answer->matches;
	q->count = answer->count;
	q->more = answer->more;
	q->has_account = account != NULL;
	if (account) {
		q->has_keys = account->has_keys;
		q->disabled = account->disabled;
		q->created_ms = account->created_ms;
		q->changed_ms = account->changed_ms;
		q->login_ms = account->login_ms;
		q->seen_ms = account_seen_ms(account);
		snprintf(q->reason, sizeof q->reason, "%.*s", STR_ARG(account->reason));
	}
	for (uint32_t i = 0; i < answer->n_rows; i++) {
		size_t n = strlen(q->names);
		snprintf(q->names + n, sizeof q->names - n, "%s%.*s", i ? "," : "", STR_ARG(answer->rows[i].key));
	}
	if (!q->unawaited)
		rig_wake(q->rig);
}

static enum err ask_it(struct question *q)
{
	struct account_ask ask = {
		.store = q->rig->store, .host = STR("h"), .user = str_of(q->user), .on_done = on_answer, .arg = q, .call = &q->call,
	};
	switch (q->what) {
	case GET:
		return account_get(&ask);
	case CREATE:
		return account_create(&ask, str_of(q->text), 1);
	case PASSWORD:
		return account_set_password(&ask, str_of(q->text), 1);
	case CHECK:
		return account_check_password(&ask, str_of(q->text));
	case DISABLE:
		return account_set_disabled(&ask, str_of(q->text));
	case LOGIN:
		return account_note_login(&ask);
	case DELETE:
		return account_delete(&ask);
	case LIST:
		return account_list(&ask, str_of(q->text), q->limit);
	case COUNT:
		return account_count(&ask);
	}
	return ERR_INVALID;
}

static void on_worker(struct rig *r)
{
	struct question *q = asked;
	q->err = ask_it(q);
	if (q->cancel)
		account_cancel(&q->call);
	if (q->err || q->cancel)
		rig_wake(r);
}

#define ASK(r, ...) ask_and_wait(r, (struct question){ .rig = (r), __VA_ARGS__ })
static struct question *ask_and_wait(struct rig *r, struct question q)
{
	static struct question last;
	last = q;
	asked = &last;
	rig_call(r, on_worker);
	return &last;
}

static int setup(void **state)
{
	struct rig *r = *state = rig_new();
	r->store = memory_store_open(NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static void created_account_knows_its_password(void **state)
{
	struct rig *r = *state;
	int64_t before = worker_wall_ms();
	assert_int_equal(ASK(r, CREATE, "juliet", "R0m30")->err, ERR_NONE);
	struct question *q = ASK(r, GET, "juliet");
	assert_int_equal(q->err, ERR_NONE);
	assert_true(q->has_keys);
	assert_false(q->disabled);
	assert_true(q->created_ms >= before && q->created_ms <= worker_wall_ms());
	q = ASK(r, CHECK, "juliet", "R0m30");
	assert_int_equal(q->err, ERR_NONE);
	assert_true(q->matches);
	q = ASK(r, CHECK, "juliet", "wrong");
	assert_int_equal(q->err, ERR_NONE);
	assert_false(q->matches);
}

static void account_that_is_missing_is_not_found(void **state)
{
	struct rig *r = *state;
	assert_int_equal(ASK(r, GET, "nobody")->err, ERR_NOT_FOUND);
	assert_int_equal(ASK(r, CHECK, "nobody", "x")->err, ERR_NOT_FOUND);
	assert_int_equal(ASK(r, PASSWORD, "nobody", "x")->err, ERR_NOT_FOUND);
	assert_int_equal(ASK(r, DISABLE, "nobody", "x")->err, ERR_NOT_FOUND);
	assert_int_equal(ASK(r, DELETE, "nobody")->err, ERR_NOT_FOUND);
}

static void second_account_of_a_name_is_refused(void **state)
{
	struct rig *r = *state;
	assert_int_equal(ASK(r, CREATE, "juliet", "one")->err, ERR_NONE);
	assert_int_equal(ASK(r, CREATE, "juliet", "two")->err, ERR_EXISTS);
	assert_true(ASK(r, CHECK, "juliet", "one")->matches);
}

static void bad_names_and_passwords_are_refused(void **state)
{
	struct rig *r = *state;
	char *big = xzalloc(SASL_PASSWORD_MAX + 2);
	memset(big, 'x', SASL_PASSWORD_MAX + 1);
	assert_int_equal(ASK(r, CREATE, "juliet", "")->err, ERR_INVALID);
	assert_int_equal(ASK(r, CREATE, "juliet", "a\x07")->err, ERR_INVALID);
	assert_int_equal(ASK(r, CREATE, "juliet", big)->err, ERR_LIMIT);
	assert_int_equal(ASK(r, CREATE, "", "x")->err, ERR_INVALID);
	assert_int_equal(ASK(r, DELETE, "")->err, ERR_INVALID);
	assert_int_equal(ASK(r, GET, "juliet")->err, ERR_NOT_FOUND);
	free(big);
}

static void new_password_replaces_the_old_one(void **state)
{
	struct rig *r = *state;
	ASK(r, CREATE, "juliet", "old");
	assert_int_equal(ASK(r, PASSWORD, "juliet", "new")->err, ERR_NONE);
	assert_true(ASK(r, CHECK, "juliet", "new")->matches);
	assert_false(ASK(r, CHECK, "juliet", "old")->matches);
}

static void disabled_account_keeps_its_reason_until_enabled(void **state)
{
	struct rig *r = *state;
	ASK(r, CREATE, "juliet", "x");
	assert_int_equal(ASK(r, DISABLE, "juliet", "spam \"and\" more")->err, ERR_NONE);
	struct question *q = ASK(r, GET, "juliet");
	assert_true(q->disabled);
	assert_string_equal(q->reason, "spam \"and\" more");
	assert_int_equal(ASK(r, PASSWORD, "juliet", "y")->err, ERR_NONE);
	assert_true(ASK(r, GET, "juliet")->disabled);
	assert_int_equal(ASK(r, DISABLE, "juliet", NULL)->err, ERR_NONE);
	assert_false(ASK(r, GET, "juliet")->disabled);
	assert_true(ASK(r, CHECK, "juliet", "y")->matches);
}

static void login_is_noted_and_nothing_else_changes(void **state)
{
	struct rig *r = *state;
	assert_int_equal(ASK(r, LOGIN, "juliet")->err, ERR_NOT_FOUND);
	ASK(r, CREATE, "juliet", "x");
	struct question before = *ASK(r, GET, "juliet");
	assert_int_equal(before.login_ms, 0);
	assert_int_equal(before.seen_ms, before.created_ms);
	assert_int_equal(ASK(r, LOGIN, "juliet")->err, ERR_NONE);
	struct question *q = ASK(r, GET, "juliet");
	assert_in_range(q->login_ms, before.created_ms, before.created_ms + 60000);
	assert_int_equal(q->seen_ms, q->login_ms);
	assert_int_equal(q->created_ms, before.created_ms);
	assert_int_equal(q->changed_ms, before.changed_ms);
	assert_true(ASK(r, CHECK, "juliet", "x")->matches);
}

static void deleted_account_takes_all_its_data_along(void **state)
{
	static const struct store_space offline = { "offline", STORE_LOG };
	struct rig *r = *state;
	ASK(r, CREATE, "juliet", "x");
	store_log_append(rig_op(r, "h", "juliet"), &offline, 1, STR_NONE, STR("hello"), 0);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(ASK(r, DELETE, "juliet")->err, ERR_NONE);
	assert_int_equal(ASK(r, GET, "juliet")->err, ERR_NOT_FOUND);
	struct store_op *op = rig_op(r, "h", "juliet");
	store_log_count(op, &offline, NULL);
	assert_int_equal(rig_run(r), ERR_NONE);
	assert_int_equal(op->first->count, 0);
}

static void accounts_are_listed_in_pages_and_counted(void **state)
{
	struct rig *r = *state;
	ASK(r, CREATE, "c", "x");
	ASK(r, CREATE, "a", "x");
	ASK(r, CREATE, "b", "x");
	assert_int_equal(ASK(r, COUNT, "")->count, 3);
	struct question *q = ASK(r, LIST, "", NULL, 2);
	assert_string_equal(q->names, "a,b");
	assert_true(q->more);
	q = ASK(r, LIST, "", "b", 2);
	assert_string_equal(q->names, "c");
	assert_false(q->more);
}

static void cancelled_question_is_not_answered(void **state)
{
	struct rig *r = *state;
	ASK(r, CREATE, "juliet", "x");
	ASK(r, GET, "juliet", .cancel = true);
	ASK(r, CHECK, "juliet", "x", .cancel = true);
	ASK(r, DELETE, "juliet", .cancel = true);
	assert_int_equal(ASK(r, GET, "juliet")->err, ERR_NOT_FOUND);
}

/* On the worker: cancels, unless it was answered meanwhile. */
static void cancel_late(struct rig *r)
{
	account_cancel(&asked->call);
	rig_wake(r);
}

static void ask_and_leave(struct rig *r)
{
	assert_int_equal(ask_it(asked), ERR_NONE);
	rig_wake(r);
}

static void cancel_at_any_moment_is_harmless(void **state)
{
	struct rig *r = *state;
	static struct question q;
	ASK(r, CREATE, "juliet", "x");
	for (int i = 0; i < 30; i++) {
		q = (struct question){ .rig = r, .what = PASSWORD, .user = "juliet", .text = "y", .unawaited = true };
		asked = &q;
		rig_call(r, ask_and_leave);
		usleep((useconds_t)(i * 20)); /* anywhere: what matters is that no moment hurts */
		rig_call(r, cancel_late);
	}
}

static void faults_of_the_store_reach_the_asker(void **state)
{
	struct rig *r = *state;
	ASK(r, CREATE, "juliet", "x");
	r->store = fault_store_open(&r->store, 1, &(struct fault_odds){ .io = 1000 }, NULL);
	assert_int_equal(ASK(r, GET, "juliet")->err, ERR_IO);
	assert_int_equal(ASK(r, CREATE, "romeo", "x")->err, ERR_IO);
	assert_int_equal(ASK(r, DELETE, "juliet")->err, ERR_IO);
	fault_store_set(r->store, &(struct fault_odds){ 0 });
	assert_int_equal(ASK(r, GET, "juliet")->err, ERR_NONE);
}

static void broken_record_is_an_io_error_and_lets_nobody_in(void **state)
{
	struct rig *r = *state;
	const char *broken[] = { "", "[]", "{\"scram\":\"x\"}", "{\"created\":\"yesterday\"}", "{\"scram\":" };
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		store_kv_put(rig_op(r, "h", "juliet"), &account_space, str_of(broken[i]));
		assert_int_equal(rig_run(r), ERR_NONE);
		struct question *q = ASK(r, GET, "juliet");
		assert_int_equal(q->err, ERR_IO);
		assert_false(q->has_account);
		assert_int_equal(ASK(r, CREATE, "juliet", "x")->err, ERR_IO);
	}
	assert_int_equal(ASK(r, DELETE, "juliet")->err, ERR_NONE);
}

static void record_keeps_members_it_does_not_know(void **state)
{
	(void)state;
	struct arena *a = arena_new(0);
	struct account account;
	struct str before = STR("{\"role\":\"admin\",\"disabled\":\"spam\",\"created\":\"2026-01-02T03:04:05.678Z\"}");
	assert_int_equal(account_record_parse(a, before, &account), ERR_NONE);
	assert_false(account.has_keys);
	assert_true(account.disabled);
	account.disabled = false;
	struct str after = account_record_format(a, &account, before);
	assert_non_null(strstr(after.p, "\"role\":\"admin\""));
	assert_null(strstr(after.p, "disabled"));
	assert_non_null(strstr(after.p, "2026-01-02T03:04:05.678Z"));
	arena_free(a);
}

#define MANY "{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\","

/* A record that is not as we write them, but means the same, is the same account; and what JSON does not allow is none. */
static void record_is_read_in_whatever_form_it_is(void **state)
{
	(void)state;
	static const char *const same[] = {
		"{\"disabled\":\"spam\",\"created\":\"2026-01-02T03:04:05.678Z\"}",
		"{\"created\":\"2026-01-02T03:04:05.678Z\",\"x\":\"\",\"disabled\":\"spam\"}",
		" { \"disabled\" : \"spam\", \"created\" : \"2026-01-02T03:04:05.678Z\" }\n",
		"{\"disabled\":\"\\u0073pam\",\"created\":\"2026-01-02T03:04:05.678Z\"}",
		"{\"disabled\":\"spam\",\"created\":\"2026-01-02T03:04:05.678Z\",\"more\":{\"disabled\":\"no\"}}",
		MANY "\"disabled\":\"spam\",\"created\":\"2026-01-02T03:04:05.678Z\"}",
	};
	static const char *const none[] = {
		"{\"disabled\":\"spam\",\"disabled\":\"no\"}", "{\"x\":\"\",\"x\":\"\"}", "{\"disabled\":\"spam\"}}",
		"{\"disabled\":\"spam\",}", "{\"disabled\":\"spam\"", "{\"disabled\":\"spam}", "{\"disabled\":\"a\nb\"}",
		"{\"disabled\":\"\xff\"}", "{\"disabled\"}", "{,}",
	};
	struct arena *a = arena_new(0);
	struct account account;
	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		assert_int_equal(account_record_parse(a, str_of(same[i]), &account), ERR_NONE);
		assert_true(account.disabled && str_is(account.reason, "spam") && !account.has_keys);
		assert_int_equal(account.created_ms, 1767323045678);
	}
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(account_record_parse(a, str_of(none[i]), &account), ERR_INVALID);
	assert_int_equal(account_record_parse(a, STR("{}"), &account), ERR_NONE);
	assert_int_equal(account_record_parse(a, STR("{\"disabled\":false}"), &account), ERR_NONE);
	assert_true(account.disabled);
	arena_free(a);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(created_account_knows_its_password),
		CASE(account_that_is_missing_is_not_found),
		CASE(second_account_of_a_name_is_refused),
		CASE(bad_names_and_passwords_are_refused),
		CASE(new_password_replaces_the_old_one),
		CASE(disabled_account_keeps_its_reason_until_enabled), CASE(login_is_noted_and_nothing_else_changes),
		CASE(deleted_account_takes_all_its_data_along),
		CASE(accounts_are_listed_in_pages_and_counted),
		CASE(cancelled_question_is_not_answered),
		CASE(cancel_at_any_moment_is_harmless),
		CASE(faults_of_the_store_reach_the_asker),
		CASE(broken_record_is_an_io_error_and_lets_nobody_in),
		CASE(record_keeps_members_it_does_not_know),
		CASE(record_is_read_in_whatever_form_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
