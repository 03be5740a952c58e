/*
 * sm.h: the words of stream management (XEP-0198), read from elements and written as bytes ready for the wire. Pure.
 * What is counted and what waits for an acknowledgement: unacked.h.
 */
#ifndef PROTO_WIRE_SM_H
#define PROTO_WIRE_SM_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/errors.h"
#include "proto/xml/elem.h"

#define SM_WORD_MAX 512 /* bytes of the longest word of ours, with an id of ours */

enum sm_word { SM_ENABLE, SM_RESUME, SM_R, SM_A };

/* What a client said. */
struct sm_said {
	enum sm_word word;
	bool resume;       /* of ENABLE: it wants to be able to resume */
	uint32_t max_s;    /* of ENABLE: for so many seconds; 0: it does not say */
	uint32_t h;        /* of RESUME and A */
	struct str previd; /* of RESUME; borrowed from the element */
};

/* An element of NS_SM. ERR_NOT_FOUND: none that a client may say; ERR_INVALID: one that breaks the schema (section 14), with out->word. */
MUST_CHECK enum err sm_read(const struct elem *e, struct sm_said *out);

/* `id` absent: it cannot be resumed. `max_s` 0: not said. */
void sm_write_enabled(struct buf *out, struct str id, uint32_t max_s);
void sm_write_resumed(struct buf *out, struct str previd, uint32_t h);
/* `h`: NULL when nothing is known of the session. */
void sm_write_failed(struct buf *out, enum stanza_error e, const uint32_t *h);
void sm_write_r(struct buf *out);
void sm_write_a(struct buf *out, uint32_t h);
/* What goes into the stream error of a peer that acknowledges more than it was sent (section 6). */
void sm_write_too_high(struct buf *out, uint32_t h, uint32_t sent);

#endif
