/*
 * addressees.h: a run of addresses, as a record that is for many carries it. Pure: bytes to values and back. Each is its length (u16,
 * little endian) and its text; what the text says is for others to check.
 */
#ifndef CLUSTER_ADDRESSEES_H
#define CLUSTER_ADDRESSEES_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

#define ADDRESSEES_MAX   255         /* in one run: a receiver works them off in one go */
#define ADDRESSEES_BYTES (16u << 10) /* of one run */

/* Appends one to a run that has `n` already. ERR_LIMIT: it would pass a ceiling, and nothing was appended. */
MUST_CHECK enum err addressees_add(struct buf *run, unsigned n, struct str address);
/* Takes the next one off *run; borrowed. ERR_NOT_FOUND at the end; ERR_INVALID when lengths do not fit, or it is empty. */
MUST_CHECK enum err addressees_next(struct str *run, struct str *out);
/* All are sound, and no more than there may be: so that a run is taken whole or not at all. */
MUST_CHECK enum err addressees_check(struct str run);

#endif
