// Values as text. Calendar arithmetic by days since the epoch in eras of 400 years, no table, no locale, no time zone.
// SPDX-License-Identifier: Apache-2.0
#include "data/value.h"

#include <math.h>
#include <stdbool.h>

#include "base/decimal.h"

str str_trim(str text)
{
    while (text.len && (text.data[0] == ' ' || text.data[0] == '\t')) text.data++, text.len--;
    while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) text.len--;
    return text;
}

static bool same_letters(str text, const char *lower)
{
    size_t i = 0;
    for (; i < text.len && lower[i]; i++) {
        char c = text.data[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c + ('a' - 'A'));
        if (c != lower[i]) return false;
    }
    return i == text.len && !lower[i];
}

int parse_f64(str text, double *out)
{
    text = str_trim(text);
    if (decimal_parse_f64(text, out) == 0) return 0;
    bool negative = text.len && text.data[0] == '-';
    if (text.len && (negative || text.data[0] == '+')) text.data++, text.len--;
    if (!same_letters(text, "inf") && !same_letters(text, "infinity")) return ERR_INPUT;
    *out = negative ? -INFINITY : INFINITY;
    return 0;
}

int parse_i64(str text, int64_t *out)
{
    int64_t value;
    TRY(decimal_parse_i64(str_trim(text), &value));
    if (value == INT64_MIN) return ERR_LIMIT;
    *out = value;
    return 0;
}

int parse_boolean(str text, int64_t *out)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"f", "t"}, {"n", "y"}};
    text = str_trim(text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        for (int64_t value = 0; value < 2; value++)
            if (same_letters(text, words[i][value])) return *out = value, 0;
    return ERR_INPUT;
}

// A number of exactly n digits at the front of *text, which moves past it; -1 if there is none.
static int take_digits(str *text, size_t n)
{
    if (text->len < n) return -1;
    int value = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text->data[i];
        if (c < '0' || c > '9') return -1;
        value = value * 10 + (c - '0');
    }
    text->data += n;
    text->len -= n;
    return value;
}

static bool take_char(str *text, char c)
{
    if (text->len == 0 || text->data[0] != c) return false;
    text->data++;
    text->len--;
    return true;
}

static bool leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// Years start in March here, so that the day that comes and goes is their last.
static int64_t days_of_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

enum { MS_SECOND = 1000, MS_MINUTE = 60 * MS_SECOND, MS_HOUR = 60 * MS_MINUTE, MS_DAY = 24 * MS_HOUR };

static int take_date(str *text, int64_t *ms)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = take_digits(text, 4);
    if (year < 0 || !take_char(text, '-')) return ERR_INPUT;
    int month = take_digits(text, 2);
    if (month < 1 || month > 12 || !take_char(text, '-')) return ERR_INPUT;
    int day = take_digits(text, 2);
    if (day < 1 || day > lengths[month - 1] + (month == 2 && leap(year))) return ERR_INPUT;
    *ms = days_of_date(year, month, day) * MS_DAY;
    return 0;
}

static int take_time(str *text, int64_t *ms)
{
    int hour = take_digits(text, 2);
    if (hour < 0 || hour > 23 || !take_char(text, ':')) return ERR_INPUT;
    int minute = take_digits(text, 2);
    if (minute < 0 || minute > 59) return ERR_INPUT;
    *ms += (int64_t)hour * MS_HOUR + (int64_t)minute * MS_MINUTE;
    if (!take_char(text, ':')) return 0;
    int second = take_digits(text, 2);
    if (second < 0 || second > 60) return ERR_INPUT; // 60: a leap second counts as the next minute's first
    *ms += (int64_t)second * MS_SECOND;
    if (!take_char(text, '.') && !take_char(text, ',')) return 0;
    int digit = take_digits(text, 1);
    if (digit < 0) return ERR_INPUT;
    for (int unit = 100; digit >= 0; digit = take_digits(text, 1), unit /= 10) *ms += (int64_t)digit * unit;
    return 0;
}

static int take_zone(str *text, int64_t *ms)
{
    if (text->len == 0 || take_char(text, 'Z') || take_char(text, 'z')) return 0;
    bool east = take_char(text, '+');
    if (!east && !take_char(text, '-')) return ERR_INPUT;
    int hours = take_digits(text, 2), minutes = 0;
    if (hours < 0 || hours > 23) return ERR_INPUT;
    if (take_char(text, ':') || text->len) minutes = take_digits(text, 2);
    if (minutes < 0 || minutes > 59) return ERR_INPUT;
    int64_t offset = (int64_t)hours * MS_HOUR + (int64_t)minutes * MS_MINUTE;
    *ms += east ? -offset : offset;
    return 0;
}

int parse_datetime(str text, int64_t *utc_ms)
{
    text = str_trim(text);
    int64_t ms;
    TRY(take_date(&text, &ms));
    if (text.len) {
        if (!take_char(&text, 'T') && !take_char(&text, 't') && !take_char(&text, ' ')) return ERR_INPUT;
        TRY(take_time(&text, &ms));
        TRY(take_zone(&text, &ms));
        if (text.len) return ERR_INPUT;
    }
    *utc_ms = ms;
    return 0;
}

static char *put_digits(char *to, int64_t value, size_t n)
{
    for (size_t i = n; i-- > 0; value /= 10) to[i] = (char)('0' + value % 10);
    return to + n;
}

size_t format_datetime(int64_t utc_ms, char text[DATETIME_TEXT_SIZE])
{
    const int64_t first = -62167219200000, last = 253402300799999; // 0000-01-01 to 9999-12-31
    if (utc_ms < first || utc_ms > last) return decimal_format_i64(utc_ms, text);
    int64_t days = utc_ms / MS_DAY, ms = utc_ms % MS_DAY;
    if (ms < 0) ms += MS_DAY, days--;
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; // from March
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    char *p = put_digits(text, year_of_era + era * 400 + (month <= 2), 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, ms / MS_HOUR, 2);
    *p++ = ':';
    p = put_digits(p, ms / MS_MINUTE % 60, 2);
    *p++ = ':';
    p = put_digits(p, ms / MS_SECOND % 60, 2);
    if (ms % MS_SECOND) {
        *p++ = '.';
        p = put_digits(p, ms % MS_SECOND, 3);
    }
    *p++ = 'Z';
    return (size_t)(p - text);
}
