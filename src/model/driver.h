// The driver row: what loops around a package's graphs. `once` runs one graph once; decoding, diffusion, windows and
// recursive forecasts are rows beside it, each with bounded steps.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_DRIVER_H
#define SLIPWAY_MODEL_DRIVER_H

#include "base/arena.h"
#include "data/batch.h"
#include "model/package.h"

typedef enum driver_io {
    IO_ROWS = 1 << 0,    // typed columns, by the schema
    IO_SCORES = 1 << 1,  // class scores and labels, or values, by the schema's target
    IO_TENSORS = 1 << 2, // whatever the graph's own inputs or outputs are
    IO_TEXT = 1 << 3,
    IO_TOKENS = 1 << 4, // a stream of them
    IO_IMAGES = 1 << 5,
    IO_AUDIO = 1 << 6,
} driver_io;

// The answer of drivers with IO_SCORES. Arrays live in the arena of the call.
typedef struct prediction {
    size_t n_rows, n_scores; // n_scores: classes, or 1
    const float *scores;     // (n_rows, n_scores)
    const int32_t *labels;   // (n_rows) class ids; NULL for regression
} prediction;

// What the columns of each row add to its answer. Arrays are the caller's; see docs/explain.md.
typedef struct explanation {
    size_t n_rows, n_columns; // n_columns: the schema's inputs
    bool margin;              // what is explained is the score before its link (log-odds), not the answer itself
    int32_t *classes;         // (n_rows) whose score is explained; NULL for regression
    double *base;             // (n_rows) what is expected of a row of which nothing is known
    double *explained;        // (n_rows) base and contributions together
    double *contributions;    // (n_rows, n_columns)
} explanation;

typedef struct driver_model driver_model; // immutable, so any thread; each driver's own
typedef struct driver_run driver_run;     // one request on its way; one thread at a time

typedef struct driver_limits {
    size_t memory_max; // bytes of one run
    size_t steps_max;  // of one run; never more than the row's
} driver_limits;

typedef struct driver_row {
    const char *name;
    unsigned inputs, outputs;                                  // driver_io
    size_t steps_max;                                          // no run takes more, whatever it is asked
    int (*load)(driver_model **out, const package *p, err *e); // borrows the package until unload
    // The same, where it is light: nothing but what a request may run beside others (for once: a row program). Else
    // ERR_UNSUPPORTED, and the model is for load() in a process of its own. NULL: never.
    int (*load_light)(driver_model **out, const package *p, err *e);
    void (*unload)(driver_model *m);
    bool (*rows_apart)(const driver_model *m);  // whether requests may be merged: proven, see engine/plan.h
    size_t (*memory_of)(const driver_model *m); // bytes it keeps, for budgets
    // A run: begin, step until *done, result; everything it takes comes from `a` (a request's arena). One step does a
    // bounded amount of work (at most one run of one graph), so that a caller can stop between steps.
    int (*begin)(driver_run **out, const driver_model *m, const batch *in, const driver_limits *l, arena *a, err *e);
    int (*step)(driver_run *r, bool *done, err *e);
    int (*result)(driver_run *r, prediction *out, err *e);
    void (*end)(driver_run *r); // also after a failure; NULL is fine
    // Explanations; all NULL: never. ERR_UNSUPPORTED of explains() says why this model has none.
    int (*explains)(const driver_model *m, err *e);
    double (*explain_ns)(const driver_model *m, size_t n_rows); // about what one call takes
    // Rows first..first+n-1 of the batch, whose answers `predicted` holds, into the same rows of *out: its arrays are
    // there, classes filled in. A row's results depend on that row alone. ERR_INTERNAL: they do not add up.
    int (*explain)(const driver_model *m, const batch *in, size_t first, size_t n, const prediction *predicted,
                   explanation *out, arena *scratch, err *e);
} driver_row;

const driver_row *driver_find(const char *name); // NULL if unknown
const driver_row *const *driver_rows(size_t *n);

#endif
