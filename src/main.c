// slipway: takes data to a served model.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/nearest.h"
#include "cmd/cmd.h"
#include "serve/jobs.h"
#include "serve/runner.h"

static void print_commands(FILE *to)
{
    fprintf(to, "Usage: slipway COMMAND [OPTION...]\n"
                "Takes data to a served model: prepare, train, evaluate, deploy, serve.\n\n"
                "  slipway up customers.csv --target churned     all of it in one command\n\n"
                "Commands:\n");
    for (size_t i = 0; commands[i]; i++) fprintf(to, "  %-11s %s\n", commands[i]->name, commands[i]->about);
    fprintf(to, "\n\"slipway COMMAND --help\" explains one, with an example.\n");
}

static int unknown_command(const char *name)
{
    enum { NAMES_MAX = 64 };
    const char *names[NAMES_MAX];
    size_t n = 0;
    for (; commands[n] && n < NAMES_MAX; n++) names[n] = commands[n]->name;
    const char *near = nearest_name(name, names, n);
    if (near)
        fprintf(stderr, "slipway: no command is called \"%s\"; did you mean \"%s\"?\n", name, near);
    else
        fprintf(stderr, "slipway: no command is called \"%s\"; \"slipway --help\" lists them\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    json_init();
    if (argc < 2) {
        print_commands(stderr);
        return 2;
    }
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
        const command *about = argc > 2 ? command_find(argv[2]) : NULL;
        if (argc > 2 && !about) return unknown_command(argv[2]);
        if (!about) {
            print_commands(stdout);
            return 0;
        }
        char title[64];
        snprintf(title, sizeof title, "slipway %s", about->name);
        char help[] = "--help";
        char *arguments[] = {title, help, NULL};
        return about->run(2, arguments);
    }
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        printf("slipway %s\n", SLIPWAY_VERSION);
        return 0;
    }
    if (strcmp(first, "job") == 0) return job_child_main(); // what a server starts for a run: no command for people
    if (strcmp(first, RUNNER_WORD) == 0) return runner_child_main(); // the server starts it; not for people
    const command *c = command_find(first);
    if (!c) return unknown_command(first);
    char title[64];
    snprintf(title, sizeof title, "slipway %s", c->name);
    argv[1] = title;
    return c->run(argc - 1, argv + 1);
}
