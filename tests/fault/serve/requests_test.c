// A server in this process whose memory, or whose disk, fails at the 1st, 2nd, ... moment of a request: predictions in
// every protocol, streams of events, deployments, uploads, hands that are shaken. Each time it answers, with what was
// asked or with an error that says what is missing, or hangs up; and the next request is answered as ever. SQLite,
// jansson and OpenSSL take their memory from the same place.
// Threads: no
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "helpers/certificate.h"
#include "helpers/nets.h"
#include "registry/registry.h"
#include "serve/jobs.h"
#include "serve/server.h"

enum { ANSWER_MAX = 1 << 16, STEPS_EACH = 60, STRIDE = 9, WAIT_MS = 20000 };

typedef struct scene {
    char *folder, *data_dir;
    char cert[CERTIFICATE_PATH_SIZE], key[CERTIFICATE_PATH_SIZE]; // "": no TLS
    size_t jobs_max;
    server *server;
    pthread_t thread;
    uint16_t port;
} scene;

static void *serve(void *context)
{
    scene *s = context;
    err e = ERR_NONE;
    if (server_run(s->server, &e) < 0) fprintf(stderr, "%s\n", e.msg);
    return NULL;
}

static void fill_registry(scene *s)
{
    registry *r;
    err e = ERR_NONE;
    int64_t version;
    check_ok(registry_open(&r, s->data_dir, NULL, &e), &e);
    for (uint64_t seed = 1; seed <= 2; seed++) {
        package *p;
        net_options o = {.width = 4, .n_layers = 1, .n_classes = 3, .seed = seed};
        check_ok(net_package(&p, &o, &e), &e);
        check_ok(registry_deploy(r, "net", p, NULL, ALIAS_DEFAULT, &version, NULL, &e), &e);
        package_free(p);
    }
    registry_close(r);
}

static void start(scene *s)
{
    err e = ERR_NONE;
    fill_registry(s);
    server_options o = SERVER_OPTIONS_DEFAULT;
    o.data_dir = s->data_dir;
    o.port = 0;
    o.n_loops = 1;
    o.runtime.isolate = ISOLATE_NEVER;
    o.jobs_max = s->jobs_max;
    o.tls_cert = s->cert;
    o.tls_key = s->key;
    check_ok(server_new(&s->server, &o, &e), &e);
    s->port = server_port(s->server);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static int set_up(void **state)
{
    static scene s;
    s = (scene){.folder = check_folder()};
    s.data_dir = path_join(s.folder, "data");
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    scene *s = *state;
    if (s->server) {
        server_stop(s->server);
        pthread_join(s->thread, NULL);
        server_free(s->server);
    }
    mem_free(s->data_dir);
    check_folder_free(s->folder);
    return 0;
}

// ---- the client: takes no memory that can fail

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

typedef struct asked {
    const char *name;
    char text[8192];
    size_t len;
} asked;

static char answer[ANSWER_MAX]; // the last
static size_t answer_len;

// The status; 0: it hung up without an answer. The connection is closed by the server.
static int ask(uint16_t port, const asked *q)
{
    int fd = dial(port), status = 0;
    size_t len = 0;
    assert_int_equal(send(fd, q->text, q->len, MSG_NOSIGNAL), q->len);
    for (ssize_t n; len < ANSWER_MAX - 1; len += (size_t)n) {
        n = recv(fd, answer + len, ANSWER_MAX - 1 - len, 0);
        if (n < 0 && errno == ECONNRESET) n = 0;
        if (n < 0) fail_msg("%s: no answer in %d ms", q->name, WAIT_MS);
        if (n == 0) break;
    }
    answer[len] = '\0';
    answer_len = len;
    close(fd);
    if (len > 0 && sscanf(answer, "HTTP/1.1 %d", &status) != 1) fail_msg("%s: no answer: %.80s", q->name, answer);
    return status;
}

static asked asks(const char *name, const char *method_path, const char *headers, const void *body, size_t len)
{
    asked q = {.name = name};
    int n = snprintf(q.text, sizeof q.text,
                     "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %zu\r\n%s\r\n",
                     method_path, len, headers);
    assert_true(n > 0 && (size_t)n + len < sizeof q.text);
    memcpy(q.text + n, body, len);
    q.len = (size_t)n + len;
    return q;
}

// Fails the nth allocation from the moment on when the request is sent, for ever larger n, until nothing is noticed.
static void with_little_memory(scene *s, const asked *q, int good)
{
    int status = ask(s->port, q);
    if (status != good) fail_msg("%s: %d: %s", q->name, status, answer);
    unsigned n_refused = 0, n_cut = 0;
    for (uint64_t nth = 1;; nth += nth < STEPS_EACH ? 1 : STRIDE) {
        mem_fail_at(nth, 0);
        status = ask(s->port, q);
        uint64_t n = mem_fail_at(0, 0);
        n_refused += status >= 500;
        n_cut += status == 0;
        bool fine = status == good || status == 503 || status == 0 || strstr(answer, "\"memory\"");
        if (!fine) fail_msg("%s: allocation %d: %s", q->name, (int)nth, answer);
        if (n < nth) break;
        assert_true(nth < 100000);
    }
    assert_true(n_refused > 0);
    if (getenv("VERBOSE")) print_message("%s: %u refused, %u cut off\n", q->name, n_refused, n_cut);
    status = ask(s->port, q);
    if (status != good) fail_msg("%s: afterwards %d: %s", q->name, status, answer);
}

#define JSON_HEADER "Content-Type: application/json\r\n"
#define WORDS                                                                      \
    "{\"name\":\"word\",\"datatype\":\"BYTES\",\"shape\":[1,1],\"data\":[\"a\"]}," \
    "{\"name\":\"day\",\"datatype\":\"FP32\",\"shape\":[1,1],\"data\":[5]}]}"
static const char tensors[] =
    "{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,4],\"data\":[1,2,3,4]}," WORDS;
static const char binary[] =
    "{\"parameters\":{\"binary_data_output\":true},\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\","
    "\"shape\":[1,4],\"parameters\":{\"binary_data_size\":16}}," WORDS;
static const char row[] = "{\"rows\":[{\"x[0]\":1,\"x[1]\":2,\"x[2]\":3,\"x[3]\":4,\"word\":\"a\",\"day\":5}]}";
static const char instance[] =
    "{\"instances\":[{\"x[0]\":1,\"x[1]\":2,\"x[2]\":3,\"x[3]\":4,\"word\":\"a\",\"day\":5}]}";
static const char graphs[] = "{\"query\":\"{models {name versions {version digest}} predict(model: \\\"net\\\", rows: "
                             "[{word: \\\"a\\\", day: 5}]) {version}}\"}";
static const char changes[] =
    "{\"query\":\"mutation {setAlias(model: \\\"net\\\", alias: \\\"a\\\", version: 1) {version}}\"}";
static const char version_1[] = "{\"version\":1}";
static const char table[] = "a,b\n1,2\n3,4\n";

#define POST(name, path, headers, text) asks(name, "POST " path, headers, text, sizeof(text) - 1)
#define GET(name, path) asks(name, "GET " path, "", "", 0)

static asked asks_binary(void)
{
    char headers[100], body[1024];
    snprintf(headers, sizeof headers, "Inference-Header-Content-Length: %zu\r\n", sizeof binary - 1);
    memcpy(body, binary, sizeof binary - 1);
    memset(body + sizeof binary - 1, 0, 16);
    return asks("V2 binary", "POST /v2/models/net/infer", headers, body, sizeof binary - 1 + 16);
}

// A run that has ended: what it said is an event stream.
static void run_something(scene *s, char path[128])
{
    char text[200], *at;
    asked upload = POST("upload", "/api/v1/datasets", "", table);
    assert_int_equal(ask(s->port, &upload), 201);
    assert_non_null(at = strstr(answer, "\"id\":\""));
    snprintf(text, sizeof text, "{\"kind\":\"profile\",\"dataset\":\"%.20s\"}", at + 6);
    asked begin = asks("begin", "POST /api/v1/runs", JSON_HEADER, text, strlen(text));
    assert_int_equal(ask(s->port, &begin), 202);
    assert_non_null(at = strstr(answer, "\"id\":\""));
    snprintf(path, 128, "/api/v1/runs/%.20s", at + 6);
    snprintf(text, sizeof text, "GET %s", path);
    asked look = asks("look", text, "", "", 0);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(ask(s->port, &look), 200);
        if (strstr(answer, "\"succeeded\"")) return;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    fail_msg("it never ended: %s", answer);
}

static void memory_runs_out(void **state)
{
    scene *s = *state;
    char path[128], events[200], log[200];
    s->jobs_max = 1;
    start(s);
    run_something(s, path);
    snprintf(events, sizeof events, "GET %s/events", path);
    snprintf(log, sizeof log, "GET %s/log", path);
    const asked all[] = {
        POST("REST", "/api/v1/models/net/predict", JSON_HEADER, row),
        POST("V2", "/v2/models/net/infer", JSON_HEADER, tensors),
        asks_binary(),
        POST("KServe", "/v1/models/net:predict", JSON_HEADER, instance),
        POST("MLflow", "/invocations", JSON_HEADER, instance),
        POST("GraphQL", "/graphql", JSON_HEADER, graphs),
        POST("GraphQL changes", "/graphql", JSON_HEADER, changes),
        GET("models", "/api/v1/models"),
        GET("description", "/openapi.json"),
        GET("metrics", "/metrics"),
        asks("events", events, "", "", 0),
        asks("log", log, "", "", 0),
        asks("alias", "PUT /api/v1/models/net/aliases/test", JSON_HEADER, version_1, sizeof version_1 - 1),
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) with_little_memory(s, &all[i], 200);
}

// The nth call on files fails: 507, and nothing is left.
static void with_little_room(scene *s, const asked *q)
{
    char *folder = path_join(s->data_dir, "datasets");
    uint64_t n_refused = 0;
    for (uint64_t nth = 1;; nth++) {
        size_t before = check_entries(folder, NULL);
        files_fail_at(nth, ENOSPC);
        int status = ask(s->port, q);
        uint64_t n = files_fail_at(0, 0);
        if (status != 200 && status != 201 && status != 507) fail_msg("%s: call %d: %s", q->name, (int)nth, answer);
        if (strstr(answer, s->data_dir)) fail_msg("%s: a path is told: %s", q->name, answer);
        if (status == 507) assert_int_equal(check_entries(folder, NULL), before);
        n_refused += status == 507;
        if (n < nth) break;
    }
    assert_true(n_refused > 2);
    assert_true(ask(s->port, q) / 10 == 20);
    mem_free(folder);
}

static void disks_fill_up(void **state)
{
    scene *s = *state;
    start(s);
    const asked upload = POST("upload", "/api/v1/datasets", "", table);
    const asked download = GET("download", "/api/v1/models/net/versions/1/file");
    with_little_room(s, &upload);
    assert_int_equal(ask(s->port, &download), 200);
    const char *file = strstr(answer, "\r\n\r\n") + 4;
    const asked version = asks("version", "POST /api/v1/models/other/versions?alias=production", "", file,
                               answer_len - (size_t)(file - answer));
    with_little_room(s, &version);
}

// ---- TLS: the client is a process of its own, whose OpenSSL has all the memory that it wants

// For each byte from above: hands are shaken, health is asked for, and the status goes up; 0 if it came to nothing.
_Noreturn static void be_client(int from, int to)
{
    uint16_t port;
    if (read(from, &port, sizeof port) != (ssize_t)sizeof port) _exit(1);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    for (char byte; read(from, &byte, 1) == 1;) {
        static const char wish[] = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        char reply[200] = "";
        int status = 0, fd = dial(port);
        SSL *ssl = SSL_new(context);
        if (SSL_set_fd(ssl, fd) == 1 && SSL_connect(ssl) == 1 && SSL_write(ssl, wish, sizeof wish - 1) > 0 &&
            SSL_read(ssl, reply, sizeof reply - 1) > 0 && sscanf(reply, "HTTP/1.1 %d", &status) != 1)
            status = -1;
        SSL_free(ssl);
        close(fd);
        if (write(to, &status, sizeof status) != (ssize_t)sizeof status) break;
    }
    _exit(0);
}

static int ask_client(const int down[2], const int up[2])
{
    int status = -1;
    assert_int_equal(write(down[1], "x", 1), 1);
    assert_int_equal(read(up[0], &status, sizeof status), sizeof status);
    return status;
}

static void memory_runs_out_in_tls(void **state)
{
    enum { TLS_STRIDE = 5 };
    scene *s = *state;
    int down[2], up[2], status;
    certificate_make(s->folder, s->cert, s->key);
    assert_true(pipe(down) == 0 && pipe(up) == 0);
    pid_t client = fork(); // before there are threads
    if (client == 0) {
        close(down[1]);
        be_client(down[0], up[1]);
    }
    close(down[0]);
    start(s);
    assert_int_equal(write(down[1], &s->port, sizeof s->port), sizeof s->port);
    assert_int_equal(ask_client(down, up), 200);
    unsigned n_broken = 0;
    for (uint64_t nth = 1;; nth += TLS_STRIDE) {
        mem_fail_at(nth, 0);
        status = ask_client(down, up);
        uint64_t n = mem_fail_at(0, 0);
        if (status != 200 && status != 503 && status != 0) fail_msg("allocation %d: %d", (int)nth, status);
        n_broken += status != 200;
        if (n < nth) break;
    }
    assert_true(n_broken > 20);
    assert_int_equal(ask_client(down, up), 200);
    close(down[1]);
    assert_int_equal(waitpid(client, &status, 0), client);
    close(up[0]);
    close(up[1]);
}

int main(int argc, char **argv)
{
    json_init();
    if (argc > 1 && strcmp(argv[1], "job") == 0) return job_child_main();
    signal(SIGPIPE, SIG_IGN);
    log_init(getenv("VERBOSE") ? LOG_WARN : LOG_ERROR, LOG_TEXT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disks_fill_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_runs_out_in_tls, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
