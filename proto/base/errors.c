#include "proto/base/errors.h"

#define X3(e, name, type) [STANZA_##e] = STR_INIT(name),
static const struct str stanza_names[STANZA_ERROR_COUNT] = { STANZA_ERRORS(X3) };
#undef X3
#define X3(e, name, type) [STANZA_##e] = STR_INIT(type),
static const struct str stanza_types[STANZA_ERROR_COUNT] = { STANZA_ERRORS(X3) };
#undef X3
#define X2(e, name) [STREAM_##e] = STR_INIT(name),
static const struct str stream_names[STREAM_ERROR_COUNT] = { STREAM_ERRORS(X2) };
#undef X2
#define X2(e, name) [SASL_##e] = STR_INIT(name),
static const struct str sasl_names[SASL_ERROR_COUNT] = { SASL_ERRORS(X2) };
#undef X2

/* The row of e, or of `other` when e is NONE or out of range. */
static struct str row(const struct str *table, unsigned count, unsigned e, unsigned other)
{
	return table[e > 0 && e < count ? e : other];
}

struct str stanza_error_name(enum stanza_error e)
{
	return row(stanza_names, STANZA_ERROR_COUNT, e, STANZA_UNDEFINED_CONDITION);
}

struct str stanza_error_type(enum stanza_error e)
{
	return row(stanza_types, STANZA_ERROR_COUNT, e, STANZA_UNDEFINED_CONDITION);
}

struct str stream_error_name(enum stream_error e)
{
	return row(stream_names, STREAM_ERROR_COUNT, e, STREAM_UNDEFINED_CONDITION);
}

struct str sasl_error_name(enum sasl_error e)
{
	return row(sasl_names, SASL_ERROR_COUNT, e, SASL_NOT_AUTHORIZED);
}

enum stanza_error stanza_error_from_name(struct str name)
{
	for (unsigned e = 1; e < STANZA_ERROR_COUNT; e++)
		if (str_eq(stanza_names[e], name))
			return (enum stanza_error)e;
	return STANZA_ERROR_NONE;
}
