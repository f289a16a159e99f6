// Runs: each a child process with ceilings, owned by one thread that starts, follows and ends them. What is asked waits
// in the registry; what a run says and makes lies in DIR/runs/ID. docs/protocols/jobs.md is what people read.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_JOBS_H
#define SLIPWAY_SERVE_JOBS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "registry/datasets.h"
#include "serve/server.h"

enum { JOBS_RUNNING_MAX = 64 };

typedef struct jobs jobs; // any thread

// Starts the thread; runs that wait in the registry are gone on with, those that ran when a server died are marked as
// interrupted. Of several servers over one data directory one runs jobs.
MUST_CHECK int jobs_start(jobs **out, const server_options *o, err *e);
void jobs_stop(jobs *j); // kills what runs: it is interrupted. NULL is fine
void jobs_wake(jobs *j); // something was asked, or is to be cancelled
// ERR_BUSY or ERR_UNSUPPORTED if nothing that is asked now would ever run here.
MUST_CHECK int jobs_ready(const jobs *j, err *e);

// Files of a run, by fixed names in a folder of its own. mem_free().
#define RUN_SPEC "spec.json"      // what its process is to do
#define RUN_MODEL "given.onnx"    // the model that it is given
#define RUN_RESULT "result.json"  // what came of it
#define RUN_FILE "file"           // and the file it made
#define RUN_EVENTS "events.jsonl" // what it said: an event a line, see docs/protocols/jobs.md
MUST_CHECK int run_path(const char *data_dir, const char *id, const char *name, char **out, err *e);
// Removes the folder with all that is in it.
void run_folder_remove(const char *data_dir, const char *id);

// Appends an event to the events of a run, making its folder if need be. Takes the data (NULL is ERR_MEMORY). From one
// thread at a time: the supervisor, or whoever cancels a run that never began.
MUST_CHECK int run_event(const char *data_dir, const char *id, int64_t number, const char *event, json_t *data, err *e);

// What the process of a run does, in the run's folder; news on standard output. Returns its exit status. Called once,
// by main.
int job_child_main(void);

#endif
