/* The addresses of a record for many: whatever is read stays inside the bytes, a run is sound or not as a whole, and a sound one is written
 * back to the same bytes. */
#include "cluster/addressees.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str run = str_span((const char *)data, size), rest = run, one;
	bool sound = addressees_check(run) == ERR_NONE;
	unsigned n = 0;
	enum err e;
	struct buf again;
	buf_init(&again, ADDRESSEES_BYTES);
	while ((e = addressees_next(&rest, &one)) == ERR_NONE) {
		BUG_ON(one.len == 0 || one.p < run.p || one.p + one.len > run.p + run.len);
		BUG_ON(sound && addressees_add(&again, n, one) != ERR_NONE);
		n++;
	}
	BUG_ON(sound && (e != ERR_NOT_FOUND || !str_eq(buf_str(&again), run)));
	buf_fini(&again);
	return 0;
}
