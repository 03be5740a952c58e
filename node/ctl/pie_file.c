/*
 * pie_file.c: a file of XEP-0227 and the files that it includes (section 5): they may be split at hosts and at users. What we do not know
 * outside of <user/> is told and passed over; what is inside is the importer's business.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/ctl/pie_source.h"
#include "proto/xml/names.h"
#include "proto/xml/walker.h"

#define FILES_DEEP 8

struct file {
	FILE *stream;
	char *path;
	struct xml_walker *walker;
	unsigned depth, host_depth; /* open elements; the place of <host/> among them, 0: none */
	char *host;
};
struct pie_file {
	struct pie_source source;
	struct file open[FILES_DEEP];
	unsigned n;
};

static long on_read(void *arg, char *out, size_t n)
{
	size_t got = fread(out, 1, n, arg);
	return got == 0 && ferror((FILE *)arg) ? -1 : (long)got;
}

static bool push(struct pie_file *p, char *path, char *why)
{
	struct file *f = &p->open[p->n];
	*f = (struct file){ .stream = fopen(path, "re"), .path = path };
	if (f->stream && (f->walker = xml_walker_new(on_read, f->stream))) {
		p->n++;
		return true;
	}
	snprintf(why, PIE_WHY_BYTES, "%s: %s", path, strerrordesc_np(errno));
	if (f->stream)
		fclose(f->stream);
	free(path);
	return false;
}

static void pop(struct pie_file *p)
{
	struct file *f = &p->open[--p->n];
	xml_walker_free(f->walker);
	fclose(f->stream);
	free(f->path);
	free(f->host);
}

static void on_close(struct pie_source *s)
{
	struct pie_file *p = (struct pie_file *)s;
	while (p->n)
		pop(p);
	free(p);
}

static enum pie_next broken(struct pie_file *p, struct file *f)
{
	snprintf(p->source.why, PIE_WHY_BYTES, "%s:%u: %s", f->path, xml_walker_line(f->walker), xml_walker_why(f->walker));
	return PIE_BROKEN;
}

static void left(struct pie_file *p, struct str what, const char *why)
{
	p->source.on_left(p->source.arg, what, why);
}

/* ---- includes ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* A relative URI as a path in the folder of the file; NULL for what leads elsewhere. */
static char *include_path(struct arena *a, const struct file *f, struct str href)
{
	char *name = arena_alloc(a, href.len + 1), *folder = arena_strz(a, str_of(f->path));
	size_t n = 0;
	for (size_t i = 0; i < href.len; i++) {
		bool escaped = href.p[i] == '%' && i + 2 < href.len && hex(href.p[i + 1]) >= 0 && hex(href.p[i + 2]) >= 0;
		name[n++] = escaped ? (char)(hex(href.p[i + 1]) << 4 | hex(href.p[i + 2])) : href.p[i];
		i += escaped ? 2 : 0;
	}
	name[n] = '\0';
	if (!n || name[0] == '/' || strstr(name, "..") || memchr(name, '\0', n) || strchr(name, ':'))
		return NULL;
	struct str path = arena_printf(a, "%s/%s", dirname(folder), name);
	return xstrndup(path.p, path.len);
}

/* False: the import ends here, why says it. */
static bool include(struct pie_file *p, struct arena *a, const struct elem *e)
{
	struct file *f = &p->open[p->n - 1];
	struct str href = elem_attr(e, "href"), parse = elem_attr(e, "parse");
	char *path = str_present(href) ? include_path(a, f, href) : NULL;
	if (!path || (str_present(parse) && !str_is(parse, "xml")) || p->n == FILES_DEEP) {
		free(path);
		left(p, arena_printf(a, "include of '%.*s'", STR_ARG(href)), "only XML files beside the file are included");
		return true;
	}
	const char *host = f->host;
	if (!push(p, path, p->source.why))
		return false;
	if (host)
		p->open[p->n - 1].host = xstrndup(host, strlen(host));
	return true;
}

/* ---- elements ---- */

static void enter_host(struct file *f, const struct elem *e)
{
	struct str jid = elem_attr(e, "jid");
	free(f->host);
	f->host = xstrndup(jid.p ? jid.p : "", jid.len);
	f->host_depth = f->depth;
}

/* PIE_END: go on. */
static enum pie_next on_open(struct pie_file *p, struct arena *a, struct elem *e, struct str *host, struct elem **user)
{
	struct file *f = &p->open[p->n - 1];
	f->depth++;
	if (elem_is(e, NS_IMPORT_EXPORT, "server-data"))
		return PIE_END;
	if (elem_is(e, NS_IMPORT_EXPORT, "host")) {
		enter_host(f, e);
		return PIE_END;
	}
	f->depth--; /* it is read whole */
	bool is_user = elem_is(e, NS_IMPORT_EXPORT, "user");
	if (is_user ? !xml_walker_take(f->walker, a, e) : !xml_walker_skip(f->walker))
		return broken(p, f);
	if (is_user) {
		*host = f->host ? arena_str(a, str_of(f->host)) : STR("");
		*user = e;
		return PIE_USER;
	}
	if (elem_is(e, NS_XINCLUDE, "include"))
		return include(p, a, e) ? PIE_END : PIE_BROKEN;
	left(p, arena_printf(a, "<%.*s xmlns='%.*s'/>", STR_ARG(e->name), STR_ARG(e->ns)), "it is outside of all accounts");
	return PIE_END;
}

static void on_close_tag(struct file *f)
{
	if (f->host_depth && f->depth == f->host_depth) {
		free(f->host);
		f->host = NULL;
		f->host_depth = 0;
	}
	f->depth--;
}

static enum pie_next on_next(struct pie_source *s, struct arena *a, struct str *host, struct elem **user)
{
	struct pie_file *p = (struct pie_file *)s;
	struct elem *e;
	while (p->n) {
		struct file *f = &p->open[p->n - 1];
		enum pie_next found = PIE_END;
		switch (xml_walker_next(f->walker, a, &e)) {
		case WALK_OPEN:
			found = on_open(p, a, e, host, user);
			break;
		case WALK_CLOSE:
			on_close_tag(f);
			break;
		case WALK_END:
			pop(p);
			break;
		case WALK_BROKEN:
			return broken(p, f);
		}
		if (found != PIE_END)
			return found;
	}
	return PIE_END;
}

struct pie_source *pie_file_open(const char *path, char *why)
{
	struct pie_file *p = xzalloc(sizeof *p);
	p->source.next = on_next;
	p->source.close = on_close;
	if (push(p, xstrndup(path, strlen(path)), why))
		return &p->source;
	free(p);
	return NULL;
}
