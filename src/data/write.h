// CSV as we write it: RFC 4180, LF at the end of a row, quotes only where they are needed.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_DATA_WRITE_H
#define SLIPWAY_DATA_WRITE_H

#include "base/buf.h"
#include "base/str.h"

// Appends one cell, after a comma unless it is the row's first.
void csv_add_cell(buf *out, str cell, bool first);

#endif
