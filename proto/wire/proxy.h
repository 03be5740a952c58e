/*
 * proxy.h: the PROXY protocol, versions 1 and 2: the header by which a load balancer in front of us says who the client is.
 *
 * Pure: give it what has arrived so far, again and again, until it is not PROXY_MORE. It keeps no state, and refuses a wrong signature at
 * its first byte. Whether the peer may say such things at all (trusted networks, cidr.h) is the caller's question, to be asked before.
 * Source: "The PROXY protocol, Versions 1 & 2", sections 2.1 and 2.2.
 */
#ifndef PROTO_WIRE_PROXY_H
#define PROTO_WIRE_PROXY_H

#include "proto/addr/ip.h"

#define PROXY_V1_MAX 107  /* bytes with CR LF */
#define PROXY_V2_MAX 1040 /* ceiling of ours: the fixed 16 bytes, addresses and TLVs; balancers send some hundred */
#define PROXY_MAX    PROXY_V2_MAX

enum proxy_result {
	PROXY_MORE,   /* a beginning of a header */
	PROXY_DONE,   /* *out is filled; the stream itself begins behind out->bytes */
	PROXY_INVALID /* not a header: close the connection, as the protocol says */
};

enum proxy_kind {
	PROXY_TCP,    /* src and dst are the client's */
	PROXY_UNKNOWN, /* a proxied connection of a kind that has no IP addresses: the connection's own stand */
	PROXY_LOCAL   /* the balancer itself speaks (a health check): the connection's own addresses stand */
};

struct proxy_header {
	size_t bytes;
	enum proxy_kind kind;
	struct ip src, dst; /* zeroed unless PROXY_TCP */
	uint16_t src_port, dst_port;
};

enum proxy_result proxy_parse(struct str bytes, struct proxy_header *out);

#endif
