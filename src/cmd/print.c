// Printing for people and for scripts.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/print.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/arguments.h"
#include "cmd/cmd.h"

const char *print_count(int64_t n, char text[COUNT_TEXT_SIZE])
{
    char digits[COUNT_TEXT_SIZE];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    int at = 0;
    for (int i = 0; i < len && at < COUNT_TEXT_SIZE - 2; i++) {
        text[at++] = digits[i];
        int left = len - 1 - i;
        if (left > 0 && left % 3 == 0 && digits[i] != '-') text[at++] = ',';
    }
    text[at] = '\0';
    return text;
}

const char *print_bytes(int64_t n, char text[COUNT_TEXT_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)n;
    int unit = 0;
    while (value >= 1000 && unit < 4) {
        value /= 1000;
        unit++;
    }
    snprintf(text, COUNT_TEXT_SIZE, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return text;
}

int print_failure(const char *name, const err *e)
{
    if (arguments_json()) {
        buf line;
        buf_init(&line, 4096);
        buf_add_text(&line, "{\"error\":{\"code\":");
        json_quote(&line, str_of(err_name(e->code)));
        buf_add_text(&line, ",\"message\":");
        json_quote(&line, str_of(e->msg));
        if (e->at >= 0) buf_format(&line, ",\"at\":%lld", (long long)e->at);
        buf_add_text(&line, "}}\n");
        if (!line.failed) fwrite(line.data, 1, line.len, stdout);
        buf_clear(&line);
    } else {
        fprintf(stderr, "slipway %s: %s\n", name, e->msg);
    }
    return exit_status_of(e->code);
}

// What was printed may not have arrived: a closed pipe, a full disk.
static int flush_output(const char *name)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
    err e;
    err_set_errno(&e, "standard output");
    fprintf(stderr, "slipway %s: %s\n", name, e.msg);
    return 1;
}

enum { DOCUMENT_MAX = 1 << 30 };

int print_json(const char *name, json_t *document)
{
    err e = ERR_NONE;
    buf text;
    buf_init(&text, DOCUMENT_MAX);
    int rc = document ? json_format(document, true, &text, &e) : err_set(&e, ERR_MEMORY, "no memory for the answer");
    json_decref(document);
    if (rc == 0) {
        fwrite(text.data, 1, text.len, stdout);
        if (text.len && text.data[text.len - 1] != '\n') fputc('\n', stdout);
    }
    buf_clear(&text);
    return rc < 0 ? print_failure(name, &e) : flush_output(name);
}

// Characters, not bytes: what lines up on a terminal.
static size_t text_width(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void print_table(FILE *to, const char *const *cells, size_t n_rows, size_t n_columns)
{
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t c = 0; c < n_columns; c++) {
            size_t widest = 0;
            for (size_t i = 0; i < n_rows; i++) {
                size_t width = text_width(cells[i * n_columns + c]);
                if (width > widest) widest = width;
            }
            const char *cell = cells[row * n_columns + c];
            bool last = c + 1 == n_columns;
            fputs(cell, to);
            if (!last)
                for (size_t i = text_width(cell); i < widest + 2; i++) fputc(' ', to);
        }
        fputc('\n', to);
    }
}

typedef struct metric_label {
    const char *name, *label;
} metric_label;

static const metric_label labels[] = {
    {"accuracy", "accuracy"},
    {"roc_auc", "ROC AUC"},
    {"f1", "F1"},
    {"log_loss", "log loss"},
    {"precision", "precision"},
    {"recall", "recall"},
    {"rmse", "RMSE"},
    {"mae", "MAE"},
    {"r2", "R²"},
    {"balanced_accuracy", "balanced accuracy"},
};
enum { LABELS_N = sizeof labels / sizeof *labels };

static void format_value(const json_t *value, char *text, size_t size)
{
    double number = json_number_value(value);
    if (!json_is_number(value))
        snprintf(text, size, "undefined");
    else
        snprintf(text, size, fabs(number) < 1000 ? "%.4f" : "%.6g", number);
}

static void print_confusion(FILE *to, const json_t *confusion, const json_t *classes)
{
    enum { CLASSES_SHOWN = 12 };
    size_t n = json_array_size(classes);
    if (n == 0 || json_array_size(confusion) != n) return;
    if (n > CLASSES_SHOWN) {
        fprintf(to, "\n(the confusion matrix of %zu classes is in the --json output)\n", n);
        return;
    }
    fprintf(to, "\nconfusion (rows: what is true, columns: what was predicted)\n");
    size_t side = n + 1;
    char numbers[(CLASSES_SHOWN + 1) * (CLASSES_SHOWN + 1)][COUNT_TEXT_SIZE];
    const char *cells[(CLASSES_SHOWN + 1) * (CLASSES_SHOWN + 1)];
    cells[0] = "";
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(classes, i), "name"));
        cells[i + 1] = cells[(i + 1) * side] = name ? name : "";
        for (size_t j = 0; j < n; j++) {
            size_t cell = (i + 1) * side + j + 1;
            const json_t *count = json_array_get(json_array_get(confusion, i), j);
            cells[cell] = print_count((int64_t)json_integer_value(count), numbers[cell]);
        }
    }
    print_table(to, cells, side, side);
}

void print_metrics(FILE *to, const json_t *measured)
{
    for (size_t i = 0; i < LABELS_N; i++) {
        const json_t *value = json_object_get(measured, labels[i].name);
        if (!value) continue;
        char number[40];
        format_value(value, number, sizeof number);
        fprintf(to, "%-18s %s\n", labels[i].label, number);
    }
    print_confusion(to, json_object_get(measured, "confusion"), json_object_get(measured, "classes"));
}

void print_measured(FILE *to, const json_t *metrics_of_package)
{
    print_metrics(to, json_object_get(metrics_of_package, "test"));
    const json_t *folds = json_object_get(metrics_of_package, "cross_validation");
    if (!folds) return;
    fprintf(to, "\ncross-validation, %zu folds: mean ± standard deviation\n",
            json_array_size(json_object_get(folds, "folds")));
    for (size_t i = 0; i < LABELS_N; i++) {
        const json_t *mean = json_object_get(json_object_get(folds, "mean"), labels[i].name);
        const json_t *std = json_object_get(json_object_get(folds, "std"), labels[i].name);
        if (!mean || !std) continue;
        char number[40], spread[40];
        format_value(mean, number, sizeof number);
        format_value(std, spread, sizeof spread);
        fprintf(to, "%-18s %s ± %s\n", labels[i].label, number, spread);
    }
}

stage_printer stage_printer_new(FILE *to, bool quiet)
{
    return (stage_printer){.to = to, .quiet = quiet, .terminal = isatty(fileno(to)) == 1};
}

static void clear_bar(stage_printer *p)
{
    if (p->percent > 0) fputs("\r\033[K", p->to);
    p->percent = 0;
}

void print_stage(stage_printer *p, const char *stage, const char *text)
{
    if (p->quiet) return;
    clear_bar(p);
    fprintf(p->to, "%-9s %s\n", stage, text);
    fflush(p->to);
}

void print_progress(stage_printer *p, const char *stage, size_t done, size_t total)
{
    enum { BAR = 30 };
    if (p->quiet || !p->terminal || total == 0) return;
    size_t percent = done * 100 / total;
    if (percent == 0 || percent == p->percent) return;
    p->percent = percent;
    size_t filled = percent * BAR / 100;
    fprintf(p->to, "\r%-9s [", stage);
    for (size_t i = 0; i < BAR; i++) fputc(i < filled ? '#' : '.', p->to);
    fprintf(p->to, "] %3zu%%", percent);
    fflush(p->to);
}

static int report_stage(void *context, training_stage stage, size_t done, size_t total, const char *text)
{
    stage_printer *p = context;
    if (text)
        print_stage(p, training_stage_name(stage), text);
    else
        print_progress(p, training_stage_name(stage), done, total);
    return stop_signalled();
}

training_news stage_printer_news(stage_printer *p)
{
    return (training_news){.report = report_stage, .context = p};
}

static volatile sig_atomic_t stopped;
static void (*stop_also)(void);

static void on_stop(int number)
{
    (void)number;
    if (stopped) _exit(130); // asked twice: at once
    stopped = 1;
    if (stop_also) stop_also();
}

void stop_signals_catch(void (*also)(void))
{
    stop_also = also;
    struct sigaction action = {.sa_handler = on_stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool stop_signalled(void)
{
    return stopped != 0;
}
