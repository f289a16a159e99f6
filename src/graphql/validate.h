// Whether a document can be executed against a schema: all rules of the specification's section 5, and limits on what
// executing it may cost.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_VALIDATE_H
#define SLIPWAY_GRAPHQL_VALIDATE_H

#include "graphql/errors.h"
#include "graphql/schema.h"

// What an operation may come to when its fragments are put in their places; one more of anything is refused.
enum {
    GQL_DEPTH_MAX = 32,     // fields within one another
    GQL_EXPANDED_MAX = 64,  // fields and fragments within one another
    GQL_FIELDS_MAX = 10000, // fields
    GQL_COST_MAX = 250000,  // fields times the items of the lists that they stand in, as the schema reckons them
    GQL_MERGE_MAX = 500000, // steps of looking whether fields of the same name can be merged
};

// Sets the marked fields of the document, which is executable if no error was added. The errors' codes are
// "validation", and "limit" for one of the limits above. Returns 0, or ERR_MEMORY.
MUST_CHECK int gql_validate(gql_document *d, const gql_schema *s, gql_errors *errors, arena *a, err *e);

#endif
