// Two clocks of the system, and one way to write a moment down.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // CLOCK_REALTIME_COARSE
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static struct timespec now(clockid_t id)
{
    struct timespec t = {0};
    clock_gettime(id, &t); // both clocks exist on every Linux
    return t;
}

uint64_t clock_monotonic_ns(void)
{
    struct timespec t = now(CLOCK_MONOTONIC);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_thread_ns(void)
{
    struct timespec t = now(CLOCK_THREAD_CPUTIME_ID);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t clock_utc_ms(void)
{
    struct timespec t = now(CLOCK_REALTIME);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_coarse_ms(void)
{
    struct timespec t = now(CLOCK_REALTIME_COARSE);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *clock_format_utc(int64_t utc_ms, char text[CLOCK_TEXT_SIZE])
{
    // Round down, also before 1970.
    int64_t seconds = utc_ms / 1000, ms = utc_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    // Days to a date of the proleptic Gregorian calendar: count from 1 March of year 0, so that the leap day is last.
    int64_t day = seconds / 86400, second = seconds % 86400;
    if (second < 0) {
        second += 86400;
        day--;
    }
    day += 719468; // days from 0000-03-01 to 1970-01-01
    int64_t era = (day >= 0 ? day : day - 146096) / 146097;
    int64_t day_of_era = day - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; // 0 is March
    int64_t day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month >= 10);
    month = month < 10 ? month + 3 : month - 9;
    if (year < -99999 || year > 999999) {
        snprintf(text, CLOCK_TEXT_SIZE, "%" PRId64 " ms", utc_ms); // no date that anybody could mean
        return text;
    }
    snprintf(text, CLOCK_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month, (int)day_of_month,
             (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60), (int)ms);
    return text;
}
