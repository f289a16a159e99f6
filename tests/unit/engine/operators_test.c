// The table of operators, and that docs/formats/onnx.md has the same one.
// SPDX-License-Identifier: Apache-2.0
#include "engine/operator.h"

#include "base/files.h"
#include "check.h"

enum { DOC_MAX = 1 << 20 };

static void every_row_is_complete(void **state)
{
    (void)state;
    size_t n;
    const op_row *const *rows = operator_rows(&n);
    assert_true(n > 60);
    for (size_t i = 0; i < n; i++) {
        const op_row *r = rows[i];
        if (!r->infer || !r->run || (r->rows == OP_ROWS_ASK) != (r->rows_apart != NULL) || r->since < 1 ||
            (r->until && r->until < r->since))
            fail_msg("%s.%s", r->domain, r->name);
        assert_ptr_equal(operator_find(r->domain, r->name, r->since), r);
        if (r->until) assert_ptr_equal(operator_find(r->domain, r->name, r->until), r);
    }
}

static void versions_decide(void **state)
{
    (void)state;
    assert_null(operator_find("ai.onnx.ml", "Add", 3));
    assert_null(operator_find("", "Add", 6));
    assert_non_null(operator_find("", "Add", 7));
    assert_non_null(operator_find("", "Add", OPERATOR_OPSET_NEWEST));
    assert_null(operator_find("", "Add", OPERATOR_OPSET_NEWEST + 1));
    assert_null(operator_find("", "Add", -1));
    assert_true(operator_find("", "Squeeze", 12) != operator_find("", "Squeeze", 13));
    assert_null(operator_find("ai.onnx.ml", "TreeEnsembleClassifier", 5));
}

static void the_page_lists_them(void **state)
{
    (void)state;
    err e = ERR_NONE;
    buf page;
    check_ok(file_read(TEST_SOURCE_DIR "/docs/formats/onnx.md", DOC_MAX, &page, &e), &e);
    buf_add_char(&page, '\0');
    check_ok(buf_check(&page, &e), &e);
    size_t n;
    const op_row *const *rows = operator_rows(&n);
    const char *at = page.data;
    for (size_t i = 0; i < n; i++) {
        const op_row *r = rows[i];
        char versions[32], line[256];
        if (r->until == 0)
            snprintf(versions, sizeof versions, "%d and later", r->since);
        else if (r->until == r->since)
            snprintf(versions, sizeof versions, "%d", r->since);
        else
            snprintf(versions, sizeof versions, "%d to %d", r->since, r->until);
        snprintf(line, sizeof line, "| %s | %s | %s |\n", r->domain[0] ? r->domain : "ai.onnx", r->name, versions);
        const char *found = strstr(at, line); // in this order
        if (!found) fail_msg("docs/formats/onnx.md lacks: %s", line);
        at = found + strlen(line);
    }
    buf_clear(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(versions_decide),
        cmocka_unit_test(the_page_lists_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
