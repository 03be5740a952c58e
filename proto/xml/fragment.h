/*
 * fragment.h: elements that were kept as bytes: written by xml_write with jabber:client as default namespace, read back here.
 *
 * For what we wrote ourselves (stores), not for what a peer sends: nothing is counted or restricted beyond what libxml2 refuses.
 */
#ifndef PROTO_XML_FRAGMENT_H
#define PROTO_XML_FRAGMENT_H

#include "proto/xml/reader.h"
#include "proto/xml/writer.h"

/* One complete element, into the arena. NULL when it is none. */
struct elem *xml_fragment_read(struct xml_parser *p, struct str bytes, struct arena *a);
/* What xml_write_patch said when it wrote them; both 0 also where they are no element. */
struct xml_patch xml_fragment_patch(struct str bytes);

#endif
