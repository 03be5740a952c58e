#include "cluster/addressees.h"

#define HEAD 2 /* bytes of a length */

enum err addressees_add(struct buf *run, unsigned n, struct str address)
{
	char head[HEAD] = { (char)(address.len & 0xff), (char)(address.len >> 8) };
	if (n >= ADDRESSEES_MAX || address.len == 0 || address.len > ADDRESSEES_BYTES || run->len + HEAD + address.len > ADDRESSEES_BYTES)
		return ERR_LIMIT;
	buf_add(run, head, sizeof head);
	buf_add_str(run, address);
	return buf_status(run);
}

enum err addressees_next(struct str *run, struct str *out)
{
	const uint8_t *p = (const uint8_t *)run->p;
	if (run->len == 0)
		return ERR_NOT_FOUND;
	if (run->len < HEAD)
		return ERR_INVALID;
	size_t len = p[0] | (size_t)p[1] << 8;
	if (len == 0 || len > run->len - HEAD)
		return ERR_INVALID;
	*out = str_span(run->p + HEAD, len);
	*run = str_span(out->p + len, run->len - HEAD - len);
	return ERR_NONE;
}

enum err addressees_check(struct str run)
{
	struct str one;
	unsigned n = 0;
	enum err e = run.len > ADDRESSEES_BYTES ? ERR_INVALID : ERR_NONE;
	while (e == ERR_NONE && (e = addressees_next(&run, &one)) == ERR_NONE)
		if (++n > ADDRESSEES_MAX)
			return ERR_INVALID;
	return e == ERR_NOT_FOUND ? ERR_NONE : e;
}
