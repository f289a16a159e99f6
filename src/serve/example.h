// A row that a model can answer, made from its schema: for the OpenAPI document, the front page and the command line.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_EXAMPLE_H
#define SLIPWAY_SERVE_EXAMPLE_H

#include <stdbool.h>

#include "base/buf.h"
#include "data/schema.h"

// {"age":28,"sex":"male"}: medians and the most frequent categories of the training rows.
void example_row(const schema *s, buf *out);
// "http://127.0.0.1:8080", or "https://..."; an IPv6 address in brackets.
enum { URL_TEXT_SIZE = 128 };
const char *example_url(bool encrypted, const char *host, unsigned port, char text[URL_TEXT_SIZE]);
// A line for a shell: curl -s URL/api/v1/models/NAME/predict ... with that row. url without a slash at its end.
void example_curl(const schema *s, const char *url, const char *name, buf *out);

#endif
