// The member "explain" of a body: whether, and how, its rows are to be explained.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "serve/decode_impl.h"

#define POINTER "/explain"

static int refuse(row_reader *r, const char *code, const char *pointer, const char *what)
{
    *r->in.place = (place){.code = code, .row = -1, .pointer = str_of(pointer)};
    return err_set(r->in.e, ERR_INPUT, "%s", what);
}

static int find_class(row_reader *r, str name, int32_t *out)
{
    const schema_target *t = &r->out->schema->target;
    if (t->task != TASK_CLASSIFICATION)
        return refuse(r, "unknown_class", POINTER "/class", "this model predicts a value, and has no classes");
    for (size_t i = 0; i < t->n_classes; i++) {
        if (!str_equal(str_of(t->classes[i]), name)) continue;
        *out = (int32_t)i;
        return 0;
    }
    *r->in.place = (place){.code = "unknown_class", .row = -1, .pointer = STR(POINTER "/class")};
    return err_set(r->in.e, ERR_INPUT, "the model has no class \"" STR_FORMAT "\"", STR_ARGS(name));
}

// A class by its name, or by the number or truth value that it is.
static int read_class(row_reader *r, int32_t *out)
{
    scan *in = &r->in;
    str name;
    double value;
    scan_blanks(in);
    char first = in->at < in->end ? *in->at : '\0';
    if (first == '"') {
        TRY(scan_text(in, &name));
    } else if (first == '-' || (first >= '0' && first <= '9')) {
        TRY(scan_number(in, &name, &value));
    } else if (scan_word(in, "true", 4)) {
        name = STR("true");
    } else if (scan_word(in, "false", 5)) {
        name = STR("false");
    } else {
        TRY(scan_other(in));
        return refuse(r, "wrong_type", POINTER "/class", "\"class\" is none of a model's classes");
    }
    return find_class(r, name, out);
}

static int read_top(row_reader *r, size_t *out)
{
    scan *in = &r->in;
    static const char wanted[] = "\"top\" is how many columns are wanted: a whole number from 1 on";
    str token;
    double value;
    scan_blanks(in);
    char first = in->at < in->end ? *in->at : '\0';
    if (first != '-' && (first < '0' || first > '9')) {
        TRY(scan_other(in));
        return refuse(r, "wrong_type", POINTER "/top", wanted);
    }
    TRY(scan_number(in, &token, &value));
    if (!(value >= 1 && value <= INT32_MAX) || value != (double)(int32_t)value)
        return refuse(r, "out_of_range", POINTER "/top", wanted);
    *out = (size_t)value;
    return 0;
}

static int read_options(row_reader *r, explain_wish *w)
{
    scan *in = &r->in;
    str name;
    size_t n = 0;
    bool has_class = false, has_top = false;
    int rc;
    w->wanted = true;
    while ((rc = scan_member(in, &n, &name)) > 0) {
        bool is_class = str_equal(name, STR("class")), is_top = str_equal(name, STR("top"));
        if (!is_class && !is_top)
            return refuse(r, "unknown_member", POINTER, "\"explain\" takes \"class\" and \"top\", and nothing else");
        if ((is_class && has_class) || (is_top && has_top))
            return refuse(r, "duplicate_member", POINTER, "a member of \"explain\" comes twice");
        has_class |= is_class;
        has_top |= is_top;
        TRY(is_class ? read_class(r, &w->class) : read_top(r, &w->top));
    }
    return rc;
}

int read_explain(row_reader *r, explain_wish *w)
{
    scan *in = &r->in;
    scan_blanks(in);
    if (scan_take(in, '{')) return read_options(r, w);
    if (scan_word(in, "true", 4)) {
        w->wanted = true;
        return 0;
    }
    if (scan_word(in, "false", 5)) return 0;
    TRY(scan_other(in));
    return refuse(r, "wrong_type", POINTER, "\"explain\" is neither true or false nor an object");
}
