/*
 * log.h: one event, one line, one write(2), as logfmt or JSON.
 *
 *	LOG(LOG_WARN, "c2s", "stream refused", L_STR("host", host), L_INT("bytes", n), L_ERR(e));
 *	time=2026-11-22T07:17:54.120Z level=warn component=c2s node=n1 session=x7k while=reading msg="stream refused" host=... bytes=...
 *
 * Component, message and keys are literals (lower case, words); what varies is in values. Bodies, passwords and keys are never logged.
 * Values are escaped: no raw control byte, C1 control, newline or invalid UTF-8 reaches the terminal of whoever reads the log.
 * Ceilings: a line has at most LOG_LINE_MAX bytes with its newline (so that lines to a pipe never mix), a value LOG_VALUE_MAX;
 * what does not fit is left out and `truncated=true` says so. A call site writes at most `burst` lines a second; the next line from it
 * carries suppressed=N.
 * Debug lines are not limited.
 *
 * Threads: any; no allocation, no lock on the way of a line. The level of a component may change at any time.
 * Failure: a line that cannot be written is dropped and counted (log_lost).
 */
#ifndef NODE_CORE_LOG_H
#define NODE_CORE_LOG_H

#include <stdatomic.h>

#include "proto/base/err.h"
#include "proto/base/str.h"

#define LOG_LINE_MAX   4096
#define LOG_VALUE_MAX  1024
#define LOG_COMPONENTS 64 /* distinct component names; later ones share the last place */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_kind { LOG_KIND_NONE, LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_UINT, LOG_KIND_BOOL };
struct log_field {
	const char *key;
	enum log_kind kind;
	union {
		struct str str;
		int64_t i;
		uint64_t u;
		bool b;
	} v;
};

/* Fields. An absent string is left out of the line. Borrowed for the call. */
#define L_STR(k, value)  ((struct log_field){ .key = "" k, .kind = LOG_KIND_STR, .v.str = (value) })
#define L_Z(k, value)    ((struct log_field){ .key = "" k, .kind = LOG_KIND_STR, .v.str = str_of(value) })
#define L_INT(k, value)  ((struct log_field){ .key = "" k, .kind = LOG_KIND_INT, .v.i = (value) })
#define L_UINT(k, value) ((struct log_field){ .key = "" k, .kind = LOG_KIND_UINT, .v.u = (value) })
#define L_BOOL(k, value) ((struct log_field){ .key = "" k, .kind = LOG_KIND_BOOL, .v.b = (value) })
/* error=not-found; os_error="Permission denied" from an errno. */
#define L_ERR(e)   L_Z("error", err_name(e))
#define L_ERRNO(n) L_Z("os_error", strerrordesc_np(n))

struct log_component;
/* The static part of a call site. */
struct log_site {
	const char *component, *message;
	_Atomic(struct log_component *) of;
	_Atomic uint64_t window; /* the second being counted */
	_Atomic uint32_t written, suppressed;
	_Atomic(struct log_site *) next; /* of those that ever suppressed something */
	_Atomic bool listed;
	bool unlimited; /* every line counts, however many there are: audits */
};

#define LOG_SITE(all, level, comp, msg, ...)                                                                         \
	do {                                                                                                          \
		static struct log_site log_site_ = { .component = "" comp, .message = "" msg, .unlimited = all };     \
		if (log_wants(&log_site_, level)) {                                                                   \
			const struct log_field log_fields_[] = { { .kind = LOG_KIND_NONE }, ##__VA_ARGS__ };          \
			log_write(&log_site_, level, log_fields_, sizeof(log_fields_) / sizeof(log_fields_[0]));      \
		}                                                                                                     \
	} while (0)
#define LOG(level, comp, msg, ...) LOG_SITE(false, level, comp, msg, ##__VA_ARGS__)
/* Without a limit on lines a second: for what only administrators can cause. */
#define LOG_EACH(level, comp, msg, ...) LOG_SITE(true, level, comp, msg, ##__VA_ARGS__)

/* For LOG. */
struct log_component *log_component_of(struct log_site *site);
bool log_component_wants(const struct log_component *c, enum log_level level);
static inline bool log_wants(struct log_site *site, enum log_level level)
{
	struct log_component *c = atomic_load_explicit(&site->of, memory_order_acquire);
	return log_component_wants(c ? c : log_component_of(site), level);
}
void log_write(struct log_site *site, enum log_level level, const struct log_field *fields, size_t n);

/* What this thread is doing, a literal, for while=; NULL: nothing. Returns what it was, to be set back. */
const char *log_action(const char *action);
/* Whose work this thread is doing, for session=. Borrowed until it is set again. Returns what it was. */
struct str log_session(struct str id);

/* ---- set-up; any time, any thread, but for log_start ---- */

struct log_settings {
	int fd;
	enum log_format format;
	enum log_level level; /* of components without one of their own */
	unsigned burst;       /* lines a second and call site; 0: no limit */
	struct str node;      /* copied, at most 63 bytes; absent: no node= */
};
/* Before the first other thread. Without it: logfmt, info and above, to stderr, burst 20. */
void log_start(const struct log_settings *s);
/* From the next line on. */
void log_set_fd(int fd);
void log_set_form(enum log_format format, unsigned burst);
/* Of one component, whether it has logged yet or not; NULL: of all that have none of their own. ERR_LIMIT: no place for another
 * component. */
MUST_CHECK enum err log_set_level(const char *component, enum log_level level);
/* The component goes back to the common level. */
void log_reset_level(const char *component);
/* All go back to the common level, which becomes `level`. */
void log_reset_levels(enum log_level level);
enum log_level log_level_of(const char *component);
const char *log_level_name(enum log_level level);
bool log_level_parse(struct str name, enum log_level *out);
/* Writes a line for each call site that suppressed some and has been quiet since; call it every few seconds. */
void log_report_suppressed(void);
/* Lines that write(2) did not take. */
uint64_t log_lost(void);

#endif
