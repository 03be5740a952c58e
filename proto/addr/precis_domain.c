#include "proto/addr/ascii.h"
#include "proto/addr/bidi.h"
#include "proto/addr/ip.h"
#include "proto/addr/precis.h"
#include "proto/addr/ucs.h"

#include <idn2.h>
#include <stdlib.h>
#include <unicase.h>

#define LABEL_MAX 63

static bool is_alabel(const char *label, size_t len)
{
	return len >= 4 && memcmp(label, "xn--", 4) == 0;
}

static bool ldh_or_high(struct str s) { return !(ascii_scan(s) & (ASCII_NOT_LDH | ASCII_UPPER)); }

/* Labels of at most 63 bytes, none empty, no hyphen at either end; A-labels too if `alabels`.
 * The bytes are known to be LDH or not ASCII. */
static bool labels_ok(struct str s, bool alabels)
{
	size_t start = 0;
	for (size_t i = 0; i <= s.len; i++) {
		if (i < s.len && s.p[i] != '.')
			continue;
		size_t len = i - start;
		if (len == 0 || s.p[start] == '-' || s.p[i - 1] == '-')
			return false;
		/* An IDN label's length counts in its A-label form, which libidn2 checks. */
		if (!alabels && (len > LABEL_MAX || is_alabel(s.p + start, len)))
			return false;
		start = i + 1;
	}
	return true;
}

/* RFC 3986's IP-literal without IPvFuture and zones, in RFC 5952's spelling, so that one address has one domainpart. */
static enum err ipv6(struct arena *a, struct str s, struct str *out)
{
	char text[1 + IP_TEXT_BYTES + 1] = "[";
	struct ip ip;
	if (s.len < 3 || s.p[s.len - 1] != ']' || ip_parse_v6(str_span(s.p + 1, s.len - 2), &ip))
		return ERR_INVALID;
	struct str made = { text, 1 + ip_format_v6(text + 1, &ip).len };
	text[made.len++] = ']';
	*out = str_eq(made, s) ? s : arena_str(a, made);
	return ERR_NONE;
}

/* RFC 7622 section 3.2.2 with RFC 5895's mapping: width, lower case, NFC, and the other full stops. One code point at a time, so that
 * a capital sigma is a small sigma wherever it stands, as it is for resolvers (UTS 46), not a final one at the end of a label. */
static enum err map_domain(struct ucs *u)
{
	struct ucs lower;
	lower.len = 0;
	ucs_map_width(u);
	for (size_t i = 0; i < u->len; i++) {
		uint32_t one[8], *r;
		size_t n = sizeof(one) / sizeof(*one);
		if (u->cp[i] == 0x3002)
			u->cp[i] = '.';
		r = u32_tolower(&u->cp[i], 1, NULL, NULL, one, &n);
		BUG_ON(r != one); /* at most three code points (SpecialCasing.txt) */
		if (lower.len + n > UCS_MAX)
			return ERR_LIMIT;
		memcpy(lower.cp + lower.len, one, n * sizeof(*one));
		lower.len += n;
	}
	u->len = lower.len;
	memcpy(u->cp, lower.cp, lower.len * sizeof(*lower.cp));
	return ucs_nfc(u);
}

/* RFC 5893: when one label is right-to-left, the rule is for every label. */
static bool bidi_ok(const struct ucs *u)
{
	size_t start = 0;
	if (!bidi_is_rtl(u->cp, u->len))
		return true;
	for (size_t i = 0; i <= u->len; i++) {
		if (i < u->len && u->cp[i] != '.')
			continue;
		if (!bidi_rule(u->cp + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

/* `z` is mapped and NUL-terminated: IDNA2008 (RFC 5891 section 5) to A-labels and back, which proves the U-labels. No UTS 46 in libidn2: it
 * would allow what IDNA2008 does not (symbols) and map more than RFC 7622 does. */
static enum err u_labels(struct arena *a, const char *z, struct str *out)
{
	uint8_t *ascii = NULL;
	char *unicode = NULL;
	struct ucs u, again;
	enum err err = ERR_INVALID;
	if (idn2_lookup_u8((const uint8_t *)z, &ascii, IDN2_NO_TR46 | IDN2_NFC_INPUT) != IDN2_OK)
		goto out;
	if (idn2_to_unicode_8z8z((const char *)ascii, &unicode, 0) != IDN2_OK)
		goto out;
	/* What an A-label hides is checked as if it had been said openly: hyphens at an end, which libidn2 lets pass, ... */
	if (!ldh_or_high(str_of(unicode)) || !labels_ok(str_of(unicode), true) || ucs_decode(&u, str_of(unicode)))
		goto out;
	again.len = u.len;
	memcpy(again.cp, u.cp, u.len * sizeof(*u.cp));
	/* ... and what our mapping would change: such a name would not be its own canonical form. */
	if (map_domain(&again) || !ucs_eq(&u, &again) || !bidi_ok(&u))
		goto out;
	err = ucs_encode(a, &u, STR_NONE, out);
out:
	idn2_free(ascii);
	idn2_free(unicode);
	return err;
}

/* `rooted`: the one trailing dot that is allowed has been cut already; else it may still come from another full stop. */
static enum err slow(struct arena *a, struct str s, bool rooted, struct str *out)
{
	struct ucs u;
	struct str mapped;
	enum err err = ucs_decode(&u, s);
	if (err)
		return err;
	if ((err = map_domain(&u)))
		return err;
	if (!rooted && u.len > 0 && u.cp[u.len - 1] == '.')
		u.len--;
	if ((err = ucs_encode(a, &u, STR_NONE, &mapped)))
		return err;
	if (!ldh_or_high(mapped) || !labels_ok(mapped, true))
		return ERR_INVALID;
	if (!(ascii_scan(mapped) & ASCII_HIGH) && labels_ok(mapped, false)) {
		*out = mapped;
		return ERR_NONE;
	}
	/* arena_str put a NUL behind it, and there is none inside: that is not LDH. */
	struct str made;
	if ((err = u_labels(a, mapped.p, &made)))
		return err;
	*out = str_eq(made, s) ? s : made;
	return ERR_NONE;
}

enum err precis_domain(struct arena *a, struct str s, struct str *out)
{
	bool rooted = s.len > 0 && s.p[s.len - 1] == '.';
	if (rooted) /* RFC 7622 section 3.2: before anything else */
		s.len--;
	if (s.len == 0)
		return ERR_INVALID;
	if (s.p[0] == '[')
		return ipv6(a, s, out);
	unsigned has = ascii_scan(s);
	if (has & ASCII_NOT_LDH)
		return ERR_INVALID;
	if (has & (ASCII_HIGH | ASCII_UPPER) || !labels_ok(s, false))
		return slow(a, s, rooted, out);
	if (s.len > UCS_PART_MAX)
		return ERR_LIMIT;
	*out = s; /* an IPv4 address, too, is LDH */
	return ERR_NONE;
}
