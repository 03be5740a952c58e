#include "proto/xml/names.h"

#define X(sym, uri) const struct str NS_##sym = STR_INIT(uri);
XML_NAMESPACES(X)
#undef X

static const struct str *const rows[] = {
#define X(sym, uri) &NS_##sym,
	XML_NAMESPACES(X)
#undef X
};

struct str names_find(struct str uri)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i]->len == uri.len && str_eq(*rows[i], uri))
			return *rows[i];
	return STR_NONE;
}
