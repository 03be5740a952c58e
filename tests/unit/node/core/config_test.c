#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/core/config.h"
#include "node/core/log_options.h"

static const struct option limit_rows[] = {
	{ .name = "stanza_bytes", .kind = OPTION_SIZE, .default_text = "256 KiB", .min = 10000, .max = 16 << 20, .per_host = true,
	  .doc = "A stanza." },
	{ .name = "resources", .kind = OPTION_INT, .default_text = "64", .min = 1, .max = 1000, .unit = "resources",
	  .doc = "Of an account." },
	{ .name = "login_timeout", .kind = OPTION_DURATION, .default_text = "30s", .min = 1000, .max = 600000,
	  .doc = "Until authenticated." },
};
static const struct option store_rows[] = {
	{ .name = "kind", .kind = OPTION_ENUM, .default_text = "sqlite", .choices = "sqlite memory", .needs_restart = true,
	  .doc = "Which | store." },
	{ .name = "path", .kind = OPTION_PATH, .default_text = "starling.db", .doc = "The file." },
	{ .name = "password", .kind = OPTION_STRING, .is_secret = true, .doc = "For the server." },
};
static const struct option tls_rows[] = {
	{ .name = "certificate", .kind = OPTION_PATH, .per_host = true, .doc = "A chain." },
	{ .name = "ciphers", .kind = OPTION_STRINGS, .default_text = "[one, two]", .max = 3, .doc = "In order." },
};
static const struct option host_rows[] = {
	{ .name = "anonymous", .kind = OPTION_BOOL, .default_text = "false", .doc = "Who comes may stay." },
};
static const struct option ping_rows[] = {
	{ .name = "interval", .kind = OPTION_DURATION, .default_text = "0", .min = 0, .max = 3600000, .per_host = true,
	  .doc = "Between pings." },
};
static const struct option listen_fields[] = {
	{ .name = "port", .kind = OPTION_INT, .required = true, .min = 1, .max = 65535, .doc = "TCP." },
	{ .name = "address", .kind = OPTION_STRING, .default_text = "'::'", .doc = "To bind to." },
	{ .name = "tls", .kind = OPTION_ENUM, .default_text = "starttls", .choices = "starttls direct none", .doc = "How." },
	{ .name = "proxy_protocol", .kind = OPTION_BOOL, .default_text = "no", .doc = "Behind a balancer." },
	{ .name = "trusted_proxies", .kind = OPTION_CIDRS, .doc = "Which." },
	{ .name = "note", .kind = OPTION_STRING, .doc = "Free." },
};
static const struct option top_rows[] = {
	{ .name = "listen", .kind = OPTION_MAPS, .default_text = "[{port: 5222}, {port: 5223, tls: direct}]", .fields = listen_fields,
	  .n_fields = sizeof(listen_fields) / sizeof(listen_fields[0]), .max = 16, .doc = "Where clients connect." },
};
#define REGISTER(section, rows) config_register(schema, section, rows, sizeof(rows) / sizeof((rows)[0]))

static struct config_schema *schema;
static struct config *cfg;
static struct buf out;

static int setup(void **state)
{
	schema = config_schema_new();
	REGISTER("", top_rows);
	REGISTER("limits", limit_rows);
	REGISTER("store", store_rows);
	REGISTER("tls", tls_rows);
	REGISTER("host", host_rows);
	REGISTER("modules.ping", ping_rows);
	config_describe(schema, "limits", "What a peer can make grow.");
	log_register(schema);
	buf_init(&out, 1 << 20);
	cfg = NULL;
	return 0;
}

static int teardown(void **state)
{
	config_unref(cfg);
	config_schema_free(schema);
	buf_fini(&out);
	return 0;
}

static enum err load_with(const char *text, char *const *env)
{
	config_unref(cfg);
	buf_clear(&out);
	enum err e = config_load_text(schema, "s.yml", str_of(text), env, &out, &cfg);
	buf_addc(&out, '\0');
	assert_int_equal(e != ERR_NONE, cfg == NULL);
	return e;
}

static void loads(const char *text)
{
	enum err e = load_with(text, NULL);
	assert_string_equal(out.p, "");
	assert_int_equal(e, ERR_NONE);
}

static void refused(const char *text, const char *errors)
{
	assert_int_equal(load_with(text, NULL), ERR_INVALID);
	assert_string_equal(out.p, errors);
}

static void loads_env(const char *text, const char *a, const char *b)
{
	char one[200], two[200];
	char *env[] = { one, two, NULL };
	snprintf(one, sizeof(one), "%s", a);
	snprintf(two, sizeof(two), "%s", b ? b : "PATH=/bin");
	enum err e = load_with(text, env);
	assert_string_equal(out.p, "");
	assert_int_equal(e, ERR_NONE);
}

static void refused_env(const char *a, const char *errors)
{
	char one[200];
	char *env[] = { one, NULL };
	snprintf(one, sizeof(one), "%s", a);
	assert_int_equal(load_with("", env), ERR_INVALID);
	assert_string_equal(out.p, errors);
}

static void config_without_a_file_has_the_defaults(void **state)
{
	size_t n;
	assert_int_equal(config_load(schema, NULL, NULL, &out, &cfg), ERR_NONE);
	assert_int_equal(config_int(cfg, "limits.stanza_bytes"), 262144);
	assert_int_equal(config_int(cfg, "limits.login_timeout"), 30000);
	assert_int_equal(config_enum(cfg, "store.kind"), 0);
	assert_string_equal(config_str(cfg, "store.path").p, "starling.db");
	assert_false(str_present(config_str(cfg, "store.password")));
	assert_true(str_is(config_strs(cfg, "tls.ciphers", &n)[1], "two"));
	assert_int_equal(n, 2);
	const struct option_map *listen = config_maps(cfg, "listen", &n);
	assert_int_equal(n, 2);
	assert_int_equal(option_int(option_field(&listen[1], "port")), 5223);
	assert_int_equal(option_enum(option_field(&listen[1], "tls")), 1);
	assert_true(str_is(option_str(option_field(&listen[0], "address")), "::"));
	assert_false(str_present(option_str(option_field(&listen[0], "note"))));
	assert_int_equal(config_host_count(cfg), 1);
	assert_true(str_is(config_host_name(cfg, 0), "localhost"));
	assert_int_equal(config_value(cfg, "limits.resources")->origin.source, OPTION_FROM_DEFAULT);
}

static void config_reads_values_and_remembers_where_they_stood(void **state)
{
	size_t n;
	loads("limits:\n  stanza_bytes: 1 MiB\n  login_timeout: 2m\ntls:\n  ciphers: [x]\n"
	      "listen:\n- {port: 5222, proxy_protocol: yes, trusted_proxies: [10.0.0.0/8, '::1']}\nmodules: {ping: {interval: 5m}}\n");
	assert_int_equal(config_int(cfg, "limits.stanza_bytes"), 1 << 20);
	assert_int_equal(config_int(cfg, "limits.login_timeout"), 120000);
	assert_int_equal(config_int(cfg, "modules.ping.interval"), 300000);
	const struct option_value *v = config_value(cfg, "limits.stanza_bytes");
	assert_int_equal(v->origin.source, OPTION_FROM_FILE);
	assert_string_equal(v->origin.name, "s.yml");
	assert_int_equal(v->origin.line, 2);
	assert_int_equal(v->origin.column, 17);
	const struct option_map *listen = config_maps(cfg, "listen", &n);
	assert_int_equal(n, 1);
	assert_true(option_bool(option_field(&listen[0], "proxy_protocol")));
	option_cidrs(option_field(&listen[0], "trusted_proxies"), &n);
	assert_int_equal(n, 2);
	config_strs(cfg, "tls.ciphers", &n);
	assert_int_equal(n, 1);
}

static void config_takes_empty_files_and_empty_sections(void **state)
{
	loads("");
	loads("limits:\nmodules:\n  ping:\nhosts:\n");
	assert_int_equal(config_host_count(cfg), 1);
}

static void config_rejects_unknown_keys_with_the_nearest_one(void **state)
{
	refused("limits:\n  stanza_byte: 1\n", "s.yml:2:3: limits.stanza_byte: unknown option; did you mean \"stanza_bytes\"?\n");
	refused("limit: {}\n", "s.yml:1:1: limit: unknown option; did you mean \"limits\"?\n");
	refused("host: {}\n", "s.yml:1:1: host: unknown option; did you mean \"hosts\"?\n");
	refused("zebra: 1\n", "s.yml:1:1: zebra: unknown option\n");
	refused("modules: {pong: {}}\n", "s.yml:1:11: modules.pong: unknown option; did you mean \"ping\"?\n");
	refused("modules: {ping: {intervall: 1s}}\n", "s.yml:1:18: modules.ping.intervall: unknown option; did you mean \"interval\"?\n");
	refused("listen: [{port: 1, adress: x}]\n", "s.yml:1:20: listen[0].adress: unknown option; did you mean \"address\"?\n");
	refused("'': 1\n", "s.yml:1:1: : unknown option\n");
	refused("limits.resources: 5\n", "s.yml:1:1: limits.resources: unknown option; sections are nested maps, without dots\n");
}

static void config_knows_where_a_misplaced_key_belongs(void **state)
{
	refused("stanza_bytes: 1\n", "s.yml:1:1: stanza_bytes: unknown option; did you mean \"limits.stanza_bytes\"?\n");
	refused("hosts:\n  a.example:\n    certificate: x\n",
	        "s.yml:3:5: hosts.a.example.certificate: unknown option; did you mean \"tls.certificate\"?\n");
}

static void config_rejects_wrong_types_and_ranges(void **state)
{
	refused("limits: {resources: 0}\n", "s.yml:1:21: limits.resources: \"0\" is out of range; expected 1 to 1000 resources\n");
	refused("limits: {resources: [1]}\n", "s.yml:1:21: limits.resources: expected one value; found a list\n");
	refused("limits: {resources: {a: 1}}\n", "s.yml:1:21: limits.resources: expected one value; found a map\n");
	refused("limits: {resources: }\n", "s.yml:1:21: limits.resources: expected one value; found nothing\n");
	refused("limits: 5\n", "s.yml:1:9: limits: expected a section with options\n");
	refused("limits: [5]\n", "s.yml:1:9: limits: expected a section with options\n");
	refused("- limits\n", "s.yml:1:1: expected a map of sections\n");
	refused("tls: {ciphers: one}\n", "s.yml:1:16: tls.ciphers: expected a list; found a value\n");
	refused("tls: {ciphers: [a, [b]]}\n", "s.yml:1:20: tls.ciphers[1]: expected one value; found a list\n");
	refused("tls: {ciphers: [a, b, c, d]}\n", "s.yml:1:16: tls.ciphers: expected 0 to 3 items; found 4\n");
	refused("listen: {port: 1}\n", "s.yml:1:9: listen: expected a list of maps; found a map\n");
	refused("listen: [1]\n", "s.yml:1:10: listen[0]: expected a list of maps; found a value\n");
	refused("listen: [{tls: none}]\n", "s.yml:1:10: listen[0].port: must be given\n");
	refused("listen: [{port: 70000}]\n", "s.yml:1:17: listen[0].port: \"70000\" is out of range; expected 1 to 65535\n");
	refused("listen: [{port: 1, trusted_proxies: [10.0.0.1/8]}]\n",
	        "s.yml:1:38: listen[0].trusted_proxies[0]: expected an address range such as 10.0.0.0/8 or ::1, host bits zero\n");
	refused("store: {kind: sqlit}\n",
		"s.yml:1:15: store.kind: expected one of sqlite, memory; found \"sqlit\"; did you mean \"sqlite\"?\n");
}

static void config_tells_all_errors_up_to_its_ceiling(void **state)
{
	refused("limits: {resources: x, stanza_byte: 1}\nlimits: {}\nfoo: 1\n",
	        "s.yml:2:1: the key \"limits\" stands here a second time, first in line 1\n"
	        "s.yml:1:21: limits.resources: expected a whole number; found \"x\"\n"
	        "s.yml:1:24: limits.stanza_byte: unknown option; did you mean \"stanza_bytes\"?\n"
	        "s.yml:3:1: foo: unknown option\n");
	struct buf many;
	buf_init(&many, 1 << 16);
	for (int i = 0; i < 50; i++)
		buf_addf(&many, "unknown%d: 1\n", i);
	buf_addc(&many, '\0');
	assert_int_equal(load_with(many.p, NULL), ERR_INVALID);
	unsigned lines = 0;
	for (const char *p = out.p; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, CONFIG_ERRORS_MAX + 1);
	assert_non_null(strstr(out.p, "\nand 30 more errors\n"));
	buf_fini(&many);
}

static void config_hosts_override_and_fall_back(void **state)
{
	loads("limits: {stanza_bytes: 20000}\ntls: {certificate: all.pem}\n"
	      "hosts:\n  B.example:\n    anonymous: true\n    tls: {certificate: b.pem}\n"
	      "    modules: {ping: {interval: 1m}}\n  a.example:\n");
	assert_int_equal(config_host_count(cfg), 2);
	assert_true(str_is(config_host_name(cfg, 0), "b.example"));
	assert_true(str_is(config_host_name(cfg, 1), "a.example"));
	assert_true(config_has_host(cfg, STR("a.example")));
	assert_false(config_has_host(cfg, STR("localhost")));
	assert_true(config_host_bool(cfg, STR("b.example"), "host.anonymous"));
	assert_false(config_host_bool(cfg, STR("a.example"), "host.anonymous"));
	assert_true(str_is(config_host_str(cfg, STR("b.example"), "tls.certificate"), "b.pem"));
	assert_true(str_is(config_host_str(cfg, STR("a.example"), "tls.certificate"), "all.pem"));
	assert_true(str_is(config_host_str(cfg, STR("c.example"), "tls.certificate"), "all.pem"));
	assert_true(str_is(config_str(cfg, "tls.certificate"), "all.pem"));
	assert_int_equal(config_host_int(cfg, STR("b.example"), "limits.stanza_bytes"), 20000);
	assert_int_equal(config_host_int(cfg, STR("b.example"), "modules.ping.interval"), 60000);
	assert_int_equal(config_host_value(cfg, STR("b.example"), "tls.certificate")->origin.line, 6);
}

static void config_hosts_reject_what_cannot_differ_or_is_no_domain(void **state)
{
	refused("hosts: {a.example: {limits: {resources: 5}}}\n",
		"s.yml:1:30: hosts.a.example.limits.resources: cannot differ between hosts\n");
	refused("hosts: {a.example: {listen: []}}\n", "s.yml:1:21: hosts.a.example.listen: cannot differ between hosts\n");
	refused("hosts: {a.example: {anonymus: true}}\n",
		"s.yml:1:21: hosts.a.example.anonymus: unknown option; did you mean \"anonymous\"?\n");
	refused("hosts: {a.example: {hosts: {}}}\n", "s.yml:1:21: hosts.a.example.hosts: unknown option\n");
	refused("hosts: {u@a.example: {}}\n", "s.yml:1:9: hosts: \"u@a.example\" is not a domain\n");
	refused("hosts: {a.example/r: {}}\n", "s.yml:1:9: hosts: \"a.example/r\" is not a domain\n");
	refused("hosts: {'': {}}\n", "s.yml:1:9: hosts: \"\" is not a domain\n");
	refused("hosts: [a.example]\n", "s.yml:1:8: hosts: expected a section with options\n");
	refused("hosts: {a.example: {}, A.EXAMPLE: {}}\n", "s.yml:1:24: hosts: \"A.EXAMPLE\" is the same host as in line 1\n");
	refused("hosts: {a.example: 5}\n", "s.yml:1:20: hosts.a.example: expected a section with options\n");
}

static void config_environment_overrides_the_file(void **state)
{
	size_t n;
	loads_env("limits: {stanza_bytes: 20000, resources: 7}\n", "STARLING_LIMITS_STANZA_BYTES=64KiB",
		"STARLING_MODULES_PING_INTERVAL=1m");
	assert_int_equal(config_int(cfg, "limits.stanza_bytes"), 65536);
	assert_int_equal(config_int(cfg, "limits.resources"), 7);
	assert_int_equal(config_int(cfg, "modules.ping.interval"), 60000);
	assert_int_equal(config_value(cfg, "limits.stanza_bytes")->origin.source, OPTION_FROM_ENV);
	assert_string_equal(config_value(cfg, "limits.stanza_bytes")->origin.name, "STARLING_LIMITS_STANZA_BYTES");
	loads_env("", "STARLING_TLS_CIPHERS=x, y,z", NULL);
	assert_true(str_is(config_strs(cfg, "tls.ciphers", &n)[1], "y"));
	assert_int_equal(n, 3);
	loads_env("", "STARLING_TLS_CIPHERS= [x, 'y, z']", NULL);
	assert_true(str_is(config_strs(cfg, "tls.ciphers", &n)[1], "y, z"));
	assert_int_equal(n, 2);
	assert_string_equal(config_value(cfg, "tls.ciphers")->origin.name, "STARLING_TLS_CIPHERS");
	loads_env("", "STARLING_TLS_CIPHERS=", NULL);
	config_strs(cfg, "tls.ciphers", &n);
	assert_int_equal(n, 0);
	loads_env("hosts: {a.example: {anonymous: on}}\n", "STARLING_HOSTS=a.example, b.example,", NULL);
	assert_int_equal(config_host_count(cfg), 2);
	assert_true(config_host_bool(cfg, STR("a.example"), "host.anonymous"));
	assert_true(str_is(config_host_name(cfg, 1), "b.example"));
}

static void config_environment_has_maps_in_flow_style(void **state)
{
	size_t n;
	loads_env("listen: [{port: 1}]\n", "STARLING_LISTEN=[{port: 5222}, {port: 5223, tls: direct}]",
		  "STARLING_HOSTS={a.example: {anonymous: true, limits: {stanza_bytes: 20000}}, b.example: }");
	const struct option_map *listen = config_maps(cfg, "listen", &n);
	assert_int_equal(n, 2);
	assert_int_equal(option_int(option_field(&listen[1], "port")), 5223);
	assert_int_equal(config_host_count(cfg), 2);
	assert_true(config_host_bool(cfg, STR("a.example"), "host.anonymous"));
	assert_int_equal(config_host_int(cfg, STR("a.example"), "limits.stanza_bytes"), 20000);
	assert_false(config_host_bool(cfg, STR("b.example"), "host.anonymous"));
}

static void config_environment_errors_name_the_variable(void **state)
{
	refused_env("STARLING_LIMITS_RESOURCES=0",
	            "STARLING_LIMITS_RESOURCES: limits.resources: \"0\" is out of range; expected 1 to 1000 resources\n");
	refused_env("STARLING_LIMIT_RESOURCES=5", "STARLING_LIMIT_RESOURCES: no such option; did you mean STARLING_LIMITS_RESOURCES?\n");
	refused_env("STARLING_LISTEN=[{port: 0}]", "STARLING_LISTEN:1:18: listen[0].port: \"0\" is out of range; expected 1 to 65535\n");
	refused_env("STARLING_HOSTS=a@b", "STARLING_HOSTS: hosts: \"a@b\" is not a domain\n");
	refused_env("STARLING_TLS_CIPHERS=a,,b", "STARLING_TLS_CIPHERS: tls.ciphers[1]: expected one value; found nothing\n");
}

static void config_environment_leaves_strange_variables_alone(void **state)
{
	loads_env("", "STARLING_PORT=tcp://10.0.0.1:5222", "STARLING_SERVICE_HOST=10.0.0.1");
	loads_env("", "STARLING_", "STARLING_=x");
}

static const char *secret_file(const char *text)
{
	static char path[] = "/tmp/config_test_XXXXXX";
	static bool made;
	if (!made) {
		int fd = mkstemp(path);
		assert_true(fd >= 0);
		close(fd);
		made = true;
	}
	FILE *f = fopen(path, "w");
	fputs(text, f);
	fclose(f);
	return path;
}

static void config_reads_secrets_from_files_and_hides_them(void **state)
{
	const char *path = secret_file("hunter2\n");
	char text[200];
	snprintf(text, sizeof(text), "store: {password: {file: %s}}\n", path);
	loads(text);
	assert_string_equal(config_str(cfg, "store.password").p, "hunter2");
	buf_clear(&out);
	config_dump(cfg, NULL, &out);
	assert_null(memmem(out.p, out.len, "hunter2", 7));
	assert_non_null(memmem(out.p, out.len, "store.password = (hidden)  # s.yml:1\n", 37));
	snprintf(text, sizeof(text), "STARLING_STORE_PASSWORD_FILE=%s", path);
	loads_env("", text, NULL);
	assert_string_equal(config_str(cfg, "store.password").p, "hunter2");
	unlink(path);
	refused("store: {password: {file: /nonexistent/x}}\n",
	        "s.yml:1:19: store.password: cannot read \"/nonexistent/x\": No such file or directory\n");
	refused("store: {password: {fil: x}}\n", "s.yml:1:19: store.password: expected text, or {file: PATH}\n");
	refused("store: {path: {file: x}}\n", "s.yml:1:15: store.path: expected one value; found a map\n");
	refused_env("STARLING_STORE_PASSWORD_FILE=/nonexistent/x",
	            "STARLING_STORE_PASSWORD_FILE: cannot read \"/nonexistent/x\": No such file or directory\n");
}

static void config_load_tells_why_a_file_cannot_be_read(void **state)
{
	assert_int_equal(config_load(schema, "/nonexistent.yml", NULL, &out, &cfg), ERR_NOT_FOUND);
	assert_null(cfg);
	assert_true(str_is(buf_str(&out), "/nonexistent.yml: cannot read: No such file or directory\n"));
	buf_clear(&out);
	assert_int_equal(config_load(schema, "/tmp", NULL, &out, &cfg), ERR_IO);
	assert_true(str_is(buf_str(&out), "/tmp: cannot read: Is a directory\n"));
}

static void config_load_reads_a_file(void **state)
{
	const char *path = "/tmp/config_test_file.yml";
	FILE *f = fopen(path, "w");
	fputs("limits: {resources: 3}\n", f);
	fclose(f);
	assert_int_equal(config_load(schema, path, NULL, &out, &cfg), ERR_NONE);
	assert_int_equal(config_int(cfg, "limits.resources"), 3);
	unlink(path);
}

static void complain_about_resources(const struct config *c, struct config_report *r)
{
	if (config_int(c, "limits.resources") == 13)
		config_complain(r, config_value(c, "limits.resources"), "limits.resources: %d brings bad luck", 13);
}

static void config_checks_complain_at_the_place_of_a_value(void **state)
{
	config_register_check(schema, complain_about_resources);
	loads("limits: {resources: 12}\n");
	refused("limits: {resources: 13}\n", "s.yml:1:21: limits.resources: 13 brings bad luck\n");
	refused_env("STARLING_LIMITS_RESOURCES=13", "STARLING_LIMITS_RESOURCES: limits.resources: 13 brings bad luck\n");
	refused("log: {levels: [c2s=loud]}\n",
	        "s.yml:1:15: log.levels[0]: expected component=level with one of debug, info, warn, error, off\n");
}

static void config_print_defaults_loads_as_the_defaults(void **state)
{
	struct config *defaults;
	struct buf text, errors;
	buf_init(&text, 1 << 20);
	buf_init(&errors, 1 << 16);
	config_print_defaults(schema, &text);
	assert_int_equal(buf_status(&text), ERR_NONE);
	assert_int_equal(config_load(schema, NULL, NULL, &errors, &defaults), ERR_NONE);
	enum err e = config_load_text(schema, "defaults.yml", buf_str(&text), NULL, &errors, &cfg);
	buf_addc(&errors, '\0');
	assert_string_equal(errors.p, "");
	assert_int_equal(e, ERR_NONE);
	static const char *const paths[] = { "listen", "limits.stanza_bytes", "limits.login_timeout", "store.kind", "store.path",
		"store.password",
		                             "tls.certificate", "tls.ciphers", "modules.ping.interval", "log.level", "log.levels" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_true(option_value_eq(config_value(cfg, paths[i]), config_value(defaults, paths[i])));
	assert_int_equal(config_value(cfg, "limits.stanza_bytes")->origin.source, OPTION_FROM_FILE);
	assert_non_null(memmem(text.p, text.len, "# A stanza. (size, 10000 bytes to 16 MiB)\n  stanza_bytes: 256 KiB\n", 66));
	config_unref(defaults);
	buf_fini(&text);
	buf_fini(&errors);
}

static void config_print_reference_has_a_row_for_every_option(void **state)
{
	config_print_reference(schema, &out);
	buf_addc(&out, '\0');
	assert_non_null(strstr(out.p, "\n## limits\nWhat a peer can make grow.\n\n| option |"));
	assert_non_null(strstr(out.p, "| `stanza_bytes` | size, 10000 bytes to 16 MiB | 256 KiB | A stanza. *Per host.* |\n"));
	assert_non_null(strstr(out.p, "| `kind` | one of sqlite, memory | sqlite | Which \\| store. *Needs a restart.* |\n"));
	assert_non_null(strstr(out.p, "| `listen[].port` | number, 1 to 65535 |  | TCP. *Must be given.* |\n"));
	assert_non_null(strstr(out.p, "\n## hosts.*name*\n"));
}

static void config_dump_tells_where_each_value_came_from(void **state)
{
	loads_env("limits: {resources: 3}\nhosts:\n  a.example: {anonymous: on}\n", "STARLING_STORE_KIND=memory", NULL);
	buf_clear(&out);
	config_dump(cfg, NULL, &out);
	buf_addc(&out, '\0');
	assert_non_null(strstr(out.p, "limits.resources = 3  # s.yml:1\n"));
	assert_non_null(strstr(out.p, "store.kind = memory  # STARLING_STORE_KIND\n"));
	assert_non_null(strstr(out.p, "limits.login_timeout = 30s  # default\n"));
	assert_non_null(strstr(out.p, "hosts.a.example.anonymous = true  # s.yml:3\n"));
	assert_non_null(strstr(out.p, "listen = [{port: 5222, address: \"::\", "));
}

static void add_line(void *arg, const struct config_change *ch)
{
	config_add_change(arg, ch);
	buf_addc(arg, '\n');
}

/* The changes from one text to another, a line each. */
static const char *diff_of(const char *from, const char *to)
{
	loads(from);
	struct config *before = config_ref(cfg);
	loads(to);
	buf_clear(&out);
	config_diff(before, cfg, add_line, &out);
	buf_addc(&out, '\0');
	config_unref(before);
	return out.p;
}

static void config_diff_tells_each_value_that_changed(void **state)
{
	assert_string_equal(diff_of("limits: {resources: 5}\n", "limits: {resources: 5}\n"), "");
	assert_string_equal(diff_of("limits: {resources: 5}\nstore: {kind: memory}\n", "limits: {login_timeout: 5s}\n"),
			    "limits.resources: 5 -> 64\nlimits.login_timeout: 30s -> 5s\nstore.kind: memory -> sqlite (needs a restart)\n");
	assert_string_equal(diff_of("store: {password: a}\n", "store: {password: b}\n"), "store.password: (hidden) -> (hidden)\n");
}

static void config_diff_tells_of_hosts_what_is_their_own(void **state)
{
	assert_string_equal(diff_of("hosts: {a.example: , b.example: }\n", "hosts: {b.example: , c.example: }\n"),
			    "hosts.a.example: gone (needs a restart)\nhosts.c.example: new (needs a restart)\n");
	assert_string_equal(diff_of("hosts: {a.example: {limits: {stanza_bytes: 20000}}}\n", "hosts: {a.example: }\n"),
			    "hosts.a.example.limits.stanza_bytes: 20000 bytes -> 256 KiB\n");
	/* b.example follows the common value: told once, for all. */
	assert_string_equal(diff_of("hosts: {b.example: }\n", "hosts: {b.example: }\nlimits: {stanza_bytes: 20000}\n"),
			    "limits.stanza_bytes: 256 KiB -> 20000 bytes\n");
}

static void config_needs_restart_when_a_reload_cannot_apply(void **state)
{
	struct config *before;
	loads("store: {kind: memory}\nlimits: {resources: 5}\n");
	before = config_ref(cfg);
	loads("store: {kind: memory}\nlimits: {resources: 6}\n");
	assert_false(config_needs_restart(before, cfg));
	loads("store: {kind: sqlite}\n");
	assert_true(config_needs_restart(before, cfg));
	config_unref(before);
	config_freeze(schema, "limits");
	loads("limits: {resources: 5}\n");
	before = config_ref(cfg);
	loads("limits: {resources: 6}\n");
	assert_true(config_needs_restart(before, cfg));
	config_unref(before);
}

static void config_dump_tells_what_a_restart_would_bring(void **state)
{
	loads("store: {kind: memory}\nlimits: {resources: 5}\n");
	struct config *started = config_ref(cfg);
	loads("store: {kind: sqlite}\nlimits: {resources: 6}\n");
	buf_clear(&out);
	config_dump(cfg, started, &out);
	buf_addc(&out, '\0');
	assert_non_null(strstr(out.p, "store.kind = memory  # s.yml:1; after a restart: sqlite\n"));
	assert_non_null(strstr(out.p, "limits.resources = 6  # s.yml:2\n"));
	config_unref(started);
}

static void config_bounds_the_hosts(void **state)
{
	struct buf text;
	buf_init(&text, 1 << 20);
	buf_addz(&text, "hosts:\n");
	for (int i = 0; i < CONFIG_HOSTS_MAX + 1; i++)
		buf_addf(&text, "  h%d.example:\n", i);
	buf_addc(&text, '\0');
	refused(text.p, "s.yml:10002:3: hosts: more than 10000\n");
	buf_fini(&text);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(config_without_a_file_has_the_defaults),
		CASE(config_reads_values_and_remembers_where_they_stood),
		CASE(config_takes_empty_files_and_empty_sections),
		CASE(config_rejects_unknown_keys_with_the_nearest_one),
		CASE(config_knows_where_a_misplaced_key_belongs),
		CASE(config_rejects_wrong_types_and_ranges),
		CASE(config_tells_all_errors_up_to_its_ceiling),
		CASE(config_hosts_override_and_fall_back),
		CASE(config_hosts_reject_what_cannot_differ_or_is_no_domain),
		CASE(config_environment_overrides_the_file),
		CASE(config_environment_has_maps_in_flow_style),
		CASE(config_environment_errors_name_the_variable),
		CASE(config_environment_leaves_strange_variables_alone),
		CASE(config_reads_secrets_from_files_and_hides_them),
		CASE(config_load_tells_why_a_file_cannot_be_read),
		CASE(config_load_reads_a_file),
		CASE(config_checks_complain_at_the_place_of_a_value),
		CASE(config_print_defaults_loads_as_the_defaults),
		CASE(config_print_reference_has_a_row_for_every_option),
		CASE(config_dump_tells_where_each_value_came_from),
		CASE(config_diff_tells_each_value_that_changed),
		CASE(config_diff_tells_of_hosts_what_is_their_own),
		CASE(config_needs_restart_when_a_reload_cannot_apply),
		CASE(config_dump_tells_what_a_restart_would_bring),
		CASE(config_bounds_the_hosts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
