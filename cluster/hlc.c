#include "cluster/hlc.h"

uint64_t hlc_now(_Atomic uint64_t *clock, int64_t wall_ms)
{
	uint64_t wall = hlc_of(wall_ms), before = atomic_load(clock), now;
	do
		now = wall > before ? wall : before + 1;
	while (!atomic_compare_exchange_weak(clock, &before, now));
	return now;
}

void hlc_hear(_Atomic uint64_t *clock, uint64_t time, int64_t wall_ms)
{
	uint64_t most = hlc_of(wall_ms + HLC_AHEAD_MS), before = atomic_load(clock);
	if (time > most)
		time = most;
	while (time > before && !atomic_compare_exchange_weak(clock, &before, time))
		;
}
