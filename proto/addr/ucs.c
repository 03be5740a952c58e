#include "proto/addr/ucs.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>
#include <unistr.h>

enum err ucs_decode(struct ucs *u, struct str s)
{
	if (s.len > UCS_MAX)
		return ERR_LIMIT;
	u->len = UCS_MAX;
	uint32_t *r = u8_to_u32((const uint8_t *)s.p, s.len, u->cp, &u->len);
	if (r == u->cp)
		return ERR_NONE;
	u->len = 0; /* never longer than the bytes: NULL, so it is not UTF-8 */
	free(r);
	return ERR_INVALID;
}

enum err ucs_encode(struct arena *a, const struct ucs *u, struct str s, struct str *out)
{
	uint8_t bytes[UCS_PART_MAX];
	size_t len = sizeof(bytes);
	if (u->len == 0)
		return ERR_INVALID;
	uint8_t *r = u32_to_u8(u->cp, u->len, bytes, &len);
	if (r != bytes) {
		free(r);
		return r ? ERR_LIMIT : ERR_INVALID;
	}
	struct str made = { (const char *)bytes, len };
	*out = str_eq(made, s) ? s : arena_str(a, made);
	return ERR_NONE;
}

void ucs_map_width(struct ucs *u)
{
	for (size_t i = 0; i < u->len; i++) {
		uint32_t cp = u->cp[i], mapped[UC_DECOMPOSITION_MAX_LENGTH];
		int tag;
		/* All of them lie here (UnicodeData.txt): others need no lookup. */
		if (cp != 0x3000 && (cp < 0xff01 || cp > 0xffee))
			continue;
		if (uc_decomposition(cp, &tag, mapped) == 1 && (tag == UC_DECOMP_WIDE || tag == UC_DECOMP_NARROW))
			u->cp[i] = mapped[0];
	}
}

/* Takes a result of libunistring back into the array. */
static enum err take(struct ucs *u, uint32_t *r, uint32_t *space, size_t len)
{
	if (r != space) {
		free(r);
		return r ? ERR_LIMIT : ERR_INVALID;
	}
	memcpy(u->cp, space, len * sizeof(*space));
	u->len = len;
	return ERR_NONE;
}

enum err ucs_lower_nfc(struct ucs *u)
{
	uint32_t space[UCS_MAX];
	size_t len = UCS_MAX;
	uint32_t *r = u32_tolower(u->cp, u->len, NULL, UNINORM_NFC, space, &len);
	return take(u, r, space, len);
}

enum err ucs_nfc(struct ucs *u)
{
	uint32_t space[UCS_MAX];
	size_t len = UCS_MAX;
	uint32_t *r = u32_normalize(UNINORM_NFC, u->cp, u->len, space, &len);
	return take(u, r, space, len);
}
