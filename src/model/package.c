// Packages: the manifest written, read strictly, and carried inside the single file. docs/formats/package.md is the
// description that this follows.
// SPDX-License-Identifier: Apache-2.0
#include "model/package.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/mem.h"
#include "graph/onnx.h"
#include "model/interface.h"

enum { NAME_BYTES_MAX = 64, BLOBS_TEXT_MAX = PACKAGE_BLOBS_MAX * 256 };
#define ONNX_BYTES_MAX ((size_t)2 << 30) // protocol buffers end there

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for a package");
}

static void drop_content(str content, bool mapped)
{
    if (mapped)
        file_unmap(content);
    else
        mem_free((void *)content.data);
}

void package_free(package *p)
{
    if (!p) return;
    for (size_t i = 0; i < p->n_blobs; i++) {
        mem_free(p->blobs[i].role);
        drop_content(p->blobs[i].content, p->blobs[i].mapped);
    }
    mem_free(p->blobs);
    if (p->baseline) baseline_clear(p->baseline);
    mem_free(p->baseline);
    schema_clear(&p->schema);
    json_decref(p->root);
    mem_free(p->manifest);
    mem_free(p);
}

const package_blob *package_find_blob(const package *p, const char *role)
{
    for (size_t i = 0; i < p->n_blobs; i++)
        if (strcmp(p->blobs[i].role, role) == 0) return &p->blobs[i];
    return NULL;
}

// ---- the manifest, read ----

// Roles, drivers, recipes: 1 to 64 of a-z 0-9 - _ . with a letter or digit first.
static bool is_name(const char *name)
{
    size_t n = strlen(name);
    if (n < 1 || n > NAME_BYTES_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != n) return false;
    return !strchr("-_.", name[0]);
}

static bool is_sha256(const char *text)
{
    return strlen(text) == SHA256_HEX_SIZE - 1 && strspn(text, "0123456789abcdef") == SHA256_HEX_SIZE - 1;
}

static int check_members(const json_t *o, const char *const *known, err *e)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)o, key, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0) i++;
        if (!known[i]) return err_set(e, ERR_FORMAT, "unknown member \"%.80s\"", key);
    }
    return 0;
}

static int read_format(package *p, err *e)
{
    int64_t format;
    TRY(json_member_integer(p->root, "format", 1, INT64_MAX, &format, e));
    if (format > MANIFEST_FORMAT)
        return err_set(e, ERR_UNSUPPORTED,
                       "made by a newer Slipway (package format %" PRId64 "; this one reads up to %d)", format,
                       MANIFEST_FORMAT);
    p->format = (int)format;
    return 0;
}

static int read_missing(const package *p, err *e)
{
    static const char *const known[] = {"float32", "int64", "string", NULL};
    json_t *missing;
    TRY(json_member_object(p->root, "missing", &missing, e));
    TRY(check_members(missing, known, e));
    const char *f32, *string;
    int64_t i64;
    TRY(json_member_text(missing, "float32", &f32, e));
    TRY(json_member_integer(missing, "int64", INT64_MIN, INT64_MAX, &i64, e));
    TRY(json_member_text(missing, "string", &string, e));
    if (strcmp(f32, "NaN") != 0 || i64 != WIRE_I64_MISSING || string[0] != '\0')
        return err_set(e, ERR_FORMAT, "\"missing\" names other values than format 1 has");
    return 0;
}

static int compare_roles(const void *a, const void *b)
{
    const package_blob *x = a, *y = b;
    return strcmp(x->role, y->role);
}

static int read_blob(package_blob *b, const char *role, const json_t *j, err *e)
{
    static const char *const known[] = {"sha256", "size", NULL};
    const char *sum;
    int64_t size;
    if (!is_name(role)) return err_set(e, ERR_FORMAT, "\"%.80s\" cannot be the role of a blob", role);
    TRY(json_member_text(j, "sha256", &sum, e));
    TRY(json_member_integer(j, "size", 0, INT64_MAX, &size, e));
    TRY(check_members(j, known, e));
    if (!is_sha256(sum))
        return err_set(e, ERR_FORMAT, "the \"sha256\" of \"%s\" is not 64 lower-case hex digits", role);
    if (!(b->role = mem_strdup(role))) return no_memory(e);
    memcpy(b->sha256, sum, SHA256_HEX_SIZE);
    b->size = (uint64_t)size;
    return 0;
}

static int read_blobs(package *p, err *e)
{
    json_t *blobs;
    TRY(json_member_object(p->root, "blobs", &blobs, e));
    size_t n = json_object_size(blobs);
    if (n > PACKAGE_BLOBS_MAX) return err_set(e, ERR_LIMIT, "%zu blobs, at most %d", n, PACKAGE_BLOBS_MAX);
    if (!(p->blobs = mem_zalloc(n, sizeof *p->blobs))) return no_memory(e);
    const char *role;
    json_t *blob;
    json_object_foreach(blobs, role, blob) TRY(read_blob(&p->blobs[p->n_blobs++], role, blob, e));
    qsort(p->blobs, n, sizeof *p->blobs, compare_roles);
    if (!package_find_blob(p, PACKAGE_GRAPH)) return err_set(e, ERR_FORMAT, "no blob is \"" PACKAGE_GRAPH "\"");
    return 0;
}

// What drift is held against; packages of older programs, and models made elsewhere, have none.
static int read_baseline(package *p, err *e)
{
    const json_t *j = json_object_get(p->training, "baseline");
    if (!j) return 0;
    baseline r;
    int rc = baseline_from_json(&r, j, &p->schema, e);
    if (rc < 0) return err_prefix(e, rc, "training: baseline");
    if (!(p->baseline = mem_alloc(1, sizeof r))) {
        baseline_clear(&r);
        return no_memory(e);
    }
    *p->baseline = r;
    return 0;
}

// All members but "blobs", which the embedded manifest has not.
static int read_members(package *p, bool embedded, err *e)
{
    static const char *const known[] = {"driver", "format", "metrics",  "missing", "options",
                                        "recipe", "schema", "training", "blobs",   NULL};
    static const char *const known_embedded[] = {"driver", "format", "metrics",  "missing", "options",
                                                 "recipe", "schema", "training", NULL};
    TRY(read_format(p, e)); // before anything else: the rest of a newer one may look like anything
    TRY(check_members(p->root, embedded ? known_embedded : known, e));
    TRY(json_member_text(p->root, "recipe", &p->recipe, e));
    TRY(json_member_text(p->root, "driver", &p->driver, e));
    if (p->recipe[0] != '\0' && !is_name(p->recipe)) return err_set(e, ERR_FORMAT, "\"recipe\" is not a name");
    if (!is_name(p->driver)) return err_set(e, ERR_FORMAT, "\"driver\" is not a name");
    TRY(json_member_object(p->root, "options", &p->options, e));
    TRY(json_member_object(p->root, "metrics", &p->metrics, e));
    TRY(json_member_object(p->root, "training", &p->training, e));
    TRY(read_missing(p, e));
    json_t *columns;
    TRY(json_member_object(p->root, "schema", &columns, e));
    int rc = schema_from_json(&p->schema, columns, e);
    return rc < 0 ? err_prefix(e, rc, "schema") : read_baseline(p, e);
}

static int parse(package *p, str text, bool embedded, err *e)
{
    if (text.len > MANIFEST_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "%zu bytes, at most %d", text.len, MANIFEST_BYTES_MAX);
    TRY(json_parse(&p->root, text, e));
    if (!json_is_object(p->root)) return err_set(e, ERR_FORMAT, "not an object");
    TRY(read_members(p, embedded, e));
    return embedded ? 0 : read_blobs(p, e);
}

// Appends {"blobs":{...}, : what a manifest starts with.
static void format_blobs(const package *p, buf *out)
{
    buf_add_text(out, "{\"blobs\":{");
    for (size_t i = 0; i < p->n_blobs; i++)
        buf_format(out, "%s\"%s\":{\"sha256\":\"%s\",\"size\":%" PRIu64 "}", i ? "," : "", p->blobs[i].role,
                   p->blobs[i].sha256, p->blobs[i].size);
    buf_add_text(out, "},");
}

// Keeps the text as p->manifest: taken, also on failure.
static int keep_manifest(package *p, buf *text, err *e)
{
    size_t len = text->len;
    buf_add_char(text, '\0');
    int rc = buf_check(text, e);
    if (rc < 0) {
        buf_clear(text);
        return rc;
    }
    p->manifest = text->data;
    p->manifest_len = len;
    sha256_hex_of(p->manifest, len, p->digest);
    return 0;
}

int package_read_manifest(package **out, str manifest, err *e)
{
    package *p = mem_zalloc(1, sizeof *p);
    if (!p) return no_memory(e);
    buf text;
    buf_init(&text, (size_t)MANIFEST_BYTES_MAX + BLOBS_TEXT_MAX + 1);
    int rc = parse(p, manifest, false, e);
    if (rc < 0) goto failed;
    format_blobs(p, &text);
    if ((rc = buf_check(&text, e)) < 0) goto failed;
    if (manifest.len < text.len || memcmp(manifest.data, text.data, text.len) != 0) {
        rc = err_set(e, ERR_FORMAT, "does not start with its blobs in their one form");
        goto failed;
    }
    buf_reset(&text);
    buf_add_str(&text, manifest);
    if ((rc = keep_manifest(p, &text, e)) < 0) goto failed;
    *out = p;
    return 0;
failed:
    buf_clear(&text);
    package_free(p);
    return err_prefix(e, rc, "manifest");
}

int package_take_blob(package *p, size_t index, str content, bool mapped, err *e)
{
    assert(index < p->n_blobs && !p->blobs[index].content.data);
    package_blob *b = &p->blobs[index];
    char sum[SHA256_HEX_SIZE];
    int rc = 0;
    if (content.len != b->size) {
        rc = err_set(e, ERR_CORRUPT, "blob \"%s\" has %zu bytes, the manifest says %" PRIu64, b->role, content.len,
                     b->size);
    } else {
        sha256_hex_of(content.data, content.len, sum);
        if (memcmp(sum, b->sha256, sizeof sum) != 0)
            rc = err_set(e, ERR_CORRUPT, "blob \"%s\" has SHA-256 %s, the manifest says %s", b->role, sum, b->sha256);
    }
    if (rc < 0) {
        drop_content(content, mapped);
        return rc;
    }
    b->content = content;
    b->mapped = mapped;
    return 0;
}

// ---- packages of one file ----

// The package of an embedded manifest and its file, which is taken, also on failure.
static int package_of_file(package **out, str embedded, str file, err *e)
{
    buf text;
    buf_init(&text, (size_t)MANIFEST_BYTES_MAX + BLOBS_TEXT_MAX + 1);
    package *p = mem_zalloc(1, sizeof *p);
    package_blob *blob = mem_zalloc(1, sizeof *blob);
    char *role = mem_strdup(PACKAGE_GRAPH);
    int rc = 0;
    if (!p || !blob || !role) {
        mem_free(blob);
        mem_free(role);
        drop_content(file, false);
        rc = no_memory(e);
        goto failed;
    }
    blob->role = role;
    blob->size = file.len;
    blob->content = file;
    sha256_hex_of(file.data, file.len, blob->sha256);
    p->blobs = blob;
    p->n_blobs = 1;
    if ((rc = parse(p, embedded, true, e)) < 0 ||
        (embedded.data[0] != '{' && (rc = err_set(e, ERR_FORMAT, "does not start with \"{\"")) < 0)) {
        err_prefix(e, rc, "manifest");
        goto failed;
    }
    format_blobs(p, &text);
    buf_add_str(&text, (str){embedded.data + 1, embedded.len - 1});
    if ((rc = keep_manifest(p, &text, e)) < 0) goto failed;
    *out = p;
    return 0;
failed:
    package_free(p);
    return rc;
}

// Takes `value` of a member, or of NULL an empty object.
static int put_object(json_t *root, const char *key, const json_t *value, err *e)
{
    return json_put(root, key, value ? json_deep_copy(value) : json_object(), e);
}

static int fill_root(json_t *root, const char *recipe, const char *driver, const schema *s, const package_parts *parts,
                     err *e)
{
    json_t *columns;
    TRY(json_put(root, "format", json_integer(MANIFEST_FORMAT), e));
    TRY(json_put(root, "recipe", json_string(recipe), e));
    TRY(json_put(root, "driver", json_string(driver), e));
    TRY(put_object(root, "options", parts ? parts->options : NULL, e));
    TRY(put_object(root, "metrics", parts ? parts->metrics : NULL, e));
    TRY(put_object(root, "training", parts ? parts->training : NULL, e));
    json_t *missing = json_object();
    TRY(json_put(root, "missing", missing, e));
    TRY(json_put(missing, "float32", json_string("NaN"), e));
    TRY(json_put(missing, "int64", json_integer(WIRE_I64_MISSING), e));
    TRY(json_put(missing, "string", json_string(""), e));
    TRY(schema_to_json(s, &columns, e));
    return json_put(root, "schema", columns, e);
}

// The embedded manifest of a new package. parts: NULL for a model made elsewhere.
static int format_embedded(buf *out, const char *recipe, const char *driver, const schema *s,
                           const package_parts *parts, err *e)
{
    json_t *root = json_object();
    if (!root) return no_memory(e);
    int rc = fill_root(root, recipe, driver, s, parts, e);
    if (rc == 0) rc = json_format(root, false, out, e);
    json_decref(root);
    return rc;
}

int package_make(package **out, const package_parts *parts, err *e)
{
    buf embedded, file;
    buf_init(&embedded, MANIFEST_BYTES_MAX);
    buf_init(&file, ONNX_BYTES_MAX);
    int rc = format_embedded(&embedded, parts->recipe, parts->driver, parts->schema, parts, e);
    if (rc == 0) rc = graph_add_metadata(parts->graph, PACKAGE_METADATA_KEY, buf_str(&embedded), e);
    if (rc == 0) rc = graph_check(parts->graph, e);
    if (rc == 0) rc = interface_check(parts->schema, parts->graph, e);
    if (rc == 0) rc = onnx_write(parts->graph, &file, e);
    if (rc == 0) {
        rc = package_of_file(out, buf_str(&embedded), buf_str(&file), e);
        file.data = NULL; // taken
    }
    buf_clear(&embedded);
    buf_clear(&file);
    return rc;
}

// The embedded manifest of a file: as it carries it, or derived from its graph into `derived`.
static int find_embedded(str *out, buf *derived, const graph *g, err *e)
{
    const graph_metadata *own = graph_find_metadata(g, PACKAGE_METADATA_KEY);
    if (own) {
        *out = own->value;
        return 0;
    }
    schema s;
    TRY(interface_derive(&s, g, e));
    int rc = format_embedded(derived, "", "once", &s, NULL, e);
    schema_clear(&s);
    *out = buf_str(derived);
    return rc;
}

int package_from_onnx(package **out, str file, err *e)
{
    graph *g;
    str embedded;
    package *p = NULL;
    buf derived;
    if (file.len > ONNX_BYTES_MAX)
        return err_set(e, ERR_LIMIT, "a model of %zu bytes, at most %zu", file.len, ONNX_BYTES_MAX);
    TRY(onnx_read(&g, file, &ONNX_LIMITS_DEFAULT, e));
    buf_init(&derived, MANIFEST_BYTES_MAX);
    int rc = find_embedded(&embedded, &derived, g, e);
    if (rc < 0) goto done;
    char *copy = mem_alloc(file.len, 1);
    if (!copy) {
        rc = no_memory(e);
        goto done;
    }
    memcpy(copy, file.data, file.len);
    if ((rc = package_of_file(&p, embedded, (str){copy, file.len}, e)) < 0) goto done;
    if ((rc = interface_check(&p->schema, g, e)) < 0) {
        package_free(p);
        goto done;
    }
    *out = p;
done:
    graph_free(g);
    buf_clear(&derived);
    return rc;
}

int package_onnx(const package *p, str *out, err *e)
{
    const package_blob *b = package_find_blob(p, PACKAGE_GRAPH);
    if (p->n_blobs != 1) return err_set(e, ERR_UNSUPPORTED, "a package of %zu blobs is not one file", p->n_blobs);
    *out = b->content;
    return 0;
}
