// A load generator that does not wait for the server. Requests are due by a fixed schedule, and a latency is counted
// from when a request was due, not from when a slow server let us send it: what is known as coordinated omission does
// not arise. With a rate of 0 every connection asks again as soon as it is answered, which finds the most that the
// server can do.
//   serve_load PORT REQUEST_FILE CONNECTIONS RATE SECONDS [tls]
// prints: requests a second, then the latency at 50, 99, 99.9 per cent and the greatest, in microseconds.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/files.h"

enum { EVENTS_MAX = 256, CONNECTIONS_MAX = 4096, ANSWER_MAX = 1 << 16 };

// Log-linear buckets, as HdrHistogram has them: each power of two in 64 parts, so a value is off by 1.6 % at most.
enum { PARTS_BITS = 6, PARTS = 1 << PARTS_BITS, POWERS = 40 };
static uint64_t buckets[POWERS * PARTS], n_latencies, latency_max;

static size_t bucket_of(uint64_t ns)
{
    if (ns < PARTS) return (size_t)ns;
    int power = 63 - __builtin_clzll(ns) - PARTS_BITS;
    size_t index = (size_t)(power + 1) * PARTS + (size_t)((ns >> power) - PARTS);
    return index < POWERS * PARTS ? index : POWERS * PARTS - 1;
}

static uint64_t end_of_bucket(size_t index)
{
    if (index < PARTS) return index;
    int power = (int)(index / PARTS) - 1;
    return ((uint64_t)(index % PARTS) + PARTS + 1) << power;
}

static void record(uint64_t ns)
{
    buckets[bucket_of(ns)]++;
    n_latencies++;
    if (ns > latency_max) latency_max = ns;
}

static double percentile_us(double part)
{
    uint64_t want = (uint64_t)(part * (double)n_latencies), sum = 0;
    for (size_t i = 0; i < POWERS * PARTS; i++) {
        sum += buckets[i];
        if (sum > want) return (double)end_of_bucket(i) / 1e3;
    }
    return (double)latency_max / 1e3;
}

typedef struct connection {
    int fd;
    uint64_t due_ns; // of the request under way; 0: none
    size_t got;      // bytes of its answer
    SSL *tls;        // NULL: plain
} connection;

static connection connections[CONNECTIONS_MAX];
static size_t idle[CONNECTIONS_MAX], n_idle; // a stack of connections without a request
static buf request;
static size_t answer_len; // every answer is as long as the first one

static void die(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int dial(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void encrypt(connection *c, SSL_CTX *context)
{
    c->tls = SSL_new(context);
    if (!c->tls || SSL_set_fd(c->tls, c->fd) != 1 || SSL_connect(c->tls) != 1) die("TLS");
}

static ssize_t receive(connection *c, char *to, size_t size, int flags)
{
    if (!c->tls) return recv(c->fd, to, size, flags);
    int n = SSL_read(c->tls, to, (int)size);
    if (n > 0) return n;
    errno = SSL_get_error(c->tls, n) == SSL_ERROR_WANT_READ ? EAGAIN : EIO;
    return -1;
}

static void ask(connection *c, uint64_t due_ns)
{
    c->due_ns = due_ns;
    c->got = 0;
    ssize_t n = c->tls ? SSL_write(c->tls, request.data, (int)request.len)
                       : send(c->fd, request.data, request.len, MSG_NOSIGNAL);
    if (n != (ssize_t)request.len) die("send");
}

// The first answer, read without hurry: its length is that of all.
static void learn_answer(connection *c)
{
    static char answer[ANSWER_MAX];
    size_t len = 0;
    ask(c, 1);
    for (char *body = NULL, *length; !body || len < answer_len;) {
        ssize_t n = receive(c, answer + len, sizeof answer - 1 - len, 0);
        if (n <= 0) die("the first answer");
        len += (size_t)n;
        answer[len] = '\0';
        body = strstr(answer, "\r\n\r\n");
        if (!body) continue;
        length = strcasestr(answer, "\r\ncontent-length:");
        if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || !length || length > body) {
            fprintf(stderr, "load: no good answer: %s\n", answer);
            exit(1);
        }
        answer_len = (size_t)(body + 4 - answer) + strtoul(length + 17, NULL, 10);
    }
    if (len != answer_len) die("more than one answer");
    c->due_ns = 0;
}

static void take_answer(size_t index, bool again, uint64_t now)
{
    static char in[ANSWER_MAX];
    connection *c = &connections[index];
    ssize_t n = receive(c, in, sizeof in, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) die("the server closed a connection");
    if (c->got == 0 && (n < 12 || memcmp(in, "HTTP/1.1 200", 12) != 0)) die("an answer other than 200");
    c->got += (size_t)n;
    if (c->got < answer_len) return;
    if (c->got > answer_len) die("an answer of another length");
    record(now - c->due_ns);
    c->due_ns = 0;
    if (again)
        ask(c, now);
    else
        idle[n_idle++] = index;
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 7) return 2;
    SSL_CTX *context = argc == 7 ? SSL_CTX_new(TLS_client_method()) : NULL; // whom it talks to is not checked
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    size_t n_connections = strtoul(argv[3], NULL, 10);
    double rate = strtod(argv[4], NULL), seconds = strtod(argv[5], NULL);
    err e = ERR_NONE;
    if (n_connections == 0 || n_connections > CONNECTIONS_MAX) return 2;
    if (file_read(argv[2], ANSWER_MAX, &request, &e) < 0) return fprintf(stderr, "load: %s\n", e.msg), 1;
    int loop = epoll_create1(0);
    for (size_t i = 0; i < n_connections; i++) {
        connections[i].fd = dial(port);
        if (context) encrypt(&connections[i], context);
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = i};
        epoll_ctl(loop, EPOLL_CTL_ADD, connections[i].fd, &event);
    }
    learn_answer(&connections[0]);
    for (size_t i = 0; context && i < n_connections; i++) fcntl(connections[i].fd, F_SETFL, O_NONBLOCK);
    for (size_t i = n_connections; i-- > 0;) idle[n_idle++] = i;

    uint64_t start = clock_monotonic_ns(), end = start + (uint64_t)(seconds * 1e9), now = start;
    uint64_t warm_ns = start + (uint64_t)(seconds * 1e8); // the first tenth is not counted
    bool warm = false;
    double gap_ns = rate > 0 ? 1e9 / rate : 0, n_due = 0;
    struct epoll_event events[EVENTS_MAX];
    if (rate <= 0)
        while (n_idle > 0) ask(&connections[idle[--n_idle]], now);
    while (now < end) {
        // Requests that are due and find no connection free stay due: their time runs.
        for (; rate > 0 && n_idle > 0 && start + (uint64_t)(n_due * gap_ns) <= now; n_due++)
            ask(&connections[idle[--n_idle]], start + (uint64_t)(n_due * gap_ns));
        int n = epoll_wait(loop, events, EVENTS_MAX, rate > 0 ? 0 : 10);
        now = clock_monotonic_ns();
        for (int i = 0; i < n; i++) take_answer((size_t)events[i].data.u64, rate <= 0, now);
        if (!warm && now >= warm_ns) {
            warm = true;
            memset(buckets, 0, sizeof buckets);
            n_latencies = latency_max = 0;
            warm_ns = now;
        }
    }
    // Those that were due and never sent, or not answered, count with the time they have waited so far.
    uint64_t n_answered = n_latencies;
    for (size_t i = 0; i < n_connections; i++)
        if (rate > 0 && connections[i].due_ns) record(now - connections[i].due_ns);
    for (; rate > 0 && start + (uint64_t)(n_due * gap_ns) <= now; n_due++)
        record(now - start - (uint64_t)(n_due * gap_ns));
    printf("%.0f %.1f %.1f %.1f %.1f\n", (double)n_answered * 1e9 / (double)(now - warm_ns), percentile_us(0.5),
           percentile_us(0.99), percentile_us(0.999), (double)latency_max / 1e3);
    return 0;
}
