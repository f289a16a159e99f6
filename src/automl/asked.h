// A training run as JSON asks for it: what `train` takes as options, by the same names, from a body over HTTP.
// docs/protocols/jobs.md has the members.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_ASKED_H
#define SLIPWAY_AUTOML_ASKED_H

#include "automl/training.h"
#include "base/arena.h"
#include "base/json.h"

enum { ASKED_POINTER_SIZE = 160, ASKED_NAMES_MAX = 65536 };

// The members of a run's object that options are read from: "target", "recipe", ...; NULL-terminated.
extern const char *const asked_members[];

// Fills *o from an object, over TRAINING_OPTIONS_DEFAULT; members that are not of `asked_members` are not looked at.
// Texts are views into the JSON, lists are in the arena. ERR_INPUT says what was expected; `pointer` (RFC 6901) is
// where then, else "". Whether columns are there, or a family knows a setting, is found out when the run meets the
// data.
MUST_CHECK int asked_options(training_options *o, const json_t *object, arena *a, char pointer[ASKED_POINTER_SIZE],
                             err *e);

#endif
