/*
 * avatar.h: the photo of a vCard and its hash in presence (XEP-0153).
 */
#ifndef PROTO_FORMS_AVATAR_H
#define PROTO_FORMS_AVATAR_H

#include "proto/base/err.h"
#include "proto/xml/elem.h"

#define AVATAR_HASH_BYTES 20 /* SHA-1 */

/* Hash of the image in <PHOTO><BINVAL/></PHOTO>. ERR_NOT_FOUND when there is none, or what is there is no base64. */
MUST_CHECK enum err avatar_hash(struct arena *a, const struct elem *vcard, uint8_t out[AVATAR_HASH_BYTES]);
/* A new root around the children of a presence, with one <x xmlns='vcard-temp:x:update'/> that tells this hash (NULL: that there is no
 * photo) and none that was there. In the arena, but for shared subtrees. */
struct elem *avatar_put(struct arena *a, const struct elem *presence, const uint8_t *hash);

#endif
