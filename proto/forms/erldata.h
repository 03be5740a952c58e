/*
 * erldata.h: a list of tuples of texts, written as an Erlang term: the templates that ejabberdctl takes for rosters.
 *
 *   [{"romeo", "example.org", "Montagues", "Romeo"},   % strings or binaries
 *    {<<"juliet">>, <<"example.org">>, <<"Capulets">>, <<"Juliet"/utf8>>}].
 *
 * Read only, and nothing is run. Texts are taken as the file has them, in UTF-8.
 */
#ifndef PROTO_FORMS_ERLDATA_H
#define PROTO_FORMS_ERLDATA_H

#include "proto/base/arena.h"
#include "proto/base/err.h"

struct erldata {
	struct str rest; /* the file, to begin with */
	bool begun;
};

/* The next tuple's n texts; they borrow from the file or live in the arena. ERR_NOT_FOUND behind the last; ERR_INVALID for anything else,
 * with `rest` where it was not understood. */
MUST_CHECK enum err erldata_next(struct erldata *d, struct arena *a, struct str *out, unsigned n);

#endif
