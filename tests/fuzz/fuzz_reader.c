/*
 * fuzz_reader.c: the XML reader and writer. The first byte chooses limits and whether a usual stream header is sent first, the second
 * seeds the splits, the rest is what a peer sends. Checked beyond "no crash": any split gives the same events, the reader never holds
 * more than its ceiling, and whatever was accepted reads back as an equal tree after it was written.
 */
#include <stdlib.h>

#include "proto/base/err.h"
#include "proto/base/rng.h"
#include "proto/xml/names.h"
#include "tests/unit/proto/xml/transcript.h"

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct xml_parser *parser, *other_parser;

static struct xml_reader *reader_at(const struct xml_limits *limits, struct str header)
{
	struct xml_reader *r = xml_reader_new(&usual_limits);
	struct xml_item item;
	if (header.len) {
		BUG_ON(xml_reader_next(r, other_parser, &header, &item) != XML_STREAM_OPEN);
		arena_free(item.arena);
	}
	xml_reader_set_limits(r, limits);
	return r;
}

static void reads_back(const struct elem *e)
{
	static const struct xml_limits wide = { .max_bytes = 1 << 22, .max_depth = 100, .max_attrs = 1000, .max_elements = 100000 };
	static const struct {
		const char *header, *ns;
	} around[] = { { "<root>", "" }, { HEADER, "jabber:client" } };
	for (unsigned i = 0; i < 2; i++) {
		struct buf out;
		struct xml_item item;
		struct xml_reader *r = reader_at(&wide, str_of(around[i].header));
		buf_init(&out, 1 << 22);
		xml_write(&out, e, str_of(around[i].ns), i == 1);
		BUG_ON(buf_status(&out) != ERR_NONE);
		struct str in = buf_str(&out);
		BUG_ON(xml_reader_next(r, other_parser, &in, &item) != XML_STANZA);
		BUG_ON(in.len || !elem_eq(e, item.root));
		arena_free(item.arena);
		xml_reader_free(r);
		buf_fini(&out);
	}
}

static void all_reads_back(const struct xml_limits *limits, struct str header, struct str in)
{
	struct xml_reader *r = reader_at(limits, header);
	struct xml_item item;
	enum xml_event event;
	while ((event = xml_reader_next(r, parser, &in, &item)) != XML_MORE && event != XML_REFUSED) {
		if (item.root)
			reads_back(item.root);
		arena_free(item.arena);
	}
	xml_reader_free(r);
}

static void splits_agree(const struct xml_limits *limits, struct str header, struct str in, uint64_t seed)
{
	struct buf whole, pieces;
	struct rng rng;
	rng_init_seeded(&rng, seed);
	buf_init(&whole, 1 << 22);
	buf_init(&pieces, 1 << 22);
	struct xml_reader *r = reader_at(limits, header);
	transcribe(&whole, r, parser, in);
	xml_reader_free(r);
	r = reader_at(limits, header);
	unsigned longest = 1 + (unsigned)(rng_u64(&rng) % 40);
	for (size_t n; in.len; in = str_span(in.p + n, in.len - n)) {
		n = 1 + rng_u64(&rng) % longest;
		n = n < in.len ? n : in.len;
		char *own = malloc(n); /* so that a read past the piece is seen */
		memcpy(own, in.p, n);
		enum xml_event event = transcribe(&pieces, r, other_parser, str_span(own, n));
		free(own);
		BUG_ON(xml_reader_bytes(r) > limits->max_bytes + 4096u);
		if (event == XML_REFUSED)
			break;
	}
	BUG_ON(!str_eq(buf_str(&whole), buf_str(&pieces)));
	xml_reader_free(r);
	buf_fini(&whole);
	buf_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xml_limits tight = { .max_bytes = 200, .max_depth = 3, .max_attrs = 5, .max_elements = 5 };
	if (size < 2)
		return 0;
	if (!parser) {
		parser = xml_parser_new(3);
		other_parser = xml_parser_new(3);
	}
	const struct xml_limits *limits = data[0] & 1 ? &tight : &usual_limits;
	struct str header = data[0] & 2 ? STR(HEADER) : STR("");
	struct str in = str_span((const char *)data + 2, size - 2);
	splits_agree(limits, header, in, data[1]);
	all_reads_back(limits, header, in);
	return 0;
}
