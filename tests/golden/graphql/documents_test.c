// Documents for the zoo on which graphql-js 16.11.0 said whether they are valid (make.cjs): we must say the same.
// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include "base/files.h"
#include "base/json.h"
#include "graphql/validate.h"
#include "unit/graphql/zoo.h"

#define HERE TEST_SOURCE_DIR "/tests/golden/graphql/"

// NULL if it is valid, else why not.
static const char *verdict(str text, bool *limit)
{
    static char why[300];
    arena a;
    gql_document *d;
    err e = ERR_NONE;
    arena_init(&a, 64 << 20);
    gql_errors errors = {.memory = &a};
    int rc = gql_parse(&d, text, &a, &e);
    if (rc == 0) check_ok(gql_validate(d, &zoo, &errors, &a, &e), &e);
    *limit = rc == ERR_LIMIT || (errors.first && strcmp(errors.first->code, "limit") == 0);
    if (rc == 0 && errors.first) snprintf(why, sizeof why, STR_FORMAT, STR_ARGS(errors.first->message));
    if (rc < 0) snprintf(why, sizeof why, "%s", e.msg);
    arena_clear(&a);
    return rc == 0 && errors.n == 0 ? NULL : why;
}

static void verdicts_agree(void **state)
{
    (void)state;
    str file;
    err e = ERR_NONE;
    json_t *all, *one;
    size_t i, n_valid = 0, n_limit = 0, n_differ = 0;
    check_ok(file_map(HERE "documents.json", &file, &e), &e);
    check_ok(json_parse(&all, file, &e), &e);
    json_array_foreach(all, i, one)
    {
        const char *text;
        bool wanted, limit;
        check_ok(json_member_text(one, "text", &text, &e), &e);
        check_ok(json_member_boolean(one, "valid", &wanted, &e), &e);
        const char *why = verdict(str_of(text), &limit);
        n_valid += wanted;
        n_limit += limit;
        if (limit || (why == NULL) == wanted) continue;
        n_differ++;
        print_message("%s: %s\n", why ? why : "valid", text);
    }
    print_message("%zu documents, %zu valid, %zu past a limit\n", json_array_size(all), n_valid, n_limit);
    assert_true(n_valid > 300 && json_array_size(all) - n_valid > 300 && n_limit < 20);
    assert_int_equal(n_differ, 0);
    json_decref(all);
    file_unmap(file);
}

static void the_zoo_is_the_one(void **state)
{
    (void)state;
    buf printed;
    str file;
    err e = ERR_NONE;
    buf_init(&printed, 1 << 20);
    gql_print_schema(&zoo, &printed);
    if (getenv("WRITE")) {
        FILE *f = fopen(HERE "zoo.graphql", "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(printed.data, 1, printed.len, f), printed.len);
        assert_int_equal(fclose(f), 0);
    }
    check_ok(file_map(HERE "zoo.graphql", &file, &e), &e);
    assert_true(str_equal(file, buf_str(&printed)));
    file_unmap(file);
    buf_clear(&printed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_zoo_is_the_one),
        cmocka_unit_test(verdicts_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
