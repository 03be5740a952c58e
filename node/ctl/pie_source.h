/*
 * pie_source.h: where accounts come from: each as one <user/> element of XEP-0227, whatever the form on disk. Used by import alone; main
 * thread. Files are read as the accounts are asked for.
 */
#ifndef NODE_CTL_PIE_SOURCE_H
#define NODE_CTL_PIE_SOURCE_H

#include "proto/base/err.h"
#include "proto/xml/elem.h"

#define PIE_WHY_BYTES 512

enum pie_next { PIE_USER, PIE_END, PIE_BROKEN };

struct pie_source {
	/* The next account, in the arena: its host's name, which may be nobody's, and its element. BROKEN: s->why says where and why; what
	 * came before is good. */
	enum pie_next (*next)(struct pie_source *s, struct arena *a, struct str *host, struct elem **user);
	void (*close)(struct pie_source *s); /* frees it */
	/* The importer's: something outside of all accounts, or of the account that is being read, was left. */
	void (*on_left)(void *arg, struct str what, const char *why);
	void *arg;
	struct str account; /* "user@host" that is being read; empty outside of accounts */
	char why[PIE_WHY_BYTES];
};

/* A file of XEP-0227, with what it includes. NULL, and a text in `why` (PIE_WHY_BYTES). */
struct pie_source *pie_file_open(const char *path, char *why);
/* Prosody's data folder. */
struct pie_source *pie_prosody_open(const char *path, char *why);

#endif
