// Writing CSV.
// SPDX-License-Identifier: Apache-2.0
#include "data/write.h"

static bool needs_quotes(str cell)
{
    if (cell.len && (cell.data[0] == ' ' || cell.data[cell.len - 1] == ' ')) return true;
    for (size_t i = 0; i < cell.len; i++)
        if (strchr("\",\r\n", cell.data[i]) && cell.data[i]) return true;
    return false;
}

void csv_add_cell(buf *out, str cell, bool first)
{
    if (!first) buf_add_char(out, ',');
    if (!needs_quotes(cell)) {
        buf_add_str(out, cell);
        return;
    }
    buf_add_char(out, '"');
    for (size_t i = 0; i < cell.len; i++) {
        if (cell.data[i] == '"') buf_add_char(out, '"');
        buf_add_char(out, cell.data[i]);
    }
    buf_add_char(out, '"');
}
