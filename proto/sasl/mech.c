#include "proto/sasl/sasl.h"

static const struct {
	struct str name;
	bool scram, plus;
	enum sasl_hash hash;
} mechs[MECH_COUNT] = {
	[MECH_SCRAM_SHA_512_PLUS] = { STR_INIT("SCRAM-SHA-512-PLUS"), true, true, SASL_SHA512 },
	[MECH_SCRAM_SHA_512] = { STR_INIT("SCRAM-SHA-512"), true, false, SASL_SHA512 },
	[MECH_SCRAM_SHA_256_PLUS] = { STR_INIT("SCRAM-SHA-256-PLUS"), true, true, SASL_SHA256 },
	[MECH_SCRAM_SHA_256] = { STR_INIT("SCRAM-SHA-256"), true, false, SASL_SHA256 },
	[MECH_SCRAM_SHA_1_PLUS] = { STR_INIT("SCRAM-SHA-1-PLUS"), true, true, SASL_SHA1 },
	[MECH_SCRAM_SHA_1] = { STR_INIT("SCRAM-SHA-1"), true, false, SASL_SHA1 },
	[MECH_PLAIN] = { STR_INIT("PLAIN"), false, false, SASL_SHA1 },
	[MECH_ANONYMOUS] = { STR_INIT("ANONYMOUS"), false, false, SASL_SHA1 },
};

static const struct str bindings[CB_COUNT] = {
	[CB_TLS_EXPORTER] = STR_INIT("tls-exporter"),
	[CB_TLS_SERVER_END_POINT] = STR_INIT("tls-server-end-point"),
	[CB_TLS_UNIQUE] = STR_INIT("tls-unique"),
};

struct str sasl_mech_name(enum sasl_mech m)
{
	return (unsigned)m < MECH_COUNT ? mechs[m].name : STR_NONE;
}

enum sasl_mech sasl_mech_from_name(struct str name)
{
	for (int m = MECH_NONE + 1; m < MECH_COUNT; m++)
		if (str_eq(mechs[m].name, name))
			return (enum sasl_mech)m;
	return MECH_NONE;
}

bool sasl_mech_is_plus(enum sasl_mech m)
{
	return (unsigned)m < MECH_COUNT && mechs[m].plus;
}

bool sasl_mech_hash(enum sasl_mech m, enum sasl_hash *hash)
{
	if ((unsigned)m >= MECH_COUNT || !mechs[m].scram)
		return false;
	*hash = mechs[m].hash;
	return true;
}

struct str sasl_cb_name(enum sasl_cb cb)
{
	return (unsigned)cb < CB_COUNT ? bindings[cb] : STR_NONE;
}
