#include "proto/wire/stream.h"

#include "proto/xml/names.h"
#include "proto/xml/writer.h"

#define LANG_MAX 35 /* BCP 47 section 4.4.1 */

static bool version_read(struct str s, struct stream_open *out)
{
	uint64_t major, minor;
	struct str rest = s;
	struct str first = str_cut(&rest, '.');
	if (!str_present(rest) || !str_to_u64(first, &major) || !str_to_u64(rest, &minor) || major > 999 || minor > 999)
		return false;
	out->major = (unsigned)major;
	out->minor = (unsigned)minor;
	return true;
}

enum stream_error stream_open_read(struct arena *a, const struct elem *root, struct str default_ns, struct str content_ns,
				   struct stream_open *out)
{
	enum stream_error error = STREAM_ERROR_NONE;
	*out = (struct stream_open){ 0 };
	struct str to = elem_attr(root, "to"), from = elem_attr(root, "from"), version = elem_attr(root, "version");
	struct str lang = elem_attr_ns(root, NS_XML, "lang");
	if (str_present(lang) && lang.len <= LANG_MAX)
		out->lang = lang;
	if (str_present(to) && jid_parse(a, to, &out->to) != ERR_NONE)
		error = STREAM_HOST_UNKNOWN; /* what is no address is not served either */
	if (str_present(from) && jid_parse(a, from, &out->from) != ERR_NONE)
		error = STREAM_IMPROPER_ADDRESSING;
	/* No version means 0.9 (RFC 6120 section 4.7.5), which has neither STARTTLS nor SASL. */
	if (!str_present(version) || !version_read(version, out) || out->major < 1)
		error = STREAM_UNSUPPORTED_VERSION;
	/* Without a content namespace as default (RFC 6120 section 4.8.2) stanzas carry a prefix or their own xmlns. */
	bool content_ok = str_eq(default_ns, content_ns) || str_eq(default_ns, NS_STREAMS) || str_empty(default_ns);
	if (!str_eq(root->ns, NS_STREAMS) || !content_ok)
		error = STREAM_INVALID_NAMESPACE;
	else if (!str_is(root->name, "stream"))
		error = STREAM_BAD_FORMAT;
	return error;
}

static void attr_write(struct buf *out, const char *name, struct str value)
{
	if (!str_present(value))
		return;
	buf_addc(out, ' ');
	buf_addz(out, name);
	buf_addz(out, "='");
	xml_escape_attr(out, value);
	buf_addc(out, '\'');
}

void stream_header_write(struct buf *out, struct str content_ns, struct str from, struct str to, struct str id, struct str lang)
{
	buf_addz(out, "<?xml version='1.0'?><stream:stream");
	attr_write(out, "xmlns", content_ns);
	attr_write(out, "xmlns:stream", NS_STREAMS);
	attr_write(out, "id", id);
	attr_write(out, "from", from);
	attr_write(out, "to", to);
	attr_write(out, "version", STR("1.0"));
	attr_write(out, "xml:lang", lang);
	buf_addc(out, '>');
}

void stream_close_write(struct buf *out)
{
	buf_addz(out, "</stream:stream>");
}

void stream_error_write(struct buf *out, enum stream_error e, struct str text, struct str extra)
{
	buf_addz(out, "<stream:error><");
	buf_add_str(out, stream_error_name(e));
	attr_write(out, "xmlns", NS_STREAM_ERRORS);
	buf_addz(out, "/>");
	if (str_present(text)) {
		buf_addz(out, "<text");
		attr_write(out, "xmlns", NS_STREAM_ERRORS);
		buf_addz(out, " xml:lang='en'>");
		xml_escape_text(out, text);
		buf_addz(out, "</text>");
	}
	if (str_present(extra))
		buf_add_str(out, extra);
	buf_addz(out, "</stream:error>");
	stream_close_write(out);
}
