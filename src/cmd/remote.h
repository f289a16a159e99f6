// Another server, or the one over this data directory: its address, its key, and questions to it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_CMD_REMOTE_H
#define SLIPWAY_CMD_REMOTE_H

#include "base/fetch.h"

enum { REMOTE_AUTHORIZATION_SIZE = 512 };

typedef struct remote {
    const char *url, *ca; // borrowed; url NULL: the socket in the data directory
    const char *data_dir; // borrowed
    char host[FETCH_HOST_SIZE], authorization[REMOTE_AUTHORIZATION_SIZE];
} remote;

// key_file: with the key for the server; NULL: SLIPWAY_KEY, or none. ca: NULL: the system's. All borrowed until the
// last question.
MUST_CHECK int remote_init(remote *r, const char *url, const char *key_file, const char *ca, err *e);
// The server over a data directory, by its socket, which asks for no key.
void remote_init_local(remote *r, const char *data_dir);

// path: from the root on, without the first slash. type: of the body; NULL: there is none. The answer is one of 2xx, or
// an error with what the server said; `what` is what the message calls it. out->body: buf_clear().
typedef struct remote_question {
    const char *method, *path, *what, *type;
    str body;
    size_t answer_max;
    uint32_t time_ms_max;
} remote_question;
MUST_CHECK int remote_ask(const remote *r, const remote_question *q, fetch_answer *out, err *e);

#endif
