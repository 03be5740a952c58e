/* ANONYMOUS (RFC 4505): one message, which may hold trace information: an address or a token. We keep none of it. */
#include "proto/sasl/machine.h"

#define TRACE_MAX_CHARS 255

static size_t count_chars(struct str s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* An absent message is taken at once: the trace is optional, and clients in use do not expect an empty challenge here. */
enum sasl_step anonymous_first(struct str in, enum sasl_error *error)
{
	if (in.len && (memchr(in.p, 0, in.len) || count_chars(in) > TRACE_MAX_CHARS))
		return sasl_refuse(SASL_MALFORMED_REQUEST, error);
	return SASL_DONE;
}
