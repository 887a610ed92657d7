/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "base/conf.h"

/* A table with every kind of option, and the shortest way to load it, for the tests of configuration. */
static const char *const table_formats[] = { "text", "json", NULL };

static const struct conf_option table[] = {
	{ .name = "endpoint", .type = CONF_TEXT, .group = "Server", .value_name = "URL", .help = "Where the server is.",
	  .env = { "MINIO_ENDPOINT", "AWS_ENDPOINT_URL" }, .secret_file = "endpoint" },
	{ .name = "secret-key", .type = CONF_TEXT, .group = "Server", .help = "The secret key.", .env = { "MINIO_SECRET_KEY" },
	  .secret_file = "secret-key", .secret = true, .min = 3, .max = 40 },
	{ .name = "use-ssl", .type = CONF_BOOL, .group = "Server", .value_name = "BOOL", .help = "Speak TLS.", .fallback = "true",
	  .env = { "MINIO_USE_SSL" } },
	{ .name = "memory", .letter = 'm', .type = CONF_SIZE, .group = "Limits", .value_name = "SIZE", .help = "Memory for file data.",
	  .fallback = "256M", .env = { "PISHOP_MEMORY" }, .secret_file = "memory", .min = 1 << 20, .max = 4ull << 30 },
	{ .name = "timeout", .type = CONF_DURATION, .group = "Limits", .value_name = "TIME", .help = "How long to wait.", .fallback = "120s",
	  .min = 1000 },
	{ .name = "threads", .letter = 't', .type = CONF_COUNT, .group = "Limits", .value_name = "N", .help = "Threads.", .env = { "THREADS" }, .max = 64 },
	{ .name = "umask", .type = CONF_OCTAL, .group = "Mount", .value_name = "MASK", .help = "Mode bits to clear.", .max = 0777 },
	{ .name = "log-format", .type = CONF_CHOICE, .group = "Mount", .value_name = "FORMAT", .help = "How to log.", .fallback = "text",
	  .choices = table_formats },
	{ .name = "options", .letter = 'o', .type = CONF_TEXT, .group = "Mount", .value_name = "LIST", .help = "Mount options.", .repeat = true },
	{ .name = "read-only", .letter = 'r', .type = CONF_FLAG_ONLY, .group = "Mount", .help = "Write nothing.", .env = { "READ_ONLY" } },
	{ .name = "foreground", .letter = 'f', .type = CONF_FLAG_ONLY, .group = "Mount", .help = "Stay in the foreground." },
	{ .name = "tenant", .type = CONF_TEXT, .group = "Mount", .help = "Only from the environment.", .env = { "TENANT" }, .no_flag = true },
	{ .name = "test-hook", .type = CONF_TEXT, .hidden = true },
	{ .name = "config", .type = CONF_TEXT, .group = "Files", .value_name = "FILE", .help = "Configuration file.",
	  .fallback = "/nonexistent/pishop.ini" },
	{ .name = "secret-dir", .type = CONF_TEXT, .group = "Files", .value_name = "DIR", .help = "Secret folder.", .fallback = "/nonexistent/secrets" },
};

/* Loads with the arguments after the program's name and the environment, both NULL-terminated; error as conf_load writes it. */
static inline int load_with(struct conf **c, char error[512], char *const *args, char *const *env)
{
	char *argv[32] = { (char[]){ "pishopfs" } };
	int argc = 1;

	for (; args && args[argc - 1]; argc++)
		argv[argc] = args[argc - 1];
	struct conf_input in = { .options = table, .count = ARRAY_LEN(table), .argc = argc, .argv = argv, .environ_list = env };

	return conf_load(&in, c, error, 512);
}

#define LIST(...) (char *[]){ __VA_ARGS__, NULL }
