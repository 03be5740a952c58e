#include "node/ctl/banned.h"

#include "node/core/account.h"

#define PAGE 500
#define MOST 1000000

struct banned {
	struct call *call;
	struct host *host;
	struct arena *page;  /* of names */
	struct str *names;
	uint32_t n_names, next;
	bool more;
	json_t *found;
	uint64_t left;
};

static void look_on(struct banned *b);

static void finish(struct banned *b, enum err err)
{
	arena_free(b->page);
	if (err == ERR_NONE) {
		call_ok(b->call, b->found, "%s", "");
		return;
	}
	json_decref(b->found);
	call_fail(b->call, CTL_FAILED, "the store answers: %s", err_name(err));
}

static struct account_ask ask_of(struct banned *b, struct str user, void (*on_done)(const struct account_answer *a))
{
	return (struct account_ask){ .store = b->host->store, .host = b->host->name, .user = user, .on_done = on_done, .arg = b };
}

static void on_page(const struct account_answer *a)
{
	struct banned *b = a->arg;
	if (a->err != ERR_NONE) {
		finish(b, a->err);
		return;
	}
	arena_free(b->page);
	b->page = arena_new(0);
	b->names = arena_alloc(b->page, (a->n_rows + 1) * sizeof *b->names);
	for (uint32_t i = 0; i < a->n_rows; i++)
		b->names[i] = arena_str(b->page, a->rows[i].key);
	b->n_names = a->n_rows;
	b->next = 0;
	b->more = a->more && a->n_rows;
	look_on(b);
}

static void on_account(const struct account_answer *a)
{
	struct banned *b = a->arg;
	if (a->err == ERR_NONE && a->account->disabled) {
		json_array_append_new(b->found, json_str(b->names[b->next - 1]));
		b->left--;
	}
	look_on(b); /* one that went meanwhile, or cannot be read, is not banned as far as is known */
}

/* One account at a time: a node goes on serving meanwhile. */
static void look_on(struct banned *b)
{
	enum err err;
	if (!b->left || (b->next == b->n_names && b->names && !b->more)) {
		finish(b, ERR_NONE);
		return;
	}
	if (b->next == b->n_names) {
		struct account_ask ask = ask_of(b, STR_NONE, on_page);
		err = account_list(&ask, b->names ? b->names[b->n_names - 1] : STR_NONE, PAGE);
	} else {
		struct account_ask ask = ask_of(b, b->names[b->next++], on_account);
		err = account_get(&ask);
	}
	if (err != ERR_NONE)
		finish(b, err);
}

void banned_run(struct call *c)
{
	struct str limit = call_option(c, "limit");
	uint64_t most = MOST;
	struct host *h = call_host(c, 0);
	if (!h || (str_present(limit) && !call_number(c, limit, "--limit", 1, MOST, &most)))
		return;
	struct banned *b = arena_zalloc(c->arena, sizeof *b);
	*b = (struct banned){ .call = c, .host = h, .found = json_array(), .left = most };
	look_on(b);
}
