// The command row: one subcommand. Each reads options, calls below, prints. Only this folder prints.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_CMD_H
#define SLIPWAY_CMD_CMD_H

#include <argp.h>

#include "base/err.h"

typedef struct command {
    const char *name;
    const char *about;       // one line in the list
    const struct argp *argp; // options, arguments, help with an example; read by completion and the manual page too
    // argv[0] is "slipway NAME". Returns an exit status; what went wrong has been printed.
    int (*run)(int argc, char **argv);
} command;

extern const command *const commands[]; // NULL-terminated, in the order they are listed
const command *command_find(const char *name);

extern const command command_up, command_prepare, command_train, command_evaluate, command_predict, command_explain,
    command_deploy, command_models, command_rollback, command_alias, command_rm, command_serve, command_gc,
    command_fsck, command_backup, command_restore, command_keys, command_audit, command_usage, command_config,
    command_doctor, command_completion, command_manual, command_sign, command_verify, command_push, command_pull,
    command_rollout, command_top;

// The one table from error codes to exit status: 0 ok, 1 the input or the system is at fault, 2 the command line is.
int exit_status_of(int code);

#endif
