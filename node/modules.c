/*
 * modules.c: every feature of this build, one line each. Deleting a feature is deleting its file and its line here.
 */
#include "node/core/module.h"

#define MODULES(X) \
	X(adhoc) \
	X(admin) \
	X(announce) \
	X(blocking) \
	X(caps) \
	X(contact) \
	X(disco) \
	X(last) \
	X(offline) \
	X(ping) \
	X(private) \
	X(register) \
	X(roster) \
	X(shared) \
	X(stream_limits) \
	X(time) \
	X(vcard) \
	X(version)

/* A build for tests has more. */
#ifndef EXTRA_MODULES
#define EXTRA_MODULES(X)
#endif

#define X(name) extern const struct module mod_##name;
MODULES(X)
EXTRA_MODULES(X)
#undef X

const struct module *const all_modules[] = {
#define X(name) &mod_##name,
	MODULES(X)
	EXTRA_MODULES(X)
#undef X
	NULL,
};
