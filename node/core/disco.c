#include "node/core/disco.h"

#include "node/core/hooks.h"
#include "node/core/host.h"
#include "proto/xml/names.h"

static void identity(struct arena *a, struct elem *query, struct str category, struct str type, struct str name)
{
	struct elem *i = elem_add(a, query, NS_DISCO_INFO, STR("identity"));
	elem_set(a, i, STR("category"), category);
	elem_set(a, i, STR("type"), type);
	elem_set(a, i, STR("name"), name);
}

static void features(struct arena *a, struct elem *query, const char *const *vars)
{
	for (; vars && *vars; vars++)
		elem_set(a, elem_add(a, query, NS_DISCO_INFO, STR("feature")), STR("var"), str_of(*vars));
}

bool disco_info_write(const struct disco_ask *ask, struct arena *a, struct elem *query)
{
	const struct host *h = ask->host;
	bool itself = !str_present(ask->node);
	if (itself && ask->user)
		identity(a, query, STR("account"), h->anonymous ? STR("anonymous") : STR("registered"), STR_NONE);
	else if (itself)
		identity(a, query, STR("server"), STR("im"), STR("Starling"));
	for (unsigned i = 0; itself && all_modules[i]; i++)
		if (host_has_module(h, all_modules[i]))
			features(a, query, ask->user ? all_modules[i]->account_features : all_modules[i]->features);
	return hooks_disco_info(ask, a, query) || itself;
}
