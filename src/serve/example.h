// A row that a model can answer, made from its schema: for the OpenAPI document, the front page and the command line.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_EXAMPLE_H
#define SLIPWAY_SERVE_EXAMPLE_H

#include "base/buf.h"
#include "data/schema.h"

// {"age":28,"sex":"male"}: medians and the most frequent categories of the training rows.
void example_row(const schema *s, buf *out);
// A line for a shell: curl -s URL/api/v1/models/NAME/predict ... with that row. url without a slash at its end.
void example_curl(const schema *s, const char *url, const char *name, buf *out);

#endif
