/* What an idle connection keeps: every byte that OpenSSL takes on the server's side, counted through its allocator. */
#include "tests/unit/node/net/tls_peer.h"

#include <openssl/crypto.h>

#define LINKS      8
#define LIMIT      (15 * 1024) /* one idle TLS 1.3 connection; 46 KiB without SSL_MODE_RELEASE_BUFFERS */
#define HEAD_BYTES 16

/* Before each block: its size, and whether it was taken on the server's side. */
struct head {
	size_t size;
	bool counted;
};
static bool on_server;
static size_t counted;

static void *take(size_t n, const char *file, int line)
{
	struct head *h = malloc(HEAD_BYTES + n);
	if (!h)
		return NULL;
	*h = (struct head){ n, on_server };
	counted += h->counted ? n : 0;
	return (char *)h + HEAD_BYTES;
}

static void give(void *p, const char *file, int line)
{
	if (!p)
		return;
	struct head *h = (struct head *)((char *)p - HEAD_BYTES);
	counted -= h->counted ? h->size : 0;
	free(h);
}

static void *change(void *p, size_t n, const char *file, int line)
{
	if (!p)
		return take(n, file, line);
	if (n == 0) {
		give(p, file, line);
		return NULL;
	}
	struct head *h = (struct head *)((char *)p - HEAD_BYTES);
	void *fresh = take(n, file, line);
	if (fresh) {
		memcpy(fresh, p, h->size < n ? h->size : n);
		give(p, file, line);
	}
	return fresh;
}

static bool meet(struct link *l)
{
	char byte;
	bool done = false;
	for (int i = 0; i < 20 && !done; i++) {
		int c = SSL_do_handshake(l->client);
		on_server = true;
		int s = SSL_do_handshake(l->server);
		done = c == 1 && s == 1;
		done = done && SSL_write(l->server, "hello", 5) == 5 && SSL_read(l->server, &byte, 1) < 0;
		on_server = false;
	}
	return done;
}

static void an_idle_connection_keeps_little(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct folder folder;
	struct link links[LINKS];
	char path[PATH_BYTES], why[TLS_WHY_BYTES];
	make_folder(&folder);
	write_usual(in_folder(&folder, "a.pem", path), "a.example");
	struct tls_pair pair = { path, NULL };
	struct tls_host_paths host = { "a.example", &pair, 1 };
	struct tls_config *config = tls_config_load(&(struct tls_paths){ .hosts = &host, .n_hosts = 1 }, NULL, why);
	for (int v = 0; v < 2; v++) {
		SSL_CTX *client = client_context(versions[v]);
		size_t before = 0;
		for (int i = 0; i < LINKS; i++) {
			before = i == 1 ? counted : before; /* the first fills OpenSSL's caches */
			link_open(&links[i], config, client, "a.example", false);
			SSL_free(links[i].server);
			on_server = true;
			links[i].server = tls_accept(config, false);
			assert_true(SSL_set_fd(links[i].server, links[i].fds[0]));
			on_server = false;
			assert_true(meet(&links[i]));
		}
		size_t each = (counted - before) / (LINKS - 1);
		print_message("%s: %zu bytes a connection\n", SSL_get_version(links[0].server), each);
		assert_true(each <= LIMIT);
		for (int i = 0; i < LINKS; i++)
			link_close(&links[i]);
		SSL_CTX_free(client);
	}
	tls_config_unref(config);
	remove_folder(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_idle_connection_keeps_little) };
	if (CRYPTO_set_mem_functions(take, change, give) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
