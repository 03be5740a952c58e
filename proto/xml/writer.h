/*
 * writer.h: element trees to bytes.
 *
 * Guarantee: what a conforming parser reads back is the same tree (names, namespaces, attributes, text). Namespaces are declared where
 * they change: an element whose namespace differs from its parent's carries xmlns='...'; namespaced attributes get a prefix declared on
 * their element (xml: needs none). Text and values are escaped minimally: & < > and CR in text; & < ' in values plus tab, CR, LF as
 * character references (a parser would turn them into LF and spaces). Recursive: a tree is as deep as the reader's max_depth or our own
 * code made it.
 */
#ifndef PROTO_XML_WRITER_H
#define PROTO_XML_WRITER_H

#include "proto/base/buf.h"
#include "proto/xml/elem.h"

/* Appends `e`, given that `default_ns` (jabber:client on client streams) is declared outside as xmlns and the prefix `stream` as the
 * streams namespace if `stream_prefix`. Past the buf's ceiling buf_status tells, and nothing of the element stays. */
void xml_write(struct buf *out, const struct elem *e, struct str default_ns, bool stream_prefix);
/* Where the value of the root's `to` attribute begins and ends in what xml_write appended; both 0 if it has none: fan-out writes the
 * stanza once and patches this head per recipient. Offsets count from the start of the element. */
struct xml_patch {
	size_t to_start, to_end;
};
void xml_write_patch(struct buf *out, const struct elem *e, struct str default_ns, struct xml_patch *patch);
/* Escaped as text / as an attribute value in single quotes (without the quotes). */
void xml_escape_text(struct buf *out, struct str s);
void xml_escape_attr(struct buf *out, struct str s);

#endif
