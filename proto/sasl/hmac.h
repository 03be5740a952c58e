/*
 * hmac.h: the three hashes of SCRAM over OpenSSL, for this folder only.
 *
 * Fetching an algorithm by name costs more than running it on a SASL message, so digests and one keyed HMAC context a hash are made once
 * per process and copied for each use. They are never written after that: any thread may call. A failure of OpenSSL here is a bug and
 * aborts.
 */
#ifndef PROTO_SASL_HMAC_H
#define PROTO_SASL_HMAC_H

#include "proto/sasl/sasl.h"

/* 20, 32 or 64. */
size_t hmac_len(enum sasl_hash h);
/* out holds hmac_len(h) bytes in each of these. */
void hmac_sign(enum sasl_hash h, struct str key, struct str text, uint8_t *out);
void hmac_digest(enum sasl_hash h, struct str text, uint8_t *out);
/* RFC 5802's Hi(): slow. */
void hmac_pbkdf2(enum sasl_hash h, struct str password, struct str salt, uint32_t iterations, uint8_t *out);

#endif
