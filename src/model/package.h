// The package: a manifest and the blobs it names. What is trained, evaluated, stored, shipped and served.
// The format is described in docs/formats/package.md.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_MODEL_PACKAGE_H
#define SLIPWAY_MODEL_PACKAGE_H

#include "base/err.h"
#include "base/hash.h"
#include "base/json.h"
#include "data/schema.h"
#include "graph/graph.h"
#include "model/baseline.h"

enum { MANIFEST_FORMAT = 1, MANIFEST_BYTES_MAX = 64 << 20, PACKAGE_BLOBS_MAX = 64 };

#define PACKAGE_GRAPH "model.onnx"              // the role of the graph, which every package has
#define PACKAGE_METADATA_KEY "slipway.manifest" // where the single file carries the manifest, without "blobs"

// A blob by its role in the package: "model.onnx" today, "model.gguf", "tokenizer.json", "labels.txt" later.
typedef struct package_blob {
    char *role;
    char sha256[SHA256_HEX_SIZE];
    uint64_t size; // bytes, as the manifest says
    str content;   // owned, or a mapping, by `mapped`; data is NULL until package_take_blob()
    bool mapped;
} package_blob;

// Immutable once made, so any thread may read. No time, host, author or name is in it: the same training gives the same
// bytes. The parts of the manifest that only people and later stages read stay JSON.
typedef struct package {
    int format;
    const char *recipe; // "tabular-classification", or "" for a model made elsewhere; a view into the manifest's JSON
    const char *driver; // "once"; likewise
    schema schema;
    json_t *options;    // family, its options, preparation, split: how to make it again
    json_t *metrics;    // on the held-out rows, and of cross-validation where asked
    json_t *training;   // seed, data fingerprint, rows, program version
    baseline *baseline; // of its "training", for drift; NULL: it has none
    json_t *root;       // owns the three and the texts above
    size_t n_blobs;
    package_blob *blobs; // by role
    char *manifest;      // the canonical text: sorted keys, no blanks
    size_t manifest_len;
    char digest[SHA256_HEX_SIZE]; // SHA-256 of that text: the identity of the package
} package;

// What goes into a new one; all borrowed for the call.
typedef struct package_parts {
    const char *recipe, *driver;
    const schema *schema;
    const json_t *options, *metrics, *training; // NULL: empty
    graph *graph;                               // becomes the blob "model.onnx"; the manifest is added to its metadata
} package_parts;

// The graph is checked (graph_check) and held against the schema. After a failure it may hold the metadata already.
MUST_CHECK int package_make(package **out, const package_parts *parts, err *e);
void package_free(package *p); // NULL is fine

// A single .onnx file. With our manifest in its metadata: the same package again (the same digest). Without: a model
// made elsewhere, whose schema is derived from its inputs and outputs (a column for each (N, 1) input, k columns
// "NAME[0]"... for an (N, k) one); what cannot be served is refused, naming the input or output.
// The file is borrowed for the call.
MUST_CHECK int package_from_onnx(package **out, str file, err *e);
// The file that package_from_onnx() reads back: the blob as it is. A view. ERR_UNSUPPORTED if there are other blobs.
MUST_CHECK int package_onnx(const package *p, str *out, err *e);

// From a manifest and its blobs, as a registry stores them. Whether the graph keeps to the schema is not looked at
// here: who reads the graph calls interface_check(). A manifest of a newer format is ERR_UNSUPPORTED.
MUST_CHECK int package_read_manifest(package **out, str manifest, err *e); // blobs have no content yet
// Takes the content, also on failure: memory for mem_free(), or a mapping for file_unmap(). A size or sum that is not
// the manifest's is ERR_CORRUPT.
MUST_CHECK int package_take_blob(package *p, size_t index, str content, bool mapped, err *e);

const package_blob *package_find_blob(const package *p, const char *role); // NULL if there is none

#endif
