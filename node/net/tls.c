#include "node/net/tls.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "node/net/tls_cert.h"
#include "node/net/tls_ticket.h"

/* In the order of our preference. ChaCha20 first: keys of 256 bits and the shorter hash; a record of some hundred bytes, as most are here,
 * takes half of what it takes with AES-256-GCM, and a handshake less as well. */
#define CIPHERS_TLS_1_3 "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256"
#define CIPHERS_TLS_1_2 "ECDHE+CHACHA20:ECDHE+AESGCM"
#define GROUPS          "X25519:P-256:P-384"
#define PAIRS_MAX       8 /* more than there are kinds of keys */

struct host {
	char *name;
	char *ascii_name; /* what SNI says */
	SSL_CTX *ctx;
	int64_t ends;     /* of its first certificate to end, seconds since 1970 */
	bool self_signed;
};

struct tls_config {
	_Atomic uint32_t refs;
	struct tls_tickets *tickets;
	size_t n_hosts, default_host;
	struct host hosts[];
};

/* What hangs on an SSL. */
struct about {
	struct tls_config *config;
	const struct host *sni;
	bool direct;
};

static int about_index = -1;
static CRYPTO_ONCE about_once = CRYPTO_ONCE_STATIC_INIT;

static void free_about(void *parent, void *p, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct about *about = p;
	if (!about)
		return;
	tls_config_unref(about->config);
	free(about);
}

static void make_about_index(void)
{
	about_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_about);
}

static struct about *about_of(const SSL *ssl)
{
	struct about *about = SSL_get_ex_data(ssl, about_index);
	BUG_ON(!about);
	return about;
}

/* ---- during a handshake ---- */

static struct str take_16(struct str *rest)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	size_t len = rest->len < 2 ? SIZE_MAX : (size_t)p[0] << 8 | p[1];
	if (rest->len < 2 || rest->len - 2 < len)
		return STR_NONE;
	struct str taken = str_span(rest->p + 2, len);
	*rest = str_span(rest->p + 2 + len, rest->len - 2 - len);
	return taken;
}

/* RFC 6066 section 3: a list of (type, name); only type 0, a host name, was ever defined. A bad list is OpenSSL's to refuse. */
static struct str sni_of(SSL *ssl)
{
	const unsigned char *p;
	size_t len;
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &len) != 1)
		return STR_NONE;
	struct str ext = str_span((const char *)p, len), list = take_16(&ext);
	if (str_empty(list) || list.p[0] != TLSEXT_NAMETYPE_host_name)
		return STR_NONE;
	list = str_span(list.p + 1, list.len - 1);
	return take_16(&list);
}

/* The host is chosen here and not in the later server-name callback, because here it is known before a ticket is looked at: sessions of one
 * host then cannot be resumed at another (their session id contexts differ). */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	struct about *about = about_of(ssl);
	struct str name = sni_of(ssl);
	for (size_t i = 0; i < about->config->n_hosts && !str_empty(name); i++) {
		const struct host *h = &about->config->hosts[i];
		if (!str_caseeq(name, str_of(h->ascii_name)))
			continue;
		about->sni = h;
		BUG_ON(!SSL_set_SSL_CTX(ssl, h->ctx));
		break;
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char ours[] = "\x0bxmpp-client";
	if (!about_of(ssl)->direct)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto((unsigned char **)out, out_len, ours, sizeof(ours) - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static int on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	return tls_tickets_crypt(about_of(ssl)->config->tickets, SSL_version(ssl), name, iv, cipher, mac, encrypt);
}

/* A resumed session does not say which certificate the client once saw, and it may be gone by now: the ticket carries its end point. */
static int on_ticket_made(SSL *ssl, void *arg)
{
	uint8_t hash[TLS_BINDING_MAX];
	const X509 *leaf = SSL_get_certificate(ssl);
	if (SSL_session_reused(ssl) || !leaf)
		return 1;
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), hash, tls_cert_end_point(leaf, hash));
}

/* ---- contexts ---- */

static SSL_CTX *make_context(const char *ascii_name)
{
	unsigned char id[EVP_MAX_MD_SIZE];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	BUG_ON(!ctx || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) || !SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION));
	BUG_ON(!SSL_CTX_set_ciphersuites(ctx, CIPHERS_TLS_1_3) || !SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS_1_2));
	BUG_ON(!SSL_CTX_set1_groups_list(ctx, GROUPS));
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Without RELEASE_BUFFERS an idle connection keeps 32 KiB more. NO_AUTO_CHAIN: the chain is what the file says, and not to be
	 * completed from a store at each handshake. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                      SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_read_ahead(ctx, 1); /* else each record is two reads: five bytes, then the rest */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only */
	SSL_CTX_set_timeout(ctx, TLS_TICKET_LIFE_S);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket_key);
	SSL_CTX_set_session_ticket_cb(ctx, on_ticket_made, NULL, NULL);
	SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	BUG_ON(EVP_Digest(ascii_name, strlen(ascii_name), id, NULL, EVP_sha256(), NULL) != 1);
	BUG_ON(!SSL_CTX_set_session_id_context(ctx, id, 32));
	return ctx;
}

static enum err use(struct host *h, const struct tls_cert *c, const char *path, char *why)
{
	char problem[256];
	int64_t ends = tls_cert_ends(c->leaf);
	ERR_clear_error();
	if (SSL_CTX_use_cert_and_key(h->ctx, c->leaf, c->key, c->chain, 0) != 1) {
		bool twice = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_NOT_REPLACING_CERTIFICATE;
		tls_problem(problem, sizeof(problem));
		tls_cert_why(why, "%s: %s: %s", h->name, path, twice ? "there is another certificate with the same kind of key" : problem);
		return ERR_INVALID;
	}
	tls_cert_keep_end_point(c->leaf);
	if (h->ends == 0 || ends < h->ends)
		h->ends = ends;
	return ERR_NONE;
}

/* Puts the host's name before what is wrong with a file of it. */
static enum err blame(const struct host *h, enum err e, const char *what, char *why)
{
	if (e != ERR_NONE)
		tls_cert_why(why, "%s: %s", h->name, what);
	return e;
}

static enum err load_host(struct host *h, const struct tls_host_paths *paths, const char *data_dir, char *why)
{
	struct tls_cert cert;
	char what[TLS_WHY_BYTES] = "";
	h->name = tls_cert_copy(paths->host);
	h->ascii_name = tls_cert_ascii_host(paths->host);
	h->ctx = make_context(h->ascii_name);
	h->self_signed = paths->n_pairs == 0;
	if (h->self_signed && !data_dir)
		return blame(h, ERR_NOT_FOUND, "has no certificate", why);
	if (paths->n_pairs > PAIRS_MAX)
		return blame(h, ERR_LIMIT, "has too many certificates", why);
	for (size_t i = 0; i < (h->self_signed ? 1 : paths->n_pairs); i++) {
		enum err e = h->self_signed ? tls_cert_self_signed(paths->host, data_dir, &cert, what) :
		                              tls_cert_load(&paths->pairs[i], &cert, what);
		if (e != ERR_NONE)
			return blame(h, e, what, why);
		e = use(h, &cert, h->self_signed ? data_dir : paths->pairs[i].chain_path, why);
		tls_cert_fini(&cert);
		if (e != ERR_NONE)
			return e;
	}
	return ERR_NONE;
}

struct tls_config *tls_config_load(const struct tls_paths *paths, const struct tls_config *old, char *why)
{
	BUG_ON(paths->n_hosts == 0 || paths->default_host >= paths->n_hosts);
	BUG_ON(!CRYPTO_THREAD_run_once(&about_once, make_about_index) || about_index < 0);
	struct tls_config *c = xzalloc(sizeof(*c) + paths->n_hosts * sizeof(c->hosts[0]));
	atomic_init(&c->refs, 1);
	c->tickets = old ? tls_tickets_ref(old->tickets) : tls_tickets_new(paths->ticket_secret, NULL);
	c->default_host = paths->default_host;
	c->n_hosts = paths->n_hosts;
	why[0] = '\0';
	for (size_t i = 0; i < paths->n_hosts; i++) {
		if (load_host(&c->hosts[i], &paths->hosts[i], paths->data_dir, why) == ERR_NONE)
			continue;
		tls_config_unref(c);
		return NULL;
	}
	return c;
}

struct tls_config *tls_config_ref(struct tls_config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void tls_config_unref(struct tls_config *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < c->n_hosts; i++) {
		SSL_CTX_free(c->hosts[i].ctx);
		free(c->hosts[i].name);
		free(c->hosts[i].ascii_name);
	}
	tls_tickets_unref(c->tickets);
	free(c);
}

size_t tls_host_count(const struct tls_config *c)
{
	return c->n_hosts;
}

static const struct host *host_at(const struct tls_config *c, size_t host)
{
	BUG_ON(host >= c->n_hosts);
	return &c->hosts[host];
}

struct str tls_host_name(const struct tls_config *c, size_t host)
{
	return str_of(host_at(c, host)->name);
}

bool tls_host_self_signed(const struct tls_config *c, size_t host)
{
	return host_at(c, host)->self_signed;
}

int64_t tls_host_ends_s(const struct tls_config *c, size_t host)
{
	return host_at(c, host)->ends;
}

int tls_host_days_left(const struct tls_config *c, size_t host, int64_t now_unix_s)
{
	int64_t left = host_at(c, host)->ends - now_unix_s;
	return (int)((left < 0 ? left - 86399 : left) / 86400);
}

/* ---- connections ---- */

SSL *tls_accept(struct tls_config *c, bool direct)
{
	SSL *ssl = SSL_new(c->hosts[c->default_host].ctx);
	struct about *about = xzalloc(sizeof(*about));
	about->config = tls_config_ref(c);
	about->direct = direct;
	BUG_ON(!ssl || !SSL_set_ex_data(ssl, about_index, about));
	SSL_set_accept_state(ssl);
	return ssl;
}

struct str tls_sni_host(const SSL *ssl)
{
	const struct host *h = about_of(ssl)->sni;
	return h ? str_of(h->name) : STR_NONE;
}
