/*
 * commands_pie.c: moving accounts from and to other servers.
 */
#include "node/ctl/export.h"
#include "node/ctl/import.h"

static const struct command commands[] = {
	{ "export", "FILE [HOST]", COMMAND_READS | COMMAND_STREAMS,
	  "Writes accounts and what belongs to them into a new file (XEP-0227), with their keys.", export_run },
	{ "import", "PATH --dry_run", COMMAND_STREAMS,
	  "Takes accounts from a file of XEP-0227 (ejabberd: export_piefxis) or Prosody's data folder; those that are here stay.",
	  import_run },
	{ 0 },
};

const struct command_group ctl_pie = { "move", "Moving accounts.", commands };
