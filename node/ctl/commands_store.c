/*
 * commands_store.c: the store as a whole: backup, check, compaction; and restore, which runs without a node.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/ctl/command.h"
#include "node/store/care.h"

struct caring {
	struct store_care care;
	struct call *call;
};

static void on_cared(struct store_care *care)
{
	struct caring *k = care->arg;
	const double mib = 1 << 20;
	json_t *data;
	if (care->err != ERR_NONE) {
		call_fail(k->call, CTL_FAILED, "%s", care->text[0] ? care->text : err_name(care->err));
		return;
	}
	switch (care->kind) {
	case CARE_BACKUP:
		data = json_pack("{s:s, s:I}", "file", care->path, "bytes", (json_int_t)care->bytes);
		call_ok(k->call, data, "Backup complete and checked: %s, %.1f MiB", care->path, (double)care->bytes / mib);
		break;
	case CARE_CHECK:
		data = json_pack("{s:I}", "bytes", (json_int_t)care->bytes);
		call_ok(k->call, data, "The store is sound: %.1f MiB", (double)care->bytes / mib);
		break;
	case CARE_COMPACT:
		data = json_pack("{s:I, s:I}", "bytes_before", (json_int_t)care->bytes_before, "bytes", (json_int_t)care->bytes);
		call_ok(k->call, data, "Compacted: %.1f MiB before, %.1f MiB now", (double)care->bytes_before / mib,
			(double)care->bytes / mib);
		break;
	}
}

/* The node stops: an errand that takes minutes must not keep it. */
static void on_gone(struct call *c)
{
	store_care_cancel(c->node->store);
}

static void begin(struct call *c, enum care_kind kind, const char *path)
{
	struct caring *k = arena_zalloc(c->arena, sizeof *k);
	k->call = c;
	k->care = (struct store_care){ .kind = kind, .path = path, .on_done = on_cared, .arg = k };
	c->on_gone = on_gone;
	enum err err = store_care_begin(c->node->store, &k->care);
	if (err == ERR_NONE)
		return;
	c->on_gone = NULL;
	if (err == ERR_EXISTS)
		call_fail(c, CTL_FAILED, "another backup, check or compaction is under way");
	else if (err == ERR_DENIED)
		call_fail(c, CTL_FAILED, "%s", k->care.text[0] ? k->care.text : "a store in memory has no files");
	else
		call_fail(c, CTL_FAILED, "%s", err_name(err));
}

static void run_backup(struct call *c)
{
	if (*c->args[0].p == '/')
		begin(c, CARE_BACKUP, c->args[0].p);
	else
		call_fail(c, CTL_USAGE, "the node writes the file: give it a path from the root, not '%s'", c->args[0].p);
}

static void run_store_check(struct call *c)
{
	begin(c, CARE_CHECK, NULL);
}

static void run_store_vacuum(struct call *c)
{
	begin(c, CARE_COMPACT, NULL);
}

/* What comes on standard input, into a new file whose name is completed: SQLite wants to seek. 0, or an errno. */
static int spool(char *path)
{
	char chunk[65536];
	ssize_t n = 0;
	int e = 0, fd = mkstemp(path);
	if (fd < 0)
		return errno;
	while (!e && (n = read(STDIN_FILENO, chunk, sizeof chunk)) != 0) {
		for (ssize_t at = 0, wrote = 0; !e && at < n; at += wrote)
			if ((wrote = write(fd, chunk + at, (size_t)(n - at))) < 0)
				e = errno;
		if (n < 0)
			e = errno;
	}
	close(fd);
	return e;
}

static enum err restore_from_input(struct call *c, char why[CARE_TEXT_BYTES])
{
	const char *folder = c->args[1].p;
	char *path = arena_strz(c->arena, arena_printf(c->arena, "%s/restore.XXXXXX", folder));
	int e = mkdir(folder, 0700) != 0 && errno != EEXIST ? errno : spool(path);
	enum err err = ERR_IO;
	if (e)
		snprintf(why, CARE_TEXT_BYTES, "cannot keep what comes in %s: %s", folder, strerrordesc_np(e));
	else
		err = sqlite_restore(path, folder, why);
	unlink(path);
	return err;
}

static void run_restore(struct call *c)
{
	char why[CARE_TEXT_BYTES] = "";
	enum err err = strcmp(c->args[0].p, "-") == 0 ? restore_from_input(c, why) : sqlite_restore(c->args[0].p, c->args[1].p, why);
	if (err != ERR_NONE)
		call_fail(c, CTL_FAILED, "nothing was restored: %s", why);
	else
		call_ok(c, NULL, "Restored into %s; start a node with data_dir: %s", c->args[1].p, c->args[1].p);
}

static const struct command commands[] = {
	{ "backup", "FILE", 0, "Copies the whole store into a new file, while the node serves, and checks the copy.", run_backup },
	{ "restore", "FILE FOLDER", COMMAND_LOCAL,
	  "Puts a backup (-: from standard input) into an empty data folder; for a node that is not running.", run_restore },
	{ "store_check", "", COMMAND_READS, "Looks for damage in the whole store, while the node serves.", run_store_check },
	{ "store_vacuum", "", 0,
	  "Compacts the store's file; logins and everything else that needs the store wait meanwhile.", run_store_vacuum },
	{ 0 },
};

const struct command_group ctl_store = { "store", "The store.", commands };
