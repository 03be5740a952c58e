/*
 * adhoc.h: ad-hoc commands (XEP-0050) of features: a row each in the feature's descriptor. The feature `adhoc` shows them to whom they are
 * meant for, leads through their forms, and runs them when all are filled in.
 *
 * A run belongs to the session that began it and lives on its worker; it ends with adhoc_done, adhoc_failed or adhoc_refuse, once, now or
 * later. What is allocated in x->arena lives as long.
 */
#ifndef NODE_CORE_ADHOC_H
#define NODE_CORE_ADHOC_H

#include "node/core/module.h"
#include "node/core/roles.h"
#include "proto/forms/dataform.h"

#define ADHOC_STAGES_MAX 4

struct adhoc;

struct adhoc_stage {
	const char *title, *instructions;
	const struct dataform_row *rows; /* what the form asks, and what its answer is checked against */
	size_t n_rows;
	/* Writes the fields, where only the moment knows their values; `a` is the answer's arena. May be NULL. */
	void (*fill)(struct adhoc *x, struct arena *a, struct elem *form);
};

struct adhoc_command {
	const char *node, *name; /* the name is for people */
	const char *form_type;
	enum role least;         /* who may see and run it */
	const struct adhoc_stage *stages;
	unsigned n_stages;       /* 0: it runs at once */
	void (*run)(struct adhoc *x);
};

/* How a run ends. */
struct adhoc_end {
	enum stanza_error error; /* an error stanza with this condition, or: */
	bool failed;             /* completed, but with a note of type error */
	struct str text;         /* for people; may be absent */
	const struct elem *form; /* a result form; may be NULL */
};

struct adhoc {
	struct node_worker *nw;
	struct host *host;       /* the host that was asked */
	struct jid who;          /* full */
	enum role role;          /* at that host */
	const struct adhoc_command *command;
	struct arena *arena;
	struct dataform forms[ADHOC_STAGES_MAX]; /* what was submitted, checked */
	void *state;             /* the command's */
	void (*end)(struct adhoc *x, const struct adhoc_end *how); /* the engine's; x is gone after it */
};

static inline void adhoc_done(struct adhoc *x, struct str text, const struct elem *form)
{
	x->end(x, &(struct adhoc_end){ .text = text, .form = form });
}
static inline void adhoc_failed(struct adhoc *x, struct str text)
{
	x->end(x, &(struct adhoc_end){ .failed = true, .text = text });
}
static inline void adhoc_refuse(struct adhoc *x, enum stanza_error error, struct str text)
{
	x->end(x, &(struct adhoc_end){ .error = error, .text = text });
}
/* A result form for adhoc_done, with the command's FORM_TYPE. */
static inline struct elem *adhoc_result(struct adhoc *x)
{
	struct elem *holder = elem_new(x->arena, STR("jabber:x:data"), STR("holder"));
	return dataform_new(x->arena, holder, DATAFORM_RESULT, str_of(x->command->form_type));
}

#endif
