// The command row: one subcommand. Each reads options, calls below, prints. Only this folder prints.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_CMD_H
#define SLIPWAY_CMD_CMD_H

#include "base/err.h"

typedef struct command {
    const char *name;
    const char *about; // one line in the list
    // argv[0] is the subcommand's name. Returns an exit status; what went wrong has been printed.
    int (*run)(int argc, char **argv);
} command;

extern const command *const commands[]; // NULL-terminated, in the order they are listed
const command *command_find(const char *name);

// The one table from error codes to exit status: 0 ok, 1 the input or the system is at fault, 2 the command line is.
int exit_status_of(int err_code);

#endif
