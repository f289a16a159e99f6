// slipway manual: the manual page, made from the commands' own tables. docs/slipway.1 is its output; a test compares.
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <stdio.h>

#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/describe.h"
#include "cmd/print.h"
#include "cmd/settings.h"

static error_t parse(int key, char *value, struct argp_state *state)
{
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    arguments_fail(state, "one word too many: \"%s\"", value);
    return 0;
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .doc = "Prints the manual page in the form that man reads."
           "\vExample:\n"
           "  slipway manual > slipway.1 && man ./slipway.1\n",
    .children = children,
};

// Text for roff: backslashes and hyphens mean themselves, and no line starts with a control character.
static void print_roff(str text)
{
    bool line_start = true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (line_start && (c == '.' || c == '\'')) printf("\\&");
        if (c == '\\')
            printf("\\e");
        else if (c == '-')
            printf("\\-");
        else
            putchar(c);
        line_start = c == '\n';
    }
}

static void print_roff_option(void *context, const struct argp_option *o)
{
    (void)context;
    if (!o->name && !o->key) {
        printf(".PP\n");
        print_roff(str_of(o->doc));
        putchar('\n');
        return;
    }
    printf(".TP\n");
    if (o->key > 0 && o->key < 256 && isprint(o->key)) {
        printf("\\fB\\-%c\\fR", o->key);
        if (o->arg) {
            printf(" \\fI");
            print_roff(str_of(o->arg));
            printf("\\fR");
        }
        printf(", ");
    }
    printf("\\fB\\-\\-");
    print_roff(str_of(o->name));
    printf("\\fR");
    if (o->arg) {
        printf("=\\fI");
        print_roff(str_of(o->arg));
        printf("\\fR");
    }
    printf("\n");
    print_roff(str_of(o->doc));
    putchar('\n');
}

static void print_usage(const command *c)
{
    // args_doc holds one form a line.
    const char *form = c->argp->args_doc ? c->argp->args_doc : "";
    for (;;) {
        const char *end = strchr(form, '\n');
        size_t len = end ? (size_t)(end - form) : strlen(form);
        printf(".PP\n\\fBslipway %s\\fR [\\fIoption\\fR...] ", c->name);
        print_roff((str){form, len});
        putchar('\n');
        if (!end) return;
        form = end + 1;
    }
}

static void print_own_option(void *context, const struct argp_option *o)
{
    enum { GROUP_GENERAL = 90 };
    if (o->group != GROUP_GENERAL) print_roff_option(context, o);
}

static void print_command(const command *c)
{
    printf(".SS \"slipway %s\"\n", c->name);
    print_usage(c);
    printf(".PP\n");
    print_roff(describe_before(c->argp));
    putchar('\n');
    describe_options(c->argp, print_own_option, NULL);
    str after = describe_after(c->argp);
    if (after.len) {
        printf(".PP\n.EX\n");
        print_roff(after);
        printf(".EE\n");
    }
}

static void print_families(void)
{
    size_t n_families;
    const family_row *const *families = family_rows(&n_families);
    printf(".SH FAMILIES\nWhat \\fB\\-\\-model\\fR names, with the options that \\fB\\-\\-set\\fR takes.\n");
    for (size_t f = 0; f < n_families; f++) {
        printf(".SS %s\n", families[f]->name);
        print_roff(str_of(families[f]->about));
        putchar('\n');
        for (size_t i = 0; i < families[f]->n_options; i++) {
            char range[OPTION_RANGE_SIZE];
            printf(".TP\n\\fB%s\\fR\n", families[f]->options[i].name);
            print_roff(str_of(families[f]->options[i].help));
            printf(" (");
            print_roff(str_of(option_range(&families[f]->options[i], range)));
            printf(")\n");
        }
    }
}

static int run(int argc, char **argv)
{
    int status = arguments_parse(&argp, argc, argv, NULL);
    if (status) return status;
    printf(".TH SLIPWAY 1 \"\" \"slipway " SLIPWAY_VERSION "\" \"User commands\"\n"
           ".SH NAME\n"
           "slipway \\- takes data to a served model\n"
           ".SH SYNOPSIS\n"
           "\\fBslipway\\fR \\fIcommand\\fR [\\fIoption\\fR...]\n"
           ".SH DESCRIPTION\n"
           "Slipway prepares data, trains models, evaluates, deploys and serves them. Every trained model is one .onnx "
           "file. The same data, options and seed give the same bytes on any number of threads.\n"
           ".SH COMMANDS\n");
    for (size_t i = 0; commands[i]; i++) print_command(commands[i]);
    printf(".SH \"OPTIONS OF EVERY COMMAND\"\n");
    for (const struct argp_option *o = arguments_general.options; o->name || o->key || o->doc; o++)
        if (o->name) print_roff_option(NULL, o);
    print_families();
    printf(".SH ENVIRONMENT\n");
    for (int s = 0; s < SETTINGS_N; s++) printf(".TP\n\\fB%s\\fR\n%s\n", setting_variable(s), setting_about(s));
    printf(".SH \"EXIT STATUS\"\n"
           "0: done. 1: the input or the system is at fault, and the message says what, where and why. 2: the command "
           "line is.\n");
    return 0;
}

const command command_manual = {"manual", "print the manual page", &argp, run};
