/* client.h: what the SASL tests share: a context, keys of a given salt, and a SCRAM client that computes with OpenSSL alone. */
#ifndef TESTS_UNIT_PROTO_SASL_CLIENT_H
#define TESTS_UNIT_PROTO_SASL_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "proto/base/encode.h"
#include "proto/sasl/sasl.h"

#define SECRET STR("0123456789abcdef0123456789abcdef")

struct fixture {
	struct arena *a;
	struct rng rng;
	struct sasl_context ctx;
	struct str out;
	enum sasl_error error;
};

static inline int setup(void **state)
{
	struct fixture *f = xzalloc(sizeof(*f));
	f->a = arena_new(0);
	rng_init_seeded(&f->rng, 1);
	f->ctx = (struct sasl_context){ .host = STR("example.org"), .fake_secret = SECRET, .default_iterations = 4, .rng = &f->rng };
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	arena_free(f->a);
	free(f);
	return 0;
}

static inline const EVP_MD *md_of(enum sasl_hash h)
{
	return h == SASL_SHA1 ? EVP_sha1() : h == SASL_SHA256 ? EVP_sha256() : EVP_sha512();
}

static inline struct str mac_of(struct arena *a, enum sasl_hash h, struct str key, struct str text)
{
	unsigned len;
	unsigned char *p = arena_alloc(a, 64);
	assert_non_null(HMAC(md_of(h), key.p, (int)key.len, (const unsigned char *)text.p, text.len, p, &len));
	return str_span((char *)p, len);
}

static inline struct str salted_of(struct arena *a, enum sasl_hash h, struct str password, struct str salt, unsigned iterations)
{
	unsigned char *p = arena_alloc(a, 64);
	assert_int_equal(1, PKCS5_PBKDF2_HMAC(password.p, (int)password.len, (const unsigned char *)salt.p, (int)salt.len, (int)iterations,
	                                      md_of(h), EVP_MD_get_size(md_of(h)), p));
	return str_span((char *)p, (size_t)EVP_MD_get_size(md_of(h)));
}

/* An account's key for one hash. */
static inline void set_key(struct arena *a, struct sasl_keys *keys, enum sasl_hash h, struct str password, struct str salt,
                           unsigned iterations)
{
	struct sasl_key *key = &keys->of[h];
	struct str salted = salted_of(a, h, password, salt, iterations);
	struct str client = mac_of(a, h, salted, STR("Client Key")), server = mac_of(a, h, salted, STR("Server Key"));
	key->iterations = iterations;
	key->salt_len = (uint8_t)salt.len;
	memcpy(key->salt, salt.p, salt.len);
	assert_int_equal(1, EVP_Digest(client.p, client.len, key->stored_key, NULL, md_of(h), NULL));
	memcpy(key->server_key, server.p, server.len);
}

static inline struct str value_of(struct str message, char name)
{
	for (struct str rest = message; str_present(rest);) {
		struct str attr = str_cut(&rest, ',');
		if (attr.len > 1 && attr.p[0] == name && attr.p[1] == '=')
			return str_span(attr.p + 2, attr.len - 2);
	}
	fail_msg("no %c= in %.*s", name, STR_ARG(message));
	return STR_NONE;
}

/* The client's final message, and in *verifier the v= that the server must answer. `bare` is the first message without its gs2-header. */
static inline struct str client_final(struct arena *a, enum sasl_hash h, struct str password, struct str bare, struct str server_first,
                                      struct str cbind, struct str *verifier)
{
	struct str salt;
	uint64_t iterations;
	unsigned char stored[64];
	assert_int_equal(ERR_NONE, b64_decode(a, value_of(server_first, 's'), &salt));
	assert_true(str_to_u64(value_of(server_first, 'i'), &iterations));
	struct str salted = salted_of(a, h, password, salt, (unsigned)iterations);
	struct str client = mac_of(a, h, salted, STR("Client Key"));
	assert_int_equal(1, EVP_Digest(client.p, client.len, stored, NULL, md_of(h), NULL));
	struct str without = arena_printf(a, "c=%.*s,r=%.*s", STR_ARG(b64_encode(a, cbind)), STR_ARG(value_of(server_first, 'r')));
	struct str message = arena_printf(a, "%.*s,%.*s,%.*s", STR_ARG(bare), STR_ARG(server_first), STR_ARG(without));
	struct str signature = mac_of(a, h, str_span((char *)stored, client.len), message);
	char *proof = arena_alloc(a, client.len);
	for (size_t i = 0; i < client.len; i++)
		proof[i] = (char)(client.p[i] ^ signature.p[i]);
	struct str v = mac_of(a, h, mac_of(a, h, salted, STR("Server Key")), message);
	*verifier = arena_printf(a, "v=%.*s", STR_ARG(b64_encode(a, v)));
	return arena_printf(a, "%.*s,p=%.*s", STR_ARG(without), STR_ARG(b64_encode(a, str_span(proof, client.len))));
}

#define assert_str(s, literal)                                                                              \
	do {                                                                                                \
		struct str got_ = (s);                                                                      \
		if (!str_is(got_, literal))                                                                 \
			fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got_), literal);                         \
	} while (0)

#endif
