#include "cluster/secret.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "proto/base/err.h"

void secret_derive(const uint8_t secret[SECRET_BYTES], const char *purpose, void *out, size_t n)
{
	static char digest[] = "SHA256", salt[] = "starling cluster";
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	BUG_ON(!ctx);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, SECRET_BYTES),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt, sizeof salt - 1),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)purpose, strlen(purpose)),
		OSSL_PARAM_construct_end(),
	};
	BUG_ON(EVP_KDF_derive(ctx, out, n, params) != 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}
