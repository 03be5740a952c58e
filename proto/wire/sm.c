#include "proto/wire/sm.h"

#include "proto/xml/names.h"
#include "proto/xml/writer.h"

/* ---- reading ---- */

/* xs:boolean */
static bool read_bool(struct str s, bool *out)
{
	*out = str_is(s, "true") || str_is(s, "1");
	return *out || !str_present(s) || str_is(s, "false") || str_is(s, "0");
}

/* xs:unsignedInt */
static bool read_u32(struct str s, uint32_t *out)
{
	uint64_t n;
	if (!str_present(s) || !str_to_u64(s, &n) || n > UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* xs:positiveInteger, which has no upper end; nobody waits longer than we can count. */
static bool read_max(struct str s, uint32_t *out)
{
	uint64_t n = 0;
	*out = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s.p[i] - '0');
		if (n > UINT32_MAX)
			n = UINT32_MAX;
	}
	*out = (uint32_t)n;
	return n > 0 || !str_present(s);
}

static bool read_enable(const struct elem *e, struct sm_said *out)
{
	return read_bool(elem_attr(e, "resume"), &out->resume) && read_max(elem_attr(e, "max"), &out->max_s);
}

static bool read_resume(const struct elem *e, struct sm_said *out)
{
	out->previd = elem_attr(e, "previd");
	return str_present(out->previd) && read_u32(elem_attr(e, "h"), &out->h);
}

enum err sm_read(const struct elem *e, struct sm_said *out)
{
	bool valid = true;
	*out = (struct sm_said){ 0 };
	if (elem_is(e, NS_SM, "enable")) {
		out->word = SM_ENABLE;
		valid = read_enable(e, out);
	} else if (elem_is(e, NS_SM, "resume")) {
		out->word = SM_RESUME;
		valid = read_resume(e, out);
	} else if (elem_is(e, NS_SM, "r")) {
		out->word = SM_R;
	} else if (elem_is(e, NS_SM, "a")) {
		out->word = SM_A;
		valid = read_u32(elem_attr(e, "h"), &out->h);
	} else {
		return ERR_NOT_FOUND;
	}
	return valid ? ERR_NONE : ERR_INVALID;
}

/* ---- writing ---- */

static void begin(struct buf *out, const char *name)
{
	buf_addf(out, "<%s xmlns='", name);
	buf_add_str(out, NS_SM);
	buf_addc(out, '\'');
}

static void add_id(struct buf *out, const char *name, struct str id)
{
	buf_addf(out, " %s='", name);
	xml_escape_attr(out, id);
	buf_addc(out, '\'');
}

void sm_write_enabled(struct buf *out, struct str id, uint32_t max_s)
{
	begin(out, "enabled");
	if (str_present(id)) {
		add_id(out, "id", id);
		buf_addz(out, " resume='true'");
	}
	if (str_present(id) && max_s)
		buf_addf(out, " max='%u'", max_s);
	buf_addz(out, "/>");
}

void sm_write_resumed(struct buf *out, struct str previd, uint32_t h)
{
	begin(out, "resumed");
	add_id(out, "previd", previd);
	buf_addf(out, " h='%u'/>", h);
}

void sm_write_failed(struct buf *out, enum stanza_error e, const uint32_t *h)
{
	begin(out, "failed");
	if (h)
		buf_addf(out, " h='%u'", *h);
	buf_addz(out, "><");
	buf_add_str(out, stanza_error_name(e));
	buf_addz(out, " xmlns='");
	buf_add_str(out, NS_STANZA_ERRORS);
	buf_addz(out, "'/></failed>");
}

void sm_write_r(struct buf *out)
{
	begin(out, "r");
	buf_addz(out, "/>");
}

void sm_write_a(struct buf *out, uint32_t h)
{
	begin(out, "a");
	buf_addf(out, " h='%u'/>", h);
}

void sm_write_too_high(struct buf *out, uint32_t h, uint32_t sent)
{
	begin(out, "handled-count-too-high");
	buf_addf(out, " h='%u' send-count='%u'/>", h, sent);
}
