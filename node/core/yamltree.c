#include "node/core/yamltree.h"

#include <stdio.h>
#include <yaml.h>

#include "proto/base/map.h"

struct reader {
	yaml_parser_t parser;
	struct arena *arena;
	struct str text;
	struct yamltree_errors errors;
	unsigned nodes, n_errors;
};

static void tell(struct reader *r, unsigned line, unsigned column, const char *text)
{
	r->n_errors++;
	r->errors.on_error(r->errors.arg, line, column, text);
}

static enum err refuse(struct reader *r, yaml_mark_t at, const char *text)
{
	tell(r, (unsigned)at.line + 1, (unsigned)at.column + 1, text);
	return ERR_INVALID;
}

/* libyaml stopped: a syntax error has a mark, an encoding error only an offset. */
static enum err refuse_syntax(struct reader *r)
{
	char text[256];
	const yaml_parser_t *p = &r->parser;
	yaml_mark_t at = p->problem_mark;
	if (p->error == YAML_READER_ERROR) {
		at = (yaml_mark_t){ 0 };
		for (size_t i = 0; i < p->problem_offset && i < r->text.len; i++) {
			at.column = r->text.p[i] == '\n' ? 0 : at.column + 1;
			at.line += r->text.p[i] == '\n';
		}
	}
	snprintf(text, sizeof(text), "%s%s%s", p->problem ? p->problem : "bad YAML", p->context ? ", " : "", p->context ? p->context : "");
	return refuse(r, at, text);
}

static enum err next_event(struct reader *r, yaml_event_t *ev)
{
	memset(ev, 0, sizeof(*ev));
	return yaml_parser_parse(&r->parser, ev) ? ERR_NONE : refuse_syntax(r);
}

static bool means_null(const yaml_event_t *ev)
{
	const char *z = (const char *)ev->data.scalar.value;
	if (ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	return !*z || strcmp(z, "~") == 0 || strcmp(z, "null") == 0 || strcmp(z, "Null") == 0 || strcmp(z, "NULL") == 0;
}

/* Anchors and tags on any node; aliases. */
static enum err refuse_magic(struct reader *r, const yaml_event_t *ev)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	switch (ev->type) {
	case YAML_ALIAS_EVENT:
		return refuse(r, ev->start_mark, "aliases are not supported");
	case YAML_SCALAR_EVENT:
		anchor = ev->data.scalar.anchor;
		tag = ev->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = ev->data.sequence_start.anchor;
		tag = ev->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = ev->data.mapping_start.anchor;
		tag = ev->data.mapping_start.tag;
		break;
	default:
		break;
	}
	if (anchor)
		return refuse(r, ev->start_mark, "anchors are not supported");
	return tag ? refuse(r, ev->start_mark, "tags are not supported") : ERR_NONE;
}

static enum err read_node(struct reader *r, const yaml_event_t *ev, unsigned depth, struct yamltree **out);

static enum err read_list(struct reader *r, struct yamltree *list, unsigned depth)
{
	struct yamltree **tail = &list->first;
	for (;; list->n++) {
		yaml_event_t ev;
		enum err e = next_event(r, &ev);
		bool end = !e && ev.type == YAML_SEQUENCE_END_EVENT;
		if (!e && !end)
			e = read_node(r, &ev, depth + 1, tail);
		yaml_event_delete(&ev);
		if (e || end)
			return e;
		tail = &(*tail)->next;
	}
}

static enum err read_value(struct reader *r, unsigned depth, struct yamltree **out)
{
	yaml_event_t ev;
	enum err e = next_event(r, &ev);
	if (!e)
		e = read_node(r, &ev, depth, out);
	yaml_event_delete(&ev);
	return e;
}

static void check_duplicate(struct reader *r, struct map *seen, struct yamltree *child)
{
	char text[160];
	struct yamltree *before = map_put(seen, child->key, child);
	if (!before)
		return;
	int n = child->key.len < 60 ? (int)child->key.len : 60;
	snprintf(text, sizeof(text), "the key \"%.*s\" stands here a second time, first in line %u", n, child->key.p, before->key_line);
	tell(r, child->key_line, child->key_column, text);
}

static enum err read_pair(struct reader *r, const yaml_event_t *key, struct map *seen, unsigned depth, struct yamltree **out)
{
	if (key->type != YAML_SCALAR_EVENT)
		return refuse(r, key->start_mark, "a key must be a word");
	enum err e = refuse_magic(r, key);
	if (e)
		return e;
	struct str name = arena_str(r->arena, str_span((const char *)key->data.scalar.value, key->data.scalar.length));
	e = read_value(r, depth, out);
	if (e)
		return e;
	(*out)->key = name;
	(*out)->key_line = (unsigned)key->start_mark.line + 1;
	(*out)->key_column = (unsigned)key->start_mark.column + 1;
	check_duplicate(r, seen, *out);
	return ERR_NONE;
}

static enum err read_map(struct reader *r, struct yamltree *map, unsigned depth)
{
	static const uint64_t seed[2] = { 0, 0 }; /* who writes the configuration may slow it down */
	struct yamltree **tail = &map->first;
	struct map seen;
	enum err e;
	map_init(&seen, seed);
	for (;; map->n++) {
		yaml_event_t ev;
		e = next_event(r, &ev);
		bool end = !e && ev.type == YAML_MAPPING_END_EVENT;
		if (!e && !end)
			e = read_pair(r, &ev, &seen, depth + 1, tail);
		yaml_event_delete(&ev);
		if (e || end)
			break;
		tail = &(*tail)->next;
	}
	map_fini(&seen);
	return e;
}

static enum err read_node(struct reader *r, const yaml_event_t *ev, unsigned depth, struct yamltree **out)
{
	enum err e = refuse_magic(r, ev);
	if (e)
		return e;
	if (depth > YAMLTREE_DEPTH_MAX)
		return refuse(r, ev->start_mark, "nested too deeply");
	if (++r->nodes > YAMLTREE_NODES_MAX)
		return refuse(r, ev->start_mark, "too many values");
	struct yamltree *t = arena_zalloc(r->arena, sizeof(*t));
	t->line = (unsigned)ev->start_mark.line + 1;
	t->column = (unsigned)ev->start_mark.column + 1;
	*out = t;
	if (ev->type == YAML_SEQUENCE_START_EVENT) {
		t->kind = YAMLTREE_LIST;
		return read_list(r, t, depth);
	}
	if (ev->type == YAML_MAPPING_START_EVENT) {
		t->kind = YAMLTREE_MAP;
		return read_map(r, t, depth);
	}
	BUG_ON(ev->type != YAML_SCALAR_EVENT);
	t->kind = YAMLTREE_SCALAR;
	t->is_null = means_null(ev);
	t->text = arena_str(r->arena, str_span((const char *)ev->data.scalar.value, ev->data.scalar.length));
	return ERR_NONE;
}

/* stream := STREAM-START [DOCUMENT-START node DOCUMENT-END] STREAM-END */
static enum err read_stream(struct reader *r, struct yamltree **out)
{
	bool seen = false;
	for (;;) {
		yaml_event_t ev;
		enum err e = next_event(r, &ev);
		bool end = !e && ev.type == YAML_STREAM_END_EVENT;
		if (!e && ev.type == YAML_DOCUMENT_START_EVENT && seen)
			e = refuse(r, ev.start_mark, "a second document begins here; one is expected");
		else if (!e && ev.type == YAML_DOCUMENT_START_EVENT)
			e = read_value(r, 1, out);
		seen |= *out != NULL;
		yaml_event_delete(&ev);
		if (e || end)
			return e;
	}
}

enum err yamltree_parse(struct arena *a, struct str text, struct yamltree_errors errors, struct yamltree **out)
{
	struct reader r = { .arena = a, .text = text, .errors = errors };
	enum err e;
	*out = NULL;
	if (text.len > YAMLTREE_BYTES_MAX) {
		tell(&r, 1, 1, "longer than 1 MiB");
		e = ERR_INVALID;
	} else {
		if (!yaml_parser_initialize(&r.parser))
			BUG("out of memory");
		yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.len);
		e = read_stream(&r, out);
		yaml_parser_delete(&r.parser);
	}
	if (e || !*out || ((*out)->kind == YAMLTREE_SCALAR && (*out)->is_null)) {
		*out = arena_zalloc(a, sizeof(**out));
		(*out)->kind = YAMLTREE_MAP;
		(*out)->line = (*out)->column = 1;
	}
	return e || r.n_errors ? ERR_INVALID : ERR_NONE;
}
