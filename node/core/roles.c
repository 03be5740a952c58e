#include "node/core/roles.h"

#include "node/core/host.h"

static const struct option options[] = {
	{ .name = "server", .kind = OPTION_STRINGS,
	  .doc = "Bare JIDs that administer everything, with ad-hoc commands and announcements." },
	{ .name = "host", .kind = OPTION_STRINGS, .per_host = true,
	  .doc = "Bare JIDs that administer a host: its accounts and announcements." },
};

static bool jid_read(struct arena *a, struct str text, struct jid *out)
{
	return jid_parse(a, text, out) == ERR_NONE && jid_has_local(out) && !jid_is_full(out);
}

static void check_list(struct config_report *r, const struct option_value *v)
{
	size_t n;
	struct jid jid;
	struct arena *a = arena_new(0);
	const struct str *texts = option_strs(v, &n);
	for (size_t i = 0; i < n; i++)
		if (!jid_read(a, texts[i], &jid))
			config_complain(r, v, "'%.*s' is no address of a person: user@example.org", STR_ARG(texts[i]));
	arena_free(a);
}

static void check(const struct config *c, struct config_report *r)
{
	check_list(r, config_value(c, "admin.server"));
	check_list(r, config_value(c, "admin.host"));
	for (size_t i = 0; i < config_host_count(c); i++) {
		const struct option_value *v = config_host_value(c, config_host_name(c, i), "admin.host");
		if (v != config_value(c, "admin.host"))
			check_list(r, v);
	}
}

void roles_register(struct config_schema *s)
{
	config_register(s, "admin", options, sizeof options / sizeof *options);
	config_describe(s, "admin", "Who may administer from a client.");
	config_register_check(s, check);
}

static const struct jid *list_read(struct arena *a, const struct option_value *v, size_t *n)
{
	const struct str *texts = option_strs(v, n);
	struct jid *list = arena_alloc(a, *n * sizeof *list);
	for (size_t i = 0; i < *n; i++) {
		bool fine = jid_read(a, texts[i], &list[i]);
		BUG_ON(!fine); /* check has looked */
		list[i] = jid_copy(a, &list[i]);
	}
	return list;
}

void roles_read(struct roles *r, const struct config *c, struct str host)
{
	roles_fini(r);
	r->arena = arena_new(0);
	r->server = list_read(r->arena, config_value(c, "admin.server"), &r->n_server);
	r->host = list_read(r->arena, config_host_value(c, host, "admin.host"), &r->n_host);
}

void roles_fini(struct roles *r)
{
	arena_free(r->arena);
	*r = (struct roles){ 0 };
}

static bool has(const struct jid *list, size_t n, const struct jid *who)
{
	for (size_t i = 0; i < n; i++)
		if (jid_bare_eq(&list[i], who))
			return true;
	return false;
}

enum role role_of(const struct host *h, const struct jid *who)
{
	if (has(h->roles.server, h->roles.n_server, who))
		return ROLE_SERVER_ADMIN;
	if (has(h->roles.host, h->roles.n_host, who))
		return ROLE_HOST_ADMIN;
	return jid_has_local(who) && str_eq(jid_domain(who), h->name) ? ROLE_USER : ROLE_STRANGER;
}

const char *role_name(enum role r)
{
	static const char *const names[] = { "stranger", "user", "host-admin", "server-admin" };
	return names[r];
}
