#include "node/http/request.h"

#include <http_parser.h>
#include <stdlib.h>

enum { FIELD_ACCEPT, FIELD_AUTHORIZATION, FIELD_CONTENT_TYPE, FIELD_ORIGIN, FIELD_COUNT, FIELD_OTHER = FIELD_COUNT };
static const char *const field_names[FIELD_COUNT] = { "accept", "authorization", "content-type", "origin" };
#define NAME_MAX_BYTES 32 /* longer names are none of ours */

struct request_reader {
	http_parser parser;
	struct request_limits limits;
	struct buf target, body, values[FIELD_COUNT], name;
	uint32_t head;   /* bytes of it so far */
	unsigned field;
	unsigned status; /* why it was refused; 0 so far */
	bool begun, in_value, in_head, complete, keep_alive, seen[FIELD_COUNT];
};

/* Tokens and passwords come this way. */
static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->len);
	buf_fini(b);
}

/* What each message begins with. */
static void forget(struct request_reader *r)
{
	buf_fini(&r->target);
	wipe(&r->body);
	buf_fini(&r->name);
	for (int i = 0; i < FIELD_COUNT; i++) {
		wipe(&r->values[i]);
		r->seen[i] = false;
	}
	r->head = 0;
	r->field = FIELD_OTHER;
	r->in_value = r->begun = r->complete = false;
	r->in_head = true;
}

struct request_reader *request_reader_new(struct request_limits limits)
{
	struct request_reader *r = xzalloc(sizeof *r);
	http_parser_init(&r->parser, HTTP_REQUEST);
	r->parser.data = r;
	r->limits = limits;
	buf_init(&r->target, limits.head);
	buf_init(&r->body, limits.body);
	buf_init(&r->name, limits.head);
	for (int i = 0; i < FIELD_COUNT; i++)
		buf_init(&r->values[i], limits.head);
	forget(r);
	return r;
}

void request_reader_free(struct request_reader *r)
{
	if (!r)
		return;
	forget(r);
	free(r);
}

bool request_is_idle(const struct request_reader *r)
{
	return !r->begun;
}

/* ---- the parser's callbacks: other than 0 stops it ---- */

static int refuse(struct request_reader *r, unsigned status)
{
	r->status = status;
	return -1;
}

static int on_begin(http_parser *p)
{
	struct request_reader *r = p->data;
	forget(r);
	r->begun = true;
	return 0;
}

static int on_url(http_parser *p, const char *at, size_t n)
{
	struct request_reader *r = p->data;
	buf_add(&r->target, at, n);
	return buf_status(&r->target) == ERR_NONE ? 0 : refuse(r, 431);
}

static int on_field(http_parser *p, const char *at, size_t n)
{
	struct request_reader *r = p->data;
	if (r->in_value || !r->name.p)
		buf_clear(&r->name);
	r->in_value = false;
	buf_add(&r->name, at, n);
	return buf_status(&r->name) == ERR_NONE ? 0 : refuse(r, 431);
}

/* A trailing part of a chunked body has no say. */
static unsigned field_of(const struct request_reader *r)
{
	for (unsigned i = 0; r->in_head && r->name.len <= NAME_MAX_BYTES && i < FIELD_COUNT; i++)
		if (str_caseeq(buf_str(&r->name), str_of(field_names[i])))
			return i;
	return FIELD_OTHER;
}

static int on_value(http_parser *p, const char *at, size_t n)
{
	struct request_reader *r = p->data;
	if (!r->in_value) {
		r->in_value = true;
		r->field = field_of(r);
		if (r->field < FIELD_COUNT) {
			buf_clear(&r->values[r->field]);
			r->seen[r->field] = true;
		}
	}
	if (r->field == FIELD_OTHER)
		return 0;
	buf_add(&r->values[r->field], at, n);
	return buf_status(&r->values[r->field]) == ERR_NONE ? 0 : refuse(r, 431);
}

/* Only what is left of the body decides on 413: a length that is announced need not be waited for. */
static int on_head(http_parser *p)
{
	struct request_reader *r = p->data;
	r->in_head = false;
	if (p->http_major != 1)
		return refuse(r, 505);
	if (!(p->flags & F_CHUNKED) && p->content_length != UINT64_MAX && p->content_length > r->limits.body)
		return refuse(r, 413);
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t n)
{
	struct request_reader *r = p->data;
	buf_add(&r->body, at, n);
	return buf_status(&r->body) == ERR_NONE ? 0 : refuse(r, 413);
}

static int on_complete(http_parser *p)
{
	struct request_reader *r = p->data;
	r->complete = true;
	r->begun = false;
	r->keep_alive = http_should_keep_alive(p) && !p->upgrade;
	http_parser_pause(p, 1); /* one at a time */
	return 0;
}

/* ---- */

static const http_parser_settings settings = {
	.on_message_begin = on_begin,
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_head,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

static enum request_method method_of(unsigned method)
{
	return method == HTTP_GET ? REQUEST_GET : method == HTTP_HEAD ? REQUEST_HEAD : method == HTTP_POST ? REQUEST_POST : REQUEST_OTHER;
}

static struct str value_of(const struct request_reader *r, unsigned field)
{
	struct str v = buf_str(&r->values[field]);
	return !r->seen[field] ? STR_NONE : v.p ? v : STR("");
}

static void ready(const struct request_reader *r, struct request *out)
{
	struct str rest = buf_str(&r->target);
	*out = (struct request){
		.method = method_of(r->parser.method),
		.accept = value_of(r, FIELD_ACCEPT),
		.authorization = value_of(r, FIELD_AUTHORIZATION),
		.content_type = value_of(r, FIELD_CONTENT_TYPE),
		.origin = value_of(r, FIELD_ORIGIN),
		.body = buf_str(&r->body),
		.keep_alive = r->keep_alive,
	};
	out->path = str_cut(&rest, '?');
	out->query = rest;
}

static unsigned status_of(const struct request_reader *r, enum http_errno e)
{
	if (r->status)
		return r->status;
	return e == HPE_HEADER_OVERFLOW ? 431 : e == HPE_INVALID_TRANSFER_ENCODING ? 501 : 400;
}

enum request_event request_next(struct request_reader *r, struct str *input, struct request *out, unsigned *status)
{
	http_parser *p = &r->parser;
	if (r->complete) {
		forget(r);
		http_parser_pause(p, 0);
	}
	if (!input->len)
		return REQUEST_MORE;
	/* The head's ceiling holds for fields that are not kept, too: it gets no more bytes than are left of it. */
	size_t room = r->in_head ? r->limits.head - r->head : input->len;
	size_t offered = input->len < room ? input->len : room;
	bool in_head = r->in_head;
	size_t taken = http_parser_execute(p, &settings, input->p, offered);
	enum http_errno e = HTTP_PARSER_ERRNO(p);
	if (in_head)
		r->head += (uint32_t)taken;
	*input = str_span(input->p + taken, input->len - taken);
	if (r->complete && (e == HPE_PAUSED || e == HPE_OK)) {
		ready(r, out);
		return REQUEST_READY;
	}
	if (e != HPE_OK || p->upgrade) {
		*status = e == HPE_OK ? 501 : status_of(r, e);
		return REQUEST_BAD;
	}
	if (r->in_head && r->head >= r->limits.head) {
		*status = 431;
		return REQUEST_BAD;
	}
	return input->len ? request_next(r, input, out, status) : REQUEST_MORE;
}
