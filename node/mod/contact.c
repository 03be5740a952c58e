/*
 * XEP-0157 Contact Addresses: whom to write to about abuse, security and the like, as a form (XEP-0128) in the service's disco#info.
 */
#include "node/api.h"

#include "proto/forms/dataform.h"
#include "proto/xml/names.h"

extern const struct module mod_contact;

#define DOC(what) "Addresses (URIs such as mailto:admin@example.org or xmpp:admin@example.org) " what "."
#define ADDRESSES(option, what) \
	{ .name = option, .kind = OPTION_STRINGS, .max = 16, .per_host = true, .doc = DOC(what) }

/* In the order of `fields`. */
static const struct option options[] = {
	ADDRESSES("abuse", "to report abuse to"),
	ADDRESSES("admin", "of the administrators"),
	ADDRESSES("feedback", "for feedback"),
	ADDRESSES("sales", "for sales"),
	ADDRESSES("security", "to report security problems to"),
	ADDRESSES("status", "where the state of the service is told"),
	ADDRESSES("support", "to ask for help"),
};
#define N_FIELDS (sizeof options / sizeof *options)
static const char *const fields[N_FIELDS] = {
	"abuse-addresses",    "admin-addresses",  "feedback-addresses", "sales-addresses",
	"security-addresses", "status-addresses", "support-addresses",
};

static const struct str *addresses(const struct host *h, size_t i, size_t *n)
{
	return option_strs(module_value(h, &mod_contact, options[i].name), n);
}

/* A scheme and something behind it (RFC 3986 section 3). */
static bool is_uri(struct str s)
{
	const char *colon = str_chr(s, ':');
	bool letter = s.len && ((s.p[0] | 32) >= 'a' && (s.p[0] | 32) <= 'z');
	return letter && colon && colon + 1 < s.p + s.len && !str_chr(s, ' ');
}

static enum err host_start(struct host *h, struct buf *why)
{
	for (size_t i = 0; i < N_FIELDS; i++) {
		size_t n;
		const struct str *uris = addresses(h, i, &n);
		for (size_t j = 0; j < n; j++) {
			if (is_uri(uris[j]))
				continue;
			buf_addf(why, "modules.contact.%s: '%.*s' is no URI; did you mean 'mailto:%.*s'?", options[i].name,
				 STR_ARG(uris[j]), STR_ARG(uris[j]));
			return ERR_INVALID;
		}
	}
	return ERR_NONE;
}

static bool disco_info(const struct disco_ask *ask, struct arena *a, struct elem *query)
{
	struct elem *x = NULL;
	for (size_t i = 0; !ask->user && !str_present(ask->node) && i < N_FIELDS; i++) {
		size_t n;
		const struct str *uris = addresses(ask->host, i, &n);
		if (!n)
			continue;
		if (!x)
			x = dataform_new(a, query, DATAFORM_RESULT, NS_SERVERINFO);
		struct elem *field = dataform_field(a, x, DATAFORM_LIST_MULTI, str_of(fields[i]), STR_NONE, STR_NONE);
		for (size_t j = 0; j < n; j++)
			dataform_value(a, field, arena_str(a, uris[j]));
	}
	return false;
}

const struct module mod_contact = {
	.name = "contact",
	.xep = "XEP-0157",
	.version = "1.1.1",
	.doc = "Tells whom to write to about the service.",
	.options = options,
	.n_options = N_FIELDS,
	.hooks = { .disco_info = disco_info },
	.host_start = host_start,
};
