// Explanations as text: what `explain`, the server and whoever else shows them write.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_AUTOML_EXPLAINED_H
#define SLIPWAY_AUTOML_EXPLAINED_H

#include "base/buf.h"
#include "model/model.h"

// What base and contributions are in: "probability", "value", or "margin" (the score before its link: log-odds).
const char *explained_space(const schema *s, const explanation *x);

// The columns of a row by what they contribute: largest absolute value first, equal ones in the schema's order.
// order: (n_columns).
void explained_order(const explanation *x, size_t row, uint32_t *order);

// One row as a JSON object: {"class":"yes","base":0.38,"explained":0.9,"contributions":{"sex":0.4,...}}; "class" only
// for classes. top: 0 for all columns in the schema's order; else the largest so many, largest first, and in "others"
// what the rest adds up to. order: (n_columns) scratch, unused where top is 0.
void explained_object(buf *out, const schema *s, const explanation *x, size_t row, size_t top, uint32_t *order);

// CSV. Head: the prediction, for classes the class that is explained, base, explained, then contribution_NAME for each
// column; with top: column_1, contribution_1, ... and contribution_others.
void explained_head(buf *out, const schema *s, size_t top);
void explained_row(buf *out, const schema *s, const prediction *p, const explanation *x, size_t row, size_t top,
                   uint32_t *order);

// The mean absolute contribution of each column over the rows: how much it matters on the whole. means: (n_columns).
void explained_means(const explanation *x, double *means);

#endif
