#include "cluster/port.h"

#include <stdlib.h>

#define FIRST_ROOM 2048 /* of a parcel */

struct port {
	struct ports *ports;
	struct worker *worker;
	struct parcel *newest; /* open ones, the newest first */
	struct deferred flush;
	uint32_t self;
	/* the mesh thread's */
	uint32_t weight;
	struct delivery *rows, **rows_tail;
};

struct ports {
	_Atomic uint32_t refs;
	_Atomic bool closed;
	struct port_calls calls;
	struct worker *mesh;
	void (*take)(struct worker *mesh, struct message *parcel, bool cancelled);
	unsigned n;
	struct port port[];
};

static void ports_unref(struct ports *ps)
{
	if (atomic_fetch_sub_explicit(&ps->refs, 1, memory_order_acq_rel) == 1)
		free(ps);
}

static struct ports *ports_ref(struct ports *ps)
{
	atomic_fetch_add_explicit(&ps->refs, 1, memory_order_relaxed);
	return ps;
}

static struct port *port_of(struct ports *ps, const struct worker *w)
{
	struct port *p = &ps->port[w->index];
	BUG_ON(w->index >= ps->n || p->worker != w);
	return p;
}

void parcel_free(struct parcel *p)
{
	buf_fini(&p->buf);
	blob_unref(p->body);
	free(p);
}

/* ---- sending ---- */

static void parcel_post(struct port *p, struct parcel *c)
{
	c->body = blob_end(&c->buf);
	c->message.run = p->ports->take;
	c->message.bytes = c->body->len;
	worker_post(p->ports->mesh, &c->message);
}

static void on_flush(struct deferred *d)
{
	struct port *p = (struct port *)((char *)d - offsetof(struct port, flush));
	struct ports *ps = p->ports;
	struct parcel *oldest = NULL;
	while (p->newest) {
		struct parcel *c = p->newest;
		p->newest = c->next;
		c->next = oldest;
		oldest = c;
	}
	bool closed = atomic_load(&ps->closed);
	while (oldest) {
		struct parcel *c = oldest;
		oldest = c->next;
		if (closed)
			parcel_free(c);
		else
			parcel_post(p, c);
	}
	ports_unref(ps); /* port_add's */
}

static struct parcel *parcel_open(struct port *p, uint32_t epoch)
{
	struct parcel *c = xzalloc(sizeof *c);
	c->epoch = epoch;
	buf_init(&c->buf, FRAME_MAX);
	(void)buf_reserve(&c->buf, FIRST_ROOM);
	blob_begin(&c->buf);
	c->next = p->newest;
	p->newest = c;
	return c;
}

/* The parcel that may still take records for this peer without overtaking anything. */
static struct parcel *parcel_find(struct port *p, uint32_t epoch)
{
	for (struct parcel *c = p->newest; c; c = c->next) {
		if (c->epoch == epoch)
			return c;
		if (c->epoch == 0 || epoch == 0)
			return NULL;
	}
	return NULL;
}

static bool has_room(const struct parcel *c, const struct frame_record *r)
{
	size_t len = FRAME_RECORD + r->from.len + r->to.len + r->xml.len;
	return c->nrec == 0 || (c->nrec < FRAME_RECORDS_MAX && c->buf.len + len <= PARCEL_BYTES);
}

enum err port_add(struct ports *ps, struct worker *w, uint32_t epoch, const struct frame_record *r)
{
	struct port *p = port_of(ps, w);
	if (r->from.len + r->to.len + r->xml.len > FRAME_BODY_MAX - FRAME_RECORD - 2 * sizeof(struct blob))
		return ERR_LIMIT;
	struct parcel *c = parcel_find(p, epoch);
	if (!c || !has_room(c, r))
		c = parcel_open(p, epoch);
	enum err e = frame_add_record(&c->buf, r);
	if (e == ERR_NONE)
		c->nrec++;
	if (!p->flush.pending) {
		ports_ref(ps);
		worker_defer(w, &p->flush);
	}
	return e;
}

uint32_t port_self(const struct ports *ps, const struct worker *w)
{
	return ps->port[w->index].self;
}

/* ---- delivering ---- */

enum delivery_kind { RECORDS, LOST, VIEW, FRESH, ROWS };

struct row {
	struct row *next;
	struct registry_row row; /* its names are behind it */
	char bytes[];
};

struct delivery {
	struct message message;
	struct port *port;
	struct delivery *next; /* rows that are gathered, one per dead epoch */
	enum delivery_kind kind;
	uint32_t epoch;
	struct blob *body;
	struct view *view;
	struct row *rows, **rows_tail;
};

static void give_records(const struct delivery *d)
{
	const struct port *p = d->port;
	const struct ports *ps = p->ports;
	struct str body = blob_str(d->body);
	struct frame_record r;
	bool lost = d->kind == LOST;
	while (frame_next_record(&body, &r) == ERR_NONE) {
		if (r.dst_fp ? r.dst_fp % ps->n != p->worker->index : lost)
			continue;
		if (lost)
			ps->calls.on_lost(p->worker, d->epoch, &r);
		else
			ps->calls.on_record(p->worker, d->epoch, &r);
	}
	if (!lost && ps->calls.on_batch_end)
		ps->calls.on_batch_end(p->worker);
}

static void give_rows(const struct delivery *d)
{
	for (const struct row *r = d->rows; r; r = r->next)
		d->port->ports->calls.on_purged(d->port->worker, d->epoch, &r->row);
}

static void give(const struct delivery *d)
{
	struct port *p = d->port;
	switch (d->kind) {
	case RECORDS:
	case LOST:
		give_records(d);
		break;
	case VIEW:
		p->self = d->view->self;
		p->ports->calls.on_view(p->worker, d->view);
		break;
	case FRESH:
		p->ports->calls.on_registry_fresh(p->worker);
		break;
	case ROWS:
		give_rows(d);
		break;
	}
}

static void delivery_run(struct worker *w, struct message *m, bool cancelled)
{
	struct delivery *d = (struct delivery *)m;
	struct ports *ps = d->port->ports;
	if (!cancelled && !atomic_load(&ps->closed))
		give(d);
	while (d->rows) {
		struct row *r = d->rows;
		d->rows = r->next;
		free(r);
	}
	blob_unref(d->body);
	view_unref(d->view);
	free(d);
	ports_unref(ps);
}

static struct delivery *delivery_new(struct port *p, enum delivery_kind kind, uint32_t epoch)
{
	struct delivery *d = xzalloc(sizeof *d);
	d->message.run = delivery_run;
	d->port = p;
	d->kind = kind;
	d->epoch = epoch;
	d->rows_tail = &d->rows;
	ports_ref(p->ports);
	return d;
}

void ports_view(struct ports *ps, struct view *v)
{
	for (unsigned i = 0; i < ps->n; i++) {
		struct delivery *d = delivery_new(&ps->port[i], VIEW, v->self);
		d->view = view_ref(v);
		worker_post(ps->port[i].worker, &d->message);
	}
}

void ports_registry_fresh(struct ports *ps)
{
	for (unsigned i = 0; i < ps->n; i++)
		worker_post(ps->port[i].worker, &delivery_new(&ps->port[i], FRESH, 0)->message);
}

static uint32_t weight_of(const struct frame_record *r)
{
	return (uint32_t)(FRAME_RECORD + r->from.len + r->to.len + r->xml.len);
}

void ports_deliver(struct ports *ps, bool lost, uint32_t epoch, struct blob *body)
{
	struct str rest = blob_str(body);
	struct frame_record r;
	uint32_t everyone = 0;
	while (frame_next_record(&rest, &r) == ERR_NONE) {
		if (r.dst_fp)
			ps->port[r.dst_fp % ps->n].weight += weight_of(&r);
		else if (!lost)
			everyone += weight_of(&r);
	}
	for (unsigned i = 0; i < ps->n; i++) {
		struct port *p = &ps->port[i];
		uint32_t weight = p->weight + everyone;
		p->weight = 0;
		if (!weight)
			continue;
		struct delivery *d = delivery_new(p, lost ? LOST : RECORDS, epoch);
		d->body = blob_ref(body);
		d->message.bytes = weight;
		worker_post(p->worker, &d->message);
	}
}

/* ---- rows of the dead ---- */

static struct delivery *rows_for(struct port *p, uint32_t epoch)
{
	for (struct delivery *d = p->rows; d; d = d->next)
		if (d->epoch == epoch)
			return d;
	struct delivery *d = delivery_new(p, ROWS, epoch);
	*p->rows_tail = d;
	p->rows_tail = &d->next;
	return d;
}

void ports_purged(struct ports *ps, uint64_t fp, uint32_t dead_epoch, const struct registry_row *row)
{
	struct str bare = row->bare, resource = row->resource;
	struct delivery *d = rows_for(&ps->port[fp % ps->n], dead_epoch);
	struct row *r = xzalloc(sizeof *r + bare.len + resource.len);
	r->row = *row;
	r->row.bare = str_span(r->bytes, bare.len);
	r->row.resource = str_span(r->bytes + bare.len, resource.len);
	if (bare.len)
		memcpy(r->bytes, bare.p, bare.len);
	if (resource.len)
		memcpy(r->bytes + bare.len, resource.p, resource.len);
	*d->rows_tail = r;
	d->rows_tail = &r->next;
	d->message.bytes += (uint32_t)(sizeof *r + bare.len + resource.len);
}

void ports_purged_end(struct ports *ps)
{
	for (unsigned i = 0; i < ps->n; i++) {
		struct port *p = &ps->port[i];
		while (p->rows) {
			struct delivery *d = p->rows;
			p->rows = d->next;
			worker_post(p->worker, &d->message);
		}
		p->rows_tail = &p->rows;
	}
}

/* ---- life ---- */

struct ports *ports_new(struct worker **workers, unsigned n, const struct port_calls *calls, struct worker *mesh,
			void (*take)(struct worker *mesh, struct message *parcel, bool cancelled))
{
	struct ports *ps = xzalloc(sizeof *ps + n * sizeof ps->port[0]);
	BUG_ON(n == 0);
	atomic_init(&ps->refs, 1);
	ps->calls = *calls;
	ps->mesh = mesh;
	ps->take = take;
	ps->n = n;
	for (unsigned i = 0; i < n; i++) {
		BUG_ON(workers[i]->index != i);
		ps->port[i] = (struct port){ .ports = ps, .worker = workers[i], .flush = { .fn = on_flush } };
		ps->port[i].rows_tail = &ps->port[i].rows;
	}
	return ps;
}

void ports_close(struct ports *ps)
{
	atomic_store(&ps->closed, true);
	ports_purged_end(ps);
	ports_unref(ps);
}
