// How much memory a run may still take.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_MEMORY_H
#define SLIPWAY_AUTOML_MEMORY_H

#include <stdint.h>

// Bytes that can be had without swapping, and within the control group's limit; UINT64_MAX if the system does not say.
uint64_t memory_available(void);

#endif
