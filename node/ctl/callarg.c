/*
 * callarg.c: arguments and options of a call, read and checked; declared in command.h.
 */
#include <inttypes.h>

#include "node/core/host.h"
#include "node/ctl/command.h"
#include "proto/addr/escape.h"
#include "proto/addr/precis.h"
#include "proto/xml/elem.h"

struct host *call_host(struct call *c, unsigned i)
{
	struct str name;
	struct host *h = precis_domain(c->arena, c->args[i], &name) == ERR_NONE ? host_find(c->node, name) : NULL;
	if (!h)
		call_fail(c, CTL_FAILED, "this node does not serve the host '%s'", c->args[i].p);
	return h;
}

bool call_user(struct call *c, unsigned i, const struct host *h, struct jid *out)
{
	if (jid_make(c->arena, c->args[i], h->name, STR_NONE, out) == ERR_NONE && jid_has_local(out))
		return true;
	/* XEP-0106: names of other systems hold spaces, apostrophes, at signs. */
	struct str escaped;
	bool helps = jid_escape(c->arena, c->args[i], &escaped) == ERR_NONE && !str_eq(escaped, c->args[i]) &&
		     jid_make(c->arena, escaped, h->name, STR_NONE, out) == ERR_NONE;
	call_fail(c, CTL_FAILED, "'%s' cannot be a user name%s%.*s%s", c->args[i].p, helps ? "; escaped it is '" : "",
		  helps ? (int)escaped.len : 0, escaped.p, helps ? "'" : "");
	return false;
}

bool call_jid(struct call *c, unsigned i, struct jid *out)
{
	if (jid_parse(c->arena, c->args[i], out) == ERR_NONE)
		return true;
	call_fail(c, CTL_FAILED, "'%s' is no XMPP address", c->args[i].p);
	return false;
}

bool call_text(struct call *c, struct str text)
{
	if (elem_may_hold(text))
		return true;
	call_fail(c, CTL_USAGE, "that text has characters that XML forbids");
	return false;
}

struct str call_option(const struct call *c, const char *name)
{
	for (unsigned i = 0; i < c->n_options; i++) {
		struct str given = c->options[i].name;
		size_t k = 0;
		for (; k < given.len && name[k] && (given.p[k] == '-' ? '_' : given.p[k]) == name[k]; k++)
			;
		if (k == given.len && !name[k])
			return str_is(c->options[i].value, "false") ? STR_NONE : c->options[i].value;
	}
	return STR_NONE;
}

bool call_number(struct call *c, struct str text, const char *what, uint64_t min, uint64_t max, uint64_t *out)
{
	if (str_to_u64(text, out) && *out >= min && *out <= max)
		return true;
	call_fail(c, CTL_USAGE, "%s must be a number from %" PRIu64 " to %" PRIu64 ", not '%.*s'", what, min, max, STR_ARG(text));
	return false;
}
