// The options of a command as a list: for completion and the manual, which are made from the same tables as --help.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_DESCRIBE_H
#define SLIPWAY_CMD_DESCRIBE_H

#include "base/str.h"
#include "cmd/cmd.h"

// Calls `visit` for every option of a command, its groups included, in the order of --help; heads of groups have no
// name but a doc.
void describe_options(const struct argp *a, void (*visit)(void *context, const struct argp_option *o), void *context);

// A doc text of argp is in two parts: before and after the options. Views into it.
str describe_before(const struct argp *a);
str describe_after(const struct argp *a);

#endif
