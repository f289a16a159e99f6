// Models by reference, results to their place.
// SPDX-License-Identifier: Apache-2.0
#include "cmd/source.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "cmd/arguments.h"

enum { MODEL_FILE_MAX = 1 << 30 };

// "NAME", "NAME@3" and "TENANT/NAME" are models, unless there is a file of that name.
static bool looks_like_file(const char *reference)
{
    size_t len = strlen(reference);
    if (len > 5 && strcmp(reference + len - 5, ".onnx") == 0) return true;
    if (!strchr(reference, '/')) return false;
    char name[MODEL_NAME_MAX + 2]; // one too long shows
    snprintf(name, sizeof name, "%.*s", (int)strcspn(reference, "@"), reference);
    return path_exists(reference) || model_name_fault(name) != NULL;
}

int source_package(package **out, const char *reference, err *e)
{
    if (looks_like_file(reference)) {
        buf file;
        TRY(file_read(reference, MODEL_FILE_MAX, &file, e));
        int rc = package_from_onnx(out, buf_str(&file), e);
        buf_clear(&file);
        return rc < 0 ? err_prefix(e, rc, "%s", reference) : 0;
    }
    registry *r;
    TRY(arguments_registry(&r, true, e));
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    int rc = registry_resolve(r, reference, name, &version, e);
    if (rc == 0) rc = registry_load(r, name, version, out, e);
    registry_close(r);
    return rc;
}

int source_model(model **out, const char *reference, err *e)
{
    package *p = NULL;
    TRY(source_package(&p, reference, e));
    int rc = model_open(out, p, e);
    return rc < 0 ? err_prefix(e, rc, "%s", reference) : 0;
}

int result_write(const char *path, str content, err *e)
{
    if (path && strcmp(path, "-") != 0) return file_write_atomic(path, content, 0644, e);
    int rc = fd_write_all(STDOUT_FILENO, content, e);
    return rc < 0 ? err_prefix(e, rc, "standard output") : 0;
}
