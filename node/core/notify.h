/*
 * notify.h: tells the service manager how the node is (systemd's sd_notify protocol: datagrams to the socket that NOTIFY_SOCKET names).
 *
 * Own, because it is a sendto(2), and libsystemd brings five libraries into every container. Does nothing where nobody asked. Main thread.
 */
#ifndef NODE_CORE_NOTIFY_H
#define NODE_CORE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

/* Reads the environment; once, before the others. */
void notify_init(void);
/* "READY=1\nSTATUS=..." */
void notify_send(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A reload begins; READY=1 ends it. */
void notify_reloading(void);
/* How often the manager wants to hear that the node is alive, in ms; 0: not at all. */
uint64_t notify_alive_every_ms(void);

#endif
