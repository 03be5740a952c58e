/*
 * encode.h: base64 (RFC 4648 section 4, strict: padding required, no white space, no stray bits), lower-case hex, and XEP-0082 times.
 */
#ifndef PROTO_BASE_ENCODE_H
#define PROTO_BASE_ENCODE_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

/* The result lives in the arena and is NUL-terminated. */
struct str b64_encode(struct arena *a, struct str bytes);
MUST_CHECK enum err b64_decode(struct arena *a, struct str text, struct str *out);
struct str hex_encode(struct arena *a, struct str bytes);
MUST_CHECK enum err hex_decode(struct arena *a, struct str text, struct str *out);

#define STAMP_BYTES 32
/* "2026-11-22T07:17:54Z" with milliseconds when with_ms; `out` has STAMP_BYTES. unix_ms is UTC since 1970. Returns out as a str. */
struct str stamp_format(char out[STAMP_BYTES], int64_t unix_ms, bool with_ms);
/* XEP-0082 DateTime: zone required, fraction optional. */
MUST_CHECK enum err stamp_parse(struct str s, int64_t *unix_ms);

#endif
