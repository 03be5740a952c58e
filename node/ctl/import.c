#include "node/ctl/import.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cluster/pool.h"
#include "node/core/account_record.h"
#include "node/core/birth.h"
#include "node/core/log.h"
#include "node/core/pie.h"
#include "node/ctl/pie_account.h"
#include "node/ctl/pie_source.h"
#include "proto/addr/precis.h"
#include "proto/xml/names.h"

#define TELL_MS    2000
#define UNFINISHED "this account is being imported" /* the reason for which it is disabled meanwhile */

struct import {
	struct job job;            /* key derivation; first: it is the job */
	struct call *call;
	struct pie_source *source;
	struct deferred again;
	struct pie_tally tally, one; /* of all, of the account at hand */
	uint64_t accounts, there, failed, no_host, unread;
	uint64_t told_ms;
	bool dry_run, gone, deriving;
	/* the account at hand */
	struct arena *arena;
	struct str name_told;      /* for lines: "romeo@localhost" */
	const struct elem *user;
	struct host *host;
	struct pie_take take;
	struct account account;
	struct str password;
	enum err derived;
	struct rng rng;
};

static void next_op(struct import *i);

/* ---- telling ---- */

static void line(struct import *i, json_t *data)
{
	i->unread += !i->call->line(i->call, data);
}

static void on_left(void *arg, struct str what, const char *why)
{
	struct import *i = arg;
	LOG_EACH(LOG_WARN, "import", "left out", L_STR("account", i->name_told), L_STR("what", what), L_Z("why", why));
	line(i, json_pack("{s:s, s:o, s:o, s:s}", "left", "left out:", "account", json_str(i->name_told), "what", json_str(what),
			  "why", why));
}

/* Said by the source, not by what takes an account's parts. */
static void on_left_outside(void *arg, struct str what, const char *why)
{
	struct import *i = arg;
	i->tally.left++;
	i->name_told = i->source->account;
	on_left(arg, what, why);
}

static void tell(struct import *i)
{
	uint64_t now_ms = i->call->node->main->now_ms;
	if (now_ms - i->told_ms < TELL_MS)
		return;
	i->told_ms = now_ms;
	line(i, json_sprintf("%llu accounts so far, %llu there already, %llu failed", (unsigned long long)i->accounts,
			     (unsigned long long)i->there, (unsigned long long)i->failed));
}

/* ---- the end ---- */

static json_t *counts(const struct import *i)
{
	json_t *data = json_pack("{s:I, s:I, s:I, s:I, s:I}", "accounts", (json_int_t)i->accounts, "there_already", (json_int_t)i->there,
				 "failed", (json_int_t)i->failed, "of_other_hosts", (json_int_t)i->no_host, "left_out",
				 (json_int_t)i->tally.left);
	for (unsigned k = 0; k < i->tally.n; k++)
		json_object_set_new(data, i->tally.of[k].what, json_integer((json_int_t)i->tally.of[k].n));
	return data;
}

static void counts_text(const struct import *i, struct buf *b)
{
	buf_addf(b, "%llu account%s %s, %llu there already, %llu failed, %llu of other hosts", (unsigned long long)i->accounts,
		 i->accounts == 1 ? "" : "s", i->dry_run ? "would be imported" : "imported", (unsigned long long)i->there,
		 (unsigned long long)i->failed, (unsigned long long)i->no_host);
	for (unsigned k = 0; k < i->tally.n; k++)
		buf_addf(b, "%s%llu %s", k ? ", " : "; with ", (unsigned long long)i->tally.of[k].n, i->tally.of[k].what);
	buf_addf(b, "; %llu left out", (unsigned long long)i->tally.left);
	if (i->unread)
		buf_addf(b, " (%llu lines were not read; the log has them)", (unsigned long long)i->unread);
}

static void finish(struct import *i, const char *why)
{
	struct call *c = i->call;
	struct buf text;
	buf_init(&text, 4096);
	counts_text(i, &text);
	LOG_EACH(LOG_INFO, "import", "ended", L_STR("counts", buf_str(&text)), L_Z("why", why ? why : "done"));
	bool whole = !why && !i->failed && !i->no_host;
	struct str said = arena_printf(c->arena, "%s%s%.*s", why ? why : "", why ? ". Up to there: " : "", STR_ARG(buf_str(&text)));
	buf_fini(&text);
	i->source->close(i->source);
	arena_free(i->arena);
	worker_undefer(c->node->main, &i->again);
	c->on_gone = NULL;
	if (whole)
		call_ok(c, counts(i), "%.*s", STR_ARG(said));
	else
		call_fail(c, CTL_FAILED, "%.*s", STR_ARG(said));
}

static void on_gone(struct call *c)
{
	((struct import *)c->state)->gone = true;
}

/* The next account, from the loop: many in a row may need no store. */
static void go_on(struct import *i)
{
	worker_defer(i->call->node->main, &i->again);
}

/* ---- one account into the store ---- */

static void drop_ops(struct import *i)
{
	for (struct pie_ops *o = i->take.first; o; o = o->next)
		store_op_cancel(&o->op);
	i->take.first = i->take.last = NULL;
}

static struct store_op *new_op(struct import *i, void (*on_done)(struct store_op *op))
{
	return store_op_new(i->host->name, jid_local(&i->take.jid), on_done, i);
}

static void on_cleared(struct store_op *op)
{
	go_on(op->arg);
}

static void fail(struct import *i, const char *why)
{
	i->failed++;
	drop_ops(i);
	LOG_EACH(LOG_ERROR, "import", "an account could not be imported", L_STR("account", i->name_told), L_Z("why", why));
	line(i, json_pack("{s:s, s:o, s:s}", "failed", "FAILED:", "account", json_str(i->name_told), "why", why));
}

/* Takes away what is there of it, and goes on. If that fails as well, it stays disabled, and the next import clears it. */
static void fail_and_clear(struct import *i, const char *why)
{
	fail(i, why);
	struct store_op *op = new_op(i, on_cleared);
	store_owner_delete(op);
	if (store_submit(i->host->store, op) != ERR_NONE)
		go_on(i);
}

static struct str record(struct import *i, struct store_op *op, bool complete)
{
	struct account unfinished = { .created_ms = i->account.created_ms, .changed_ms = i->account.changed_ms, .disabled = true,
				      .reason = STR(UNFINISHED) };
	return account_record_format(op->arena, complete ? &i->account : &unfinished, STR_NONE);
}

static void count_one(struct import *i)
{
	i->accounts++;
	i->tally.left += i->one.left;
	i->take.tally = &i->tally;
	for (unsigned k = 0; k < i->one.n; k++)
		for (uint64_t n = i->one.of[k].n; n; n--)
			pie_taken(&i->take, i->one.of[k].what);
}

static void on_complete(struct store_op *op)
{
	struct import *i = op->arg;
	if (op->err != ERR_NONE) {
		fail_and_clear(i, "the store fails");
		return;
	}
	const struct sasl_key *keys = i->account.keys.of;
	if (i->account.has_keys && !keys[SASL_SHA256].iterations && !keys[SASL_SHA512].iterations)
		pie_taken(&i->take, "accounts with SHA-1 keys alone (sasl.strongest_scram)");
	if (!i->account.has_keys)
		pie_left(&i->take, STR("the password"), "there is none that can be used: set one with change_password");
	count_one(i);
	account_announce(i->host, &i->take.jid);
	go_on(i);
}

static void complete(struct import *i)
{
	struct store_op *op = new_op(i, on_complete);
	store_kv_put(op, &account_space, record(i, op, true));
	if (store_submit(i->host->store, op) != ERR_NONE)
		fail_and_clear(i, "the store takes no more questions");
}

/* On a pool thread. */
static void derive(struct job *j)
{
	struct import *i = (struct import *)j;
	i->derived = sasl_keys_make(i->password, i->host->scram_iterations, &i->rng, &i->account.keys);
}

static void on_derived(struct job *j, bool cancelled)
{
	struct import *i = (struct import *)j;
	i->deriving = false;
	if (cancelled)
		return;
	i->account.has_keys = i->derived == ERR_NONE;
	complete(i);
}

static void derive_or_complete(struct import *i)
{
	if (i->account.has_keys || !str_present(i->password)) {
		complete(i);
		return;
	}
	i->rng = worker_current()->rng;
	i->job.work = derive;
	i->job.on_done = on_derived;
	i->deriving = true;
	if (pool_submit(worker_current(), &i->job) != ERR_NONE)
		fail_and_clear(i, "too much waits already");
}

static void on_op(struct store_op *op)
{
	struct import *i = op->arg;
	if (op->err != ERR_NONE)
		fail_and_clear(i, "the store fails");
	else
		next_op(i);
}

static void next_op(struct import *i)
{
	struct pie_ops *o = i->take.first;
	if (!o) {
		derive_or_complete(i);
		return;
	}
	i->take.first = o->next;
	if (store_submit(i->host->store, o->op) != ERR_NONE)
		fail_and_clear(i, "the store takes no more questions");
}

/* ---- what belongs to it ---- */

static bool part_knows(const struct pie_part *p, const struct elem *e)
{
	for (unsigned k = 0; k < 4 && p->elems[k].ns; k++)
		if (elem_is(e, *p->elems[k].ns, p->elems[k].name))
			return true;
	return false;
}

/* Whose it is; NULL: nobody's. */
static const struct module *owner_of(const struct elem *e)
{
	for (unsigned m = 0; all_modules[m]; m++)
		for (size_t k = 0; k < all_modules[m]->n_parts; k++)
			if (part_knows(&all_modules[m]->parts[k], e))
				return all_modules[m];
	return NULL;
}

static void tell_unknown(struct import *i, const struct elem *user)
{
	for (const struct elem *e = elem_first(user); e; e = elem_next(e)) {
		const struct module *m = owner_of(e);
		if (elem_is(e, NS_IMPORT_SCRAM, "scram-credentials") || elem_is(e, NS_STARLING_ACCOUNT, "account") ||
		    (m && host_has_module(i->host, m)))
			continue;
		pie_left(&i->take, arena_printf(i->arena, "<%.*s xmlns='%.*s'/>", STR_ARG(e->name), STR_ARG(e->ns)),
			 m ? "the feature is off" : "nothing here keeps it");
	}
}

static void take_parts(struct import *i, const struct elem *user)
{
	for (unsigned m = 0; all_modules[m]; m++) {
		for (size_t k = 0; k < all_modules[m]->n_parts; k++) {
			const struct pie_part *p = &all_modules[m]->parts[k];
			const struct elem *e = elem_first(user);
			while (e && !part_knows(p, e))
				e = elem_next(e);
			if (e && host_has_module(i->host, all_modules[m]))
				p->take(&i->take, user);
		}
	}
}

static void take_all(struct import *i)
{
	const char *why;
	i->one = (struct pie_tally){ .n = 0 };
	pie_account_take(i->arena, i->user, worker_wall_ms(), &i->account, &i->password, &why);
	if (why)
		pie_left(&i->take, STR("keys"), why);
	tell_unknown(i, i->user);
	take_parts(i, i->user);
}

/* ---- is it there already? ---- */

static void on_begun(struct store_op *op)
{
	struct import *i = op->arg;
	if (op->err == ERR_NONE) {
		next_op(i);
	} else {
		fail(i, "the store fails");
		go_on(i);
	}
}

static void begin(struct import *i, bool clear)
{
	if (i->dry_run) {
		drop_ops(i);
		count_one(i);
		go_on(i);
		return;
	}
	struct store_op *op = new_op(i, on_begun);
	if (clear)
		store_owner_delete(op);
	store_kv_create(op, &account_space, record(i, op, false));
	if (store_submit(i->host->store, op) != ERR_NONE) {
		fail(i, "the store takes no more questions");
		go_on(i);
	}
}

static bool is_unfinished(struct arena *a, struct str text)
{
	struct account old;
	return account_record_parse(a, text, &old) == ERR_NONE && old.disabled && !old.has_keys && str_is(old.reason, UNFINISHED);
}

static void on_looked(struct store_op *op)
{
	struct import *i = op->arg;
	bool half = op->err == ERR_NONE && is_unfinished(op->arena, op->first->value);
	if (op->err == ERR_NONE && !half) {
		i->there++;
		go_on(i);
	} else if (op->err != ERR_NONE && op->err != ERR_NOT_FOUND) {
		fail(i, "the store fails");
		go_on(i);
	} else {
		take_all(i);
		begin(i, half);
	}
}

static void look(struct import *i)
{
	struct store_op *op = new_op(i, on_looked);
	store_kv_get(op, &account_space);
	if (store_submit(i->host->store, op) == ERR_NONE)
		return;
	fail(i, "the store takes no more questions");
	go_on(i);
}

/* ---- the loop ---- */

static void on_user(struct import *i, struct str host, const struct elem *user)
{
	struct str name = elem_attr(user, "name"), prepared;
	i->name_told = arena_printf(i->arena, "%.*s@%.*s", STR_ARG(name), STR_ARG(host));
	i->host = str_present(host) && precis_domain(i->arena, host, &prepared) == ERR_NONE ? host_find(i->call->node, prepared) : NULL;
	if (!i->host || i->host->anonymous) {
		i->no_host++;
		on_left(i, STR("the account"), i->host ? "its host is an anonymous one" : "this node does not serve its host");
		go_on(i);
		return;
	}
	i->user = user;
	i->take = (struct pie_take){ .host = i->host, .arena = i->arena, .tally = &i->one, .on_op = on_op, .on_left = on_left, .arg = i };
	if (!str_present(name) || jid_make(i->arena, name, i->host->name, STR_NONE, &i->take.jid) != ERR_NONE ||
	    !jid_has_local(&i->take.jid)) {
		fail(i, "its name is not allowed");
		go_on(i);
	} else {
		look(i);
	}
}

static void on_again(struct deferred *d)
{
	struct import *i = (struct import *)((char *)d - offsetof(struct import, again));
	struct elem *user;
	struct str host;
	tell(i);
	if (i->gone) {
		finish(i, "It was interrupted; the same command goes on from here");
		return;
	}
	arena_free(i->arena);
	i->arena = arena_new(0);
	i->name_told = STR("");
	switch (i->source->next(i->source, i->arena, &host, &user)) {
	case PIE_USER:
		on_user(i, host, user);
		break;
	case PIE_END:
		finish(i, NULL);
		break;
	case PIE_BROKEN:
		finish(i, arena_strz(i->call->arena, str_of(i->source->why)));
		break;
	}
}

/* ---- the command ---- */

/* A folder is Prosody's; or ejabberd's, whose main file is not easy to tell from the others: then its user names it. */
static struct pie_source *open_source(const char *path, char *why)
{
	struct stat st;
	if (stat(path, &st) != 0) {
		snprintf(why, PIE_WHY_BYTES, "%s: %s", path, strerrordesc_np(errno));
		return NULL;
	}
	return S_ISDIR(st.st_mode) ? pie_prosody_open(path, why) : pie_file_open(path, why);
}

void import_run(struct call *c)
{
	char why[PIE_WHY_BYTES];
	if (*c->args[0].p != '/') {
		call_fail(c, CTL_USAGE, "the node reads the file: give it a path from the root, not '%s'", c->args[0].p);
		return;
	}
	struct pie_source *source = open_source(c->args[0].p, why);
	if (!source) {
		call_fail(c, CTL_FAILED, "%s", why);
		return;
	}
	struct import *i = arena_zalloc(c->arena, sizeof *i);
	i->call = c;
	i->source = source;
	i->dry_run = str_present(call_option(c, "dry_run"));
	i->again.fn = on_again;
	i->told_ms = c->node->main->now_ms;
	source->on_left = on_left_outside;
	source->arg = i;
	c->state = i;
	c->on_gone = on_gone;
	go_on(i);
}
