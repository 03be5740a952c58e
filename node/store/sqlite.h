/*
 * sqlite.h: the store of one node on one disk. One thread owns the connection and the file.
 *
 * Group commit: the thread takes all that is queued, carries out reads that do not depend on a queued write and answers them, then puts the
 * rest into one transaction, commits it and answers. An op that fails leaves nothing behind and does not disturb the others (when SQLite
 * itself fails inside one, each gets a transaction of its own); a commit that fails fails all of its ops with ERR_IO.
 * One process at a time: a lock file beside the database (released by the kernel when the process dies, however it dies).
 */
#ifndef NODE_STORE_SQLITE_H
#define NODE_STORE_SQLITE_H

#include "node/store/store.h"

#define SQLITE_WHY_BYTES 512

struct sqlite_store_options {
	struct store_options common;
	const char *path;      /* of the database; its folder exists */
	bool sync_normal;      /* false: a committed write survives a power cut; true: only a crash of the process, but it costs no fsync */
	uint32_t max_batch;    /* ops of one transaction; default 1024 */
	uint32_t cache_kib;    /* default 8192 */
	uint64_t max_bytes;    /* of the database; 0: the disk's */
	uint32_t busy_ms;      /* wait for a foreign reader or backup; default 2000 */
};

/* Opens or creates, brings the schema up to date, starts the thread. On failure *out is NULL and `why` says what is wrong, in one line:
 * ERR_DENIED when another process has it, ERR_INVALID when the file is not ours or of a newer version, else ERR_IO. */
MUST_CHECK enum err sqlite_store_open(const struct sqlite_store_options *options, struct store **out, char why[SQLITE_WHY_BYTES]);

#endif
