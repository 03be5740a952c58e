#include "tests/unit/node/net/tls_peer.h"

#include <openssl/rand.h>
#include <time.h>

#include "node/net/tls_cert.h"

struct fixture {
	struct folder folder;
	char path[PATH_BYTES], other[PATH_BYTES], why[TLS_WHY_BYTES];
	struct tls_pair pair;
	struct tls_cert cert;
};

static int setup(void **state)
{
	struct fixture *f = xzalloc(sizeof(*f));
	make_folder(&f->folder);
	in_folder(&f->folder, "cert.pem", f->path);
	in_folder(&f->folder, "other.pem", f->other);
	f->pair.chain_path = f->path;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	tls_cert_fini(&f->cert);
	remove_folder(&f->folder);
	free(f);
	return 0;
}

static void write_text(const char *path, const char *mode, const char *text)
{
	FILE *out = fopen(path, mode);
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(0, fclose(out));
}

static void refused(struct fixture *f, const char *reason)
{
	char expected[2 * PATH_BYTES + 64];
	assert_int_not_equal(ERR_NONE, tls_cert_load(&f->pair, &f->cert, f->why));
	snprintf(expected, sizeof(expected), "%s: %s", f->pair.key_path ? f->pair.key_path : f->path, reason);
	assert_string_equal(expected, f->why);
	assert_null(f->cert.leaf);
}

static void cert_load_takes_one_file_or_two(void **state)
{
	struct fixture *f = *state;
	write_usual(f->path, "a.example");
	assert_int_equal(ERR_NONE, tls_cert_load(&f->pair, &f->cert, f->why));
	assert_int_equal(0, sk_X509_num(f->cert.chain));
	tls_cert_fini(&f->cert);
	assert_int_equal(0, link(f->path, f->other));
	f->pair.key_path = f->other;
	assert_int_equal(ERR_NONE, tls_cert_load(&f->pair, &f->cert, f->why));
}

static void cert_load_keeps_the_chain_up_to_a_ceiling(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_free(write_cert(f->path, key, EVP_sha256(), "a.example", 10, key));
	for (int i = 0; i < 20; i++) {
		FILE *out = fopen(f->path, "a");
		X509 *x = write_cert(f->other, key, EVP_sha256(), "ca.example", 10, key);
		assert_true(out && PEM_write_X509(out, x) == 1 && fclose(out) == 0);
		X509_free(x);
		assert_int_equal(ERR_NONE, tls_cert_load(&f->pair, &f->cert, f->why));
		assert_int_equal(i < 16 ? i + 1 : 16, sk_X509_num(f->cert.chain));
		tls_cert_fini(&f->cert);
	}
	EVP_PKEY_free(key);
}

static void cert_load_says_that_a_file_is_not_there(void **state)
{
	struct fixture *f = *state;
	refused(f, "No such file or directory");
	write_usual(f->path, "a.example");
	f->pair.key_path = f->other;
	refused(f, "No such file or directory");
}

static void cert_load_says_that_a_file_holds_something_else(void **state)
{
	struct fixture *f = *state;
	write_text(f->path, "w", "hello");
	refused(f, "holds no certificate in PEM form");
	write_text(f->path, "w", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	refused(f, "holds no certificate in PEM form");
	write_usual(f->path, "a.example");
	write_text(f->other, "w", "");
	f->pair.key_path = f->other;
	refused(f, "holds no private key in PEM form");
}

static void cert_load_says_that_the_key_is_of_another_certificate(void **state)
{
	struct fixture *f = *state;
	char reason[PATH_BYTES + 64];
	snprintf(reason, sizeof(reason), "the key does not match the certificate in %s", f->path);
	write_usual(f->path, "a.example");
	write_usual(f->other, "a.example");
	f->pair.key_path = f->other;
	refused(f, reason);
	EVP_PKEY *rsa = EVP_RSA_gen(1024);
	X509_free(write_cert(f->other, rsa, EVP_sha256(), "a.example", 10, rsa));
	EVP_PKEY_free(rsa);
	refused(f, reason);
}

static void cert_load_does_not_ask_for_a_passphrase(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_free(write_cert(f->path, key, EVP_sha256(), "a.example", 10, key));
	FILE *out = fopen(f->other, "w");
	assert_true(out && PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), (const unsigned char *)"pw", 2, NULL, NULL) == 1);
	fclose(out);
	EVP_PKEY_free(key);
	f->pair.key_path = f->other;
	refused(f, "the key is behind a passphrase; store it without one");
}

static void cert_load_says_that_a_certificate_is_over(void **state)
{
	struct fixture *f = *state;
	char reason[64];
	time_t end = time(NULL) - 2 * 86400L;
	struct tm tm;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = write_cert(f->path, key, EVP_sha256(), "a.example", -2, key);
	end = (time_t)tls_cert_ends(x);
	gmtime_r(&end, &tm);
	strftime(reason, sizeof(reason), "the certificate expired on %Y-%m-%d", &tm);
	refused(f, reason);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void end_point(struct fixture *f, EVP_PKEY *key, const EVP_MD *signed_with, const EVP_MD *expected)
{
	uint8_t ours[TLS_BINDING_MAX], theirs[TLS_BINDING_MAX];
	unsigned len = 0;
	X509 *x = write_cert(f->path, key, signed_with, "a.example", 10, key);
	if (expected)
		assert_int_equal(1, X509_digest(x, expected, theirs, &len));
	for (int kept = 0; kept < 2; kept++) {
		memset(ours, 0, sizeof ours);
		assert_int_equal(len, tls_cert_end_point(x, ours));
		if (len)
			assert_memory_equal(ours, theirs, len);
		if (!kept)
			tls_cert_keep_end_point(x);
	}
	X509_free(x);
}

static void end_point_follows_rfc_5929(void **state)
{
	struct fixture *f = *state;
	EVP_PKEY *ec = EVP_EC_gen("P-256"), *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	end_point(f, ec, EVP_sha1(), EVP_sha256());
	end_point(f, ec, EVP_sha256(), EVP_sha256());
	end_point(f, ec, EVP_sha384(), EVP_sha384());
	end_point(f, ec, EVP_sha512(), EVP_sha512());
	end_point(f, ed, NULL, NULL);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
}

/* ---- the self-signed one ---- */

static void self_signed_is_made_once_and_for_the_owner_only(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	struct tls_cert again;
	char dir[PATH_BYTES], path[PATH_BYTES];
	in_folder(&f->folder, "data", dir);
	assert_int_equal(ERR_NONE, tls_cert_self_signed("a.example", dir, &f->cert, f->why));
	in_folder(&f->folder, "data/a.example.self-signed.pem", path);
	assert_int_equal(0, stat(path, &st));
	assert_int_equal(0600, st.st_mode & 0777);
	assert_int_equal(ERR_NONE, tls_cert_self_signed("a.example", dir, &again, f->why));
	assert_int_equal(0, X509_cmp(f->cert.leaf, again.leaf));
	tls_cert_fini(&again);
	/* Ten years. */
	assert_in_range(tls_cert_ends(f->cert.leaf) - time(NULL), 3650 * 86400L, 3653 * 86400L);
	assert_int_equal(EVP_PKEY_EC, EVP_PKEY_get_base_id(f->cert.key));
	assert_int_equal(1, X509_verify(f->cert.leaf, f->cert.key));
}

static bool names_xmpp_address(const X509 *x, const char *host)
{
	bool found = false;
	char oid[64];
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_OTHERNAME)
			continue;
		OBJ_obj2txt(oid, sizeof(oid), name->d.otherName->type_id, 1);
		assert_string_equal("1.3.6.1.5.5.7.8.5", oid);
		assert_int_equal(V_ASN1_UTF8STRING, name->d.otherName->value->type);
		const ASN1_STRING *s = name->d.otherName->value->value.utf8string;
		found = str_is(str_span((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)), host);
	}
	GENERAL_NAMES_free(names);
	return found;
}

static void self_signed_names_the_host_in_both_ways(void **state)
{
	struct fixture *f = *state;
	static const char *const hosts[] = { "a.example", ("b\xc3\xbc" "cher.example"), "127.0.0.1", "[::1]" };
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(ERR_NONE, tls_cert_self_signed(hosts[i], f->folder.path, &f->cert, f->why));
		assert_true(names_xmpp_address(f->cert.leaf, hosts[i]));
		if (i == 0)
			assert_int_equal(1, X509_check_host(f->cert.leaf, "a.example", 0, 0, NULL));
		if (i == 1)
			assert_int_equal(1, X509_check_host(f->cert.leaf, "xn--bcher-kva.example", 0, 0, NULL));
		if (i >= 2)
			assert_int_equal(1, X509_check_ip_asc(f->cert.leaf, i == 2 ? "127.0.0.1" : "::1", 0));
		tls_cert_fini(&f->cert);
	}
}

static void self_signed_is_made_anew_when_it_is_broken_or_nearly_over(void **state)
{
	struct fixture *f = *state;
	char path[PATH_BYTES];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	in_folder(&f->folder, "a.example.self-signed.pem", path);
	write_text(path, "w", "half a fi");
	assert_int_equal(ERR_NONE, tls_cert_self_signed("a.example", f->folder.path, &f->cert, f->why));
	tls_cert_fini(&f->cert);
	X509 *old = write_cert(path, key, EVP_sha256(), "a.example", 29, key);
	assert_int_equal(ERR_NONE, tls_cert_self_signed("a.example", f->folder.path, &f->cert, f->why));
	assert_int_not_equal(0, X509_cmp(old, f->cert.leaf));
	X509_free(old);
	EVP_PKEY_free(key);
}

static void self_signed_says_where_it_cannot_be_kept(void **state)
{
	struct fixture *f = *state;
	char dir[PATH_BYTES];
	assert_int_equal(ERR_IO, tls_cert_self_signed("a.example", in_folder(&f->folder, "no/such", dir), &f->cert, f->why));
	assert_non_null(strstr(f->why, "no/such: cannot be made: No such file or directory"));
	assert_int_equal(ERR_INVALID, tls_cert_self_signed("../a", f->folder.path, &f->cert, f->why));
	assert_int_equal(ERR_INVALID, tls_cert_self_signed("", f->folder.path, &f->cert, f->why));
	write_text(f->path, "w", "a file");
	assert_int_equal(ERR_IO, tls_cert_self_signed("a.example", f->path, &f->cert, f->why));
	assert_null(f->cert.leaf);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(cert_load_takes_one_file_or_two),
		CASE(cert_load_keeps_the_chain_up_to_a_ceiling),
		CASE(cert_load_says_that_a_file_is_not_there),
		CASE(cert_load_says_that_a_file_holds_something_else),
		CASE(cert_load_says_that_the_key_is_of_another_certificate),
		CASE(cert_load_does_not_ask_for_a_passphrase),
		CASE(cert_load_says_that_a_certificate_is_over),
		CASE(end_point_follows_rfc_5929),
		CASE(self_signed_is_made_once_and_for_the_owner_only),
		CASE(self_signed_names_the_host_in_both_ways),
		CASE(self_signed_is_made_anew_when_it_is_broken_or_nearly_over),
		CASE(self_signed_says_where_it_cannot_be_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
