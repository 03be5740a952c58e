/* A roster template, as it lies on disk. What is read must hold together: every string inside the arena or the input. */
#include "proto/forms/erldata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sum; /* so that what is read is read */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(0);
	struct erldata d = { .rest = str_span((const char *)data, size) };
	struct str t[4];
	while (erldata_next(&d, a, t, 4) == ERR_NONE)
		for (unsigned i = 0; i < 4; i++)
			for (size_t k = 0; k < t[i].len; k++)
				sum += (unsigned char)t[i].p[k] & 1;
	arena_free(a);
	return 0;
}
