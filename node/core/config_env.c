/* The environment: STARLING_<SECTION>_<NAME>, with _FILE for strings, and STARLING_HOSTS. Maps are in YAML's flow style, lists may be. */
#include <errno.h>

#include "node/core/config_private.h"

#define PREFIX     "STARLING_"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

struct variable {
	struct str name, text;
	struct option_origin origin;
};

static bool is_file_of(struct str variable, const struct config_row *row)
{
	return row->option->kind == OPTION_STRING && variable.len == row->env_name.len + 5 && str_starts(variable, row->env_name) &&
	       str_ends(variable, STR("_FILE"));
}

/* "a, b" as the list [a, b]: a tree, so that lists have one reader. */
static void read_env_list(struct config *c, struct config_report *r, const struct config_row *row, const struct variable *var)
{
	struct yamltree list = { .kind = YAMLTREE_LIST }, **tail = &list.first;
	struct option_value v = { 0 };
	struct str rest = str_trim(var->text);
	if (rest.len == 0)
		rest = STR_NONE;
	while (str_present(rest) && list.n <= OPTION_ITEMS_MAX) {
		struct yamltree *item = arena_zalloc(c->arena, sizeof(*item));
		item->text = arena_str(c->arena, str_trim(str_cut(&rest, ',')));
		item->is_null = item->text.len == 0;
		*tail = item;
		tail = &item->next;
		list.n++;
	}
	if (!config_read_value(r, c->arena, row->option, row->path, &list, var->origin.name, &v))
		return;
	v.origin = var->origin;
	c->values[row->index] = v;
}

/* "http.listen" and VALUE as {http: {listen: VALUE}}: what stands in a file is read as from a file. */
static void read_env_yaml(struct config *c, struct config_report *r, struct str path, const struct variable *var)
{
	struct buf text;
	unsigned depth = 0;
	buf_init(&text, YAMLTREE_BYTES_MAX + 1);
	for (struct str word; str_present(word = str_cut(&path, '.')); depth++)
		buf_addf(&text, "{%.*s: ", STR_ARG(word));
	buf_add_str(&text, var->text);
	while (depth--)
		buf_addc(&text, '}');
	if (buf_status(&text) == ERR_NONE)
		config_read_yaml(c, r, var->name.p, buf_str(&text));
	else
		config_report_at(r, &var->origin, "the value is too long");
	buf_fini(&text);
}

static void read_env_row(struct config *c, struct config_report *r, const struct config_row *row, const struct variable *var)
{
	struct option_value v = { .option = row->option };
	struct str text = var->text;
	if (row->option->kind == OPTION_MAPS || (option_is_list(row->option) && str_starts(str_trim(text), STR("[")))) {
		read_env_yaml(c, r, row->path, var);
		return;
	}
	if (option_is_list(row->option)) {
		read_env_list(c, r, row, var);
		return;
	}
	if (is_file_of(var->name, row) && config_read_secret(c->arena, var->text.p, &text)) {
		config_report_at(r, &var->origin, "cannot read \"%s\": %s", var->text.p, strerrordesc_np(errno));
		return;
	}
	if (config_read_text(r, c->arena, row->option, row->path, text, var->origin, &v))
		c->values[row->index] = v;
}

static void read_env_hosts(struct config *c, struct config_report *r, const struct variable *var)
{
	struct str rest = var->text;
	if (str_starts(str_trim(rest), STR("{"))) {
		read_env_yaml(c, r, STR("hosts"), var);
		return;
	}
	while (str_present(rest)) {
		struct str name = str_trim(str_cut(&rest, ','));
		if (name.len)
			(void)config_add_host(c, r, name, var->origin);
	}
}

/* A variable that nobody reads: most likely a slip when it is nearly one that somebody reads, else none of our business. */
static void check_stray(const struct config *c, struct config_report *r, const struct variable *var)
{
	const char *words[CONFIG_ROWS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < c->schema->n_rows; i++)
		if (str_present(c->schema->rows[i]->env_name))
			words[n++] = c->schema->rows[i]->env_name.p + PREFIX_LEN;
	/* Without the prefix: all are near by their first nine letters. */
	const char *near = option_nearest(str_span(var->name.p + PREFIX_LEN, var->name.len - PREFIX_LEN), words, n);
	if (near)
		config_report_at(r, &var->origin, "no such option; did you mean " PREFIX "%s?", near);
}

static void read_variable(struct config *c, struct config_report *r, const struct variable *var)
{
	if (str_is(var->name, PREFIX "HOSTS")) {
		read_env_hosts(c, r, var);
		return;
	}
	for (size_t i = 0; i < c->schema->n_rows; i++) {
		const struct config_row *row = c->schema->rows[i];
		if (!str_present(row->env_name) || !(str_eq(var->name, row->env_name) || is_file_of(var->name, row)))
			continue;
		read_env_row(c, r, row, var);
		return;
	}
	check_stray(c, r, var);
}

void config_read_env(struct config *c, char *const *env, struct config_report *r)
{
	for (; *env; env++) {
		struct str text = str_of(*env);
		if (!str_starts(text, STR(PREFIX)) || !str_chr(text, '='))
			continue;
		struct variable var = { .name = str_cut(&text, '=') };
		var.name = arena_str(c->arena, var.name);
		var.text = text;
		var.origin = (struct option_origin){ .source = OPTION_FROM_ENV, .name = var.name.p };
		read_variable(c, r, &var);
	}
}
