#include "node/ctl/pie_account.h"

#include "proto/base/encode.h"
#include "proto/xml/names.h"

const struct str NS_STARLING_ACCOUNT = STR_INIT("urn:starling:account:0");

static const struct hash_row {
	struct str mechanism;
	size_t len;
} hashes[SASL_HASH_COUNT] = {
	[SASL_SHA1] = { STR_INIT("SCRAM-SHA-1"), 20 },
	[SASL_SHA256] = { STR_INIT("SCRAM-SHA-256"), 32 },
	[SASL_SHA512] = { STR_INIT("SCRAM-SHA-512"), 64 },
};

/* ---- out ---- */

static void add_bytes(struct arena *a, struct elem *e, struct str name, const uint8_t *p, size_t n)
{
	elem_add_text(a, e, name, b64_encode(a, str_span((const char *)p, n)));
}

static void set_time(struct arena *a, struct elem *e, struct str name, int64_t ms)
{
	char stamp[STAMP_BYTES];
	if (ms)
		elem_set(a, e, name, arena_str(a, stamp_format(stamp, ms, true)));
}

void pie_account_put(struct arena *a, struct elem *user, const struct account *account)
{
	for (unsigned h = 0; account->has_keys && h < SASL_HASH_COUNT; h++) {
		const struct sasl_key *k = &account->keys.of[h];
		if (!k->iterations)
			continue;
		struct elem *e = elem_add(a, user, NS_IMPORT_SCRAM, STR("scram-credentials"));
		elem_set(a, e, STR("mechanism"), hashes[h].mechanism);
		elem_add_text(a, e, STR("iter-count"), arena_printf(a, "%u", k->iterations));
		add_bytes(a, e, STR("salt"), k->salt, k->salt_len);
		add_bytes(a, e, STR("server-key"), k->server_key, hashes[h].len);
		add_bytes(a, e, STR("stored-key"), k->stored_key, hashes[h].len);
	}
	struct elem *own = elem_add(a, user, NS_STARLING_ACCOUNT, STR("account"));
	set_time(a, own, STR("created"), account->created_ms);
	set_time(a, own, STR("changed"), account->changed_ms);
	set_time(a, own, STR("login"), account->login_ms);
	if (account->disabled)
		elem_set(a, own, STR("disabled"), arena_str(a, str_present(account->reason) ? account->reason : STR("")));
}

/* ---- in ---- */

static bool decode(struct arena *a, struct str text, struct str *out)
{
	return b64_decode(a, str_trim(text), out) == ERR_NONE;
}

static struct str child_text(struct arena *a, const struct elem *e, const char *name)
{
	const struct elem *c = elem_child(e, NS_IMPORT_SCRAM, name);
	return c ? str_trim(elem_text(a, c)) : STR("");
}

/* Bytes of a key, and whether they were encoded twice: ejabberd 23.01 exports base64 of base64. */
static bool read_key(struct arena *a, struct str text, size_t len, uint8_t *out, bool *twice)
{
	struct str bytes, again;
	if (!decode(a, text, &bytes))
		return false;
	*twice = bytes.len != len && decode(a, bytes, &again) && again.len == len;
	if (*twice)
		bytes = again;
	if (bytes.len != len)
		return false;
	memcpy(out, bytes.p, len);
	return true;
}

static bool read_credentials(struct arena *a, const struct elem *e, size_t len, struct sasl_key *out)
{
	struct str salt, again;
	uint64_t iterations;
	bool stored_twice, server_twice;
	if (!str_to_u64(child_text(a, e, "iter-count"), &iterations) || iterations < 1 || iterations > SASL_ITERATIONS_MAX)
		return false;
	if (!read_key(a, child_text(a, e, "stored-key"), len, out->stored_key, &stored_twice) ||
	    !read_key(a, child_text(a, e, "server-key"), len, out->server_key, &server_twice) || stored_twice != server_twice)
		return false;
	if (!decode(a, child_text(a, e, "salt"), &salt))
		return false;
	if (stored_twice && decode(a, salt, &again))
		salt = again;
	if (salt.len < 1 || salt.len > SASL_SALT_MAX)
		return false;
	out->iterations = (uint32_t)iterations;
	out->salt_len = (uint8_t)salt.len;
	memcpy(out->salt, salt.p, salt.len);
	return true;
}

static void take_key(struct arena *a, const struct elem *e, struct account *out, const char **why)
{
	unsigned h = 0;
	while (h < SASL_HASH_COUNT && !str_eq(elem_attr(e, "mechanism"), hashes[h].mechanism))
		h++;
	struct sasl_key key = { 0 };
	if (h == SASL_HASH_COUNT) {
		*why = "keys of a mechanism that we do not have";
	} else if (!read_credentials(a, e, hashes[h].len, &key)) {
		*why = "SCRAM keys that cannot be used";
	} else {
		out->keys.of[h] = key;
		out->has_keys = true;
	}
}

static void take_own(const struct elem *e, struct account *out)
{
	struct str disabled = elem_attr(e, "disabled");
	int64_t ms;
	if (stamp_parse(elem_attr(e, "created"), &ms) == ERR_NONE)
		out->created_ms = ms;
	if (stamp_parse(elem_attr(e, "changed"), &ms) == ERR_NONE)
		out->changed_ms = ms;
	if (stamp_parse(elem_attr(e, "login"), &ms) == ERR_NONE)
		out->login_ms = ms;
	out->disabled = str_present(disabled);
	out->reason = disabled;
}

void pie_account_take(struct arena *a, const struct elem *user, int64_t now_ms, struct account *out, struct str *password,
		      const char **why)
{
	*out = (struct account){ .created_ms = now_ms, .changed_ms = now_ms };
	*why = NULL;
	*password = elem_attr(user, "password");
	for (const struct elem *e = elem_first(user); e; e = elem_next(e)) {
		if (elem_is(e, NS_IMPORT_SCRAM, "scram-credentials"))
			take_key(a, e, out, why);
		else if (elem_is(e, NS_STARLING_ACCOUNT, "account"))
			take_own(e, out);
	}
}
