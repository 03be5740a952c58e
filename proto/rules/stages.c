#include "proto/rules/stages.h"

static const char *const names[STAGES_ACTION_COUNT] = { "execute", "cancel", "prev", "next", "complete" };

bool stages_action_from_name(struct str name, enum stages_action *out)
{
	*out = STAGES_EXECUTE;
	if (!str_present(name))
		return true;
	for (unsigned i = 0; i < STAGES_ACTION_COUNT; i++) {
		if (str_is(name, names[i])) {
			*out = (enum stages_action)i;
			return true;
		}
	}
	return false;
}

struct str stages_action_name(enum stages_action a)
{
	return str_of(names[a]);
}

bool stages_allows(enum stages_action a, unsigned stage, unsigned n)
{
	bool last = stage + 1 >= n;
	switch (a) {
	case STAGES_PREV:
		return stage > 0;
	case STAGES_NEXT:
		return !last;
	case STAGES_COMPLETE:
		return last;
	default:
		return true;
	}
}

struct stages_move stages_decide(enum stages_action a, unsigned stage, unsigned n)
{
	bool last = stage + 1 >= n;
	if (a == STAGES_EXECUTE)
		a = last ? STAGES_COMPLETE : STAGES_NEXT;
	if (!stages_allows(a, stage, n))
		return (struct stages_move){ .verdict = STAGES_REFUSE };
	if (a == STAGES_CANCEL)
		return (struct stages_move){ .verdict = STAGES_END };
	if (a == STAGES_PREV)
		return (struct stages_move){ .verdict = STAGES_SHOW, .show = stage - 1 };
	if (a == STAGES_NEXT)
		return (struct stages_move){ .verdict = STAGES_SHOW, .show = stage + 1, .submits = true };
	return (struct stages_move){ .verdict = STAGES_RUN, .submits = true };
}
