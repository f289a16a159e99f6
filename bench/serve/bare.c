// The least that a server can do: epoll, recv, send of a fixed answer. No parsing: a request is as many bytes as the
// command line says. What any other server costs is compared with this.
//   serve_bare PORT REQUEST_BYTES BODY_FILE
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/files.h"

enum { EVENTS_MAX = 256, ANSWER_MAX = 1 << 16, CONNECTIONS_MAX = 65536 };

static char answer[ANSWER_MAX];
static size_t answer_len, request_len;
static size_t pending[CONNECTIONS_MAX]; // bytes of a request that has not come whole, by descriptor

static void serve(int fd)
{
    static char in[ANSWER_MAX];
    ssize_t n = recv(fd, in, sizeof in, 0);
    if (n <= 0) {
        close(fd);
        return;
    }
    pending[fd] += (size_t)n;
    for (; pending[fd] >= request_len; pending[fd] -= request_len)
        if (send(fd, answer, answer_len, MSG_NOSIGNAL) != (ssize_t)answer_len) abort();
}

int main(int argc, char **argv)
{
    if (argc != 4) return 2;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    at.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    request_len = strtoul(argv[2], NULL, 10);
    buf body;
    if (file_read(argv[3], ANSWER_MAX / 2, &body, NULL) < 0 || request_len == 0) return 2;
    answer_len = (size_t)snprintf(answer, sizeof answer,
                                  "HTTP/1.1 200 OK\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\n"
                                  "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
                                  body.len, (int)body.len, body.data);
    buf_clear(&body);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), loop = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1024) < 0) return perror("bare"), 1;
    struct epoll_event events[EVENTS_MAX], event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(loop, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                serve(fd);
                continue;
            }
            fd = accept(listener, NULL, NULL);
            if (fd < 0 || fd >= CONNECTIONS_MAX) return 1;
            pending[fd] = 0;
            event.data.fd = fd;
            epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
