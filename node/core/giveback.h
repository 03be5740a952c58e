/*
 * giveback.h: what a burst needed goes back to the system when the burst is over.
 *
 * glibc keeps what is freed below the highest block in use of each thread's heap, and it learns its thresholds from the largest block that
 * was ever freed: after a flood of long messages a node of 14 MiB stayed at 45. So somebody looks now and then: when clearly more is
 * resident than in use, and more so than after the last time, free pages are handed back, from the middle of heaps as well. It takes each
 * heap's lock for as long as it walks the free blocks of that heap, and does no more than look while memory grows by what is in use.
 */
#ifndef NODE_CORE_GIVEBACK_H
#define NODE_CORE_GIVEBACK_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed at the start. */
struct giveback {
	uint64_t idle_bytes; /* resident and not in use, when it was least since the last time */
	bool known;
};

/* True when it is worth while: `resident` is the process's, `used` what is allocated. Pure. */
bool giveback_wants(struct giveback *g, uint64_t resident, uint64_t used);
/* Main thread, every few seconds. */
void giveback_look(struct giveback *g);

#endif
