#include "node/net/tls_cert.h"

#include <errno.h>
#include <idn2.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHAIN_MAX 16

void tls_cert_why(char *why, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, TLS_WHY_BYTES, fmt, ap);
	va_end(ap);
}

void tls_cert_fini(struct tls_cert *c)
{
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	memset(c, 0, sizeof(*c));
}

int64_t tls_cert_ends(const X509 *leaf)
{
	struct tm tm;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
		return 0;
	return timegm(&tm);
}

/* RFC 5929 section 4.1: the hash of the signature's algorithm, but at least SHA-256. */
static size_t hash_of(const X509 *leaf, uint8_t out[TLS_BINDING_MAX])
{
	int nid = NID_undef;
	unsigned len = 0;
	if (X509_get_signature_info((X509 *)leaf, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
		return 0;
	const EVP_MD *md = nid == NID_md5 || nid == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(nid);
	if (!md || EVP_MD_get_size(md) > TLS_BINDING_MAX || X509_digest(leaf, md, out, &len) != 1)
		return 0;
	return len;
}

struct kept_hash {
	size_t len;
	uint8_t hash[TLS_BINDING_MAX];
};

static int kept_index = -1;
static CRYPTO_ONCE kept_once = CRYPTO_ONCE_STATIC_INIT;

static void free_kept(void *parent, void *p, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	free(p);
}

static void make_kept_index(void)
{
	kept_index = X509_get_ex_new_index(0, NULL, NULL, NULL, free_kept);
}

void tls_cert_keep_end_point(X509 *leaf)
{
	struct kept_hash *k = xzalloc(sizeof(*k));
	BUG_ON(!CRYPTO_THREAD_run_once(&kept_once, make_kept_index) || kept_index < 0);
	BUG_ON(X509_get_ex_data(leaf, kept_index));
	k->len = hash_of(leaf, k->hash);
	BUG_ON(!X509_set_ex_data(leaf, kept_index, k));
}

size_t tls_cert_end_point(const X509 *leaf, uint8_t out[TLS_BINDING_MAX])
{
	const struct kept_hash *k = kept_index < 0 ? NULL : X509_get_ex_data(leaf, kept_index);
	if (!k)
		return hash_of(leaf, out);
	memcpy(out, k->hash, k->len);
	return k->len;
}

char *tls_cert_copy(const char *s)
{
	size_t size = strlen(s) + 1;
	return memcpy(xmalloc(size), s, size);
}

char *tls_cert_ascii_host(const char *host)
{
	char *idn = NULL;
	if (idn2_to_ascii_8z(host, &idn, IDN2_NONTRANSITIONAL) != IDN2_OK)
		idn = NULL;
	/* An address in brackets, or a name that IDNA does not know: as it is. */
	char *ours = tls_cert_copy(idn ? idn : host);
	idn2_free(idn);
	return ours;
}

static FILE *open_pem(const char *path, char *why)
{
	FILE *f = fopen(path, "re");
	if (!f)
		tls_cert_why(why, "%s: %s", path, strerrordesc_np(errno));
	return f;
}

static enum err read_chain(const char *path, struct tls_cert *c, char *why)
{
	FILE *f = open_pem(path, why);
	if (!f)
		return ERR_NOT_FOUND;
	c->chain = sk_X509_new_null();
	c->leaf = PEM_read_X509_AUX(f, NULL, NULL, NULL);
	for (X509 *x; c->leaf && sk_X509_num(c->chain) < CHAIN_MAX && (x = PEM_read_X509(f, NULL, NULL, NULL));)
		sk_X509_push(c->chain, x);
	fclose(f);
	/* The end of the file is an error to the PEM reader: what is left in the queue means nothing when there is a leaf. */
	ERR_clear_error();
	if (c->leaf)
		return ERR_NONE;
	tls_cert_why(why, "%s: holds no certificate in PEM form", path);
	return ERR_INVALID;
}

/* Instead of OpenSSL's prompt on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	*(bool *)asked = true;
	return -1;
}

static enum err read_key(const char *path, struct tls_cert *c, char *why)
{
	bool encrypted = false;
	FILE *f = open_pem(path, why);
	if (!f)
		return ERR_NOT_FOUND;
	c->key = PEM_read_PrivateKey(f, NULL, no_passphrase, &encrypted);
	fclose(f);
	ERR_clear_error();
	if (c->key)
		return ERR_NONE;
	tls_cert_why(why, "%s: %s", path, encrypted ? "the key is behind a passphrase; store it without one" :
	                                              "holds no private key in PEM form");
	return ERR_INVALID;
}

static enum err check_pair(const struct tls_pair *pair, const struct tls_cert *c, char *why)
{
	if (X509_check_private_key(c->leaf, c->key) != 1) {
		ERR_clear_error();
		tls_cert_why(why, "%s: the key does not match the certificate in %s", pair->key_path ? pair->key_path : pair->chain_path,
		             pair->chain_path);
		return ERR_INVALID;
	}
	time_t end = (time_t)tls_cert_ends(c->leaf);
	if (end > time(NULL))
		return ERR_NONE;
	struct tm tm;
	gmtime_r(&end, &tm);
	tls_cert_why(why, "%s: the certificate expired on %04d-%02d-%02d", pair->chain_path,
	             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	return ERR_INVALID;
}

enum err tls_cert_load(const struct tls_pair *pair, struct tls_cert *out, char *why)
{
	memset(out, 0, sizeof(*out));
	enum err e = read_chain(pair->chain_path, out, why);
	if (e == ERR_NONE)
		e = read_key(pair->key_path ? pair->key_path : pair->chain_path, out, why);
	if (e == ERR_NONE)
		e = check_pair(pair, out, why);
	if (e != ERR_NONE)
		tls_cert_fini(out);
	return e;
}
