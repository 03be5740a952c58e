/*
 * secret.h: the keys that a cluster's one secret gives: each purpose has its own, and none tells another or the secret. HKDF-SHA256
 * (RFC 5869) with the purpose as info.
 */
#ifndef CLUSTER_SECRET_H
#define CLUSTER_SECRET_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_BYTES 32

/* n at most 255 * 32. The purpose is a literal that is never changed: nodes of one cluster must derive the same. */
void secret_derive(const uint8_t secret[SECRET_BYTES], const char *purpose, void *out, size_t n);

#endif
