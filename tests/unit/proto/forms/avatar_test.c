#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/base/buf.h"
#include "proto/forms/avatar.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

static struct elem *vcard_with(struct arena *a, const char *binval)
{
	struct elem *v = elem_new(a, NS_VCARD, STR("vCard"));
	elem_add_text(a, v, STR("FN"), STR("Juliet"));
	if (binval)
		elem_add_text(a, elem_add(a, v, STR_NONE, STR("PHOTO")), STR("BINVAL"), str_of(binval));
	return v;
}

static void assert_written(const struct elem *e, const char *want)
{
	struct buf b;
	buf_init(&b, 10000);
	xml_write(&b, e, NS_CLIENT, false);
	buf_addc(&b, '\0');
	assert_string_equal(b.p, want);
	buf_fini(&b);
}

/* SHA-1 of "abc". */
static const uint8_t abc[AVATAR_HASH_BYTES] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
						0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };

static void hash_is_of_the_image_and_not_of_its_base64(void **state)
{
	struct arena *a = arena_new(0);
	uint8_t hash[AVATAR_HASH_BYTES];
	assert_int_equal(avatar_hash(a, vcard_with(a, "YWJj"), hash), ERR_NONE);
	assert_memory_equal(hash, abc, sizeof abc);
	assert_int_equal(avatar_hash(a, vcard_with(a, "\n  YW\r\n\tJj "), hash), ERR_NONE);
	assert_memory_equal(hash, abc, sizeof abc);
	arena_free(a);
}

static void hash_of_no_photo_is_not_found(void **state)
{
	struct arena *a = arena_new(0);
	uint8_t hash[AVATAR_HASH_BYTES];
	assert_int_equal(avatar_hash(a, vcard_with(a, NULL), hash), ERR_NOT_FOUND);
	assert_int_equal(avatar_hash(a, vcard_with(a, ""), hash), ERR_NOT_FOUND);
	assert_int_equal(avatar_hash(a, vcard_with(a, "not base64!"), hash), ERR_NOT_FOUND);
	arena_free(a);
}

static void hash_is_put_into_presence(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *p = elem_new(a, NS_CLIENT, STR("presence"));
	elem_add_text(a, p, STR("show"), STR("away"));
	assert_written(avatar_put(a, p, abc), "<presence><show>away</show><x xmlns='vcard-temp:x:update'>"
					      "<photo>a9993e364706816aba3e25717850c26c9cd0d89d</photo></x></presence>");
	assert_written(p, "<presence><show>away</show></presence>");
	arena_free(a);
}

static void what_the_client_said_is_replaced(void **state)
{
	struct arena *a = arena_new(0);
	struct elem *p = elem_new(a, NS_CLIENT, STR("presence"));
	elem_add(a, p, NS_VCARD_UPDATE, STR("x"));
	elem_add_text(a, elem_add(a, p, NS_VCARD_UPDATE, STR("x")), STR("photo"), STR("old"));
	assert_written(avatar_put(a, p, NULL), "<presence><x xmlns='vcard-temp:x:update'><photo/></x></presence>");
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_of_the_image_and_not_of_its_base64),
		cmocka_unit_test(hash_of_no_photo_is_not_found),
		cmocka_unit_test(hash_is_put_into_presence),
		cmocka_unit_test(what_the_client_said_is_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
