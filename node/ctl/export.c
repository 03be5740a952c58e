#include "node/ctl/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/core/account_record.h"
#include "node/core/pie.h"
#include "node/ctl/pie_account.h"
#include "proto/xml/names.h"
#include "proto/xml/writer.h"

#define NAMES_PAGE 500
#define ROWS_PAGE  500
#define OUT_MAX    (64u << 20) /* of one page of rows */
#define TELL_MS    2000

struct export {
	struct call *call;
	FILE *file;
	struct str partial;
	struct xml_parser *parser;
	unsigned host, end;      /* of node->hosts */
	struct arena *names_in;  /* the page of names */
	struct str *names;
	uint32_t n_names, next;
	bool more_names;
	struct arena *arena;     /* of the account */
	struct jid jid;
	unsigned module, part;   /* at hand */
	struct str after;        /* map: go on behind this field */
	uint64_t from_seq;       /* log */
	uint64_t accounts, broken;
	uint64_t told_ms;
	bool gone;
};

static void next_account(struct export *x);
static void next_part(struct export *x);
static void read_page(struct export *x);

static struct host *host_of(const struct export *x)
{
	return x->call->node->hosts[x->host];
}

/* ---- the end ---- */

static void finish(struct export *x, const char *why)
{
	struct call *c = x->call;
	bool ok = !why && fflush(x->file) == 0 && fsync(fileno(x->file)) == 0;
	int error = errno;
	fclose(x->file);
	ok = ok && rename(x->partial.p, c->args[0].p) == 0;
	if (!ok)
		unlink(x->partial.p);
	xml_parser_free(x->parser);
	arena_free(x->names_in);
	arena_free(x->arena);
	c->on_gone = NULL;
	if (ok)
		call_ok(c, json_pack("{s:s, s:I, s:I}", "file", c->args[0].p, "accounts", (json_int_t)x->accounts, "broken",
				     (json_int_t)x->broken),
			"Exported %llu account%s to %s%s", (unsigned long long)x->accounts, x->accounts == 1 ? "" : "s", c->args[0].p,
			x->broken ? "; broken values in the store were left out, see the log" : "");
	else
		call_fail(c, CTL_FAILED, "nothing was exported: %s", why ? why : strerrordesc_np(error));
}

static void on_gone(struct call *c)
{
	((struct export *)c->state)->gone = true;
}

/* ---- writing ---- */

static void write_text(struct export *x, const char *text)
{
	fputs(text, x->file);
}

static void write_attr(struct export *x, const char *before, struct str value)
{
	struct buf b;
	buf_init(&b, OUT_MAX);
	xml_escape_attr(&b, value);
	fprintf(x->file, "%s='%.*s'", before, STR_ARG(buf_str(&b)));
	buf_fini(&b);
}

/* The children of a <user/>. */
static void write_children(struct export *x, const struct elem *user)
{
	struct buf b;
	for (const struct elem *e = elem_first(user); e; e = elem_next(e)) {
		buf_init(&b, OUT_MAX);
		xml_write(&b, e, NS_IMPORT_EXPORT, false);
		x->broken += b.failed;
		if (b.len) {
			write_text(x, "\n      ");
			fwrite(b.p, 1, b.len, x->file);
		}
		buf_fini(&b);
	}
}

static struct elem *new_user(struct arena *a)
{
	return elem_new(a, NS_IMPORT_EXPORT, STR("user"));
}

/* ---- parts ---- */

static const struct pie_part *part_of(const struct export *x)
{
	return &all_modules[x->module]->parts[x->part];
}

static void end_account(struct export *x)
{
	write_text(x, "\n    </user>\n");
	x->accounts++;
	next_account(x);
}

/* The next part that is to be exported; at the end the account is complete. */
static void next_part(struct export *x)
{
	x->after = STR_NONE;
	x->from_seq = 0;
	for (; all_modules[x->module]; x->module++, x->part = 0) {
		const struct module *m = all_modules[x->module];
		for (; host_has_module(host_of(x), m) && x->part < m->n_parts; x->part++) {
			if (!m->parts[x->part].space)
				continue;
			read_page(x);
			return;
		}
	}
	end_account(x);
}

static void put_page(struct export *x, const struct store_step *step)
{
	struct arena *a = arena_new(0);
	struct store_row one = { .value = step->value };
	const struct store_row *rows = part_of(x)->space->shape == STORE_KV ? &one : step->rows;
	uint32_t n = part_of(x)->space->shape == STORE_KV ? 1 : step->n_rows;
	struct pie_put put = { .host = host_of(x), .jid = x->jid, .arena = a, .user = new_user(a), .parser = x->parser };
	if (n)
		part_of(x)->put(&put, rows, n);
	x->broken += put.broken;
	write_children(x, put.user);
	arena_free(a);
}

static void on_page(struct store_op *op)
{
	struct export *x = op->arg;
	const struct store_step *step = op->first;
	if (op->err != ERR_NONE && op->err != ERR_NOT_FOUND) {
		finish(x, "the store fails");
		return;
	}
	if (op->err == ERR_NONE)
		put_page(x, step);
	if (op->err == ERR_NONE && step->more && step->n_rows) {
		x->after = arena_str(x->arena, step->rows[step->n_rows - 1].key);
		x->from_seq = step->rows[step->n_rows - 1].seq + 1;
		read_page(x);
	} else {
		x->part++;
		next_part(x);
	}
}

static void read_page(struct export *x)
{
	const struct store_space *space = part_of(x)->space;
	struct store_op *op = store_op_new(host_of(x)->name, jid_local(&x->jid), on_page, x);
	struct store_range range = { .from_seq = x->from_seq, .limit = ROWS_PAGE };
	if (space->shape == STORE_KV)
		store_kv_get(op, space);
	else if (space->shape == STORE_MAP)
		store_map_all(op, space, x->after, ROWS_PAGE);
	else
		store_log_range(op, space, &range);
	if (store_submit(host_of(x)->store, op) != ERR_NONE)
		finish(x, "the store takes no more questions");
}

/* ---- accounts ---- */

static void begin_account(struct export *x, const struct account *account)
{
	struct elem *user = new_user(x->arena);
	write_attr(x, "    <user name", jid_local(&x->jid));
	write_text(x, ">");
	pie_account_put(x->arena, user, account);
	write_children(x, user);
	x->module = x->part = 0;
	next_part(x);
}

static void on_account(struct store_op *op)
{
	struct export *x = op->arg;
	struct account account;
	if (op->err == ERR_NOT_FOUND) { /* removed since the page was read */
		next_account(x);
	} else if (op->err != ERR_NONE) {
		finish(x, "the store fails");
	} else if (account_record_parse(x->arena, op->first->value, &account) != ERR_NONE) {
		x->broken++;
		next_account(x);
	} else {
		begin_account(x, &account);
	}
}

static void tell(struct export *x)
{
	struct worker *main = x->call->node->main;
	if (main->now_ms - x->told_ms < TELL_MS)
		return;
	x->told_ms = main->now_ms;
	x->call->line(x->call, json_sprintf("%llu accounts so far", (unsigned long long)x->accounts));
}

static void read_account(struct export *x)
{
	struct str name = x->names[x->next++];
	arena_free(x->arena);
	x->arena = arena_new(0);
	if (jid_make(x->arena, name, host_of(x)->name, STR_NONE, &x->jid) != ERR_NONE) {
		x->broken++;
		next_account(x);
		return;
	}
	struct store_op *op = store_op_new(host_of(x)->name, jid_local(&x->jid), on_account, x);
	store_kv_get(op, &account_space);
	if (store_submit(host_of(x)->store, op) != ERR_NONE)
		finish(x, "the store takes no more questions");
}

static void read_names(struct export *x, struct str after);

static void on_names(struct store_op *op)
{
	struct export *x = op->arg;
	const struct store_step *step = op->first;
	if (op->err != ERR_NONE) {
		finish(x, "the store fails");
		return;
	}
	arena_free(x->names_in);
	x->names_in = arena_new(0);
	x->names = arena_alloc(x->names_in, (step->n_rows + 1) * sizeof *x->names);
	x->n_names = step->n_rows;
	x->next = 0;
	x->more_names = step->more;
	for (uint32_t i = 0; i < step->n_rows; i++)
		x->names[i] = arena_str(x->names_in, step->rows[i].key);
	next_account(x);
}

static void read_names(struct export *x, struct str after)
{
	struct store_op *op = store_op_new(host_of(x)->name, STR(""), on_names, x);
	store_kv_owners(op, &account_space, after, NAMES_PAGE);
	if (store_submit(host_of(x)->store, op) != ERR_NONE)
		finish(x, "the store takes no more questions");
}

/* Anonymous hosts have no accounts. */
static void next_host(struct export *x)
{
	while (x->host < x->end && host_of(x)->anonymous)
		x->host++;
	if (x->host == x->end) {
		write_text(x, "</server-data>\n");
		finish(x, ferror(x->file) ? "the file cannot be written" : NULL);
		return;
	}
	write_attr(x, "  <host jid", host_of(x)->name);
	write_text(x, ">\n");
	x->n_names = x->next = 0;
	read_names(x, STR_NONE);
}

static void next_account(struct export *x)
{
	if (x->gone || ferror(x->file)) {
		finish(x, x->gone ? "it was interrupted" : "the file cannot be written");
		return;
	}
	tell(x);
	if (x->next < x->n_names) {
		read_account(x);
	} else if (x->more_names && x->n_names) {
		read_names(x, x->names[x->n_names - 1]);
	} else {
		write_text(x, "  </host>\n");
		x->host++;
		next_host(x);
	}
}

/* ---- the command ---- */

static FILE *create(struct call *c, struct str *partial)
{
	*partial = arena_printf(c->arena, "%s.partial", c->args[0].p);
	if (access(c->args[0].p, F_OK) == 0) {
		errno = EEXIST;
		return NULL;
	}
	int fd = open(partial->p, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

void export_run(struct call *c)
{
	struct str partial;
	struct host *only = NULL;
	if (c->n_args > 1 && !(only = call_host(c, 1)))
		return;
	if (*c->args[0].p != '/') {
		call_fail(c, CTL_USAGE, "the node writes the file: give it a path from the root, not '%s'", c->args[0].p);
		return;
	}
	FILE *file = create(c, &partial);
	if (!file) {
		call_fail(c, CTL_FAILED, "cannot write %s: %s", c->args[0].p, strerrordesc_np(errno));
		return;
	}
	struct export *x = arena_zalloc(c->arena, sizeof *x);
	*x = (struct export){ .call = c, .file = file, .partial = partial, .host = only ? only->index : 0 };
	x->end = only ? only->index + 1 : c->node->n_hosts;
	x->parser = xml_parser_new(2);
	x->told_ms = c->node->main->now_ms;
	c->state = x;
	c->on_gone = on_gone;
	write_text(x, "<?xml version='1.0' encoding='UTF-8'?>\n<server-data xmlns='urn:xmpp:pie:0'>\n");
	next_host(x);
}
