/*
 * replay.h: what the last home of a session did not get, said again as if it came now, when the session's home is here (edge.h): one after
 * the other as the session takes them, which may wait for its roster. The stream is held meanwhile.
 */
#ifndef NODE_STREAM_REPLAY_H
#define NODE_STREAM_REPLAY_H

#include "node/stream/c2s.h"

/* Consumes the records (a run of FLEET_UP), and one hold of the stream. `counted`: stream management has counted them when they came. */
void replay_begin(struct c2s *c, struct buf *records, bool counted);
/* What was not said yet; nothing when there is none. */
struct str replay_left(const struct c2s *c);
/* When there is one. */
void replay_drop(struct c2s *c);

#endif
