/*
 * modules.c: every feature of this build, one line each. Deleting a feature is deleting its file and its line here.
 */
#include "node/core/module.h"

#define MODULES(X) \
	X(disco) \
	X(caps) \
	X(ping) \
	X(time) \
	X(stream_limits) \
	X(version) \
	X(offline)

#define X(name) extern const struct module mod_##name;
MODULES(X)
#undef X

const struct module *const all_modules[] = {
#define X(name) &mod_##name,
	MODULES(X)
#undef X
	NULL,
};
