#include "proto/addr/precis_class.h"

#include <string.h>
#include <unictype.h>
#include <uninorm.h>

#define LETTER_DIGITS                                                                                               \
	(UC_CATEGORY_MASK_Ll | UC_CATEGORY_MASK_Lu | UC_CATEGORY_MASK_Lo | UC_CATEGORY_MASK_Nd | UC_CATEGORY_MASK_Lm | \
	 UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc)
#define OTHER_LETTER_DIGITS (UC_CATEGORY_MASK_Lt | UC_CATEGORY_MASK_Nl | UC_CATEGORY_MASK_No | UC_CATEGORY_MASK_Me)
#define CCC_VIRAMA          9

/* RFC 8264 section 9.6 (which takes over RFC 5892 section 2.6). */
static const struct exception {
	uint32_t first, last;
	enum precis_value value;
} exceptions[] = {
	{ 0x00b7, 0x00b7, PRECIS_CONTEXTO },   { 0x00df, 0x00df, PRECIS_PVALID },     { 0x0375, 0x0375, PRECIS_CONTEXTO },
	{ 0x03c2, 0x03c2, PRECIS_PVALID },     { 0x05f3, 0x05f4, PRECIS_CONTEXTO },   { 0x0640, 0x0640, PRECIS_DISALLOWED },
	{ 0x0660, 0x0669, PRECIS_CONTEXTO },   { 0x06f0, 0x06f9, PRECIS_CONTEXTO },   { 0x06fd, 0x06fe, PRECIS_PVALID },
	{ 0x07fa, 0x07fa, PRECIS_DISALLOWED }, { 0x0f0b, 0x0f0b, PRECIS_PVALID },     { 0x3007, 0x3007, PRECIS_PVALID },
	{ 0x302e, 0x302f, PRECIS_DISALLOWED }, { 0x3031, 0x3035, PRECIS_DISALLOWED }, { 0x303b, 0x303b, PRECIS_DISALLOWED },
	{ 0x30fb, 0x30fb, PRECIS_CONTEXTO },
};

static const struct exception *exception_of(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (cp >= exceptions[i].first && cp <= exceptions[i].last)
			return &exceptions[i];
	return NULL;
}

/* RFC 8264 section 9.9: Hangul_Syllable_Type L, V or T. Unicode's stability policy keeps these blocks closed. */
static bool is_old_hangul_jamo(uint32_t cp)
{
	return (cp >= 0x1100 && cp <= 0x11ff) || (cp >= 0xa960 && cp <= 0xa97c) || (cp >= 0xd7b0 && cp <= 0xd7c6) ||
	       (cp >= 0xd7cb && cp <= 0xd7fb);
}

/* RFC 8264 section 9.17: differs from its own compatibility normalisation. */
static bool has_compat(uint32_t cp)
{
	uint32_t space[32], *r;
	size_t len = sizeof(space) / sizeof(*space);
	r = u32_normalize(UNINORM_NFKC, &cp, 1, space, &len);
	/* The longest NFKC form in Unicode has 18 code points: r is always `space`. */
	return r != space || len != 1 || space[0] != cp;
}

enum precis_value precis_class_value(uint32_t cp)
{
	if (cp >= 0x21 && cp <= 0x7e)
		return PRECIS_PVALID;
	const struct exception *e = exception_of(cp);
	if (e)
		return e->value;
	if (uc_is_property_not_a_character(cp))
		return PRECIS_DISALLOWED;
	if (uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_Cn))
		return PRECIS_UNASSIGNED;
	if (cp == 0x200c || cp == 0x200d)
		return PRECIS_CONTEXTJ;
	if (is_old_hangul_jamo(cp) || uc_is_property_default_ignorable_code_point(cp) ||
	    uc_is_general_category_withtable(cp, UC_CATEGORY_MASK_Cc))
		return PRECIS_DISALLOWED;
	if (has_compat(cp))
		return PRECIS_FREE_PVAL;
	if (uc_is_general_category_withtable(cp, LETTER_DIGITS))
		return PRECIS_PVALID;
	if (uc_is_general_category_withtable(
		    cp, OTHER_LETTER_DIGITS | UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S | UC_CATEGORY_MASK_P))
		return PRECIS_FREE_PVAL;
	return PRECIS_DISALLOWED;
}

/* ---- RFC 5892 appendix A ---- */

/* A.1: (Joining_Type:{L,D})(T)* ZWNJ (T)*(Joining_Type:{R,D}). Each ZWNJ walks over the T around it only up to the next ZWNJ's (it is U
 * itself), so that a string costs linear time in all. */
static bool joins_around(const uint32_t *cp, size_t n, size_t at)
{
	size_t i = at;
	int type = UC_JOINING_TYPE_T;
	while (i > 0 && type == UC_JOINING_TYPE_T)
		type = uc_joining_type(cp[--i]);
	if (type != UC_JOINING_TYPE_L && type != UC_JOINING_TYPE_D)
		return false;
	type = UC_JOINING_TYPE_T;
	for (i = at + 1; i < n && type == UC_JOINING_TYPE_T; i++)
		type = uc_joining_type(cp[i]);
	return type == UC_JOINING_TYPE_R || type == UC_JOINING_TYPE_D;
}

static bool contextj(const uint32_t *cp, size_t n, size_t at)
{
	if (at > 0 && uc_combining_class(cp[at - 1]) == CCC_VIRAMA)
		return true; /* A.1 and A.2 */
	return cp[at] == 0x200c && joins_around(cp, n, at);
}

static bool is_script(uint32_t cp, const char *name)
{
	const uc_script_t *script = uc_script(cp);
	return script && strcmp(script->name, name) == 0;
}

/* What the rules ask about the string as a whole, looked up once: A.7 to A.9. */
struct whole {
	bool kana_or_han, arabic_indic, extended_arabic_indic;
};

static struct whole whole_of(const uint32_t *cp, size_t n)
{
	struct whole w = { false, false, false };
	for (size_t i = 0; i < n; i++) {
		w.arabic_indic |= cp[i] >= 0x0660 && cp[i] <= 0x0669;
		w.extended_arabic_indic |= cp[i] >= 0x06f0 && cp[i] <= 0x06f9;
		if (!w.kana_or_han && cp[i] >= 0x2e80)
			w.kana_or_han = is_script(cp[i], "Hiragana") || is_script(cp[i], "Katakana") || is_script(cp[i], "Han");
	}
	return w;
}

static bool contexto(const struct whole *w, const uint32_t *cp, size_t n, size_t at)
{
	switch (cp[at]) {
	case 0x00b7: /* A.3 middle dot: between two l */
		return at > 0 && cp[at - 1] == 'l' && at + 1 < n && cp[at + 1] == 'l';
	case 0x0375: /* A.4 Greek lower numeral sign */
		return at + 1 < n && is_script(cp[at + 1], "Greek");
	case 0x05f3: /* A.5, A.6 geresh and gershayim */
	case 0x05f4:
		return at > 0 && is_script(cp[at - 1], "Hebrew");
	case 0x30fb: /* A.7 katakana middle dot */
		return w->kana_or_han;
	default: /* A.8, A.9: never both kinds of digits */
		return !(w->arabic_indic && w->extended_arabic_indic);
	}
}

bool precis_class_allows(enum precis_class class, const uint32_t *cp, size_t n)
{
	struct whole whole = whole_of(cp, n);
	for (size_t i = 0; i < n; i++) {
		bool ok = false;
		switch (precis_class_value(cp[i])) {
		case PRECIS_PVALID:
			ok = true;
			break;
		case PRECIS_FREE_PVAL:
			ok = class == PRECIS_FREEFORM;
			break;
		case PRECIS_CONTEXTJ:
			ok = contextj(cp, n, i);
			break;
		case PRECIS_CONTEXTO:
			ok = contexto(&whole, cp, n, i);
			break;
		case PRECIS_DISALLOWED:
		case PRECIS_UNASSIGNED:
			break;
		}
		if (!ok)
			return false;
	}
	return true;
}
