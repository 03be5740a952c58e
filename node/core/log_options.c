#include "node/core/log_options.h"

#include "node/core/log.h"

static const struct option options[] = {
	{ .name = "level", .kind = OPTION_ENUM, .default_text = "info", .choices = "debug info warn error off",
	  .doc = "The least severe lines that are written." },
	{ .name = "levels", .kind = OPTION_STRINGS, .max = LOG_COMPONENTS,
	  .doc = "Levels of single components, each as component=level." },
	{ .name = "format", .kind = OPTION_ENUM, .default_text = "logfmt", .choices = "logfmt json", .needs_restart = true,
	  .doc = "How a line is written." },
	{ .name = "output", .kind = OPTION_ENUM, .default_text = "stderr", .choices = "stderr stdout", .needs_restart = true,
	  .doc = "Where lines go." },
	{ .name = "burst", .kind = OPTION_INT, .default_text = "20", .max = 1000000, .unit = "lines", .needs_restart = true,
	  .doc = "Lines a second from one place in the code before the rest is only counted; 0 writes all." },
};

static bool parse_level(struct str item, char component[64], enum log_level *level)
{
	struct str name = str_cut(&item, '=');
	if (name.len == 0 || name.len >= 64 || !log_level_parse(item, level))
		return false;
	memcpy(component, name.p, name.len);
	component[name.len] = '\0';
	return true;
}

static void check_levels(const struct config *c, struct config_report *r)
{
	size_t n;
	const struct str *items = config_strs(c, "log.levels", &n);
	char component[64];
	enum log_level level;
	for (size_t i = 0; i < n; i++)
		if (!parse_level(items[i], component, &level))
			config_complain(r, config_value(c, "log.levels"),
			                "log.levels[%zu]: expected component=level with one of debug, info, warn, error, off", i);
}

void log_register(struct config_schema *s)
{
	config_register(s, "log", options, sizeof(options) / sizeof(options[0]));
	config_describe(s, "log", "One line an event, on the standard error output unless told otherwise.");
	config_register_check(s, check_levels);
}

void log_apply_levels(const struct config *c)
{
	size_t n;
	const struct str *items = config_strs(c, "log.levels", &n);
	char component[64];
	enum log_level level;
	log_reset_levels((enum log_level)config_enum(c, "log.level"));
	for (size_t i = 0; i < n; i++)
		if (parse_level(items[i], component, &level) && log_set_level(component, level))
			LOG(LOG_WARN, "log", "too many components", L_Z("component", component));
}

void log_apply(const struct config *c, struct str node)
{
	log_start(&(struct log_settings){
		.fd = config_enum(c, "log.output") == 0 ? 2 : 1,
		.format = (enum log_format)config_enum(c, "log.format"),
		.level = (enum log_level)config_enum(c, "log.level"),
		.burst = (unsigned)config_int(c, "log.burst"),
		.node = node,
	});
	log_apply_levels(c);
}
