#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "node/net/tls_ticket.h"

static uint64_t clock_ms;

static uint64_t virtual_ms(void)
{
	return clock_ms;
}

struct ticket {
	unsigned char name[16], iv[16];
};

static int crypt_with(struct tls_tickets *t, int version, struct ticket *ticket, int encrypt)
{
	EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
	int result = tls_tickets_crypt(t, version, ticket->name, ticket->iv, cipher, mac, encrypt);
	EVP_CIPHER_CTX_free(cipher);
	EVP_MAC_CTX_free(mac);
	EVP_MAC_free(hmac);
	return result;
}

static int crypt_one(struct tls_tickets *t, struct ticket *ticket, int encrypt)
{
	return crypt_with(t, TLS1_3_VERSION, ticket, encrypt);
}

static int setup(void **state)
{
	clock_ms = 12345;
	*state = tls_tickets_new(NULL, virtual_ms);
	return 0;
}

static int teardown(void **state)
{
	tls_tickets_unref(*state);
	return 0;
}

static void a_ticket_opens_under_the_key_that_made_it(void **state)
{
	struct ticket a, b;
	assert_int_equal(1, crypt_one(*state, &a, 1));
	assert_int_equal(1, crypt_one(*state, &b, 1));
	assert_memory_equal(a.name, b.name, sizeof(a.name));
	assert_memory_not_equal(a.iv, b.iv, sizeof(a.iv));
	assert_int_equal(1, crypt_one(*state, &a, 0));
}

static void a_ticket_of_an_unknown_key_is_ignored(void **state)
{
	struct ticket a;
	assert_int_equal(1, crypt_one(*state, &a, 1));
	a.name[0] ^= 1;
	assert_int_equal(0, crypt_one(*state, &a, 0));
}

static void an_older_ticket_opens_and_is_renewed(void **state)
{
	struct ticket a, b;
	assert_int_equal(1, crypt_one(*state, &a, 1));
	clock_ms += TLS_TICKET_ROTATE_MS - 1;
	assert_int_equal(1, crypt_one(*state, &a, 0));
	clock_ms += 1;
	assert_int_equal(2, crypt_one(*state, &a, 0));
	assert_int_equal(1, crypt_one(*state, &b, 1));
	assert_memory_not_equal(a.name, b.name, sizeof(a.name));
}

static void a_key_goes_when_its_last_ticket_has_ended(void **state)
{
	struct ticket a, b;
	assert_int_equal(1, crypt_one(*state, &a, 1));
	for (int i = 0; i < 3; i++) {
		clock_ms += TLS_TICKET_ROTATE_MS;
		assert_int_equal(1, crypt_one(*state, &b, 1));
		assert_int_equal(2, crypt_one(*state, &a, 0));
	}
	clock_ms += TLS_TICKET_ROTATE_MS;
	assert_int_equal(0, crypt_one(*state, &a, 0));
}

static void a_long_idle_service_forgets_its_old_key(void **state)
{
	struct ticket a;
	assert_int_equal(1, crypt_one(*state, &a, 1));
	clock_ms += TLS_TICKET_KEYS * TLS_TICKET_ROTATE_MS;
	assert_int_equal(0, crypt_one(*state, &a, 0));
}

static void *use_tickets(void *arg)
{
	for (int i = 0; i < 200; i++) {
		struct ticket a;
		assert_int_equal(1, crypt_one(arg, &a, 1));
		assert_int_equal(1, crypt_one(arg, &a, 0));
	}
	return NULL;
}

static void many_threads_share_the_keys(void **state)
{
	pthread_t threads[4];
	struct tls_tickets *shared = tls_tickets_new(NULL, NULL);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(0, pthread_create(&threads[i], NULL, use_tickets, shared));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(0, pthread_join(threads[i], NULL));
	tls_tickets_unref(shared);
}

/* ---- nodes that share a secret ---- */

static const uint8_t secret[TLS_TICKET_SECRET] = "of all nodes", foreign[TLS_TICKET_SECRET] = "of others";
static int64_t skew_ms;

static uint64_t skewed_ms(void)
{
	return clock_ms + (uint64_t)skew_ms;
}

static void a_ticket_of_one_node_opens_at_another(void **state)
{
	struct ticket a, b;
	(void)state;
	clock_ms = 1700000000000;
	struct tls_tickets *n1 = tls_tickets_new(secret, virtual_ms), *n2 = tls_tickets_new(secret, virtual_ms);
	struct tls_tickets *stranger = tls_tickets_new(foreign, virtual_ms);
	assert_int_equal(1, crypt_one(n1, &a, 1));
	assert_int_equal(1, crypt_one(n2, &b, 1));
	assert_memory_equal(a.name, b.name, sizeof(a.name));
	assert_int_equal(1, crypt_one(n2, &a, 0));
	assert_int_equal(0, crypt_one(stranger, &a, 0));
	tls_tickets_unref(stranger);
	tls_tickets_unref(n2);
	tls_tickets_unref(n1);
}

static void shared_keys_rotate_together_and_end(void **state)
{
	struct ticket a, b;
	(void)state;
	clock_ms = 200000 * TLS_TICKET_ROTATE_MS;
	struct tls_tickets *n1 = tls_tickets_new(secret, virtual_ms), *n2 = tls_tickets_new(secret, virtual_ms);
	assert_int_equal(1, crypt_one(n1, &a, 1));
	clock_ms += TLS_TICKET_ROTATE_MS - 1;
	assert_int_equal(1, crypt_one(n2, &a, 0));
	clock_ms += 1;
	for (int i = 0; i < TLS_TICKET_KEYS - 1; i++) {
		assert_int_equal(2, crypt_one(n2, &a, 0));
		assert_int_equal(1, crypt_one(n2, &b, 1));
		assert_memory_not_equal(a.name, b.name, sizeof(a.name));
		clock_ms += TLS_TICKET_ROTATE_MS;
	}
	assert_int_equal(0, crypt_one(n2, &a, 0));
	assert_int_equal(0, crypt_one(n1, &a, 0));
	tls_tickets_unref(n2);
	tls_tickets_unref(n1);
}

static void a_node_whose_clock_is_behind_opens_tickets_of_the_next_key(void **state)
{
	struct ticket a, b;
	(void)state;
	clock_ms = 200000 * TLS_TICKET_ROTATE_MS + 10;
	skew_ms = -1000;
	struct tls_tickets *n1 = tls_tickets_new(secret, virtual_ms), *behind = tls_tickets_new(secret, skewed_ms);
	assert_int_equal(1, crypt_one(n1, &a, 1));
	assert_int_equal(1, crypt_one(behind, &b, 1));
	assert_memory_not_equal(a.name, b.name, sizeof(a.name));
	assert_int_equal(1, crypt_one(behind, &a, 0));
	assert_int_equal(2, crypt_one(n1, &b, 0));
	skew_ms = -(int64_t)(2 * TLS_TICKET_ROTATE_MS); /* set back by much: it follows, and knows no ticket of so far ahead */
	assert_int_equal(0, crypt_one(behind, &a, 0));
	tls_tickets_unref(behind);
	tls_tickets_unref(n1);
}

static void a_ticket_outlives_its_node(void **state)
{
	struct ticket a;
	(void)state;
	clock_ms = 1700000000000;
	struct tls_tickets *before = tls_tickets_new(secret, virtual_ms);
	assert_int_equal(1, crypt_one(before, &a, 1));
	tls_tickets_unref(before);
	struct tls_tickets *after = tls_tickets_new(secret, virtual_ms);
	assert_int_equal(1, crypt_one(after, &a, 0));
	tls_tickets_unref(after);
}

static void shared_keys_are_not_for_tls_1_2(void **state)
{
	struct ticket a;
	clock_ms = 1700000000000;
	struct tls_tickets *n1 = tls_tickets_new(secret, virtual_ms);
	assert_int_equal(0, crypt_with(n1, TLS1_2_VERSION, &a, 1));
	assert_int_equal(1, crypt_with(n1, TLS1_3_VERSION, &a, 1));
	assert_int_equal(0, crypt_with(n1, TLS1_2_VERSION, &a, 0));
	assert_int_equal(1, crypt_with(*state, TLS1_2_VERSION, &a, 1));
	tls_tickets_unref(n1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_ticket_opens_under_the_key_that_made_it),
		CASE(a_ticket_of_an_unknown_key_is_ignored),
		CASE(an_older_ticket_opens_and_is_renewed),
		CASE(a_key_goes_when_its_last_ticket_has_ended),
		CASE(a_long_idle_service_forgets_its_old_key),
		CASE(many_threads_share_the_keys),
		CASE(a_ticket_of_one_node_opens_at_another),
		CASE(shared_keys_rotate_together_and_end),
		CASE(a_node_whose_clock_is_behind_opens_tickets_of_the_next_key),
		CASE(a_ticket_outlives_its_node),
		CASE(shared_keys_are_not_for_tls_1_2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
