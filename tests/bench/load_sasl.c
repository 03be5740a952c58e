#include "tests/bench/load_sasl.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHA1_BYTES = 20 };

static void encode(const void *bytes, size_t n, char out[SASL_TEXT])
{
	/* Four characters for three bytes: what does not fit is a bug of this file's callers. */
	if (n > SASL_TEXT / 4 * 3 - 3)
		abort();
	EVP_EncodeBlock((unsigned char *)out, bytes, (int)n);
}

/* Returns the number of bytes, or -1. EVP_DecodeBlock counts the padding as bytes. */
static int decode(const char *text, size_t n, unsigned char out[SASL_TEXT])
{
	if (n == 0 || n % 4 || n > SASL_TEXT)
		return -1;
	int got = EVP_DecodeBlock(out, (const unsigned char *)text, (int)n);
	return got < 0 ? -1 : got - (text[n - 1] == '=') - (text[n - 2] == '=');
}

void load_plain(const char *user, const char *password, char out[SASL_TEXT])
{
	char text[256];
	int n = snprintf(text, sizeof(text), "%c%s%c%s", 0, user, 0, password);
	encode(text, (size_t)n, out);
}

void load_scram_first(struct load_scram *s, const char *user, char out[SASL_TEXT])
{
	unsigned char random[12];
	char text[160];
	RAND_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(s->nonce + 2 * i, 3, "%02x", random[i]);
	snprintf(s->first_bare, sizeof(s->first_bare), "n=%.64s,r=%s", user, s->nonce);
	int n = snprintf(text, sizeof(text), "n,,%s", s->first_bare);
	encode(text, (size_t)n, out);
}

static void hmac(const unsigned char *key, const char *text, unsigned char out[SHA1_BYTES])
{
	unsigned int n = SHA1_BYTES;
	HMAC(EVP_sha1(), key, SHA1_BYTES, (const unsigned char *)text, strlen(text), out, &n);
}

/* Fills key->salted, unless it is that of this salt and count already. */
static int salt_password(struct load_key *key, const char *password, const char *salt, int rounds)
{
	unsigned char bytes[SASL_TEXT];
	if (key->rounds == rounds && strcmp(key->salt, salt) == 0)
		return 0;
	int n = decode(salt, strlen(salt), bytes);
	if (n <= 0 || !PKCS5_PBKDF2_HMAC(password, (int)strlen(password), bytes, n, rounds, EVP_sha1(), SHA1_BYTES, key->salted))
		return -1;
	snprintf(key->salt, sizeof(key->salt), "%s", salt);
	key->rounds = rounds;
	return 0;
}

/* "r=...,s=...,i=...": each field up to its comma. */
static int parse_server_first(const char *text, char nonce[128], char salt[128], int *rounds)
{
	return sscanf(text, "r=%127[^,],s=%127[^,],i=%9d", nonce, salt, rounds) == 3 && *rounds > 0 ? 0 : -1;
}

int load_scram_final(struct load_scram *s, struct load_key *key, const char *password, const char *challenge, size_t n, char out[SASL_TEXT])
{
	unsigned char text[SASL_TEXT + 4], client_key[SHA1_BYTES], stored_key[SHA1_BYTES], proof[SHA1_BYTES];
	char nonce[128], salt[128], without_proof[192], signed_text[2 * SASL_TEXT], proof_text[SASL_TEXT], final[512];
	int rounds, got = decode(challenge, n, text);
	unsigned int digest_bytes = SHA1_BYTES;
	if (got <= 0)
		return -1;
	text[got] = 0;
	if (parse_server_first((char *)text, nonce, salt, &rounds) != 0 || strncmp(nonce, s->nonce, strlen(s->nonce)) != 0)
		return -1;
	if (salt_password(key, password, salt, rounds) != 0)
		return -1;
	snprintf(without_proof, sizeof(without_proof), "c=biws,r=%s", nonce);
	snprintf(signed_text, sizeof(signed_text), "%s,%s,%s", s->first_bare, (char *)text, without_proof);
	hmac(key->salted, "Client Key", client_key);
	EVP_Digest(client_key, SHA1_BYTES, stored_key, &digest_bytes, EVP_sha1(), NULL);
	hmac(stored_key, signed_text, proof);
	for (size_t i = 0; i < SHA1_BYTES; i++)
		proof[i] ^= client_key[i];
	encode(proof, SHA1_BYTES, proof_text);
	snprintf(final, sizeof(final), "%s,p=%.40s", without_proof, proof_text);
	encode(final, strlen(final), out);
	return 0;
}
