/*
 * Presence. Accounts come in circles of contacts + 1 in which everybody sees everybody: `befriend` makes them so, `presence` has everybody
 * change its presence, in closed loop: the next change leaves when the last has come back to its own sender (RFC 6121 section 4.4.2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/load_crowd.h"
#include "tests/bench/load_modes.h"
#include "tests/bench/load_proc.h"

enum { WAIT_MS = 120000 };

static struct {
	const struct load_options *o;
	bool running;
	uint64_t changes, delivered, granted, errors;
} presence;

static size_t circle_of(size_t i)
{
	return i / (presence.o->contacts + 1);
}

/* ---- what comes: <presence .../> or <presence ...>...</presence>; anything else is passed over ---- */

static bool head_has(const char *head, size_t n, const char *name, const char *value)
{
	char one[220], two[220];
	int len = snprintf(one, sizeof(one), " %s='%s'", name, value);
	snprintf(two, sizeof(two), " %s=\"%s\"", name, value);
	return memmem(head, n, one, (size_t)len) || memmem(head, n, two, (size_t)len);
}

static void send_change(struct client *c)
{
	client_printf(c,
		      "<presence><show>away</show><status>%llu</status><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' "
		      "node='https://example.org/client' ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/></presence>",
		      (unsigned long long)presence.changes++);
	client_flush(c);
}

/* Answers a request; befriend only. */
static void on_request(struct client *c, const char *head, size_t n)
{
	const char *from = memmem(head, n, " from=", 6);
	char who[160] = "";
	if (from)
		sscanf(from + 7, "%150[^'\"]", who);
	client_printf(c, "<presence to='%s' type='subscribed'/>", who);
	client_flush(c);
}

static void on_presence(struct client *c, const char *head, size_t n)
{
	if (head_has(head, n, "type", "subscribe")) {
		on_request(c, head, n);
	} else if (head_has(head, n, "type", "subscribed")) {
		presence.granted++;
	} else if (head_has(head, n, "type", "error")) {
		presence.errors++;
	} else {
		presence.delivered++;
		if (presence.running && head_has(head, n, "from", c->jid))
			send_change(c);
	}
}

static void on_input(struct client *c)
{
	char *at = c->in.p, *limit = c->in.p + c->in.len, *start, *end = NULL;
	while ((start = memmem(at, (size_t)(limit - at), "<presence", 9)) && (end = memchr(start, '>', (size_t)(limit - start)))) {
		on_presence(c, start, (size_t)(end - start));
		if (c->fd < 0)
			return;
		at = end + 1;
	}
	if (!start && limit - at > 9)
		at = limit - 9;
	else if (start)
		at = start;
	client_consume(c, (size_t)(at - c->in.p));
}

/* ---- befriend ---- */

static void ask_all(struct crowd *cr, struct client *c)
{
	client_printf(c, "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>");
	for (size_t i = 0; i < cr->count; i++)
		if (i != c->index && circle_of(i) == circle_of(c->index))
			client_printf(c, "<presence to='%s%zu@%s' type='subscribe'/>", c->load->prefix, i, c->load->domain);
	client_flush(c);
}

int load_mode_befriend(struct load *load, const struct load_options *o)
{
	presence.o = o;
	load->on_input = on_input;
	struct crowd *cr = crowd_new(load, 0, o->users);
	size_t up = crowd_raise(cr, o->parallel, 0);
	uint64_t wanted = (uint64_t)(o->users * o->contacts), begun = load_now_ns();
	crowd_quiesce(cr, o->pid);
	for (size_t i = 0; i < cr->count; i++)
		ask_all(cr, cr->clients[i]);
	while (presence.granted < wanted && load_now_ns() - begun < WAIT_MS * 1000000ull && !cr->fallen)
		crowd_serve_ms(cr, 50);
	printf("befriend users=%zu granted=%llu seconds=%.1f\n", up, (unsigned long long)presence.granted,
	       (double)(load_now_ns() - begun) / 1e9);
	crowd_quiesce(cr, o->pid);
	crowd_dismiss(cr);
	crowd_free(cr);
	return presence.granted == wanted ? 0 : 1;
}

/* ---- presence ---- */

static void measure(struct crowd *cr, const struct load_options *o)
{
	load_mark(o, "begin", cr);
	presence.running = true;
	for (size_t i = 0; i < cr->count; i++)
		send_change(cr->clients[i]);
	crowd_serve_ms(cr, o->warm_up * 1000ull);
	load_mark(o, "window", NULL);
	uint64_t start = load_now_ns(), cpu = load_proc_cpu_ns(o->pid), delivered = presence.delivered;
	crowd_serve_ms(cr, o->seconds * 1000ull);
	uint64_t elapsed = load_now_ns() - start;
	cpu = load_proc_cpu_ns(o->pid) - cpu;
	delivered = presence.delivered - delivered;
	presence.running = false;
	load_mark(o, "end", NULL);
	crowd_quiesce(cr, o->pid);
	load_mark(o, "over", cr);
	double n = delivered ? (double)delivered : 1;
	printf("presence users=%zu contacts=%zu in_all=%llu delivered=%llu per_s=%.0f cpu_us=%.2f", cr->count, o->contacts,
	       (unsigned long long)presence.delivered, (unsigned long long)delivered, n * 1e9 / (double)elapsed, (double)cpu / 1e3 / n);
	printf(" per_change=%.2f lost=%lld errors=%llu fallen=%zu\n", (double)presence.delivered / (double)presence.changes,
	       (long long)(presence.changes * (o->contacts + 1) - presence.delivered), (unsigned long long)presence.errors, cr->fallen);
}

int load_mode_presence(struct load *load, const struct load_options *o)
{
	presence.o = o;
	load->on_input = on_input;
	struct crowd *cr = crowd_new(load, 0, o->users);
	int failed = crowd_raise(cr, o->parallel, 0) != o->users;
	if (!failed) {
		crowd_quiesce(cr, o->pid);
		presence.delivered = 0;
		measure(cr, o);
		failed = cr->fallen || presence.errors || presence.delivered != presence.changes * (o->contacts + 1);
	}
	crowd_dismiss(cr);
	crowd_free(cr);
	return failed;
}
