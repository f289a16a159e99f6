// base/bytes: every read stops at the end and says where.
// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include "check.h"

static void test_numbers(void **state)
{
    (void)state;
    static const uint8_t data[] = {0xAB, 0x78, 0x56, 0x34, 0x12, 0xF0, 0xDE, 0xBC, 0x9A, 0x78, 0x56, 0x34, 0x12,
                                   0,    0,    0xC0, 0x3F, 0,    0,    0,    0,    0,    0,    0x04, 0xC0};
    bytes b = bytes_of(data, sizeof data);
    err e = ERR_NONE;
    uint8_t u8;
    uint32_t u32;
    uint64_t u64;
    float f32;
    double f64;
    check_ok(bytes_u8(&b, &u8, &e), &e);
    assert_int_equal(u8, 0xAB);
    check_ok(bytes_u32(&b, &u32, &e), &e);
    assert_int_equal(u32, 0x12345678);
    check_ok(bytes_u64(&b, &u64, &e), &e);
    assert_true(u64 == 0x123456789ABCDEF0u);
    check_ok(bytes_f32(&b, &f32, &e), &e);
    assert_true(f32 == 1.5f);
    check_ok(bytes_f64(&b, &f64, &e), &e);
    assert_true(f64 == -2.5);
    assert_int_equal(bytes_left(&b), 0);
    check_fails(bytes_u8(&b, &u8, &e), ERR_FORMAT, &e);
    assert_int_equal(e.at, sizeof data);
}

static void test_too_short(void **state)
{
    (void)state;
    static const uint8_t data[7] = {1, 2, 3, 4, 5, 6, 7};
    err e = ERR_NONE;
    uint32_t u32 = 9;
    uint64_t u64 = 9;
    double f64 = 9;
    str view;
    bytes slice;
    for (size_t len = 0; len < 7; len++) {
        bytes b = bytes_of(data, len);
        check_fails(bytes_u64(&b, &u64, &e), ERR_FORMAT, &e);
        check_fails(bytes_f64(&b, &f64, &e), ERR_FORMAT, &e);
        check_fails(bytes_skip(&b, len + 1, &e), ERR_FORMAT, &e);
        check_fails(bytes_take(&b, UINT64_MAX, &view, &e), ERR_FORMAT, &e);
        check_fails(bytes_slice(&b, len + 1, &slice, &e), ERR_FORMAT, &e);
        if (len < 4) check_fails(bytes_u32(&b, &u32, &e), ERR_FORMAT, &e);
        assert_int_equal(bytes_left(&b), len); // the cursor has not moved
    }
    assert_int_equal(u32, 9);
    assert_int_equal(u64, 9);
    assert_true(f64 == 9);
    bytes none = bytes_of(NULL, 0);
    check_ok(bytes_take(&none, 0, &view, &e), &e);
    assert_int_equal(view.len, 0);
    assert_int_equal(bytes_at(&none), 0);
}

static void test_varint(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t len;
        uint64_t value;
    } good[] = {{"\0", 1, 0},
                {"\x7F", 1, 127},
                {"\x80\x01", 2, 128},
                {"\xAC\x02", 2, 300},
                {"\x80\x00", 2, 0}, // longer than it need be, as protocol buffers allow
                {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10, UINT64_MAX}};
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {{"", 0},
               {"\x80", 1},
               {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 9},
               {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10}, // bit 65
               {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11}};
    err e = ERR_NONE;
    uint64_t value;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        bytes b = bytes_of(good[i].data, good[i].len);
        check_ok(bytes_varint(&b, &value, &e), &e);
        assert_true(value == good[i].value);
        assert_int_equal(bytes_left(&b), 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bytes b = bytes_of(bad[i].data, bad[i].len);
        check_fails(bytes_varint(&b, &value, &e), ERR_FORMAT, &e);
        assert_int_equal(bytes_left(&b), bad[i].len);
    }
}

static void test_slices(void **state)
{
    (void)state;
    bytes b = bytes_of("headbodytail", 12), body;
    str text;
    err e = ERR_NONE;
    check_ok(bytes_take(&b, 4, &text, &e), &e);
    assert_true(str_equal(text, STR("head")));
    check_ok(bytes_slice(&b, 4, &body, &e), &e);
    assert_int_equal(bytes_at(&body), 4); // offsets stay those of the whole
    assert_int_equal(bytes_at(&b), 8);
    check_ok(bytes_skip(&body, 3, &e), &e);
    check_ok(bytes_take(&body, 1, &text, &e), &e);
    assert_true(str_equal(text, STR("y")));
    check_fails(bytes_take(&body, 1, &text, &e), ERR_FORMAT, &e); // although b has more
    assert_int_equal(e.at, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_too_short),
        cmocka_unit_test(test_varint),
        cmocka_unit_test(test_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
