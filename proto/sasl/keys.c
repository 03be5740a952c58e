#include <openssl/crypto.h>

#include "proto/addr/precis.h"
#include "proto/base/buf.h"
#include "proto/base/encode.h"
#include "proto/sasl/hmac.h"
#include "proto/sasl/machine.h"

#define ROW_MAX 2048 /* three hashes with the longest salt come to 900 bytes */

static const struct {
	struct str name;
	enum sasl_hash hash;
} names[SASL_HASH_COUNT] = {
	{ STR_INIT("SCRAM-SHA-1"), SASL_SHA1 },
	{ STR_INIT("SCRAM-SHA-256"), SASL_SHA256 },
	{ STR_INIT("SCRAM-SHA-512"), SASL_SHA512 },
};

/* RFC 5802 section 3: StoredKey and ServerKey of a prepared password. */
static void derive(struct sasl_key *key, enum sasl_hash h, struct str password)
{
	uint8_t salted[SASL_KEY_MAX], client[SASL_KEY_MAX];
	size_t len = hmac_len(h);
	hmac_pbkdf2(h, password, str_span((const char *)key->salt, key->salt_len), key->iterations, salted);
	hmac_sign(h, str_span((const char *)salted, len), STR("Client Key"), client);
	hmac_digest(h, str_span((const char *)client, len), key->stored_key);
	hmac_sign(h, str_span((const char *)salted, len), STR("Server Key"), key->server_key);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
}

/* An arena of its own, because the prepared password must be wiped and a caller's arena may live long. *a is set on success only. */
static enum err prepare(struct str password, struct arena **a, struct str *out)
{
	struct arena *mine = arena_new(0);
	enum err e = saslprep(mine, password, out);
	if (e == ERR_NONE && str_empty(*out))
		e = ERR_INVALID;
	if (e == ERR_NONE && out->len > SASL_PASSWORD_MAX)
		e = ERR_LIMIT;
	if (e == ERR_NONE)
		*a = mine;
	else
		arena_free(mine);
	return e;
}

static void forget(struct arena *a, struct str password, struct str prepared)
{
	if (prepared.p != password.p)
		OPENSSL_cleanse((char *)prepared.p, prepared.len);
	arena_free(a);
}

enum err sasl_keys_make(struct str password, uint32_t iterations, struct rng *rng, struct sasl_keys *out)
{
	struct arena *a;
	struct str prepared;
	BUG_ON(iterations == 0 || iterations > SASL_ITERATIONS_MAX);
	enum err e = prepare(password, &a, &prepared);
	if (e != ERR_NONE)
		return e;
	memset(out, 0, sizeof(*out));
	for (int h = 0; h < SASL_HASH_COUNT; h++) {
		struct sasl_key *key = &out->of[h];
		key->iterations = iterations;
		key->salt_len = SASL_SALT_LEN;
		rng_fill(rng, key->salt, SASL_SALT_LEN);
		derive(key, (enum sasl_hash)h, prepared);
	}
	forget(a, password, prepared);
	return ERR_NONE;
}

bool sasl_keys_preferred(const struct sasl_keys *keys, enum sasl_hash *h)
{
	static const enum sasl_hash order[] = { SASL_SHA256, SASL_SHA512, SASL_SHA1 };
	for (size_t i = 0; i < SASL_HASH_COUNT; i++) {
		if (keys->of[order[i]].iterations == 0)
			continue;
		*h = order[i];
		return true;
	}
	return false;
}

bool sasl_key_matches(const struct sasl_key *key, enum sasl_hash h, struct str password)
{
	struct sasl_key ours = *key;
	derive(&ours, h, password);
	bool same = CRYPTO_memcmp(ours.stored_key, key->stored_key, hmac_len(h)) == 0;
	OPENSSL_cleanse(&ours, sizeof(ours));
	return same;
}

bool sasl_keys_check(const struct sasl_keys *keys, struct str password)
{
	struct arena *a;
	struct str prepared;
	enum sasl_hash h;
	if (!sasl_keys_preferred(keys, &h) || prepare(password, &a, &prepared) != ERR_NONE)
		return false;
	bool same = sasl_key_matches(&keys->of[h], h, prepared);
	forget(a, password, prepared);
	return same;
}

struct str sasl_keys_format(struct arena *a, const struct sasl_keys *keys)
{
	struct buf b;
	buf_init(&b, ROW_MAX);
	for (size_t i = 0; i < SASL_HASH_COUNT; i++) {
		const struct sasl_key *key = &keys->of[names[i].hash];
		size_t len = hmac_len(names[i].hash);
		if (key->iterations == 0)
			continue;
		struct str salt = b64_encode(a, str_span((const char *)key->salt, key->salt_len));
		struct str stored = b64_encode(a, str_span((const char *)key->stored_key, len));
		struct str server = b64_encode(a, str_span((const char *)key->server_key, len));
		buf_addf(&b, "%s%.*s:%u:%.*s:%.*s:%.*s", b.len ? ";" : "", STR_ARG(names[i].name), (unsigned)key->iterations, STR_ARG(salt),
		         STR_ARG(stored), STR_ARG(server));
	}
	BUG_ON(buf_status(&b) != ERR_NONE);
	struct str row = arena_str(a, b.len ? buf_str(&b) : STR(""));
	buf_fini(&b);
	return row;
}

static enum err parse_bytes(struct arena *a, struct str text, uint8_t *out, size_t min, size_t max, size_t *len)
{
	struct str bytes;
	if (!str_present(text) || b64_decode(a, text, &bytes) != ERR_NONE || bytes.len < min)
		return ERR_INVALID;
	if (bytes.len > max)
		return ERR_LIMIT;
	memcpy(out, bytes.p, bytes.len);
	*len = bytes.len;
	return ERR_NONE;
}

static enum err parse_key(struct arena *a, struct str text, enum sasl_hash h, struct sasl_key *key)
{
	uint64_t iterations;
	size_t n, len = hmac_len(h);
	if (key->iterations != 0 || !str_to_u64(str_cut(&text, ':'), &iterations) || iterations == 0)
		return ERR_INVALID;
	if (iterations > SASL_ITERATIONS_MAX)
		return ERR_LIMIT;
	key->iterations = (uint32_t)iterations;
	enum err e = parse_bytes(a, str_cut(&text, ':'), key->salt, 1, SASL_SALT_MAX, &n);
	if (e != ERR_NONE)
		return e;
	key->salt_len = (uint8_t)n;
	e = parse_bytes(a, str_cut(&text, ':'), key->stored_key, len, len, &n);
	if (e == ERR_NONE)
		e = parse_bytes(a, text, key->server_key, len, len, &n);
	return e == ERR_NONE ? ERR_NONE : ERR_INVALID;
}

enum err sasl_keys_parse(struct arena *a, struct str text, struct sasl_keys *out)
{
	memset(out, 0, sizeof(*out));
	if (text.len == 0 || text.len > ROW_MAX)
		return ERR_INVALID;
	while (str_present(text)) {
		struct str row = str_cut(&text, ';');
		struct str name = str_cut(&row, ':');
		size_t i = 0;
		while (i < SASL_HASH_COUNT && !str_eq(names[i].name, name))
			i++;
		if (i == SASL_HASH_COUNT)
			return ERR_INVALID;
		enum err e = parse_key(a, row, names[i].hash, &out->of[names[i].hash]);
		if (e != ERR_NONE)
			return e;
	}
	return ERR_NONE;
}
