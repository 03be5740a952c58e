#include "proto/forms/hints.h"

#include "proto/xml/names.h"

unsigned hints_read(const struct elem *message)
{
	static const struct {
		const char *name;
		enum hint hint;
	} rows[] = {
		{ "no-store", HINT_NO_STORE },
		{ "no-storage", HINT_NO_STORE }, /* as early versions of the XEP had it */
		{ "no-permanent-store", HINT_NO_PERMANENT_STORE },
		{ "no-permanent-storage", HINT_NO_PERMANENT_STORE },
		{ "no-copy", HINT_NO_COPY },
		{ "store", HINT_STORE },
	};
	unsigned bits = 0;
	for (const struct elem *c = elem_first(message); c; c = elem_next(c))
		for (size_t i = 0; str_eq(c->ns, NS_HINTS) && i < sizeof rows / sizeof *rows; i++)
			if (str_is(c->name, rows[i].name))
				bits |= rows[i].hint;
	return bits;
}

bool hints_is_only_state(const struct elem *message)
{
	for (const struct elem *c = elem_first(message); c; c = elem_next(c)) {
		bool beside = str_eq(c->ns, NS_CHATSTATES) || str_eq(c->ns, NS_HINTS) || str_eq(c->ns, NS_STANZA_IDS) ||
			      elem_is(c, NS_CLIENT, "thread");
		if (!beside)
			return false;
	}
	return true;
}
