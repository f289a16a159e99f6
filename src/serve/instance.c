// The identity of a data directory, and the question to a port whether it serves that one.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/instance.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hash.h"
#include "serve/server.h"

int instance_of(const char *data_dir, char out[INSTANCE_SIZE], err *e)
{
    struct stat st;
    if (stat(data_dir, &st) < 0) return err_set_errno(e, "%s", data_dir);
    char text[96], hex[SHA256_HEX_SIZE];
    int len =
        snprintf(text, sizeof text, "slipway instance %" PRIu64 " %" PRIu64, (uint64_t)st.st_dev, (uint64_t)st.st_ino);
    sha256_hex_of(text, (size_t)len, hex);
    memcpy(out, hex, INSTANCE_SIZE - 1);
    out[INSTANCE_SIZE - 1] = '\0';
    return 0;
}

static int dial(const char *host, uint16_t port)
{
    // "Any address" is bound, not called.
    if (strcmp(host, "0.0.0.0") == 0) host = "127.0.0.1";
    if (strcmp(host, "::") == 0) host = "::1";
    char service[8];
    snprintf(service, sizeof service, "%u", (unsigned)port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
    if (getaddrinfo(host, service, &hints, &found) != 0) return -1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 1};
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
                    connect(fd, found->ai_addr, found->ai_addrlen) < 0)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

static int dial_socket(const char *data_dir)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = 1};
    int len = snprintf(to.sun_path, sizeof to.sun_path, "%s/" ADMIN_SOCKET, data_dir);
    if (len < 0 || (size_t)len >= sizeof to.sun_path) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
                    connect(fd, (struct sockaddr *)&to, sizeof to) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

enum { ANSWER_SIZE = 2048 };

// Asks whether it lives. Takes fd. Empty if it does not answer.
static void ask(int fd, char answer[ANSWER_SIZE])
{
    static const char question[] = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    size_t len = 0;
    if (fd >= 0 && send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == (ssize_t)sizeof question - 1) {
        // A server of ours sends it in one piece; one that drips is none. Bounded by the size and a second a read.
        for (int reads = 0; reads < 8 && len < ANSWER_SIZE - 1; reads++) {
            ssize_t n = recv(fd, answer + len, ANSWER_SIZE - 1 - len, 0);
            if (n <= 0) break;
            len += (size_t)n;
        }
    }
    if (fd >= 0) close(fd);
    answer[len] = '\0';
}

bool server_is_ours(const char *host, uint16_t port, const char *data_dir)
{
    char instance[INSTANCE_SIZE], want[64], at[16], answer[ANSWER_SIZE];
    if (instance_of(data_dir, instance, NULL) < 0) return false;
    int fd = dial(host, port);
    if (fd < 0) return false;
    snprintf(want, sizeof want, "\"instance\":\"%s\"", instance);
    ask(fd, answer);
    if (strncmp(answer, "HTTP/1.1 200 ", 13) == 0) return strstr(answer, want) != NULL;
    // It may speak TLS, or want another name for Host: then the socket in the data directory says whose the port is.
    snprintf(at, sizeof at, "\"port\":%u}", (unsigned)port);
    ask(dial_socket(data_dir), answer);
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0 && strstr(answer, want) && strstr(answer, at);
}
