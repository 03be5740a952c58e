/*
 * fleet_sm_rig.h: clients with stream management on the one node, whose sessions are on the other (fleet_rig.h).
 */
#ifndef TESTS_UNIT_NODE_CORE_FLEET_SM_RIG_H
#define TESTS_UNIT_NODE_CORE_FLEET_SM_RIG_H

#include "tests/unit/node/core/fleet_rig.h"

#include "node/core/outlet.h"
#include "node/core/sm_session.h"

#define ENABLE "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
#define ASK    "<r xmlns='urn:xmpp:sm:3'/>"

/* Both nodes know it. */
static inline int sm_set_up(void **state)
{
	set_up(state);
	other_speaks = FLEET_SM;
	look(NODE_UP);
	return 0;
}

#define SM_CASE(f) cmocka_unit_test_setup_teardown(f, sm_set_up, tear_down)

/* ---- clients here, sessions there ---- */

static inline struct frame_record down(const char *bare, uint64_t edge, unsigned kind, const char *xml)
{
	struct frame_record r = record(FLEET_DOWN, bare, edge);
	r.rule = (uint8_t)kind;
	r.flags = FRAME_KEPT;
	r.osm = 77;
	r.xml = str_of(xml);
	return r;
}

/* Bound there, with stream management. */
static inline struct rig_client far_login_with_sm(const char *user, uint64_t *edge)
{
	struct rig_client c = far_login(user, edge);
	rig_say(&c, ENABLE);
	struct frame_record word = expect(FLEET_UP);
	assert_int_equal(word.rule, FLEET_UP_WORD);
	assert_true(holds(word.xml, "<enable "));
	other_says(down(c.bare, *edge, OUTLET_WORD, "<enabled xmlns='urn:xmpp:sm:3' id='abc' resume='true' max='300'/>"));
	RIG_HEAR(&c, "<enabled ");
	return c;
}

/* The same by an account that would be at home here, had it not been there before. */
static inline struct rig_client login_there_with_sm(uint64_t *edge)
{
	char user[16], bare[64];
	account_with_place(1, user, bare);
	other_claims(bare);
	return far_login_with_sm(user, edge);
}

/* ---- sessions here, clients there ---- */

static inline void up(const char *bare, uint64_t sid, uint64_t edge, enum fleet_up what, const char *xml)
{
	struct frame_record r = record(FLEET_UP, bare, sid);
	r.osm = edge;
	r.rule = (uint8_t)what;
	r.xml = str_of(xml);
	other_says(r);
}

static inline struct frame_record expect_word(const char *text)
{
	struct frame_record r;
	do
		r = expect(FLEET_DOWN);
	while (r.rule != OUTLET_WORD || !holds(r.xml, text));
	return r;
}

/* A client of the other node, its edge 9, bound here with stream management, by an account that a client here has made ours. */
static inline uint64_t far_session_of(const char *bare, const char *resource, uint64_t edge, char id[64])
{
	struct frame_record bind = bind_of_far(bare);
	bind.dst_sid = edge;
	bind.to = arena_printf(keep, "%s/%s", bare, resource);
	other_says(bind);
	uint64_t sid = expect(FLEET_BOUND).osm;
	up(bare, sid, edge, FLEET_UP_WORD, ENABLE);
	struct frame_record enabled = expect_word("<enabled ");
	assert_int_equal(sscanf(arena_strz(keep, enabled.xml), "<enabled xmlns='urn:xmpp:sm:3' id='%63[^']'", id), 1);
	return sid;
}

static inline uint64_t far_session(const char *bare, char id[64])
{
	return far_session_of(bare, "far", 9, id);
}

static inline void gone(const char *bare, uint64_t sid, uint64_t edge, bool lost)
{
	struct frame_record r = record(FLEET_GONE, bare, sid);
	r.osm = edge;
	r.rule = lost;
	other_says(r);
	rig_turns(4);
}

static inline void resume_with(const char *bare, uint64_t edge, const char *id, uint32_t h, uint8_t flags)
{
	struct frame_record r = record(FLEET_RESUME, bare, edge);
	r.to = str_of(bare);
	r.rule = TRANSPORT_STARTTLS;
	r.flags = flags;
	r.osm = h;
	r.xml = str_of(id);
	other_says(r);
}

static inline void resume(const char *bare, uint64_t edge, const char *id, uint32_t h)
{
	resume_with(bare, edge, id, h, 0);
}

static inline bool waits(const struct rig_client *c)
{
	const struct session *s = rig_session(c, "far");
	return s && sm_session_is_detached(s);
}

#endif
