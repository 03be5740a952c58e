#include "proto/xml/fragment.h"

#include "proto/xml/parser.h"

struct elem *xml_fragment_read(struct xml_parser *p, struct str bytes, struct arena *a)
{
	struct parse_error err;
	if (bytes.len < 4 || bytes.len > XML_MAX_BYTES) /* <a/> */
		return NULL;
	return xml_parser_element(p, PRELUDE_CLIENT, bytes, a, &err);
}
