/*
 * page.h: the live page: one file, node/http/page.html, with its style and script inside. Browsers may run that script and nothing else:
 * the Content-Security-Policy names both by hash, and everything that the page fetches is /stats.json beside it.
 */
#ifndef NODE_HTTP_PAGE_H
#define NODE_HTTP_PAGE_H

#include "proto/base/buf.h"

struct exchange;
void page_show(struct exchange *x);
/* The file. */
struct str page_text(void);
/* Appends the policy for it. */
void page_policy(struct buf *out);

#endif
