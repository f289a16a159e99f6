// Where a command's model comes from, a file or the registry, and where its result goes.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_SOURCE_H
#define SLIPWAY_CMD_SOURCE_H

#include "base/err.h"
#include "base/str.h"
#include "model/model.h"

// reference: a path to an .onnx file (it has a '/' or ends in .onnx), or NAME, NAME@ALIAS, NAME@VERSION.
MUST_CHECK int source_package(package **out, const char *reference, err *e);
MUST_CHECK int source_model(model **out, const char *reference, err *e); // model_drop()

// Writes a command's result: atomically to a file, or to standard output if path is NULL or "-".
MUST_CHECK int result_write(const char *path, str content, err *e);

#endif
