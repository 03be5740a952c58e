/*
 * fuzz_request: HTTP requests. The first byte says how the rest is split; what comes out must not depend on it.
 */
#include <stdlib.h>

#include "node/http/request.h"

/* A digest of all that was read, in pieces of `step` bytes. */
static uint64_t read_all(struct str text, size_t step)
{
	static const uint64_t key[2] = { 1, 2 };
	struct request_reader *r = request_reader_new((struct request_limits){ .head = 512, .body = 256 });
	uint64_t digest = 0;
	while (text.len) {
		struct request q;
		unsigned status = 0;
		struct str part = str_span(text.p, text.len < step ? text.len : step);
		size_t offered = part.len;
		enum request_event e = request_next(r, &part, &q, &status);
		size_t taken = offered - part.len;
		text = str_span(text.p + taken, text.len - taken);
		if (e == REQUEST_BAD) {
			digest = digest * 31 + status;
			break;
		}
		if (e == REQUEST_MORE)
			continue;
		digest = digest * 31 + str_hash(q.path, key) + 3 * str_hash(q.body, key) + 5 * str_hash(q.authorization, key) + q.method;
		if (!q.keep_alive)
			break;
	}
	request_reader_free(r);
	return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct str text = str_span((const char *)data + 1, size - 1);
	if (read_all(text, text.len) != read_all(text, (size_t)data[0] % 16 + 1))
		abort();
	return 0;
}
