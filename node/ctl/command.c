#include "node/ctl/command.h"

#include <stdarg.h>

json_t *json_str(struct str s)
{
	json_t *j = json_stringn(s.p ? s.p : "", s.len);
	return j ? j : json_string("(not UTF-8)");
}

const struct command *command_find(struct str name)
{
	for (const struct command *c = all_commands; c->name; c++)
		if (str_is(name, c->name))
			return c;
	return NULL;
}

PRINTF_LIKE(4, 0) static void answer(struct call *c, enum ctl_exit code, json_t *data, const char *fmt, va_list ap)
{
	char line[2048];
	int n = vsnprintf(line, sizeof line, fmt, ap);
	c->done(c, code, str_span(line, n < 0 ? 0 : n < (int)sizeof line ? (size_t)n : sizeof line - 1), data);
}

void call_ok(struct call *c, json_t *data, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	answer(c, CTL_OK, data, fmt, ap);
	va_end(ap);
}

void call_fail(struct call *c, enum ctl_exit code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	answer(c, code, NULL, fmt, ap);
	va_end(ap);
}

void command_run(struct call *c)
{
	const struct command *cmd = c->command;
	if (c->n_args < cmd->min_args || c->n_args > cmd->max_args)
		call_fail(c, CTL_USAGE, "usage: starlingctl %s %s", cmd->name, cmd->args);
	else
		cmd->run(c);
}
