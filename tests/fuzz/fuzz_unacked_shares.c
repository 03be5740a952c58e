/* What several clients share, as nodes send it to one another, for a queue of as many stanzas as the first byte says: what is accepted is
 * written back to the same bytes; joined with itself it keeps its length (a name that is there twice, which no node sends, becomes one
 * thing), and once more it stays what it is. */
#include "proto/wire/unacked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(struct unacked *u, unsigned n)
{
	unacked_init(u);
	while (n--)
		unacked_add(u, STANZA_MESSAGE, STR("x"), 0, NULL);
}

static void write_shares(const struct unacked *u, size_t most, struct buf *out)
{
	buf_init(out, most);
	unacked_write_shares(u, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unacked u, v;
	struct buf again;
	if (size == 0)
		return 0;
	struct str shares = str_span((const char *)data + 1, size - 1);
	fill(&u, data[0]);
	fill(&v, data[0]);
	bool valid = unacked_read_shares(&u, shares) == ERR_NONE;
	BUG_ON(valid != (unacked_read_shares(&v, shares) == ERR_NONE));
	write_shares(&u, size, &again);
	BUG_ON(valid && (buf_status(&again) != ERR_NONE || !str_eq(buf_str(&again), shares)));
	unacked_join(&v, &u);
	struct buf joined, twice;
	write_shares(&v, size, &joined);
	unacked_join(&v, &u);
	write_shares(&v, size, &twice);
	BUG_ON(valid && (joined.len != shares.len || !str_eq(buf_str(&joined), buf_str(&twice))));
	buf_fini(&joined);
	buf_fini(&twice);
	unacked_drop(&u);
	buf_fini(&again);
	unacked_drop(&v);
	return 0;
}
