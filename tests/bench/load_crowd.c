#include "tests/bench/load_crowd.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/load_proc.h"

enum { REASONS_SHOWN = 3 };
#define STALL_NS (30ull * 1000000000)

static void on_ready(struct client *c)
{
	struct crowd *cr = c->load->mode;
	cr->up++;
	load_hist_add(&cr->login_ns, load_now_ns() - c->started_ns);
	if (cr->on_up)
		cr->on_up(c);
}

static void on_down(struct client *c)
{
	struct crowd *cr = c->load->mode;
	bool was_up = c->jid[0];
	if (was_up)
		cr->fallen++;
	else
		cr->failed++;
	if (cr->failed + cr->fallen <= REASONS_SHOWN)
		fprintf(stderr, "load: client %zu %s: %s\n", c->index, was_up ? "fell" : "failed", c->why);
}

struct crowd *crowd_new(struct load *load, size_t first, size_t count)
{
	struct crowd *cr = calloc(1, sizeof(*cr));
	if (!cr || !(cr->clients = calloc(count, sizeof(*cr->clients))))
		abort();
	cr->load = load;
	cr->count = count;
	for (size_t i = 0; i < count; i++)
		cr->clients[i] = client_new(load, first + i);
	load->mode = cr;
	load->on_ready = on_ready;
	load->on_down = on_down;
	return cr;
}

size_t crowd_raise(struct crowd *cr, size_t parallel, double rate)
{
	uint64_t begun = load_now_ns(), progress = begun;
	size_t done = 0;
	while (done < cr->count) {
		uint64_t now = load_now_ns();
		double due = rate > 0 ? (double)(now - begun) * rate / 1e9 : (double)cr->count;
		while (cr->started < cr->count && cr->started - done < parallel && (double)cr->started < due)
			client_start(cr->clients[cr->started++]);
		load_loop(cr->load, (rate > 0 ? 1 : 100) * LOAD_MS);
		if (cr->up + cr->failed != done) {
			done = cr->up + cr->failed;
			progress = now;
		}
		if (now - progress > STALL_NS) {
			fprintf(stderr, "load: logins stalled, %zu of %zu are up\n", cr->up, cr->count);
			break;
		}
	}
	return cr->up;
}

void crowd_dismiss(struct crowd *cr)
{
	uint64_t begun = load_now_ns();
	for (size_t i = 0; i < cr->count; i++) {
		client_goodbye(cr->clients[i]);
		if (i % 64 == 63)
			load_loop(cr->load, 0);
	}
	for (size_t i = 0; i < cr->count && load_now_ns() - begun < 5000000000ull;) {
		if (cr->clients[i]->fd < 0)
			i++;
		else
			load_loop(cr->load, 10 * LOAD_MS);
	}
}

void crowd_free(struct crowd *cr)
{
	for (size_t i = 0; i < cr->count; i++)
		client_free(cr->clients[i]);
	free(cr->clients);
	free(cr);
}

void crowd_serve_ms(struct crowd *cr, uint64_t ms)
{
	uint64_t end = load_now_ns() + ms * 1000000, now;
	while ((now = load_now_ns()) < end)
		load_loop(cr->load, end - now);
}

void crowd_quiesce(struct crowd *cr, pid_t pid)
{
	uint64_t before = load_proc_cpu_ns(pid);
	for (int i = 0; i < 50; i++) {
		crowd_serve_ms(cr, 100);
		uint64_t now = load_proc_cpu_ns(pid);
		if (now - before < 1000000)
			return;
		before = now;
	}
}
