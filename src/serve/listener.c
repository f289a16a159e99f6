// Sockets that listen.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/decimal.h"

enum { BACKLOG = 4096 };

static uint16_t port_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof at;
    if (getsockname(fd, (struct sockaddr *)&at, &len) < 0) return 0;
    return ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                          : ((struct sockaddr_in *)&at)->sin_port);
}

static bool is_loopback(const struct addrinfo *address)
{
    if (address->ai_family == AF_INET)
        return ntohl(((struct sockaddr_in *)address->ai_addr)->sin_addr.s_addr) >> 24 == 127;
    return address->ai_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)address->ai_addr)->sin6_addr);
}

static int bind_to(const struct addrinfo *address, uint16_t port, bool first, int *out, err *e)
{
    struct sockaddr_storage at = {0};
    memcpy(&at, address->ai_addr, address->ai_addrlen);
    if (at.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&at)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)&at)->sin_port = htons(port);
    int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return err_set_errno(e, "a socket");
    const int on = 1;
    // The first one binds alone, so that a port which anybody listens on is refused, another server of ours included;
    // only then is it opened for the other loops (accepted connections inherit TCP_NODELAY).
    bool ok = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
              (first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
              bind(fd, (struct sockaddr *)&at, address->ai_addrlen) == 0 &&
              (!first || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) && listen(fd, BACKLOG) == 0;
    if (!ok) {
        int rc = err_set_errno(e, "port %u", (unsigned)port);
        close(fd);
        return rc;
    }
    *out = fd;
    return 0;
}

int listener_open(listener *out, const char *host, uint16_t *port, bool first, err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int rc = getaddrinfo(host, NULL, &hints, &found);
    if (rc != 0) return err_set(e, ERR_INPUT, "the address \"%s\": %s", host, gai_strerror(rc));
    int fd;
    rc = bind_to(found, *port, first, &fd, e);
    bool loopback = is_loopback(found);
    freeaddrinfo(found);
    if (rc < 0) return err_prefix(e, rc, "%s", host);
    *out = (listener){.fd = fd, .loopback = loopback};
    *port = port_of(fd);
    return 0;
}

// Whether somebody listens at a Unix socket; one that nobody does is what a server left behind.
static bool is_alive(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return true;
    bool alive = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN;
    close(fd);
    return alive;
}

int listener_open_socket(listener *out, const char *path, err *e)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof at.sun_path)
        return err_set(e, ERR_LIMIT, "%s: the path of a socket has at most %zu bytes", path, sizeof at.sun_path - 1);
    memcpy(at.sun_path, path, len);
    struct stat st;
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode)) return err_set(e, ERR_EXISTS, "%s is there, and no socket", path);
        if (is_alive(&at)) return err_set(e, ERR_BUSY, "%s: a server answers there", path);
        unlink(path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    // On Linux the file gets the mode of the socket, so that there is no moment in which others could connect.
    if (fd < 0 || fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 ||
        listen(fd, BACKLOG) < 0) {
        int rc = err_set_errno(e, "%s", path);
        if (fd >= 0) close(fd);
        return rc;
    }
    *out = (listener){.fd = fd, .entrance = ENTRANCE_SOCKET, .loopback = true};
    return 0;
}

void listener_close(listener *l)
{
    if (l->fd >= 0) close(l->fd);
    l->fd = -1;
}

bool listener_admits(const listener *l, int fd)
{
    if (l->entrance != ENTRANCE_SOCKET) return true;
    struct ucred who;
    socklen_t len = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) == 0 && (who.uid == geteuid() || who.uid == 0);
}

int listener_parse(const char *text, char host[ADDRESS_TEXT_MAX + 1], uint16_t *port, err *e)
{
    const char *colon = strrchr(text, ':');
    const char *digits = colon ? colon + 1 : text;
    str name = colon ? (str){text, (size_t)(colon - text)} : STR("127.0.0.1");
    if (name.len > 1 && name.data[0] == '[' && name.data[name.len - 1] == ']')
        name = (str){name.data + 1, name.len - 2};
    else if (name.len > 0 && memchr(name.data, ':', name.len))
        name.len = 0; // an IPv6 address without brackets: which of its colons is it?
    int64_t n;
    if (name.len == 0 || name.len > ADDRESS_TEXT_MAX || decimal_parse_i64(str_of(digits), &n) < 0 || n < 0 || n > 65535)
        return err_set(e, ERR_INPUT, "\"%s\" is not HOST:PORT", text);
    memcpy(host, name.data, name.len);
    host[name.len] = '\0';
    *port = (uint16_t)n;
    return 0;
}
