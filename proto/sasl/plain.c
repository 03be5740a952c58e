/* PLAIN (RFC 4616): [authzid] NUL authcid NUL passwd. */
#include <openssl/crypto.h>

#include "proto/addr/precis.h"
#include "proto/sasl/machine.h"

static void keep_password(struct sasl *s, struct str password)
{
	struct str prepared;
	s->password = arena_zalloc(s->arena, SASL_PASSWORD_MAX);
	/* A password that preparation refuses is no account's; it is refused after a derivation, as a wrong one is. */
	if (saslprep(s->arena, password, &prepared) != ERR_NONE)
		return;
	if (prepared.len <= SASL_PASSWORD_MAX) {
		memcpy(s->password, prepared.p, prepared.len);
		s->password_len = prepared.len;
		s->password_ok = prepared.len > 0;
	}
	if (prepared.p != password.p)
		OPENSSL_cleanse((char *)prepared.p, prepared.len);
}

enum sasl_step plain_first(struct sasl *s, struct str in, enum sasl_error *error)
{
	struct str rest = in;
	struct str authzid = str_cut(&rest, '\0');
	struct str user = str_cut(&rest, '\0');
	if (str_empty(user) || str_empty(rest) || memchr(rest.p, 0, rest.len))
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	/* No account can have such a name, and everybody knows it: nothing is told by refusing at once. */
	if (sasl_set_user(s, user) != ERR_NONE)
		return sasl_refuse(SASL_NOT_AUTHORIZED, error);
	if (!str_empty(authzid))
		s->authzid = arena_str(s->arena, authzid);
	keep_password(s, rest);
	return SASL_WANT_KEYS;
}

enum sasl_step plain_keys(struct sasl *s, const struct sasl_keys *keys)
{
	enum sasl_hash h = SASL_SHA256;
	if (keys)
		sasl_keys_preferred(keys, &h);
	sasl_choose_key(s, keys, h);
	return SASL_WANT_DERIVE;
}

void plain_derive(struct sasl *s)
{
	s->matches = sasl_key_matches(&s->key, s->hash, str_span(s->password, s->password_len));
}

enum sasl_step plain_derived(struct sasl *s, enum sasl_error *error)
{
	if (!(s->matches & s->known & s->password_ok))
		return sasl_refuse(SASL_NOT_AUTHORIZED, error);
	return SASL_DONE;
}
