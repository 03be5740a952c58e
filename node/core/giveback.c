#include "node/core/giveback.h"

#include <malloc.h>

#include "node/http/scrape.h"

#define WORTH_BYTES (UINT64_C(4) << 20)

bool giveback_wants(struct giveback *g, uint64_t resident, uint64_t used)
{
	uint64_t idle = resident > used ? resident - used : 0;
	if (!g->known || idle < g->idle_bytes) {
		g->idle_bytes = idle;
		g->known = true;
	}
	return idle >= g->idle_bytes + WORTH_BYTES;
}

static uint64_t used_bytes(void)
{
	struct mallinfo2 m = mallinfo2();
	return m.uordblks + m.hblkhd;
}

void giveback_look(struct giveback *g)
{
	if (!giveback_wants(g, scrape_resident_bytes(), used_bytes()))
		return;
	malloc_trim(0);
	g->known = false; /* what stays in spite of it is tried again only when more has come to it */
	giveback_wants(g, scrape_resident_bytes(), used_bytes());
}
