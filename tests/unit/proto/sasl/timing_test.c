/*
 * Known and unknown users must cost the same. A clock would make this test a gamble, so it counts: every key derivation (with its
 * iterations), MAC and digest passes through these doubles of OpenSSL's functions, which hand on to the real ones.
 */
#include "tests/unit/proto/sasl/client.h"

#include <dlfcn.h>

struct work {
	unsigned derivations, iterations, macs, mac_bytes, digests;
};
static struct work counted;

int EVP_MAC_init(EVP_MAC_CTX *ctx, const unsigned char *key, size_t keylen, const OSSL_PARAM params[])
{
	int (*real)(EVP_MAC_CTX *, const unsigned char *, size_t, const OSSL_PARAM *) = dlsym(RTLD_NEXT, "EVP_MAC_init");
	counted.macs++;
	return real(ctx, key, keylen, params);
}

int EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t datalen)
{
	int (*real)(EVP_MAC_CTX *, const unsigned char *, size_t) = dlsym(RTLD_NEXT, "EVP_MAC_update");
	counted.mac_bytes += (unsigned)datalen;
	return real(ctx, data, datalen);
}

int EVP_Digest(const void *data, size_t count, unsigned char *md, unsigned int *size, const EVP_MD *type, ENGINE *impl)
{
	int (*real)(const void *, size_t, unsigned char *, unsigned *, const EVP_MD *, ENGINE *) = dlsym(RTLD_NEXT, "EVP_Digest");
	counted.digests++;
	return real(data, count, md, size, type, impl);
}

int PKCS5_PBKDF2_HMAC(const char *pass, int passlen, const unsigned char *salt, int saltlen, int iter, const EVP_MD *digest, int keylen,
                      unsigned char *out)
{
	int (*real)(const char *, int, const unsigned char *, int, int, const EVP_MD *, int, unsigned char *);
	real = dlsym(RTLD_NEXT, "PKCS5_PBKDF2_HMAC");
	counted.derivations++;
	counted.iterations += (unsigned)iter;
	return real(pass, passlen, salt, saltlen, iter, digest, keylen, out);
}

/* One refused login; what it cost the server goes to *work. */
static void attempt(struct fixture *f, enum sasl_mech mech, const struct sasl_keys *keys, struct work *work)
{
	enum sasl_hash h;
	struct sasl *s = sasl_new(f->a, mech, &f->ctx);
	counted = (struct work){ 0 };
	if (mech == MECH_PLAIN) {
		assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("\0user\0wrong"), &f->out, &f->error));
		assert_int_equal(SASL_WANT_DERIVE, sasl_keys(s, keys, &f->out, &f->error));
		sasl_derive(s);
		assert_int_equal(SASL_REFUSED, sasl_derived(s, &f->out, &f->error));
		*work = counted;
	} else {
		struct str verifier;
		assert_true(sasl_mech_hash(mech, &h));
		assert_int_equal(SASL_WANT_KEYS, sasl_feed(s, STR("n,,n=user,r=abc"), &f->out, &f->error));
		assert_int_equal(SASL_CONTINUE, sasl_keys(s, keys, &f->out, &f->error));
		*work = counted;
		struct str final = client_final(f->a, h, STR("wrong"), STR("n=user,r=abc"), f->out, STR("n,,"), &verifier);
		counted = *work;
		assert_int_equal(SASL_REFUSED, sasl_feed(s, final, &f->out, &f->error));
		*work = counted;
	}
	assert_int_equal(SASL_NOT_AUTHORIZED, f->error);
}

static void every_mechanism_works_as_hard_for_an_unknown_user(void **state)
{
	static const enum sasl_mech mechs[] = { MECH_SCRAM_SHA_1, MECH_SCRAM_SHA_256, MECH_SCRAM_SHA_512, MECH_PLAIN };
	struct fixture *f = *state;
	struct sasl_keys keys;
	struct work warm, known, unknown;
	f->ctx.default_iterations = 100;
	assert_int_equal(ERR_NONE, sasl_keys_make(STR("pencil"), 100, &f->rng, &keys));
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		attempt(f, mechs[i], NULL, &warm); /* the first use of a hash sets it up */
		attempt(f, mechs[i], &keys, &known);
		attempt(f, mechs[i], NULL, &unknown);
		assert_memory_equal(&known, &unknown, sizeof(known));
		assert_true(known.macs >= 3);
		assert_int_equal(mechs[i] == MECH_PLAIN ? 100 : 0, known.iterations);
	}
}

static void a_scram_login_takes_three_macs_and_one_digest(void **state)
{
	struct fixture *f = *state;
	struct sasl_keys keys;
	struct work work;
	assert_int_equal(ERR_NONE, sasl_keys_make(STR("pencil"), 10, &f->rng, &keys));
	attempt(f, MECH_SCRAM_SHA_256, &keys, &work);
	assert_int_equal(3, work.macs);
	assert_int_equal(1, work.digests);
	assert_int_equal(0, work.derivations);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_mechanism_works_as_hard_for_an_unknown_user),
		CASE(a_scram_login_takes_three_macs_and_one_digest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
