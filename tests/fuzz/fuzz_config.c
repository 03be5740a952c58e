/* Any bytes as a configuration: refused with words, or loaded, and then told and printed without harm. */
#include "node/core/config.h"
#include "node/core/log_options.h"

static const struct option fields[] = {
	{ .name = "port", .kind = OPTION_INT, .required = true, .min = 1, .max = 65535, .doc = "P." },
	{ .name = "tls", .kind = OPTION_ENUM, .default_text = "starttls", .choices = "starttls direct none", .doc = "T." },
	{ .name = "trusted_proxies", .kind = OPTION_CIDRS, .doc = "N." },
};
static const struct option top_rows[] = {
	{ .name = "listen", .kind = OPTION_MAPS, .default_text = "[{port: 5222}]", .fields = fields, .n_fields = 3, .max = 16,
	  .doc = "L." },
};
static const struct option limit_rows[] = {
	{ .name = "stanza_bytes", .kind = OPTION_SIZE, .default_text = "256 KiB", .min = 10000, .max = 16 << 20, .per_host = true,
	  .doc = "S." },
	{ .name = "timeout", .kind = OPTION_DURATION, .default_text = "30s", .min = 1000, .max = 600000, .doc = "D." },
	{ .name = "resources", .kind = OPTION_INT, .default_text = "64", .min = 1, .max = 1000, .doc = "R." },
	{ .name = "name", .kind = OPTION_STRING, .max = 20, .needs_restart = true, .per_host = true, .doc = "N." },
};
static const struct option host_rows[] = {
	{ .name = "anonymous", .kind = OPTION_BOOL, .default_text = "false", .doc = "A." },
};

static struct config_schema *schema_once(void)
{
	static struct config_schema *s;
	if (s)
		return s;
	s = config_schema_new();
	config_register(s, "", top_rows, 1);
	config_register(s, "limits", limit_rows, 4);
	config_register(s, "host", host_rows, 1);
	log_register(s);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_schema *s = schema_once();
	struct config *c, *defaults;
	struct buf errors;
	buf_init(&errors, 1 << 20);
	/* The fuzzer must not open files of its own choice: {file: PATH} is left to the unit tests. */
	if (memmem(data, size, "file", 4) || memmem(data, size, "\\", 1))
		goto out;
	enum err e = config_load_text(s, "fuzz", str_span((const char *)data, size), NULL, &errors, &c);
	BUG_ON((e != ERR_NONE) != (errors.len > 0));
	BUG_ON((e != ERR_NONE) != (c == NULL));
	if (e)
		goto out;
	BUG_ON(config_load(s, NULL, NULL, &errors, &defaults));
	config_dump(c, defaults, &errors);
	(void)config_needs_restart(defaults, c);
	BUG_ON(config_host_count(c) == 0);
	config_unref(defaults);
	config_unref(c);
out:
	buf_fini(&errors);
	return 0;
}
