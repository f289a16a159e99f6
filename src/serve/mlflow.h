// MLflow's scoring protocol: docs/protocols/mlflow.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_MLFLOW_H
#define SLIPWAY_SERVE_MLFLOW_H

#include "serve/protocol.h"

extern const protocol_row mlflow_protocol;

#endif
