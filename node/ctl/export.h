/*
 * export.h: `export`: accounts and what belongs to them into one file of XEP-0227, while the node serves.
 *
 * One account at a time, each as it is at its moment: it is no snapshot of the whole. The file appears under its name when it is complete;
 * it holds keys, so nobody but the node's user may read it.
 */
#ifndef NODE_CTL_EXPORT_H
#define NODE_CTL_EXPORT_H

#include "node/ctl/command.h"

void export_run(struct call *c); /* FILE [HOST] */

#endif
