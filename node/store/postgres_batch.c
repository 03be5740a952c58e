/* A lane's batch: reads first, the rest in transactions, and what becomes of ops when these fail. */
#include <stdlib.h>

#include "node/store/postgres_lane.h"

/* What became of a transaction. FAILED: it was rolled back, surely. IN_DOUBT: nobody knows. */
enum outcome { DONE, FAILED, IN_DOUBT };

/* ---- one transaction ---- */

struct part {
	struct store_op **ops;
	unsigned n;
	bool reads; /* nothing in it writes, nor waits for a write of the batch */
};

/* Several reads see the same state. */
static bool is_snapshot(const struct part *p)
{
	return p->reads && (p->n > 1 || p->ops[0]->n_steps > 1);
}

static void send_lock(struct pg_lane *l, const struct store_op *op)
{
	struct pg_params params = { .n = 0 };
	params_int(&params, lane_lock_of(op));
	link_post(&l->link, PG_LOCK, &params);
}

/* Of an owner whose lock the op before it has already. */
static bool is_locked(const struct part *p, unsigned i)
{
	return p->reads || (i > 0 && str_eq(p->ops[i]->host, p->ops[i - 1]->host) && str_eq(p->ops[i]->owner, p->ops[i - 1]->owner));
}

static void send_part(struct pg_lane *l, const struct part *p)
{
	if (is_snapshot(p))
		link_post(&l->link, PG_BEGIN_READ, NULL);
	for (unsigned i = 0; i < p->n; i++) {
		struct store_op *op = p->ops[i];
		store_op_reset(op);
		if (!is_locked(p, i))
			send_lock(l, op);
		for (const struct store_step *step = op->first; step; step = step->next)
			pg_step_send(&l->link, op, step, op->writes && op->n_steps > 1);
	}
	if (is_snapshot(p))
		link_post(&l->link, PG_COMMIT, NULL);
	link_sync(&l->link);
}

/* The next result, if all went well so far; to be cleared. */
static PGresult *hear(struct pg_lane *l, enum outcome *outcome)
{
	PGresult *r = link_result(&l->link);
	switch (r ? PQresultStatus(r) : PGRES_PIPELINE_ABORTED) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (*outcome == DONE)
			return r;
		break;
	case PGRES_PIPELINE_ABORTED:
		if (!r && *outcome == DONE)
			*outcome = IN_DOUBT;
		break;
	default:
		if (*outcome == DONE) {
			*outcome = FAILED;
			link_note(&l->link, r);
		}
	}
	PQclear(r);
	return NULL;
}

/* The end of a transaction: what fails here fails at its commit, or after it. */
static void hear_sync(struct pg_lane *l, enum outcome *outcome)
{
	for (;;) {
		PGresult *r = link_result(&l->link);
		ExecStatusType status = r ? PQresultStatus(r) : PGRES_FATAL_ERROR;
		if (r && status == PGRES_FATAL_ERROR)
			link_note(&l->link, r);
		PQclear(r);
		if (status == PGRES_PIPELINE_SYNC)
			return;
		if (*outcome == DONE)
			*outcome = IN_DOUBT;
		if (!r)
			return;
	}
}

static void hear_op(struct pg_lane *l, struct store_op *op, enum outcome *outcome)
{
	op->answer = ERR_NONE;
	for (struct store_step *step = op->first; step; step = step->next) {
		PGresult *r = hear(l, outcome);
		if (r && !op->answer)
			op->answer = pg_step_answer(op, step, r);
		PQclear(r);
	}
}

static enum outcome hear_part(struct pg_lane *l, const struct part *p)
{
	enum outcome outcome = DONE;
	if (is_snapshot(p))
		PQclear(hear(l, &outcome));
	for (unsigned i = 0; i < p->n; i++) {
		if (!is_locked(p, i))
			PQclear(hear(l, &outcome));
		hear_op(l, p->ops[i], &outcome);
	}
	if (is_snapshot(p))
		PQclear(hear(l, &outcome));
	hear_sync(l, &outcome);
	return outcome;
}

/* ---- what becomes of ops ---- */

static bool state_is(const struct pg_lane *l, const char *prefix)
{
	return strncmp(l->link.state, prefix, strlen(prefix)) == 0;
}

/* The server goes down, or may only be read from: another connection may do. Its statements were not carried out. */
static bool is_farewell(const struct pg_lane *l)
{
	return state_is(l, "57P") || state_is(l, "25006");
}

/* The error of an op whose own transaction failed. */
static enum err error_of(struct pg_lane *l)
{
	enum err err = pg_refusal(l->link.state);
	if (err)
		return err;
	if (state_is(l, "55P03") || state_is(l, "57014") || state_is(l, "40"))
		return ERR_UNAVAILABLE; /* somebody else's lock, or too much work: not carried out */
	if (state_is(l, "53") || state_is(l, "58") || state_is(l, "XX") || state_is(l, "25"))
		lane_set_sick(l, true, l->link.text);
	return ERR_IO;
}

static void answer_part(const struct part *p)
{
	for (unsigned i = 0; i < p->n; i++)
		store_answer(p->ops[i], p->ops[i]->answer);
}

static void succeed(struct pg_lane *l, const struct part *p)
{
	if (!p->reads) {
		atomic_fetch_add_explicit(&pool_store(l->store)->commits, 1, memory_order_relaxed);
		lane_set_sick(l, false, "the store can write again");
	}
	answer_part(p);
}

/* What comes after a part is put back behind it. */
static void put_back(struct pg_lane *l, struct store_op *const *ops, unsigned n)
{
	lane_put_back_list(l, l->left);
	l->left = NULL;
	lane_put_back(l, ops, n);
}

/* Reads are asked again, once there is a connection. */
static void doubt(struct pg_lane *l, const struct part *p)
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->n; i++) {
		struct store_op *op = p->ops[i];
		if (op->writes) {
			l->link.in_doubt = true;
			store_answer(op, ERR_IO);
		} else {
			p->ops[n++] = op;
		}
	}
	put_back(l, p->ops, n);
	link_lose(&l->link, l->link.text);
}

static void forgo(struct pg_lane *l, const struct part *p)
{
	put_back(l, p->ops, p->n);
	link_lose(&l->link, l->link.text);
}

/* Each op in a transaction of its own, all in one pipeline: what the first could not do together. */
static void run_apart(struct pg_lane *l, const struct part *p)
{
	unsigned n = 0, heard;
	for (unsigned i = 0; i < p->n; i++) {
		if (store_op_is_moot(p->ops[i]))
			store_answer(p->ops[i], ERR_CANCELLED);
		else
			p->ops[n++] = p->ops[i];
	}
	for (unsigned i = 0; i < n; i++)
		send_part(l, &(struct part){ &p->ops[i], 1, p->reads });
	for (heard = 0; heard < n; heard++) {
		struct part one = { &p->ops[heard], 1, p->reads };
		enum outcome outcome = hear_part(l, &one);
		if (outcome == DONE) {
			succeed(l, &one);
		} else if (outcome == FAILED && !is_farewell(l)) {
			one.ops[0]->answer = error_of(l);
			answer_part(&one);
		} else {
			break;
		}
	}
	if (heard < n) /* the connection is lost, and with it the answers of all that follow */
		doubt(l, &(struct part){ &p->ops[heard], n - heard, p->reads });
}

static void run_part(struct pg_lane *l, const struct part *p)
{
	if (!p->reads && pool_options(l->store)->apart) {
		run_apart(l, p);
		return;
	}
	send_part(l, p);
	enum outcome outcome = hear_part(l, p);
	if (outcome == DONE) {
		succeed(l, p);
	} else if (outcome == IN_DOUBT) {
		doubt(l, p);
	} else if (is_farewell(l)) {
		forgo(l, p);
	} else if (p->n > 1) {
		run_apart(l, p);
	} else {
		p->ops[0]->answer = error_of(l);
		answer_part(p);
	}
}

/* ---- a batch ---- */

/* Takes from l->left the reads that need not wait for a write. */
static void run_reads(struct pg_lane *l)
{
	struct store_op *list = l->left, **tail = &l->left;
	struct part part = { l->batch, 0, true };
	touched_clear(&l->touched);
	for (struct store_op *op = list, *next; op; op = next) {
		next = op->next;
		op->next = NULL;
		if (store_op_is_moot(op)) {
			store_answer(op, ERR_CANCELLED);
		} else if (op->writes || touched_has(&l->touched, op)) {
			touched_note(&l->touched, op);
			*tail = op;
			tail = &op->next;
		} else {
			part.ops[part.n++] = op;
		}
	}
	*tail = NULL;
	if (part.n)
		run_part(l, &part);
}

static int by_lock(const void *a, const void *b)
{
	const struct pg_place *x = a, *y = b;
	if (x->lock != y->lock)
		return x->lock < y->lock ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* Takes from l->left what may be one transaction: an op that concerns all owners is one alone, and keeps its place among the others. The
 * order of locks keeps that of an owner's ops. */
static unsigned take_part(struct pg_lane *l)
{
	unsigned n = 0;
	while (l->left && (n == 0 || !store_op_is_wide(l->left))) {
		struct store_op *op = l->left;
		l->left = op->next;
		l->places[n] = (struct pg_place){ .lock = lane_lock_of(op), .at = n, .op = op };
		n++;
		if (store_op_is_wide(op))
			break;
	}
	qsort(l->places, n, sizeof *l->places, by_lock);
	for (unsigned i = 0; i < n; i++)
		l->batch[i] = l->places[i].op;
	return n;
}

void lane_run(struct pg_lane *l, struct store_op *list, uint64_t n)
{
	store_count_batch(pool_store(l->store), n);
	l->left = list;
	run_reads(l);
	while (l->left && l->link.conn) {
		struct part part = { .ops = l->batch, .n = take_part(l) };
		run_part(l, &part);
	}
	lane_put_back_list(l, l->left); /* the connection was lost where nothing had to be put back before them */
	l->left = NULL;
}

bool lane_probe(struct pg_lane *l)
{
	enum outcome outcome = DONE;
	link_post(&l->link, PG_PROBE, NULL);
	link_sync(&l->link);
	PQclear(hear(l, &outcome));
	hear_sync(l, &outcome);
	return outcome == DONE;
}
