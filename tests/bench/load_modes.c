/* The modes that only log in: register, login, idle. */
#include "tests/bench/load_modes.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/load_crowd.h"
#include "tests/bench/load_proc.h"

enum { WARM_UP_SESSIONS = 20 };

void load_mark(const struct load_options *o, const char *what, struct crowd *cr)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;
	if (!o->marks)
		return;
	fprintf(stderr, "mark %s%s\n", what, cr ? "?" : "");
	while (cr && poll(&in, 1, 0) == 0)
		crowd_serve_ms(cr, 5);
	while (cr && read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		;
}

int load_mode_register(struct load *load, const struct load_options *o)
{
	load->registering = true;
	struct crowd *cr = crowd_new(load, 0, o->users);
	size_t up = crowd_raise(cr, o->parallel, o->rate);
	crowd_dismiss(cr);
	crowd_free(cr);
	printf("register users=%zu made=%zu\n", o->users, up);
	return up == o->users ? 0 : 1;
}

struct login_sums {
	uint64_t login_cpu, logout_cpu, elapsed;
	size_t logins, failed;
	struct load_hist latency;
};

static void login_round(struct load *load, const struct load_options *o, struct login_sums *sums)
{
	struct crowd *cr = crowd_new(load, 0, o->users);
	uint64_t begun = load_now_ns(), cpu = load_proc_cpu_ns(o->pid);
	sums->logins += crowd_raise(cr, o->parallel, o->rate);
	sums->elapsed += load_now_ns() - begun;
	crowd_quiesce(cr, o->pid);
	uint64_t up = load_proc_cpu_ns(o->pid);
	sums->login_cpu += up - cpu;
	crowd_dismiss(cr);
	crowd_quiesce(cr, o->pid);
	sums->logout_cpu += load_proc_cpu_ns(o->pid) - up;
	sums->failed += cr->failed + cr->fallen;
	for (size_t i = 0; i < HIST_BUCKETS; i++)
		sums->latency.buckets[i] += cr->login_ns.buckets[i];
	sums->latency.count += cr->login_ns.count;
	sums->latency.max = cr->login_ns.max > sums->latency.max ? cr->login_ns.max : sums->latency.max;
	crowd_free(cr);
}

int load_mode_login(struct load *load, const struct load_options *o)
{
	static struct login_sums warm_up, sums;
	/* The first round is not counted: it fills caches on both sides, the salted passwords of ours among them. */
	login_round(load, o, &warm_up);
	for (unsigned i = 0; i < o->rounds; i++)
		login_round(load, o, &sums);
	double n = sums.logins ? (double)sums.logins : 1;
	printf("login logins=%zu failed=%zu cpu_us=%.1f logout_cpu_us=%.1f per_s=%.0f", sums.logins, sums.failed,
	       (double)sums.login_cpu / 1e3 / n, (double)sums.logout_cpu / 1e3 / n, n * 1e9 / (double)(sums.elapsed ? sums.elapsed : 1));
	printf(" p50_us=%.0f p99_us=%.0f max_us=%.0f\n",
	       (double)load_hist_percentile(&sums.latency, 50) / 1e3, (double)load_hist_percentile(&sums.latency, 99) / 1e3,
	       (double)sums.latency.max / 1e3);
	return sums.failed || !sums.logins ? 1 : 0;
}

int load_mode_idle(struct load *load, const struct load_options *o)
{
	/* All of them first, a few at a time, so that what a server allocates once, its caches of the disk too, is not counted as
	 * theirs. */
	for (size_t first = 0; first < o->users; first += WARM_UP_SESSIONS) {
		size_t left = o->users - first;
		struct crowd *warm_up = crowd_new(load, first, left < WARM_UP_SESSIONS ? left : WARM_UP_SESSIONS);
		crowd_raise(warm_up, o->parallel, o->rate);
		crowd_dismiss(warm_up);
		crowd_free(warm_up);
	}

	struct crowd *cr = crowd_new(load, 0, o->users);
	crowd_quiesce(cr, o->pid);
	uint64_t before = load_proc_pss_kib(o->pid);
	size_t up = crowd_raise(cr, o->parallel, o->rate);
	crowd_quiesce(cr, o->pid);
	load_mark(o, "window", cr);
	uint64_t cpu = load_proc_cpu_ns(o->pid);
	crowd_serve_ms(cr, o->settle * 1000ull);
	cpu = load_proc_cpu_ns(o->pid) - cpu;
	uint64_t after = load_proc_pss_kib(o->pid);
	load_mark(o, "end", cr);
	int failed = up != o->users || cr->fallen;
	crowd_dismiss(cr);
	crowd_free(cr);
	printf("idle sessions=%zu pss_before_kib=%llu pss_after_kib=%llu kib=%.2f cpu_percent=%.2f\n", up,
	       (unsigned long long)before, (unsigned long long)after, up ? ((double)after - (double)before) / (double)up : 0,
	       o->settle ? (double)cpu / 1e7 / o->settle : 0);
	return failed;
}
