/*
 * crowd.h: one message to everybody who is there.
 */
#ifndef NODE_CORE_CROWD_H
#define NODE_CORE_CROWD_H

#include "cluster/frame.h"
#include "node/core/module.h"

/* A message from the host, without `to` yet; the subject may be absent. Yours. */
struct stanza *crowd_message(const struct host *h, enum stanza_type type, struct str subject, struct str body);
/* Any thread. Delivers a headline to each available session of the host (NULL: of all hosts, each from its own), not by way of the router:
 * no block list and no archive has a say in what the service tells. On all nodes. The hook `told` of `by` (may be NULL) runs for each, with
 * `arg`, on its worker. */
void crowd_tell(struct node *n, struct host *h, struct str subject, struct str body, const struct module *by, uint64_t arg);
/* FLEET_CROWD: another node's. to: the host; xml: the stanza; from: the feature's name or nothing; osm: its arg. */
void crowd_heard(struct node_worker *nw, const struct frame_record *r);

#endif
