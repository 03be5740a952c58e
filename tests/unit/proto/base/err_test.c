#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/err.h"

static void err_name_names_every_fault(void **state)
{
	for (int e = 0; e < ERR_COUNT; e++) {
		assert_non_null(err_name((enum err)e));
		assert_string_not_equal(err_name((enum err)e), "unknown");
	}
	assert_string_equal(err_name(ERR_NOT_FOUND), "not-found");
}

static void err_name_survives_values_out_of_range(void **state)
{
	assert_string_equal(err_name((enum err)99), "unknown");
	assert_string_equal(err_name((enum err)-1), "unknown");
}

static void bug_aborts_and_says_where(void **state)
{
	int fds[2], status;
	char text[256] = "";
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		sigaction(SIGABRT, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		dup2(fds[1], 2);
		BUG_ON(fds[0] >= 0);
		_exit(0);
	}
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(text, "err_test.c"));
	assert_non_null(strstr(text, "fds[0] >= 0"));
}

static void xmalloc_of_nothing_gives_memory(void **state)
{
	void *p = xmalloc(0);
	assert_non_null(p);
	p = xrealloc(p, 0);
	assert_non_null(p);
	free(p);
	char *z = xzalloc(9);
	assert_memory_equal(z, "\0\0\0\0\0\0\0\0\0", 9);
	free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_name_names_every_fault),
		cmocka_unit_test(err_name_survives_values_out_of_range),
		cmocka_unit_test(bug_aborts_and_says_where),
		cmocka_unit_test(xmalloc_of_nothing_gives_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
