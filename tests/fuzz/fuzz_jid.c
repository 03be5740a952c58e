/* Any bytes as a JID: what is accepted is canonical, so that parsing it again, or its parts, gives the same bytes. */
#include "proto/addr/jid.h"
#include "proto/addr/precis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct jid *a, const struct jid *b)
{
	BUG_ON(!jid_eq(a, b) || a->local_len != b->local_len || a->bare_len != b->bare_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(0);
	struct str s = { (const char *)data, size }, prepared, again;
	struct jid j, k;
	if (jid_parse(a, s, &j) == ERR_NONE) {
		BUG_ON(jid_local(&j).len > JID_PART_MAX || jid_domain(&j).len > JID_PART_MAX || jid_resource(&j).len > JID_PART_MAX);
		BUG_ON(jid_parse(a, jid_str(&j), &k) || k.text != j.text);
		same(&j, &k);
		BUG_ON(jid_make(a, jid_local(&j), jid_domain(&j), jid_resource(&j), &k));
		same(&j, &k);
	}
	if (saslprep(a, s, &prepared) == ERR_NONE)
		BUG_ON(prepared.len > JID_PART_MAX || !str_is_utf8(prepared));
	if (precis_opaque(a, s, &prepared) == ERR_NONE)
		BUG_ON(precis_opaque(a, prepared, &again) || !str_eq(prepared, again));
	arena_free(a);
	return 0;
}
