// What commands print: tables, counts for people, JSON for scripts, errors, the stages of a run.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_PRINT_H
#define SLIPWAY_CMD_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "automl/training.h"
#include "base/err.h"
#include "base/json.h"

// "1,309" into `text`; returns it.
enum { COUNT_TEXT_SIZE = 32 };
const char *print_count(int64_t n, char text[COUNT_TEXT_SIZE]);
// "12.3 MB"
const char *print_bytes(int64_t n, char text[COUNT_TEXT_SIZE]);

// The error of a command, to standard error: "slipway train: train.csv: row 7: ..."; with --json an object with the
// code, to standard output. Returns the exit status for it.
int print_failure(const char *name, const err *e);

// A document to standard output with sorted keys. Returns the exit status.
int print_json(const char *name, json_t *document); // takes the document

// Rows of texts in columns that line up. cells: (n_rows, n_columns); the first row is the head.
void print_table(FILE *to, const char *const *cells, size_t n_rows, size_t n_columns);

// The metrics of metrics_to_json() one a line, and the confusion matrix if it is there.
void print_metrics(FILE *to, const json_t *measured);
// The metrics of a package: on rows never seen, and of cross-validation where asked.
void print_measured(FILE *to, const json_t *metrics_of_package);

// The stages of a run as they go: a progress bar on a terminal, plain lines elsewhere, nothing if quiet or for scripts.
typedef struct stage_printer {
    FILE *to;
    bool quiet, terminal;
    size_t percent; // of the bar that stands there
} stage_printer;

stage_printer stage_printer_new(FILE *to, bool quiet);
void print_stage(stage_printer *p, const char *stage, const char *text); // a stage that has ended
void print_progress(stage_printer *p, const char *stage, size_t done, size_t total);
training_news stage_printer_news(stage_printer *p);

// Set when SIGINT or SIGTERM arrives after stop_signals_catch(); long runs look at it between units of work.
void stop_signals_catch(void (*also)(void)); // `also` is called in the handler; may be NULL
bool stop_signalled(void);

#endif
