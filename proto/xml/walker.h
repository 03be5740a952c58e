/*
 * walker.h: a big XML document, tag by tag: for files, not for streams (reader.h).
 *
 * Memory is that of one element at a time: the caller looks at an opening tag and then takes the whole element, passes over it, or goes
 * on to its children. Refused: document types and entities of its own (nothing that XMPP writes has any), and elements past the ceilings.
 */
#ifndef PROTO_XML_WALKER_H
#define PROTO_XML_WALKER_H

#include "proto/xml/elem.h"

#define WALKER_ELEMENT_MAX (128u << 20) /* bytes of one element that is taken, as a tree */
#define WALKER_DEPTH_MAX   100

enum walk { WALK_OPEN, WALK_CLOSE, WALK_END, WALK_BROKEN };

struct xml_walker;

/* `read` gives bytes as read(2) does: 0 at the end, less than 0 on failure. NULL when there is no memory for a parser. */
struct xml_walker *xml_walker_new(long (*read)(void *arg, char *out, size_t n), void *arg);
void xml_walker_free(struct xml_walker *w);
/* The next tag. OPEN: *e is the element with its attributes, without children, in the arena. CLOSE follows each OPEN that was neither
 * taken nor passed over. BROKEN: xml_walker_why; it stays so. */
enum walk xml_walker_next(struct xml_walker *w, struct arena *a, struct elem **e);
/* After OPEN: reads all that is inside into *e, and its closing tag. False: broken. */
bool xml_walker_take(struct xml_walker *w, struct arena *a, struct elem *e);
/* After OPEN: passes over all that is inside, and its closing tag. False: broken. */
bool xml_walker_skip(struct xml_walker *w);
/* What is broken, for people; a literal. */
const char *xml_walker_why(const struct xml_walker *w);
/* The line that it stands in, from 1. */
unsigned xml_walker_line(const struct xml_walker *w);

#endif
