#include "proto/sasl/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

static const struct {
	const char *name;
	size_t len;
} hashes[SASL_HASH_COUNT] = {
	[SASL_SHA1] = { "SHA1", 20 },
	[SASL_SHA256] = { "SHA256", 32 },
	[SASL_SHA512] = { "SHA512", 64 },
};

static struct {
	EVP_MD *md;
	EVP_MAC_CTX *keyed; /* under a throw-away key: a context without one cannot be copied */
} fetched[SASL_HASH_COUNT];
static CRYPTO_ONCE fetch_once = CRYPTO_ONCE_STATIC_INIT;

static void fetch_all(void)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	BUG_ON(!mac);
	for (int h = 0; h < SASL_HASH_COUNT; h++) {
		char name[16] = "";
		memcpy(name, hashes[h].name, strlen(hashes[h].name));
		OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end() };
		fetched[h].md = EVP_MD_fetch(NULL, hashes[h].name, NULL);
		fetched[h].keyed = EVP_MAC_CTX_new(mac);
		BUG_ON(!fetched[h].md || !fetched[h].keyed);
		BUG_ON(EVP_MAC_init(fetched[h].keyed, (const unsigned char *)"", 1, params) != 1);
	}
	EVP_MAC_free(mac);
}

size_t hmac_len(enum sasl_hash h)
{
	BUG_ON((unsigned)h >= SASL_HASH_COUNT);
	return hashes[h].len;
}

void hmac_sign(enum sasl_hash h, struct str key, struct str text, uint8_t *out)
{
	size_t len = 0;
	BUG_ON(!CRYPTO_THREAD_run_once(&fetch_once, fetch_all));
	EVP_MAC_CTX *c = EVP_MAC_CTX_dup(fetched[h].keyed);
	BUG_ON(!c || str_empty(key));
	BUG_ON(EVP_MAC_init(c, (const unsigned char *)key.p, key.len, NULL) != 1);
	BUG_ON(EVP_MAC_update(c, (const unsigned char *)text.p, text.len) != 1);
	BUG_ON(EVP_MAC_final(c, out, &len, hashes[h].len) != 1 || len != hashes[h].len);
	EVP_MAC_CTX_free(c);
}

void hmac_digest(enum sasl_hash h, struct str text, uint8_t *out)
{
	BUG_ON(!CRYPTO_THREAD_run_once(&fetch_once, fetch_all));
	BUG_ON(EVP_Digest(text.p, text.len, out, NULL, fetched[h].md, NULL) != 1);
}

void hmac_pbkdf2(enum sasl_hash h, struct str password, struct str salt, uint32_t iterations, uint8_t *out)
{
	BUG_ON(!CRYPTO_THREAD_run_once(&fetch_once, fetch_all));
	BUG_ON(iterations == 0 || iterations > SASL_ITERATIONS_MAX);
	BUG_ON(PKCS5_PBKDF2_HMAC(password.len ? password.p : "", (int)password.len, (const unsigned char *)salt.p, (int)salt.len,
	                         (int)iterations, fetched[h].md, (int)hashes[h].len, out) != 1);
}
