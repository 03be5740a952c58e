#include "proto/addr/precis.h"

#include "proto/addr/ascii.h"
#include "proto/addr/bidi.h"
#include "proto/addr/precis_class.h"
#include "proto/addr/ucs.h"

#include <unictype.h>

/* RFC 8264 section 7: rules are applied until the text is stable, at most three times more than once. */
#define APPLY_MAX 4

static enum err lower_ascii(struct arena *a, struct str s, struct str *out)
{
	struct str copy = arena_str(a, s);
	char *p = (char *)(uintptr_t)copy.p;
	for (size_t i = 0; i < s.len; i++)
		if (ascii_table[(unsigned char)p[i]] & ASCII_UPPER)
			p[i] = (char)(p[i] + ('a' - 'A'));
	*out = copy;
	return ERR_NONE;
}

/* UsernameCaseMapped, RFC 8265 section 3.3: the width rule comes before the class, so that HasCompat does not refuse fullwidth forms. */
static enum err apply_username(struct ucs *u)
{
	ucs_map_width(u);
	if (!precis_class_allows(PRECIS_IDENTIFIER, u->cp, u->len))
		return ERR_INVALID;
	enum err err = ucs_lower_nfc(u);
	if (err)
		return err;
	return bidi_is_rtl(u->cp, u->len) && !bidi_rule(u->cp, u->len) ? ERR_INVALID : ERR_NONE;
}

/* OpaqueString, RFC 8265 section 4.2: no width, case or directionality rule. */
static enum err apply_opaque(struct ucs *u)
{
	if (!precis_class_allows(PRECIS_FREEFORM, u->cp, u->len))
		return ERR_INVALID;
	for (size_t i = 0; i < u->len; i++)
		if (u->cp[i] > 0x7f && uc_is_general_category_withtable(u->cp[i], UC_CATEGORY_MASK_Zs))
			u->cp[i] = ' ';
	return ucs_nfc(u);
}

static enum err apply_until_stable(struct arena *a, struct str s, enum err (*apply)(struct ucs *), struct str *out)
{
	struct ucs now, before;
	enum err err = ucs_decode(&now, s);
	if (err)
		return err;
	for (int i = 0; i < APPLY_MAX; i++) {
		before.len = now.len;
		memcpy(before.cp, now.cp, now.len * sizeof(*now.cp));
		if ((err = apply(&now)))
			return err;
		if (ucs_eq(&now, &before))
			return ucs_encode(a, &now, s, out);
	}
	return ERR_INVALID;
}

enum err precis_username(struct arena *a, struct str s, struct str *out)
{
	unsigned has = ascii_scan(s);
	if (has & (ASCII_CONTROL | ASCII_SPACE) || s.len == 0)
		return ERR_INVALID;
	if (has & ASCII_HIGH)
		return apply_until_stable(a, s, apply_username, out);
	if (s.len > UCS_PART_MAX)
		return ERR_LIMIT;
	if (has & ASCII_UPPER)
		return lower_ascii(a, s, out);
	*out = s;
	return ERR_NONE;
}

enum err precis_opaque(struct arena *a, struct str s, struct str *out)
{
	unsigned has = ascii_scan(s);
	if (has & ASCII_CONTROL || s.len == 0)
		return ERR_INVALID;
	if (has & ASCII_HIGH)
		return apply_until_stable(a, s, apply_opaque, out);
	if (s.len > UCS_PART_MAX)
		return ERR_LIMIT;
	*out = s;
	return ERR_NONE;
}
