/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "conf_table.h"

#include <stdio.h>
#include <stdlib.h>

static const struct conf_option small[] = {
	{ .name = "memory", .letter = 'm', .type = CONF_SIZE, .group = "Limits", .value_name = "SIZE", .help = "Memory for the data of all open files.",
	  .fallback = "256M", .env = { "PISHOP_MEMORY", "MEM" }, .min = 1 << 20, .max = 4ull << 30 },
	{ .name = "an-option-with-a-long-name", .type = CONF_CHOICE, .group = "Limits", .value_name = "FORMAT", .help = "Grüße, a|b *c*.",
	  .choices = table_formats, .fallback = "" },
	{ .name = "hook", .type = CONF_TEXT, .group = "Limits", .hidden = true },
	{ .name = "secret_key", .type = CONF_TEXT, .group = "Keys", .help = "The key.", .env = { "SECRET_KEY" }, .secret_file = "secret_key", .secret = true },
	{ .name = "options", .letter = 'o', .type = CONF_TEXT, .group = "Keys", .help = "Mount options.", .repeat = true },
	{ .name = "read-only", .type = CONF_FLAG_ONLY, .group = "Keys", .help = "Write nothing." },
};

struct printed {
	char *text;
	size_t size;
	FILE *out;
};

static void printed_free(struct printed *p)
{
	free(p->text);
}

static void print_begin(struct printed *p)
{
	*p = (struct printed){ 0 };
	p->out = open_memstream(&p->text, &p->size);
	assert_non_null(p->out);
}

static const char *print_end(struct printed *p)
{
	fclose(p->out);
	return p->text;
}

static void help(void **state)
{
	AUTO(printed_free) struct printed p;

	print_begin(&p);
	conf_print_help(p.out, small, ARRAY_LEN(small), "usage: x", "See x(1).", 0);
	assert_string_equal(print_end(&p),
			    "usage: x\n"
			    "\n"
			    "Limits:\n"
			    "  -m, --memory=SIZE         Memory for the data of all open files. Allowed: 1M\n"
			    "                            to 4G. Default: 256M. Environment: PISHOP_MEMORY,\n"
			    "                            MEM.\n"
			    "  --an-option-with-a-long-name=FORMAT\n"
			    "                            Grüße, a|b *c*. One of text, json. Default: empty.\n"
			    "\n"
			    "Keys:\n"
			    "  SECRET_KEY                The key. Environment: SECRET_KEY. Secret file:\n"
			    "                            secret_key.\n"
			    "  -o, --options=VALUE       Mount options. May be given many times.\n"
			    "  --read-only               Write nothing.\n"
			    "\n"
			    "See x(1).\n");
}

/* Narrower ones may be, by a word that cannot be broken. */
static void no_line_is_wider_than_asked(void **state)
{
	for (int width = 57; width < 130; width += 9) {
		AUTO(printed_free) struct printed p;

		print_begin(&p);
		conf_print_help(p.out, table, ARRAY_LEN(table), NULL, NULL, width);
		for (const char *line = print_end(&p); *line; line += strcspn(line, "\n") + 1)
			assert_in_range(strcspn(line, "\n"), 0, (size_t)width);
	}
}

static void narrow_terminals_get_the_narrowest(void **state)
{
	AUTO(printed_free) struct printed a;
	AUTO(printed_free) struct printed b;

	print_begin(&a);
	conf_print_help(a.out, table, ARRAY_LEN(table), NULL, NULL, 1);
	print_begin(&b);
	conf_print_help(b.out, table, ARRAY_LEN(table), NULL, NULL, 48);
	assert_string_equal(print_end(&a), print_end(&b));
}

static void scdoc(void **state)
{
	AUTO(printed_free) struct printed p;

	print_begin(&p);
	conf_print_scdoc(p.out, small, ARRAY_LEN(small));
	assert_string_equal(print_end(&p),
			    "## Limits\n"
			    "\n"
			    "*-m*, *--memory*=_SIZE_\n"
			    "\tMemory for the data of all open files. Allowed: 1M to 4G. Default: 256M. Environment: PISHOP\\_MEMORY, MEM.\n"
			    "\n"
			    "*--an-option-with-a-long-name*=_FORMAT_\n"
			    "\tGrüße, a\\|b \\*c\\*. One of text, json. Default: empty.\n"
			    "\n"
			    "## Keys\n"
			    "\n"
			    "*SECRET\\_KEY*\n"
			    "\tThe key. Environment: SECRET\\_KEY. Secret file: secret\\_key.\n"
			    "\n"
			    "*-o*, *--options*=_VALUE_\n"
			    "\tMount options. May be given many times.\n"
			    "\n"
			    "*--read-only*\n"
			    "\tWrite nothing.\n"
			    "\n");
}

static void markdown(void **state)
{
	AUTO(printed_free) struct printed p;

	print_begin(&p);
	conf_print_markdown(p.out, small, ARRAY_LEN(small));
	assert_string_equal(print_end(&p),
			    "| Option | Meaning |\n"
			    "|---|---|\n"
			    "| `-m, --memory=SIZE` | Memory for the data of all open files. Allowed: 1M to 4G. Default: 256M. Environment: PISHOP\\_MEMORY, MEM. |\n"
			    "| `--an-option-with-a-long-name=FORMAT` | Grüße, a\\|b \\*c\\*. One of text, json. Default: empty. |\n"
			    "| `SECRET_KEY` | The key. Environment: SECRET\\_KEY. Secret file: secret\\_key. |\n"
			    "| `-o, --options=VALUE` | Mount options. May be given many times. |\n"
			    "| `--read-only` | Write nothing. |\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(help),
		cmocka_unit_test(no_line_is_wider_than_asked),
		cmocka_unit_test(narrow_terminals_get_the_narrowest),
		cmocka_unit_test(scdoc),
		cmocka_unit_test(markdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
