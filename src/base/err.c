// Errors with context: a code, a place, one line of text.
// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

__attribute__((format(printf, 4, 0))) static void set_v(err *e, int code, int64_t at, const char *format, va_list args)
{
    if (!e) return;
    e->code = code;
    e->at = at;
    int n = vsnprintf(e->msg, sizeof e->msg, format, args);
    if (n >= (int)sizeof e->msg) e->msg[utf8_whole_len((str){e->msg, sizeof e->msg - 1})] = '\0';
}

int err_set(err *e, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_v(e, code, -1, format, args);
    va_end(args);
    return code;
}

int err_set_at(err *e, int code, int64_t at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_v(e, code, at, format, args);
    va_end(args);
    return code;
}

static int code_of_errno(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS: return ERR_DENIED;
    case ENOMEM: return ERR_MEMORY;
    case ENOSPC:
    case EDQUOT: return ERR_FULL;
    case EADDRINUSE:
    case EBUSY:
    case EAGAIN: return ERR_BUSY;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case EFBIG:
    case EMFILE:
    case ENFILE: return ERR_LIMIT;
    default: return ERR_IO;
    }
}

int err_set_errno(err *e, const char *format, ...)
{
    int number = errno;
    int code = code_of_errno(number);
    char what[sizeof e->msg];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return err_set(e, code, "%s: %s", what, strerror(number));
}

err err_outward(const err *e)
{
    err out = *e;
    bool of_system = e->code == ERR_FULL || e->code == ERR_IO || e->code == ERR_DENIED || e->code == ERR_CORRUPT;
    if (!of_system || (e->msg[0] != '/' && !strstr(e->msg, " /"))) return out;
    const char *what = e->code == ERR_FULL ? "there is no room on the server's disk; nothing was changed"
                                           : "a file of the server cannot be used; its log says more";
    err_set(&out, e->code, "%s", what);
    return out;
}

int err_prefix(err *e, int rc, const char *format, ...)
{
    if (!e) return rc;
    char before[sizeof e->msg];
    char after[sizeof e->msg];
    va_list args;
    va_start(args, format);
    vsnprintf(before, sizeof before, format, args);
    va_end(args);
    memcpy(after, e->msg, sizeof after);
    return err_set_at(e, rc, e->at, "%s: %s", before, after);
}

const char *err_name(int code)
{
    static const char *const names[] = {
        [0] = "ok",
        [-ERR_INPUT] = "input",
        [-ERR_FORMAT] = "format",
        [-ERR_LIMIT] = "limit",
        [-ERR_UNSUPPORTED] = "unsupported",
        [-ERR_NOT_FOUND] = "not_found",
        [-ERR_EXISTS] = "exists",
        [-ERR_CONFLICT] = "conflict",
        [-ERR_USAGE] = "usage",
        [-ERR_DENIED] = "denied",
        [-ERR_BUSY] = "busy",
        [-ERR_MEMORY] = "memory",
        [-ERR_FULL] = "full",
        [-ERR_IO] = "io",
        [-ERR_TIMEOUT] = "timeout",
        [-ERR_CANCELLED] = "cancelled",
        [-ERR_CORRUPT] = "corrupt",
        [-ERR_INTERNAL] = "internal",
    };
    int index = -code;
    if (index < 0 || index >= (int)(sizeof names / sizeof *names)) return "unknown";
    return names[index];
}
