// By libcurl over the network; by a few lines of HTTP over the socket, so that what looks after a server on its own
// machine needs no library.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cmd/remote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "serve/server.h"

enum { KEY_FILE_MAX = 4096, URL_MAX = 2048, HEAD_MAX = 16384, READ_SIZE = 65536 };

int remote_init(remote *r, const char *url, const char *key_file, const char *ca, err *e)
{
    *r = (remote){.url = url, .ca = ca};
    TRY(fetch_host(r->url, r->host, e));
    if (strlen(r->url) > URL_MAX / 2) return err_set(e, ERR_INPUT, "the address is too long");
    buf file = {0};
    const char *key = getenv("SLIPWAY_KEY");
    if (key_file) {
        TRY(file_read(key_file, KEY_FILE_MAX, &file, e));
        buf_add_char(&file, '\0');
        int rc = buf_check(&file, e);
        if (rc < 0) {
            buf_clear(&file);
            return rc;
        }
        key = file.data;
    }
    int rc = 0;
    if (key && key[0]) {
        int len = (int)strcspn(key, " \t\r\n");
        int n = snprintf(r->authorization, sizeof r->authorization, "Authorization: Bearer %.*s", len, key);
        if ((size_t)n >= sizeof r->authorization) rc = err_set(e, ERR_INPUT, "the key is too long to be one");
    }
    buf_clear(&file);
    return rc;
}

void remote_init_local(remote *r, const char *data_dir)
{
    *r = (remote){.data_dir = data_dir};
}

// What a server says of a fault: its detail if it is problem+json, else its status.
static int refused(const fetch_answer *a, const char *what, err *e)
{
    json_t *problem = NULL;
    const char *detail = NULL;
    int code = a->status == 404                       ? ERR_NOT_FOUND
               : a->status == 401 || a->status == 403 ? ERR_DENIED
               : a->status >= 500                     ? ERR_IO
                                                      : ERR_INPUT;
    if (json_parse(&problem, buf_str(&a->body), NULL) == 0 && json_is_object(problem))
        detail = json_string_value(json_object_get(problem, "detail"));
    err_set(e, code, "%s: the server answered %d%s%.150s", what, a->status, detail ? ": " : "", detail ? detail : "");
    json_decref(problem);
    return code;
}

static int ask_by_network(const remote *r, const remote_question *q, fetch_answer *out, err *e)
{
    char url[URL_MAX], content_type[REMOTE_AUTHORIZATION_SIZE];
    const char *headers[3];
    size_t n = 0, len = strlen(r->url);
    while (len > 0 && r->url[len - 1] == '/') len--;
    snprintf(url, sizeof url, "%.*s/%s", (int)len, r->url, q->path);
    if (r->authorization[0]) headers[n++] = r->authorization;
    if (q->type) {
        snprintf(content_type, sizeof content_type, "Content-Type: %s", q->type);
        headers[n++] = content_type;
    }
    headers[n] = NULL;
    return fetch(out,
                 &(fetch_options){.url = url,
                                  .host = r->host,
                                  .method = q->method,
                                  .headers = headers,
                                  .body = q->body,
                                  .answer_max = q->answer_max,
                                  .time_ms_max = q->time_ms_max,
                                  .ca_file = r->ca},
                 e);
}

// ---- the socket

static int dial(const char *data_dir, uint32_t time_ms_max, int *out, err *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = time_ms_max / 1000, .tv_usec = time_ms_max % 1000 * 1000};
    int len = snprintf(to.sun_path, sizeof to.sun_path, "%s/" ADMIN_SOCKET, data_dir);
    if (len < 0 || (size_t)len >= sizeof to.sun_path)
        return err_set(e, ERR_INPUT, "%s: too long a path for a socket", data_dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return err_set_errno(e, "a socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        int rc = errno == ENOENT || errno == ECONNREFUSED
                     ? err_set(e, ERR_NOT_FOUND, "no server runs over %s", data_dir)
                     : err_set_errno(e, "%s", to.sun_path);
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

static int send_all(int fd, str data, err *e)
{
    while (data.len > 0) {
        ssize_t n = send(fd, data.data, data.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return err_set_errno(e, "the server's socket");
        data.data += n;
        data.len -= (size_t)n;
    }
    return 0;
}

static int read_all(int fd, buf *out, err *e)
{
    char piece[READ_SIZE];
    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return errno == EAGAIN ? err_set(e, ERR_TIMEOUT, "the server's socket is silent")
                                   : err_set_errno(e, "the server's socket");
        if (n == 0) return buf_check(out, e);
        buf_add(out, piece, (size_t)n);
        if (out->failed) return buf_check(out, e);
    }
}

// Our own server's answer to a request that closes: a head, and a body to the end of the connection.
static int take_answer(fetch_answer *out, const buf *all, err *e)
{
    static const char end[] = "\r\n\r\n";
    str text = buf_str(all);
    const char *body = text.len > 0 ? memmem(text.data, text.len, end, sizeof end - 1) : NULL;
    int status;
    char first[16] = "";
    if (text.len >= sizeof first) memcpy(first, text.data, sizeof first - 1);
    if (!body || sscanf(first, "HTTP/1.1 %d", &status) != 1)
        return err_set(e, ERR_FORMAT, "what answers at the socket is no server of ours");
    body += sizeof end - 1;
    fetch_answer a = {.status = status};
    buf_init(&a.body, text.len + 1);
    buf_add(&a.body, body, text.len - (size_t)(body - text.data));
    int rc = buf_check(&a.body, e);
    if (rc < 0)
        buf_clear(&a.body);
    else
        *out = a;
    return rc;
}

static int ask_by_socket(const remote *r, const remote_question *q, fetch_answer *out, err *e)
{
    buf head, all;
    int fd;
    TRY(dial(r->data_dir, q->time_ms_max, &fd, e));
    buf_init(&head, HEAD_MAX);
    buf_init(&all, q->answer_max + HEAD_MAX);
    buf_format(&head, "%s /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", q->method, q->path);
    if (q->type) buf_format(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n", q->type, q->body.len);
    buf_add_text(&head, "\r\n");
    int rc = buf_check(&head, e);
    if (rc == 0) rc = send_all(fd, buf_str(&head), e);
    if (rc == 0 && q->type) rc = send_all(fd, q->body, e);
    if (rc == 0) rc = read_all(fd, &all, e);
    if (rc == 0) rc = take_answer(out, &all, e);
    buf_clear(&head);
    buf_clear(&all);
    close(fd);
    return rc;
}

int remote_ask(const remote *r, const remote_question *q, fetch_answer *out, err *e)
{
    fetch_answer a;
    TRY(r->url ? ask_by_network(r, q, &a, e) : ask_by_socket(r, q, &a, e));
    if (a.status >= 200 && a.status < 300) {
        *out = a;
        return 0;
    }
    int rc = refused(&a, q->what, e);
    buf_clear(&a.body);
    return rc;
}
