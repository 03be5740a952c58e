
#include "tests/cluster/sim/accounts_state.h"
#include "tests/cluster/sim/unwell.h"

static unsigned count_seats(struct sim_world *w, unsigned account, uint64_t sid, uint32_t *home)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct accounts *a = w->nodes[i].runs ? w->nodes[i].accounts : NULL;
		for (unsigned j = 0; a && j < a->n_seats; j++)
			if (a->seats[j].account == account && (!sid || a->seats[j].sid == sid)) {
				n++;
				*home = a->self;
			}
	}
	return n;
}

static unsigned count_clients(struct sim_world *w, unsigned account, unsigned resource)
{
	unsigned n = 0;
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const struct accounts *a = w->nodes[i].runs ? w->nodes[i].accounts : NULL;
		for (unsigned j = 0; a && j < CLIENTS_MAX; j++) {
			const struct client *c = &a->clients[j];
			n += c->used && c->account == account && (resource == RESOURCES || c->resource == resource);
		}
	}
	return n;
}

static const char *account_is_well(struct sim_world *w, unsigned account)
{
	uint32_t home = 0;
	unsigned seats = count_seats(w, account, 0, &home), clients = count_clients(w, account, RESOURCES);
	if (seats != clients)
		return unwell("account %u has %u clients, and %u sessions at home", account, clients, seats);
	for (unsigned i = 0; i < RESOURCES; i++)
		if (count_clients(w, account, i) > 1)
			return unwell("account %u has %u clients with one name", account, count_clients(w, account, i));
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		struct accounts *a = w->nodes[i].runs ? w->nodes[i].accounts : NULL;
		uint32_t claimed = a ? homes_claimed(accounts_homes(a, account), accounts_fp(account)) : 0;
		if (a && claimed != home)
			return unwell("%s: account %u is at home at %u; %u is", w->nodes[i].name, account, claimed, home);
	}
	return NULL;
}

static const char *client_is_well(struct sim_world *w, const struct accounts *a, const struct client *c)
{
	uint32_t home = 0;
	if (c->state != BOUND)
		return unwell("n%u: a client of account %u is not bound (%u)", a->node, c->account, c->state);
	if (count_seats(w, c->account, c->sid, &home) != 1 || home != c->home)
		return unwell("n%u: a client of account %u is bound at %u, and has its session at %u", a->node, c->account, c->home,
			      home);
	return NULL;
}

bool accounts_at_rest(const struct sim_world *w, unsigned node)
{
	const struct accounts *a = w->nodes[node].accounts;
	bool busy = a->first || a->errands || a->n_seats;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		busy |= a->busy_until[i] != 0 || ways_has(homes_ways(accounts_homes(a, i)), accounts_fp(i));
	return !busy && (!a->toys || toys_at_rest(a->toys));
}

static const char *messages_are_well(struct sim_world *w)
{
	for (unsigned i = 0; i < accounts_n_fates; i++) {
		const struct message_fate *f = &accounts_fates[i];
		const struct sim_node *n = &w->nodes[f->node];
		unsigned times = f->delivered + f->offline;
		if (!times && sim_answers_for(w, f->node, f->life))
			return unwell("message %u for account %u is lost; %s had it last", i + 1, f->account, n->name);
		if (times > 1 && !f->again)
			return unwell("message %u for account %u came %u times", i + 1, f->account, times);
	}
	return NULL;
}

const char *accounts_quiet(struct sim_world *w)
{
	for (unsigned i = 0; i < w->plan.nodes; i++) {
		const struct accounts *a = w->nodes[i].runs ? w->nodes[i].accounts : NULL;
		for (unsigned j = 0; a && j < CLIENTS_MAX; j++) {
			const char *bad = a->clients[j].used ? client_is_well(w, a, &a->clients[j]) : NULL;
			if (bad)
				return bad;
		}
	}
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		const char *bad = account_is_well(w, i);
		if (bad)
			return bad;
	}
	const char *bad = messages_are_well(w);
	return bad || !w->plan.toys ? bad : toys_quiet(w);
}
