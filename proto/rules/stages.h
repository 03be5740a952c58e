/*
 * stages.h: an ad-hoc command's way through its forms (XEP-0050 sections 2.4 and 3.4).
 *
 * 1. A command has stages, each a form; after the last is the end. `next` submits a form and shows the following, which the last stage does
 *    not have; `complete` submits the last one, and is allowed there only: a stage is never skipped, as its form has no values yet.
 * 2. `prev` shows the form before, which the first stage does not have; nothing is submitted.
 * 3. `execute` is what the `execute` attribute of the stage says: complete at the last stage, else next.
 * 4. `cancel` is always allowed.
 */
#ifndef PROTO_RULES_STAGES_H
#define PROTO_RULES_STAGES_H

#include "proto/base/str.h"

enum stages_action { STAGES_EXECUTE, STAGES_CANCEL, STAGES_PREV, STAGES_NEXT, STAGES_COMPLETE, STAGES_ACTION_COUNT };

struct stages_move {
	enum { STAGES_REFUSE, STAGES_SHOW, STAGES_RUN, STAGES_END } verdict;
	unsigned show; /* SHOW: this stage */
	bool submits;  /* the form that came along is to be checked and kept */
};

/* False for a word that is no action. An absent word is execute. */
bool stages_action_from_name(struct str name, enum stages_action *out);
struct str stages_action_name(enum stages_action a);
/* Is this action allowed at `stage` of `n` (numbers from 0)? */
bool stages_allows(enum stages_action a, unsigned stage, unsigned n);
struct stages_move stages_decide(enum stages_action a, unsigned stage, unsigned n);

#endif
