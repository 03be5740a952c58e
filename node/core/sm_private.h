/*
 * sm_private.h: a session's state of stream management: for sm_session.c, which owns it, and sm_freeze.c, which takes it to another node.
 */
#ifndef NODE_CORE_SM_PRIVATE_H
#define NODE_CORE_SM_PRIVATE_H

#include "node/core/sm_session.h"

#define SM_ID_CHARS 26 /* 130 bits */

enum sm_phase { SM_IDLE, SM_SOON, SM_ASKED, SM_DETACHED };

struct sm_session {
	struct node_worker *nw;
	struct session *session;
	struct unacked queue;
	struct outlet outlet;      /* while DETACHED */
	struct timer timer;
	uint64_t ends_ms;          /* DETACHED: the worker's clock */
	uint64_t max_ms;           /* that it may be DETACHED */
	uint32_t handled;
	uint32_t asked;            /* the last stanza before the last <r/> */
	size_t unasked_bytes;      /* sent since */
	uint8_t phase;
	bool resumable, given_up;
	bool heard;                /* ASKED: something came from the client meanwhile, though not the answer */
	bool answer_due;           /* an <r/> waits until what was sent before it is handled */
	char id[SM_ID_CHARS + 1];
};

/* Nothing sent, nothing handled; s->sm. */
struct sm_session *sm_session_new(struct session *s);
/* What waits is forgotten; the numbers stay. */
void sm_session_drop_queue(struct sm_session *sm);

#endif
