#include "node/core/log_options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "node/core/log.h"

static const struct option options[] = {
	{ .name = "level", .kind = OPTION_ENUM, .default_text = "info", .choices = "debug info warn error off",
	  .doc = "The least severe lines that are written." },
	{ .name = "levels", .kind = OPTION_STRINGS, .max = LOG_COMPONENTS,
	  .doc = "Levels of single components, each as component=level." },
	{ .name = "format", .kind = OPTION_ENUM, .default_text = "logfmt", .choices = "logfmt json",
	  .doc = "How a line is written." },
	{ .name = "output", .kind = OPTION_ENUM, .default_text = "stderr", .choices = "stderr stdout",
	  .doc = "Where lines go, unless there is a file." },
	{ .name = "file", .kind = OPTION_PATH,
	  .doc = "A file that lines are appended to; it is opened again on a reload and by reopen_log, so that it can be rotated." },
	{ .name = "burst", .kind = OPTION_INT, .default_text = "20", .max = 1000000, .unit = "lines",
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

void log_apply_again(const struct config *c)
{
	size_t n;
	const struct str *items = config_strs(c, "log.levels", &n);
	char component[64];
	enum log_level level;
	log_set_form((enum log_format)config_enum(c, "log.format"), (unsigned)config_int(c, "log.burst"));
	log_reset_levels((enum log_level)config_enum(c, "log.level"));
	for (size_t i = 0; i < n; i++)
		if (parse_level(items[i], component, &level) && log_set_level(component, level))
			LOG(LOG_WARN, "log", "too many components", L_Z("component", component));
}

/* ---- where lines go ---- */

static int file_fd = -1; /* main's */

static int standard_fd(const struct config *c)
{
	return config_enum(c, "log.output") == 0 ? 2 : 1;
}

enum err log_file_open(const struct config *c, struct log_file *f, struct buf *why)
{
	struct str path = config_str(c, "log.file");
	f->fd = -1;
	if (!str_present(path) || str_empty(path))
		return ERR_NONE;
	f->fd = open(path.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (f->fd >= 0)
		return ERR_NONE;
	buf_addf(why, "cannot open the log file %s: %s", path.p, strerrordesc_np(errno));
	return ERR_IO;
}

void log_file_use(const struct config *c, struct log_file *f)
{
	if (f->fd < 0) {
		log_set_fd(standard_fd(c));
		return;
	}
	if (file_fd < 0) {
		file_fd = f->fd;
		f->fd = -1;
	} else {
		BUG_ON(dup3(f->fd, file_fd, O_CLOEXEC) < 0);
		log_file_close(f);
	}
	log_set_fd(file_fd);
}

void log_file_close(struct log_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

enum err log_file_move(const struct config *c, struct buf *moved, struct buf *why)
{
	struct str path = config_str(c, "log.file");
	char stamp[32];
	struct tm tm;
	time_t now = time(NULL);
	if (!str_present(path) || str_empty(path))
		return ERR_NONE;
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	buf_addf(moved, "%s.%s", path.p, stamp);
	buf_addc(moved, '\0');
	if (renameat2(AT_FDCWD, path.p, AT_FDCWD, moved->p, RENAME_NOREPLACE) == 0)
		return ERR_NONE;
	buf_addf(why, "cannot move the log file to %s: %s", moved->p, strerrordesc_np(errno));
	return ERR_IO;
}

enum err log_apply(const struct config *c, struct str node, struct buf *why)
{
	struct log_file file;
	log_start(&(struct log_settings){
		.fd = standard_fd(c),
		.format = (enum log_format)config_enum(c, "log.format"),
		.level = (enum log_level)config_enum(c, "log.level"),
		.burst = (unsigned)config_int(c, "log.burst"),
		.node = node,
	});
	log_apply_again(c);
	enum err e = log_file_open(c, &file, why);
	if (e == ERR_NONE)
		log_file_use(c, &file);
	return e;
}
