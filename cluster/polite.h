/*
 * polite.h: threads that do not interrupt who is at work.
 *
 * Who gives work to another thread has mostly more of it to give. Where processors are few, the kernel lets a thread that was woken
 * interrupt the one that woke it: the mesh's would carry away a record at a time, with two switches for each; so would ZeroMQ's with
 * frames and the store's with its ops. A polite one (SCHED_BATCH) has a processor that is idle just as soon; on one that is busy it waits
 * until who runs sleeps or has had its share, and finds a pass's work there together. Workers are not polite: clients wait for them, and
 * other programs on the machine would come first.
 *
 * Measured on two processors, two nodes that chat: 12.8 us a message before, 9.3 with it (tests/bench/across); nothing is slower where
 * other programs want all processors.
 */
#ifndef CLUSTER_POLITE_H
#define CLUSTER_POLITE_H

#include <stdbool.h>

/* The calling thread is polite from now on, and so are threads that it makes. False, and nothing has changed: it was, it has a policy that
 * somebody chose for it (chrt), or the system does not let us. */
bool polite_begin(void);
/* After a polite_begin that was true. */
void polite_end(void);

#endif
