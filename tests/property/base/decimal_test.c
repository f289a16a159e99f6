// Decimals against their slow twins: strtod, and printf at growing precision until it reads back.
// SPDX-License-Identifier: Apache-2.0
#include "base/decimal.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"

enum { N_BITS = 100000, N_TEXTS = 100000 };

static uint64_t seed = 1;

static double f64_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float f32_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static size_t n_significant(const char *text)
{
    size_t n = 0, zeros = 0;
    bool started = false;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9') continue;
        if (*text != '0') started = true;
        if (!started) continue;
        zeros = *text == '0' ? zeros + 1 : 0;
        n++;
    }
    return n - zeros;
}

static void check_f64(double value)
{
    char text[DECIMAL_TEXT_SIZE + 1], slow[64];
    size_t n = decimal_format_f64(value, text);
    assert_true(n < DECIMAL_TEXT_SIZE);
    text[n] = '\0';
    double back = strtod(text, NULL);
    if (memcmp(&back, &value, sizeof value) != 0) fail_msg("%a became %s", value, text);
    int precision = 0;
    do snprintf(slow, sizeof slow, "%.*e", precision, value);
    while (precision++ < 17 && strtod(slow, NULL) != value);
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bool power_of_two = (bits << 12) == 0; // printf misses the few that lie on the wider side only
    if (n_significant(text) > n_significant(slow)) fail_msg("%a: %s, shorter is %s", value, text, slow);
    // As near as printf's, digit by digit: their values as long doubles differ if a nearer one was missed.
    if (!power_of_two && strtold(text, NULL) != strtold(slow, NULL))
        fail_msg("%a: %s, nearer is %s", value, text, slow);
    double again;
    assert_int_equal(decimal_parse_f64((str){text, n}, &again), 0);
    assert_memory_equal(&again, &value, sizeof value);
}

static void check_f32(float value)
{
    char text[DECIMAL_TEXT_SIZE + 1], slow[64];
    size_t n = decimal_format_f32(value, text);
    assert_true(n < DECIMAL_TEXT_SIZE);
    text[n] = '\0';
    if (strtof(text, NULL) != value) fail_msg("%a became %s", (double)value, text);
    int precision = 0;
    do snprintf(slow, sizeof slow, "%.*e", precision, (double)value);
    while (precision++ < 9 && strtof(slow, NULL) != value);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bool power_of_two = (bits << 9) == 0;
    if (n_significant(text) > n_significant(slow)) fail_msg("%a: %s, shorter is %s", (double)value, text, slow);
    if (!power_of_two && strtold(text, NULL) != strtold(slow, NULL))
        fail_msg("%a: %s, nearer is %s", (double)value, text, slow);
    double again; // through a double, as documented
    assert_int_equal(decimal_parse_f64((str){text, n}, &again), 0);
    assert_true((float)again == value);
}

static void test_format_f64(void **state)
{
    (void)state;
    rng r = rng_new(seed, 1);
    for (int i = 0; i < N_BITS; i++) {
        double value = f64_of(rng_u64(&r));
        if (isfinite(value)) check_f64(value);
    }
    for (int i = 0; i < N_BITS / 10; i++) { // what people write, and whole numbers
        check_f64((double)(int64_t)rng_below(&r, 100000000) / 1000.0);
        check_f64((double)(rng_u64(&r) >> (rng_below(&r, 53) + 11)));
    }
    for (uint64_t exponent = 0; exponent < 2047; exponent++) {
        check_f64(f64_of(exponent << 52));
        check_f64(f64_of((exponent << 52) + 1));
        if (exponent) check_f64(f64_of((exponent << 52) - 1));
    }
}

static void test_format_f32(void **state)
{
    (void)state;
    rng r = rng_new(seed, 2);
    for (int i = 0; i < N_BITS; i++) {
        float value = f32_of((uint32_t)rng_u64(&r));
        if (isfinite(value)) check_f32(value);
    }
    for (uint32_t exponent = 0; exponent < 255; exponent++) {
        check_f32(f32_of(exponent << 23));
        check_f32(f32_of((exponent << 23) + 1));
        if (exponent) check_f32(f32_of((exponent << 23) - 1));
    }
}

static void check_text(const char *text)
{
    double value, twin = strtod(text, NULL);
    if (decimal_parse_f64(str_of(text), &value) != 0) fail_msg("%s is refused", text);
    if (memcmp(&value, &twin, sizeof value) != 0) fail_msg("%s: %a, strtod has %a", text, value, twin);
}

static size_t put_digits(rng *r, char *to, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] = (char)('0' + rng_below(r, 10));
    return n;
}

static void test_parse_random(void **state)
{
    (void)state;
    rng r = rng_new(seed, 3);
    for (int i = 0; i < N_TEXTS; i++) {
        char text[128];
        size_t n = 0;
        if (rng_below(&r, 2)) text[n++] = '-';
        n += put_digits(&r, text + n, 1 + rng_below(&r, i % 8 == 0 ? 40 : 10));
        if (rng_below(&r, 4)) {
            text[n++] = '.';
            n += put_digits(&r, text + n, rng_below(&r, i % 8 == 1 ? 40 : 12));
        }
        if (rng_below(&r, 2))
            n += (size_t)snprintf(text + n, sizeof text - n, "%c%d", "eE"[rng_below(&r, 2)],
                                  (int)rng_below(&r, 700) - 350);
        text[n] = '\0';
        check_text(text);
    }
}

// The middle between two doubles, and its neighbours in the last of many digits: where rounding is hardest.
static void test_parse_middles(void **state)
{
    (void)state;
    rng r = rng_new(seed, 4);
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = rng_u64(&r) >> 1;
        if (i % 4 == 0) bits >>= 11 + rng_below(&r, 52);                           // subnormal
        if (i % 4 == 1) bits = ((1000 + rng_below(&r, 100)) << 52) + (bits >> 12); // near one
        double low = f64_of(bits), high = f64_of(bits + 1);
        if (!isfinite(low) || !isfinite(high)) continue;
        // 64 bits of mantissa hold the middle of two doubles, unless it is subnormal even there.
        long double middle = ((long double)low + (long double)high) / 2;
        char text[1300];
        snprintf(text, sizeof text, "%.*Le", 780, middle);
        check_text(text);
        char *e = strchr(text, 'e');
        if (e[-1] != '9') e[-1]++;
        check_text(text);
        snprintf(text, sizeof text, "%.*Le", 18 + (int)rng_below(&r, 20), middle);
        check_text(text);
    }
}

static void test_parse_long(void **state)
{
    (void)state;
    char text[4000];
    for (size_t zeros = 0; zeros < 1500; zeros += 13) {
        memset(text, '0', sizeof text);
        memcpy(text, "0.", 2);
        snprintf(text + 2 + zeros, sizeof text - 2 - zeros, "17976931348623157081452742373170435%se%zu", "679807567",
                 zeros + 300);
        check_text(text);
        memset(text, '7', sizeof text);
        text[1 + zeros] = '.';
        snprintf(text + 1800, 32, "e-%zu", zeros);
        check_text(text);
    }
}

int main(void)
{
    if (getenv("SEED")) seed = strtoull(getenv("SEED"), NULL, 10);
    print_message("SEED=%" PRIu64 "\n", seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_f64),    cmocka_unit_test(test_format_f32), cmocka_unit_test(test_parse_random),
        cmocka_unit_test(test_parse_middles), cmocka_unit_test(test_parse_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
