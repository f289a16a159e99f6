// What a run said and made, as bodies that go on: server-sent events, and files that need not fit memory.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_RUN_STREAM_H
#define SLIPWAY_SERVE_RUN_STREAM_H

#include "serve/jobs.h"
#include "serve/protocol.h"

// The events of a run after the one numbered `after`, up to the one that says that it has ended. state: what it is now.
// A comment goes out when there was nothing for EVENTS_SILENCE_MS, so that nobody in between closes the connection.
enum { EVENTS_SILENCE_MS = 15000 };
MUST_CHECK int run_events_open(response_stream **out, const char *data_dir, const char *id, run_state state,
                               int64_t after, err *e);
// The same as lines of text for people, at once: "12:31:02 train  100 trees".
MUST_CHECK int run_log(buf *out, const char *data_dir, const char *id, err *e);

// The file that a run made. ERR_NOT_FOUND if it made none.
MUST_CHECK int run_file_open(response_stream **out, const char *data_dir, const char *id, err *e);

#endif
