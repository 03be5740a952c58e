/*
 * jam.h: a client that reads more slowly than others write to it. Those who fill its output wait, so that it is not closed for their haste.
 *
 *   1. Up to a mark (a quarter of limits.unsent_bytes) nobody is looked at.
 *   2. Past it each sender of messages and IQs is noted with what he adds. Who has added FILL_BYTES waits (core/brake.h): whoever says a
 *      word to a client that somebody else floods does not, unless more than FEW others do so: then he waits at once. Presence adds
 *      nothing: it fans out, and its sender is not to blame.
 *   3. Once less than three quarters of the mark are unsent, those who wait go on one after the other, each for STEP_BYTES that the
 *      client has read; when nothing is unsent, all. When nobody waits any more, the jam is over, and what was noted forgotten.
 *   4. While somebody waits, the client must take something within each limits.unsent_wait. If it does not, nobody waits for it any more
 *      until the jam is over: its output grows to the ceiling, and it is closed as somebody who does not read.
 *
 * Cycles (two that flood each other, one that floods itself) end by rule 4: whoever waits for a client that reads gets on, and for one that
 * does not he waits once for at most twice limits.unsent_wait. Of more than SENDERS_MAX senders at a time the later ones are not noted; the
 * ceiling stands behind all of this.
 *
 * A sender is ahead of this: on another worker by what the router lets it (router.c), on another node by what is under way when that hears
 * that it must wait (core/rein.h); and of a thousand senders each little is much. What they have sent by then comes still, and goes nowhere
 * else. So while senders wait, the ceiling is limits.late_bytes higher; rule 4 takes that back. All streams of a worker together have its
 * share of limits.late_bytes_all.
 *
 *   5. Who has three quarters of that, alone or with the others, is *choked* until limits.unsent_bytes are unsent: messages and requests to
 *      it are refused with resource-constraint (router.c), so that their senders know, and the client keeps its stream. Of what is under
 *      way, and what cannot be refused (presence, answers, errors), the rest may still come; if it is more, the stream ends.
 */
#ifndef NODE_STREAM_JAM_H
#define NODE_STREAM_JAM_H

#include "node/stream/c2s.h"

/* The sender of what is handled now has put so many bytes into the output, and more than the mark is unsent. */
void jam_fill(struct c2s *c, size_t bytes);
/* The client took something; only while there is a jam. */
void jam_written(struct c2s *c);
/* The stream ends. */
void jam_forget(struct c2s *c);

#endif
