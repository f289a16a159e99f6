// Options of a run from JSON: every member arrives in its field, and what is wrong is pointed at.
// SPDX-License-Identifier: Apache-2.0
#include "automl/asked.h"

#include "check.h"

typedef struct asked {
    json_t *j;
    arena a;
    training_options o;
    char pointer[ASKED_POINTER_SIZE];
} asked;

static int ask(asked *s, const char *text, err *e)
{
    check_ok(json_parse(&s->j, str_of(text), e), e);
    arena_init(&s->a, 1 << 20);
    return asked_options(&s->o, s->j, &s->a, s->pointer, e);
}

static void forget(asked *s)
{
    arena_clear(&s->a);
    json_decref(s->j);
}

static void test_defaults(void **state)
{
    (void)state;
    asked s;
    err e = ERR_NONE;
    training_options d = TRAINING_OPTIONS_DEFAULT;
    check_ok(ask(&s, "{\"kind\":\"train\",\"target\":null,\"prepare\":null}", &e), &e);
    assert_null(s.o.target);
    assert_false(s.o.prepare_given);
    assert_int_equal(s.o.seed, d.seed);
    assert_int_equal(s.o.split.kind, d.split.kind);
    assert_int_equal(s.o.read.memory_max, d.read.memory_max);
    forget(&s);
}

static void test_every_member(void **state)
{
    (void)state;
    asked s;
    err e = ERR_NONE;
    check_ok(
        ask(&s,
            "{\"target\":\"t\",\"recipe\":\"r\",\"model\":\"m\",\"settings\":{\"a\":3,\"b\":0.1,\"c\":true,\"d\":\"x\"}"
            ","
            "\"prepare\":{\"columns\":[\"p\",\"q\"],\"drop\":[\"z\"],\"impute\":\"mean\",\"impute_text\":\"mode\","
            "\"constant\":1.5,\"indicator\":true,\"scale\":\"minmax\",\"ddof\":1,\"encode\":\"ordinal\",\"one_hot_"
            "max\":5},"
            "\"drop_missing\":true,\"split\":{\"kind\":\"group\",\"column\":\"g\",\"test_share\":0.25},\"folds\":4,"
            "\"seed\":9,\"read\":{\"format\":\"jsonl\",\"delimiter\":\";\",\"header\":false,\"missing\":[\"?\"],"
            "\"types\":{\"p\":\"text\"}}}",
            &e),
        &e);
    const training_options *o = &s.o;
    assert_string_equal(o->target, "t");
    assert_string_equal(o->recipe, "r");
    assert_string_equal(o->family, "m");
    assert_int_equal(o->n_settings, 4);
    const char *const settings[] = {"a=3", "b=0.1", "c=true", "d=x"};
    for (size_t i = 0; i < 4; i++) {
        bool found = false;
        for (size_t k = 0; k < 4; k++) found = found || strcmp(o->settings[k], settings[i]) == 0;
        assert_true(found);
    }
    assert_true(o->prepare_given && o->drop_incomplete && o->prepare.indicator);
    assert_int_equal(o->prepare.n_columns, 2);
    assert_string_equal(o->prepare.columns[1], "q");
    assert_string_equal(o->prepare.dropped[0], "z");
    assert_int_equal(o->prepare.impute_number, IMPUTE_MEAN);
    assert_int_equal(o->prepare.impute_text, IMPUTE_MODE);
    assert_string_equal(o->prepare.constant_text, "1.5");
    assert_true(o->prepare.constant_number == 1.5);
    assert_int_equal(o->prepare.scale, SCALE_MINMAX);
    assert_int_equal(o->prepare.ddof, 1);
    assert_int_equal(o->prepare.encode, ENCODE_ORDINAL);
    assert_int_equal(o->prepare.one_hot_max, 5);
    assert_int_equal(o->split.kind, SPLIT_GROUP);
    assert_string_equal(o->split.column, "g");
    assert_true(o->split.test_share == 0.25);
    assert_int_equal(o->folds, 4);
    assert_int_equal(o->seed, 9);
    assert_int_equal(o->split.seed, 9);
    assert_int_equal(o->read.format, FORMAT_JSONL);
    assert_int_equal(o->read.header, HEADER_NO);
    assert_int_equal(o->read.delimiter, ';');
    assert_string_equal(o->read.missing[0], "?");
    assert_string_equal(o->read.types[0].column, "p");
    assert_int_equal(o->read.types[0].type, COLUMN_TEXT);
    forget(&s);
}

static void test_what_is_wrong_is_pointed_at(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer;
    } wrong[] = {
        {"{\"target\":1}", "/target"},
        {"{\"settings\":[]}", "/settings"},
        {"{\"settings\":{\"a=b\":1}}", "/settings/a=b"},
        {"{\"settings\":{\"a\":{}}}", "/settings/a"},
        {"{\"prepare\":{\"scael\":1}}", "/prepare/scael"},
        {"{\"prepare\":{\"columns\":\"a\"}}", "/prepare/columns"},
        {"{\"prepare\":{\"ddof\":2}}", "/prepare/ddof"},
        {"{\"prepare\":{\"indicator\":1}}", "/prepare/indicator"},
        {"{\"drop_missing\":\"yes\"}", "/drop_missing"},
        {"{\"split\":{\"kind\":\"half\"}}", "/split/kind"},
        {"{\"split\":{\"test_share\":\"0.2\"}}", "/split/test_share"},
        {"{\"split\":{\"kind\":\"group\"}}", "/split"},
        {"{\"seed\":1.5}", "/seed"},
        {"{\"folds\":101}", "/folds"},
        {"{\"folds\":1}", "/folds"},
        {"{\"read\":{\"delimiter\":\"ab\"}}", "/read/delimiter"},
        {"{\"read\":{\"delimiter\":\"\\\"\"}}", "/read"},
        {"{\"read\":{\"types\":{\"c\":\"number\"}}}", "/read/types/c"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        asked s;
        err e = ERR_NONE;
        check_fails(ask(&s, wrong[i].text, &e), ERR_INPUT, &e);
        assert_string_equal(s.pointer, wrong[i].pointer);
        forget(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_member),
        cmocka_unit_test(test_what_is_wrong_is_pointed_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
