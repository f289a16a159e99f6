// The table of subcommands.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "cmd/cmd.h"

const command *const commands[] = {
    &command_up,      &command_prepare, &command_train,  &command_evaluate,   &command_predict, &command_explain,
    &command_deploy,  &command_serve,   &command_top,    &command_models,     &command_alias,   &command_rollback,
    &command_rollout, &command_rm,      &command_keys,   &command_audit,      &command_usage,   &command_sign,
    &command_verify,  &command_push,    &command_pull,   &command_gc,         &command_fsck,    &command_backup,
    &command_restore, &command_config,  &command_doctor, &command_completion, &command_manual,  NULL,
};

const command *command_find(const char *name)
{
    for (size_t i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

int exit_status_of(int code)
{
    if (code >= 0) return 0;
    return code == ERR_USAGE ? 2 : 1;
}
