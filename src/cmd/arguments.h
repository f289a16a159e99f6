// Groups of options that several commands share, as argp children.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_ARGUMENTS_H
#define SLIPWAY_CMD_ARGUMENTS_H

#include <argp.h>
#include <stdbool.h>

#include "automl/training.h"
#include "base/pool.h"
#include "registry/registry.h"

// Keys of options without a letter of their own; each file that has some starts at its own base.
enum {
    KEYS_GENERAL = 1000,
    KEYS_SERVE = 1100,
    KEYS_READ = 1200,
    KEYS_PREPARE = 1300,
    KEYS_SPLIT = 1400,
    KEYS_TRAIN = 1500,
    KEYS_COMMAND = 1600
};

enum { LIST_MAX = 256 }; // of columns, types, settings on one command line

// What the groups below fill. The lists are kept here because options only borrow them.
typedef struct arguments {
    training_options training;
    const char *columns[LIST_MAX], *dropped[LIST_MAX], *settings[LIST_MAX], *missing[LIST_MAX];
    type_override types[LIST_MAX];
} arguments;

#define ARGUMENTS_DEFAULT ((arguments){.training = TRAINING_OPTIONS_DEFAULT})

// --data-dir --config --threads --log --log-level --cpu-level --json --quiet: every command has them.
extern const struct argp arguments_general;
extern const struct argp arguments_serve; // --host --port --loops and limits
extern const struct argp
    arguments_read; // --format --delimiter --header --missing --type --memory-max; input: arguments
extern const struct argp arguments_prepare; // --columns --drop --impute ...; input: arguments
extern const struct argp arguments_split;   // --split --test-share --seed ...; input: arguments
extern const struct argp arguments_train;   // --target --recipe --model --set --cv; input: arguments

// "from 1; default 100", "gini, entropy; default gini": what an option of a family takes.
enum { OPTION_RANGE_SIZE = 200 };
const char *option_range(const option_row *o, char text[OPTION_RANGE_SIZE]);

bool arguments_json(void);  // --json was given
bool arguments_quiet(void); // --quiet was given, or --json: standard output is for the result alone

// Parses with argp, then resolves the settings, the log and the CPU level. 0, or an exit status (already printed).
int arguments_parse(const struct argp *argp, int argc, char **argv, void *input);

// Ends parsing with a message and exit status 2.
void arguments_fail(struct argp_state *state, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The pieces of a parser that commands share. Every child of `n` gets `a` as its input.
void arguments_share(struct argp_state *state, size_t n, arguments *a);
// Takes the words of a command on one data file (into a->training.path), or on a model and a data file.
error_t arguments_data(struct argp_state *state, int key, char *value, arguments *a);
error_t arguments_model_and_data(struct argp_state *state, int key, char *value, const char **reference, arguments *a);

// Runs a command's work with a pool as --threads says, and prints what went wrong. Returns the exit status.
int arguments_run(const char *name, int (*work)(const void *input, pool *p, err *e), const void *input);

MUST_CHECK int arguments_registry(registry **out, bool read_only, err *e); // as --data-dir says

// A name for a model from a file's: "data/My file.csv" -> "My-file". mem_free().
MUST_CHECK int model_name_of_path(char **out, const char *path, err *e);

#endif
