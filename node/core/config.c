/* The life of schemas and configs, and the getters. */
#include "node/core/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/core/config_private.h"

static const uint64_t seed[2] = { 0, 0 }; /* keys are the operator's own */

struct config_schema *config_schema_new(void)
{
	struct config_schema *s = xzalloc(sizeof(*s));
	s->arena = arena_new(16384);
	map_init(&s->by_path, seed);
	return s;
}

void config_schema_free(struct config_schema *s)
{
	if (!s)
		return;
	map_fini(&s->by_path);
	arena_free(s->arena);
	free(s);
}

static struct config_section *section_of(struct config_schema *s, const char *name)
{
	for (size_t i = 0; i < s->n_sections; i++)
		if (strcmp(s->sections[i].name, name) == 0)
			return &s->sections[i];
	BUG_ON(s->n_sections == CONFIG_SECTIONS_MAX);
	s->sections[s->n_sections] = (struct config_section){ .name = name };
	return &s->sections[s->n_sections++];
}

void config_describe(struct config_schema *s, const char *section, const char *doc)
{
	section_of(s, section)->doc = doc;
}

/* limits.stanza_bytes: STARLING_LIMITS_STANZA_BYTES */
static struct str env_name(struct arena *a, struct str path)
{
	char *name = (char *)arena_printf(a, "STARLING_%.*s", STR_ARG(path)).p;
	for (char *p = name; *p; p++)
		*p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
	return str_of(name);
}

static void check_row(const struct option *o)
{
	bool number = !option_is_list(o) && o->kind != OPTION_STRING && o->kind != OPTION_PATH;
	BUG_ON(!o->name || !o->doc || strchr(o->doc, '\n'));
	BUG_ON(o->kind == OPTION_ENUM && !o->choices);
	BUG_ON(number && !o->default_text && !o->required);
	BUG_ON(o->min > option_max(o) || o->n_fields > CONFIG_FIELDS_MAX);
	for (size_t i = 0; i < o->n_fields; i++) {
		BUG_ON(o->kind != OPTION_MAPS || o->fields[i].kind == OPTION_MAPS);
		check_row(&o->fields[i]);
	}
}

void config_register(struct config_schema *s, const char *section, const struct option *rows, size_t n)
{
	section_of(s, section);
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &rows[i];
		struct config_row *row = arena_zalloc(s->arena, sizeof(*row));
		check_row(o);
		BUG_ON(o->required);
		BUG_ON(s->n_rows == CONFIG_ROWS_MAX);
		row->index = s->n_rows;
		row->section = section;
		row->option = o;
		row->needs_restart = o->needs_restart;
		row->path = arena_printf(s->arena, "%s%s%s", section, *section ? "." : "", o->name);
		if (strcmp(section, CONFIG_HOST_SECTION) != 0)
			row->env_name = env_name(s->arena, row->path);
		config_read_default(s->arena, o, &row->initial);
		BUG_ON(map_put(&s->by_path, row->path, row));
		s->rows[s->n_rows++] = row;
	}
}

void config_freeze(struct config_schema *s, const char *section)
{
	for (size_t i = 0; i < s->n_rows; i++)
		if (strcmp(s->rows[i]->section, section) == 0)
			s->rows[i]->needs_restart = true;
}

void config_register_check(struct config_schema *s, void (*check)(const struct config *c, struct config_report *r))
{
	BUG_ON(s->n_checks == CONFIG_CHECKS_MAX);
	s->checks[s->n_checks++] = check;
}

const struct config_row *config_row_find(const struct config_schema *s, struct str path)
{
	return map_get(&s->by_path, path);
}

bool config_has_section(const struct config_schema *s, struct str path)
{
	for (size_t i = 0; i < s->n_sections; i++) {
		struct str name = str_of(s->sections[i].name);
		if (str_starts(name, path) && (name.len == path.len || name.p[path.len] == '.'))
			return true;
	}
	return false;
}

PRINTF_LIKE(3, 0) static void report_text(struct config_report *r, const struct option_origin *at, const char *fmt, va_list ap)
{
	char text[1024];
	if (r->count++ >= CONFIG_ERRORS_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	if (at->source == OPTION_FROM_FILE && at->line)
		buf_addf(r->out, "%s:%u:%u: %s\n", at->name, at->line, at->column, text);
	else
		buf_addf(r->out, "%s: %s\n", at->name ? at->name : "configuration", text);
}

void config_report_at(struct config_report *r, const struct option_origin *at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report_text(r, at, fmt, ap);
	va_end(ap);
}

void config_complain(struct config_report *r, const struct option_value *v, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	report_text(r, &v->origin, fmt, ap);
	va_end(ap);
}

struct config *config_ref(struct config *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void config_unref(struct config *c)
{
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	map_fini(&c->hosts_by_name);
	arena_free(c->arena); /* holds c */
}

static const struct config_row *must_find(const struct config *c, const char *path)
{
	const struct config_row *row = config_row_find(c->schema, str_of(path));
	if (!row) {
		fprintf(stderr, "no option is registered as \"%s\"\n", path);
		BUG("unknown option");
	}
	return row;
}

const struct option_value *config_value(const struct config *c, const char *path)
{
	return &c->values[must_find(c, path)->index];
}

const struct option_value *config_host_value(const struct config *c, struct str host, const char *path)
{
	const struct config_row *row = must_find(c, path);
	const struct config_host *h = map_get(&c->hosts_by_name, host);
	for (const struct config_override *o = h ? h->overrides : NULL; o; o = o->next)
		if (o->row == row)
			return &o->value;
	return &c->values[row->index];
}

size_t config_host_count(const struct config *c)
{
	return c->n_hosts;
}

struct str config_host_name(const struct config *c, size_t i)
{
	const struct config_host *h = c->hosts;
	BUG_ON(i >= c->n_hosts);
	while (i--)
		h = h->next;
	return h->name;
}

bool config_has_host(const struct config *c, struct str host)
{
	return map_get(&c->hosts_by_name, host) != NULL;
}
