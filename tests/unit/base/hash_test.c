// base/hash: known sums, and a table hash that spreads.
// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include "check.h"

static void test_sha256(void **state)
{
    (void)state;
    // FIPS 180-4's examples.
    char hex[SHA256_HEX_SIZE];
    sha256_hex_of("", 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex_of(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex_of("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    // A million times "a", in pieces of many sizes.
    sha256 h;
    sha256_init(&h);
    static char letters[1000];
    memset(letters, 'a', sizeof letters);
    for (size_t done = 0, n = 1; done < 1000000; n = n % 1000 + 1) {
        if (n > 1000000 - done) n = 1000000 - done;
        sha256_add(&h, letters, n);
        done += n;
    }
    sha256_hex(&h, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// Tables are never stored, but tests and hashed features may rely on the values: they stay as they are. These come
// from a second implementation in Python.
static void test_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seed, hash;
    } cases[] = {
        {"", 0, 0x898a2bbaf7331de2u},
        {"a", 0, 0xd02111586c3e8877u},
        {"abc", 0, 0x9072b804fbb9c23bu},
        {"abc", 1, 0x0b3231edba253b04u},
        {"slip", 0, 0x192f16e04e340ca0u},
        {"slipway", 7, 0xc787ae3269aa5b6du},
        {"survived", 0, 0x4be36a7d062c4c27u},
        {"0123456789abcdef", 0, 0xfb3254e69d4c064du},
        {"0123456789abcdefg", 0, 0xacc32308f225bc3bu},
        {"the quick brown fox jumps over the lazy dog", 42, 0x49c59f59858e9682u},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(hash_bytes(cases[i].text, strlen(cases[i].text), cases[i].seed) == cases[i].hash);
    assert_true(hash_bytes(NULL, 0, 1) == hash_bytes("x", 0, 1));
}

// One changed bit of the key changes about half of the hash, wherever it lies and whatever the length.
static void test_avalanche(void **state)
{
    (void)state;
    double worst_low = 64, worst_high = 0;
    for (size_t len = 1; len <= 48; len++) {
        unsigned char key[48];
        for (size_t bit = 0; bit < 8 * len; bit++) {
            int flipped = 0;
            for (uint64_t seed = 0; seed < 16; seed++) {
                for (size_t i = 0; i < len; i++) key[i] = (unsigned char)(i * 37 + seed * 101);
                uint64_t a = hash_bytes(key, len, seed);
                key[bit / 8] ^= (unsigned char)(1u << bit % 8);
                flipped += __builtin_popcountll(a ^ hash_bytes(key, len, seed));
            }
            double mean = flipped / 16.0;
            if (mean < worst_low) worst_low = mean;
            if (mean > worst_high) worst_high = mean;
        }
    }
    // 16 hashes of 64 bits: the mean has a standard deviation of 1; of 9,408 means the worst stay within 5.
    assert_true(worst_low > 27 && worst_high < 37);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// Short, similar keys: no two alike in 64 bits, and buckets by the low bits filled evenly.
static void test_spread(void **state)
{
    (void)state;
    enum { N = 1 << 16 };
    uint64_t *hashes = malloc(N * sizeof *hashes);
    assert_non_null(hashes);
    static unsigned bucket[1 << 12];
    for (unsigned i = 0; i < N; i++) {
        char key[16];
        int len = snprintf(key, sizeof key, "%u", i);
        hashes[i] = hash_bytes(key, (size_t)len, 0);
        bucket[hashes[i] & 0xFFF]++;
    }
    double chi = 0;
    for (size_t i = 0; i < 1 << 12; i++) chi += (bucket[i] - 16.0) * (bucket[i] - 16.0) / 16;
    assert_true(chi > 4095 - 450 && chi < 4095 + 450); // five standard deviations of sqrt(2 * 4095)
    qsort(hashes, N, sizeof *hashes, by_value);
    for (size_t i = 1; i < N; i++) assert_true(hashes[i] != hashes[i - 1]);
    free(hashes);
}

// A word that makes a factor zero must not hide what came before it.
static void test_zero_factor(void **state)
{
    (void)state;
    const uint64_t k1 = 0x13198A2E03707345u; // the constant that an input can meet
    unsigned char a[48] = {1}, b[48] = {2};
    for (int i = 0; i < 8; i++) a[16 + i] = b[16 + i] = (unsigned char)(k1 >> 8 * i);
    assert_true(hash_bytes(a, 48, 0) != hash_bytes(b, 48, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256), cmocka_unit_test(test_known),       cmocka_unit_test(test_avalanche),
        cmocka_unit_test(test_spread), cmocka_unit_test(test_zero_factor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
