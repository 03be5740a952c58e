#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cluster/link.h"
#include "proto/base/rng.h"

static struct blob *number(uint32_t n)
{
	return blob_new(str_span((const char *)&n, sizeof n));
}

static enum err send_number(struct link_out *l, uint32_t n)
{
	uint64_t seq;
	struct blob *b = number(n);
	enum err e = link_send(l, b, 1, &seq);
	blob_unref(b);
	return e;
}

static uint32_t number_of(const struct link_frame *f)
{
	uint32_t n;
	memcpy(&n, f->body->data, sizeof n);
	return n;
}

static void drop(struct link_frame *f)
{
	while (f) {
		struct link_frame *next = f->next;
		blob_unref(f->body);
		free(f);
		f = next;
	}
}

static void link_gives_nothing_while_it_is_down(void **state)
{
	struct link_out l;
	link_out_init(&l, 1 << 20, 100);
	assert_int_equal(send_number(&l, 1), ERR_NONE);
	assert_null(link_out_next(&l));
	assert_int_equal(link_out_up(&l, 0), ERR_NONE);
	assert_int_equal(number_of(link_out_next(&l)), 1);
	assert_null(link_out_next(&l));
	link_out_fini(&l);
}

static void link_sends_again_what_the_peer_had_not_taken(void **state)
{
	struct link_out l;
	link_out_init(&l, 1 << 20, 100);
	assert_int_equal(link_out_up(&l, 0), ERR_NONE);
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(send_number(&l, i), ERR_NONE);
	while (link_out_next(&l))
		;
	link_out_down(&l);
	assert_int_equal(send_number(&l, 6), ERR_NONE);
	assert_int_equal(link_out_up(&l, 3), ERR_NONE);
	for (uint32_t i = 4; i <= 6; i++)
		assert_int_equal(number_of(link_out_next(&l)), i);
	assert_null(link_out_next(&l));
	assert_int_equal(l.frames, 3);
	link_out_fini(&l);
}

static void link_survives_an_answer_that_acknowledgements_overtook(void **state)
{
	struct link_out l;
	link_out_init(&l, 1 << 20, 100);
	assert_int_equal(link_out_up(&l, 0), ERR_NONE);
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(send_number(&l, i), ERR_NONE);
	while (link_out_next(&l))
		;
	assert_int_equal(link_acked(&l, 4), ERR_NONE);
	assert_int_equal(link_out_up(&l, 2), ERR_NONE);
	assert_int_equal(number_of(link_out_next(&l)), 5);
	assert_null(link_out_next(&l));
	link_out_fini(&l);
}

static void link_gives_again_what_the_connection_did_not_take(void **state)
{
	struct link_out l;
	link_out_init(&l, 1 << 20, 100);
	assert_int_equal(link_out_up(&l, 0), ERR_NONE);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(send_number(&l, i), ERR_NONE);
	assert_int_equal(number_of(link_out_next(&l)), 1);
	const struct link_frame *f = link_out_next(&l);
	link_out_unsend(&l, f);
	for (uint32_t i = 2; i <= 3; i++)
		assert_int_equal(number_of(link_out_next(&l)), i);
	link_out_unsend(&l, l.oldest->next->next);
	assert_int_equal(number_of(link_out_next(&l)), 3);
	assert_null(link_out_next(&l));
	link_out_fini(&l);
}

static void link_refuses_an_acknowledgement_of_what_was_never_sent(void **state)
{
	struct link_out l;
	link_out_init(&l, 1 << 20, 100);
	assert_int_equal(send_number(&l, 1), ERR_NONE);
	assert_int_equal(link_acked(&l, 2), ERR_INVALID);
	assert_int_equal(link_out_up(&l, 2), ERR_INVALID);
	assert_int_equal(l.frames, 1);
	link_out_fini(&l);
}

static void link_window_bounds_what_is_retained(void **state)
{
	struct link_out l;
	link_out_init(&l, 12, 100);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(send_number(&l, i), ERR_NONE);
	assert_int_equal(send_number(&l, 9), ERR_LIMIT);
	assert_int_equal(link_acked(&l, 1), ERR_NONE);
	assert_int_equal(send_number(&l, 9), ERR_NONE);
	link_out_fini(&l);
	link_out_init(&l, 1 << 20, 2);
	assert_int_equal(send_number(&l, 0), ERR_NONE);
	assert_int_equal(send_number(&l, 1), ERR_NONE);
	assert_int_equal(send_number(&l, 2), ERR_LIMIT);
	link_out_fini(&l);
}

static void link_hands_back_what_a_dead_incarnation_had_not_secured(void **state)
{
	struct link_out l;
	struct link_frame *orphans;
	link_out_init(&l, 1 << 20, 100);
	link_out_epoch(&l, 7, &orphans);
	assert_null(orphans);
	for (uint32_t i = 1; i <= 3; i++)
		assert_int_equal(send_number(&l, i), ERR_NONE);
	assert_int_equal(link_acked(&l, 1), ERR_NONE);
	link_out_epoch(&l, 7, &orphans);
	assert_null(orphans);
	link_out_epoch(&l, 8, &orphans);
	assert_int_equal(number_of(orphans), 2);
	assert_int_equal(number_of(orphans->next), 3);
	assert_int_equal(l.frames, 0);
	assert_int_equal(l.next_seq, 1);
	drop(orphans);
	link_out_fini(&l);
}

static void link_takes_only_the_next_number_of_the_same_incarnation(void **state)
{
	struct link_in in = { 0 };
	link_in_epoch(&in, 5);
	assert_int_equal(link_take(&in, 5, 2), LINK_GAP);
	assert_int_equal(link_take(&in, 5, 1), LINK_TAKE);
	assert_int_equal(link_take(&in, 5, 1), LINK_DUPLICATE);
	assert_int_equal(link_take(&in, 4, 2), LINK_STALE);
	assert_int_equal(link_take(&in, 5, 2), LINK_TAKE);
	link_in_epoch(&in, 6);
	assert_int_equal(link_take(&in, 6, 1), LINK_TAKE);
}

#define WIRE_MAX 64
struct sim {
	struct rng rng;
	struct link_out out;
	struct link_in in;
	uint64_t wire[WIRE_MAX]; /* numbers of frames on their way */
	uint32_t value[WIRE_MAX];
	unsigned on_wire;
	uint32_t sent, received;
};

/* Connections break with whatever is on the wire, and now and then an old one delivers once more after the new one began. */
static void sim_step(struct sim *s)
{
	const struct link_frame *f;
	switch (rng_u64(&s->rng) % 8) {
	case 0:
	case 1:
		if (send_number(&s->out, s->sent + 1) == ERR_NONE)
			s->sent++;
		break;
	case 2:
	case 3:
		if (s->on_wire < WIRE_MAX && (f = link_out_next(&s->out))) {
			s->wire[s->on_wire] = f->seq;
			s->value[s->on_wire++] = number_of(f);
		}
		break;
	case 4:
	case 5:
		if (s->on_wire) {
			if (link_take(&s->in, 1, s->wire[0]) == LINK_TAKE)
				assert_int_equal(s->value[0], ++s->received);
			s->on_wire--;
			memmove(s->wire, s->wire + 1, s->on_wire * sizeof *s->wire);
			memmove(s->value, s->value + 1, s->on_wire * sizeof *s->value);
		}
		break;
	case 6:
		assert_int_equal(link_acked(&s->out, s->in.taken), ERR_NONE);
		break;
	default:
		if (rng_u64(&s->rng) % 4)
			break;
		link_out_down(&s->out);
		s->on_wire = rng_u64(&s->rng) % 3 ? 0 : s->on_wire / 2;
		assert_int_equal(link_out_up(&s->out, s->in.taken), ERR_NONE);
	}
}

static void link_loses_repeats_and_reorders_nothing_whatever_the_connection_does(void **state)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct sim s = { 0 };
		rng_init_seeded(&s.rng, seed);
		link_out_init(&s.out, 64 + rng_u64(&s.rng) % 256, 1 + rng_u64(&s.rng) % 20);
		link_in_epoch(&s.in, 1);
		assert_int_equal(link_out_up(&s.out, 0), ERR_NONE);
		for (int i = 0; i < 500; i++)
			sim_step(&s);
		s.on_wire = 0;
		link_out_down(&s.out);
		assert_int_equal(link_out_up(&s.out, s.in.taken), ERR_NONE);
		for (const struct link_frame *f; (f = link_out_next(&s.out));) {
			assert_int_equal(link_take(&s.in, 1, f->seq), LINK_TAKE);
			assert_int_equal(number_of(f), ++s.received);
		}
		if (s.received != s.sent)
			fail_msg("seed %lu: %u sent, %u received", (unsigned long)seed, s.sent, s.received);
		assert_int_equal(link_acked(&s.out, s.in.taken), ERR_NONE);
		assert_int_equal(s.out.frames, 0);
		assert_int_equal(s.out.bytes, 0);
		link_out_fini(&s.out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link_gives_nothing_while_it_is_down),
		cmocka_unit_test(link_sends_again_what_the_peer_had_not_taken),
		cmocka_unit_test(link_survives_an_answer_that_acknowledgements_overtook),
		cmocka_unit_test(link_gives_again_what_the_connection_did_not_take),
		cmocka_unit_test(link_refuses_an_acknowledgement_of_what_was_never_sent),
		cmocka_unit_test(link_window_bounds_what_is_retained),
		cmocka_unit_test(link_hands_back_what_a_dead_incarnation_had_not_secured),
		cmocka_unit_test(link_takes_only_the_next_number_of_the_same_incarnation),
		cmocka_unit_test(link_loses_repeats_and_reorders_nothing_whatever_the_connection_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
