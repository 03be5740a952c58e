/*
 * load_sasl.h: the client's side of PLAIN and SCRAM-SHA-1 (RFC 4616, RFC 5802), enough to log in and cheap to repeat.
 *
 * The salted password is kept per account: servers give an account the same salt each time, and 4096 rounds of HMAC per login would
 * make the load tool the slower of the two.
 */
#ifndef TESTS_BENCH_LOAD_SASL_H
#define TESTS_BENCH_LOAD_SASL_H

#include <stddef.h>

enum { SASL_TEXT = 768 };

/* What is kept of an account between logins. Zeroed at first. */
struct load_key {
	char salt[128];
	int rounds;
	unsigned char salted[20];
};
/* One exchange. Its texts are NUL-terminated. */
struct load_scram {
	char nonce[40];
	char first_bare[128];
};

/* All write NUL-terminated base64 into out[SASL_TEXT]. */
void load_plain(const char *user, const char *password, char out[SASL_TEXT]);
void load_scram_first(struct load_scram *s, const char *user, char out[SASL_TEXT]);
/* Answers the server's challenge (base64, n characters). Returns 0, or -1 when it makes no sense. */
int load_scram_final(struct load_scram *s, struct load_key *key, const char *password, const char *challenge, size_t n,
		     char out[SASL_TEXT]);

#endif
