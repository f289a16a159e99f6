// The driver of ordinary models: one graph, run once.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_ONCE_H
#define SLIPWAY_MODEL_ONCE_H

#include "model/driver.h"

// A graph whose rows cannot be proven to be apart is run row by row, one a step, so that a row's answer never depends
// on the others.
extern const driver_row driver_once;

// The same without row programs: the slow twin, for tests.
extern const driver_row driver_once_plain;

#endif
