#include "tests/bench/load_sm.h"

#include <string.h>

#include "tests/bench/load_client.h"

void load_sm_acknowledge(struct client *c)
{
	if (c->sm.on)
		client_printf(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->sm.handled);
}

static bool on_name(struct client *c, const char *name)
{
	struct load_sm *sm = &c->sm;
	if (strcmp(name, "enabled") == 0)
		sm->on = true;
	else if (sm->on && (strcmp(name, "message") == 0 || strcmp(name, "presence") == 0 || strcmp(name, "iq") == 0))
		sm->handled++;
	else if (sm->on && strcmp(name, "r") == 0)
		load_sm_acknowledge(c);
	return strcmp(name, "failed") != 0;
}

static bool ends_name(char c)
{
	return c == ' ' || c == '>' || c == '/' || c == '\n';
}

bool load_sm_hear(struct client *c, const char *bytes, size_t n)
{
	struct load_sm *sm = &c->sm;
	const char *at = bytes, *end = bytes + n;
	while (at < end) {
		if (!sm->in_name) {
			at = memchr(at, '<', (size_t)(end - at));
			if (!at)
				return true;
			at++;
			sm->in_name = true;
			sm->n = 0;
		} else if (sm->n == sizeof(sm->name) - 1 || (ends_name(*at) && sm->n)) { /* a longer one is none of ours */
			sm->name[sm->n] = 0;
			sm->in_name = false;
			if (ends_name(*at) && !on_name(c, sm->name))
				return false;
		} else {
			sm->name[sm->n++] = *at++;
		}
	}
	return true;
}
