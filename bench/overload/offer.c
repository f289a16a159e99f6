// Offers requests at a fixed rate, whatever the server does with them, and tells those that were answered from those
// that were refused. A latency is counted from when a request was due. With a rate of 0 every connection asks again as
// soon as it is answered.
//   overload_offer PORT REQUEST_FILE CONNECTIONS RATE SECONDS
// prints, a second each: answered with 200, refused with 503, anything else, due but not sent; then the latency of the
// 200s at 50, 99 and 99.9 per cent and that of the 503s at 99, in microseconds. The first fifth is not counted.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
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

enum { EVENTS_MAX = 256, CONNECTIONS_MAX = 4096, ANSWER_MAX = 4096, SAMPLES_MAX = 1 << 22 };

typedef struct connection {
    int fd;
    uint64_t due_ns; // of the request under way; 0: none
    size_t got;
    char answer[ANSWER_MAX];
} connection;

typedef struct samples {
    uint32_t *us;
    size_t n;
} samples;

static connection *connections;
static size_t idle[CONNECTIONS_MAX], n_idle;
static buf request;
static samples good, refused;
static size_t n_other;

static void die(const char *what)
{
    fprintf(stderr, "offer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void add(samples *s, uint64_t ns)
{
    if (s->n < SAMPLES_MAX) s->us[s->n++] = (uint32_t)(ns / 1000);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(samples *s, double part) // sorted
{
    return s->n ? (double)s->us[(size_t)(part * (double)(s->n - 1))] : 0;
}

static int dial(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void ask(connection *c, uint64_t due_ns)
{
    c->due_ns = due_ns;
    c->got = 0;
    if (send(c->fd, request.data, request.len, MSG_NOSIGNAL) != (ssize_t)request.len) die("send");
}

// Whether the whole answer is there.
static bool is_whole(connection *c)
{
    c->answer[c->got] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n"), *length = strcasestr(c->answer, "\r\ncontent-length:");
    if (!end || !length) return false;
    return c->got >= (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
}

static void take_answer(size_t index, bool again, uint64_t now)
{
    connection *c = &connections[index];
    ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) die("the server closed a connection");
    c->got += (size_t)n;
    if (!is_whole(c)) return;
    if (strncmp(c->answer, "HTTP/1.1 200", 12) == 0)
        add(&good, now - c->due_ns);
    else if (strncmp(c->answer, "HTTP/1.1 503", 12) == 0)
        add(&refused, now - c->due_ns);
    else
        n_other++;
    c->due_ns = 0;
    if (again)
        ask(c, now);
    else
        idle[n_idle++] = index;
}

int main(int argc, char **argv)
{
    if (argc != 6) return 2;
    uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10);
    size_t n_connections = strtoul(argv[3], NULL, 10);
    double rate = strtod(argv[4], NULL), seconds = strtod(argv[5], NULL);
    err e = ERR_NONE;
    if (n_connections == 0 || n_connections > CONNECTIONS_MAX) return 2;
    if (file_read(argv[2], ANSWER_MAX, &request, &e) < 0) return fprintf(stderr, "offer: %s\n", e.msg), 1;
    connections = calloc(n_connections, sizeof *connections);
    good.us = calloc(SAMPLES_MAX, sizeof *good.us);
    refused.us = calloc(SAMPLES_MAX, sizeof *refused.us);
    int loop = epoll_create1(0);
    if (!connections || !good.us || !refused.us || loop < 0) die("memory");
    for (size_t i = 0; i < n_connections; i++) {
        connections[i].fd = dial(port);
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = i};
        epoll_ctl(loop, EPOLL_CTL_ADD, connections[i].fd, &event);
    }
    for (size_t i = n_connections; i-- > 0;) idle[n_idle++] = i;

    uint64_t start = clock_monotonic_ns(), end = start + (uint64_t)(seconds * 1e9), now = start;
    uint64_t counted_from = start + (uint64_t)(seconds * 2e8);
    bool counts = false;
    double gap_ns = rate > 0 ? 1e9 / rate : 0;
    uint64_t n_due = 0, n_unsent = 0;
    struct epoll_event events[EVENTS_MAX];
    if (rate <= 0)
        while (n_idle > 0) ask(&connections[idle[--n_idle]], now);
    while (now < end) {
        for (uint64_t due; rate > 0 && (due = start + (uint64_t)((double)n_due * gap_ns)) <= now; n_due++) {
            if (n_idle > 0)
                ask(&connections[idle[--n_idle]], due);
            else
                n_unsent++;
        }
        // Who sleeps is woken soon on a busy machine; who spins is put aside.
        uint64_t next = rate > 0 ? start + (uint64_t)((double)n_due * gap_ns) : now + 10000000;
        struct timespec wait = {.tv_nsec = next > now ? (long)(next - now) : 0};
        if (wait.tv_nsec > 10000000) wait.tv_nsec = 10000000;
        int n = epoll_pwait2(loop, events, EVENTS_MAX, &wait, NULL);
        now = clock_monotonic_ns();
        for (int i = 0; i < n; i++) take_answer((size_t)events[i].data.u64, rate <= 0, now);
        if (!counts && now >= counted_from) {
            counts = true;
            good.n = refused.n = n_other = n_unsent = 0;
            counted_from = now;
        }
    }
    double passed = (double)(now - counted_from) / 1e9;
    // Those that were sent and not answered yet count with the time they have waited so far.
    size_t n_good = good.n;
    for (size_t i = 0; i < n_connections; i++)
        if (rate > 0 && connections[i].due_ns) add(&good, now - connections[i].due_ns);
    qsort(good.us, good.n, sizeof *good.us, compare);
    qsort(refused.us, refused.n, sizeof *refused.us, compare);
    printf("%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f\n", (double)n_good / passed, (double)refused.n / passed,
           (double)n_other / passed, (double)n_unsent / passed, percentile(&good, 0.5), percentile(&good, 0.99),
           percentile(&good, 0.999), percentile(&refused, 0.99));
    return 0;
}
