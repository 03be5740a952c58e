#include "tests/unit/node/net/tls_peer.h"

#include <time.h>

/* Three hosts: a.example and b.example with certificates of their own, c.example with a self-signed one. */
struct fixture {
	struct folder folder;
	char paths[4][PATH_BYTES];
	struct tls_pair a[2], b;
	struct tls_host_paths hosts[3];
	struct tls_paths tls;
	struct tls_config *config;
	SSL_CTX *client;
	struct link link;
	char why[TLS_WHY_BYTES];
};

static EVP_PKEY *rsa; /* slow to make: one for all cases */

static int setup(void **state)
{
	struct fixture *f = xzalloc(sizeof(*f));
	make_folder(&f->folder);
	rsa = rsa ? rsa : EVP_RSA_gen(2048);
	write_usual(in_folder(&f->folder, "a.pem", f->paths[0]), "a.example");
	X509_free(write_cert(in_folder(&f->folder, "a-rsa.pem", f->paths[1]), rsa, EVP_sha256(), "a.example", 100, rsa));
	write_usual(in_folder(&f->folder, "b.pem", f->paths[2]), "b.example");
	in_folder(&f->folder, "data", f->paths[3]);
	f->a[0].chain_path = f->paths[0];
	f->a[1].chain_path = f->paths[1];
	f->b.chain_path = f->paths[2];
	f->hosts[0] = (struct tls_host_paths){ "a.example", f->a, 2 };
	f->hosts[1] = (struct tls_host_paths){ "b.example", &f->b, 1 };
	f->hosts[2] = (struct tls_host_paths){ "c.example", NULL, 0 };
	f->tls = (struct tls_paths){ .hosts = f->hosts, .n_hosts = 3, .default_host = 1, .data_dir = f->paths[3] };
	f->config = tls_config_load(&f->tls, NULL, f->why);
	if (!f->config)
		fail_msg("%s", f->why);
	f->client = client_context(TLS1_3_VERSION);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	SSL_CTX_free(f->client);
	tls_config_unref(f->config);
	remove_folder(&f->folder);
	free(f);
	return 0;
}

static void client_of(struct fixture *f, int max_version)
{
	SSL_CTX_free(f->client);
	f->client = client_context(max_version);
}

static void connect_to(struct fixture *f, const char *sni)
{
	link_open(&f->link, f->config, f->client, sni, false);
	if (!link_handshake(&f->link))
		fail_msg("%s", tls_problem(f->why, sizeof(f->why)));
}

/* The common name of the certificate that the client was shown. */
static struct str shown(struct fixture *f)
{
	static char name[64];
	X509 *x = SSL_get1_peer_certificate(f->link.client);
	assert_non_null(x);
	X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	X509_free(x);
	return str_of(name);
}

static void sni_selects_the_host(void **state)
{
	static const char *const names[] = { "a.example", "b.example", "c.example", "A.Example" };
	static const char *const hosts[] = { "a.example", "b.example", "c.example", "a.example" };
	struct fixture *f = *state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		client_of(f, version);
		for (size_t i = 0; i < 4; i++) {
			connect_to(f, names[i]);
			assert_str(shown(f), hosts[i]);
			assert_str(tls_sni_host(f->link.server), hosts[i]);
			link_close(&f->link);
		}
	}
}

static void no_sni_and_a_foreign_name_get_the_default_host(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { NULL, "d.example", "xa.example", "a.exampl" };
	for (size_t i = 0; i < 4; i++) {
		connect_to(f, names[i]);
		assert_str(shown(f), "b.example");
		assert_false(str_present(tls_sni_host(f->link.server)));
		link_close(&f->link);
	}
}

static void a_client_that_knows_only_rsa_gets_the_rsa_certificate(void **state)
{
	struct fixture *f = *state;
	client_of(f, TLS1_2_VERSION);
	assert_true(SSL_CTX_set_cipher_list(f->client, "ECDHE-RSA-AES128-GCM-SHA256"));
	connect_to(f, "a.example");
	X509 *x = SSL_get1_peer_certificate(f->link.client);
	assert_int_equal(EVP_PKEY_RSA, EVP_PKEY_get_base_id(X509_get0_pubkey(x)));
	X509_free(x);
	link_close(&f->link);
}

static void versions_before_1_2_are_refused(void **state)
{
	struct fixture *f = *state;
	client_of(f, TLS1_1_VERSION);
	link_open(&f->link, f->config, f->client, "a.example", false);
	assert_false(link_handshake(&f->link));
	assert_int_equal(SSL_R_UNSUPPORTED_PROTOCOL, ERR_GET_REASON(ERR_peek_error()));
	link_close(&f->link);
}

static void ciphers_without_forward_secrecy_are_refused(void **state)
{
	struct fixture *f = *state;
	client_of(f, TLS1_2_VERSION);
	assert_true(SSL_CTX_set_cipher_list(f->client, "AES128-GCM-SHA256:AES128-SHA:ECDHE-ECDSA-AES128-SHA"));
	link_open(&f->link, f->config, f->client, "a.example", false);
	assert_false(link_handshake(&f->link));
	assert_int_equal(SSL_R_NO_SHARED_CIPHER, ERR_GET_REASON(ERR_peek_error()));
	link_close(&f->link);
}

/* What is agreed on with a client that has these, in the order of its preference. */
static const char *agreed(struct fixture *f, int version, const char *has)
{
	client_of(f, version);
	assert_true(version == TLS1_3_VERSION ? SSL_CTX_set_ciphersuites(f->client, has) : SSL_CTX_set_cipher_list(f->client, has));
	connect_to(f, "a.example");
	const char *name = SSL_get_cipher_name(f->link.server);
	link_close(&f->link);
	return name;
}

static void the_cipher_is_the_best_by_our_order_that_the_client_has(void **state)
{
	struct fixture *f = *state;
	assert_string_equal("TLS_CHACHA20_POLY1305_SHA256",
	                    agreed(f, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"));
	assert_string_equal("TLS_AES_256_GCM_SHA384", agreed(f, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"));
	assert_string_equal("TLS_AES_128_GCM_SHA256", agreed(f, TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"));
	assert_string_equal("ECDHE-ECDSA-CHACHA20-POLY1305",
	                    agreed(f, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"));
	assert_string_equal("ECDHE-ECDSA-AES256-GCM-SHA384",
	                    agreed(f, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"));
}

static bool with_alpn(struct fixture *f, const char *wire, bool direct)
{
	link_open(&f->link, f->config, f->client, "a.example", direct);
	assert_int_equal(0, SSL_set_alpn_protos(f->link.client, (const unsigned char *)wire, (unsigned)strlen(wire)));
	return link_handshake(&f->link);
}

static struct str chosen(struct fixture *f)
{
	const unsigned char *p;
	unsigned len;
	SSL_get0_alpn_selected(f->link.client, &p, &len);
	return str_span((const char *)p, len);
}

static void alpn_chooses_xmpp_client_on_direct_tls(void **state)
{
	struct fixture *f = *state;
	assert_true(with_alpn(f, "\x08http/1.1\x0bxmpp-client", true));
	assert_str(chosen(f), "xmpp-client");
	link_close(&f->link);
}

static void alpn_with_other_protocols_is_fatal_on_direct_tls(void **state)
{
	struct fixture *f = *state;
	assert_false(with_alpn(f, "\x08http/1.1\x0bxmpp-server", true));
	SSL_do_handshake(f->link.client);
	assert_int_equal(SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL, ERR_GET_REASON(ERR_peek_last_error()));
	link_close(&f->link);
}

static void alpn_may_be_absent_and_means_nothing_after_starttls(void **state)
{
	struct fixture *f = *state;
	link_open(&f->link, f->config, f->client, "a.example", true);
	assert_true(link_handshake(&f->link));
	link_close(&f->link);
	assert_true(with_alpn(f, "\x08http/1.1", false));
	assert_int_equal(0, chosen(f).len);
	link_close(&f->link);
}

/* Connects with the session of the link before, which this closes. */
static bool resumes(struct fixture *f, struct tls_config *config, const char *sni)
{
	SSL_SESSION *session = SSL_get1_session(f->link.client);
	link_close(&f->link);
	link_open(&f->link, config, f->client, sni, false);
	assert_true(SSL_set_session(f->link.client, session));
	SSL_SESSION_free(session);
	assert_true(link_handshake(&f->link));
	assert_int_equal(SSL_session_reused(f->link.client), SSL_session_reused(f->link.server));
	return SSL_session_reused(f->link.server);
}

static void a_ticket_resumes_the_session(void **state)
{
	struct fixture *f = *state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		client_of(f, version);
		connect_to(f, "a.example");
		assert_true(resumes(f, f->config, "a.example"));
		assert_str(tls_sni_host(f->link.server), "a.example");
		assert_non_null(strstr(tls_describe(f->link.server, f->why, sizeof(f->why)), " resumed"));
		assert_true(resumes(f, f->config, "a.example"));
		link_close(&f->link);
	}
}

static void a_ticket_of_one_host_does_not_resume_at_another(void **state)
{
	struct fixture *f = *state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		client_of(f, version);
		connect_to(f, "a.example");
		assert_false(resumes(f, f->config, "c.example"));
		link_close(&f->link);
	}
}

static void a_ticket_means_nothing_to_another_service(void **state)
{
	struct fixture *f = *state;
	struct tls_config *other = tls_config_load(&f->tls, NULL, f->why);
	assert_non_null(other);
	connect_to(f, "a.example");
	assert_false(resumes(f, other, "a.example"));
	link_close(&f->link);
	tls_config_unref(other);
}

/* With TLS 1.2 there is no ticket, and the handshake is a whole one: tls_ticket.h says why. */
static void a_ticket_of_one_node_resumes_at_another_with_tls_1_3(void **state)
{
	static const uint8_t secret[32] = "of all nodes";
	struct fixture *f = *state;
	f->tls.ticket_secret = secret;
	struct tls_config *one = tls_config_load(&f->tls, NULL, f->why), *two = tls_config_load(&f->tls, NULL, f->why);
	assert_non_null(one);
	assert_non_null(two);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		client_of(f, version);
		link_open(&f->link, one, f->client, "a.example", false);
		assert_true(link_handshake(&f->link));
		assert_int_equal(version == TLS1_3_VERSION, resumes(f, two, "a.example"));
		assert_int_equal(version == TLS1_3_VERSION, resumes(f, one, "a.example"));
		link_close(&f->link);
	}
	tls_config_unref(two);
	tls_config_unref(one);
}

static void a_reload_brings_new_certificates_and_keeps_tickets_and_old_connections(void **state)
{
	struct fixture *f = *state;
	struct link kept;
	connect_to(f, "b.example");
	write_usual(f->paths[2], "new.example");
	struct tls_config *now = tls_config_load(&f->tls, f->config, f->why), *old = f->config;
	assert_non_null(now);
	link_open(&kept, old, f->client, "b.example", false);
	tls_config_unref(old);
	f->config = now;
	assert_true(resumes(f, now, "b.example"));
	link_close(&f->link);
	connect_to(f, "b.example");
	assert_str(shown(f), "new.example");
	link_close(&f->link);
	/* It began before the reload and ends after the old config was let go. */
	assert_true(link_handshake(&kept));
	assert_str(tls_sni_host(kept.server), "b.example");
	link_close(&kept);
}

static void a_reload_that_fails_says_why_and_leaves_the_old_one(void **state)
{
	struct fixture *f = *state;
	char expected[PATH_BYTES + 64];
	assert_int_equal(0, unlink(f->paths[2]));
	assert_null(tls_config_load(&f->tls, f->config, f->why));
	snprintf(expected, sizeof(expected), "b.example: %s: No such file or directory", f->paths[2]);
	assert_string_equal(f->why, expected);
	connect_to(f, "b.example");
	link_close(&f->link);
}

static void two_certificates_with_one_kind_of_key_are_refused(void **state)
{
	struct fixture *f = *state;
	f->a[1].chain_path = f->paths[2];
	assert_null(tls_config_load(&f->tls, NULL, f->why));
	assert_non_null(strstr(f->why, "a.example: "));
	assert_non_null(strstr(f->why, "another certificate with the same kind of key"));
}

static void a_key_that_is_too_weak_is_refused(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	X509_free(write_cert(f->paths[2], weak, EVP_sha256(), "b.example", 10, weak));
	EVP_PKEY_free(weak);
	assert_null(tls_config_load(&f->tls, NULL, f->why));
	assert_non_null(strstr(f->why, "key too small"));
}

static void a_host_without_certificate_and_folder_is_refused(void **state)
{
	struct fixture *f = *state;
	f->tls.data_dir = NULL;
	assert_null(tls_config_load(&f->tls, NULL, f->why));
	assert_string_equal(f->why, "c.example: has no certificate");
}

static void the_config_knows_its_hosts(void **state)
{
	struct fixture *f = *state;
	int64_t now = time(NULL);
	assert_int_equal(3, tls_host_count(f->config));
	assert_str(tls_host_name(f->config, 2), "c.example");
	assert_false(tls_host_self_signed(f->config, 0));
	assert_true(tls_host_self_signed(f->config, 2));
	/* The first of its two certificates to end. */
	assert_in_range(tls_host_days_left(f->config, 0, now), 99, 100);
	assert_in_range(tls_host_days_left(f->config, 1, now), 364, 365);
	assert_int_equal(-1, tls_host_days_left(f->config, 0, now + 100 * 86400L + 3600));
}

/* What is promised is given, and nothing else. */
static size_t binding_of(SSL *ssl, enum sasl_cb cb, uint8_t out[TLS_BINDING_MAX])
{
	size_t len = tls_binding(ssl, cb, out);
	assert_int_equal(tls_has_binding(ssl, cb), len > 0);
	return len;
}

static void exported_binding_is_the_same_at_both_ends(void **state)
{
	struct fixture *f = *state;
	uint8_t ours[TLS_BINDING_MAX], theirs[TLS_BINDING_MAX];
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		client_of(f, version);
		connect_to(f, "a.example");
		assert_int_equal(32, binding_of(f->link.server, CB_TLS_EXPORTER, ours));
		assert_int_equal(1, SSL_export_keying_material(f->link.client, theirs, 32, "EXPORTER-Channel-Binding", 24,
		                                               (const unsigned char *)"", 0, 1));
		assert_memory_equal(ours, theirs, 32);
		assert_true(resumes(f, f->config, "a.example"));
		assert_int_equal(32, binding_of(f->link.server, CB_TLS_EXPORTER, theirs));
		assert_memory_not_equal(ours, theirs, 32);
		link_close(&f->link);
	}
}

static void check_end_point(struct fixture *f, const EVP_MD *md)
{
	uint8_t ours[TLS_BINDING_MAX], theirs[TLS_BINDING_MAX];
	unsigned len;
	X509 *x = SSL_get1_peer_certificate(f->link.client);
	assert_int_equal(1, X509_digest(x, md, theirs, &len));
	assert_int_equal(len, binding_of(f->link.server, CB_TLS_SERVER_END_POINT, ours));
	assert_memory_equal(ours, theirs, len);
	X509_free(x);
}

static void end_point_is_the_hash_of_the_certificate_that_was_shown(void **state)
{
	struct fixture *f = *state;
	connect_to(f, "a.example");
	check_end_point(f, EVP_sha256());
	link_close(&f->link);
	assert_true(SSL_CTX_set1_sigalgs_list(f->client, "RSA-PSS+SHA256"));
	connect_to(f, "a.example");
	check_end_point(f, EVP_sha256());
	X509 *x = SSL_get1_peer_certificate(f->link.client);
	assert_int_equal(EVP_PKEY_RSA, EVP_PKEY_get_base_id(X509_get0_pubkey(x)));
	X509_free(x);
	link_close(&f->link);
}

static void end_point_uses_the_hash_of_the_signature(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *key = EVP_EC_gen("P-384");
	X509_free(write_cert(f->paths[2], key, EVP_sha384(), "b.example", 10, key));
	EVP_PKEY_free(key);
	struct tls_config *now = tls_config_load(&f->tls, f->config, f->why);
	assert_non_null(now);
	tls_config_unref(f->config);
	f->config = now;
	connect_to(f, "b.example");
	check_end_point(f, EVP_sha384());
	link_close(&f->link);
}

static void end_point_survives_resumption_and_reload(void **state)
{
	struct fixture *f = *state;
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		client_of(f, version);
		connect_to(f, "b.example");
		check_end_point(f, EVP_sha256());
		write_usual(f->paths[2], "b.example");
		struct tls_config *now = tls_config_load(&f->tls, f->config, f->why);
		assert_non_null(now);
		tls_config_unref(f->config);
		f->config = now;
		/* What the client remembers is the certificate of the full handshake. */
		assert_true(resumes(f, now, "b.example"));
		check_end_point(f, EVP_sha256());
		assert_true(resumes(f, now, "b.example"));
		check_end_point(f, EVP_sha256());
		link_close(&f->link);
	}
}

static void unique_binding_is_for_full_handshakes_of_1_2_only(void **state)
{
	struct fixture *f = *state;
	uint8_t ours[TLS_BINDING_MAX], theirs[TLS_BINDING_MAX];
	client_of(f, TLS1_2_VERSION);
	connect_to(f, "a.example");
	size_t len = binding_of(f->link.server, CB_TLS_UNIQUE, ours);
	assert_int_equal(12, len);
	assert_int_equal(len, SSL_get_finished(f->link.client, theirs, sizeof(theirs)));
	assert_memory_equal(ours, theirs, len);
	assert_true(resumes(f, f->config, "a.example"));
	assert_int_equal(0, binding_of(f->link.server, CB_TLS_UNIQUE, ours));
	link_close(&f->link);
	client_of(f, TLS1_3_VERSION);
	connect_to(f, "a.example");
	assert_int_equal(0, binding_of(f->link.server, CB_TLS_UNIQUE, ours));
	link_close(&f->link);
}

static void bindings_of_1_2_need_the_extended_master_secret(void **state)
{
	struct fixture *f = *state;
	uint8_t out[TLS_BINDING_MAX];
	client_of(f, TLS1_2_VERSION);
	SSL_CTX_set_options(f->client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	connect_to(f, "a.example");
	assert_int_equal(0, binding_of(f->link.server, CB_TLS_EXPORTER, out));
	assert_int_equal(0, binding_of(f->link.server, CB_TLS_UNIQUE, out));
	assert_int_equal(32, binding_of(f->link.server, CB_TLS_SERVER_END_POINT, out));
	link_close(&f->link);
}

static void there_is_no_binding_before_the_handshake(void **state)
{
	struct fixture *f = *state;
	uint8_t out[TLS_BINDING_MAX];
	link_open(&f->link, f->config, f->client, "a.example", false);
	for (int cb = 0; cb < CB_COUNT; cb++)
		assert_int_equal(0, binding_of(f->link.server, (enum sasl_cb)cb, out));
	assert_false(str_present(tls_sni_host(f->link.server)));
	link_close(&f->link);
}

static void a_connection_describes_itself_and_its_failure(void **state)
{
	struct fixture *f = *state;
	connect_to(f, "a.example");
	assert_non_null(strstr(tls_describe(f->link.server, f->why, sizeof(f->why)), "TLSv1.3 TLS_"));
	assert_string_equal(tls_problem(f->why, sizeof(f->why)), "no error");
	link_close(&f->link);
	link_open(&f->link, f->config, f->client, "a.example", true);
	assert_int_equal(22, write(f->link.fds[1], "<?xml version='1.0'?>\n", 22));
	assert_int_equal(-1, SSL_do_handshake(f->link.server));
	assert_string_equal(tls_problem(f->why, sizeof(f->why)), "wrong version number");
	assert_string_equal(tls_problem(f->why, sizeof(f->why)), "no error");
	link_close(&f->link);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(sni_selects_the_host),
		CASE(no_sni_and_a_foreign_name_get_the_default_host),
		CASE(a_client_that_knows_only_rsa_gets_the_rsa_certificate),
		CASE(versions_before_1_2_are_refused),
		CASE(ciphers_without_forward_secrecy_are_refused),
		CASE(the_cipher_is_the_best_by_our_order_that_the_client_has),
		CASE(alpn_chooses_xmpp_client_on_direct_tls),
		CASE(alpn_with_other_protocols_is_fatal_on_direct_tls),
		CASE(alpn_may_be_absent_and_means_nothing_after_starttls),
		CASE(a_ticket_resumes_the_session),
		CASE(a_ticket_of_one_node_resumes_at_another_with_tls_1_3),
		CASE(a_ticket_of_one_host_does_not_resume_at_another),
		CASE(a_ticket_means_nothing_to_another_service),
		CASE(a_reload_brings_new_certificates_and_keeps_tickets_and_old_connections),
		CASE(a_reload_that_fails_says_why_and_leaves_the_old_one),
		CASE(two_certificates_with_one_kind_of_key_are_refused),
		CASE(a_key_that_is_too_weak_is_refused),
		CASE(a_host_without_certificate_and_folder_is_refused),
		CASE(the_config_knows_its_hosts),
		CASE(exported_binding_is_the_same_at_both_ends),
		CASE(end_point_is_the_hash_of_the_certificate_that_was_shown),
		CASE(end_point_uses_the_hash_of_the_signature),
		CASE(end_point_survives_resumption_and_reload),
		CASE(unique_binding_is_for_full_handshakes_of_1_2_only),
		CASE(bindings_of_1_2_need_the_extended_master_secret),
		CASE(there_is_no_binding_before_the_handshake),
		CASE(a_connection_describes_itself_and_its_failure),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	EVP_PKEY_free(rsa);
	return failed;
}
