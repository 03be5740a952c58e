#include "proto/addr/bidi.h"

#include <unictype.h>

#define BIT(class) (1u << (class))
#define R_AL       (BIT(UC_BIDI_R) | BIT(UC_BIDI_AL))
#define NEUTRAL    (BIT(UC_BIDI_ES) | BIT(UC_BIDI_CS) | BIT(UC_BIDI_ET) | BIT(UC_BIDI_ON) | BIT(UC_BIDI_BN) | BIT(UC_BIDI_NSM))
/* Conditions 2 and 5: what may stand in a right-to-left and in a left-to-right string; 3 and 6: how each may end. */
#define IN_RTL  (R_AL | BIT(UC_BIDI_AN) | BIT(UC_BIDI_EN) | NEUTRAL)
#define IN_LTR  (BIT(UC_BIDI_L) | BIT(UC_BIDI_EN) | NEUTRAL)
#define END_RTL (R_AL | BIT(UC_BIDI_AN) | BIT(UC_BIDI_EN))
#define END_LTR (BIT(UC_BIDI_L) | BIT(UC_BIDI_EN))

_Static_assert(UC_BIDI_NSM < 32 && UC_BIDI_ON < 32 && UC_BIDI_BN < 32 && UC_BIDI_AL < 32, "classes fit a word");

static unsigned class_bit(uint32_t cp) { return BIT(uc_bidi_class(cp)); }

bool bidi_is_rtl(const uint32_t *cp, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (class_bit(cp[i]) & (R_AL | BIT(UC_BIDI_AN)))
			return true;
	return false;
}

bool bidi_rule(const uint32_t *cp, size_t n)
{
	unsigned all = 0, last = 0;
	if (n == 0)
		return true;
	unsigned first = class_bit(cp[0]);
	for (size_t i = 0; i < n; i++) {
		unsigned bit = class_bit(cp[i]);
		all |= bit;
		if (bit != BIT(UC_BIDI_NSM))
			last = bit;
	}
	if (first & R_AL) { /* condition 1 */
		bool both_digits = (all & BIT(UC_BIDI_EN)) && (all & BIT(UC_BIDI_AN)); /* condition 4 */
		return !(all & ~IN_RTL) && (last & END_RTL) && !both_digits;
	}
	return (first & BIT(UC_BIDI_L)) && !(all & ~IN_LTR) && (last & END_LTR);
}
