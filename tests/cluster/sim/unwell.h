/* unwell.h: what a check of the simulator has found wrong. */
#ifndef TESTS_CLUSTER_SIM_UNWELL_H
#define TESTS_CLUSTER_SIM_UNWELL_H

#include <stdarg.h>
#include <stdio.h>

/* Lives until the next of the same file. */
static inline const char *unwell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline const char *unwell(const char *fmt, ...)
{
	static char why[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	return why;
}

#endif
