/*
 * luadata.h: data written as Lua source, as Prosody keeps it: "return { ... };" in *.dat files, "item({ ... });" again and again in
 * *.list files. Read only, and nothing is run: tables, strings, numbers, booleans and nil.
 */
#ifndef PROTO_FORMS_LUADATA_H
#define PROTO_FORMS_LUADATA_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

#define LUADATA_DEPTH_MAX 64

enum luadata_kind { LUADATA_NIL, LUADATA_BOOL, LUADATA_NUMBER, LUADATA_STRING, LUADATA_TABLE };

struct luadata_pair;
struct luadata {
	enum luadata_kind kind;
	bool truth;                       /* BOOL */
	struct str text;                  /* STRING: its bytes; NUMBER: as it is written */
	const struct luadata_pair *pairs; /* TABLE, in the order of the file */
};
/* What has no key is counted: 1, 2, 3. */
struct luadata_pair {
	const struct luadata_pair *next;
	struct luadata key, value;
};

/* The value behind "return". ERR_INVALID for anything else. Strings borrow from text or live in the arena. */
MUST_CHECK enum err luadata_return(struct arena *a, struct str text, struct luadata *out);
/* Cuts the next "item(...);" off *rest. ERR_NOT_FOUND at the end. */
MUST_CHECK enum err luadata_item(struct arena *a, struct str *rest, struct luadata *out);

/* The value at a string key; NULL when there is none, or t is no table. */
const struct luadata *luadata_get(const struct luadata *t, const char *key);
/* The string at a key; absent when there is none. */
struct str luadata_str(const struct luadata *t, const char *key);
/* A whole number of 0 or more at a key. */
bool luadata_u64(const struct luadata *t, const char *key, uint64_t *out);

#endif
