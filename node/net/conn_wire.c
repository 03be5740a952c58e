#include "node/net/conn_wire.h"

#include <errno.h>
#include <sys/socket.h>

static BIO_METHOD *method;
static CRYPTO_ONCE method_once = CRYPTO_ONCE_STATIC_INIT;

int conn_wire_flags(const struct conn *c)
{
	bool is_ticket = c->ssl && SSL_get_state(c->ssl) == TLS_ST_SW_SESSION_TICKET;
	return MSG_NOSIGNAL | (is_ticket || c->state == CONN_CLOSING ? MSG_MORE : 0);
}

static bool try_later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static int on_read(BIO *b, char *to, int room)
{
	struct conn *c = BIO_get_data(b);
	BIO_clear_retry_flags(b);
	if (c->drained) {
		BIO_set_retry_read(b);
		return -1;
	}
	ssize_t n = recv(c->fd, to, (size_t)room, 0);
	if (n < 0 && try_later())
		BIO_set_retry_read(b);
	else if (n == 0)
		BIO_set_flags(b, BIO_FLAGS_IN_EOF); /* asked for by BIO_eof: OpenSSL tells an end from an error by it */
	c->drained = n > 0 && n < room;
	return (int)n;
}

static int on_write(BIO *b, const char *from, int len)
{
	const struct conn *c = BIO_get_data(b);
	ssize_t n = send(c->fd, from, (size_t)len, conn_wire_flags(c));
	BIO_clear_retry_flags(b);
	if (n < 0 && try_later())
		BIO_set_retry_write(b);
	return (int)n;
}

static long on_ctrl(BIO *b, int what, long number, void *p)
{
	if (what == BIO_CTRL_EOF)
		return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
	return what == BIO_CTRL_FLUSH; /* nothing waits here */
}

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
	BUG_ON(!method || !BIO_meth_set_read(method, on_read) || !BIO_meth_set_write(method, on_write));
	BUG_ON(!BIO_meth_set_ctrl(method, on_ctrl));
}

void conn_wire_attach(struct conn *c, SSL *ssl)
{
	BUG_ON(!CRYPTO_THREAD_run_once(&method_once, make_method));
	BIO *b = BIO_new(method);
	BUG_ON(!b);
	BIO_set_data(b, c);
	BIO_set_init(b, 1);
	SSL_set_bio(ssl, b, b);
}
