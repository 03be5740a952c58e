#include "node/core/last_record.h"

const struct store_space last_space = { "last", STORE_KV };

struct str last_record_format(struct arena *a, int64_t at_ms, struct str status)
{
	return arena_printf(a, "%lld %.*s", (long long)at_ms, STR_ARG(status));
}

bool last_record_parse(struct str text, int64_t *at_ms, struct str *status)
{
	uint64_t at;
	struct str rest = text, stamp = str_cut(&rest, ' ');
	if (!str_to_u64(stamp, &at) || at > INT64_MAX)
		return false;
	*at_ms = (int64_t)at;
	*status = str_present(rest) ? rest : STR("");
	return true;
}
