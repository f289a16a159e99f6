// slipway top: what a running server does, now.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/remote.h"
#include "cmd/settings.h"
#include "cmd/top_sample.h"

enum {
    METRICS_BYTES_MAX = 64 << 20,
    ANSWER_MS = 10000,
    CELL_SIZE = 96,
    COLUMNS_N = 10,
    WIDTH_PLAIN = 200,
    SCREEN_BYTES_MAX = 4 << 20
};
static const size_t MEMORY_MAX = (size_t)1 << 30;
enum { KEY_SERVER = KEYS_COMMAND, KEY_KEY_FILE, KEY_CA, KEY_ONCE, KEY_INTERVAL };

// The other screen, without a cursor; and back.
#define ENTER "\x1b[?1049h\x1b[?25l"
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define LINE_END "\x1b[K\r\n"

typedef struct top_input {
    const char *server, *key_file, *ca;
    bool once;
    double interval_s;
} top_input;

static const struct argp_option options[] = {
    {"server", KEY_SERVER, "URL", 0, "The server to look at (default: the one over the data directory, by its socket)",
     1},
    {"key-file", KEY_KEY_FILE, "FILE", 0, "File with a key that may monitor (default: SLIPWAY_KEY)", 1},
    {"ca", KEY_CA, "FILE", 0, "Certificate to trust the server by (default: the system's)", 1},
    {"once", KEY_ONCE, 0, 0, "Look once and end; so does --json, and where standard output is no terminal", 1},
    {"interval", KEY_INTERVAL, "SECONDS", 0, "How long a look takes (default 1)", 1},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    top_input *in = state->input;
    switch (key) {
    case KEY_SERVER: in->server = value; return 0;
    case KEY_KEY_FILE: in->key_file = value; return 0;
    case KEY_CA: in->ca = value; return 0;
    case KEY_ONCE: in->once = true; return 0;
    case KEY_INTERVAL:
        if (decimal_parse_f64(str_of(value), &in->interval_s) < 0 || !(in->interval_s >= 0.1 && in->interval_s <= 3600))
            arguments_fail(state, "\"%s\" is no number of seconds from 0.1 to 3600", value);
        return 0;
    case ARGP_KEY_ARG: arguments_fail(state, "one word too many: \"%s\"", value); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc =
        "Shows what a running server does: requests, their times and failures, queues, memory, and each loaded "
        "version with the column that drifted furthest. Redrawn every second until Ctrl-C."
        "\vAn asterisk is at the version that answers requests which name none, a share at its canary. Times are of "
        "the last look; "
        "those of a version are of a sample of its requests, or since it was loaded where the look has none. \"-\" is "
        "what nobody knows yet.\n\n"
        "Examples:\n"
        "  slipway top\n"
        "  slipway top --once --json\n"
        "  slipway top --server https://models.example.org --key-file monitor.key\n",
    .children = children,
};

// ---- a look

typedef struct look {
    fetch_answer answer;
    scrape metrics;
    arena memory;
    uint64_t at_ns;
} look;

static void look_clear(look *l)
{
    buf_clear(&l->answer.body);
    arena_clear(&l->memory);
    *l = (look){.at_ns = 0};
}

static int look_take(look *l, const remote *from, err *e)
{
    *l = (look){.at_ns = 0};
    TRY(remote_ask(from,
                   &(remote_question){.method = "GET",
                                      .path = "metrics",
                                      .what = "metrics",
                                      .answer_max = METRICS_BYTES_MAX,
                                      .time_ms_max = ANSWER_MS},
                   &l->answer, e));
    l->at_ns = clock_monotonic_ns();
    arena_init(&l->memory, MEMORY_MAX);
    int rc = scrape_read(&l->metrics, buf_str(&l->answer.body), &l->memory, e);
    if (rc < 0) look_clear(l);
    return rc < 0 ? err_prefix(e, rc, "the server's answer") : 0;
}

// ---- texts

static const char *count_text(double n, char out[CELL_SIZE])
{
    char digits[COUNT_TEXT_SIZE];
    if (isnan(n))
        snprintf(out, CELL_SIZE, "-");
    else if (n < 10 && n != floor(n))
        snprintf(out, CELL_SIZE, "%.1f", n);
    else
        snprintf(out, CELL_SIZE, "%s", print_count((int64_t)fmin(n + 0.5, 9e15), digits));
    return out;
}

static const char *time_text(double s, char out[CELL_SIZE])
{
    if (isnan(s))
        snprintf(out, CELL_SIZE, "-");
    else if (s < 1e-3)
        snprintf(out, CELL_SIZE, "%.0f us", s * 1e6);
    else if (s < 1)
        snprintf(out, CELL_SIZE, "%.1f ms", s * 1e3);
    else
        snprintf(out, CELL_SIZE, "%.2f s", s);
    return out;
}

static const char *bytes_text(double n, char out[CELL_SIZE])
{
    char text[COUNT_TEXT_SIZE];
    snprintf(out, CELL_SIZE, "%s", isnan(n) ? "-" : print_bytes((int64_t)fmin(n, 9e15), text));
    return out;
}

// A name that a server told, without anything that a terminal would obey; the start of a long one.
static void name_text(str name, char out[CELL_SIZE])
{
    size_t n = name.len < CELL_SIZE / 2 ? name.len : CELL_SIZE / 2;
    while (n > 0 && n < name.len && ((unsigned char)name.data[n] & 0xC0) == 0x80) n--; // no half of a character
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool control = c < 0x20 || c == 0x7F || (c == 0xC2 && i + 1 < n && (unsigned char)name.data[i + 1] < 0xA0);
        out[i] = control ? '?' : (char)c;
    }
    out[n] = '\0';
}

static void drift_text(const top_version *v, char out[CELL_SIZE])
{
    char name[CELL_SIZE];
    name_text(v->column, name);
    if (v->unwatched)
        snprintf(out, CELL_SIZE, "no baseline");
    else if (isnan(v->drift))
        snprintf(out, CELL_SIZE, "-");
    else
        snprintf(out, CELL_SIZE, "%.2f %.60s", v->drift, name);
}

// ---- the screen

typedef struct screen {
    buf text;
    const char *line_end;
    size_t width, height, n_lines;
} screen;

static size_t text_width(const char *text) // characters: bytes that do not continue one
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

// A line, cut at the edge; none below the last.
static void add_line(screen *s, const char *line)
{
    size_t n = 0, at = 0;
    if (s->n_lines == s->height) return;
    for (; line[at]; at++) {
        bool starts = ((unsigned char)line[at] & 0xC0) != 0x80;
        if (starts && n == s->width) break;
        n += starts;
    }
    buf_add(&s->text, line, at);
    buf_add_text(&s->text, s->line_end);
    s->n_lines++;
}

static void add_totals(screen *s, const top_sample *t, const char *where)
{
    char line[512], a[CELL_SIZE], b[CELL_SIZE], c[CELL_SIZE], d[CELL_SIZE], f[CELL_SIZE], g[CELL_SIZE];
    snprintf(line, sizeof line, "%.200s", where);
    add_line(s, line);
    snprintf(line, sizeof line, "%s requests/s  %s rows/s  p50 %s  p99 %s  %s errors/s of clients  %s of the server",
             count_text(t->requests, a), count_text(t->rows, b), time_text(t->p50_s, c), time_text(t->p99_s, d),
             count_text(t->client_errors, f), count_text(t->server_errors, g));
    add_line(s, line);
    snprintf(line, sizeof line, "%s in flight  %s queued  %s connections  %s  %.2f processors",
             count_text(t->in_flight, a), count_text(t->queued, b), count_text(t->connections, c),
             bytes_text(t->memory, d), t->cpu);
    add_line(s, line);
    add_line(s, "");
}

typedef char cells[COLUMNS_N][CELL_SIZE];

static void fill_cells(cells out, const top_version *v)
{
    name_text(v->model, out[0]);
    if (isnan(v->canary))
        snprintf(out[1], CELL_SIZE, "%" PRId64 "%s", v->version, v->serving ? "*" : " ");
    else
        snprintf(out[1], CELL_SIZE, "%" PRId64 " %.3g%%", v->version, v->canary * 100);
    count_text(v->requests, out[2]);
    count_text(v->rows, out[3]);
    count_text(v->failed, out[4]);
    time_text(v->p50_s, out[5]);
    time_text(v->p99_s, out[6]);
    count_text(v->queued, out[7]);
    bytes_text(v->memory, out[8]);
    drift_text(v, out[9]);
}

static void add_row(screen *s, cells row, const size_t width[COLUMNS_N])
{
    char line[COLUMNS_N * (CELL_SIZE + 2)];
    size_t at = 0;
    for (size_t c = 0; c < COLUMNS_N; c++) {
        bool left = c == 0 || c + 1 == COLUMNS_N; // names stand left, numbers right
        int pad = (int)(width[c] - text_width(row[c]));
        at += (size_t)snprintf(line + at, sizeof line - at, "%s%*s%s", c ? "  " : "", left ? 0 : pad, "", row[c]);
        if (left && c == 0) at += (size_t)snprintf(line + at, sizeof line - at, "%*s", pad, "");
    }
    add_line(s, line);
}

static int add_versions(screen *s, const top_sample *t, arena *a, err *e)
{
    static const char *const head[COLUMNS_N] = {"MODEL", "VERSION", "REQUESTS/S", "ROWS/S", "FAILED/S",
                                                "P50",   "P99",     "QUEUED",     "MEMORY", "DRIFT"};
    size_t width[COLUMNS_N] = {0};
    cells *rows = arena_zalloc(a, t->n + 1, sizeof *rows);
    if (!rows) return err_set(e, ERR_MEMORY, "no memory for a table");
    for (size_t c = 0; c < COLUMNS_N; c++) snprintf(rows[0][c], CELL_SIZE, "%s", head[c]);
    for (size_t i = 0; i < t->n; i++) fill_cells(rows[i + 1], &t->versions[i]);
    for (size_t i = 0; i <= t->n; i++)
        for (size_t c = 0; c < COLUMNS_N; c++)
            if (text_width(rows[i][c]) > width[c]) width[c] = text_width(rows[i][c]);
    for (size_t i = 0; i <= t->n; i++) add_row(s, rows[i], width);
    return 0;
}

static screen screen_of(bool live)
{
    struct winsize size;
    screen s = {.line_end = live ? LINE_END : "\n", .width = WIDTH_PLAIN, .height = SIZE_MAX};
    if (live && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 1) {
        s.width = size.ws_col;
        s.height = size.ws_row - 1u; // the last line's end must not scroll
    }
    buf_init(&s.text, SCREEN_BYTES_MAX);
    return s;
}

static int show(const top_sample *t, const char *where, bool live, arena *a, err *e)
{
    screen s = screen_of(live);
    if (live) buf_add_text(&s.text, "\x1b[H");
    add_totals(&s, t, where);
    int rc = add_versions(&s, t, a, e);
    if (live) buf_add_text(&s.text, "\x1b[J");
    if (rc == 0) rc = buf_check(&s.text, e);
    if (rc == 0 && (fwrite(s.text.data, 1, s.text.len, stdout) != s.text.len || fflush(stdout) != 0))
        rc = err_set_errno(e, "standard output");
    buf_clear(&s.text);
    return rc;
}

// ---- the command

static void pause_for(double seconds)
{
    uint64_t end = clock_monotonic_ns() + (uint64_t)(seconds * 1e9), now;
    while (!stop_signalled() && (now = clock_monotonic_ns()) < end) {
        uint64_t left = end - now;
        nanosleep(&(struct timespec){.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)},
                  NULL);
    }
}

static int tell(const look *before, const look *after, const char *where, bool live, err *e)
{
    arena a;
    top_sample t;
    json_t *j = NULL;
    arena_init(&a, MEMORY_MAX);
    int rc =
        top_sample_take(&t, &before->metrics, &after->metrics, (double)(after->at_ns - before->at_ns) / 1e9, &a, e);
    if (rc == 0 && !arguments_json()) rc = show(&t, where, live, &a, e);
    if (rc == 0 && arguments_json() && (rc = top_sample_to_json(&t, &j, e)) == 0 && print_json("top", j))
        rc = err_set(e, ERR_IO, "standard output");
    arena_clear(&a);
    return rc;
}

static int watch(const remote *from, const char *where, double interval_s, bool live, err *e)
{
    look before, after;
    TRY(look_take(&before, from, e));
    if (live) fputs(ENTER, stdout);
    int rc = 0;
    do {
        pause_for(interval_s);
        if (stop_signalled()) break;
        if ((rc = look_take(&after, from, e)) < 0) break;
        rc = tell(&before, &after, where, live, e);
        look_clear(&before);
        before = after;
    } while (live && rc == 0);
    look_clear(&before);
    if (live) {
        fputs(LEAVE, stdout);
        fflush(stdout);
    }
    return rc;
}

// At the first signal, so that one who asks twice has the terminal back too.
static void leave_screen(void)
{
    ssize_t n = write(STDOUT_FILENO, LEAVE, sizeof LEAVE - 1);
    (void)n;
}

static int run(int argc, char **argv)
{
    top_input in = {.interval_s = 1};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    remote from;
    int rc = 0;
    const char *data_dir = settings_text(SETTING_DATA_DIR);
    if (in.server)
        rc = remote_init(&from, in.server, in.key_file, in.ca, &e);
    else
        remote_init_local(&from, data_dir);
    bool live = !in.once && !arguments_json() && isatty(STDOUT_FILENO);
    stop_signals_catch(live ? leave_screen : NULL);
    if (rc == 0) rc = watch(&from, in.server ? in.server : data_dir, in.interval_s, live, &e);
    return rc < 0 ? print_failure("top", &e) : 0;
}

const command command_top = {"top", "watch a running server", &argp, run};
