/*
 * load_sm.h: stream management (XEP-0198) of a client of the load tool, from <enabled/> on: it counts the stanzas that come, and answers
 * each request for acknowledgement. It looks at names of elements only: what it counts has no stanzas inside stanzas.
 */
#ifndef TESTS_BENCH_LOAD_SM_H
#define TESTS_BENCH_LOAD_SM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOAD_SM_ENABLE "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
#define LOAD_SM_ASK    "<r xmlns='urn:xmpp:sm:3'/>"

struct client;

struct load_sm {
	uint32_t handled;
	bool on, in_name;
	unsigned n;    /* of the name that is being read */
	char name[12];
};

/* Bytes that came, all of them, in order. False: the server does not want it. */
bool load_sm_hear(struct client *c, const char *bytes, size_t n);

/* Says how many it has handled, if it has stream management. */
void load_sm_acknowledge(struct client *c);

#endif
