#include "node/core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "node/core/logline.h"
#include "proto/base/encode.h"

#define NAME_MAX_BYTES 32
#define INHERIT        (-1)

struct log_component {
	char name[NAME_MAX_BYTES];
	_Atomic int level; /* enum log_level, or INHERIT */
};

static struct log_component components[LOG_COMPONENTS] = { { .name = "other", .level = INHERIT } };
static _Atomic unsigned n_components = 1;
static pthread_mutex_t components_lock = PTHREAD_MUTEX_INITIALIZER;

static _Atomic int common_level = LOG_INFO;
static _Atomic int out_fd = 2;
static _Atomic int out_format = LOG_LOGFMT;
static _Atomic unsigned burst = 20;
static char node_name[64];
static size_t node_len;
static _Atomic uint64_t lost;
static _Atomic(struct log_site *) sites;

static _Thread_local const char *action;
static _Thread_local struct str session;

static const char *const level_names[] = { "debug", "info", "warn", "error", "off" };

const char *log_level_name(enum log_level level)
{
	return (unsigned)level <= LOG_OFF ? level_names[level] : "off";
}

bool log_level_parse(struct str name, enum log_level *out)
{
	for (unsigned i = 0; i <= LOG_OFF; i++) {
		if (!str_is(name, level_names[i]))
			continue;
		*out = (enum log_level)i;
		return true;
	}
	return false;
}

/* The component of that name, added when `add`; NULL when there is none, or no place. Names never go away, so readers need no lock. */
static struct log_component *component_find(const char *name, bool add)
{
	struct log_component *found = NULL;
	pthread_mutex_lock(&components_lock);
	unsigned n = atomic_load(&n_components);
	for (unsigned i = 0; i < n && !found; i++)
		if (strncmp(components[i].name, name, NAME_MAX_BYTES - 1) == 0)
			found = &components[i];
	if (!found && add && n < LOG_COMPONENTS) {
		found = &components[n];
		snprintf(found->name, sizeof(found->name), "%s", name);
		atomic_store(&found->level, INHERIT);
		atomic_store(&n_components, n + 1);
	}
	pthread_mutex_unlock(&components_lock);
	return found;
}

struct log_component *log_component_of(struct log_site *site)
{
	struct log_component *c = component_find(site->component, true);
	c = c ? c : &components[0];
	atomic_store_explicit(&site->of, c, memory_order_release);
	return c;
}

static int level_now(const struct log_component *c)
{
	int level = atomic_load_explicit(&c->level, memory_order_relaxed);
	return level == INHERIT ? atomic_load_explicit(&common_level, memory_order_relaxed) : level;
}

bool log_component_wants(const struct log_component *c, enum log_level level)
{
	return (int)level >= level_now(c) && level < LOG_OFF;
}

enum err log_set_level(const char *component, enum log_level level)
{
	if (!component) {
		atomic_store(&common_level, (int)level);
		return ERR_NONE;
	}
	struct log_component *c = component_find(component, true);
	if (!c)
		return ERR_LIMIT;
	atomic_store(&c->level, (int)level);
	return ERR_NONE;
}

void log_reset_level(const char *component)
{
	struct log_component *c = component_find(component, false);
	if (c)
		atomic_store(&c->level, INHERIT);
}

void log_reset_levels(enum log_level level)
{
	atomic_store(&common_level, (int)level);
	for (unsigned i = 0; i < atomic_load(&n_components); i++)
		atomic_store(&components[i].level, INHERIT);
}

enum log_level log_level_of(const char *component)
{
	struct log_component *c = component_find(component, false);
	return (enum log_level)level_now(c ? c : &components[0]);
}

void log_start(const struct log_settings *s)
{
	atomic_store(&out_fd, s->fd);
	atomic_store(&out_format, (int)s->format);
	atomic_store(&common_level, (int)s->level);
	atomic_store(&burst, s->burst);
	node_len = s->node.len < sizeof(node_name) - 1 ? s->node.len : sizeof(node_name) - 1;
	memcpy(node_name, s->node.p ? s->node.p : "", node_len);
}

void log_set_fd(int fd)
{
	atomic_store(&out_fd, fd);
}

void log_set_form(enum log_format format, unsigned lines)
{
	atomic_store(&out_format, (int)format);
	atomic_store(&burst, lines);
}

const char *log_action(const char *now)
{
	const char *was = action;
	action = now;
	return was;
}

struct str log_session(struct str id)
{
	struct str was = session;
	session = id;
	return was;
}

uint64_t log_lost(void)
{
	return atomic_load(&lost);
}

static uint64_t clock_ms(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* A site that suppressed enters the list once and stays: sites are static. */
static void site_list(struct log_site *site)
{
	if (atomic_exchange(&site->listed, true))
		return;
	struct log_site *first = atomic_load(&sites);
	do {
		atomic_store(&site->next, first);
	} while (!atomic_compare_exchange_weak(&sites, &first, site));
}

/* May this line be written? A race at the turn of a window lets a few lines too many or too few through, which does no harm. */
static bool site_admits(struct log_site *site, enum log_level level)
{
	unsigned most = atomic_load_explicit(&burst, memory_order_relaxed);
	if (level == LOG_DEBUG || most == 0 || site->unlimited)
		return true;
	uint64_t window = clock_ms(CLOCK_MONOTONIC_COARSE) / 1000 + 1;
	if (atomic_exchange_explicit(&site->window, window, memory_order_relaxed) != window)
		atomic_store_explicit(&site->written, 0, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&site->written, 1, memory_order_relaxed) < most)
		return true;
	atomic_fetch_add_explicit(&site->suppressed, 1, memory_order_relaxed);
	site_list(site);
	return false;
}

static void line_send(struct logline *line)
{
	struct str bytes = logline_end(line);
	ssize_t n;
	do {
		n = write(atomic_load_explicit(&out_fd, memory_order_relaxed), bytes.p, bytes.len);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)bytes.len)
		atomic_fetch_add(&lost, 1);
}

static void line_head(struct logline *line, const struct log_site *site, enum log_level level)
{
	char stamp[STAMP_BYTES];
	logline_start(line, atomic_load_explicit(&out_format, memory_order_relaxed) == LOG_JSON);
	logline_str(line, "time", stamp_format(stamp, (int64_t)clock_ms(CLOCK_REALTIME), true));
	logline_str(line, "level", str_of(log_level_name(level)));
	logline_str(line, "component", str_of(site->component));
	if (node_len)
		logline_str(line, "node", str_span(node_name, node_len));
	logline_str(line, "session", session);
	logline_str(line, "while", str_of(action));
	logline_str(line, "msg", str_of(site->message));
}

static void line_field(struct logline *line, const struct log_field *f)
{
	switch (f->kind) {
	case LOG_KIND_NONE:
		break;
	case LOG_KIND_STR:
		logline_str(line, f->key, f->v.str);
		break;
	case LOG_KIND_INT:
		logline_int(line, f->key, f->v.i);
		break;
	case LOG_KIND_UINT:
		logline_uint(line, f->key, f->v.u);
		break;
	case LOG_KIND_BOOL:
		logline_bool(line, f->key, f->v.b);
		break;
	}
}

void log_write(struct log_site *site, enum log_level level, const struct log_field *fields, size_t n)
{
	struct logline line;
	int saved_errno = errno;
	if (site_admits(site, level)) {
		line_head(&line, site, level);
		uint32_t suppressed = atomic_exchange_explicit(&site->suppressed, 0, memory_order_relaxed);
		if (suppressed) /* before the fields, which may fill the line */
			logline_uint(&line, "suppressed", suppressed);
		for (size_t i = 0; i < n; i++)
			line_field(&line, &fields[i]);
		line_send(&line);
	}
	errno = saved_errno;
}

void log_report_suppressed(void)
{
	uint64_t window = clock_ms(CLOCK_MONOTONIC_COARSE) / 1000 + 1;
	for (struct log_site *s = atomic_load(&sites); s; s = atomic_load(&s->next)) {
		if (atomic_load(&s->window) == window)
			continue; /* still at it: its next line will tell */
		uint32_t suppressed = atomic_exchange(&s->suppressed, 0);
		if (!suppressed)
			continue;
		struct logline line;
		line_head(&line, s, LOG_INFO);
		logline_uint(&line, "suppressed", suppressed);
		line_send(&line);
	}
}
