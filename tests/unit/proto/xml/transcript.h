/*
 * transcript.h: what a reader makes of some bytes, as text to compare: one line per event, trees as the writer writes them.
 */
#ifndef TESTS_UNIT_PROTO_XML_TRANSCRIPT_H
#define TESTS_UNIT_PROTO_XML_TRANSCRIPT_H

#include "proto/xml/reader.h"
#include "proto/xml/writer.h"

static const struct xml_limits usual_limits = { .max_bytes = 262144, .max_depth = 64, .max_attrs = 128, .max_elements = 4096 };

/* Feeds all bytes of `in` and appends what comes. Returns the last event. */
static inline enum xml_event transcribe(struct buf *out, struct xml_reader *r, struct xml_parser *p, struct str in)
{
	static const char *const words[] = { "more", "open ", "stanza ", "close", "refused " };
	struct xml_item item;
	enum xml_event event;
	while ((event = xml_reader_next(r, p, &in, &item)) != XML_MORE) {
		buf_addz(out, words[event]);
		if (item.root)
			xml_write(out, item.root, STR(""), false);
		if (event == XML_STREAM_OPEN)
			buf_addf(out, " in '%.*s'", STR_ARG(item.default_ns));
		if (event == XML_REFUSED)
			buf_addf(out, "%.*s: %s", STR_ARG(stream_error_name(item.error)), item.why);
		buf_addf(out, " (%u)\n", item.bytes);
		arena_free(item.arena);
		if (event == XML_REFUSED)
			break;
	}
	return event;
}

#endif
