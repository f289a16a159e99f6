// slipway completion: what a shell may offer after "slipway", made from the commands' own tables.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/describe.h"
#include "cmd/print.h"

typedef struct completion_input {
    const char *shell;
} completion_input;

static error_t parse(int key, char *value, struct argp_state *state)
{
    completion_input *in = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (in->shell) arguments_fail(state, "one shell, not two: \"%s\"", value);
        in->shell = value;
        return 0;
    case ARGP_KEY_NO_ARGS: arguments_fail(state, "which shell: bash, zsh or fish?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .args_doc = "bash|zsh|fish",
    .doc = "Prints a script that completes slipway's commands and options."
           "\vExample:\n"
           "  slipway completion bash > /etc/bash_completion.d/slipway\n"
           "  slipway completion zsh > \"${fpath[1]}/_slipway\"\n"
           "  slipway completion fish > ~/.config/fish/completions/slipway.fish\n",
    .children = children,
};

static void print_long_option(void *context, const struct argp_option *o)
{
    (void)context;
    if (o->name) printf(" --%s%s", o->name, o->arg ? "=" : "");
}

static void print_bash(void)
{
    printf("# Completion of slipway for bash.\n"
           "_slipway() {\n"
           "    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        words='");
    for (size_t i = 0; commands[i]; i++) printf("%s%s", i ? " " : "", commands[i]->name);
    printf(" --help --version'\n"
           "    else\n"
           "        case $command in\n");
    for (size_t i = 0; commands[i]; i++) {
        printf("        %s) words='--help", commands[i]->name);
        describe_options(commands[i]->argp, print_long_option, NULL);
        printf("' ;;\n");
    }
    printf("        esac\n"
           "    fi\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ] || [[ $current == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
           "        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
           "    else\n"
           "        compopt -o default\n"
           "        COMPREPLY=()\n"
           "    fi\n"
           "}\n"
           "complete -F _slipway slipway\n");
}

// A text within single quotes of a shell, with what zsh reads in an option's description taken out.
static void print_quoted(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (*text == '[' || *text == ']' || *text == ':')
            putchar(*text == ':' ? ',' : *text == '[' ? '(' : ')');
        else
            putchar(*text);
    }
}

static void print_zsh_option(void *context, const struct argp_option *o)
{
    (void)context;
    if (!o->name) return;
    printf(" \\\n            '*--%s%s[", o->name, o->arg ? "=" : "");
    print_quoted(o->doc);
    printf("]");
    if (o->arg) {
        printf(":");
        print_quoted(o->arg);
        printf(":%s", strcmp(o->arg, "FILE") == 0 ? "_files" : strcmp(o->arg, "DIR") == 0 ? "_files -/" : "");
    }
    printf("'");
}

static void print_zsh(void)
{
    printf("#compdef slipway\n"
           "_slipway() {\n"
           "    local -a commands\n"
           "    commands=(\n");
    for (size_t i = 0; commands[i]; i++) {
        printf("        '%s:", commands[i]->name);
        print_quoted(commands[i]->about);
        printf("'\n");
    }
    printf("    )\n"
           "    if (( CURRENT == 2 )); then\n"
           "        _describe 'command' commands\n"
           "        return\n"
           "    fi\n"
           "    local command=$words[2]\n"
           "    shift words\n"
           "    (( CURRENT-- ))\n"
           "    case $command in\n");
    for (size_t i = 0; commands[i]; i++) {
        printf("    %s)\n        _arguments '--help[explain the command]'", commands[i]->name);
        describe_options(commands[i]->argp, print_zsh_option, NULL);
        printf(" \\\n            '*:file:_files' ;;\n");
    }
    printf("    esac\n"
           "}\n"
           "_slipway \"$@\"\n");
}

static void print_fish_option(void *context, const struct argp_option *o)
{
    if (!o->name) return;
    printf("complete -c slipway -n '__fish_seen_subcommand_from %s' -l %s%s -d '", (const char *)context, o->name,
           o->arg ? " -r" : "");
    for (const char *c = o->doc; *c; c++) printf(*c == '\'' ? "\\'" : "%c", *c);
    printf("'\n");
}

static void print_fish(void)
{
    printf("# Completion of slipway for fish.\n");
    for (size_t i = 0; commands[i]; i++) {
        printf("complete -c slipway -n __fish_use_subcommand -f -a %s -d '%s'\n", commands[i]->name,
               commands[i]->about);
        describe_options(commands[i]->argp, print_fish_option, (void *)commands[i]->name);
    }
}

static int run(int argc, char **argv)
{
    completion_input in = {0};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    if (strcmp(in.shell, "bash") == 0)
        print_bash();
    else if (strcmp(in.shell, "zsh") == 0)
        print_zsh();
    else if (strcmp(in.shell, "fish") == 0)
        print_fish();
    else {
        err e;
        err_set(&e, ERR_USAGE, "\"%s\" is none of bash, zsh, fish", in.shell);
        return print_failure("completion", &e);
    }
    return 0;
}

const command command_completion = {"completion", "print a completion script for a shell", &argp, run};
