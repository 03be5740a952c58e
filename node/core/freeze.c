#include "node/core/freeze.h"

#include <endian.h>

#include "node/core/hooks.h"
#include "node/core/node.h"
#include "node/core/sm_freeze.h"
#include "proto/xml/fragment.h"
#include "proto/xml/names.h"

#define PRESENCE  "presence"
#define APART     "apart"
#define SM        "sm"
#define SM_SHARES "sm-shares"
#define SM_COUNTS "sm-at"
#define SM_ROOM   32 /* for its section, which the edge adds */

/* False: it does not fit, and is not there. */
static bool section(struct buf *out, const char *name, struct str bytes)
{
	size_t n = strlen(name);
	uint32_t len = htole32((uint32_t)bytes.len);
	if (bytes.len == 0)
		return true;
	if (out->len + 1 + n + sizeof len + bytes.len > out->max)
		return false;
	buf_addc(out, (char)n);
	buf_add(out, name, n);
	buf_add(out, &len, sizeof len);
	buf_add_str(out, bytes);
	return true;
}

static bool section_next(struct str *state, struct str *name, struct str *bytes)
{
	uint32_t len;
	size_t n = state->len ? (unsigned char)*state->p : 0;
	if (state->len < 1 + n + sizeof len)
		return false;
	memcpy(&len, state->p + 1 + n, sizeof len);
	len = le32toh(len);
	size_t head = 1 + n + sizeof len;
	if (len > state->len - head)
		return false;
	*name = str_span(state->p + 1, n);
	*bytes = str_span(state->p + head, len);
	*state = str_span(state->p + head + len, state->len - head - len);
	return true;
}

struct str freeze_section(struct str state, const char *name)
{
	struct str n, bytes;
	while (section_next(&state, &n, &bytes))
		if (str_is(n, name))
			return bytes;
	return STR_NONE;
}

static void add_section(void *arg, const char *module, struct str bytes)
{
	section(arg, module, bytes);
}

void freeze_add_counts(struct buf *out, uint32_t handled, uint32_t sent)
{
	uint32_t counts[2] = { htole32(handled), htole32(sent) };
	section(out, SM_COUNTS, str_span((const char *)counts, sizeof counts));
}

/* False: something does not fit. */
static bool add_sm(const struct session *s, struct buf *out, bool whole)
{
	struct buf queue, shares;
	buf_init(&queue, FREEZE_MAX);
	buf_init(&shares, FREEZE_MAX);
	sm_freeze_add(s, &queue, whole);
	if (whole)
		sm_freeze_add_shares(s, &shares);
	bool fits = !queue.failed && !shares.failed && section(out, SM, buf_str(&queue)) && section(out, SM_SHARES, buf_str(&shares));
	buf_fini(&queue);
	buf_fini(&shares);
	return fits;
}

static void add(struct session *s, struct buf *out)
{
	struct buf b;
	buf_init(&b, FREEZE_MAX);
	if (session_is_available(s))
		stanza_write(&b, s->presence);
	section(out, PRESENCE, buf_str(&b));
	buf_fini(&b);
	section(out, APART, s->apart ? STR("1") : STR_NONE);
	hooks_session_freeze(s, add_section, out);
}

void freeze_session(struct session *s, struct buf *out)
{
	add(s, out);
	add_sm(s, out, false);
}

bool freeze_moving(struct session *s, struct buf *out)
{
	s->moving = true;
	add(s, out);
	if (add_sm(s, out, true) && out->len + SM_ROOM <= out->max)
		sm_freeze_leave(s);
	else
		s->moving = false;
	return s->moving;
}

static void thaw_presence(struct session *s, struct str bytes)
{
	enum stanza_error e = STANZA_ERROR_NONE;
	struct arena *a = arena_new(bytes.len + 512);
	struct elem *root = xml_fragment_read(s->nw->parser, bytes, a);
	struct stanza *st = root ? stanza_from_elem(&a, root, NS_CLIENT, &e) : NULL;
	arena_free(a);
	if (st && e == STANZA_ERROR_NONE && st->kind == STANZA_PRESENCE)
		session_restore_presence(s, st);
	stanza_unref(st);
}

static void thaw_counts(struct session *s, struct str bytes)
{
	uint32_t counts[2];
	if (bytes.len != sizeof counts)
		return;
	memcpy(counts, bytes.p, sizeof counts);
	sm_freeze_recount(s, le32toh(counts[0]), le32toh(counts[1]));
}

void freeze_give_back(struct user *u, struct str state)
{
	sm_freeze_give_back(u, freeze_section(state, SM));
}

void freeze_thaw(struct session *s, struct str state)
{
	struct str name, bytes;
	bool apart = false;
	while (section_next(&state, &name, &bytes)) {
		if (str_is(name, PRESENCE))
			thaw_presence(s, bytes);
		else if (str_is(name, APART))
			apart = true;
		else if (str_is(name, SM))
			sm_freeze_thaw(s, bytes);
		else if (str_is(name, SM_SHARES))
			sm_freeze_thaw_shares(s, bytes);
		else if (str_is(name, SM_COUNTS))
			thaw_counts(s, bytes);
		else
			hooks_session_thaw(s, name, bytes);
	}
	if (apart)
		session_announce(s);
}
