// How spans look on their way to a collector.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_OTLP_IMPL_H
#define SLIPWAY_SERVE_OTLP_IMPL_H

#include "serve/observer_impl.h"

typedef struct otlp_attribute { // views
    str key, text;              // text.data NULL: the number
    int64_t number;
} otlp_attribute;

// Appends one span: a field of ScopeSpans, or a JSON object.
void otlp_encode_span(bool json, const observed *o, buf *out);
// The request around spans that otlp_encode_span() made.
void otlp_encode_request(bool json, const otlp_attribute *resource, size_t n, const str *spans, size_t n_spans,
                         buf *out);

#endif
