// Access log: one JSON object a line, for jq and for collectors.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "serve/http.h"
#include "serve/observer_impl.h"

struct access_log {
    char *path; // NULL: standard output
    int fd;
    bool failed; // the last write did
};

static void put_text(buf *out, const char *name, const char *text)
{
    if (!text[0]) return;
    buf_format(out, ",\"%s\":", name);
    json_quote(out, str_of(text));
}

void access_log_line(const observed *o, buf *out)
{
    const request_record *r = o->record;
    char time[CLOCK_TEXT_SIZE], trace_id[2 * TRACE_ID_BYTES + 1] = "", span_id[2 * SPAN_ID_BYTES + 1] = "";
    trace_hex(r->trace.trace_id, TRACE_ID_BYTES, trace_id);
    trace_hex(r->trace.span_id, SPAN_ID_BYTES, span_id);
    buf_format(out, "{\"time\":\"%s\",\"method\":\"%s\",\"route\":", clock_format_utc(o->start_utc_ns / 1000000, time),
               http_method_name(r->method));
    json_quote(out, str_of(r->route ? r->route->pattern : ""));
    buf_format(out, ",\"status\":%d,\"duration_us\":%" PRIu64 ",\"received\":%" PRIu64 ",\"sent\":%" PRIu64, r->status,
               (r->end_ns - r->start_ns) / 1000, r->received_bytes, r->sent_bytes);
    if (r->model) {
        put_text(out, "model", r->model);
        buf_format(out, ",\"version\":%" PRId64 ",\"rows\":%" PRIu64, r->version, r->n_rows);
    }
    put_text(out, "key", r->key);
    put_text(out, "tenant", r->tenant);
    put_text(out, "peer", r->peer);
    buf_format(out, ",\"trace_id\":\"%s\",\"span_id\":\"%s\"}\n", trace_id, span_id);
}

static int open_file(access_log *l, err *e)
{
    l->fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    return l->fd < 0 ? err_set_errno(e, "the access log %s", l->path) : 0;
}

int access_log_open(access_log **out, const char *path, err *e)
{
    access_log *l = mem_zalloc(1, sizeof *l);
    if (!l) return err_set(e, ERR_MEMORY, "no memory for an access log");
    l->fd = STDOUT_FILENO;
    int rc = 0;
    if (strcmp(path, "-") != 0) {
        l->path = mem_strdup(path);
        rc = l->path ? open_file(l, e) : err_set(e, ERR_MEMORY, "no memory for an access log");
    }
    if (rc < 0) {
        mem_free(l->path);
        mem_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

void access_log_close(access_log *l)
{
    if (!l) return;
    if (l->path && l->fd >= 0) close(l->fd);
    mem_free(l->path);
    mem_free(l);
}

// Whether somebody moved the file away, or removed it.
static bool moved(const access_log *l)
{
    struct stat named, held;
    if (fstat(l->fd, &held) < 0) return true;
    return stat(l->path, &named) < 0 || named.st_ino != held.st_ino || named.st_dev != held.st_dev;
}

bool access_log_write(access_log *l, str lines)
{
    err e = ERR_NONE;
    int rc = 0;
    if (l->path && (l->fd < 0 || moved(l))) {
        if (l->fd >= 0) close(l->fd);
        rc = open_file(l, &e);
    }
    if (rc == 0) rc = fd_write_all(l->fd, lines, &e);
    if (rc < 0 && !l->failed) log_event(LOG_ERROR, "access log cannot be written", "%s", e.msg);
    if (rc == 0 && l->failed) log_event(LOG_INFO, "access log can be written again", " ");
    l->failed = rc < 0;
    return rc == 0;
}
