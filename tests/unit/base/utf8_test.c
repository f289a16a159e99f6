// base/utf8: against a decoder that is slow and obvious.
// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include "check.h"

// The characters, encoded from their numbers as the standard's table of bits has it.
static size_t encode(uint32_t c, unsigned char *to)
{
    if (c < 0x80) return to[0] = (unsigned char)c, 1;
    if (c < 0x800) return to[0] = (unsigned char)(0xC0 | c >> 6), to[1] = (unsigned char)(0x80 | (c & 0x3F)), 2;
    if (c < 0x10000) {
        to[0] = (unsigned char)(0xE0 | c >> 12);
        to[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        to[2] = (unsigned char)(0x80 | (c & 0x3F));
        return 3;
    }
    to[0] = (unsigned char)(0xF0 | c >> 18);
    to[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
    to[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
    to[3] = (unsigned char)(0x80 | (c & 0x3F));
    return 4;
}

static void test_every_character(void **state)
{
    (void)state;
    size_t n_sound = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        unsigned char text[4];
        size_t len = encode(c, text);
        size_t found = utf8_char_len((str){(const char *)text, len});
        int surrogate = c >= 0xD800 && c < 0xE000;
        if (found != (surrogate ? 0 : len)) fail_msg("U+%04X: %zu", c, found);
        n_sound += found > 0;
        // Cut short it is nothing.
        for (size_t cut = 0; cut < len; cut++) assert_int_equal(utf8_char_len((str){(const char *)text, cut}), 0);
    }
    assert_int_equal(n_sound, 0x110000 - 0x800);
}

// Of all 2- and 3-byte sequences exactly those that encode a character are sound: so no overlong form is.
static void test_every_sequence(void **state)
{
    (void)state;
    size_t n[5] = {0};
    for (uint32_t i = 0; i < 1 << 24; i++) {
        const char text[3] = {(char)(i >> 16), (char)(i >> 8), (char)i};
        size_t len = utf8_char_len((str){text, 3});
        n[len]++;
    }
    assert_int_equal(n[1], 0x80 * 65536);
    assert_int_equal(n[2], (0x800 - 0x80) * 256);
    assert_int_equal(n[3], 0x10000 - 0x800 - 0x800);
    assert_int_equal(n[4], 0);
    // Lead bytes of four: only within U+10000..U+10FFFF.
    size_t n_four = 0;
    for (uint32_t i = 0; i < 1 << 16; i++) {
        const char text[4] = {(char)(0xF0 | i >> 12), (char)(i >> 4), (char)(0x80 | (i & 15)), (char)0x80};
        n_four += utf8_char_len((str){text, 4}) == 4;
    }
    assert_int_equal(n_four, (0x110000 - 0x10000) / 64 / 4);
}

static void test_whole_len(void **state)
{
    (void)state;
    static const str text = STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\xA2");
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    for (size_t len = 0; len <= text.len; len++) assert_int_equal(utf8_whole_len((str){text.data, len}), whole[len]);
    // Not UTF-8 at all: left alone, as far as it is no cut character.
    assert_int_equal(utf8_whole_len(STR("\x80\x80\x80\x80\x80")), 5);
    assert_int_equal(utf8_whole_len(STR("\xFF")), 0);
    assert_int_equal(utf8_whole_len((str){NULL, 0}), 0);
}

static void test_put(void **state)
{
    (void)state;
    static const struct {
        uint32_t scalar;
        str text;
    } examples[] = {{'a', {"a", 1}},
                    {0xE9, {"\xC3\xA9", 2}},
                    {0x7FF, {"\xDF\xBF", 2}},
                    {0x20AC, {"\xE2\x82\xAC", 3}},
                    {0xFFFF, {"\xEF\xBF\xBF", 3}},
                    {0x10FFFF, {"\xF4\x8F\xBF\xBF", 4}}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        char text[4];
        size_t len = utf8_put(examples[i].scalar, text);
        assert_true(str_equal((str){text, len}, examples[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_character),
        cmocka_unit_test(test_every_sequence),
        cmocka_unit_test(test_whole_len),
        cmocka_unit_test(test_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
