// One line an event, formatted on the stack and sent by one write, so that lines of threads do not mix.
// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/utf8.h"

enum { DETAILS_MAX = 2048, LINE_MAX_BYTES = 6 * DETAILS_MAX + 512 }; // a byte is escaped by at most 6

// Written by log_init() before any thread starts, only read afterwards.
static struct {
    log_level least;
    log_form form;
    bool colour;
} settings = {.least = LOG_INFO, .form = LOG_TEXT};

typedef struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
} line;

void log_init(log_level least, log_form form)
{
    const char *no_color = getenv("NO_COLOR");
    settings.least = least;
    settings.form = form;
    settings.colour = form == LOG_TEXT && isatty(STDERR_FILENO) && !(no_color && *no_color);
}

static void put(line *l, const char *text, size_t len)
{
    if (len > sizeof l->text - l->len) len = sizeof l->text - l->len;
    memcpy(l->text + l->len, text, len);
    l->len += len;
}

static void put_text(line *l, const char *text)
{
    put(l, text, strlen(text));
}

// C0 and C1 controls and DEL: what a terminal could obey.
static bool is_control(const unsigned char *p, size_t len)
{
    return (len == 1 && (p[0] < 0x20 || p[0] == 0x7F)) || (len == 2 && p[0] == 0xC2 && p[1] < 0xA0);
}

static void put_escaped(line *l, str s, bool json)
{
    while (s.len > 0) {
        const unsigned char *p = (const unsigned char *)s.data;
        char escaped[8];
        size_t len = utf8_char_len(s);
        if (len == 0) {
            len = 1;
            if (json)
                put_text(l, "\\ufffd");
            else
                snprintf(escaped, sizeof escaped, "\\x%02x", p[0]), put_text(l, escaped);
        } else if (is_control(p, len)) {
            snprintf(escaped, sizeof escaped, json ? "\\u%04x" : "\\x%02x", len == 1 ? p[0] : p[1]);
            put_text(l, escaped);
        } else {
            if (p[0] == '\\' || (json && p[0] == '"')) put(l, "\\", 1);
            put(l, s.data, len);
        }
        s.data += len;
        s.len -= len;
    }
}

static void send(const line *l)
{
    // A log that cannot be written has nowhere to complain: the line is lost, the program goes on.
    for (size_t at = 0; at < l->len;) {
        ssize_t n = write(STDERR_FILENO, l->text + at, l->len - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        at += (size_t)n;
    }
}

void log_event(log_level level, const char *event, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    static const char *const colours[] = {"\033[2m", "", "\033[33m", "\033[31m"};
    if (level < settings.least) return;
    int errno_before = errno;

    char details[DETAILS_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(details, sizeof details, format, args);
    va_end(args);
    if (n < 0) n = 0;
    str shown = {details, (size_t)n < sizeof details ? (size_t)n : sizeof details - 1};
    bool cut = shown.len < (size_t)n;
    if (cut) shown.len = utf8_whole_len(shown);

    char time[CLOCK_TEXT_SIZE];
    clock_format_utc(clock_utc_ms(), time);
    line l;
    l.len = 0;
    bool json = settings.form == LOG_JSON;
    if (json) {
        put_text(&l, "{\"time\":\"");
        put_text(&l, time);
        put_text(&l, "\",\"level\":\"");
        put_text(&l, names[level]);
        put_text(&l, "\",\"event\":\"");
        put_escaped(&l, str_of(event), true);
        put_text(&l, "\",\"details\":\"");
        put_escaped(&l, shown, true);
        put_text(&l, cut ? "...\"}\n" : "\"}\n");
    } else {
        put_text(&l, time);
        put_text(&l, " ");
        if (settings.colour) put_text(&l, colours[level]);
        put_text(&l, names[level]);
        if (settings.colour) put_text(&l, "\033[0m");
        put_text(&l, " ");
        put_escaped(&l, str_of(event), false);
        if (shown.len > 0) put_text(&l, ": ");
        put_escaped(&l, shown, false);
        put_text(&l, cut ? "...\n" : "\n");
    }
    send(&l);
    errno = errno_before;
}
