/*
 * frame.h: what nodes say to one another: one frame is one ZeroMQ message part. Pure: bytes to values and back.
 *
 * A frame is a 64-byte header and a body; little endian. A DATA frame's body is a run of records, each padded to 8 bytes. Everything is
 * checked before anything is believed: a peer is trusted not to lie about its users, but not to be without bugs (CURVE does not protect
 * from those).
 *
 *   header  0 magic u32 | 4 version u8 | 5 type u8 | 6 flags u16 | 8 src_node u16 | 10 dst_node u16 | 12 src_epoch u32 | 16 dst_epoch u32
 *           20 nrec u32 | 24 link_seq u64 | 32 lack u64 | 40 rack u64 | 48 body_len u32 | 52 crc32c u32 | 56 hlc u64
 *   record  0 len u32 | 4 kind u8 | 5 flags u8 | 6 ttl u8 | 7 rule u8 | 8 osm u64 | 16 oseq u32 | 20 reserved u32 | 24 dst_fp u64
 *           32 dst_sid u64 | 40 from_len u16 | 42 to_len u16 | 44 xml_len u32 | 48 from, to, xml, padding
 *
 * Room for what comes later: `rack` and the types of replication and hand-over are numbered here and unused until then; `reserved` must
 * be 0 when written and is ignored when read; unknown flags are ignored, unknown types are the link's to refuse by version.
 */
#ifndef CLUSTER_FRAME_H
#define CLUSTER_FRAME_H

#include "proto/base/buf.h"

#define FRAME_MAGIC       0x31484d58u /* "XMH1" */
#define FRAME_VERSION     1
#define FRAME_HEADER      64
#define FRAME_RECORD      48
#define FRAME_MAX         (1u << 20) /* with its header */
#define FRAME_BODY_MAX    (FRAME_MAX - 2 * FRAME_HEADER) /* of records: such a frame can still be wrapped in a RELAY */
#define FRAME_RECORDS_MAX 4096
#define FRAME_TTL         4          /* of a new record */

enum frame_type {
	FRAME_HELLO = 1, FRAME_HELLO_ACK, FRAME_DATA, FRAME_REPL, FRAME_ROUTE, FRAME_ROUTE_DIGEST, FRAME_SNAP_REQ,
	FRAME_SNAP, FRAME_TAKE_REQ, FRAME_TAKE_STATE, FRAME_TAKE_COMMIT, FRAME_TAKE_TAIL, FRAME_KICK, FRAME_PING,
	FRAME_REMAP, FRAME_ROOM, FRAME_INVAL, FRAME_RELAY, FRAME_BOUNCE, FRAME_DRAIN, FRAME_ACKONLY, FRAME_TYPE_COUNT
};

/* Bits of a record's flags. */
enum {
	FRAME_MAYBE_DUP = 1, FRAME_NO_STORE = 2, FRAME_CARBON = 4, FRAME_REROUTED = 8, FRAME_FANOUT = 16,
	FRAME_KEPT = 32,   /* whoever it is from keeps it until the other end acknowledges it (XEP-0198): no record need be saved */
	FRAME_COUNTED = 64 /* an UP that is counted in the state that came with the BIND */
};

struct frame {
	enum frame_type type;
	uint16_t flags, src_node, dst_node;
	uint32_t src_epoch, dst_epoch, nrec;
	uint64_t link_seq; /* 0: unsequenced */
	uint64_t lack, rack, hlc;
	struct str body;
};

struct frame_record {
	uint8_t kind, flags, ttl, rule;
	uint64_t osm;  /* origin SM identity and inbound count: the stanza's identity across resends; 0: none */
	uint32_t oseq;
	uint64_t dst_fp, dst_sid;
	struct str from, to, xml;
};

/* Appends a whole frame. `checksum`: a CRC-32C of the body goes with it (where CURVE does not authenticate it anyway). Past the buf's
 * ceiling, or FRAME_MAX, buf_status tells. */
void frame_write(struct buf *out, const struct frame *f, bool checksum);
/* The header alone, for a body that travels beside it. */
void frame_write_header(char out[FRAME_HEADER], const struct frame *f, bool checksum);
/* Appends a record to a body under construction. ERR_LIMIT: it would pass FRAME_BODY_MAX, and nothing was appended. */
MUST_CHECK enum err frame_add_record(struct buf *body, const struct frame_record *r);
/* Reads one message part; the body is borrowed. ERR_INVALID: not ours, another version, lengths that do not fit, a wrong checksum. */
MUST_CHECK enum err frame_read(struct str bytes, struct frame *out);
/* Takes the next record off *body; its strs are borrowed. ERR_NOT_FOUND at the end; ERR_INVALID when lengths do not fit. */
MUST_CHECK enum err frame_next_record(struct str *body, struct frame_record *out);
/* All records of a DATA frame are sound and as many as it says: so that a frame is taken whole or not at all. */
MUST_CHECK enum err frame_check_records(const struct frame *f);
/* "data"; "unknown" out of range. */
const char *frame_type_name(enum frame_type t);
uint32_t crc32c(struct str s);

#endif
