/*
 * pie_prosody.c: Prosody's data folder (its internal storage): <host>/<store>/<user>.dat and .list, names with %xx for what is neither a
 * letter nor a digit. Each account becomes the <user/> that XEP-0227 would have for it.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "node/ctl/pie_source.h"
#include "proto/base/encode.h"
#include "proto/forms/delay.h"
#include "proto/forms/luadata.h"
#include "proto/xml/names.h"

#define FILE_MAX_BYTES (64l << 20)

struct names {
	char **of;
	unsigned n, next;
};
struct pie_prosody {
	struct pie_source source;
	char *root;
	struct names hosts, stores, users; /* as the folders and files are called; stores and users: of the host at hand */
	const char *host;                  /* borrowed from hosts */
};

/* One store's data of one account, on its way into <user/>. */
struct reading {
	struct pie_prosody *p;
	struct arena *a;
	struct str host; /* decoded */
	struct elem *user;
};

/* ---- folders ---- */

static void names_free(struct names *l)
{
	for (unsigned i = 0; i < l->n; i++)
		free(l->of[i]);
	free(l->of);
	*l = (struct names){ 0 };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The entries with this ending, which is cut off; sorted. False: the folder cannot be read. */
static bool names_read(struct names *l, const char *folder, const char *ending)
{
	DIR *d = opendir(folder);
	unsigned cap = 0;
	if (!d)
		return false;
	for (struct dirent *e; (e = readdir(d));) {
		size_t len = strlen(e->d_name), end = strlen(ending);
		if (e->d_name[0] == '.' || len <= end || strcmp(e->d_name + len - end, ending) != 0)
			continue;
		if (l->n == cap)
			l->of = xrealloc(l->of, (cap = cap ? cap * 2 : 64) * sizeof *l->of);
		l->of[l->n++] = xstrndup(e->d_name, len - end);
	}
	closedir(d);
	if (l->n)
		qsort(l->of, l->n, sizeof *l->of, by_name);
	return true;
}

static struct str decoded(struct arena *a, const char *name)
{
	char *out = arena_alloc(a, strlen(name) + 1);
	size_t n = 0;
	for (const char *c = name; *c; c++) {
		struct str byte;
		bool escaped = *c == '%' && c[1] && c[2] && hex_decode(a, str_span(c + 1, 2), &byte) == ERR_NONE;
		out[n++] = escaped ? *byte.p : *c;
		c += escaped ? 2 : 0;
	}
	return str_span(out, n);
}

static void left(const struct reading *r, struct str what, const char *why)
{
	r->p->source.on_left(r->p->source.arg, what, why);
}

/* ---- files ---- */

static struct str path_of(const struct reading *r, const char *store, const char *user, const char *ending)
{
	return arena_printf(r->a, "%s/%s/%s/%s%s", r->p->root, r->p->host, store, user, ending);
}

/* Absent when there is no such file; left when it cannot be read. */
static struct str read_file(const struct reading *r, struct str path)
{
	FILE *f = fopen(path.p, "re");
	if (!f) {
		if (errno != ENOENT)
			left(r, path, "it cannot be read");
		return STR_NONE;
	}
	struct stat st;
	bool fits = fstat(fileno(f), &st) == 0 && st.st_size <= FILE_MAX_BYTES;
	char *text = fits ? arena_alloc(r->a, (size_t)st.st_size + 1) : NULL;
	size_t n = fits ? fread(text, 1, (size_t)st.st_size, f) : 0;
	bool ok = fits && !ferror(f);
	fclose(f);
	if (!ok)
		left(r, path, fits ? "it cannot be read" : "it is too long");
	return ok ? str_span(text, n) : STR_NONE;
}

/* What a *.dat file returns; false when there is none, or it was left. */
static bool read_data(const struct reading *r, const char *store, const char *user, struct luadata *out)
{
	struct str path = path_of(r, store, user, ".dat"), text = read_file(r, path);
	if (!str_present(text))
		return false;
	if (luadata_return(r->a, text, out) == ERR_NONE && out->kind == LUADATA_TABLE)
		return true;
	left(r, path, "it is no data of Prosody's");
	return false;
}

/* ---- stanzas ---- */

/* Can stand in XML. */
static bool is_text(struct str s)
{
	if (!str_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool not_char = c == 0xEF && i + 2 < s.len && (unsigned char)s.p[i + 1] == 0xBF && (unsigned char)s.p[i + 2] >= 0xBE;
		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || not_char)
			return false;
	}
	return true;
}

static bool is_name(struct str s)
{
	if (!s.len || !is_text(s) || strchr("-.0123456789", s.p[0]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (strchr(" \t\r\n<>&'\"/=:;,()[]{}!?#$%*+@\\^`|~", s.p[i]))
			return false;
	return true;
}

/* "xmlns" was looked at; "uri\1name" is an attribute of a namespace; "xml:lang" stands as it is. */
static bool set_attr(struct arena *a, struct elem *e, struct str key, struct str value)
{
	struct str rest = key, ns = str_cut(&rest, '\1');
	if (str_is(key, "xmlns"))
		return true;
	if (!is_text(value))
		return false;
	if (str_starts(key, STR("xml:"))) {
		elem_set_ns(a, e, NS_XML, str_span(key.p + 4, key.len - 4), value);
		return is_name(str_span(key.p + 4, key.len - 4));
	}
	if (!str_present(rest)) {
		elem_set(a, e, key, value);
		return is_name(key);
	}
	elem_set_ns(a, e, ns, rest, value);
	return is_text(ns) && is_name(rest);
}

/* A stanza as util.stanza keeps it: name, attr, and children by number. NULL for what is none. */
static struct elem *stanza_of(struct arena *a, const struct luadata *t, struct str outer_ns)
{
	const struct luadata *attrs = luadata_get(t, "attr");
	struct str name = luadata_str(t, "name"), ns = luadata_str(attrs, "xmlns");
	ns = str_present(ns) ? ns : outer_ns;
	if (!is_name(name) || !is_text(ns))
		return NULL;
	struct elem *e = elem_new(a, ns, name);
	for (const struct luadata_pair *p = attrs ? attrs->pairs : NULL; p; p = p->next)
		if (p->key.kind != LUADATA_STRING || p->value.kind != LUADATA_STRING || !set_attr(a, e, p->key.text, p->value.text))
			return NULL;
	for (const struct luadata_pair *p = t->pairs; p; p = p->next) {
		if (p->key.kind != LUADATA_NUMBER)
			continue;
		struct elem *child = p->value.kind == LUADATA_TABLE ? stanza_of(a, &p->value, ns) : NULL;
		if (child)
			elem_append(a, e, child);
		else if (p->value.kind == LUADATA_STRING && is_text(p->value.text))
			elem_append_text(a, e, p->value.text);
		else
			return NULL;
	}
	return e;
}

/* ---- stores ---- */

static void append_b64(const struct reading *r, struct elem *e, struct str name, struct str bytes)
{
	elem_add_text(r->a, e, name, b64_encode(r->a, bytes));
}

static void set_time(const struct reading *r, struct elem *e, struct str name, const struct luadata *t, const char *key)
{
	char stamp[STAMP_BYTES];
	uint64_t s;
	if (luadata_u64(t, key, &s) && s < INT64_MAX / 1000)
		elem_set(r->a, e, name, arena_str(r->a, stamp_format(stamp, (int64_t)s * 1000, false)));
}

static void read_account(const struct reading *r, const char *user)
{
	struct luadata t;
	struct str stored, server, salt;
	uint64_t iterations;
	if (!read_data(r, "accounts", user, &t))
		return;
	salt = luadata_str(&t, "salt");
	if (str_present(luadata_str(&t, "password")) && is_text(luadata_str(&t, "password")))
		elem_set(r->a, r->user, STR("password"), luadata_str(&t, "password"));
	if (str_present(salt) && luadata_u64(&t, "iteration_count", &iterations) &&
	    hex_decode(r->a, luadata_str(&t, "stored_key"), &stored) == ERR_NONE &&
	    hex_decode(r->a, luadata_str(&t, "server_key"), &server) == ERR_NONE) {
		struct elem *e = elem_add(r->a, r->user, NS_IMPORT_SCRAM, STR("scram-credentials"));
		elem_set(r->a, e, STR("mechanism"), stored.len == 32 ? STR("SCRAM-SHA-256") : STR("SCRAM-SHA-1"));
		elem_add_text(r->a, e, STR("iter-count"), arena_printf(r->a, "%llu", (unsigned long long)iterations));
		append_b64(r, e, STR("salt"), salt);
		append_b64(r, e, STR("server-key"), server);
		append_b64(r, e, STR("stored-key"), stored);
	}
	const struct luadata *disabled = luadata_get(&t, "disabled");
	struct elem *own = elem_add(r->a, r->user, STR("urn:starling:account:0"), STR("account"));
	set_time(r, own, STR("created"), &t, "created");
	set_time(r, own, STR("changed"), &t, "updated");
	if (disabled && disabled->truth)
		elem_set(r->a, own, STR("disabled"), STR("disabled before the account was imported"));
}

static void read_requests(const struct reading *r, const struct luadata *pending)
{
	for (const struct luadata_pair *p = pending ? pending->pairs : NULL; p; p = p->next) {
		struct elem *e = p->value.kind == LUADATA_TABLE ? stanza_of(r->a, &p->value, NS_CLIENT) : NULL;
		if (p->key.kind != LUADATA_STRING || !is_text(p->key.text)) {
			left(r, STR("a subscription request"), "it has no address");
			continue;
		}
		if (!e) {
			e = elem_new(r->a, NS_CLIENT, STR("presence"));
			elem_set(r->a, e, STR("type"), STR("subscribe"));
		}
		elem_set(r->a, e, STR("from"), p->key.text);
		elem_append(r->a, r->user, e);
	}
}

static void read_contact(const struct reading *r, struct elem *query, struct str jid, const struct luadata *item)
{
	static const char *const texts[] = { "name", "subscription", "ask" };
	const struct luadata *groups = luadata_get(item, "groups"), *approved = luadata_get(item, "approved");
	struct elem *e = elem_add(r->a, query, STR_NONE, STR("item"));
	elem_set(r->a, e, STR("jid"), jid);
	for (unsigned i = 0; i < 3; i++)
		if (is_text(luadata_str(item, texts[i])))
			elem_set(r->a, e, str_of(texts[i]), luadata_str(item, texts[i]));
	if (approved && (approved->truth || str_is(approved->text, "true")))
		elem_set(r->a, e, STR("approved"), STR("true"));
	for (const struct luadata_pair *g = groups ? groups->pairs : NULL; g; g = g->next)
		if (g->key.kind == LUADATA_STRING && is_text(g->key.text))
			elem_add_text(r->a, e, STR("group"), g->key.text);
}

static void read_roster(const struct reading *r, const char *user)
{
	struct luadata t;
	if (!read_data(r, "roster", user, &t))
		return;
	struct elem *query = elem_add(r->a, r->user, NS_ROSTER, STR("query"));
	for (const struct luadata_pair *p = t.pairs; p; p = p->next) {
		if (p->key.kind == LUADATA_BOOL || str_is(p->key.text, "pending")) /* what is about the roster itself; "pending": once */
			read_requests(r, p->key.kind == LUADATA_BOOL ? luadata_get(&p->value, "pending") : &p->value);
		else if (p->key.kind == LUADATA_STRING && is_text(p->key.text) && p->value.kind == LUADATA_TABLE)
			read_contact(r, query, p->key.text, &p->value);
		else
			left(r, STR("something in the roster"), "it is no contact");
	}
}

static void read_private(const struct reading *r, const char *user)
{
	struct luadata t;
	if (!read_data(r, "private", user, &t))
		return;
	struct elem *query = elem_add(r->a, r->user, NS_PRIVATE, STR("query"));
	for (const struct luadata_pair *p = t.pairs; p; p = p->next) {
		struct elem *e = p->value.kind == LUADATA_TABLE ? stanza_of(r->a, &p->value, STR("")) : NULL;
		if (e)
			elem_append(r->a, query, e);
		else
			left(r, STR("private data"), "it is no element");
	}
}

static void read_vcard(const struct reading *r, const char *user)
{
	struct luadata t;
	if (!read_data(r, "vcard", user, &t))
		return;
	struct elem *e = stanza_of(r->a, &t, NS_VCARD);
	if (e && elem_is(e, NS_VCARD, "vCard"))
		elem_append(r->a, r->user, e);
	else
		left(r, STR("the vCard"), "it is no element");
}

static void read_blocklist(const struct reading *r, const char *user)
{
	struct luadata t;
	if (!read_data(r, "blocklist", user, &t))
		return;
	struct elem *list = elem_add(r->a, r->user, NS_BLOCKING, STR("blocklist"));
	for (const struct luadata_pair *p = t.pairs; p; p = p->next)
		if (p->key.kind == LUADATA_STRING && is_text(p->key.text))
			elem_set(r->a, elem_add(r->a, list, STR_NONE, STR("item")), STR("jid"), p->key.text);
}

/* The time is in attr.stamp, which is no attribute of the message, or in `when`. */
static struct elem *message_of(const struct reading *r, const struct luadata *t)
{
	struct elem *e = stanza_of(r->a, t, NS_CLIENT);
	int64_t at_ms;
	uint64_t s;
	if (!e)
		return NULL;
	bool timed = stamp_parse(elem_attr(e, "stamp"), &at_ms) == ERR_NONE;
	if (!timed && luadata_u64(t, "when", &s) && s < INT64_MAX / 1000) {
		at_ms = (int64_t)s * 1000;
		timed = true;
	}
	elem_set(r->a, e, STR("stamp"), STR_NONE);
	elem_set(r->a, e, STR("stamp_legacy"), STR_NONE);
	return timed ? delay_stamp(r->a, e, r->host, at_ms, STR_NONE) : e;
}

static void read_offline(const struct reading *r, const char *user)
{
	struct str path = path_of(r, "offline", user, ".list"), rest = read_file(r, path);
	struct luadata t;
	enum err err;
	if (!str_present(rest))
		return;
	struct elem *list = elem_add(r->a, r->user, NS_IMPORT_EXPORT, STR("offline-messages"));
	while ((err = luadata_item(r->a, &rest, &t)) == ERR_NONE) {
		struct elem *e = message_of(r, &t);
		if (e)
			elem_append(r->a, list, e);
		else
			left(r, STR("an offline message"), "it is no message");
	}
	if (err != ERR_NOT_FOUND)
		left(r, path, "it is no data of Prosody's from some place on");
}

static const struct known_store {
	const char *store;
	void (*read)(const struct reading *r, const char *user);
} known[] = {
	{ "accounts", read_account }, { "roster", read_roster },       { "private", read_private },
	{ "vcard", read_vcard },      { "blocklist", read_blocklist }, { "offline", read_offline },
};

/* Whatever else there is of the account. */
static void tell_unknown(const struct reading *r, const char *store, const char *user)
{
	static const char *const endings[] = { ".dat", ".list", ".xml" };
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(store, known[i].store) == 0)
			return;
	for (unsigned i = 0; i < 3; i++) {
		struct stat st;
		if (stat(path_of(r, store, user, endings[i]).p, &st) == 0 && S_ISREG(st.st_mode)) {
			left(r, arena_printf(r->a, "data of '%.*s'", STR_ARG(decoded(r->a, store))), "nothing here keeps it");
			return;
		}
	}
}

/* ---- the source ---- */

/* False: no more hosts. */
static bool next_host(struct pie_prosody *p, struct arena *a)
{
	names_free(&p->stores);
	names_free(&p->users);
	if (p->hosts.next == p->hosts.n)
		return false;
	p->host = p->hosts.of[p->hosts.next++];
	struct str folder = arena_printf(a, "%s/%s", p->root, p->host), accounts = arena_printf(a, "%s/accounts", folder.p);
	bool is_folder = names_read(&p->stores, folder.p, "");
	if (!names_read(&p->users, accounts.p, ".dat"))
		p->source.on_left(p->source.arg, decoded(a, p->host),
				  is_folder ? "this folder has no accounts" : "only the folders of hosts are read");
	return true;
}

static enum pie_next on_next(struct pie_source *s, struct arena *a, struct str *host, struct elem **user)
{
	struct pie_prosody *p = (struct pie_prosody *)s;
	s->account = STR("");
	while (p->users.next == p->users.n)
		if (!next_host(p, a))
			return PIE_END;
	const char *name = p->users.of[p->users.next++];
	struct reading r = { .p = p, .a = a, .host = decoded(a, p->host) };
	r.user = *user = elem_new(a, NS_IMPORT_EXPORT, STR("user"));
	*host = r.host;
	s->account = arena_printf(a, "%.*s@%.*s", STR_ARG(decoded(a, name)), STR_ARG(r.host));
	elem_set(a, r.user, STR("name"), decoded(a, name));
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		known[i].read(&r, name);
	for (unsigned i = 0; i < p->stores.n; i++)
		tell_unknown(&r, p->stores.of[i], name);
	return PIE_USER;
}

static void on_close(struct pie_source *s)
{
	struct pie_prosody *p = (struct pie_prosody *)s;
	names_free(&p->hosts);
	names_free(&p->stores);
	names_free(&p->users);
	free(p->root);
	free(p);
}

struct pie_source *pie_prosody_open(const char *path, char *why)
{
	struct pie_prosody *p = xzalloc(sizeof *p);
	p->source.next = on_next;
	p->source.close = on_close;
	p->root = xstrndup(path, strlen(path));
	if (names_read(&p->hosts, path, ""))
		return &p->source;
	snprintf(why, PIE_WHY_BYTES, "%s: %s", path, strerrordesc_np(errno));
	on_close(&p->source);
	return NULL;
}
