/*
 * zap.h: who may connect to the mesh: ZeroMQ's authentication requests (ZAP, RFC 27) answered by an allow-list of one public key. Without
 * it CURVE encrypts and lets everybody in. Must be bound before the socket that it guards.
 *
 * One thread at a time.
 */
#ifndef CLUSTER_ZAP_H
#define CLUSTER_ZAP_H

#include <stdbool.h>
#include <stdint.h>

#define ZAP_DOMAIN "mesh"
#define ZAP_KEY    32

struct zap {
	void *socket;
	uint8_t allowed[ZAP_KEY];
};

/* In a zmq context; false: it is bound there already. */
bool zap_open(struct zap *z, void *context, const uint8_t allowed[ZAP_KEY]);
void zap_close(struct zap *z);
/* Answers all requests that wait. `on_denied` gets the address of each that is refused. */
void zap_answer(struct zap *z, void (*on_denied)(void *arg, const char *address), void *arg);

#endif
