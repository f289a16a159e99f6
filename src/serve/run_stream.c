// The file of events is read as it grows; workers do it.
// SPDX-License-Identifier: Apache-2.0
#include "serve/run_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/mem.h"

enum {
    READ_BYTES = 64 << 10,
    LINE_BYTES_MAX = 2 << 20,
    LOOK_MS = 100,
    QUIET_MS = 2000,
    LOOK_QUIET_MS = 500,
    LOG_BYTES_MAX = 32 << 20
};

typedef struct events {
    response_stream stream; // first
    char *path;
    int fd; // -1: the file is not there yet
    buf pending;
    int64_t after;
    run_state state; // when the client asked
    bool ended;      // its last event was read
    bool silent;     // nothing was said yet
    uint64_t said_ns;
} events;

static void events_close(response_stream *stream)
{
    events *s = (events *)stream;
    if (s->fd >= 0) close(s->fd);
    buf_clear(&s->pending);
    mem_free(s->path);
    mem_free(s);
}

static bool names_end(const json_t *data)
{
    run_state state;
    const char *name = json_string_value(json_object_get(data, "state"));
    return name && run_state_find(name, &state) == 0 && run_state_ended(state);
}

static int write_event(int64_t id, const char *event, const json_t *data, buf *out, err *e)
{
    if (id > 0) buf_format(out, "id: %" PRId64 "\n", id);
    buf_format(out, "event: %s\ndata: ", event);
    TRY(json_format(data, false, out, e)); // no line feed is in it
    buf_add_text(out, "\n\n");
    return 0;
}

static int take_line(events *s, str line, buf *out, err *e)
{
    json_t *j = NULL, *data;
    const char *event;
    int64_t id;
    TRY(json_parse(&j, line, e));
    int rc = json_member_integer(j, "id", 1, INT64_MAX, &id, e);
    if (rc == 0) rc = json_member_text(j, "event", &event, e);
    if (rc == 0) rc = json_member_object(j, "data", &data, e);
    if (rc == 0) rc = json_put(data, "time", json_incref(json_object_get(j, "time")), e);
    if (rc == 0 && strcmp(event, "state") == 0 && names_end(data)) s->ended = true;
    if (rc == 0 && id > s->after) rc = write_event(id, event, data, out, e);
    json_decref(j);
    return rc;
}

// Whole lines of `pending` go to out.
static int take_lines(events *s, buf *out, err *e)
{
    size_t at = 0;
    for (char *end; at < s->pending.len && !s->ended && out->len < STREAM_PIECE_MAX &&
                    (end = memchr(s->pending.data + at, '\n', s->pending.len - at));) {
        TRY(take_line(s, (str){s->pending.data + at, (size_t)(end - s->pending.data) - at}, out, e));
        at = (size_t)(end - s->pending.data) + 1;
    }
    if (at > 0) memmove(s->pending.data, s->pending.data + at, s->pending.len - at);
    s->pending.len -= at;
    return 0;
}

// Bytes that came; 0: none for now.
static int read_more(events *s, ssize_t *n, err *e)
{
    *n = 0;
    if (s->fd < 0) s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0) return errno == ENOENT ? 0 : err_set_errno(e, "the events of a run");
    char *to = buf_reserve(&s->pending, READ_BYTES);
    if (!to) return buf_check(&s->pending, e);
    do *n = read(s->fd, to, READ_BYTES);
    while (*n < 0 && errno == EINTR);
    if (*n < 0) return err_set_errno(e, "the events of a run");
    s->pending.len += (size_t)*n;
    return 0;
}

// At the end of the file: whether nothing will follow, though no event said so.
static bool nothing_follows(const events *s)
{
    struct stat st;
    return run_state_ended(s->state) || (s->fd >= 0 && fstat(s->fd, &st) == 0 && st.st_nlink == 0);
}

static int say_state(run_state state, buf *out, err *e)
{
    json_t *data = json_pack("{s:s}", "state", run_state_name(state));
    if (!data) return err_set(e, ERR_MEMORY, "no memory for an event");
    int rc = write_event(0, "state", data, out, e);
    json_decref(data);
    return rc;
}

static int events_next(response_stream *stream, buf *out, bool *ended, err *e)
{
    events *s = (events *)stream;
    uint64_t now = clock_monotonic_ns();
    ssize_t n;
    size_t before = out->len;
    if (s->silent && s->state == RUN_QUEUED && s->after == 0) TRY(say_state(RUN_QUEUED, out, e));
    s->silent = false;
    TRY(read_more(s, &n, e));
    TRY(take_lines(s, out, e));
    if (n == 0 && !s->ended && nothing_follows(s)) {
        if (run_state_ended(s->state)) TRY(say_state(s->state, out, e));
        s->ended = true;
    }
    if (s->ended && out->len == before && run_state_ended(s->state)) TRY(say_state(s->state, out, e)); // seen already
    bool quiet = now - s->said_ns > QUIET_MS * UINT64_C(1000000);
    s->stream.wait_ms = n > 0 ? 0 : quiet ? LOOK_QUIET_MS : LOOK_MS;
    if (out->len > before) {
        s->said_ns = now;
    } else if (!s->ended && now - s->said_ns > EVENTS_SILENCE_MS * UINT64_C(1000000)) {
        buf_add_text(out, ": nothing new\n\n");
        s->said_ns = now;
    }
    *ended = s->ended;
    return 0;
}

int run_events_open(response_stream **out, const char *data_dir, const char *id, run_state state, int64_t after, err *e)
{
    events *s = mem_zalloc(1, sizeof *s);
    if (!s) return err_set(e, ERR_MEMORY, "no memory for a stream");
    s->stream = (response_stream){.next = events_next, .close = events_close, .blocks = true, .endless = true};
    s->fd = -1;
    s->state = state;
    s->after = after;
    s->silent = true;
    s->said_ns = clock_monotonic_ns();
    buf_init(&s->pending, LINE_BYTES_MAX);
    int rc = run_path(data_dir, id, RUN_EVENTS, &s->path, e);
    if (rc < 0) {
        events_close(&s->stream);
        return rc;
    }
    *out = &s->stream;
    return 0;
}

// The log.

static void add_log_line(const json_t *j, buf *out)
{
    const char *time = json_string_value(json_object_get(j, "time"));
    const char *event = json_string_value(json_object_get(j, "event"));
    const json_t *data = json_object_get(j, "data");
    const char *text = json_string_value(json_object_get(data, "text"));
    const char *stage = json_string_value(json_object_get(data, "stage"));
    const char *state = json_string_value(json_object_get(data, "state"));
    const char *message = json_string_value(json_object_get(data, "message"));
    if (!time || !event || strcmp(event, "progress") == 0) return;
    buf_format(out, "%.19s  %-9s ", time, stage ? stage : event);
    buf_add_text(out, text ? text : state ? state : "");
    if (message) buf_format(out, ": %s", message);
    buf_add_char(out, '\n');
}

int run_log(buf *out, const char *data_dir, const char *id, err *e)
{
    char *path;
    buf text;
    TRY(run_path(data_dir, id, RUN_EVENTS, &path, e));
    int rc = file_read(path, LOG_BYTES_MAX, &text, e);
    mem_free(path);
    if (rc < 0) return rc == ERR_NOT_FOUND ? 0 : rc; // it has said nothing yet
    for (size_t at = 0; at < text.len;) {
        json_t *j;
        const char *end = memchr(text.data + at, '\n', text.len - at);
        if (!end) break;
        str line = {text.data + at, (size_t)(end - text.data) - at};
        if (json_parse(&j, line, NULL) == 0) {
            add_log_line(j, out);
            json_decref(j);
        }
        at += line.len + 1;
    }
    buf_clear(&text);
    return 0;
}

// Files.

typedef struct file_stream {
    response_stream stream; // first
    int fd;
    uint64_t left;
} file_stream;

static void file_close(response_stream *stream)
{
    file_stream *s = (file_stream *)stream;
    if (s->fd >= 0) close(s->fd);
    mem_free(s);
}

static int file_next(response_stream *stream, buf *out, bool *ended, err *e)
{
    file_stream *s = (file_stream *)stream;
    size_t want = s->left < STREAM_PIECE_MAX ? (size_t)s->left : STREAM_PIECE_MAX;
    char *to = buf_reserve(out, want);
    ssize_t n;
    if (!to) return buf_check(out, e);
    do n = read(s->fd, to, want);
    while (n < 0 && errno == EINTR);
    if (n < 0 || (n == 0 && s->left > 0)) return err_set(e, ERR_IO, "the file of a run cannot be read");
    out->len += (size_t)n;
    s->left -= (uint64_t)n;
    *ended = s->left == 0;
    return 0;
}

int run_file_open(response_stream **out, const char *data_dir, const char *id, err *e)
{
    char *path;
    struct stat st;
    TRY(run_path(data_dir, id, RUN_FILE, &path, e));
    file_stream *s = mem_zalloc(1, sizeof *s);
    int rc = s ? 0 : err_set(e, ERR_MEMORY, "no memory for a stream");
    if (rc == 0 && (s->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        rc = errno == ENOENT ? err_set(e, ERR_NOT_FOUND, "the run has no file") : err_set_errno(e, "the file of a run");
    if (rc == 0 && fstat(s->fd, &st) != 0) rc = err_set_errno(e, "the file of a run");
    mem_free(path);
    if (rc < 0) {
        if (s) file_close(&s->stream);
        return rc;
    }
    s->left = (uint64_t)st.st_size;
    s->stream = (response_stream){.next = file_next, .close = file_close, .blocks = true, .len = s->left};
    *out = &s->stream;
    return 0;
}
