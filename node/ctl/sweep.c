#include "node/ctl/sweep.h"

#include "node/core/account.h"
#include "node/core/removal.h"
#include "node/core/session.h"
#include "node/ctl/visit.h"

#define PAGE     500
#define DAY_MS   INT64_C(86400000)
#define DAYS_MAX 36500

struct sweep {
	struct visit visit;
	struct call *call;
	unsigned host, end;       /* of node->hosts */
	int64_t before_ms;
	bool dry_run;
	struct arena *page;       /* of names */
	struct str *names;
	uint32_t n_names, next;
	bool more;
	struct jid jid;           /* the one that is looked at; in `page` */
	bool connected;
	json_t *removed;
	uint64_t kept;
};

static void sweep_page(struct sweep *s, struct str after);
static void sweep_next(struct sweep *s);

static struct host *host_of(const struct sweep *s)
{
	return s->call->node->hosts[s->host];
}

static struct account_ask ask_of(struct sweep *s, void (*on_done)(const struct account_answer *a))
{
	return (struct account_ask){
		.store = host_of(s)->store, .host = host_of(s)->name, .user = jid_local(&s->jid), .on_done = on_done, .arg = s,
	};
}

static void finish(struct sweep *s, enum err err)
{
	size_t n = json_array_size(s->removed);
	arena_free(s->page);
	if (err == ERR_NONE) {
		call_ok(s->call, s->removed, "%zu account%s %s, %llu kept", n, n == 1 ? "" : "s",
			s->dry_run ? "would be removed" : "removed", (unsigned long long)s->kept);
		return;
	}
	json_decref(s->removed);
	call_fail(s->call, CTL_FAILED, "stopped after %zu accounts were removed; the store answers: %s", n, err_name(err));
}

/* ---- one account ---- */

static void on_removed(const struct account_answer *a)
{
	struct sweep *s = a->arg;
	if (a->err != ERR_NONE && a->err != ERR_NOT_FOUND) {
		finish(s, a->err);
		return;
	}
	if (a->err == ERR_NONE) {
		json_array_append_new(s->removed, json_str(jid_str(&s->jid)));
	}
	sweep_next(s);
}

static void look_on_worker(struct visit *v, struct node_worker *nw)
{
	struct sweep *s = (struct sweep *)v;
	const struct user *u = user_find(nw, jid_str(&s->jid));
	s->connected = u && u->n_sessions;
}

static void on_looked(struct visit *v)
{
	struct sweep *s = (struct sweep *)v;
	if (s->connected) {
		s->kept++;
		sweep_next(s);
	} else if (s->dry_run) {
		json_array_append_new(s->removed, json_str(jid_str(&s->jid)));
		sweep_next(s);
	} else {
		account_remove(host_of(s), &s->jid, "nobody has used your account for long", on_removed, s);
	}
}

static void on_got(const struct account_answer *a)
{
	struct sweep *s = a->arg;
	if (a->err == ERR_NONE && account_seen_ms(a->account) < s->before_ms) {
		visit_one(&s->visit, s->call->node, node_shard(s->call->node, jid_str(&s->jid)), look_on_worker, on_looked);
		return;
	}
	s->kept += a->err != ERR_NOT_FOUND; /* a record that cannot be read is not ours to delete */
	sweep_next(s);
}

/* ---- all of them ---- */

static void on_page(const struct account_answer *a)
{
	struct sweep *s = a->arg;
	if (a->err != ERR_NONE) {
		finish(s, a->err);
		return;
	}
	arena_free(s->page);
	s->page = arena_new(0);
	s->names = arena_zalloc(s->page, (a->n_rows + 1) * sizeof *s->names);
	for (uint32_t i = 0; i < a->n_rows; i++)
		s->names[i] = arena_str(s->page, a->rows[i].key);
	s->n_names = a->n_rows;
	s->next = 0;
	s->more = a->more && a->n_rows;
	sweep_next(s);
}

static void sweep_page(struct sweep *s, struct str after)
{
	struct account_ask ask = ask_of(s, on_page);
	enum err err = account_list(&ask, after, PAGE);
	if (err != ERR_NONE)
		finish(s, err);
}

static void sweep_next(struct sweep *s)
{
	while (s->next == s->n_names) {
		if (s->more) {
			sweep_page(s, s->names[s->n_names - 1]);
			return;
		}
		if (s->host == s->end) {
			finish(s, ERR_NONE);
			return;
		}
		s->host++;
		if (s->host < s->end && !host_of(s)->anonymous) {
			sweep_page(s, STR_NONE);
			return;
		}
	}
	struct str name = s->names[s->next++];
	if (jid_make(s->page, name, host_of(s)->name, STR_NONE, &s->jid) != ERR_NONE) {
		s->kept++;
		sweep_next(s); /* a name that was never valid: at most a page deep */
		return;
	}
	struct account_ask ask = ask_of(s, on_got);
	enum err err = account_get(&ask);
	if (err != ERR_NONE)
		finish(s, err);
}

static void start(struct call *c, unsigned first, unsigned end, struct str days_text)
{
	uint64_t days;
	if (!call_number(c, days_text, "DAYS", 1, DAYS_MAX, &days))
		return;
	struct sweep *s = arena_zalloc(c->arena, sizeof *s);
	s->call = c;
	s->before_ms = worker_wall_ms() - (int64_t)days * DAY_MS;
	s->dry_run = str_present(call_option(c, "dry_run"));
	s->removed = json_array();
	s->host = first - 1u; /* sweep_next begins with the one after */
	s->end = end;
	sweep_next(s);
}

void sweep_run_all(struct call *c)
{
	start(c, 0, c->node->n_hosts, c->args[0]);
}

void sweep_run_vhost(struct call *c)
{
	struct host *h = call_host(c, 0);
	if (h)
		start(c, h->index, h->index + 1, c->args[1]);
}
