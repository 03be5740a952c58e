#include "node/core/metrics.h"

#define X(sym, name, kind, labels, help) { name, help, METRIC_##kind, LABELS_##labels },
const struct metric_row metric_rows[METRIC_COUNT] = { METRICS(X) };
#undef X
#define X(sym, name, labels, help) { name, help, METRIC_HISTOGRAM, LABELS_##labels },
const struct metric_row histogram_rows[HISTOGRAM_COUNT] = { HISTOGRAMS(X) };
#undef X

#define X(sym, text) text,
static const char *const limit_texts[LIMIT_COUNT] = { LIMITS(X) };
#undef X

const char *limit_text(enum limit_name l)
{
	return limit_texts[l];
}

#define X(sym, names, cells) { names, cells },
static const struct {
	const char *names;
	unsigned cells;
} sets[LABEL_SET_COUNT] = { LABEL_SETS(X) };
#undef X

unsigned label_set_cells(enum label_set s)
{
	return sets[s].cells;
}

const char *label_set_names(enum label_set s)
{
	return sets[s].names;
}

int64_t metrics_get(const struct metrics *m, enum metric which)
{
	int64_t sum = 0;
	for (unsigned i = metric_first[which]; i < metric_first[which + 1]; i++)
		sum += atomic_load_explicit(&m->v[i], memory_order_relaxed);
	return sum;
}
