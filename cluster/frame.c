#include "cluster/frame.h"

#include <endian.h>
#ifdef __ARM_FEATURE_CRC32
#include <arm_acle.h>
#endif

/* The header's and the record's fields by offset: the drawing in frame.h. */
enum {
	H_MAGIC = 0, H_VERSION = 4, H_TYPE = 5, H_FLAGS = 6, H_SRC = 8, H_DST = 10, H_SRC_EPOCH = 12,
	H_DST_EPOCH = 16, H_NREC = 20, H_SEQ = 24, H_LACK = 32, H_RACK = 40, H_BODY = 48, H_CRC = 52, H_HLC = 56
};
enum {
	R_LEN = 0, R_KIND = 4, R_FLAGS = 5, R_TTL = 6, R_RULE = 7, R_OSM = 8, R_OSEQ = 16, R_FP = 24, R_SID = 32,
	R_FROM = 40, R_TO = 42, R_XML = 44
};

static const char *const type_names[FRAME_TYPE_COUNT] = {
	"unknown",     "hello",	    "hello-ack", "data", "repl",  "route", "route-digest", "snap-req", "snap",	 "take-req", "take-state",
	"take-commit", "take-tail", "kick",	 "ping", "remap", "room",  "inval",	   "relay",    "bounce", "drain",    "ackonly",
};

const char *frame_type_name(enum frame_type t)
{
	return type_names[(unsigned)t < FRAME_TYPE_COUNT ? t : 0];
}

static void put16(char *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof v);
}

static void put32(char *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof v);
}

static void put64(char *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

static uint16_t get16(const char *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof v);
	return le16toh(v);
}

static uint32_t get32(const char *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

static uint64_t get64(const char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

/* Castagnoli's polynomial, reflected: the processor's own instruction where it has one (some 0.1 ns a byte), else a nibble at a time, at
 * forty times that. */
static uint32_t crc_by_nibbles(uint32_t c, struct str s)
{
	static const uint32_t of_nibble[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};
	for (size_t i = 0; i < s.len; i++) {
		c ^= (uint8_t)s.p[i];
		c = c >> 4 ^ of_nibble[c & 15];
		c = c >> 4 ^ of_nibble[c & 15];
	}
	return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_words(uint32_t c, struct str *s)
{
	uint64_t wide = c, word;
	for (; s->len >= sizeof word; *s = str_span(s->p + sizeof word, s->len - sizeof word)) {
		memcpy(&word, s->p, sizeof word);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	return (uint32_t)wide;
}

static bool has_words(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__ARM_FEATURE_CRC32)
static uint32_t crc_by_words(uint32_t c, struct str *s)
{
	uint64_t word;
	for (; s->len >= sizeof word; *s = str_span(s->p + sizeof word, s->len - sizeof word)) {
		memcpy(&word, s->p, sizeof word);
		c = __crc32cd(c, word);
	}
	return c;
}

static bool has_words(void)
{
	return true;
}
#else
static uint32_t crc_by_words(uint32_t c, struct str *s)
{
	return c;
}

static bool has_words(void)
{
	return false;
}
#endif

uint32_t crc32c(struct str s)
{
	uint32_t c = 0xffffffffu;
	if (has_words())
		c = crc_by_words(c, &s);
	return ~crc_by_nibbles(c, s);
}

void frame_write_header(char h[FRAME_HEADER], const struct frame *f, bool checksum)
{
	BUG_ON(f->body.len > FRAME_MAX - FRAME_HEADER);
	memset(h, 0, FRAME_HEADER);
	put32(h + H_MAGIC, FRAME_MAGIC);
	h[H_VERSION] = FRAME_VERSION;
	h[H_TYPE] = (char)f->type;
	put16(h + H_FLAGS, f->flags);
	put16(h + H_SRC, f->src_node);
	put16(h + H_DST, f->dst_node);
	put32(h + H_SRC_EPOCH, f->src_epoch);
	put32(h + H_DST_EPOCH, f->dst_epoch);
	put32(h + H_NREC, f->nrec);
	put64(h + H_SEQ, f->link_seq);
	put64(h + H_LACK, f->lack);
	put64(h + H_RACK, f->rack);
	put32(h + H_BODY, (uint32_t)f->body.len);
	put32(h + H_CRC, checksum ? crc32c(f->body) : 0);
	put64(h + H_HLC, f->hlc);
}

void frame_write(struct buf *out, const struct frame *f, bool checksum)
{
	char h[FRAME_HEADER];
	frame_write_header(h, f, checksum);
	buf_add(out, h, sizeof h);
	buf_add_str(out, f->body);
}

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

enum err frame_add_record(struct buf *body, const struct frame_record *r)
{
	static const char zeros[8];
	char h[FRAME_RECORD] = { 0 };
	size_t len = FRAME_RECORD + r->from.len + r->to.len + r->xml.len;
	if (r->from.len > UINT16_MAX || r->to.len > UINT16_MAX || r->xml.len > FRAME_MAX ||
	    body->len + padded(len) > FRAME_BODY_MAX)
		return ERR_LIMIT;
	put32(h + R_LEN, (uint32_t)len);
	h[R_KIND] = (char)r->kind;
	h[R_FLAGS] = (char)r->flags;
	h[R_TTL] = (char)r->ttl;
	h[R_RULE] = (char)r->rule;
	put64(h + R_OSM, r->osm);
	put32(h + R_OSEQ, r->oseq);
	put64(h + R_FP, r->dst_fp);
	put64(h + R_SID, r->dst_sid);
	put16(h + R_FROM, (uint16_t)r->from.len);
	put16(h + R_TO, (uint16_t)r->to.len);
	put32(h + R_XML, (uint32_t)r->xml.len);
	buf_add(body, h, sizeof h);
	buf_add_str(body, r->from);
	buf_add_str(body, r->to);
	buf_add_str(body, r->xml);
	buf_add(body, zeros, padded(len) - len);
	return buf_status(body);
}

enum err frame_read(struct str bytes, struct frame *out)
{
	const char *p = bytes.p;
	if (bytes.len < FRAME_HEADER || bytes.len > FRAME_MAX || get32(p + H_MAGIC) != FRAME_MAGIC || p[H_VERSION] != FRAME_VERSION)
		return ERR_INVALID;
	uint8_t type = (uint8_t)p[H_TYPE];
	if (type == 0 || type >= FRAME_TYPE_COUNT || get32(p + H_BODY) != bytes.len - FRAME_HEADER)
		return ERR_INVALID;
	*out = (struct frame){
		.type = (enum frame_type)type,
		.flags = get16(p + H_FLAGS),
		.src_node = get16(p + H_SRC),
		.dst_node = get16(p + H_DST),
		.src_epoch = get32(p + H_SRC_EPOCH),
		.dst_epoch = get32(p + H_DST_EPOCH),
		.nrec = get32(p + H_NREC),
		.link_seq = get64(p + H_SEQ),
		.lack = get64(p + H_LACK),
		.rack = get64(p + H_RACK),
		.hlc = get64(p + H_HLC),
		.body = str_span(p + FRAME_HEADER, bytes.len - FRAME_HEADER),
	};
	uint32_t crc = get32(p + H_CRC);
	if (out->nrec > FRAME_RECORDS_MAX || (crc && crc != crc32c(out->body)))
		return ERR_INVALID;
	return ERR_NONE;
}

enum err frame_next_record(struct str *body, struct frame_record *out)
{
	const char *p = body->p;
	if (body->len == 0)
		return ERR_NOT_FOUND;
	if (body->len < FRAME_RECORD)
		return ERR_INVALID;
	size_t from = get16(p + R_FROM), to = get16(p + R_TO), xml = get32(p + R_XML), len = get32(p + R_LEN);
	if (xml > FRAME_MAX || len != FRAME_RECORD + from + to + xml || padded(len) > body->len)
		return ERR_INVALID;
	*out = (struct frame_record){
		.kind = (uint8_t)p[R_KIND],
		.flags = (uint8_t)p[R_FLAGS],
		.ttl = (uint8_t)p[R_TTL],
		.rule = (uint8_t)p[R_RULE],
		.osm = get64(p + R_OSM),
		.oseq = get32(p + R_OSEQ),
		.dst_fp = get64(p + R_FP),
		.dst_sid = get64(p + R_SID),
		.from = str_span(p + FRAME_RECORD, from),
		.to = str_span(p + FRAME_RECORD + from, to),
		.xml = str_span(p + FRAME_RECORD + from + to, xml),
	};
	*body = str_span(p + padded(len), body->len - padded(len));
	return ERR_NONE;
}

enum err frame_check_records(const struct frame *f)
{
	struct str body = f->body;
	struct frame_record r;
	uint32_t n = 0;
	enum err e;
	while ((e = frame_next_record(&body, &r)) == ERR_NONE)
		n++;
	return e == ERR_NOT_FOUND && n == f->nrec ? ERR_NONE : ERR_INVALID;
}
