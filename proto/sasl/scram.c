/* SCRAM (RFC 5802, RFC 7677), server side. The names of the grammar are those of RFC 5802 section 7. */
#include <openssl/crypto.h>

#include "proto/base/encode.h"
#include "proto/sasl/hmac.h"
#include "proto/sasl/machine.h"

#define NONCE_CHARS 24 /* of the server's part: 120 random bits */

/* attr-val: a letter, '=', and something. The message's UTF-8 is checked already. */
static bool is_attr(struct str attr)
{
	return attr.len >= 3 && ((attr.p[0] | 0x20) >= 'a' && (attr.p[0] | 0x20) <= 'z') && attr.p[1] == '=';
}

/* The value of the attribute `name` that must come next; false when another one or nothing does. */
static bool take(struct str *rest, char name, struct str *value)
{
	struct str attr = str_cut(rest, ',');
	if (!is_attr(attr) || attr.p[0] != name)
		return false;
	*value = str_span(attr.p + 2, attr.len - 2);
	return true;
}

static bool is_nonce(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < 0x21 || s.p[i] > 0x7e || s.p[i] == ',')
			return false;
	return s.len > 0;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, any other '=' is an error. */
static bool decode_saslname(struct arena *a, struct str in, struct str *out)
{
	char *p = arena_alloc(a, in.len + 1);
	size_t n = 0;
	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] != '=') {
			p[n++] = in.p[i];
			continue;
		}
		struct str code = str_span(in.p + i, in.len - i < 3 ? in.len - i : 3);
		if (!str_is(code, "=2C") && !str_is(code, "=3D"))
			return false;
		p[n++] = code.p[2] == 'C' ? ',' : '=';
		i += 2;
	}
	p[n] = '\0';
	*out = str_span(p, n);
	return n > 0;
}

/* The binding that "p=name" asks for; absent when this connection has none of that name. */
static struct str binding_of(const struct sasl *s, struct str name)
{
	for (int cb = 0; cb < CB_COUNT; cb++)
		if (str_eq(sasl_cb_name((enum sasl_cb)cb), name))
			return s->ctx->cb_data[cb];
	return STR_NONE;
}

/* gs2-cbind-flag (RFC 5802 section 6): a -PLUS mechanism goes with 'p', the others with 'n' or 'y'. */
static enum sasl_error check_flag(const struct sasl *s, struct str flag, struct str *data)
{
	*data = STR("");
	if (str_is(flag, "n") || str_is(flag, "y")) {
		if (sasl_mech_is_plus(s->mech))
			return SASL_MALFORMED_REQUEST;
		/* It can bind, and believes that we cannot: somebody took our -PLUS mechanisms off the list. */
		return flag.p[0] == 'y' && s->ctx->plus_offered ? SASL_NOT_AUTHORIZED : SASL_ERROR_NONE;
	}
	if (!str_starts(flag, STR("p=")) || flag.len < 3 || !sasl_mech_is_plus(s->mech))
		return SASL_MALFORMED_REQUEST;
	*data = binding_of(s, str_span(flag.p + 2, flag.len - 2));
	return str_present(*data) ? SASL_ERROR_NONE : SASL_NOT_AUTHORIZED;
}

/* gs2-header: leaves *rest at client-first-message-bare and fills s->cbind and s->authzid. */
static enum sasl_error read_gs2(struct sasl *s, struct str *rest)
{
	struct str header = *rest, data, value;
	struct str flag = str_cut(rest, ',');
	struct str authzid = str_cut(rest, ',');
	if (!str_present(*rest))
		return SASL_MALFORMED_REQUEST;
	enum sasl_error e = check_flag(s, flag, &data);
	if (e != SASL_ERROR_NONE)
		return e;
	if (!str_empty(authzid) && (!take(&authzid, 'a', &value) || !decode_saslname(s->arena, value, &s->authzid)))
		return SASL_MALFORMED_REQUEST;
	header.len = (size_t)(rest->p - header.p);
	char *p = arena_alloc(s->arena, header.len + data.len);
	memcpy(p, header.p, header.len);
	memcpy(p + header.len, data.p, data.len);
	s->cbind = str_span(p, header.len + data.len);
	return SASL_ERROR_NONE;
}

/* What may follow the attributes that we know: any optional extension, but no mandatory one. */
static bool are_extensions(struct str rest)
{
	while (str_present(rest)) {
		struct str attr = str_cut(&rest, ',');
		if (!is_attr(attr) || attr.p[0] == 'm')
			return false;
	}
	return true;
}

enum sasl_step scram_first(struct sasl *s, struct str in, enum sasl_error *error)
{
	struct str rest = in, name, user;
	if (memchr(in.p, 0, in.len))
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	enum sasl_error e = read_gs2(s, &rest);
	if (e != SASL_ERROR_NONE)
		return sasl_refuse(e, error);
	s->client_first = arena_str(s->arena, rest);
	rest = s->client_first;
	/* "m=" where a name should be is the mandatory extension that section 5.1 tells us to fail on. */
	if (!take(&rest, 'n', &name) || !take(&rest, 'r', &s->nonce) || !is_nonce(s->nonce) || !are_extensions(rest))
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	if (!decode_saslname(s->arena, name, &user))
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	/* No account can have such a name, and everybody knows it: nothing is told by refusing at once. */
	if (sasl_set_user(s, user) != ERR_NONE)
		return sasl_refuse(SASL_NOT_AUTHORIZED, error);
	return SASL_WANT_KEYS;
}

enum sasl_step scram_keys(struct sasl *s, const struct sasl_keys *keys, struct str *out)
{
	sasl_choose_key(s, keys, s->hash);
	struct str ours = str_present(s->ctx->nonce) ? s->ctx->nonce : rng_token(s->ctx->rng, s->arena, NONCE_CHARS);
	s->nonce = arena_printf(s->arena, "%.*s%.*s", STR_ARG(s->nonce), STR_ARG(ours));
	struct str salt = b64_encode(s->arena, str_span((const char *)s->key.salt, s->key.salt_len));
	s->server_first = arena_printf(s->arena, "r=%.*s,s=%.*s,i=%u", STR_ARG(s->nonce), STR_ARG(salt), (unsigned)s->key.iterations);
	*out = s->server_first;
	return SASL_CONTINUE;
}

struct final {
	struct str cbind, nonce, proof;
	struct str without_proof;
};

/* client-final-message: c=, r=, optional extensions, and p= as the last one. */
static bool read_final(struct arena *a, struct str in, struct final *f)
{
	struct str rest = in, text;
	if (str_empty(in) || memchr(in.p, 0, in.len))
		return false;
	if (!take(&rest, 'c', &text) || b64_decode(a, text, &f->cbind) != ERR_NONE || !take(&rest, 'r', &f->nonce))
		return false;
	const char *last = memrchr(in.p, ',', in.len);
	if (!last || !str_present(rest) || last < rest.p - 1)
		return false;
	struct str proof = str_span(last + 1, in.len - (size_t)(last + 1 - in.p));
	struct str extensions = last >= rest.p ? str_span(rest.p, (size_t)(last - rest.p)) : STR_NONE;
	if (!take(&proof, 'p', &text) || b64_decode(a, text, &f->proof) != ERR_NONE || !are_extensions(extensions))
		return false;
	f->without_proof = str_span(in.p, (size_t)(last - in.p));
	return true;
}

/* ClientKey := ClientProof XOR HMAC(StoredKey, AuthMessage); it is right when H(ClientKey) is StoredKey. */
static bool proof_is_right(const struct sasl *s, struct str message, struct str proof)
{
	uint8_t key[SASL_KEY_MAX], stored[SASL_KEY_MAX];
	size_t len = hmac_len(s->hash);
	hmac_sign(s->hash, str_span((const char *)s->key.stored_key, len), message, key);
	for (size_t i = 0; i < len; i++)
		key[i] ^= (uint8_t)proof.p[i];
	hmac_digest(s->hash, str_span((const char *)key, len), stored);
	bool right = CRYPTO_memcmp(stored, s->key.stored_key, len) == 0;
	OPENSSL_cleanse(key, sizeof(key));
	return right;
}

enum sasl_step scram_final(struct sasl *s, struct str in, struct str *out, enum sasl_error *error)
{
	struct final f;
	uint8_t signature[SASL_KEY_MAX];
	size_t len = hmac_len(s->hash);
	if (!read_final(s->arena, in, &f) || f.proof.len != len)
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	if (!str_eq(f.nonce, s->nonce))
		return sasl_refuse(SASL_NOT_AUTHORIZED, error);
	if (f.cbind.len != s->cbind.len || CRYPTO_memcmp(f.cbind.p, s->cbind.p, f.cbind.len) != 0)
		return sasl_refuse(SASL_NOT_AUTHORIZED, error);

	struct str message = arena_printf(s->arena, "%.*s,%.*s,%.*s", STR_ARG(s->client_first), STR_ARG(s->server_first),
	                                  STR_ARG(f.without_proof));
	bool right = proof_is_right(s, message, f.proof);
	hmac_sign(s->hash, str_span((const char *)s->key.server_key, len), message, signature);
	struct str verifier = b64_encode(s->arena, str_span((const char *)signature, len));
	/* Last, so that an unknown user has cost what a wrong password does. */
	if (!(right & s->known))
		return sasl_refuse(SASL_NOT_AUTHORIZED, error);
	*out = arena_printf(s->arena, "v=%.*s", STR_ARG(verifier));
	return SASL_DONE;
}
