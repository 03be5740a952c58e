#include "cluster/polite.h"

#include <sched.h>

/* sched_setscheduler and 0: Linux means the calling thread, not its process. */
static bool change(int from, int to)
{
	const struct sched_param none = { .sched_priority = 0 };
	return sched_getscheduler(0) == from && sched_setscheduler(0, to, &none) == 0;
}

bool polite_begin(void)
{
	return change(SCHED_OTHER, SCHED_BATCH);
}

void polite_end(void)
{
	change(SCHED_BATCH, SCHED_OTHER);
}
