// Numbers to text by Schubfach (Giulietti, "The Schubfach way to render doubles", 2020); text to numbers by Clinger's
// fast path, then Eisel-Lemire (Lemire, "Number parsing at a gigabyte per second", 2021), then exact big integers.
// SPDX-License-Identifier: Apache-2.0
#include "base/decimal.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/decimal_table.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight digits are read as one little-endian word");

__extension__ typedef unsigned __int128 u128;

// 10^q times a power of two, as 128 bits, rounded down.
static u128 power_down(int q)
{
    const uint64_t *p = decimal_powers[q - POWER_FIRST];
    return (u128)p[0] << 64 | p[1];
}

enum { POWER_EXACT_LAST = 55 }; // 10^0 to 10^55 are exact in 128 bits

static int floor_log2_pow10(int q) // |q| <= 1233
{
    return (q * 1741647) >> 19;
}

// ---- numbers to text ----

typedef struct decimal { // digits * 10^exponent
    uint64_t digits;
    int exponent;
} decimal;

// floor(g * cp / 2^128), with the lowest bit set if something was lost.
static uint64_t product_to_odd_f64(u128 g, uint64_t cp)
{
    u128 low = (u128)(uint64_t)g * cp;
    u128 high = (u128)(uint64_t)(g >> 64) * cp + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static uint64_t product_to_odd_f32(u128 g, uint64_t cp)
{
    // 64 bits of the power suffice: rounded up, as the whole is.
    uint64_t top = (uint64_t)(g >> 64) + ((uint64_t)g != 0);
    u128 product = (u128)top * cp;
    return (uint64_t)(product >> 64) | ((uint32_t)(product >> 32) > 1);
}

// The shortest decimal in the rounding interval of c * 2^q (figure 7 of the paper). `narrow`: the interval reaches only
// half as far below, because c is a power of two.
static inline decimal shortest(uint64_t c, int q, bool narrow, uint64_t (*product_to_odd)(u128, uint64_t))
{
    bool odd = c & 1;
    int k = (q * 1262611 - (narrow ? 524031 : 0)) >> 22; // floor(log10(2^q)), or of 3/4 * 2^q
    int h = q + floor_log2_pow10(-k) + 1;
    u128 g = power_down(-k);
    if (-k < 0 || -k > POWER_EXACT_LAST) g++;
    uint64_t value = product_to_odd(g, (4 * c) << h);
    uint64_t lower = product_to_odd(g, (4 * c - 2 + narrow) << h) + odd; // an even c owns the ends of its interval
    uint64_t upper = product_to_odd(g, (4 * c + 2) << h) - odd;

    uint64_t s = value / 4;
    if (s >= 10) { // one digit less, if exactly one of the two neighbours is inside
        uint64_t ten = s / 10;
        bool down = lower <= 40 * ten;
        bool up = 40 * ten + 40 <= upper;
        if (down != up) return (decimal){ten + up, k + 1};
    }
    bool down = lower <= 4 * s;
    bool up = 4 * s + 4 <= upper;
    if (down != up) return (decimal){s + up, k};
    uint64_t middle = 4 * s + 2;
    return (decimal){s + (value > middle || (value == middle && (s & 1))), k};
}

static const char two_digits[201] = "00010203040506070809101112131415161718192021222324"
                                    "25262728293031323334353637383940414243444546474849"
                                    "50515253545556575859606162636465666768697071727374"
                                    "75767778798081828384858687888990919293949596979899";

static void put_eight(char *to, uint32_t value) // below 10^8
{
    uint32_t high = value / 10000, low = value % 10000;
    memcpy(to, two_digits + 2 * (high / 100), 2);
    memcpy(to + 2, two_digits + 2 * (high % 100), 2);
    memcpy(to + 4, two_digits + 2 * (low / 100), 2);
    memcpy(to + 6, two_digits + 2 * (low % 100), 2);
}

static size_t put_u64(char *to, uint64_t value)
{
    char all[24]; // zero-filled from the left, the number at the end
    enum { N = 24, EIGHT = 100000000 };
    size_t at = N;
    while (value >= EIGHT) {
        at -= 8;
        put_eight(all + at, (uint32_t)(value % EIGHT));
        value /= EIGHT;
    }
    at -= 8;
    put_eight(all + at, (uint32_t)value);
    while (at < N - 1 && all[at] == '0') at++;
    memcpy(to, all + at, N - at);
    return N - at;
}

static size_t put_fill(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return n;
}

enum { POSITION_MIN = -5, POSITION_MAX = 21 }; // of the point, where numbers are written without an exponent

static size_t put_decimal(char *to, decimal d)
{
    char digits[24];
    size_t n = put_u64(digits, d.digits);
    while (n > 1 && digits[n - 1] == '0') n--, d.exponent++;
    int length = (int)n, point = length + d.exponent; // digits before the point
    char *p = to;
    if (point >= length && point <= POSITION_MAX) {
        memcpy(p, digits, n);
        memset(p + n, '0', (size_t)(point - length));
        return (size_t)point;
    }
    if (point > 0 && point < length) {
        memcpy(p, digits, (size_t)point);
        p[point] = '.';
        memcpy(p + point + 1, digits + point, (size_t)(length - point));
        return n + 1;
    }
    if (point <= 0 && point >= POSITION_MIN) {
        memcpy(p, "0.00000", 7);
        p += 2 - point;
        memcpy(p, digits, n);
        return (size_t)(p - to) + n;
    }
    *p++ = digits[0];
    if (n > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, n - 1);
        p += n - 1;
    }
    *p++ = 'e';
    int exponent = point - 1;
    if (exponent < 0) *p++ = '-', exponent = -exponent;
    p += put_u64(p, (uint64_t)exponent);
    return (size_t)(p - to);
}

// A binary format: `bits` without the sign, its numbers of bits, and the power of two of the last bit of exponent 0.
typedef struct binary {
    int mantissa_bits, exponent_ones, bias;
} binary;

static inline size_t put_binary(char *to, uint64_t bits, bool negative, binary form,
                                uint64_t (*product_to_odd)(u128, uint64_t))
{
    uint64_t hidden = (uint64_t)1 << form.mantissa_bits;
    uint64_t mantissa = bits & (hidden - 1);
    int exponent = (int)(bits >> form.mantissa_bits);
    if (exponent == form.exponent_ones && mantissa) return put_fill(to, "nan");
    size_t n = 0;
    if (negative) to[n++] = '-';
    if (exponent == form.exponent_ones) return n + put_fill(to + n, "inf");
    if (bits == 0) return n + put_fill(to + n, "0");
    uint64_t c = exponent ? mantissa | hidden : mantissa;
    int q = (exponent ? exponent : 1) - form.bias;
    if (q <= 0 && -q <= form.mantissa_bits && (c & (((uint64_t)1 << -q) - 1)) == 0)
        return n + put_decimal(to + n, (decimal){c >> -q, 0}); // an integer of few enough bits is its own shortest
    return n + put_decimal(to + n, shortest(c, q, mantissa == 0 && exponent > 1, product_to_odd));
}

size_t decimal_format_f64(double value, char text[DECIMAL_TEXT_SIZE])
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    static const binary form = {.mantissa_bits = 52, .exponent_ones = 2047, .bias = 1075};
    return put_binary(text, bits & (UINT64_MAX >> 1), bits >> 63, form, product_to_odd_f64);
}

size_t decimal_format_f32(float value, char text[DECIMAL_TEXT_SIZE])
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    static const binary form = {.mantissa_bits = 23, .exponent_ones = 255, .bias = 150};
    return put_binary(text, bits & (UINT32_MAX >> 1), bits >> 31, form, product_to_odd_f32);
}

size_t decimal_format_i64(int64_t value, char text[DECIMAL_TEXT_SIZE])
{
    size_t n = 0;
    if (value < 0) text[n++] = '-';
    return n + put_u64(text + n, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

// ---- text to numbers ----

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static inline uint64_t load_eight(const char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline bool eight_digits(uint64_t word)
{
    const uint64_t high = 0xF0F0F0F0F0F0F0F0u, zeros = 0x3030303030303030u;
    return (word & high) == zeros && ((word + 0x0606060606060606u) & high) == zeros;
}

static inline uint64_t eight_value(uint64_t word) // pairs, then fours, then all eight, in three products
{
    word -= 0x3030303030303030u;
    word = word * 10 + (word >> 8);
    const uint64_t mask = 0x000000FF000000FFu;
    return (((word & mask) * (100 + (1000000ULL << 32))) + (((word >> 16) & mask) * (1 + (10000ULL << 32)))) >> 32;
}

enum { MANTISSA_BITS = 52, BIAS = 1023, EXPONENT_ONES = 2047, DIGITS_U64 = 19 };
static const uint64_t HIDDEN = (uint64_t)1 << MANTISSA_BITS;
static const uint64_t INFINITE = (uint64_t)EXPONENT_ONES << MANTISSA_BITS;

static int binary_exponent(int q, int leading_zeros) // biased, of w * 10^q with w moved up by its leading zeros
{
    return floor_log2_pow10(q) + 63 - leading_zeros + BIAS;
}

// The bits of w * 10^q rounded to nearest, or false where 128 bits cannot tell (section 5 of Lemire's paper).
static bool nearest_f64(uint64_t w, int q, uint64_t *bits)
{
    if (w == 0 || q < POWER_FIRST) return *bits = 0, true;
    if (q > 308) return *bits = INFINITE, true;
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    const uint64_t *power = decimal_powers[q - POWER_FIRST];
    u128 product = (u128)w * power[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1FF) == 0x1FF) {                           // the bits below could carry into those that count
        uint64_t power_low = power[1] + (q < 0 && q >= -27); // there quotients are exact if rounded up
        uint64_t more = (uint64_t)(((u128)w * power_low) >> 64);
        low += more;
        high += low < more;
    }
    if (low == UINT64_MAX && (q < -27 || q > POWER_EXACT_LAST)) return false;
    int top = (int)(high >> 63);
    uint64_t m = high >> (top + 9); // 54 bits: one to round by
    int exponent = binary_exponent(q, zeros) + top;
    if (exponent <= 0) { // subnormal
        if (1 - exponent >= 64) return *bits = 0, true;
        m >>= 1 - exponent;
        m += m & 1;
        *bits = m >> 1; // carries into exponent 1 by itself
        return true;
    }
    // Halfway between two doubles, exactly: to even. Only these powers have quotients that short.
    if (low <= 1 && q >= -4 && q <= 23 && (m & 3) == 1 && m << (top + 9) == high) m &= ~(uint64_t)1;
    m += m & 1;
    m >>= 1;
    if (m >= HIDDEN << 1) m >>= 1, exponent++;
    *bits = exponent >= EXPONENT_ONES ? INFINITE : (uint64_t)exponent << MANTISSA_BITS | (m & (HIDDEN - 1));
    return true;
}

// The bits of a double that is not above w * 10^q, and at most two below the nearest.
static uint64_t lower_f64(uint64_t w, int q)
{
    if (w == 0 || q < POWER_FIRST) return 0;
    if (q > 308) return INFINITE;
    int zeros = __builtin_clzll(w);
    uint64_t high = (uint64_t)(((u128)(w << zeros) * decimal_powers[q - POWER_FIRST][0]) >> 64);
    int top = (int)(high >> 63);
    uint64_t m = high >> (top + 10);
    int exponent = binary_exponent(q, zeros) + top;
    if (exponent >= EXPONENT_ONES) return INFINITE;
    if (exponent <= 0) return 1 - exponent >= 64 ? 0 : m >> (1 - exponent);
    return (uint64_t)exponent << MANTISSA_BITS | (m & (HIDDEN - 1));
}

// Big natural numbers, for the few texts that lie too near to the middle between two doubles.
enum { LIMBS_MAX = 96, DIGITS_MAX = 800 }; // 6,144 bits hold 801 digits times any power that is left to compare

typedef struct big {
    size_t n;
    uint64_t limbs[LIMBS_MAX]; // the lowest first
} big;

static void big_multiply_add(big *b, uint64_t factor, uint64_t add)
{
    uint64_t carry = add;
    for (size_t i = 0; i < b->n; i++) {
        u128 product = (u128)b->limbs[i] * factor + carry;
        b->limbs[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
    if (!carry) return;
    assert(b->n < LIMBS_MAX);
    b->limbs[b->n++] = carry;
}

static void big_multiply_pow5(big *b, unsigned power)
{
    static const uint64_t five_27 = 7450580596923828125u;
    for (; power >= 27; power -= 27) big_multiply_add(b, five_27, 0);
    uint64_t rest = 1;
    while (power--) rest *= 5;
    big_multiply_add(b, rest, 0);
}

static void big_shift_up(big *b, unsigned bits)
{
    if (b->n == 0) return;
    size_t limbs = bits / 64;
    assert(b->n + limbs < LIMBS_MAX);
    memmove(b->limbs + limbs, b->limbs, b->n * sizeof *b->limbs);
    memset(b->limbs, 0, limbs * sizeof *b->limbs);
    b->n += limbs;
    big_multiply_add(b, (uint64_t)1 << bits % 64, 0);
}

static int big_compare(const big *a, const big *b)
{
    if (a->n != b->n) return a->n > b->n ? 1 : -1;
    for (size_t i = a->n; i-- > 0;)
        if (a->limbs[i] != b->limbs[i]) return a->limbs[i] > b->limbs[i] ? 1 : -1;
    return 0;
}

// digits * 10^exponent against the middle between the double of these bits and the next one.
static int compare_with_middle(const big *digits, int exponent, uint64_t bits)
{
    uint64_t mantissa = bits & (HIDDEN - 1);
    int q = (int)(bits >> MANTISSA_BITS);
    if (q) mantissa |= HIDDEN;
    q = (q ? q : 1) - BIAS - MANTISSA_BITS - 1;
    big left = *digits;
    big right = {.n = 1, .limbs = {2 * mantissa + 1}};
    if (exponent >= 0)
        big_multiply_pow5(&left, (unsigned)exponent);
    else
        big_multiply_pow5(&right, (unsigned)-exponent);
    int shift = exponent - q;
    if (shift >= 0)
        big_shift_up(&left, (unsigned)shift);
    else
        big_shift_up(&right, (unsigned)-shift);
    return big_compare(&left, &right);
}

// A number whose digits do not all fit into 64 bits, or that 128 bits cannot round. text: digits and at most one point,
// from the first digit that is not zero; exponent: of the last digit.
static uint64_t exact_f64(str text, int64_t exponent)
{
    big digits = {0};
    uint64_t lead = 0; // the first digits, rounded down
    size_t n = 0, n_lead = 0, n_total = 0;
    bool dropped = false;
    for (size_t i = 0; i < text.len; i++) n_total += text.data[i] != '.';
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '.') continue;
        unsigned digit = (unsigned)(text.data[i] - '0');
        if (n < DIGITS_MAX) {
            big_multiply_add(&digits, 10, digit);
            n++;
        } else {
            dropped |= digit != 0;
        }
        if (n_lead < DIGITS_U64) lead = lead * 10 + digit, n_lead++;
    }
    int64_t lead_exponent = exponent + (int64_t)(n_total - n_lead);
    if (lead_exponent < POWER_FIRST) return 0;
    if (lead_exponent > 308) return INFINITE;
    exponent += (int64_t)(n_total - n);
    if (dropped) { // what was dropped lies between this and the next: any digit in between compares alike
        big_multiply_add(&digits, 10, 1);
        exponent--;
    }
    uint64_t bits = lower_f64(lead, (int)lead_exponent);
    while (bits < INFINITE) {
        int order = compare_with_middle(&digits, (int)exponent, bits);
        if (order < 0 || (order == 0 && (bits & 1) == 0)) break;
        bits++;
    }
    return bits;
}

static double double_of(uint64_t bits, bool negative)
{
    bits |= (uint64_t)negative << 63;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const char *scan_exponent(const char *p, const char *end, int64_t *exponent) // NULL: no digit
{
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end || !is_digit(*p)) return NULL;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++)
        if (value < INT32_MAX) value = value * 10 + (*p - '0'); // far past every double already
    *exponent += negative ? -value : value;
    return p;
}

static inline size_t scan(str text, bool json, double *out)
{
    const char *p = text.data, *end = p + text.len;
    if (text.len == 0) return 0;
    bool negative = *p == '-';
    if (negative || (!json && *p == '+')) p++;
    const char *first = p;
    uint64_t w = 0; // wraps past 19 digits; looked at only below that
    while (p < end && is_digit(*p)) w = w * 10 + (uint64_t)(*p++ - '0');
    size_t n_digits = (size_t)(p - first);
    if (json && (n_digits == 0 || (n_digits > 1 && *first == '0'))) return 0;
    int64_t exponent = 0;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        while (end - p >= 8) {
            uint64_t word = load_eight(p);
            if (!eight_digits(word)) break;
            w = w * 100000000 + eight_value(word);
            p += 8;
        }
        while (p < end && is_digit(*p)) w = w * 10 + (uint64_t)(*p++ - '0');
        exponent = fraction - p;
        if (json && exponent == 0) return 0;
        n_digits += (size_t)(p - fraction);
    }
    if (n_digits == 0) return 0;
    const char *last = p; // of the digits
    if (p < end && (*p == 'e' || *p == 'E')) {
        const char *after = scan_exponent(p + 1, end, &exponent);
        if (!after && json) return 0;
        if (after) p = after;
    }
    size_t len = (size_t)(p - text.data);
    if (n_digits > DIGITS_U64) { // zeros in front do not count
        while (first < last && (*first == '0' || *first == '.')) n_digits -= *first++ == '0';
        if (n_digits > DIGITS_U64) {
            *out = double_of(exact_f64((str){first, (size_t)(last - first)}, exponent), negative);
            return len;
        }
    }
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (exponent >= -22 && exponent <= 22 && w <= HIDDEN << 1) { // both exact: one rounding (Clinger, 1990)
        double value = exponent < 0 ? (double)w / powers[-exponent] : (double)w * powers[exponent];
        *out = negative ? -value : value;
        return len;
    }
    int q = exponent < -2000 ? -2000 : exponent > 2000 ? 2000 : (int)exponent;
    uint64_t bits;
    if (!nearest_f64(w, q, &bits)) {
        while (first < last && (*first == '0' || *first == '.')) first++;
        bits = exact_f64((str){first, (size_t)(last - first)}, exponent);
    }
    *out = double_of(bits, negative);
    return len;
}

size_t decimal_scan_f64(str text, double *out)
{
    return scan(text, false, out);
}

size_t decimal_scan_json(str text, double *out)
{
    return scan(text, true, out);
}

int decimal_parse_f64(str text, double *out)
{
    double value;
    size_t n = scan(text, false, &value);
    if (n == 0 || n != text.len) return ERR_INPUT;
    *out = value;
    return 0;
}

int decimal_parse_i64(str text, int64_t *out)
{
    const char *p = text.data, *end = p + text.len;
    if (text.len == 0) return ERR_INPUT;
    bool negative = *p == '-';
    if (negative || *p == '+') p++;
    if (p == end) return ERR_INPUT;
    uint64_t value = 0;
    bool too_large = false;
    for (; p < end; p++) {
        if (!is_digit(*p)) return ERR_INPUT;
        too_large |= __builtin_mul_overflow(value, 10, &value);
        too_large |= __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
    }
    if (too_large || value > (uint64_t)INT64_MAX + negative) return ERR_LIMIT;
    *out = negative ? (int64_t)-value : (int64_t)value;
    return 0;
}
