/* Queues of what was not acknowledged, as nodes send them to one another: what is accepted is written back to the same bytes, and its
 * numbers are those of a queue. */
#include "proto/wire/unacked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_span((const char *)data, size);
	struct unacked u;
	struct buf again;
	unacked_init(&u);
	if (unacked_read(&u, bytes) != ERR_NONE) {
		BUG_ON(u.n || u.bytes || u.first);
		return 0;
	}
	buf_init(&again, size);
	unacked_write(&u, &again, true);
	BUG_ON(buf_status(&again) != ERR_NONE || !str_eq(buf_str(&again), bytes));
	buf_fini(&again);
	BUG_ON(u.n > u.sent - u.acked || unacked_ack(&u, u.sent + 1) == UNACKED_FINE);
	BUG_ON(unacked_ack(&u, u.sent) != UNACKED_FINE || u.n || u.bytes);
	return 0;
}
