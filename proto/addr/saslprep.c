#include "proto/addr/ascii.h"
#include "proto/addr/precis.h"
#include "proto/addr/ucs.h"

#include <stringprep.h>

/* SASLprep is frozen at Unicode 3.2 (RFC 3454): its tables are GNU Libidn's, since newer ones would prepare some texts differently. */
enum err saslprep(struct arena *a, struct str s, struct str *out)
{
	unsigned has = ascii_scan(s);
	if (has & ASCII_CONTROL || s.len == 0)
		return ERR_INVALID;
	if (!(has & ASCII_HIGH)) {
		if (s.len > UCS_PART_MAX)
			return ERR_LIMIT;
		*out = s;
		return ERR_NONE;
	}
	if (s.len > UCS_MAX)
		return ERR_LIMIT;
	if (!str_is_utf8(s)) /* stringprep would read past a cut sequence */
		return ERR_INVALID;
	char text[UCS_PART_MAX + UCS_MAX + 1];
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	/* "No unassigned": the RFC's stored strings. */
	int rc = stringprep(text, sizeof(text), STRINGPREP_NO_UNASSIGNED, stringprep_saslprep);
	if (rc != STRINGPREP_OK)
		return rc == STRINGPREP_TOO_SMALL_BUFFER ? ERR_LIMIT : ERR_INVALID;
	struct str made = str_of(text);
	if (made.len > UCS_PART_MAX)
		return ERR_LIMIT;
	if (made.len == 0)
		return ERR_INVALID;
	*out = str_eq(made, s) ? s : arena_str(a, made);
	return ERR_NONE;
}
