// The description: whatever routes and models there are, it is JSON, its references lead somewhere, and it holds what
// the caller may see.
// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "check.h"
#include "serve/access.h"
#include "serve/openapi.h"
#include "unit/serve/schema_of_all.h"

static err fault;

static json_t *describe(const openapi *a, const principal *who, const openapi_part *const *parts)
{
    buf text;
    json_t *out;
    buf_init(&text, 1 << 24);
    openapi_write(a, who, parts, &text);
    check_ok(json_parse(&out, buf_str(&text), &fault), &fault);
    buf_clear(&text);
    return out;
}

static const json_t *follow(const json_t *root, const char *reference)
{
    assert_int_equal(strncmp(reference, "#/", 2), 0);
    const char *at = reference + 2;
    while (root && *at) {
        char key[128];
        size_t len = strcspn(at, "/");
        assert_true(len < sizeof key);
        memcpy(key, at, len);
        key[len] = '\0';
        root = json_object_get(root, key);
        at += len + (at[len] == '/');
    }
    return root;
}

static void check_references(const json_t *root, const json_t *value)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_object(value)) json_object_foreach((json_t *)value, key, member)
        {
            if (strcmp(key, "$ref") == 0 && !follow(root, json_string_value(member)))
                fail_msg("%s leads nowhere", json_string_value(member));
            check_references(root, member);
        }
    json_array_foreach(value, i, member) check_references(root, member);
}

// Path parameters are those of the path, operation ids differ, and every operation has an answer and its faults.
static size_t check_operations(const json_t *root)
{
    const char *path, *method;
    json_t *item, *operation, *parameter;
    json_t *ids = json_object();
    size_t n = 0, i;
    json_object_foreach(json_object_get(root, "paths"), path, item) json_object_foreach(item, method, operation)
    {
        const char *id = json_string_value(json_object_get(operation, "operationId"));
        assert_non_null(id);
        if (json_object_get(ids, id)) fail_msg("%s comes twice", id);
        json_object_set_new(ids, id, json_true());
        size_t braces = 0, named = 0;
        for (const char *p = path; (p = strchr(p, '{')); p++) {
            braces++;
            if (p[1] == '}') fail_msg("%s: a parameter without a name", path);
        }
        json_array_foreach(json_object_get(operation, "parameters"), i, parameter)
        {
            char mark[80];
            const char *name = json_string_value(json_object_get(parameter, "name"));
            snprintf(mark, sizeof mark, "{%s}", name);
            if (strcmp(json_string_value(json_object_get(parameter, "in")), "path") != 0) continue;
            named++;
            if (!strstr(path, mark)) fail_msg("%s has no {%s}", path, name);
        }
        assert_int_equal(braces, named);
        json_t *responses = json_object_get(operation, "responses");
        assert_non_null(json_object_get(responses, "4XX"));
        assert_true(json_object_size(responses) > 2);
        n++;
    }
    json_decref(ids);
    return n;
}

static size_t operations_of(const openapi *a, unsigned may)
{
    const principal who = {.id = "k", .tenant = "", .may = may};
    static const openapi_part *const none[] = {NULL};
    json_t *j = describe(a, &who, none);
    size_t n = check_operations(j);
    json_decref(j);
    return n;
}

static void everything_is_sound(void **state)
{
    (void)state;
    openapi *a;
    openapi_part part;
    check_ok(openapi_new(&a, &fault), &fault);
    check_ok(openapi_part_make(&part, "titanic", &schema_of_all, &fault), &fault);
    const openapi_part *const parts[] = {&part, NULL};
    json_t *j = describe(a, &local_principal, parts);
    check_references(j, j);
    assert_true(check_operations(j) > route_count());
    json_t *mine = json_object_get(json_object_get(j, "paths"), "/api/v1/models/titanic/predict");
    assert_non_null(mine);
    json_decref(j);
    openapi_part_clear(&part);
    openapi_free(a);
}

static void callers_see_what_is_theirs(void **state)
{
    (void)state;
    openapi *a;
    check_ok(openapi_new(&a, &fault), &fault);
    size_t anybody = operations_of(a, 0), reader = operations_of(a, MAY_PREDICT);
    assert_true(anybody > 0 && reader > anybody);
    assert_true(operations_of(a, MAY_PREDICT | MAY_MONITOR) > reader);
    // A model's part is for those who may predict.
    openapi_part part;
    check_ok(openapi_part_make(&part, "titanic", &schema_of_all, &fault), &fault);
    const openapi_part *const parts[] = {&part, NULL};
    const principal monitor = {.id = "m", .tenant = "", .may = MAY_MONITOR};
    json_t *j = describe(a, &monitor, parts);
    assert_null(json_object_get(json_object_get(j, "paths"), "/api/v1/models/titanic/predict"));
    json_decref(j);
    openapi_part_clear(&part);
    openapi_free(a);
}

static void tags_tell_contents_apart(void **state)
{
    (void)state;
    openapi *a;
    openapi_part one, two;
    check_ok(openapi_new(&a, &fault), &fault);
    check_ok(openapi_part_make(&one, "one", &schema_of_all, &fault), &fault);
    check_ok(openapi_part_make(&two, "two", &schema_of_all, &fault), &fault);
    const principal who = {.id = "k", .tenant = "", .may = MAY_PREDICT};
    const principal admin = {.id = "k", .tenant = "", .may = MAY_PREDICT | MAY_MONITOR};
    const openapi_part *const sets[][3] = {{NULL}, {&one, NULL}, {&two, NULL}, {&one, &two, NULL}};
    enum { SETS_N = sizeof sets / sizeof *sets };
    char etags[2 * SETS_N][OPENAPI_ETAG_SIZE], again[OPENAPI_ETAG_SIZE];
    for (size_t i = 0; i < SETS_N; i++) {
        openapi_etag(a, &who, sets[i], etags[i]);
        openapi_etag(a, &admin, sets[i], etags[SETS_N + i]);
        openapi_etag(a, &who, sets[i], again);
        assert_string_equal(again, etags[i]);
    }
    for (size_t i = 0; i < 2 * SETS_N; i++)
        for (size_t k = 0; k < i; k++) assert_string_not_equal(etags[i], etags[k]);
    openapi_part_clear(&one);
    openapi_part_clear(&two);
    openapi_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_sound),
        cmocka_unit_test(callers_see_what_is_theirs),
        cmocka_unit_test(tags_tell_contents_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
