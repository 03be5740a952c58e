/* Print-outs: a file of defaults, the reference, the dump. All walk the rows section by section. */
#include <stdio.h>

#include "node/core/config_private.h"

static const char *const kind_names[] = {
	[OPTION_BOOL] = "true or false",  [OPTION_INT] = "number",       [OPTION_DURATION] = "duration",
	[OPTION_SIZE] = "size",           [OPTION_ENUM] = "one of",      [OPTION_STRING] = "text",
	[OPTION_PATH] = "path",           [OPTION_STRINGS] = "list of texts", [OPTION_CIDRS] = "list of address ranges",
	[OPTION_MAPS] = "list of maps",
};

static void indent(struct buf *b, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		buf_addz(b, "  ");
}

/* "one of starttls, direct, none", "size, 10000 bytes to 16 MiB" */
static void add_kind(struct buf *b, const struct option *o)
{
	struct str words = o->kind == OPTION_ENUM ? str_of(o->choices) : STR_NONE;
	buf_addz(b, kind_names[o->kind]);
	for (const char *sep = " "; str_present(words); sep = ", ") {
		buf_addz(b, sep);
		buf_add_str(b, str_cut(&words, ' '));
	}
	if ((o->min || o->max) && o->kind != OPTION_BOOL && o->kind != OPTION_ENUM) {
		buf_addz(b, ", ");
		option_add_range(b, o);
	}
}

static void add_comment(struct buf *b, const struct config_row *row, unsigned depth)
{
	indent(b, depth);
	buf_addf(b, "# %s (", row->option->doc);
	add_kind(b, row->option);
	buf_addz(b, row->needs_restart ? "; needs a restart)\n" : ")\n");
}

static bool has_text(const struct option_value *v)
{
	bool text = v->option->kind == OPTION_STRING || v->option->kind == OPTION_PATH;
	return !text || str_present(v->text);
}

/* "key: value", or "# key: ..." for what has no default. */
static void add_assignment(struct buf *b, const struct option_value *v)
{
	if (!has_text(v)) {
		buf_addf(b, "# %s: ...\n", v->option->name);
		return;
	}
	/* A default is no secret: what hides is what an operator sets. */
	struct option shown = *v->option;
	struct option_value copy = *v;
	shown.is_secret = false;
	copy.option = &shown;
	buf_addf(b, "%s: ", v->option->name);
	option_add_value(b, &copy);
	buf_addc(b, '\n');
}

/* The fields of one map in block style, "- " before the first that has a value. */
static void add_map_item(struct buf *b, const struct option_map *m, unsigned depth)
{
	bool first = true;
	for (size_t f = 0; f < m->of->n_fields; f++) {
		const struct option_value *v = &m->values[f];
		if (!has_text(v))
			continue;
		indent(b, depth);
		buf_addz(b, first ? "- " : "  ");
		add_assignment(b, v);
		first = false;
	}
}

static void add_maps(struct buf *b, const struct option_value *v, unsigned depth)
{
	const struct option *o = v->option;
	for (size_t f = 0; f < o->n_fields; f++) {
		indent(b, depth);
		buf_addf(b, "#   %s: %s (", o->fields[f].name, o->fields[f].doc);
		add_kind(b, &o->fields[f]);
		buf_addz(b, ")\n");
	}
	indent(b, depth);
	buf_addf(b, "%s:%s\n", o->name, v->n_items ? "" : " []");
	for (size_t i = 0; i < v->n_items; i++)
		add_map_item(b, &v->maps[i], depth + 1);
}

static void add_row(struct buf *b, const struct config_row *row, unsigned depth)
{
	add_comment(b, row, depth);
	if (row->option->kind == OPTION_MAPS) {
		add_maps(b, &row->initial, depth);
		return;
	}
	indent(b, depth);
	add_assignment(b, &row->initial);
}

/* The word of `name` right below `section`; absent when there is none. */
static struct str child_word(const char *name, struct str section)
{
	struct str s = str_of(name);
	if (section.len == 0)
		return str_cut(&s, '.');
	if (!str_starts(s, section) || s.len <= section.len || s.p[section.len] != '.')
		return STR_NONE;
	s = str_span(s.p + section.len + 1, s.len - section.len - 1);
	return str_cut(&s, '.');
}

/* The word of section i below `above`, absent when there is none, or when an earlier section gave it. */
static struct str new_word(const struct config_schema *s, size_t i, struct str above)
{
	struct str word = child_word(s->sections[i].name, above);
	if (above.len == 0 && str_is(word, CONFIG_HOST_SECTION))
		return STR_NONE;
	for (size_t k = 0; k < i; k++)
		if (str_eq(child_word(s->sections[k].name, above), word))
			return STR_NONE;
	return word;
}

static void add_section_head(struct buf *b, const struct config_schema *s, struct str path, struct str word, unsigned depth)
{
	BUG_ON(!str_present(path));
	if (depth == 0)
		buf_addc(b, '\n');
	for (size_t i = 0; i < s->n_sections; i++) {
		const struct config_section *section = &s->sections[i];
		if (!section->doc || !str_is(path, section->name))
			continue;
		indent(b, depth);
		buf_addf(b, "# %s\n", section->doc);
	}
	indent(b, depth);
	buf_addf(b, "%.*s:\n", STR_ARG(word));
}

/* A section's own options, then the sections below it, each once. */
static void add_section(struct buf *b, const struct config_schema *s, struct str section, unsigned depth)
{
	for (size_t i = 0; i < s->n_rows; i++)
		if (str_is(section, s->rows[i]->section))
			add_row(b, s->rows[i], depth);
	for (size_t i = 0; i < s->n_sections; i++) {
		struct str word = new_word(s, i, section);
		if (word.len == 0)
			continue;
		struct str below = str_span(s->sections[i].name, (section.len ? section.len + 1 : 0) + word.len);
		add_section_head(b, s, below, word, depth);
		add_section(b, s, below, depth + 1);
	}
}

static void add_host_options(struct buf *b, const struct config_schema *s)
{
	buf_addz(b,
		"\n# The domains that are served. Options of one host stand below its name; options above which may differ between hosts"
	            "\n# may be given there again, under their section.\nhosts:\n  localhost:\n");
	for (size_t i = 0; i < s->n_rows; i++) {
		const struct config_row *row = s->rows[i];
		bool of_host = strcmp(row->section, CONFIG_HOST_SECTION) == 0;
		if (of_host) {
			add_comment(b, row, 2);
			indent(b, 2);
			if (has_text(&row->initial))
				buf_addz(b, "# ");
			add_assignment(b, &row->initial);
		} else if (row->option->per_host) {
			buf_addf(b, "    # %.*s may differ between hosts\n", STR_ARG(row->path));
		}
	}
}

void config_print_defaults(const struct config_schema *s, struct buf *out)
{
	buf_addz(out, "# Starling: every option with its default. What is left out keeps its default.\n"
	              "# The environment overrides: STARLING_<SECTION>_<NAME>, lists with commas;\n"
	              "# STARLING_<SECTION>_<NAME>_FILE reads a text from a file.\n\n");
	add_section(out, s, STR(""), 0);
	add_host_options(out, s);
}

/* A cell of a Markdown table: no bars. */
static void add_cell(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_addf(b, s.p[i] == '|' ? "\\%c" : "%c", s.p[i]);
	buf_addz(b, " | ");
}

static void add_reference_row(struct buf *b, const struct option *o, bool restart, struct str name, const struct option_value *v)
{
	struct buf cell;
	buf_init(&cell, 8192);
	buf_addf(b, "| `%.*s` | ", STR_ARG(name));
	add_kind(&cell, o);
	add_cell(b, buf_str(&cell));
	buf_clear(&cell);
	if (v && has_text(v))
		option_add_value(&cell, v);
	add_cell(b, buf_str(&cell));
	buf_clear(&cell);
	buf_addf(&cell, "%s%s%s%s", o->doc, o->required ? " *Must be given.*" : "", o->per_host ? " *Per host.*" : "",
	         restart ? " *Needs a restart.*" : "");
	add_cell(b, buf_str(&cell));
	b->len -= !b->failed && b->len ? 1 : 0; /* the last blank */
	buf_addc(b, '\n');
	buf_fini(&cell);
}

static void add_reference_fields(struct buf *b, const struct config_row *row)
{
	const struct option *o = row->option;
	for (size_t f = 0; f < o->n_fields; f++) {
		struct arena *a = arena_new(0);
		struct option_value v;
		config_read_default(a, &o->fields[f], &v);
		add_reference_row(b, &o->fields[f], false, arena_printf(a, "%s[].%s", o->name, o->fields[f].name),
			o->fields[f].required ? NULL : &v);
		arena_free(a);
	}
}

void config_print_reference(const struct config_schema *s, struct buf *out)
{
	buf_addz(out, "# Options\n\nMade by `starling --print-reference` from the rows in the code.\n");
	for (size_t i = 0; i < s->n_sections; i++) {
		const struct config_section *section = &s->sections[i];
		bool of_host = strcmp(section->name, CONFIG_HOST_SECTION) == 0;
		buf_addf(out, "\n## %s\n", of_host ? "hosts.*name*" : *section->name ? section->name : "Top level");
		if (section->doc)
			buf_addf(out, "%s\n", section->doc);
		buf_addz(out, "\n| option | kind | default | what |\n| --- | --- | --- | --- |\n");
		for (size_t k = 0; k < s->n_rows; k++) {
			if (strcmp(s->rows[k]->section, section->name) != 0)
				continue;
			add_reference_row(out, s->rows[k]->option, s->rows[k]->needs_restart, str_of(s->rows[k]->option->name),
					  &s->rows[k]->initial);
			add_reference_fields(out, s->rows[k]);
		}
	}
}

/* `now`: in force; `next`: what a restart would bring. */
static void add_dump_line(struct buf *b, const char *prefix, struct str path, const struct option_value *now,
			  const struct option_value *next)
{
	const struct option_origin *at = &now->origin;
	buf_addf(b, "%s%.*s = ", prefix, STR_ARG(path));
	option_add_value(b, now);
	if (at->source == OPTION_FROM_FILE)
		buf_addf(b, "  # %s:%u", at->name, at->line);
	else
		buf_addf(b, "  # %s", at->source == OPTION_FROM_ENV ? at->name : "default");
	if (!option_value_eq(now, next)) {
		buf_addz(b, "; after a restart: ");
		option_add_value(b, next);
	}
	buf_addc(b, '\n');
}

static void dump_host(const struct config *c, const struct config *started, const struct config_host *h, struct buf *out)
{
	char prefix[1100];
	bool runs = config_has_host(started, h->name);
	buf_addf(out, "hosts.%.*s  # %s%s\n", STR_ARG(h->name), h->origin.name ? h->origin.name : "default",
		 runs ? "" : "; after a restart");
	snprintf(prefix, sizeof(prefix), "hosts.%.*s.", STR_ARG(h->name));
	for (const struct config_override *o = h->overrides; o; o = o->next) {
		bool of_host = strcmp(o->row->section, CONFIG_HOST_SECTION) == 0;
		const struct option_value *now = &o->value;
		if (o->row->needs_restart && runs)
			now = config_host_value(started, h->name, o->row->path.p);
		add_dump_line(out, prefix, of_host ? str_of(o->row->option->name) : o->row->path, now, &o->value);
	}
}

void config_dump(const struct config *c, const struct config *started, struct buf *out)
{
	started = started ? started : c;
	for (size_t i = 0; i < c->schema->n_rows; i++) {
		const struct config_row *row = c->schema->rows[i];
		if (strcmp(row->section, CONFIG_HOST_SECTION) != 0)
			add_dump_line(out, "", row->path, row->needs_restart ? &started->values[i] : &c->values[i], &c->values[i]);
	}
	for (const struct config_host *h = c->hosts; h; h = h->next)
		dump_host(c, started, h, out);
	for (const struct config_host *h = started->hosts; h; h = h->next)
		if (!config_has_host(c, h->name))
			buf_addf(out, "hosts.%.*s  # gone after a restart\n", STR_ARG(h->name));
}
