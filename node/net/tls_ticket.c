#include "node/net/tls_ticket.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/err.h"

#define KEYS (TLS_TICKET_KEYS + 1)

struct key {
	unsigned char name[16], cipher[32], mac[32];
	uint64_t born_ms;
};

struct tls_tickets {
	_Atomic uint32_t refs;
	uint64_t (*now_ms)(void);
	pthread_mutex_t lock;
	bool shared;                      /* keys are derived from `secret`: keys[0] is the one of the time to come */
	unsigned char secret[TLS_TICKET_SECRET];
	unsigned n_keys;
	struct key keys[KEYS];            /* the newest first */
};

static uint64_t read_ms(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t boot_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}

static uint64_t wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

/* The key of a span of time, the same wherever the secret is: HKDF-SHA256 (RFC 5869). */
static void derive(const struct tls_tickets *t, uint64_t span, struct key *k)
{
	static const char purpose[] = "starling session tickets";
	unsigned char info[sizeof(purpose) - 1 + 8], out[sizeof(k->name) + sizeof(k->cipher) + sizeof(k->mac)];
	memcpy(info, purpose, sizeof(purpose) - 1);
	for (unsigned i = 0; i < 8; i++)
		info[sizeof(purpose) - 1 + i] = (unsigned char)(span >> (56 - 8 * i));
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)t->secret, sizeof(t->secret)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof(info)),
		OSSL_PARAM_construct_end(),
	};
	BUG_ON(!ctx || EVP_KDF_derive(ctx, out, sizeof(out), params) != 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	memcpy(k->name, out, sizeof(k->name));
	memcpy(k->cipher, out + sizeof(k->name), sizeof(k->cipher));
	memcpy(k->mac, out + sizeof(k->name) + sizeof(k->cipher), sizeof(k->mac));
	k->born_ms = span * TLS_TICKET_ROTATE_MS;
	OPENSSL_cleanse(out, sizeof(out));
}

/* Of the span to come, the current one, and those whose tickets may live. Also when the clock was set back. */
static void derive_all(struct tls_tickets *t, uint64_t now_ms)
{
	uint64_t span = now_ms / TLS_TICKET_ROTATE_MS;
	if (t->n_keys && t->keys[1].born_ms == span * TLS_TICKET_ROTATE_MS)
		return;
	t->n_keys = 0;
	for (unsigned i = 0; i < KEYS && i <= span + 1; i++)
		derive(t, span + 1 - i, &t->keys[t->n_keys++]);
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

/* With the lock, or before anybody else has it. */
static void refresh(struct tls_tickets *t, uint64_t now_ms)
{
	if (t->shared)
		derive_all(t, now_ms);
	else if (!t->n_keys || now_ms - t->keys[0].born_ms >= TLS_TICKET_ROTATE_MS)
		rotate(t, now_ms);
}

struct tls_tickets *tls_tickets_new(const uint8_t *secret, uint64_t (*now_ms)(void))
{
	struct tls_tickets *t = xzalloc(sizeof(*t));
	atomic_init(&t->refs, 1);
	t->shared = secret != NULL;
	if (secret)
		memcpy(t->secret, secret, sizeof(t->secret));
	t->now_ms = now_ms ? now_ms : secret ? wall_ms : boot_ms;
	pthread_mutex_init(&t->lock, NULL);
	refresh(t, t->now_ms());
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
	OPENSSL_cleanse(t->secret, sizeof(t->secret));
	free(t);
}

/* The current key, or the one of that name; a copy, to be wiped. *renew: it is an older one. False: unknown or too old. */
static bool find_key(struct tls_tickets *t, const unsigned char *name, struct key *out, bool *renew)
{
	bool found = false;
	uint64_t now_ms = t->now_ms();
	pthread_mutex_lock(&t->lock);
	refresh(t, now_ms);
	unsigned current = t->shared;
	for (unsigned i = name ? 0 : current; i < t->n_keys && !found; i++) {
		if (name && memcmp(t->keys[i].name, name, sizeof(t->keys[i].name)) != 0)
			continue;
		*out = t->keys[i];
		*renew = i > current;
		found = true;
	}
	pthread_mutex_unlock(&t->lock);
	return found && now_ms < out->born_ms + TLS_TICKET_ROTATE_MS * TLS_TICKET_KEYS;
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

int tls_tickets_crypt(struct tls_tickets *t, int version, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
		      int encrypt)
{
	struct key k;
	bool renew = false, ok;
	if ((t->shared && version < TLS1_3_VERSION) || !find_key(t, encrypt ? NULL : name, &k, &renew))
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
	return renew ? 2 : 1; /* 2: good, but give the client a ticket under the current key */
}
