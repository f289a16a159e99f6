// slipway prepare: what the data are, what is wrong with them, and the features that a model would see.
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "automl/features.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/source.h"

typedef struct prepare_input {
    arguments shared; // first: the children's input
    const char *out;
} prepare_input;

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the features here as CSV", 1},
    {"target", 't', "COLUMN", 0, "Column to predict: it is kept apart from the features and written as it is", 1},
    {0},
};

static const struct argp_child children[] = {
    {&arguments_read, 0, 0, 0},
    {&arguments_prepare, 0, 0, 0},
    {&arguments_split, 0, 0, 0},
    {&arguments_general, 0, 0, 0},
    {0},
};

enum { CHILDREN_N = sizeof children / sizeof *children - 1 };

static error_t parse(int key, char *value, struct argp_state *state)
{
    prepare_input *in = state->input;
    switch (key) {
    case ARGP_KEY_INIT: arguments_share(state, CHILDREN_N, &in->shared); return 0;
    case 'o': in->out = value; return 0;
    case 't': in->shared.training.target = value; return 0;
    default: return arguments_data(state, key, value, &in->shared);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "DATA",
    .doc = "Describes every column of a CSV or JSON Lines file and says what is wrong with the data. With -o it also "
           "writes "
           "the features that a model would be trained on: chosen, imputed, scaled and encoded, with every statistic "
           "from the training rows alone; the last column says which rows those are."
           "\vExample:\n"
           "  slipway prepare examples/titanic.csv\n"
           "  slipway prepare examples/titanic.csv --target survived --scale standard -o features.csv\n",
    .children = children,
};

enum { COLUMNS = 6, CELL = 64, TOP_SHOWN = 3 };
#define FEATURES_BYTES_MAX ((size_t)1 << 34)

static void number_text(char *text, double value, column_type type)
{
    if (isnan(value)) {
        text[0] = '\0';
    } else if (type == COLUMN_DATETIME) {
        char date[CLOCK_TEXT_SIZE];
        snprintf(text, CELL, "%.19s", clock_format_utc((int64_t)value, date));
    } else {
        snprintf(text, CELL, "%.6g", value);
    }
}

// "male 843, female 466", or "0.17 .. 28 .. 80" for numbers: least, median, largest.
static void values_text(char *text, size_t size, const column *c, const column_profile *p)
{
    text[0] = '\0';
    if (c->storage != STORAGE_STRING) {
        char least[CELL], middle[CELL], most[CELL];
        number_text(least, p->min, c->type);
        number_text(middle, p->quantiles[QUANTILES_N / 2], c->type);
        number_text(most, p->max, c->type);
        if (least[0]) snprintf(text, size, "%s .. %s .. %s", least, middle, most);
        return;
    }
    for (size_t i = 0; i < p->n_top && i < TOP_SHOWN; i++) {
        size_t at = strlen(text);
        enum { NAME_SHOWN = 20 };
        bool cut = p->top[i].len > NAME_SHOWN;
        snprintf(text + at, size - at, "%s%.*s%s %llu", i ? ", " : "", cut ? NAME_SHOWN : (int)p->top[i].len,
                 p->top[i].data, cut ? "..." : "", (unsigned long long)p->top_counts[i]);
    }
    size_t at = strlen(text);
    if (p->n_distinct > TOP_SHOWN && at < size) snprintf(text + at, size - at, ", ...");
}

static int print_profile(const profile *p, const frame *f, err *e)
{
    size_t n = frame_n_columns(f);
    const char **cells = mem_alloc((n + 1) * COLUMNS, sizeof *cells);
    char(*texts)[3][4 * CELL] = mem_alloc(n, sizeof *texts);
    if (!cells || !texts) {
        mem_free(cells);
        mem_free(texts);
        return err_set(e, ERR_MEMORY, "no memory for %zu columns", n);
    }
    static const char *const head[] = {"COLUMN", "TYPE", "MISSING", "DISTINCT", "", "VALUES"};
    memcpy(cells, head, sizeof head);
    for (size_t i = 0; i < n; i++) {
        const column *c = frame_column(f, i);
        const column_profile *about = &p->columns[i];
        print_count((int64_t)about->n_missing, texts[i][0]);
        print_count((int64_t)about->n_distinct, texts[i][1]);
        values_text(texts[i][2], sizeof texts[i][2], c, about);
        const char *row[COLUMNS] = {c->name, column_type_name(c->type), texts[i][0], texts[i][1], "", texts[i][2]};
        memcpy(cells + (i + 1) * COLUMNS, row, sizeof row);
    }
    print_table(stdout, cells, n + 1, COLUMNS);
    if (p->n_findings) putchar('\n');
    for (size_t i = 0; i < p->n_findings; i++) printf("- %s\n", p->findings[i].text);
    mem_free(texts);
    mem_free(cells);
    return 0;
}

static int write_features(const training_prepared *p, const char *target, const char *path, pool *workers, err *e)
{
    buf out;
    buf_init(&out, FEATURES_BYTES_MAX);
    int rc = features_format(p, p->frame, target, &out, workers, e);
    if (rc == 0) rc = result_write(path, buf_str(&out), e);
    buf_clear(&out);
    return rc;
}

static int prepare(const void *input, pool *workers, err *e)
{
    const prepare_input *in = input;
    bool to_stdout = in->out && strcmp(in->out, "-") == 0;
    stage_printer stages = stage_printer_new(to_stdout ? stderr : stdout, arguments_quiet());
    training_news news = stage_printer_news(&stages);
    training_prepared p;
    const training_options *o = &in->shared.training;
    TRY(training_prepare(&p, o, workers, &news, e));
    int rc = 0;
    if (arguments_json()) {
        json_t *document = NULL;
        rc = profile_to_json(&p.profile, p.frame, &document, e);
        if (rc == 0 && print_json("prepare", document) != 0) rc = err_set(e, ERR_IO, "standard output");
    } else if (!arguments_quiet() && !to_stdout) {
        putchar('\n');
        rc = print_profile(&p.profile, p.frame, e);
    }
    if (rc == 0 && in->out) rc = write_features(&p, o->target, in->out, workers, e);
    if (rc == 0 && in->out && !to_stdout && !arguments_quiet()) printf("\nfeatures written to %s\n", in->out);
    training_prepared_clear(&p);
    return rc;
}

static int run(int argc, char **argv)
{
    prepare_input in = {.shared = ARGUMENTS_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    stop_signals_catch(NULL);
    return arguments_run("prepare", prepare, &in);
}

const command command_prepare = {"prepare", "describe data, and write the features of a model", &argp, run};
