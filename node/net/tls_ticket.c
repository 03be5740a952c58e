#include "node/net/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/err.h"

struct key {
	unsigned char name[16], cipher[32], mac[32];
	uint64_t born_ms;
};

struct tls_tickets {
	_Atomic uint32_t refs;
	uint64_t (*now_ms)(void);
	pthread_mutex_t lock;
	unsigned n_keys;
	struct key keys[TLS_TICKET_KEYS]; /* the newest first */
};

static uint64_t system_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void rotate(struct tls_tickets *t, uint64_t now_ms)
{
	memmove(t->keys + 1, t->keys, sizeof(t->keys) - sizeof(t->keys[0]));
	struct key *k = &t->keys[0];
	BUG_ON(RAND_bytes(k->name, sizeof(k->name)) != 1);
	BUG_ON(RAND_priv_bytes(k->cipher, sizeof(k->cipher)) != 1);
	BUG_ON(RAND_priv_bytes(k->mac, sizeof(k->mac)) != 1);
	k->born_ms = now_ms;
	if (t->n_keys < TLS_TICKET_KEYS)
		t->n_keys++;
}

struct tls_tickets *tls_tickets_new(uint64_t (*now_ms)(void))
{
	struct tls_tickets *t = xzalloc(sizeof(*t));
	atomic_init(&t->refs, 1);
	t->now_ms = now_ms ? now_ms : system_ms;
	pthread_mutex_init(&t->lock, NULL);
	rotate(t, t->now_ms());
	return t;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void tls_tickets_unref(struct tls_tickets *t)
{
	if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_destroy(&t->lock);
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	free(t);
}

/* The current key, or the one of that name; a copy, to be wiped. *newest: it is the current one. False: unknown or too old. */
static bool find_key(struct tls_tickets *t, const unsigned char *name, struct key *out, bool *newest)
{
	bool found = false;
	uint64_t now_ms = t->now_ms();
	pthread_mutex_lock(&t->lock);
	if (now_ms - t->keys[0].born_ms >= TLS_TICKET_ROTATE_MS)
		rotate(t, now_ms);
	for (unsigned i = 0; i < t->n_keys && !found; i++) {
		if (name && memcmp(t->keys[i].name, name, sizeof(t->keys[i].name)) != 0)
			continue;
		*out = t->keys[i];
		*newest = i == 0;
		found = true;
	}
	pthread_mutex_unlock(&t->lock);
	return found && now_ms - out->born_ms < TLS_TICKET_ROTATE_MS * TLS_TICKET_KEYS;
}

static bool set_mac_key(EVP_MAC_CTX *mac, struct key *k)
{
	char sha256[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, sizeof(k->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int tls_tickets_crypt(struct tls_tickets *t, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	struct key k;
	bool newest = false, ok;
	if (!find_key(t, encrypt ? NULL : name, &k, &newest))
		return 0;
	if (encrypt) {
		memcpy(name, k.name, sizeof(k.name));
		ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
		     EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1;
	} else {
		ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv) == 1;
	}
	ok = ok && set_mac_key(mac, &k);
	OPENSSL_cleanse(&k, sizeof(k));
	if (!ok)
		return -1;
	return newest ? 1 : 2; /* 2: good, but give the client a ticket under the current key */
}
