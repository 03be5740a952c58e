#include "proto/xml/fragment.h"

#include "proto/xml/parser.h"

struct elem *xml_fragment_read(struct xml_parser *p, struct str bytes, struct arena *a)
{
	struct parse_error err;
	if (bytes.len < 4 || bytes.len > XML_MAX_BYTES) /* <a/> */
		return NULL;
	return xml_parser_element(p, PRELUDE_CLIENT, bytes, a, &err);
}

/* The writer puts one space before each attribute and its value between single quotes, which are escaped inside. */
struct xml_patch xml_fragment_patch(struct str bytes)
{
	const char *end = bytes.p + bytes.len, *at = bytes.p;
	while (at < end && *at != ' ' && *at != '>')
		at++;
	while (at < end && *at == ' ') {
		const char *name = at + 1, *equals = memchr(name, '=', (size_t)(end - name));
		const char *value = equals && end - equals > 2 ? equals + 2 : end;
		at = memchr(value, '\'', (size_t)(end - value));
		if (!at)
			break;
		if (str_is(str_span(name, (size_t)(equals - name)), "to"))
			return (struct xml_patch){ (size_t)(value - bytes.p), (size_t)(at - bytes.p) };
		at++;
	}
	return (struct xml_patch){ 0 };
}
