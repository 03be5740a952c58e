/*
 * sm_stream.c: stream management (XEP-0198) as far as it is a stream's: who may say what when, and resumption in the place of binding. What
 * is counted and kept: core/sm_session.h.
 */
#include <stdlib.h>

#include "node/core/fleet.h"
#include "node/core/sm_past.h"
#include "node/core/sm_session.h"
#include "node/stream/edge.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"

#define AGAIN_MS 100 /* when a handler still has the last stanza */
#define TRIES    50  /* a handler that takes so long has taken it over, whatever becomes of it */

/* All nodes must know it: any of them may be the account's home. */
static bool is_offered(const struct c2s *c)
{
	return c->nw->node->settings.sm.enabled && (!c->nw->fleet || fleet_all_speak(c->nw->fleet, FLEET_SM));
}

void sm_stream_features(struct c2s *c, struct arena *a, struct elem *features)
{
	if (is_offered(c))
		elem_add(a, features, NS_SM, STR("sm"));
}

static void say_failed(struct c2s *c, enum stanza_error e, const uint32_t *h)
{
	struct buf b;
	buf_init(&b, SM_WORD_MAX);
	sm_write_failed(&b, e, h);
	c2s_send_word(c, buf_str(&b));
	buf_fini(&b);
}

/* ---- resumption ---- */

void sm_stream_drop(struct c2s *c)
{
	free(c->resume);
	c->resume = NULL;
}

void sm_stream_refused(struct c2s *c, const uint32_t *h)
{
	count(c->nw, METRIC_SM_RESUME_FAILURES_TOTAL, 1);
	say_failed(c, STANZA_ITEM_NOT_FOUND, h);
	sm_stream_drop(c);
}

static void unknown(struct c2s *c)
{
	uint32_t h;
	bool known = sm_past_find(c->nw, str_of(c->account), c->resume->previd, &h);
	sm_stream_refused(c, known ? &h : NULL);
}

static void too_high(struct c2s *c, const struct session *s)
{
	struct buf text, extra;
	buf_init(&text, SM_WORD_MAX);
	buf_init(&extra, SM_WORD_MAX);
	sm_session_too_high(s, c->resume->h, &text, &extra);
	count(c->nw, METRIC_SM_RESUME_FAILURES_TOTAL, 1);
	c2s_close_with(c, STREAM_UNDEFINED_CONDITION, buf_str(&text), buf_str(&extra));
	buf_fini(&text);
	buf_fini(&extra);
}

void sm_stream_resumed(struct c2s *c)
{
	sm_stream_drop(c);
	c2s_enter(c, C2S_OPEN);
	bind_done(c);
}

static void take_over(struct c2s *c, struct session *s)
{
	uint32_t h = c->resume->h;
	sm_stream_resumed(c);
	c2s_take_over(c, s);
	sm_session_resume(s, &c->outlet, h);
}

/* The node that has the account's sessions, if it is another one, else 0. */
static uint32_t elsewhere(const struct c2s *c)
{
	const struct fleet_worker *fw = c->nw->fleet;
	uint32_t home = fw ? homes_claimed(fw->homes, fleet_fp(c->nw, str_of(c->account))) : 0;
	return home && home != homes_self(fw->homes) ? home : 0;
}

static void try_resumption(struct c2s *c)
{
	struct resumption *r = c->resume;
	uint32_t home = elsewhere(c);
	if (home) {
		edge_resume(c, home);
		return;
	}
	struct session *s = sm_session_find(c->nw, str_of(c->account), r->previd);
	switch (s ? sm_session_may_resume(s, r->h) : SM_UNKNOWN) {
	case SM_UNKNOWN:
		unknown(c);
		break;
	case SM_TOO_HIGH:
		too_high(c, s);
		break;
	case SM_BUSY:
		if (r->tries++ < TRIES) {
			c2s_pause(c, AGAIN_MS, try_resumption);
			break;
		}
		take_over(c, s);
		break;
	case SM_MAY_RESUME:
		take_over(c, s);
		break;
	}
}

bool sm_stream_is_last_try(const struct c2s *c)
{
	return c->resume->tries >= TRIES;
}

void sm_stream_again(struct c2s *c)
{
	if (c->resume->tries++ < TRIES)
		c2s_pause(c, AGAIN_MS, try_resumption);
	else
		sm_stream_refused(c, NULL);
}

static void resume(struct c2s *c, const struct sm_said *said)
{
	struct resumption *r = c->resume = xmalloc(sizeof *r + said->previd.len);
	memcpy(r + 1, said->previd.p, said->previd.len);
	*r = (struct resumption){ .h = said->h, .previd = str_span((char *)(r + 1), said->previd.len) };
	try_resumption(c);
}

/* ---- words ---- */

static void on_word(struct c2s *c, const struct elem *word, const struct sm_said *said)
{
	bool in_place = c->state == C2S_OPEN || (c->state == C2S_BINDING && said->word == SM_RESUME);
	bool begins = said->word == SM_ENABLE || said->word == SM_RESUME;
	bool is_known = !in_place || !begins || is_offered(c);
	if (is_known && c->state == C2S_OPEN && c->session)
		sm_session_heard(c->session, said);
	else if (is_known && c->state == C2S_OPEN)
		is_known = edge_word(c->edge, word, said);
	else if (is_known && in_place)
		resume(c, said);
	else if (is_known) /* section 3: not before authentication, nor before binding */
		say_failed(c, STANZA_UNEXPECTED_REQUEST, NULL);
	if (!is_known)
		say_failed(c, STANZA_FEATURE_NOT_IMPLEMENTED, NULL);
}

void sm_stream_on_element(struct c2s *c, struct xml_item *item)
{
	struct sm_said said;
	enum err err = sm_read(item->root, &said);
	if (err == ERR_NOT_FOUND)
		c2s_close(c, STREAM_UNSUPPORTED_STANZA_TYPE, STR_NONE);
	else if (err == ERR_NONE)
		on_word(c, item->root, &said);
	else if (said.word == SM_ENABLE || said.word == SM_RESUME)
		say_failed(c, STANZA_BAD_REQUEST, NULL);
	else /* nothing answers an <a/> */
		c2s_close(c, STREAM_INVALID_XML, STR("<a/> needs the number of stanzas that you have handled"));
	arena_free(item->arena);
}

void sm_stream_say_again(struct c2s *c, struct str word)
{
	struct sm_said said;
	struct arena *a = arena_new(512);
	const struct elem *root = xml_fragment_read(c->nw->parser, word, a);
	if (root && sm_read(root, &said) == ERR_NONE)
		sm_session_heard(c->session, &said);
	arena_free(a);
}
