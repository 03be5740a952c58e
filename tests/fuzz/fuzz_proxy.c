/* Any bytes as a PROXY header: never past its ceiling, every shorter prefix of a header asks for more, and bytes behind it change
 * nothing. */
#include "proto/wire/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header h, k;
	struct str s = { (const char *)data, size };
	enum proxy_result result = proxy_parse(s, &h);
	BUG_ON(result == PROXY_MORE && size >= PROXY_MAX);
	if (result != PROXY_DONE)
		return 0;
	BUG_ON(h.bytes == 0 || h.bytes > size || h.bytes > PROXY_MAX);
	for (size_t n = 0; n < h.bytes; n++)
		BUG_ON(proxy_parse(str_span(s.p, n), &k) != PROXY_MORE);
	BUG_ON(proxy_parse(str_span(s.p, h.bytes), &k) != PROXY_DONE || k.bytes != h.bytes || !ip_eq(&k.src, &h.src));
	return 0;
}
