/*
 * option.h: one row describes one option; the value it took, and where that came from. Numbers, durations and sizes are parsed
 * here and nowhere else.
 *
 * Rows are static arrays beside the code that uses them:
 *	static const struct option options[] = {
 *		{ .name = "stanza_bytes", .kind = OPTION_SIZE, .default_text = "256 KiB", .min = 10000, .max = 16 << 20,
 *		  .doc = "Longest stanza of a logged-in client." },
 *	};
 * Texts: bool true/false/yes/no/on/off; int decimal; duration a whole number with ms, s, m, h or d (0 alone is fine); size a whole
 * number, bytes or with KiB, MiB or GiB; enum one of the choices.
 */
#ifndef NODE_CORE_OPTION_H
#define NODE_CORE_OPTION_H

#include "proto/addr/cidr.h"
#include "proto/base/arena.h"
#include "proto/base/buf.h"

enum option_kind {
	OPTION_BOOL,
	OPTION_INT,
	OPTION_DURATION, /* milliseconds */
	OPTION_SIZE,     /* bytes */
	OPTION_ENUM,     /* the index of its choice */
	OPTION_STRING,   /* in files also {file: PATH}, for secrets */
	OPTION_PATH,     /* relative to the working directory */
	OPTION_STRINGS,
	OPTION_CIDRS,
	OPTION_MAPS /* a list of maps, each of the fields in `fields` */
};

struct option {
	const char *name;
	enum option_kind kind;
	/* As it would stand in the file. NULL: no list items, or an absent string; not for others unless they are required. */
	const char *default_text;
	/* Of a number; of a string its bytes; of a list its items. Both 0: no bound but the common ceilings. */
	int64_t min, max;
	const char *unit;    /* what an int counts: "connections" */
	const char *doc;     /* one sentence, no line breaks */
	const char *choices; /* enum: its words, separated by one space, in the order of the C enum */
	const struct option *fields;
	size_t n_fields;
	bool per_host;       /* hosts.<name>.<section>.<name> may override it */
	bool needs_restart;  /* a reload does not apply it */
	bool is_secret;      /* never printed */
	bool required;       /* of a map's fields only: must be given */
};

#define OPTION_STRING_MAX 4096
#define OPTION_ITEMS_MAX  1024

enum option_source { OPTION_FROM_DEFAULT, OPTION_FROM_FILE, OPTION_FROM_ENV };
struct option_origin {
	enum option_source source;
	unsigned line, column; /* from 1; of a file */
	const char *name;      /* the file or the variable */
};

/* An element of OPTION_MAPS: values[i] belongs to of->fields[i]. */
struct option_map {
	const struct option *of;
	const struct option_value *values;
};
struct option_value {
	const struct option *option;
	struct option_origin origin;
	int64_t number;   /* bool, int, duration, size, enum */
	struct str text;  /* string, path; NUL-terminated; may be absent */
	size_t n_items;
	const struct str *strings;
	const struct cidr *cidrs;
	const struct option_map *maps;
};

/* ---- reading a value: the kind must fit, else it is a bug ---- */

bool option_bool(const struct option_value *v);
/* int, duration in ms, size in bytes */
int64_t option_int(const struct option_value *v);
/* The index of the choice. */
int option_enum(const struct option_value *v);
/* string, path */
struct str option_str(const struct option_value *v);
const struct str *option_strs(const struct option_value *v, size_t *n);
const struct cidr *option_cidrs(const struct option_value *v, size_t *n);
const struct option_map *option_maps(const struct option_value *v, size_t *n);
/* The field of that name; an unknown one is a bug. */
const struct option_value *option_field(const struct option_map *m, const char *name);
bool option_value_eq(const struct option_value *a, const struct option_value *b);

/* ---- from and to text ---- */

bool option_is_list(const struct option *o);
/* The upper bound, the common ceiling of texts and lists included. */
int64_t option_max(const struct option *o);
/* Parses a scalar kind, bounds included. On failure adds the reason (no line break, no place) to *why, and the value is unchanged. */
MUST_CHECK enum err option_parse(const struct option *o, struct arena *a, struct str text, struct option_value *v, struct buf *why);
MUST_CHECK enum err option_parse_duration(struct str s, int64_t *ms);
MUST_CHECK enum err option_parse_size(struct str s, int64_t *bytes);
/* "256 KiB", "90s", "5 stanzas": for messages and documents; durations and sizes read back as the same number. */
void option_add_number(struct buf *b, const struct option *o, int64_t number);
/* "1s to 1h", nothing when there is no bound. */
void option_add_range(struct buf *b, const struct option *o);
/* The value as it stands in a file, on one line; a secret as "(hidden)". OPTION_MAPS: in flow style. */
void option_add_value(struct buf *b, const struct option_value *v);
/* A double-quoted YAML scalar. */
void option_add_quoted(struct buf *b, struct str s);
/* What somebody wrote, for a message: quoted, cut at 60 bytes, controls as '?'. */
void option_add_shown(struct buf *b, struct str s);
/* The nearest of `n` words, NULL when none is near enough to have been meant. */
const char *option_nearest(struct str word, const char *const *words, size_t n);

#endif
