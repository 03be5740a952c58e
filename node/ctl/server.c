#include "node/ctl/server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/core/log.h"
#include "node/ctl/command.h"

#define CLIENTS_MAX   64
#define REQUEST_MAX   65536
#define REPLY_MAX     (64u << 20)

struct ctl_server {
	struct node *node;
	uv_pipe_t pipe;
	char *path;
	void (*on_stop)(struct node *n);
	unsigned clients, refs;
	struct client *list;
	bool closing;
};

struct client {
	struct client *next, **prev;
	struct ctl_server *server;
	uv_pipe_t pipe;
	uv_write_t write;
	struct buf in, out;
	char chunk[4096];
	bool busy, gone, stop_after;
};

static void client_read(struct client *cl);

/* The last of the server's own handle and its clients frees it. */
static void server_unref(struct ctl_server *s)
{
	if (--s->refs)
		return;
	free(s->path);
	free(s);
}

static void on_client_closed(uv_handle_t *h)
{
	struct client *cl = h->data;
	struct ctl_server *s = cl->server;
	if (cl->busy) /* its command still runs: on_done frees it */
		return;
	buf_fini(&cl->in);
	buf_fini(&cl->out);
	free(cl);
	s->clients--;
	server_unref(s);
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
}

static void on_written(uv_write_t *w, int status)
{
	struct client *cl = w->data;
	struct ctl_server *s = cl->server;
	bool stop = cl->stop_after;
	buf_fini(&cl->out);
	if (status < 0 || cl->server->closing)
		client_close(cl);
	else if (!cl->gone)
		client_read(cl);
	if (stop)
		s->on_stop(s->node);
}

static void on_done(struct call *c, enum ctl_exit code, struct str text, json_t *data)
{
	struct client *cl = c->asker;
	cl->busy = false;
	cl->stop_after = c->stop_after;
	arena_free(c->arena);
	if (cl->gone) {
		json_decref(data);
		on_client_closed((uv_handle_t *)&cl->pipe);
		return;
	}
	json_t *reply = json_pack("{s:i, s:o, s:o}", "code", code, "text", json_str(text), "data", data ? data : json_null());
	char *line = json_dumps(reply, JSON_COMPACT);
	json_decref(reply);
	buf_init(&cl->out, REPLY_MAX);
	buf_addz(&cl->out, line ? line : "{\"code\":1,\"text\":\"the reply cannot be written\",\"data\":null}");
	buf_addc(&cl->out, '\n');
	free(line);
	uv_buf_t b = uv_buf_init(cl->out.p, (unsigned)cl->out.len);
	cl->write.data = cl;
	if (uv_write(&cl->write, (uv_stream_t *)&cl->pipe, &b, 1, on_written) != 0)
		client_close(cl);
}

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

static void request(struct client *cl, struct str line)
{
	json_t *req = json_loadb(line.p, line.len, 0, NULL);
	const char *name = json_string_value(json_object_get(req, "command"));
	struct arena *a = arena_new(1024);
	struct call *c = arena_zalloc(a, sizeof *c);
	c->arena = a;
	c->node = cl->server->node;
	c->asker = cl;
	c->done = on_done;
	c->command = name ? command_find(str_of(name)) : NULL;
	cl->busy = true;
	bool ok = args_read(c, json_object_get(req, "args"));
	if (!name || !ok)
		call_fail(c, CTL_USAGE, "not a request");
	else if (!c->command)
		call_fail(c, CTL_USAGE, "there is no command '%s'", name);
	else
		command_run(c);
	json_decref(req);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	struct client *cl = h->data;
	*b = uv_buf_init(cl->chunk, sizeof cl->chunk);
}

static void on_read(uv_stream_t *st, ssize_t n, const uv_buf_t *b)
{
	struct client *cl = st->data;
	if (n < 0) {
		client_close(cl);
		return;
	}
	buf_add(&cl->in, b->base, (size_t)n);
	const char *end = str_chr(buf_str(&cl->in), '\n');
	if (buf_status(&cl->in) != ERR_NONE) {
		client_close(cl);
		return;
	}
	if (!end)
		return;
	uv_read_stop(st);
	struct str line = str_span(cl->in.p, (size_t)(end - cl->in.p));
	char *copy = xstrndup(line.p, line.len);
	size_t len = line.len;
	buf_consume(&cl->in, len + 1);
	request(cl, str_span(copy, len));
	free(copy);
}

static void client_read(struct client *cl)
{
	uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read);
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
	if (status < 0 || uv_accept(listening, (uv_stream_t *)&cl->pipe) != 0 || s->clients > CLIENTS_MAX)
		client_close(cl);
	else
		client_read(cl);
}

/* A socket file whose owner is dead is in the way; one that answers is not ours to take. */
static bool path_is_free(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
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
		buf_addf(why, "another node answers on the control socket %s", path);
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

void ctl_server_stop(struct ctl_server *s)
{
	if (!s)
		return;
	unlink(s->path);
	s->closing = true;
	struct client *next;
	for (struct client *cl = s->list; cl; cl = next) {
		next = cl->next;
		if (!cl->busy && !cl->out.len)
			client_close(cl);
	}
	uv_close((uv_handle_t *)&s->pipe, on_server_closed);
}
