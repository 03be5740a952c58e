/*
 * door.h: who comes in at the mesh's bound socket: the allow-list, and the names of those who were not let in. A stranger is one whose
 * handshake was wrong (another secret, no CURVE); a connection that only came and went (a port check), or that spoke no ZeroMQ at all, is
 * ended and not told. One that was gone before we looked is told without its address.
 *
 * door_new and door_free: where the socket is made; the rest on its thread.
 */
#ifndef CLUSTER_DOOR_H
#define CLUSTER_DOOR_H

#include "cluster/worker.h"

struct door;

/* `allowed`: the one public key (ZAP_KEY bytes); NULL: no CURVE. Before the socket binds. */
struct door *door_new(void *context, void *socket, const uint8_t *allowed, void (*stranger)(void *arg, const char *text), void *arg);
void door_start(struct door *d, struct worker *w);
/* Before the socket is closed. NULL is fine. */
void door_free(struct door *d);

#endif
