/* The certificate that a node makes for a host that has none: ECDSA P-256, ten years, for the host's name as DNS and as XMPP address. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node/net/tls_cert.h"

#define DAY_S       86400L
#define LIFE_DAYS   3652L
#define RENEW_DAYS  30L

/* dNSName, or iPAddress for a host that is one. */
static GENERAL_NAME *network_name(const char *ascii_host)
{
	unsigned char ip[16];
	char bare[64] = "";
	size_t len = strlen(ascii_host);
	GENERAL_NAME *name = GENERAL_NAME_new();
	BUG_ON(!name);
	if (ascii_host[0] == '[' && len > 2 && len < sizeof(bare))
		memcpy(bare, ascii_host + 1, len - 2);
	int ip_len = inet_pton(AF_INET, ascii_host, ip) == 1 ? 4 : inet_pton(AF_INET6, bare, ip) == 1 ? 16 : 0;
	ASN1_STRING *text = ASN1_STRING_type_new(ip_len ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	BUG_ON(!text || !ASN1_STRING_set(text, ip_len ? (const void *)ip : ascii_host, ip_len ? ip_len : (int)len));
	GENERAL_NAME_set0_value(name, ip_len ? GEN_IPADD : GEN_DNS, text);
	return name;
}

/* id-on-xmppAddr (RFC 6120 section 13.7.1.4). */
static GENERAL_NAME *xmpp_name(const char *host)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.8.5", 1);
	ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
	ASN1_TYPE *value = ASN1_TYPE_new();
	BUG_ON(!name || !oid || !text || !value || !ASN1_STRING_set(text, host, -1));
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
	BUG_ON(!GENERAL_NAME_set0_othername(name, oid, value));
	return name;
}

static void add_names(X509 *x, const char *host, const char *ascii_host)
{
	/* A common name has at most 64 characters; the names that count are the alternative ones. */
	char cn[65];
	snprintf(cn, sizeof(cn), "%s", ascii_host);
	X509_NAME *name = X509_get_subject_name(x);
	BUG_ON(!X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0));
	BUG_ON(!X509_set_issuer_name(x, name));
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	BUG_ON(!names || !sk_GENERAL_NAME_push(names, network_name(ascii_host)) || !sk_GENERAL_NAME_push(names, xmpp_name(host)));
	BUG_ON(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1);
	GENERAL_NAMES_free(names);
}

static void add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	BUG_ON(!e || !X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static void make(const char *host, const char *ascii_host, struct tls_cert *out)
{
	unsigned char serial[16];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BUG_ON(!key || !x || RAND_bytes(serial, sizeof(serial)) != 1);
	serial[0] = (serial[0] & 0x7f) | 0x40;
	BIGNUM *n = BN_bin2bn(serial, sizeof(serial), NULL);
	BUG_ON(!n || !BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)));
	BN_free(n);
	/* A day back: a client's clock may be behind ours. */
	BUG_ON(!X509_set_version(x, X509_VERSION_3) || !X509_set_pubkey(x, key) || !X509_gmtime_adj(X509_getm_notBefore(x), -DAY_S) ||
	       !X509_gmtime_adj(X509_getm_notAfter(x), LIFE_DAYS * DAY_S));
	add_names(x, host, ascii_host);
	add_extension(x, NID_basic_constraints, "critical,CA:FALSE");
	add_extension(x, NID_key_usage, "critical,digitalSignature");
	add_extension(x, NID_ext_key_usage, "serverAuth,clientAuth");
	add_extension(x, NID_subject_key_identifier, "hash");
	BUG_ON(!X509_sign(x, key, EVP_sha256()));
	*out = (struct tls_cert){ .leaf = x, .chain = sk_X509_new_null(), .key = key };
}

/* Whole or not at all: written beside its place, then renamed. */
static enum err save(const char *path, const struct tls_cert *c, char *why)
{
	char temporary[PATH_MAX + 32];
	snprintf(temporary, sizeof(temporary), "%s.%ld.new", path, (long)getpid());
	int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	BUG_ON(fd >= 0 && !f);
	bool ok = f && fchmod(fd, 0600) == 0 && PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) == 1 &&
	          PEM_write_X509(f, c->leaf) == 1 && fflush(f) == 0 && fsync(fd) == 0;
	int saved = errno;
	if (f && fclose(f) != 0 && ok) {
		ok = false;
		saved = errno;
	}
	if (ok && rename(temporary, path) == 0)
		return ERR_NONE;
	tls_cert_why(why, "%s: cannot be written: %s", path, strerrordesc_np(ok ? errno : saved));
	if (fd >= 0)
		unlink(temporary);
	return ERR_IO;
}

/* Is there one that will do? Whatever else lies at the path is ours and replaced, unless we may not read it. */
static enum err reuse(const char *path, struct tls_cert *out, char *why)
{
	struct tls_pair pair = { path, NULL };
	if (access(path, R_OK) != 0 && errno != ENOENT) {
		tls_cert_why(why, "%s: %s", path, strerrordesc_np(errno));
		return ERR_IO;
	}
	if (tls_cert_load(&pair, out, why) != ERR_NONE)
		return ERR_NOT_FOUND;
	if (tls_cert_ends(out->leaf) > time(NULL) + RENEW_DAYS * DAY_S)
		return ERR_NONE;
	tls_cert_fini(out);
	return ERR_NOT_FOUND;
}

static enum err path_of(const char *ascii_host, const char *data_dir, char path[PATH_MAX], char *why)
{
	int n = snprintf(path, PATH_MAX, "%s/%s.self-signed.pem", data_dir, ascii_host);
	if (n < PATH_MAX && ascii_host[0] != '\0' && ascii_host[0] != '.' && !strchr(ascii_host, '/'))
		return ERR_NONE;
	tls_cert_why(why, "%s: cannot be the name of a file in %s", ascii_host, data_dir);
	return ERR_INVALID;
}

enum err tls_cert_self_signed(const char *host, const char *data_dir, struct tls_cert *out, char *why)
{
	char path[PATH_MAX];
	char *ascii_host = tls_cert_ascii_host(host);
	memset(out, 0, sizeof(*out));
	enum err e = path_of(ascii_host, data_dir, path, why);
	if (e == ERR_NONE)
		e = reuse(path, out, why);
	if (e == ERR_NOT_FOUND) {
		e = ERR_NONE;
		if (mkdir(data_dir, 0700) != 0 && errno != EEXIST) {
			tls_cert_why(why, "%s: cannot be made: %s", data_dir, strerrordesc_np(errno));
			e = ERR_IO;
		}
		if (e == ERR_NONE) {
			make(host, ascii_host, out);
			e = save(path, out, why);
		}
		if (e != ERR_NONE)
			tls_cert_fini(out);
	}
	free(ascii_host);
	return e;
}
