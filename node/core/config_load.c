/* From a file's tree to a config: walks the maps by their path, reads what the rows name, refuses the rest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "node/core/config_private.h"
#include "proto/addr/jid.h"

#define WORDS_MAX    512
#define DEFAULT_HOST "localhost"

struct walk {
	struct config *config;
	struct config_report *report;
	const char *file;
	struct config_host *host; /* within hosts.<name> */
};

static void walk_map(struct walk *w, const struct yamltree *map, struct str section, struct str shown);

/* What of `path` comes right after `section`; absent when path is not below it. */
static struct str next_word(struct str path, struct str section)
{
	if (section.len) {
		if (!str_starts(path, section) || path.len <= section.len || path.p[section.len] != '.')
			return STR_NONE;
		path = str_span(path.p + section.len + 1, path.len - section.len - 1);
	}
	return str_cut(&path, '.');
}

static bool may_stand(const struct walk *w, const struct config_row *row)
{
	bool of_host = strcmp(row->section, CONFIG_HOST_SECTION) == 0;
	return w->host ? of_host || row->option->per_host : !of_host;
}

/* The words that may stand in this section, each once. */
static size_t known_words(const struct walk *w, struct str section, const char *words[WORDS_MAX])
{
	const struct config_schema *s = w->config->schema;
	size_t n = 0;
	for (size_t i = 0; i < s->n_rows && n < WORDS_MAX; i++) {
		const struct config_row *row = s->rows[i];
		struct str word = next_word(row->path, section);
		if (w->host && section.len == 0 && strcmp(row->section, CONFIG_HOST_SECTION) == 0)
			word = str_of(row->option->name);
		if (!str_present(word) || !may_stand(w, row))
			continue;
		size_t k = 0;
		while (k < n && !str_is(word, words[k]))
			k++;
		if (k == n)
			words[n++] = arena_strz(w->config->arena, word);
	}
	if (!w->host && section.len == 0 && n < WORDS_MAX)
		words[n++] = "hosts";
	return n;
}

/* A key that is right elsewhere: "limits.stanza_bytes" for "stanza_bytes". */
static const struct config_row *same_name_elsewhere(const struct walk *w, struct str key)
{
	const struct config_schema *s = w->config->schema;
	for (size_t i = 0; i < s->n_rows; i++)
		if (str_is(key, s->rows[i]->option->name) && may_stand(w, s->rows[i]))
			return s->rows[i];
	return NULL;
}

static void walk_unknown(struct walk *w, const struct yamltree *t, struct str section, struct str shown)
{
	struct option_origin at = config_key_place(w->file, t);
	const char *words[WORDS_MAX];
	const struct config_row *row = NULL;
	size_t n = known_words(w, section, words);
	if (!option_nearest(t->key, words, n))
		row = same_name_elsewhere(w, t->key);
	if (row)
		config_report_at(w->report, &at, "%.*s: unknown option; did you mean \"%s\"?", STR_ARG(shown), row->path.p);
	else
		config_report_unknown(w->report, &at, shown, t->key, words, n);
}

static void walk_option(struct walk *w, const struct yamltree *t, const struct config_row *row, struct str shown)
{
	struct config *c = w->config;
	struct option_value v = { 0 };
	struct option_origin at = config_key_place(w->file, t);
	if (!may_stand(w, row)) {
		config_report_at(w->report, &at, "%.*s: %s", STR_ARG(shown),
		                 w->host ? "cannot differ between hosts" : "can be set for a host only");
		return;
	}
	if (!config_read_value(w->report, c->arena, row->option, shown, t, w->file, &v))
		return;
	if (!w->host) {
		c->values[row->index] = v;
		return;
	}
	struct config_override *o = arena_zalloc(c->arena, sizeof(*o));
	*o = (struct config_override){ .next = w->host->overrides, .row = row, .value = v };
	w->host->overrides = o;
}

static bool is_map(struct walk *w, const struct yamltree *t, struct str shown)
{
	struct option_origin at = config_value_place(w->file, t);
	if (t->kind == YAMLTREE_MAP || t->is_null) /* "tls:" with nothing below it is an empty section */
		return true;
	config_report_at(w->report, &at, "%.*s: expected a section with options", STR_ARG(shown));
	return false;
}

static void walk_hosts(struct walk *w, const struct yamltree *map)
{
	for (const struct yamltree *t = map->first; t; t = t->next) {
		struct str shown = arena_printf(w->config->arena, "hosts.%.*s", STR_ARG(t->key));
		w->host = config_add_host(w->config, w->report, t->key, config_key_place(w->file, t));
		if (w->host && is_map(w, t, shown))
			walk_map(w, t, STR_NONE, shown);
	}
	w->host = NULL;
}

static void walk_key(struct walk *w, const struct yamltree *t, struct str section, struct str shown)
{
	const struct config_schema *s = w->config->schema;
	struct arena *a = w->config->arena;
	struct str path = section.len ? arena_printf(a, "%.*s.%.*s", STR_ARG(section), STR_ARG(t->key)) : t->key;
	const struct config_row *row = NULL;
	if (str_chr(t->key, '.')) { /* else one option would have two spellings, and could be given twice */
		struct option_origin at = config_key_place(w->file, t);
		config_report_at(w->report, &at, "%.*s: unknown option; sections are nested maps, without dots", STR_ARG(shown));
		return;
	}
	if (w->host && section.len == 0)
		row = config_row_find(s, arena_printf(a, CONFIG_HOST_SECTION ".%.*s", STR_ARG(t->key)));
	row = row ? row : config_row_find(s, path);
	if (row)
		walk_option(w, t, row, shown);
	else if (!w->host && str_is(path, "hosts") && is_map(w, t, shown))
		walk_hosts(w, t);
	else if (!str_is(path, "hosts") && path.len && !str_is(path, CONFIG_HOST_SECTION) && config_has_section(s, path)) {
		if (is_map(w, t, shown))
			walk_map(w, t, path, shown);
	} else if (w->host || !str_is(path, "hosts"))
		walk_unknown(w, t, section, shown);
}

static void walk_map(struct walk *w, const struct yamltree *map, struct str section, struct str shown)
{
	for (const struct yamltree *t = map->first; t; t = t->next) {
		struct str below = shown.len ? arena_printf(w->config->arena, "%.*s.%.*s", STR_ARG(shown), STR_ARG(t->key)) : t->key;
		walk_key(w, t, section, below);
	}
}

/* ---- hosts ---- */

struct config_host *config_add_host(struct config *c, struct config_report *r, struct str name, struct option_origin origin)
{
	struct jid jid;
	struct buf shown;
	buf_init(&shown, 256);
	option_add_shown(&shown, name);
	enum err e = jid_parse(c->arena, name, &jid);
	struct config_host *h = e ? NULL : map_get(&c->hosts_by_name, jid_domain(&jid));
	if (e || jid_has_local(&jid) || jid_is_full(&jid)) {
		config_report_at(r, &origin, "hosts: %.*s is not a domain", STR_ARG(buf_str(&shown)));
		h = NULL;
	} else if (!h && c->n_hosts == CONFIG_HOSTS_MAX) {
		config_report_at(r, &origin, "hosts: more than %d", CONFIG_HOSTS_MAX);
	} else if (h && h->origin.source == OPTION_FROM_FILE && origin.source == OPTION_FROM_FILE) {
		config_report_at(r, &origin, "hosts: %.*s is the same host as in line %u", STR_ARG(buf_str(&shown)), h->origin.line);
	} else if (!h) {
		h = arena_zalloc(c->arena, sizeof(*h));
		h->name = arena_str(c->arena, jid_domain(&jid));
		h->origin = origin;
		map_put(&c->hosts_by_name, h->name, h);
		*c->hosts_tail = h;
		c->hosts_tail = &h->next;
		c->n_hosts++;
	}
	buf_fini(&shown);
	return h;
}

/* ---- loading ---- */

static struct config *config_new(const struct config_schema *s)
{
	static const uint64_t seed[2] = { 0, 0 };
	struct arena *a = arena_new(8192);
	struct config *c = arena_zalloc(a, sizeof(*c));
	atomic_init(&c->refs, 1);
	c->arena = a;
	c->schema = s;
	c->values = arena_alloc(a, s->n_rows * sizeof(*c->values));
	c->hosts_tail = &c->hosts;
	map_init(&c->hosts_by_name, seed);
	for (size_t i = 0; i < s->n_rows; i++)
		c->values[i] = s->rows[i]->initial;
	return c;
}

static void on_yaml_error(void *arg, unsigned line, unsigned column, const char *text)
{
	struct walk *w = arg;
	struct option_origin at = { .source = OPTION_FROM_FILE, .name = w->file, .line = line, .column = column };
	config_report_at(w->report, &at, "%s", text);
}

static void load_tree(struct walk *w, struct str text)
{
	struct yamltree *t;
	unsigned before = w->report->count;
	struct yamltree_errors errors = { on_yaml_error, w };
	enum err e = yamltree_parse(w->config->arena, text, errors, &t);
	BUG_ON(e && w->report->count == before); /* no error goes untold; what there is of a tree is worth a look as well */
	if (t->kind != YAMLTREE_MAP) {
		struct option_origin at = config_value_place(w->file, t);
		config_report_at(w->report, &at, "expected a map of sections");
		return;
	}
	walk_map(w, t, STR_NONE, STR_NONE);
}

void config_read_yaml(struct config *c, struct config_report *r, const char *name, struct str text)
{
	struct walk w = { .config = c, .report = r, .file = name };
	load_tree(&w, text);
}

static void finish(struct config *c, struct config_report *r)
{
	if (c->n_hosts == 0 && r->count == 0 && !config_add_host(c, r, STR(DEFAULT_HOST), (struct option_origin){ 0 }))
		BUG("the default host is no domain");
	for (size_t i = 0; i < c->schema->n_checks && r->count == 0; i++)
		c->schema->checks[i](c, r);
	if (r->count > CONFIG_ERRORS_MAX)
		buf_addf(r->out, "and %u more errors\n", r->count - CONFIG_ERRORS_MAX);
}

enum err config_load_text(const struct config_schema *s, const char *name, struct str text, char *const *env, struct buf *errors,
                          struct config **out)
{
	struct config_report report = { .out = errors };
	struct config *c = config_new(s);
	struct walk w = { .config = c, .report = &report, .file = name ? arena_strz(c->arena, str_of(name)) : NULL };
	*out = NULL;
	if (str_present(text))
		load_tree(&w, text);
	if (env)
		config_read_env(c, env, &report);
	finish(c, &report);
	if (report.count) {
		config_unref(c);
		return ERR_INVALID;
	}
	*out = c;
	return ERR_NONE;
}

static enum err read_file(const char *path, struct buf *text)
{
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
	/* A byte past the ceiling is let in, for the parser to refuse with its own words. */
	do {
		char *p = buf_reserve(text, text->max - text->len);
		n = p ? read(fd, p, text->max - text->len) : 0;
		text->len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && text->len < text->max);
	int failed = errno;
	close(fd);
	errno = failed;
	return n < 0 ? ERR_IO : ERR_NONE;
}

enum err config_load(const struct config_schema *s, const char *path, char *const *env, struct buf *errors, struct config **out)
{
	struct buf text;
	enum err e;
	*out = NULL;
	if (!path)
		return config_load_text(s, NULL, STR_NONE, env, errors, out);
	buf_init(&text, YAMLTREE_BYTES_MAX + 1);
	e = read_file(path, &text);
	if (e)
		buf_addf(errors, "%s: cannot read: %s\n", path, strerrordesc_np(errno));
	else
		e = config_load_text(s, path, text.len ? buf_str(&text) : STR(""), env, errors, out);
	buf_fini(&text);
	return e;
}
