/* What is known of a connection once its handshake is over: channel bindings, and words for the log. */
#include "node/net/tls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "node/net/tls_cert.h"

static size_t end_point(SSL *ssl, uint8_t out[TLS_BINDING_MAX])
{
	void *kept;
	size_t len;
	const X509 *leaf = SSL_get_certificate(ssl);
	if (!SSL_session_reused(ssl))
		return leaf ? tls_cert_end_point(leaf, out) : 0;
	if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(ssl), &kept, &len) != 1 || !kept || len > TLS_BINDING_MAX)
		return 0;
	memcpy(out, kept, len);
	return len;
}

bool tls_has_binding(SSL *ssl, enum sasl_cb cb)
{
	uint8_t hash[TLS_BINDING_MAX];
	bool is_1_3 = SSL_version(ssl) >= TLS1_3_VERSION;
	if (!SSL_is_init_finished(ssl))
		return false;
	if (cb == CB_TLS_SERVER_END_POINT)
		return end_point(ssl, hash) > 0;
	/* Without it two connections can be made to share a master secret, and so these two bindings (RFC 7627). */
	if (!is_1_3 && SSL_get_extms_support(ssl) != 1)
		return false;
	return cb == CB_TLS_EXPORTER || (cb == CB_TLS_UNIQUE && !is_1_3 && !SSL_session_reused(ssl));
}

size_t tls_binding(SSL *ssl, enum sasl_cb cb, uint8_t out[TLS_BINDING_MAX])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	if (!tls_has_binding(ssl, cb))
		return 0;
	if (cb == CB_TLS_SERVER_END_POINT)
		return end_point(ssl, out);
	if (cb == CB_TLS_EXPORTER)
		return SSL_export_keying_material(ssl, out, 32, label, sizeof(label) - 1, (const unsigned char *)"", 0, 1) == 1 ? 32 : 0;
	/* The first Finished of a full handshake is the client's. */
	size_t len = SSL_get_peer_finished(ssl, out, TLS_BINDING_MAX);
	return len <= TLS_BINDING_MAX ? len : 0;
}

const char *tls_describe(const SSL *ssl, char *out, size_t size)
{
	snprintf(out, size, "%s %s%s", SSL_get_version(ssl), SSL_get_cipher_name(ssl), SSL_session_reused(ssl) ? " resumed" : "");
	return out;
}

const char *tls_problem(char *out, size_t size)
{
	unsigned long e = ERR_get_error();
	const char *reason = e ? ERR_reason_error_string(e) : "no error";
	snprintf(out, size, "%s", reason ? reason : "unknown error");
	ERR_clear_error();
	return out;
}
