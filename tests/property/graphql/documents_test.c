// Random documents: what is printed is read back as the same, however it is laid out; what is made by the schema is
// valid and answered with JSON; what is made of its pieces at random never does harm.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/rng.h"
#include "graphql/execute.h"
#include "graphql/validate.h"
#include "unit/graphql/zoo.h"

enum { ROUNDS = 600 };

typedef struct maker {
    rng r;
    buf out;
    unsigned n_fragments;
} maker;

static uint64_t below(maker *m, uint64_t n)
{
    return rng_below(&m->r, n);
}

static void add(maker *m, const char *text)
{
    buf_add_text(&m->out, text);
}

// Any document of the grammar.

static void add_name(maker *m)
{
    static const char *const names[] = {"a", "b_1", "on", "query", "fragment", "_", "T", "name", "dog", "x9"};
    size_t i = below(m, sizeof names / sizeof *names);
    add(m, i == 2 ? "of" : names[i]);
}

static void add_value(maker *m, bool constant, unsigned depth)
{
    static const char *const simple[] = {"1",
                                         "-0",
                                         "2.50e-3",
                                         "true",
                                         "null",
                                         "RED",
                                         "\"\"",
                                         "\"x\\n\\u00e9\\\"\"",
                                         "\"\"\"block\n  \\\"\"\" text\"\"\"",
                                         "\"\xF0\x9F\x98\x80\""};
    uint64_t kind = below(m, depth > 3 ? 2 : 5);
    if (kind == 0 && !constant) {
        add(m, "$");
        add_name(m);
    } else if (kind == 3) {
        add(m, "[");
        for (uint64_t n = below(m, 4); n > 0; n--) add_value(m, constant, depth + 1), add(m, " ");
        add(m, "]");
    } else if (kind == 4) {
        add(m, "{");
        for (uint64_t n = below(m, 4); n > 0; n--)
            add_name(m), add(m, ":"), add_value(m, constant, depth + 1), add(m, " ");
        add(m, "}");
    } else {
        add(m, simple[below(m, sizeof simple / sizeof *simple)]);
    }
}

static void add_arguments(maker *m, bool constant)
{
    if (below(m, 3)) return;
    add(m, "(");
    for (uint64_t n = 1 + below(m, 3); n > 0; n--) add_name(m), add(m, ":"), add_value(m, constant, 0), add(m, " ");
    add(m, ")");
}

static void add_directives(maker *m, bool constant)
{
    while (below(m, 5) == 0) add(m, "@"), add_name(m), add_arguments(m, constant), add(m, " ");
}

static void add_selections(maker *m, unsigned depth)
{
    add(m, "{");
    for (uint64_t n = 1 + below(m, 4); n > 0; n--) {
        uint64_t kind = below(m, 6);
        add(m, " ");
        if (kind == 0) {
            add(m, "...");
            add_name(m);
            add(m, " ");
            add_directives(m, false);
        } else if (kind == 1 && depth < 5) {
            add(m, "...");
            if (below(m, 2)) add(m, "on "), add_name(m), add(m, " ");
            add_directives(m, false);
            add_selections(m, depth + 1);
        } else {
            add_name(m);
            if (below(m, 4) == 0) add(m, ":"), add_name(m);
            add_arguments(m, false);
            add(m, " ");
            add_directives(m, false);
            if (depth < 5 && below(m, 2)) add_selections(m, depth + 1);
        }
    }
    add(m, "}");
}

static void add_definition(maker *m)
{
    static const char *const kinds[] = {"query ", "mutation ", "subscription ", "fragment "};
    uint64_t kind = below(m, 5);
    if (kind == 4) {
        add_selections(m, 0);
        return;
    }
    if (below(m, 4) == 0) add(m, "\"what it does\" ");
    add(m, kinds[kind]);
    if (kind == 3 || below(m, 2)) add_name(m);
    if (kind == 3) {
        add(m, " on ");
        add_name(m);
    } else if (below(m, 2)) {
        static const char *const types[] = {"Int", "Int!", "[T]", "[[T!]!]!", "[on]"};
        add(m, "(");
        for (uint64_t n = 1 + below(m, 3); n > 0; n--) {
            add(m, "$");
            add_name(m);
            add(m, ":");
            add(m, types[below(m, 5)]);
            if (below(m, 2)) add(m, "="), add_value(m, true, 0);
            add(m, " ");
            add_directives(m, true);
        }
        add(m, ")");
    }
    add(m, " ");
    add_directives(m, false);
    add_selections(m, 0);
}

// The same tokens with other things between them.
static void lay_out(maker *m, str text, buf *out)
{
    bool quoted = false, block = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!quoted && c == '"') {
            block = text.len - i > 2 && text.data[i + 1] == '"' && text.data[i + 2] == '"';
            bool empty = !block && text.data[i + 1] == '"';
            quoted = true;
            buf_add(out, "\"\"\"", block ? 3 : empty ? 2 : 1);
            i += block ? 2 : empty;
            if (empty) quoted = false;
            continue;
        }
        if (quoted) {
            buf_add_char(out, c);
            if (c == '\\' && !block) buf_add_char(out, text.data[++i]);
            if (c == '\\' && block) buf_add_text(out, "\"\"\""), i += 3;
            if (c == '"' && block) buf_add_text(out, "\"\""), i += 2;
            if (c == '"') quoted = false;
            continue;
        }
        static const char *const blanks[] = {" ", ",", "\n", "\r\n", "\t", " # a note\n", "\xEF\xBB\xBF", ", ,"};
        if (c == ' ') {
            buf_add_text(out, blanks[below(m, 8)]);
            continue;
        }
        buf_add_char(out, c);
        if (strchr("{}()[]:!=", c) && below(m, 3) == 0) buf_add_text(out, blanks[below(m, 8)]);
    }
}

static void print_of(str text, buf *out)
{
    arena a;
    gql_document *d;
    err e = ERR_NONE;
    arena_init(&a, 64 << 20);
    int rc = gql_parse(&d, text, &a, &e);
    if (rc != 0) fail_msg("%s at %d: %.*s", e.msg, (int)e.at, (int)text.len, text.data);
    buf_reset(out);
    gql_print(d, out);
    assert_int_equal(out->failed, 0);
    arena_clear(&a);
}

static void what_is_printed_is_read_back(void **state)
{
    (void)state;
    maker m = {.r = rng_new(check_seed(), 0)};
    buf first, second, other;
    buf_init(&m.out, 1 << 22);
    buf_init(&first, 1 << 22);
    buf_init(&second, 1 << 22);
    buf_init(&other, 1 << 22);
    for (int i = 0; i < ROUNDS; i++) {
        buf_reset(&m.out);
        buf_reset(&other);
        for (uint64_t n = 1 + below(&m, 3); n > 0; n--) add_definition(&m), add(&m, " ");
        print_of(buf_str(&m.out), &first);
        print_of(buf_str(&first), &second);
        assert_true(str_equal(buf_str(&first), buf_str(&second)));
        lay_out(&m, buf_str(&m.out), &other);
        print_of(buf_str(&other), &second);
        assert_true(str_equal(buf_str(&first), buf_str(&second)));
    }
    buf_clear(&m.out);
    buf_clear(&first);
    buf_clear(&second);
    buf_clear(&other);
}

// Documents that the schema lets through.

static void add_sound_value(maker *m, const char *field)
{
    static const struct {
        const char *field, *values[4];
    } all[] = {
        {"int", {"1", "-7", "null", "2147483647"}},
        {"float", {"1", "1.5", "-2e3", "null"}},
        {"id", {"1", "\"x\"", "null", "\"\"\"y\"\"\""}},
        {"needed", {"1", "2", "3", "4"}},
        {"filled", {"1", "2", "3", "4"}},
        {"list", {"[]", "1", "[1,2]", "null"}},
        {"filter", {"{least:1}", "{least:1,most:2,also:{least:3}}", "null", "{least:0,also:null}"}},
        {"pick", {"{a:1}", "{b:\"x\"}", "null", "{a:-1}"}},
        {"any", {"{a:[1,{b:C}]}", "1.5", "\"x\"", "[[]]"}},
        {"size", {"KILO", "POUND", "null", "KILO"}},
        {"weight", {"KILO", "POUND", "KILO", "POUND"}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].field, field) == 0) add(m, all[i].values[below(m, 4)]);
}

static void add_sound_selections(maker *m, const gql_type *t, unsigned depth)
{
    static unsigned n_aliases;
    add(m, "{__typename");
    for (uint64_t n = 1 + below(m, 4); n > 0; n--) {
        if (t->kind == GQL_KIND_UNION || (t->kind == GQL_KIND_INTERFACE && below(m, 4) == 0)) {
            bool cat = below(m, 2);
            add(m, cat ? " ...on Cat" : " ...on Dog");
            const gql_type *other = gql_find_type(&zoo, cat ? STR("Cat") : STR("Dog"));
            add_sound_selections(m, other, depth);
            continue;
        }
        const gql_field *f = &t->fields[below(m, t->n_fields)];
        if (!gql_is_leaf(f->type) && depth > 4) continue;
        buf_format(&m->out, " a%u:%s", n_aliases++, f->name);
        bool needed = f->n_arguments > 0 && (f->arguments[0].wraps & 3) == GQL_REQUIRED && !f->arguments[0].standard;
        if (f->n_arguments > 0 && (needed || below(m, 2))) {
            buf_format(&m->out, "(%s:", f->arguments[0].name);
            add_sound_value(m, f->name);
            add(m, ")");
        }
        if (below(m, 6) == 0) add(m, below(m, 2) ? "@skip(if:true)" : "@include(if:true)");
        if (!gql_is_leaf(f->type)) add_sound_selections(m, f->type, depth + 1);
    }
    add(m, "}");
}

static void answer(str text, bool must_be_valid)
{
    arena a;
    buf out;
    gql_document *d;
    gql_value *given = NULL, *json;
    err e = ERR_NONE;
    arena_init(&a, 64 << 20);
    buf_init(&out, 16 << 20);
    gql_errors errors = {.memory = &a};
    int rc = gql_parse(&d, text, &a, &e);
    if (rc != 0 && !must_be_valid) goto done;
    check_ok(rc, &e);
    check_ok(gql_validate(d, &zoo, &errors, &a, &e), &e);
    if (errors.n > 0 && must_be_valid)
        fail_msg(STR_FORMAT ": %.*s", STR_ARGS(errors.first->message), (int)text.len, text.data);
    for (gql_definition *o = d->definitions; o && errors.n == 0; o = o->next) {
        gql_errors told = {.memory = &a};
        if (o->kind == GQL_FRAGMENT) continue;
        check_ok(gql_coerce_variables(&given, o, NULL, &told, &a, &e), &e);
        const gql_execution x = {
            .schema = &zoo, .document = d, .operation = o, .variables = given, .memory = &a, .errors = &told};
        if (told.n == 0) check_ok(gql_execute(&x, &out, &e), &e);
        if (told.n == 0) check_ok(gql_json_parse(&json, buf_str(&out), &a, &e), &e);
        buf_reset(&out);
    }
    gql_errors_format(&errors, text, &out);
    check_ok(gql_json_parse(&json, buf_str(&out), &a, &e), &e);
done:
    buf_clear(&out);
    arena_clear(&a);
}

static void what_the_schema_makes_is_answered(void **state)
{
    (void)state;
    maker m = {.r = rng_new(check_seed(), 1)};
    buf_init(&m.out, 1 << 22);
    for (int i = 0; i < ROUNDS; i++) {
        buf_reset(&m.out);
        add(&m, below(&m, 2) ? "query Q" : "");
        add_sound_selections(&m, zoo.query, 0);
        answer(buf_str(&m.out), true);
    }
    buf_clear(&m.out);
}

static void damaged_documents_do_no_harm(void **state)
{
    (void)state;
    maker m = {.r = rng_new(check_seed(), 2)};
    buf_init(&m.out, 1 << 22);
    for (int i = 0; i < ROUNDS; i++) {
        buf_reset(&m.out);
        add_sound_selections(&m, zoo.query, 0);
        static const char *const pieces[] = {"$a", "{",    "}",    "...", "on", "F", "fragment F on Dog",
                                             "\"", "null", "@skip"};
        for (uint64_t n = 1 + below(&m, 3); n > 0 && m.out.len > 0; n--) {
            size_t at = below(&m, m.out.len), len = below(&m, 12);
            const char *piece = pieces[below(&m, 10)];
            if (below(&m, 2)) piece = "";
            if (len > m.out.len - at) len = m.out.len - at;
            buf rest;
            buf_init(&rest, 1 << 22);
            buf_add(&rest, m.out.data + at + len, m.out.len - at - len);
            m.out.len = at;
            add(&m, piece);
            buf_add_str(&m.out, buf_str(&rest));
            buf_clear(&rest);
        }
        answer(buf_str(&m.out), false);
    }
    buf_clear(&m.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_is_read_back),
        cmocka_unit_test(what_the_schema_makes_is_answered),
        cmocka_unit_test(damaged_documents_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
