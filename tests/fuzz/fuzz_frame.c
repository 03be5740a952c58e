/* Frames between nodes: whatever is read stays inside the bytes, and what is accepted is written back to the same bytes. */
#include "cluster/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = str_span((const char *)data, size);
	struct frame f;
	if (frame_read(bytes, &f) != ERR_NONE || f.body.len > FRAME_BODY_MAX || frame_check_records(&f) != ERR_NONE)
		return 0;
	struct frame_record r;
	struct str rest = f.body;
	struct buf body, again;
	buf_init(&body, FRAME_MAX);
	while (frame_next_record(&rest, &r) == ERR_NONE)
		BUG_ON(frame_add_record(&body, &r) != ERR_NONE);
	BUG_ON(body.len != f.body.len);
	f.body = buf_str(&body);
	buf_init(&again, FRAME_MAX);
	frame_write(&again, &f, false);
	struct frame g;
	BUG_ON(frame_read(buf_str(&again), &g) != ERR_NONE || g.nrec != f.nrec || g.link_seq != f.link_seq || g.type != f.type);
	buf_fini(&body);
	buf_fini(&again);
	return 0;
}
