// Bodies that come and go piece by piece: a real server, with routes that only this test has.
// Labels: thread
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/mem.h"
#include "check.h"
#include "serve/serving.h"

// The table of protocols is compiled here with our routes in the place of the native ones.
#define rest_protocol test_protocol
#include "serve/rest.h"
#include "serve/routes.c"
#undef rest_protocol

enum { MiB = 1 << 20 };

static atomic_int n_open; // sinks and streams that are not closed
static atomic_int n_asked;
static atomic_bool held; // the handler of /hold waits while it is set

// A body: its length and a sum that depends on the order are answered.
typedef struct summing {
    body_sink sink;
    uint64_t n_bytes, sum;
    size_t longest;
} summing;

static int sum_write(body_sink *s, str piece, err *e)
{
    summing *x = (summing *)s;
    if (piece.len > 0 && piece.data[0] == '!') return err_set(e, ERR_FULL, "no room for it");
    for (size_t i = 0; i < piece.len; i++) x->sum = x->sum * 31 + (unsigned char)piece.data[i];
    x->n_bytes += piece.len;
    if (piece.len > x->longest) x->longest = piece.len;
    return 0;
}

static int sum_end(body_sink *s, serving *v, const request *q, response *r, err *e)
{
    (void)v, (void)e;
    summing *x = (summing *)s;
    buf_format(r->body, "%" PRIu64 " %" PRIu64 " %zu %.*s", x->n_bytes, x->sum, x->longest, (int)q->query.len,
               q->query.data);
    return 0;
}

static void sum_close(body_sink *s)
{
    atomic_fetch_sub(&n_open, 1);
    mem_free(s);
}

static int sum(serving *s, const request *q, response *r, err *e)
{
    (void)s;
    if (str_equal(q->query, STR("refuse"))) return err_set(e, ERR_DENIED, "not for you");
    summing *x = mem_zalloc(1, sizeof *x);
    if (!x) return err_set(e, ERR_MEMORY, "no memory");
    atomic_fetch_add(&n_open, 1);
    x->sink = (body_sink){sum_write, sum_end, sum_close, str_equal(q->query, STR("small")) ? 10 : UINT64_C(1) << 40};
    r->sink = &x->sink;
    return 0;
}

// An answer of `left` pieces of `size` bytes.
typedef struct counting {
    response_stream stream;
    uint64_t left;
    size_t size;
    bool fails;
} counting;

static int count_next(response_stream *s, buf *out, bool *ended, err *e)
{
    counting *x = (counting *)s;
    atomic_fetch_add(&n_asked, 1);
    if (x->left == 0) {
        *ended = true;
        return x->fails ? err_set(e, ERR_IO, "it broke") : 0;
    }
    x->left--;
    char *to = buf_reserve(out, x->size);
    if (!to) return 0;
    memset(to, 'a' + (int)(x->left % 26), x->size);
    out->len += x->size;
    return 0;
}

static void count_close(response_stream *s)
{
    atomic_fetch_sub(&n_open, 1);
    mem_free(s);
}

// ?PIECES,SIZE,WAIT_MS,FLAGS: of FLAGS 1 blocks, 2 tells the length, 4 is endless, 8 breaks at the end, 16 wrong length
static int count(serving *s, const request *q, response *r, err *e)
{
    (void)s;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)q->query.len, q->query.data);
    unsigned pieces = 0, size = 0, wait = 0, flags = 0;
    if (sscanf(text, "%u,%u,%u,%u", &pieces, &size, &wait, &flags) != 4) return err_set(e, ERR_INPUT, "what?");
    counting *x = mem_zalloc(1, sizeof *x);
    if (!x) return err_set(e, ERR_MEMORY, "no memory");
    atomic_fetch_add(&n_open, 1);
    x->left = pieces;
    x->size = size;
    x->fails = flags & 8;
    x->stream = (response_stream){.next = count_next, .close = count_close, .wait_ms = wait};
    x->stream.blocks = flags & 1;
    if (flags & 2) x->stream.len = (uint64_t)pieces * size + (flags & 16 ? 1 : 0);
    x->stream.endless = flags & 4;
    r->stream = &x->stream;
    buf_add_text(r->body, "begin:");
    return 0;
}

static int hold(serving *s, const request *q, response *r, err *e)
{
    (void)s;
    const struct timespec moment = {.tv_nsec = 1000000};
    while (atomic_load(&held)) {
        TRY(request_over(q, clock_monotonic_ns(), e));
        nanosleep(&moment, NULL);
    }
    buf_add_text(r->body, "held");
    return 0;
}

static int plain(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)e;
    buf_format(r->body, "%s %d", q->peer->address, q->gone != NULL);
    return 0;
}

static void fail_plainly(response *r, int status, const err *e)
{
    (void)status;
    r->content_type = "text/plain";
    buf_add_text(r->body, e->msg);
}

static const route test_routes[] = {
    {HTTP_POST, "/sum", "sum", "", "*/*", "text/plain", sum, FOR_ANYONE, ROUTE_TAKES_PIECES},
    {HTTP_GET, "/count", "count", "", NULL, "text/plain", count, FOR_ANYONE, 0},
    {HTTP_GET, "/count/later", "countLater", "", NULL, "text/plain", count, FOR_ANYONE, ROUTE_BLOCKS},
    {HTTP_GET, "/hold", "hold", "", NULL, "text/plain", hold, FOR_ANYONE, ROUTE_BLOCKS},
    {HTTP_GET, "/plain", "plain", "", NULL, "text/plain", plain, FOR_ANYONE, 0},
};

const protocol_row test_protocol = {
    .name = "test",
    .routes = test_routes,
    .n_routes = sizeof test_routes / sizeof *test_routes,
    .fail = fail_plainly,
};

// The server, and clients.

typedef struct fixture {
    char *folder;
    server *server;
    pthread_t thread;
    int rc;
} fixture;

static void *serve(void *context)
{
    fixture *f = context;
    err e;
    f->rc = server_run(f->server, &e);
    return NULL;
}

static int start(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f) return -1;
    err e = ERR_NONE;
    f->folder = check_folder();
    server_options o = SERVER_OPTIONS_DEFAULT;
    o.data_dir = f->folder;
    o.port = 0;
    o.n_loops = 1;
    o.body_max = 1000;
    o.body_ms_max = 700;
    o.write_ms_max = 600;
    o.stop_ms_max = 2000;
    check_ok(server_new(&f->server, &o, &e), &e);
    if (pthread_create(&f->thread, NULL, serve, f) != 0) return -1;
    *state = f;
    return 0;
}

static int stop(void **state)
{
    fixture *f = *state;
    if (f->server) {
        server_stop(f->server);
        pthread_join(f->thread, NULL);
        server_free(f->server);
    }
    assert_int_equal(f->rc, 0);
    assert_int_equal(atomic_load(&n_open), 0);
    check_folder_free(f->folder);
    free(f);
    return 0;
}

static int dial(const fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server_port(f->server))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct timeval limit = {.tv_sec = 20};
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const void *data, size_t len)
{
    for (const char *at = data; len > 0;) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) return; // it answers before the end, and closes
        at += n;
        len -= (size_t)n;
    }
}

static void say_text(int fd, const char *text)
{
    say(fd, text, strlen(text));
}

// All until the server closes, or until `until` is there.
static char *hear(int fd, const char *until)
{
    static char text[1 << 16];
    size_t len = 0;
    text[0] = '\0';
    while (len < sizeof text - 1 && !(until && strstr(text, until))) {
        ssize_t n = recv(fd, text + len, sizeof text - 1 - len, 0);
        if (n <= 0) break;
        len += (size_t)n;
        text[len] = '\0';
    }
    return text;
}

static void wait_for(const fixture *f, atomic_int *what, int value)
{
    (void)f;
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < 10000 && atomic_load(what) != value; i++) nanosleep(&moment, NULL);
    assert_int_equal(atomic_load(what), value);
}

static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");
    if (!end) fail_msg("no answer: \"%s\"", answer);
    return end + 4;
}

static uint64_t sum_of(size_t n)
{
    uint64_t s = 0;
    for (size_t i = 0; i < n; i++) s = s * 31 + (unsigned char)('a' + i % 23);
    return s;
}

static char *body_bytes(size_t n)
{
    char *data = malloc(n + 1);
    assert_non_null(data);
    for (size_t i = 0; i < n; i++) data[i] = (char)('a' + i % 23);
    return data;
}

static void check_sum(const char *answer, size_t n)
{
    char want[96];
    snprintf(want, sizeof want, "%zu %" PRIu64 " ", n, sum_of(n));
    const char *body = body_of(answer);
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || strncmp(body, want, strlen(want)) != 0)
        fail_msg("\"%s\" is not \"%s\"", answer, want);
}

// Bodies in.

static void bodies_of_every_length(void **state)
{
    const size_t sizes[] = {0, 1, 100, 1000, 1001, 65536, 300000, MiB - 1, MiB, MiB + 1, 5 * MiB + 7};
    int fd = dial(*state);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char head[128], *data = body_bytes(sizes[i]);
        snprintf(head, sizeof head, "POST /sum?q HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
        say_text(fd, head);
        say(fd, data, sizes[i]);
        check_sum(hear(fd, " q"), sizes[i]);
        free(data);
    }
    close(fd);
}

static void bodies_in_chunks_and_requests_behind_them(void **state)
{
    const size_t chunks[] = {1, 7, 1000, 300000, 5};
    size_t n = 0;
    for (size_t i = 0; i < 5; i++) n += chunks[i];
    char *data = body_bytes(n), line[64];
    int fd = dial(*state);
    for (int cut = 0; cut < 2; cut++) {
        size_t at = 0;
        say_text(fd, "POST /sum?q HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (size_t i = 0; i < 5; i++) {
            snprintf(line, sizeof line, "%zx;x=y\r\n", chunks[i]);
            for (const char *c = line; *c; c++) say(fd, c, cut ? 1 : strlen(c)), c = cut ? c : c + strlen(c) - 1;
            say(fd, data + at, chunks[i]);
            say_text(fd, "\r\n");
            at += chunks[i];
        }
        say_text(fd, "0\r\nTrailer: x\r\n\r\nGET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n");
        char *answer = hear(fd, "127.0.0.1 0");
        check_sum(answer, n);
        assert_non_null(strstr(answer, "127.0.0.1 0"));
    }
    free(data);
    close(fd);
}

static void refused_bodies_are_not_waited_for(void **state)
{
    static const struct {
        const char *request, *status;
    } all[] = {
        {"POST /sum?refuse HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", "403"},
        {"POST /sum?refuse HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", "403"},
        {"POST /sum?small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n", "413"},
        {"POST /sum?small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n6\r\n", "413"},
        {"POST /sum HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdef\r\n", "400"},
        {"POST /sum HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", "415"},
        {"POST /sum HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nabc", "408"},
        {"POST /sum HTTP/1.1\r\nHost: localhost\r\nX-Request-Timeout: soon\r\nContent-Length: 5\r\n\r\n", "400"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int fd = dial(*state);
        say_text(fd, all[i].request);
        const char *answer = hear(fd, NULL);
        if (strlen(answer) < 12 || strncmp(answer + 9, all[i].status, 3) != 0)
            fail_msg("%s: \"%s\"", all[i].request, answer);
        assert_null(strstr(answer, "100 Continue"));
        assert_non_null(strstr(answer, "Connection: close"));
        close(fd);
    }
    wait_for(*state, &n_open, 0);
}

static void a_failing_sink_answers_at_once(void **state)
{
    char *data = body_bytes(3 * MiB);
    data[MiB] = '!';
    int fd = dial(*state);
    say_text(fd, "POST /sum HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n");
    say(fd, data, MiB); // the first piece is a full one
    data[0] = '!';
    say(fd, data, 2 * MiB);
    const char *answer = hear(fd, NULL);
    assert_memory_equal(answer, "HTTP/1.1 507 ", 13);
    assert_non_null(strstr(answer, "no room for it"));
    free(data);
    close(fd);
    wait_for(*state, &n_open, 0);
}

static void expect_is_answered(void **state)
{
    int fd = dial(*state);
    say_text(fd, "POST /sum?q HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_string_equal(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say_text(fd, "abc");
    check_sum(hear(fd, " q"), 3);
    close(fd);
}

static void deadlines_renew_with_progress(void **state)
{
    char *data = body_bytes(10 * 70000);
    const struct timespec pause = {.tv_nsec = 100000000};
    int fd = dial(*state);
    say_text(fd, "POST /sum?q HTTP/1.1\r\nHost: localhost\r\nContent-Length: 700000\r\n\r\n");
    for (size_t i = 0; i < 10; i++) { // a second, with a deadline of 0.7
        say(fd, data + i * 70000, 70000);
        nanosleep(&pause, NULL);
    }
    check_sum(hear(fd, " q"), 700000);
    free(data);
    close(fd);
}

static void who_leaves_in_the_middle_leaves_nothing(void **state)
{
    char *data = body_bytes(2 * MiB);
    for (int i = 0; i < 8; i++) {
        int fd = dial(*state);
        say_text(fd, "POST /sum HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n");
        say(fd, data, (size_t)i * 200000);
        close(fd);
    }
    free(data);
    wait_for(*state, &n_open, 0);
}

static size_t resident(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void memory_does_not_grow_with_the_body(void **state)
{
    enum { N = 64 };
    char *data = body_bytes(MiB), chunk[32];
    int fd = dial(*state);
    say_text(fd, "POST /sum?q HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    snprintf(chunk, sizeof chunk, "%x\r\n", MiB);
    size_t before = 0;
    for (int i = 0; i < N; i++) {
        say_text(fd, chunk);
        say(fd, data, MiB);
        say_text(fd, "\r\n");
        if (i == 8) before = resident();
    }
    size_t after = resident();
    say_text(fd, "0\r\n\r\n");
    char want[32];
    snprintf(want, sizeof want, "%zu ", (size_t)N * MiB);
    const char *body = body_of(hear(fd, " q"));
    assert_memory_equal(body, want, strlen(want));
    size_t longest = 0;
    assert_int_equal(sscanf(body, "%*u %*u %zu", &longest), 1);
    assert_in_range(longest, 1, BODY_PIECE_MAX);
    assert_true(after < before + 8 * (size_t)MiB);
    free(data);
    close(fd);
}

// Bodies out.

// The content of a chunked body; *whole: its end came.
static size_t dechunk(const char *body, char *out, bool *whole)
{
    size_t len = 0;
    *whole = false;
    for (char *end;;) {
        unsigned long n = strtoul(body, &end, 16);
        if (end == body || strncmp(end, "\r\n", 2) != 0) return len;
        if (n == 0) {
            *whole = strcmp(end, "\r\n\r\n") == 0;
            return len;
        }
        if (strlen(end + 2) < n + 2) return len;
        memcpy(out + len, end + 2, n);
        len += n;
        body = end + 2 + n + 2;
    }
}

static void chunks_to_1_1_and_bytes_to_1_0(void **state)
{
    static const char *const paths[] = {"/count?3,5,0,0", "/count?3,5,5,1", "/count/later?3,5,5,0",
                                        "/count/later?3,5,0,1"};
    for (size_t i = 0; i < 4; i++) {
        char text[128], out[64];
        bool whole;
        int fd = dial(*state);
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
        for (int again = 0; again < 2; again++) { // the connection is kept
            say_text(fd, text);
            const char *answer = hear(fd, "0\r\n\r\n");
            assert_non_null(strstr(answer, "Transfer-Encoding: chunked\r\n"));
            assert_null(strstr(answer, "Content-Length"));
            assert_int_equal(dechunk(body_of(answer), out, &whole), 21);
            assert_true(whole);
            assert_memory_equal(out, "begin:cccccbbbbbaaaaa", 21);
        }
        close(fd);
        fd = dial(*state);
        snprintf(text, sizeof text, "GET %s HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", paths[i]);
        say_text(fd, text);
        const char *answer = hear(fd, NULL);
        assert_null(strstr(answer, "Transfer-Encoding"));
        assert_non_null(strstr(answer, "Connection: close"));
        assert_string_equal(body_of(answer), "begin:cccccbbbbbaaaaa");
        close(fd);
    }
    wait_for(*state, &n_open, 0);
}

static void a_told_length_is_kept(void **state)
{
    int fd = dial(*state);
    say_text(fd,
             "GET /count?3,5,0,3 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const char *answer = hear(fd, "127.0.0.1 0");
    assert_non_null(strstr(answer, "Content-Length: 21\r\n"));
    assert_non_null(strstr(answer, "begin:cccccbbbbbaaaaaHTTP/1.1 200 OK"));
    say_text(fd, "HEAD /count?3,5,0,2 HTTP/1.1\r\nHost: localhost\r\n\r\nHEAD /count?3,5,0,0 HTTP/1.1\r\nHost: "
                 "localhost\r\n\r\nGET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n");
    answer = hear(fd, "127.0.0.1 0");
    assert_null(strstr(answer, "begin"));
    say_text(fd, "GET /count?3,5,0,18 HTTP/1.1\r\nHost: localhost\r\n\r\n"); // one byte less than told
    answer = hear(fd, NULL);
    assert_string_equal(body_of(answer), "begin:cccccbbbbbaaaaa");
    close(fd);
    fd = dial(*state);
    char out[64];
    bool whole;
    say_text(fd, "GET /count?1,5,0,8 HTTP/1.1\r\nHost: localhost\r\n\r\n"); // breaks: the end must not look like one
    assert_int_equal(dechunk(body_of(hear(fd, NULL)), out, &whole), 11);
    assert_false(whole);
    close(fd);
    wait_for(*state, &n_open, 0);
}

static void a_slow_reader_holds_one_piece(void **state)
{
    for (int blocks = 0; blocks < 2; blocks++) {
        int fd = dial(*state), small = 4096;
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        atomic_store(&n_asked, 0);
        char text[96];
        snprintf(text, sizeof text, "GET /count?4000,1000000,0,%d HTTP/1.1\r\nHost: localhost\r\n\r\n", blocks);
        say_text(fd, text);
        wait_for(*state, &n_open, 1);
        wait_for(*state, &n_open, 0); // cut at the deadline of writing
        assert_in_range(atomic_load(&n_asked), 1, 20);
        close(fd);
    }
}

static void streams_end_when_their_client_leaves(void **state)
{
    for (int flags = 0; flags < 2; flags++) {
        char text[96];
        int fd = dial(*state);
        snprintf(text, sizeof text, "GET /count?100000,0,20,%d HTTP/1.1\r\nHost: localhost\r\n\r\n", flags);
        say_text(fd, text); // says nothing, so that only the end of the client can be seen
        hear(fd, "begin:");
        atomic_store(&n_asked, 0);
        const struct timespec pause = {.tv_nsec = 200000000};
        nanosleep(&pause, NULL);
        assert_in_range(atomic_load(&n_asked), 1, 11); // it waits in between
        close(fd);
        wait_for(*state, &n_open, 0);
    }
}

static void endless_streams_are_cut_by_a_stop(void **state)
{
    fixture *f = *state;
    int endless[2], other = dial(f);
    for (int i = 0; i < 2; i++) {
        char text[96];
        endless[i] = dial(f);
        snprintf(text, sizeof text, "GET /count?100000,1,5,%d HTTP/1.1\r\nHost: localhost\r\n\r\n", 4 + i);
        say_text(endless[i], text);
        hear(endless[i], "begin:");
    }
    say_text(other, "GET /count?6,1,1,1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    char first[16];
    assert_true(recv(other, first, sizeof first, 0) > 0);
    uint64_t start_ns = clock_monotonic_ns();
    server_stop(f->server);
    char *answer = hear(other, "0\r\n\r\n"); // this one may end
    assert_non_null(strstr(answer, "0\r\n\r\n"));
    for (int i = 0; i < 2; i++) {
        hear(endless[i], NULL);
        close(endless[i]);
    }
    close(other);
    pthread_join(f->thread, NULL);
    assert_true(clock_monotonic_ns() - start_ns < UINT64_C(1900000000));
    server_free(f->server);
    f->server = NULL;
}

// Requests that are over before they are answered.

static void cancelled_and_late_requests(void **state)
{
    fixture *f = *state;
    const struct timespec pause = {.tv_nsec = 120000000};
    atomic_store(&held, true);
    int late = dial(f), leaves = dial(f);
    uint64_t start_ns = clock_monotonic_ns();
    say_text(late, "GET /hold HTTP/1.1\r\nHost: localhost\r\nX-Request-Timeout: 0.2\r\n\r\n");
    assert_memory_equal(hear(late, "\r\n\r\n"), "HTTP/1.1 504 ", 13);
    assert_true(clock_monotonic_ns() - start_ns >= 200000000);
    say_text(leaves, "GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    nanosleep(&pause, NULL);
    shutdown(leaves, SHUT_WR); // seen as its end, and yet answered: it might be half an end only
    assert_memory_equal(hear(leaves, "\r\n\r\n"), "HTTP/1.1 503 ", 13);
    close(leaves);
    close(late);
    atomic_store(&held, false);
    late = dial(f);
    say_text(late, "GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n");
    shutdown(late, SHUT_WR); // at once: no end
    assert_non_null(strstr(hear(late, NULL), "held"));
    close(late);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies_of_every_length, start, stop),
        cmocka_unit_test_setup_teardown(bodies_in_chunks_and_requests_behind_them, start, stop),
        cmocka_unit_test_setup_teardown(refused_bodies_are_not_waited_for, start, stop),
        cmocka_unit_test_setup_teardown(a_failing_sink_answers_at_once, start, stop),
        cmocka_unit_test_setup_teardown(expect_is_answered, start, stop),
        cmocka_unit_test_setup_teardown(deadlines_renew_with_progress, start, stop),
        cmocka_unit_test_setup_teardown(who_leaves_in_the_middle_leaves_nothing, start, stop),
        cmocka_unit_test_setup_teardown(memory_does_not_grow_with_the_body, start, stop),
        cmocka_unit_test_setup_teardown(chunks_to_1_1_and_bytes_to_1_0, start, stop),
        cmocka_unit_test_setup_teardown(a_told_length_is_kept, start, stop),
        cmocka_unit_test_setup_teardown(a_slow_reader_holds_one_piece, start, stop),
        cmocka_unit_test_setup_teardown(streams_end_when_their_client_leaves, start, stop),
        cmocka_unit_test_setup_teardown(endless_streams_are_cut_by_a_stop, start, stop),
        cmocka_unit_test_setup_teardown(cancelled_and_late_requests, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
