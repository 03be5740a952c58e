#include "proto/forms/avatar.h"

#include <openssl/evp.h>

#include "proto/base/encode.h"
#include "proto/xml/names.h"

/* Section 4.3: white space inside is to be ignored. */
static struct str without_space(struct arena *a, struct str text)
{
	char *out = arena_alloc(a, text.len);
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++)
		if (!strchr(" \t\r\n", text.p[i]))
			out[n++] = text.p[i];
	return str_span(out, n);
}

enum err avatar_hash(struct arena *a, const struct elem *vcard, uint8_t out[AVATAR_HASH_BYTES])
{
	const struct elem *photo = elem_child(vcard, NS_VCARD, "PHOTO");
	const struct elem *binval = photo ? elem_child(photo, NS_VCARD, "BINVAL") : NULL;
	struct str image = STR_NONE;
	if (!binval || b64_decode(a, without_space(a, elem_text(a, binval)), &image) != ERR_NONE || str_empty(image))
		return ERR_NOT_FOUND;
	BUG_ON(EVP_Digest(image.p, image.len, out, NULL, EVP_sha1(), NULL) != 1);
	return ERR_NONE;
}

struct elem *avatar_put(struct arena *a, const struct elem *presence, const uint8_t *hash)
{
	struct elem *e = elem_reroot(a, presence);
	e->children = NULL;
	e->last_child = NULL;
	for (const struct elem *c = elem_first(presence); c; c = elem_next(c))
		if (!elem_is(c, NS_VCARD_UPDATE, "x"))
			elem_append_shared(a, e, c);
	struct str text = hash ? hex_encode(a, str_span((const char *)hash, AVATAR_HASH_BYTES)) : STR("");
	elem_add_text(a, elem_add(a, e, NS_VCARD_UPDATE, STR("x")), STR("photo"), text);
	return e;
}
