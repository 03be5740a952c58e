#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/frame.h"

static const struct frame_record sample = {
	.kind = 1, .flags = FRAME_NO_STORE, .ttl = FRAME_TTL, .rule = 3, .osm = 0x1122334455667788, .oseq = 9, .dst_fp = 77, .dst_sid = 88,
	.from = STR_INIT("a@x/r"), .to = STR_INIT("b@y"), .xml = STR_INIT("<message to='b@y'/>"),
};

static void body_of(struct buf *body, unsigned n)
{
	buf_init(body, FRAME_MAX);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(frame_add_record(body, &sample), ERR_NONE);
}

static void frame_of(struct buf *out, unsigned n_records, bool checksum)
{
	struct buf body;
	body_of(&body, n_records);
	struct frame f = { .type = FRAME_DATA,
			   .src_node = 3,
			   .dst_node = 4,
			   .src_epoch = 5,
			   .dst_epoch = 6,
			   .nrec = n_records,
			   .link_seq = 7,
			   .lack = 8,
			   .rack = 9,
			   .hlc = 10,
			   .body = buf_str(&body) };
	buf_init(out, FRAME_MAX);
	frame_write(out, &f, checksum);
	assert_int_equal(buf_status(out), ERR_NONE);
	buf_fini(&body);
}

static void frame_reads_back_what_was_written(void **state)
{
	struct buf b;
	struct frame f;
	struct frame_record r;
	frame_of(&b, 3, true);
	assert_int_equal(frame_read(buf_str(&b), &f), ERR_NONE);
	assert_int_equal(f.type, FRAME_DATA);
	assert_int_equal(f.src_node, 3);
	assert_int_equal(f.dst_node, 4);
	assert_int_equal(f.src_epoch, 5);
	assert_int_equal(f.dst_epoch, 6);
	assert_int_equal(f.link_seq, 7);
	assert_int_equal(f.lack, 8);
	assert_int_equal(f.rack, 9);
	assert_int_equal(f.hlc, 10);
	assert_int_equal(frame_check_records(&f), ERR_NONE);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(frame_next_record(&f.body, &r), ERR_NONE);
		assert_true(str_eq(r.from, sample.from) && str_eq(r.to, sample.to) && str_eq(r.xml, sample.xml));
		assert_int_equal(r.osm, sample.osm);
		assert_int_equal(r.oseq, sample.oseq);
		assert_int_equal(r.ttl, FRAME_TTL);
	}
	assert_int_equal(frame_next_record(&f.body, &r), ERR_NOT_FOUND);
	buf_fini(&b);
}

static void frame_refuses_every_truncation(void **state)
{
	struct buf b;
	struct frame f;
	frame_of(&b, 2, false);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(frame_read(str_span(b.p, n), &f), ERR_INVALID);
	buf_fini(&b);
}

static void frame_refuses_a_changed_body_when_it_has_a_checksum(void **state)
{
	struct buf b;
	struct frame f;
	frame_of(&b, 1, true);
	for (size_t i = FRAME_HEADER; i < b.len; i++) {
		b.p[i] ^= 1;
		assert_int_equal(frame_read(buf_str(&b), &f), ERR_INVALID);
		b.p[i] ^= 1;
	}
	assert_int_equal(frame_read(buf_str(&b), &f), ERR_NONE);
	buf_fini(&b);
}

static void frame_refuses_another_magic_version_and_type(void **state)
{
	static const size_t at[] = { 0, 4, 5 };
	struct buf b;
	struct frame f;
	frame_of(&b, 1, false);
	for (size_t i = 0; i < 3; i++) {
		char before = b.p[at[i]];
		b.p[at[i]] = (char)0xee;
		assert_int_equal(frame_read(buf_str(&b), &f), ERR_INVALID);
		b.p[at[i]] = before;
	}
	buf_fini(&b);
}

static void frame_refuses_a_wrong_count_of_records(void **state)
{
	struct buf b;
	struct frame f;
	frame_of(&b, 2, false);
	assert_int_equal(frame_read(buf_str(&b), &f), ERR_NONE);
	f.nrec = 3;
	assert_int_equal(frame_check_records(&f), ERR_INVALID);
	buf_fini(&b);
}

/* Each length field of a record, set to each of some hostile values, is refused or stays inside the body. */
static void frame_record_lengths_never_reach_outside(void **state)
{
	static const size_t at[] = { 0, 40, 42, 44 };
	static const uint32_t hostile[] = { 0, 1, 47, 49, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff };
	struct buf b;
	struct frame_record r;
	for (size_t i = 0; i < 4; i++) {
		for (size_t k = 0; k < 8; k++) {
			body_of(&b, 1);
			memcpy(b.p + at[i], &hostile[k], i == 1 || i == 2 ? 2 : 4);
			struct str body = buf_str(&b);
			if (frame_next_record(&body, &r) == ERR_NONE)
				assert_true(r.xml.p + r.xml.len <= b.p + b.len);
			buf_fini(&b);
		}
	}
}

static void frame_has_room_for_no_record_past_its_ceiling(void **state)
{
	struct buf b;
	char *big = calloc(1, 70000);
	struct frame_record r = { .xml = str_span(big, 70000) };
	unsigned n = 0;
	buf_init(&b, 2 * FRAME_MAX);
	while (frame_add_record(&b, &r) == ERR_NONE)
		n++;
	assert_true(n == (FRAME_MAX - FRAME_HEADER) / 70048);
	r = (struct frame_record){ .from = str_span(big, 70000) };
	assert_int_equal(frame_add_record(&b, &r), ERR_LIMIT);
	buf_fini(&b);
	free(big);
}

static void crc32c_matches_the_check_value(void **state)
{
	assert_int_equal(crc32c(STR("123456789")), 0xe3069283);
}

/* A bit at a time, as the definition has it: whatever way this processor takes gives the same. */
static void crc32c_is_the_same_at_every_length(void **state)
{
	char bytes[200];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 37 + 11);
	for (size_t n = 0; n <= sizeof bytes - 3; n++) {
		uint32_t c = 0xffffffffu;
		for (size_t i = 0; i < n; i++) {
			c ^= (uint8_t)bytes[3 + i];
			for (int k = 0; k < 8; k++)
				c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1;
		}
		assert_int_equal(crc32c(str_span(bytes + 3, n)), ~c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_reads_back_what_was_written),
		cmocka_unit_test(frame_refuses_every_truncation),
		cmocka_unit_test(frame_refuses_a_changed_body_when_it_has_a_checksum),
		cmocka_unit_test(frame_refuses_another_magic_version_and_type),
		cmocka_unit_test(frame_refuses_a_wrong_count_of_records),
		cmocka_unit_test(frame_record_lengths_never_reach_outside),
		cmocka_unit_test(frame_has_room_for_no_record_past_its_ceiling),
		cmocka_unit_test(crc32c_matches_the_check_value),
		cmocka_unit_test(crc32c_is_the_same_at_every_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
