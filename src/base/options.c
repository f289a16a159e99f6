// Options by table: every way in ends in one check of one value against one row.
// SPDX-License-Identifier: Apache-2.0
#include "base/options.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/decimal.h"
#include "base/nearest.h"

enum { ROWS_MAX = 128 };

// A value that fits its row.
typedef union value {
    int64_t integer;
    double real;
    bool boolean;
    int choice;
} value;

static void store(const option_row *row, void *out, value v)
{
    char *field = (char *)out + row->offset;
    switch (row->kind) {
    case OPTION_INTEGER: memcpy(field, &v.integer, sizeof v.integer); break;
    case OPTION_REAL: memcpy(field, &v.real, sizeof v.real); break;
    case OPTION_BOOLEAN: memcpy(field, &v.boolean, sizeof v.boolean); break;
    case OPTION_CHOICE: memcpy(field, &v.choice, sizeof v.choice); break;
    }
}

static value fetch(const option_row *row, const void *options)
{
    const char *field = (const char *)options + row->offset;
    value v = {0};
    switch (row->kind) {
    case OPTION_INTEGER: memcpy(&v.integer, field, sizeof v.integer); break;
    case OPTION_REAL: memcpy(&v.real, field, sizeof v.real); break;
    case OPTION_BOOLEAN: memcpy(&v.boolean, field, sizeof v.boolean); break;
    case OPTION_CHOICE: memcpy(&v.choice, field, sizeof v.choice); break;
    }
    return v;
}

void options_default(const option_row *rows, size_t n, void *out)
{
    for (size_t i = 0; i < n; i++) {
        value v = {0};
        switch (rows[i].kind) {
        case OPTION_INTEGER: v.integer = (int64_t)rows[i].fallback; break;
        case OPTION_REAL: v.real = rows[i].fallback; break;
        case OPTION_BOOLEAN: v.boolean = rows[i].fallback != 0; break;
        case OPTION_CHOICE: v.choice = (int)rows[i].fallback; break;
        }
        store(&rows[i], out, v);
    }
}

static int find(const option_row *rows, size_t n, str name, const option_row **out, err *e)
{
    assert(n <= ROWS_MAX);
    const char *names[ROWS_MAX];
    for (size_t i = 0; i < n; i++) {
        names[i] = rows[i].name;
        if (!str_equal(str_of(rows[i].name), name)) continue;
        *out = &rows[i];
        return 0;
    }
    char text[128];
    size_t len = name.len < sizeof text ? name.len : sizeof text - 1;
    if (len > 0) memcpy(text, name.data, len);
    text[len] = '\0';
    const char *near = nearest_name(text, names, n);
    if (near) return err_set(e, ERR_INPUT, "no option \"%s\"; did you mean \"%s\"?", text, near);
    return err_set(e, ERR_INPUT, "no option \"%s\"", text);
}

static int check_number(const option_row *row, double number, value *out, err *e)
{
    if (!(number >= row->min && number <= row->max))
        return err_set(e, ERR_INPUT, "%s is %.9g, must be from %.9g to %.9g", row->name, number, row->min, row->max);
    if (row->kind == OPTION_REAL) {
        out->real = number;
        return 0;
    }
    if (number != floor(number)) return err_set(e, ERR_INPUT, "%s is %.9g, must be a whole number", row->name, number);
    out->integer = (int64_t)number;
    return 0;
}

static int check_integer(const option_row *row, int64_t number, value *out, err *e)
{
    if (row->kind == OPTION_REAL) return check_number(row, (double)number, out, e);
    if ((double)number < row->min || (double)number > row->max)
        return err_set(e, ERR_INPUT, "%s is %lld, must be from %.0f to %.0f", row->name, (long long)number, row->min,
                       row->max);
    out->integer = number;
    return 0;
}

static int check_choice(const option_row *row, str text, value *out, err *e)
{
    buf list;
    buf_init(&list, 160);
    for (size_t i = 0; row->choices[i]; i++) {
        if (str_equal(str_of(row->choices[i]), text)) {
            buf_clear(&list);
            out->choice = (int)i;
            return 0;
        }
        buf_format(&list, "%s%s", i == 0 ? "" : row->choices[i + 1] ? ", " : " or ", row->choices[i]);
    }
    // Too long a list, or no memory for it: the message does without.
    int rc = list.failed
                 ? err_set(e, ERR_INPUT, "%s is \"" STR_FORMAT "\", which is no choice", row->name, STR_ARGS(text))
                 : err_set(e, ERR_INPUT, "%s is \"" STR_FORMAT "\", must be %.*s", row->name, STR_ARGS(text),
                           (int)list.len, list.data);
    buf_clear(&list);
    return rc;
}

static int check_boolean(const option_row *row, str text, value *out, err *e)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int v = 0; v < 2; v++) {
            if (!str_equal(str_of(words[i][v]), text)) continue;
            out->boolean = v == 1;
            return 0;
        }
    }
    return err_set(e, ERR_INPUT, "%s is \"" STR_FORMAT "\", must be true or false", row->name, STR_ARGS(text));
}

static int parse(const option_row *row, str text, value *out, err *e)
{
    if (row->kind == OPTION_CHOICE) return check_choice(row, text, out, e);
    if (row->kind == OPTION_BOOLEAN) return check_boolean(row, text, out, e);
    int64_t integer;
    if (decimal_parse_i64(text, &integer) == 0) return check_integer(row, integer, out, e);
    double number;
    if (decimal_parse_f64(text, &number) == 0) return check_number(row, number, out, e);
    return err_set(e, ERR_INPUT, "%s is \"" STR_FORMAT "\", must be a%s number", row->name, STR_ARGS(text),
                   row->kind == OPTION_INTEGER ? " whole" : "");
}

int options_set(const option_row *rows, size_t n, void *out, const char *assignment, err *e)
{
    const char *sign = strchr(assignment, '=');
    if (!sign) return err_set(e, ERR_INPUT, "\"%.100s\": must be NAME=VALUE", assignment);
    const option_row *row;
    TRY(find(rows, n, (str){assignment, (size_t)(sign - assignment)}, &row, e));
    value v;
    TRY(parse(row, str_of(sign + 1), &v, e));
    store(row, out, v);
    return 0;
}

static json_t *to_json(const option_row *row, value v)
{
    switch (row->kind) {
    case OPTION_INTEGER: return json_integer(v.integer);
    case OPTION_REAL: return json_real(v.real);
    case OPTION_BOOLEAN: return json_boolean(v.boolean);
    case OPTION_CHOICE: break;
    }
    return json_string(row->choices[v.choice]);
}

int options_to_json(const option_row *rows, size_t n, const void *options, json_t **out, err *e)
{
    json_t *object = json_object();
    if (!object) return err_set(e, ERR_MEMORY, "no memory for options as JSON");
    for (size_t i = 0; i < n; i++) {
        int rc = json_put(object, rows[i].name, to_json(&rows[i], fetch(&rows[i], options)), e);
        if (rc < 0) {
            json_decref(object);
            return rc;
        }
    }
    *out = object;
    return 0;
}

static int from_json(const option_row *row, const json_t *j, value *out, err *e)
{
    switch (row->kind) {
    case OPTION_INTEGER:
    case OPTION_REAL:
        if (json_is_integer(j)) return check_integer(row, json_integer_value(j), out, e);
        if (json_is_real(j)) return check_number(row, json_real_value(j), out, e);
        return err_set(e, ERR_INPUT, "%s must be a%s number", row->name, row->kind == OPTION_INTEGER ? " whole" : "");
    case OPTION_BOOLEAN:
        if (!json_is_boolean(j)) return err_set(e, ERR_INPUT, "%s must be true or false", row->name);
        out->boolean = json_is_true(j);
        return 0;
    case OPTION_CHOICE: break;
    }
    if (!json_is_string(j)) return err_set(e, ERR_INPUT, "%s must be a text", row->name);
    return check_choice(row, (str){json_string_value(j), json_string_length(j)}, out, e);
}

// Two rounds, so that a fault in the last member leaves the first as it was.
int options_from_json(const option_row *rows, size_t n, void *out, const json_t *j, err *e)
{
    if (!json_is_object(j)) return err_set(e, ERR_INPUT, "options must be a JSON object");
    for (int round = 0; round < 2; round++) {
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)j, key, member)
        {
            const option_row *row;
            value v;
            TRY(find(rows, n, str_of(key), &row, e));
            TRY(from_json(row, member, &v, e));
            if (round == 1) store(row, out, v);
        }
    }
    return 0;
}
