/*
 * Pairs that chat. Each message's body says who sent it, which one it is and when, so that the receiver can count what was lost,
 * repeated or overtaken, and how long it took.
 *
 * Closed loop: each user keeps `in_flight` messages under way; a message received is answered by one. It finds the cost at saturation.
 * Open loop: messages leave at a rate, whatever comes back; their time is when they were due, so that a server that stalls is charged
 * for those that had to wait (no coordinated omission). It finds latencies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/load_crowd.h"
#include "tests/bench/load_modes.h"
#include "tests/bench/load_proc.h"

enum { WINDOW = 1024, MESSAGE_MAX = 4096, DRAIN_MS = 5000 };

/* What one user has sent, and what arrived from the partner. */
struct talker {
	struct client *client, *partner;
	uint64_t sent, highest;
	uint64_t seen[WINDOW / 64]; /* of the last WINDOW numbers up to `highest` */
};

struct chat {
	const struct load_options *o;
	struct talker *talkers;
	bool running;
	uint64_t window_start; /* messages sent from here on count for the latency */
	uint64_t sent, delivered, repeated, reordered, errors, strangers;
	struct load_hist latency;
	char padding[MESSAGE_MAX];
};
static struct chat chat;

static void send_one(struct talker *t, uint64_t due_ns)
{
	char text[2 * MESSAGE_MAX];
	int n = snprintf(text, sizeof(text), "<message to='%s' type='chat' id='m%llu'><body>#%zu %llu %llu ", t->partner->jid,
			 (unsigned long long)t->sent, t->client->index, (unsigned long long)t->sent, (unsigned long long)due_ns);
	int pad = (int)chat.o->bytes - n - 17;
	n += snprintf(text + n, sizeof(text) - (size_t)n, "%.*s</body></message>", pad > 0 ? pad : 0, chat.padding);
	t->sent++;
	chat.sent++;
	client_write(t->client, text, (size_t)n);
	if (chat.o->sm_asks && t->sent % chat.o->sm_asks == 0)
		client_write(t->client, LOAD_SM_ASK, sizeof(LOAD_SM_ASK) - 1);
	/* A write for each message, as people's clients do it: a server shall not find its input neatly batched. */
	client_flush(t->client);
}

/* Numbers count from 0; `highest` is one more than the largest seen. */
static void note_arrival(struct talker *t, uint64_t seq)
{
	uint64_t bit = 1ull << (seq % 64), *word = &t->seen[seq % WINDOW / 64];
	if (seq >= t->highest) {
		for (uint64_t i = t->highest; i < seq && i < t->highest + WINDOW; i++)
			t->seen[i % WINDOW / 64] &= ~(1ull << (i % 64));
		t->highest = seq + 1;
		*word |= bit;
		chat.delivered++;
	} else if (seq + WINDOW < t->highest || (*word & bit)) {
		chat.repeated++;
	} else {
		*word |= bit;
		chat.reordered++;
		chat.delivered++;
	}
}

static void on_message(struct talker *t, const char *stanza, size_t n)
{
	const char *body = memmem(stanza, n, "<body>#", 7), *head_end = memchr(stanza, '>', n);
	size_t head = (size_t)(head_end - stanza);
	if (memmem(stanza, head, "type='error'", 12) || memmem(stanza, head, "type=\"error\"", 12)) {
		chat.errors++;
		return;
	}
	/* Numbers end at a space, and the stanza at a tag: strtoull stays inside. */
	char *at = (char *)body + 7;
	uint64_t from = body ? strtoull(at, &at, 10) : 0, seq = body ? strtoull(at, &at, 10) : 0, due = body ? strtoull(at, &at, 10) : 0;
	if (!body || from != t->partner->index) {
		chat.strangers++;
		return;
	}
	note_arrival(t, seq);
	uint64_t now = load_now_ns();
	if (due >= chat.window_start && chat.running)
		load_hist_add(&chat.latency, now - due);
	if (chat.running && !(chat.o->rate > 0))
		send_one(t, now);
}

static void on_input(struct client *c)
{
	struct talker *t = &chat.talkers[c->index];
	char *at = c->in.p, *limit = c->in.p + c->in.len, *start, *end;
	while ((start = memmem(at, (size_t)(limit - at), "<message", 8))) {
		end = memmem(start, (size_t)(limit - start), "</message>", 10);
		if (!end)
			break;
		at = end + 10;
		if (t->partner)
			on_message(t, start, (size_t)(at - start));
		/* The answer could not be written, and the input went with the wire. */
		if (c->fd < 0)
			return;
	}
	/* Keep the beginning of a message, or of the word; whatever else came is not looked at. */
	if (!start && limit - at > 8)
		at = limit - 8;
	else if (start)
		at = start;
	client_consume(c, (size_t)(at - c->in.p));
}

static void pair_up(struct crowd *cr)
{
	for (size_t i = 0; i < cr->count; i++) {
		chat.talkers[i].client = cr->clients[i];
		chat.talkers[i].partner = cr->clients[i ^ 1];
	}
}

static uint64_t next_due_ns(uint64_t begun)
{
	return begun + (uint64_t)((double)chat.sent * 1e9 / chat.o->rate);
}

/* Sends what is due by now; one pass of the loop, which ends when the next is due: a pass of whole milliseconds would be most of the
 * latency that is measured. */
static void open_loop_pass(struct crowd *cr, uint64_t begun)
{
	uint64_t due, now = load_now_ns();
	while ((due = next_due_ns(begun)) <= now) {
		struct talker *t = &chat.talkers[chat.sent % cr->count];
		send_one(t, due);
		client_flush(t->client);
	}
	load_loop(cr->load, due - now);
}

static void talk(struct crowd *cr, uint64_t begun, unsigned seconds)
{
	uint64_t end = load_now_ns() + seconds * 1000000000ull;
	while (load_now_ns() < end) {
		if (chat.o->rate > 0)
			open_loop_pass(cr, begun);
		else
			load_loop(cr->load, 10 * LOAD_MS);
	}
}

static void measure(struct crowd *cr, const struct load_options *o)
{
	load_mark(o, "begin", cr);
	uint64_t begun = load_now_ns();
	chat.running = true;
	chat.window_start = UINT64_MAX;
	for (size_t i = 0; i < cr->count && !(o->rate > 0); i++) {
		for (unsigned k = 0; k < o->in_flight; k++)
			send_one(&chat.talkers[i], load_now_ns());
		client_flush(cr->clients[i]);
	}
	talk(cr, begun, o->warm_up);

	load_mark(o, "window", NULL);
	uint64_t start = chat.window_start = load_now_ns(), cpu = load_proc_cpu_ns(o->pid), own = load_proc_cpu_ns(getpid());
	uint64_t delivered = chat.delivered;
	talk(cr, begun, o->seconds);
	uint64_t elapsed = load_now_ns() - start;
	cpu = load_proc_cpu_ns(o->pid) - cpu;
	own = load_proc_cpu_ns(getpid()) - own;
	delivered = chat.delivered - delivered;
	chat.running = false;
	load_mark(o, "end", NULL);

	for (int ms = 0; ms < DRAIN_MS && chat.delivered < chat.sent; ms += 10)
		crowd_serve_ms(cr, 10);
	load_mark(o, "over", cr);
	double n = delivered ? (double)delivered : 1;
	printf("chat users=%zu in_flight=%u rate=%.0f in_all=%llu delivered=%llu", cr->count, o->rate > 0 ? 0 : o->in_flight, o->rate,
	       (unsigned long long)chat.sent, (unsigned long long)delivered);
	printf(" per_s=%.0f cpu_us=%.2f own_cpu_us=%.2f", n * 1e9 / (double)elapsed, (double)cpu / 1e3 / n, (double)own / 1e3 / n);
	printf(" p50_us=%.0f p90_us=%.0f p99_us=%.0f p999_us=%.0f max_us=%.0f", (double)load_hist_percentile(&chat.latency, 50) / 1e3,
	       (double)load_hist_percentile(&chat.latency, 90) / 1e3, (double)load_hist_percentile(&chat.latency, 99) / 1e3,
	       (double)load_hist_percentile(&chat.latency, 99.9) / 1e3, (double)chat.latency.max / 1e3);
	printf(" lost=%lld repeated=%llu reordered=%llu errors=%llu strangers=%llu fallen=%zu\n", (long long)(chat.sent - chat.delivered),
	       (unsigned long long)chat.repeated, (unsigned long long)chat.reordered, (unsigned long long)chat.errors,
	       (unsigned long long)chat.strangers, cr->fallen);
}

int load_mode_chat(struct load *load, const struct load_options *o)
{
	chat.o = o;
	chat.talkers = calloc(o->users, sizeof(*chat.talkers));
	if (!chat.talkers)
		abort();
	memset(chat.padding, 'x', sizeof(chat.padding) - 1);
	load->on_input = on_input;
	struct crowd *cr = crowd_new(load, 0, o->users);
	int failed = crowd_raise(cr, o->parallel, 0) != o->users;
	if (!failed) {
		pair_up(cr);
		crowd_quiesce(cr, o->pid);
		measure(cr, o);
		failed = cr->fallen || chat.sent != chat.delivered || chat.repeated || chat.reordered || chat.errors;
	}
	crowd_dismiss(cr);
	crowd_free(cr);
	free(chat.talkers);
	return failed;
}
