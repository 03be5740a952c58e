/* Data of another server, as it lies on disk. What is read must hold together: every string inside the arena or the input. */
#include "proto/forms/luadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sum; /* so that what is read is read */

static size_t weigh(const struct luadata *v)
{
	size_t n = v->text.len;
	for (const struct luadata_pair *p = v->pairs; p; p = p->next)
		n += weigh(&p->key) + weigh(&p->value);
	for (size_t i = 0; i < v->text.len; i++)
		n += (unsigned char)v->text.p[i] & 1;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new(0);
	struct luadata v;
	struct str text = str_span((const char *)data, size), rest = text;
	if (luadata_return(a, text, &v) == ERR_NONE)
		sum += weigh(&v);
	while (luadata_item(a, &rest, &v) == ERR_NONE)
		sum += weigh(&v);
	arena_free(a);
	return 0;
}
