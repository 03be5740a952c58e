/*
 * import.h: `import`: accounts of a file of XEP-0227 (ours, ejabberd's) or of Prosody's data folder.
 *
 * One account at a time, and whole: its record is made first, without keys and disabled, so that nobody can log in to half of it; then
 * what belongs to it; its keys come last. Import may be broken off and begun again at any time: accounts that are complete are there
 * already and are left alone, one that was half done is cleared and done again. Whatever is not taken is told, with the reason, line by
 * line and in the log; the counts come at the end.
 */
#ifndef NODE_CTL_IMPORT_H
#define NODE_CTL_IMPORT_H

#include "node/ctl/command.h"

void import_run(struct call *c); /* PATH --dry_run */

#endif
