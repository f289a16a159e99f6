// make FILE BYTES: writes a CSV file of about so many bytes, always the same: whole numbers, reals, categories, dates,
// booleans, some texts with quotes, some values missing.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/rng.h"
#include "data/value.h"

static char line[4096];
static size_t n;

static void put(const char *text)
{
    size_t len = strlen(text);
    memcpy(line + n, text, len);
    n += len;
}

static void put_i64(int64_t value)
{
    n += decimal_format_i64(value, line + n);
}

static void put_f64(double value)
{
    n += decimal_format_f64(value, line + n);
}

static void next(void)
{
    line[n++] = ',';
}

static const char *const carriers[] = {"AA", "AS", "B6", "DL", "F9", "G4", "HA",
                                       "NK", "UA", "WN", "EV", "MQ", "OO", "YX"};
static const char *const states[] = {"on time", "delayed", "cancelled", "diverted"};
static const char *const syllables[] = {"ber", "gen", "os", "lo",  "stock", "holm", "tur",
                                        "ku",  "al",  "ta", "rei", "vik",   "mal",  "mo"};
static const char *const words[] = {"the",  "gate", "was",  "closed", "because", "of",     "heavy",
                                    "snow", "crew", "late", "from",   "last",    "flight", "waited",
                                    "for",  "fuel", "and",  "bags",   "again",   "today"};
enum { N_CARRIERS = 14, N_STATES = 4, N_SYLLABLES = 14, N_WORDS = 20, N_CITIES = 400 };

static void put_city(uint64_t city)
{
    size_t start = n;
    for (int i = 0; i < 3; i++, city /= N_SYLLABLES) put(syllables[city % N_SYLLABLES]);
    line[start] = (char)(line[start] - 'a' + 'A');
}

static void put_comment(rng *r)
{
    bool quoted = rng_below(r, 4) == 0;
    size_t n_words = 3 + rng_below(r, 6);
    if (quoted) put("\"");
    for (size_t i = 0; i < n_words; i++) {
        if (i) put(quoted && i == 2 ? ", " : " ");
        put(words[rng_below(r, N_WORDS)]);
    }
    if (quoted) put("\"");
}

static void put_row(rng *r, int64_t row)
{
    put_i64(row), next();
    put(carriers[rng_below(r, N_CARRIERS)]), next();
    put_i64(1 + (int64_t)rng_below(r, 9999)), next();
    n += format_datetime(1577836800000 + (int64_t)rng_below(r, 366 * 24 * 60) * 60000, line + n), next();
    put_city(rng_below(r, N_CITIES) * 7), next();
    put_city(rng_below(r, N_CITIES) * 7), next();
    put_i64(50 + (int64_t)rng_below(r, 5000)), next();
    if (rng_below(r, 30)) put_i64((int64_t)rng_below(r, 700) - 60);
    next();
    if (rng_below(r, 30)) put_f64((double)rng_below(r, 200000) / 100);
    next();
    put_f64((double)rng_below(r, 180000000) / 1000000 - 90), next();
    put_f64((double)rng_below(r, 360000000) / 1000000 - 180), next();
    put_f64(rng_normal(r)), next();
    put(rng_below(r, 3) ? "true" : "false"), next();
    put(states[rng_below(r, 10) ? 0 : rng_below(r, N_STATES)]), next();
    if (rng_below(r, 10) == 0) put_comment(r);
    put("\n");
}

int main(int argc, char **argv)
{
    if (argc != 3) return fprintf(stderr, "usage: make FILE BYTES\n"), 2;
    double bytes_max = 0;
    if (decimal_parse_f64(str_of(argv[2]), &bytes_max) < 0) return fprintf(stderr, "make: BYTES is a number\n"), 2;
    FILE *f = fopen(argv[1], "wb");
    if (!f) return perror(argv[1]), 1;
    put("id,carrier,flight,departure,origin,destination,distance,delay,price,latitude,longitude,score,full,state,"
        "comment\n");
    rng r = rng_new(42, 0);
    double written = 0;
    for (int64_t row = 1; written < bytes_max; row++) {
        put_row(&r, row);
        if (fwrite(line, 1, n, f) != n) return perror(argv[1]), 1;
        written += (double)n;
        n = 0;
    }
    if (fclose(f) != 0) return perror(argv[1]), 1;
    return 0;
}
