#include "node/ctl/command.h"

#include <stdarg.h>
#include <stdlib.h>

#include "node/core/log.h"
#include "node/ctl/relay.h"

#define SHOWN_MAX 512 /* bytes of the arguments in the audit log */

json_t *json_str(struct str s)
{
	json_t *j = json_stringn(s.p ? s.p : "", s.len);
	return j ? j : json_string("(not UTF-8)");
}

/* ---- rows ---- */

static const struct command *list_of(size_t i, const char **group)
{
	size_t n = 0;
	for (; all_command_groups[n]; n++)
		if (n == i) {
			*group = all_command_groups[n]->name;
			return all_command_groups[n]->commands;
		}
	for (size_t m = 0; all_modules[m]; m++)
		if (all_modules[m]->commands && n++ == i) {
			*group = all_modules[m]->name;
			return all_modules[m]->commands;
		}
	return NULL;
}

const struct command *command_next(const struct command *c, const char **group)
{
	const char *ignored;
	const struct command *row = NULL;
	bool found = !c;
	group = group ? group : &ignored;
	for (size_t i = 0; (row = list_of(i, group)); i++)
		for (; row->name; row++) {
			if (found)
				return row;
			found = row == c;
		}
	return NULL;
}

/* A name typed with dashes is the one with underscores. */
static bool same_name(struct str typed, struct str name)
{
	if (typed.len != name.len)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((typed.p[i] == '-' ? '_' : typed.p[i]) != name.p[i])
			return false;
	return true;
}

const struct command *command_find(struct str name)
{
	for (const struct command *c = command_next(NULL, NULL); c; c = command_next(c, NULL))
		if (same_name(name, str_of(c->name)))
			return c;
	return NULL;
}

/* The i-th argument, or the i-th option, as it stands in the row. */
static struct str word(const struct command *cmd, unsigned i, bool option)
{
	struct str rest = str_of(cmd->args), w;
	while (str_present(w = str_cut(&rest, ' ')))
		if (w.len && str_starts(w, STR("--")) == option && i-- == 0)
			return w;
	return STR_NONE;
}

static bool takes_the_rest(struct str w)
{
	return str_ends(w, STR("...")) || str_ends(w, STR("...]"));
}

struct str command_arg_name(const struct command *cmd, unsigned i)
{
	struct str w = word(cmd, i, false);
	while (w.len && (*w.p == '['))
		w = str_span(w.p + 1, w.len - 1);
	while (w.len && (w.p[w.len - 1] == ']' || w.p[w.len - 1] == '.'))
		w.len--;
	return w;
}

void command_arity(const struct command *cmd, unsigned *min, unsigned *max)
{
	struct str w;
	*min = *max = 0;
	for (unsigned i = 0; str_present(w = word(cmd, i, false)); i++) {
		++*max;
		if (*w.p != '[')
			*min = *max;
	}
}

struct str command_option_name(const struct command *cmd, unsigned i, struct str *value_name)
{
	struct str w = word(cmd, i, true);
	*value_name = STR_NONE;
	if (!str_present(w))
		return STR_NONE;
	*value_name = str_span(w.p + 2, w.len - 2);
	return str_cut(value_name, '=');
}

bool command_option(const struct command *cmd, struct str name, struct str *value_name)
{
	struct str key;
	for (unsigned i = 0; str_present(key = command_option_name(cmd, i, value_name)); i++)
		if (same_name(name, key))
			return true;
	return false;
}

/* ---- the answer ---- */

static bool is_private(struct str arg_name)
{
	static const char *const names[] = { "PASSWORD", "SUBJECT", "BODY", "STANZA" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (str_is(arg_name, names[i]))
			return true;
	return false;
}

static void audit(const struct call *c, enum ctl_exit code, struct str text)
{
	struct buf shown;
	buf_init(&shown, SHOWN_MAX);
	for (unsigned i = 0; i < c->n_args; i++) {
		buf_addz(&shown, i ? " " : "");
		buf_add_str(&shown, is_private(command_arg_name(c->command, i)) ? STR("(hidden)") : c->args[i]);
	}
	for (unsigned i = 0; i < c->n_options; i++)
		buf_addf(&shown, " --%.*s=%.*s", STR_ARG(c->options[i].name), STR_ARG(c->options[i].value));
	LOG_EACH(LOG_INFO, "audit", "administration", L_Z("command", c->command->name), L_STR("by", c->by), L_STR("args", buf_str(&shown)),
	    L_INT("code", code), L_STR("reason", code == CTL_OK ? STR_NONE : text), L_UINT("ms", c->node->main->now_ms - c->began_ms));
	buf_fini(&shown);
}

PRINTF_LIKE(4, 0) static void answer(struct call *c, enum ctl_exit code, json_t *data, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	BUG_ON(n < 0);
	char *line = xmalloc((size_t)n + 1);
	vsnprintf(line, (size_t)n + 1, fmt, ap);
	if (c->node && c->command && !(c->command->flags & COMMAND_READS))
		audit(c, code, str_of(line));
	c->done(c, code, str_of(line), data);
	free(line);
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

/* ---- the question ---- */

/* "ban_account u h too much noise": the words of the reason are one argument. */
static void join_rest(struct call *c, unsigned max)
{
	while (c->n_args > max) {
		struct str a = c->args[max - 1], b = c->args[max];
		c->args[max - 1] = arena_printf(c->arena, "%.*s %.*s", STR_ARG(a), STR_ARG(b));
		for (unsigned i = max; i + 1 < c->n_args; i++)
			c->args[i] = c->args[i + 1];
		c->n_args--;
	}
}

static bool options_fit(struct call *c)
{
	struct str value_name;
	for (unsigned i = 0; i < c->n_options; i++) {
		struct call_option *o = &c->options[i];
		if (!command_option(c->command, o->name, &value_name)) {
			call_fail(c, CTL_USAGE, "%s has no option --%.*s", c->command->name, STR_ARG(o->name));
			return false;
		}
		if (!str_present(value_name) && !str_is(o->value, "true") && !str_is(o->value, "false")) {
			call_fail(c, CTL_USAGE, "--%.*s is a switch: it takes no value", STR_ARG(o->name));
			return false;
		}
	}
	return true;
}

void command_run(struct call *c)
{
	const struct command *cmd = c->command;
	unsigned min, max;
	command_arity(cmd, &min, &max);
	c->began_ms = c->node ? c->node->main->now_ms : 0;
	if (max && takes_the_rest(word(cmd, max - 1, false)))
		join_rest(c, max);
	if (c->n_args < min || c->n_args > max)
		call_fail(c, CTL_USAGE, "usage: starlingctl %s %s", cmd->name, cmd->args);
	else if (options_fit(c) && !relay_takes(c))
		cmd->run(c);
}
