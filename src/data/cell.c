// Cells.
// SPDX-License-Identifier: Apache-2.0
#include "data/cell_impl.h"

#include "data/value.h"

const char *const missing_default[] = {"NA",   "N/A",  "n/a",  "NaN",  "nan", "NAN",  "null", "NULL",
                                       "Null", "None", "<NA>", "#N/A", "?",   "-nan", "-NaN", NULL};

unsigned cell_kinds(str text)
{
    int64_t whole;
    double real;
    text = str_trim(text);
    if (text.len == 0) return 0;
    char c = text.data[0];
    if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.') {
        unsigned kinds = parse_i64(text, &whole) == 0 ? KIND_INTEGER : 0u;
        if (parse_f64(text, &real) == 0) return kinds | KIND_REAL;
        return parse_datetime(text, &whole) == 0 ? KIND_DATETIME : 0u;
    }
    if (parse_boolean(text, &whole) == 0) return KIND_BOOLEAN;
    return parse_f64(text, &real) == 0 ? KIND_REAL : 0u; // inf
}

missing_set missing_set_of(const read_options *o)
{
    missing_set m = {.n = o->n_missing, .texts = o->missing};
    if (!o->missing) {
        m.texts = missing_default;
        for (m.n = 0; missing_default[m.n];) m.n++;
    }
    for (size_t i = 0; i < m.n; i++) {
        str text = str_of(m.texts[i]);
        m.lengths |= (uint64_t)1 << (text.len < 63 ? text.len : 63);
        m.has_values |= cell_kinds(text) != 0;
    }
    return m;
}

bool missing_set_find(const missing_set *m, str text)
{
    for (size_t i = 0; i < m->n; i++)
        if (str_equal(str_of(m->texts[i]), text)) return true;
    return false;
}
