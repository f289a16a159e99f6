// One training run: read, profile, clean, split, prepare, train, evaluate, package. `train`, `up` and (over HTTP) jobs
// all go through it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_TRAINING_H
#define SLIPWAY_AUTOML_TRAINING_H

#include "base/pool.h"
#include "data/profile.h"
#include "data/read.h"
#include "data/split.h"
#include "evaluate/metrics.h"
#include "model/package.h"
#include "prepare/prepare.h"
#include "recipe/recipe.h"

typedef struct training_options { // all borrowed for the run
    const char *path;             // of the data file
    const frame *frame;           // what was read from it already, or NULL: it is read
    read_options read;
    const char *target; // column name; NULL is ERR_USAGE naming likely columns
    const char *recipe; // NULL: the one that fits
    const char *family; // NULL: the recipe's first
    size_t n_settings;
    const char *const *settings; // "n_trees=200", by the family's option rows
    bool prepare_given;          // else the recipe's default preparation is used
    prepare_options prepare;
    bool drop_incomplete; // drop rows with missing values in the columns used; those without a target always go
    split_options split;
    size_t folds; // cross-validate the configuration too, over all rows; 0: do not
    uint64_t seed;
} training_options;

#define TRAINING_OPTIONS_DEFAULT \
    ((training_options){         \
        .read = READ_OPTIONS_DEFAULT, .prepare = PREPARE_OPTIONS_DEFAULT, .split = SPLIT_OPTIONS_DEFAULT, .seed = 42})

typedef enum training_stage {
    STAGE_READ,
    STAGE_PROFILE,
    STAGE_CLEAN,
    STAGE_SPLIT,
    STAGE_PREPARE,
    STAGE_TRAIN,
    STAGE_EVALUATE,
    STAGE_PACKAGE,
    STAGES_N,
} training_stage;

// News of a run. `text` is one line for a person when a stage ends, else NULL; `done` of `total` within the stage.
// Returning non-zero cancels the run (ERR_CANCELLED).
typedef struct training_news {
    int (*report)(void *context, training_stage stage, size_t done, size_t total, const char *text);
    void *context;
} training_news;

const char *training_stage_name(training_stage s); // "read", "profile", ...

typedef struct training_result {
    package *package; // owned, like all that follows but the rows
    frame *frame;     // NULL if the options brought one
    profile profile;
    metrics metrics; // on the held-out rows
    size_t n_folds;
    metrics *folds; // n_folds
    size_t n_rows, n_rows_dropped, n_train, n_test, n_features;
    const recipe_row *recipe;
    const family_row *family;
} training_result;

// news may be NULL. On failure *out is untouched.
MUST_CHECK int training_run(training_result *out, const training_options *o, pool *p, const training_news *news,
                            err *e);
void training_result_clear(training_result *r);

// What the stages up to "prepare" leave: a run that stops there, for who wants the prepared data.
typedef struct training_prepared { // all owned
    frame *frame;                  // NULL if the options brought one
    profile profile;
    preparation *preparation;
    split parts; // without a target every row is one to fit on
} training_prepared;

// As training_run(); without a target nothing is cleaned or split.
MUST_CHECK int training_prepare(training_prepared *out, const training_options *o, pool *p, const training_news *news,
                                err *e);
void training_prepared_clear(training_prepared *p);

// The identity of a run before it is made: the data's fingerprint and every option that changes the package. `up` looks
// for it in the registry.
MUST_CHECK int training_key(const training_options *o, const frame *f, char hex[65], err *e);

#endif
