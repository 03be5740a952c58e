#include "node/ctl/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/core/log.h"
#include "node/ctl/command.h"

#define CLIENTS_MAX   64
#define REQUEST_MAX   (1u << 20) /* a stanza fits */
#define REPLY_MAX     (64u << 20)
#define LINES_MAX     256        /* of a stream that wait for a slow reader */

struct ctl_server {
	struct node *node;
	uv_pipe_t pipe;
	char *path;
	void (*on_stop)(struct node *n);
	unsigned clients, refs;
	struct client *list;
	bool closing;
	void (*on_gone)(void *arg);
	void *arg;
};

struct client {
	struct client *next, **prev;
	struct ctl_server *server;
	uv_pipe_t pipe;
	uv_write_t write;
	struct buf in, out;
	char chunk[4096], by[32];
	struct call *call;    /* under way */
	unsigned lines;       /* told and not yet written */
	bool gone, closed, stop_after;
};

static void client_next(struct client *cl);

/* The last of the server's own handle and its clients frees it. */
static void server_unref(struct ctl_server *s)
{
	if (--s->refs)
		return;
	if (s->on_gone)
		s->on_gone(s->arg);
	free(s->path);
	free(s);
}

/* ---- the end of a client: its handle is closed and its command has answered, in either order ---- */

static void client_free_when_over(struct client *cl)
{
	struct ctl_server *s = cl->server;
	if (!cl->closed || cl->call)
		return;
	buf_fini(&cl->in);
	buf_fini(&cl->out);
	free(cl);
	s->clients--;
	server_unref(s);
}

static void on_client_closed(uv_handle_t *h)
{
	struct client *cl = h->data;
	cl->closed = true;
	client_free_when_over(cl);
}

static void client_close(struct client *cl)
{
	if (cl->gone)
		return;
	cl->gone = true;
	*cl->prev = cl->next;
	if (cl->next)
		cl->next->prev = cl->prev;
	uv_close((uv_handle_t *)&cl->pipe, on_client_closed);
	if (cl->call && cl->call->on_gone)
		cl->call->on_gone(cl->call);
}

/* ---- answers ---- */

static void on_written(uv_write_t *w, int status)
{
	struct client *cl = w->data;
	struct ctl_server *s = cl->server;
	bool stop = cl->stop_after;
	buf_fini(&cl->out);
	if (status < 0 || cl->server->closing)
		client_close(cl);
	else if (!cl->gone)
		client_next(cl);
	if (stop)
		s->on_stop(s->node);
}

/* The reply's line; one that is longer than the ceiling becomes an error. */
static void reply_write(struct buf *out, enum ctl_exit code, struct str text, json_t *data)
{
	json_t *reply = json_pack("{s:i, s:o, s:o}", "code", code, "text", json_str(text), "data", data ? data : json_null());
	char *line = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	buf_init(out, REPLY_MAX);
	buf_addz(out, line ? line : "");
	buf_addc(out, '\n');
	if (line && buf_status(out) == ERR_NONE) {
		free(line);
		return;
	}
	free(line);
	buf_clear(out);
	buf_addz(out, "{\"code\":1,\"text\":\"the answer is too long: ask for less at once\",\"data\":null}\n");
}

static void on_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct client *cl = c->asker;
	cl->call = NULL;
	cl->stop_after = c->stop_after;
	if (cl->gone) {
		json_decref(data);
		arena_free(c->arena);
		client_free_when_over(cl);
		return;
	}
	uv_read_stop((uv_stream_t *)&cl->pipe);
	reply_write(&cl->out, code, text, data);
	arena_free(c->arena); /* the text may lie in it */
	uv_buf_t b = uv_buf_init(cl->out.p, (unsigned)cl->out.len);
	cl->write.data = cl;
	if (uv_write(&cl->write, (uv_stream_t *)&cl->pipe, &b, 1, on_written) != 0)
		client_close(cl);
}

struct told {
	uv_write_t write;
	struct client *client;
	char *text;
};

static void on_line_written(uv_write_t *w, int status)
{
	struct told *t = w->data;
	t->client->lines--;
	free(t->text);
	free(t);
}

static bool on_line(struct call *c, json_t *data)
{
	struct client *cl = c->asker;
	json_t *wrapped = json_pack("{s:o}", "line", data);
	char *text = cl->gone || cl->lines >= LINES_MAX ? NULL : json_dumps(wrapped, JSON_COMPACT);
	json_decref(wrapped);
	if (!text)
		return false;
	struct told *t = xzalloc(sizeof *t);
	size_t len = strlen(text);
	text[len] = '\n'; /* for the NUL: uv_write counts */
	*t = (struct told){ .client = cl, .text = text };
	t->write.data = t;
	uv_buf_t b = uv_buf_init(text, (unsigned)len + 1);
	if (uv_write(&t->write, (uv_stream_t *)&cl->pipe, &b, 1, on_line_written) == 0) {
		cl->lines++;
		return true;
	}
	free(text);
	free(t);
	return false;
}

/* ---- questions ---- */

static bool args_read(struct call *c, const json_t *args)
{
	size_t i;
	json_t *v;
	if (args && (!json_is_array(args) || json_array_size(args) > CTL_ARGS_MAX))
		return false;
	json_array_foreach(args, i, v)
	{
		if (!json_is_string(v))
			return false;
		c->args[c->n_args++] = arena_str(c->arena, str_span(json_string_value(v), json_string_length(v)));
	}
	return true;
}

static bool options_read(struct call *c, json_t *options)
{
	const char *name;
	json_t *v;
	if (options && (!json_is_object(options) || json_object_size(options) > CTL_OPTIONS_MAX))
		return false;
	json_object_foreach(options, name, v)
	{
		if (!json_is_string(v))
			return false;
		c->options[c->n_options++] = (struct call_option){
			.name = arena_str(c->arena, str_of(name)), .value = arena_str(c->arena, str_of(json_string_value(v)))
		};
	}
	return true;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	struct client *cl = h->data;
	*b = uv_buf_init(cl->chunk, sizeof cl->chunk);
}

/* While a stream is told: nothing is expected but the asker's end. */
static void on_read_while_told(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	if (n < 0)
		client_close(st->data);
}

static void request(struct client *cl, struct str line)
{
	json_t *req = json_loadb(line.p, line.len, 0, NULL);
	const char *name = json_string_value(json_object_get(req, "command"));
	struct arena *a = arena_new(1024);
	struct call *c = cl->call = arena_zalloc(a, sizeof *c);
	c->arena = a;
	c->node = cl->server->node;
	c->asker = cl;
	c->done = on_done;
	c->line = on_line;
	c->by = str_of(cl->by);
	c->command = name ? command_find(str_of(name)) : NULL;
	bool ok = args_read(c, json_object_get(req, "args")) && options_read(c, json_object_get(req, "options"));
	if (c->command && (c->command->flags & COMMAND_STREAMS))
		uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read_while_told);
	if (!name || !ok)
		call_fail(c, CTL_USAGE, "not a request");
	else if (!c->command || (c->command->flags & COMMAND_LOCAL))
		call_fail(c, CTL_USAGE, "there is no command '%s'", name);
	else
		command_run(c);
	json_decref(req);
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	struct client *cl = st->data;
	if (n < 0) {
		client_close(cl);
		return;
	}
	buf_add(&cl->in, b->base, (size_t)n);
	if (buf_status(&cl->in) != ERR_NONE)
		client_close(cl);
	else if (str_chr(buf_str(&cl->in), '\n'))
		client_next(cl);
}

/* The request that has come already, or reading. */
static void client_next(struct client *cl)
{
	const char *end = str_chr(buf_str(&cl->in), '\n');
	if (!end) {
		uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read);
		return;
	}
	uv_read_stop((uv_stream_t *)&cl->pipe);
	struct str line = str_span(cl->in.p, (size_t)(end - cl->in.p));
	char *copy = xstrndup(line.p, line.len);
	size_t len = line.len;
	buf_consume(&cl->in, len + 1);
	request(cl, str_span(copy, len));
	explicit_bzero(copy, len); /* passwords */
	free(copy);
}

/* Who asks, for the audit log: the kernel knows. */
static void peer_name(struct client *cl)
{
	struct ucred cred;
	socklen_t size = sizeof cred;
	uv_os_fd_t fd;
	if (uv_fileno((uv_handle_t *)&cl->pipe, &fd) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
		snprintf(cl->by, sizeof cl->by, "uid %u", (unsigned)cred.uid);
}

static void on_connection(uv_stream_t *listening, int status)
{
	struct ctl_server *s = listening->data;
	struct client *cl = xzalloc(sizeof *cl);
	cl->server = s;
	buf_init(&cl->in, REQUEST_MAX);
	uv_pipe_init(&s->node->main->loop, &cl->pipe, 0);
	cl->pipe.data = cl;
	cl->next = s->list;
	cl->prev = &s->list;
	if (cl->next)
		cl->next->prev = &cl->next;
	s->list = cl;
	s->clients++;
	s->refs++;
	if (status < 0 || uv_accept(listening, (uv_stream_t *)&cl->pipe) != 0 || s->clients > CLIENTS_MAX) {
		client_close(cl);
		return;
	}
	peer_name(cl);
	client_next(cl);
}

/* A socket file whose owner is dead is in the way; one that answers, or a file that is none, is not ours to take. */
static bool path_is_free(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	if (lstat(path, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	bool alive = connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
	close(fd);
	if (!alive)
		unlink(path);
	return !alive;
}

enum err ctl_server_start(struct node *n, const char *path, void (*on_stop)(struct node *n), struct buf *why, struct ctl_server **out)
{
	if (strlen(path) >= 108) {
		buf_addf(why, "the control socket's path is longer than 107 bytes: %s", path);
		return ERR_INVALID;
	}
	if (!path_is_free(path)) {
		buf_addf(why, "the control socket %s is in use: another node answers there, or it is no socket", path);
		return ERR_EXISTS;
	}
	struct ctl_server *s = xzalloc(sizeof *s);
	s->node = n;
	s->on_stop = on_stop;
	s->refs = 1;
	s->path = xstrndup(path, strlen(path));
	uv_pipe_init(&n->main->loop, &s->pipe, 0);
	s->pipe.data = s;
	mode_t before = umask(0177);
	int rc = uv_pipe_bind(&s->pipe, path);
	umask(before);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&s->pipe, 16, on_connection);
	*out = s;
	if (rc == 0)
		return ERR_NONE;
	buf_addf(why, "cannot listen on the control socket %s: %s", path, uv_strerror(rc));
	return ERR_IO;
}

static void on_server_closed(uv_handle_t *h)
{
	struct ctl_server *s = h->data;
	server_unref(s);
}

void ctl_server_stop(struct ctl_server *s, void (*on_gone)(void *arg), void *arg)
{
	if (!s && on_gone)
		on_gone(arg);
	if (!s)
		return;
	unlink(s->path);
	s->closing = true;
	s->on_gone = on_gone;
	s->arg = arg;
	struct client *next;
	for (struct client *cl = s->list; cl; cl = next) {
		next = cl->next;
		if (!cl->out.len && (!cl->call || cl->call->on_gone))
			client_close(cl);
	}
	uv_close((uv_handle_t *)&s->pipe, on_server_closed);
}

void ctl_server_cut(struct ctl_server *s)
{
	s->on_gone = NULL;
	while (s->list)
		client_close(s->list);
}
