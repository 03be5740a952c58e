#include "node/ctl/manual.h"

#include <string.h>

#include "node/version.h"

#define ABOUT                                                                                                                   \
	"A password given as '-' is read from standard input; '--' ends the options.\n"                                         \
	"The socket is STARLING_CTL_SOCKET, else starling-data/starling.sock here, else /run/starling/starling.sock.\n"         \
	"Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no server answers.\n"

/* "registered_users HOST [--limit=N] [--after=USER]" */
static void synopsis(const struct command *c, FILE *out)
{
	struct str rest = str_of(c->args), w;
	fprintf(out, "%s", c->name);
	while (str_present(w = str_cut(&rest, ' ')))
		if (w.len)
			fprintf(out, str_starts(w, STR("--")) ? " [%.*s]" : " %.*s", STR_ARG(w));
}

void manual_help(FILE *out)
{
	const char *group = "", *before = "";
	fprintf(out, "usage: starlingctl [--socket PATH] [--json] COMMAND [ARGUMENT...] [--OPTION [VALUE]...]\n");
	for (const struct command *c = command_next(NULL, &group); c; c = command_next(c, &group)) {
		if (strcmp(group, before) != 0)
			fprintf(out, "\n%s:\n", group);
		before = group;
		fprintf(out, "  %-24s %-32s ", c->name, c->args);
		fprintf(out, strlen(c->args) > 32 ? "\n%60s%s\n" : "%s%s\n", "", c->doc);
	}
	fprintf(out, "\n`starlingctl help COMMAND` explains one command.\n" ABOUT);
}

void manual_command(const struct command *c, FILE *out)
{
	fprintf(out, "usage: starlingctl ");
	synopsis(c, out);
	fprintf(out, "\n\n%s\n", c->doc);
}

void manual_names(FILE *out)
{
	for (const struct command *c = command_next(NULL, NULL); c; c = command_next(c, NULL)) {
		struct str name, value;
		fprintf(out, "%s", c->name);
		for (unsigned i = 0; str_present(name = command_option_name(c, i, &value)); i++)
			fprintf(out, str_present(value) ? " --%.*s=" : " --%.*s", STR_ARG(name));
		fputc('\n', out);
	}
}

/* Text in man format: hyphens as such, no line begins as a request. */
static void roff(const char *s, FILE *out)
{
	for (bool start = true; *s; s++) {
		if (start && (*s == '.' || *s == '\''))
			fputs("\\&", out);
		if (*s == '-' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
		start = *s == '\n';
	}
}

void manual_page(FILE *out)
{
	const char *group = "", *before = "";
	fprintf(out, ".\\\" Made by `starlingctl --manual` from the command table.\n");
	fprintf(out, ".TH STARLINGCTL 1 \"\" \"Starling %s\"\n", STARLING_VERSION);
	fprintf(out, ".SH NAME\nstarlingctl \\- administer a Starling node\n.SH SYNOPSIS\n.B starlingctl\n"
		     "[\\fB\\-\\-socket\\fR \\fIPATH\\fR] [\\fB\\-\\-json\\fR] \\fICOMMAND\\fR [\\fIARGUMENT\\fR...] "
		     "[\\fB\\-\\-\\fIOPTION\\fR [\\fIVALUE\\fR]...]\n.SH DESCRIPTION\n");
	fprintf(out, "Asks a running node over its control socket. Whoever may open the socket may administer the node.\n.PP\n");
	roff(ABOUT, out);
	fprintf(out, ".SH OPTIONS\n.TP\n\\fB\\-\\-socket\\fR \\fIPATH\\fR\nThe node's control socket.\n.TP\n\\fB\\-\\-json\\fR\n"
		     "Print the whole answer as JSON: code, text, data.\n"
		     ".TP\n\\fB\\-\\-list\\fR\nThe commands with their options, for shells.\n");
	fprintf(out, ".SH COMMANDS\nWithout \\fB\\-\\-json\\fR lists are printed as tables, into a pipe with tabs and without a head.\n");
	for (const struct command *c = command_next(NULL, &group); c; c = command_next(c, &group)) {
		if (strcmp(group, before) != 0)
			fprintf(out, ".SS %s\n", group);
		before = group;
		fprintf(out, ".TP\n.B ");
		synopsis(c, out);
		fprintf(out, "\n");
		roff(c->doc, out);
		fprintf(out, "\n");
	}
	fprintf(out, ".SH SEE ALSO\nThe documentation in docs/: administration.md, configuration.md.\n");
}
