#include "node/http/page.h"

#include <openssl/sha.h>

#include "node/http/httpd.h"
#include "proto/base/encode.h"

/* The assembler reads the file; the Makefile knows that this file depends on it. */
__asm__(".section .rodata\n"
	"page_html_begin:\n"
	".incbin \"node/http/page.html\"\n"
	"page_html_end:\n"
	".byte 0\n"
	".previous\n");
extern const char page_html_begin[] __asm__("page_html_begin");
extern const char page_html_end[] __asm__("page_html_end");

struct str page_text(void)
{
	return str_span(page_html_begin, (size_t)(page_html_end - page_html_begin));
}

/* 'sha256-...' of what is between the first `open` and the `close` after it. */
static void hash_add(struct buf *out, const char *open, const char *close)
{
	const char *begin = strstr(page_html_begin, open), *end = begin ? strstr(begin, close) : NULL;
	unsigned char sum[SHA256_DIGEST_LENGTH];
	BUG_ON(!end);
	begin += strlen(open);
	SHA256((const unsigned char *)begin, (size_t)(end - begin), sum);
	struct arena *a = arena_new(128);
	buf_addf(out, "'sha256-%.*s'", STR_ARG(b64_encode(a, str_span((const char *)sum, sizeof sum))));
	arena_free(a);
}

void page_policy(struct buf *out)
{
	buf_addz(out, "default-src 'none'; script-src ");
	hash_add(out, "<script>", "</script>");
	buf_addz(out, "; style-src ");
	hash_add(out, "<style>", "</style>");
	buf_addz(out, "; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

void page_show(struct exchange *x)
{
	struct buf policy;
	buf_init(&policy, 1024);
	page_policy(&policy);
	exchange_field(x, "Content-Security-Policy", buf_str(&policy));
	buf_fini(&policy);
	exchange_reply(x, 200, "text/html; charset=utf-8", page_text());
}
