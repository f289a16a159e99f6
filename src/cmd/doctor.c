// slipway doctor: whether this machine and this registry are fit for service.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/settings.h"
#include "math/cpu.h"
#include "serve/server.h"
#include "serve/tls.h"

static error_t parse(int key, char *value, struct argp_state *state)
{
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    arguments_fail(state, "one word too many: \"%s\"", value);
    return 0;
}

static const struct argp_child children[] = {{&arguments_serve, 0, 0, 0}, {&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .doc = "Looks at what service needs: the registry's folder and content, free disk, the port, limits of the system, "
           "the "
           "processor. Exit status 1 if something has to be mended."
           "\vExample:\n"
           "  slipway doctor\n",
    .children = children,
};

typedef enum verdict { FINE, WORTH_KNOWING, BROKEN } verdict;

typedef struct finding_row {
    const char *what;
    verdict verdict;
    char text[400];
} finding_row;

enum { ROWS_MAX = 16, DISK_LOW = 256 << 20, FILES_LOW = 1024 };

typedef struct findings {
    finding_row rows[ROWS_MAX];
    size_t n;
} findings;

static void add(findings *f, const char *what, verdict v, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void add(findings *f, const char *what, verdict v, const char *format, ...)
{
    finding_row *row = &f->rows[f->n++];
    row->what = what;
    row->verdict = v;
    va_list args;
    va_start(args, format);
    vsnprintf(row->text, sizeof row->text, format, args);
    va_end(args);
}

static void look_at_registry(findings *f)
{
    const char *dir = settings_text(SETTING_DATA_DIR);
    err e = ERR_NONE;
    if (!path_exists(dir)) {
        add(f, "registry", FINE, "%s is not there yet: the first deployment makes it", dir);
        return;
    }
    registry *r = NULL;
    registry_list l = {0};
    int64_t n_faults = 0;
    int rc = arguments_registry(&r, true, &e);
    if (rc == 0) rc = registry_models(r, &l, &e);
    if (rc == 0) rc = registry_fsck(r, NULL, NULL, &n_faults, &e);
    if (rc < 0)
        add(f, "registry", BROKEN, "%s", e.msg);
    else if (n_faults)
        add(f, "registry", BROKEN, "%s: %lld faults; \"slipway fsck\" names them", dir, (long long)n_faults);
    else
        add(f, "registry", FINE, "%s: %zu models, everything in order", dir, l.n);
    registry_list_clear(&l);
    registry_close(r);
    if (rc == 0 && access(dir, W_OK) != 0) add(f, "registry", BROKEN, "%s cannot be written: %s", dir, strerror(errno));
}

static void look_at_disk(findings *f)
{
    // The folder may not be there yet: then its nearest parent that is.
    char path[4096];
    snprintf(path, sizeof path, "%s", settings_text(SETTING_DATA_DIR));
    struct statvfs st;
    while (statvfs(path, &st) != 0) {
        char *slash = strrchr(path, '/');
        if (!slash || slash == path) return;
        *slash = '\0';
    }
    int64_t available = (int64_t)st.f_bavail * (int64_t)st.f_frsize;
    char text[COUNT_TEXT_SIZE];
    print_bytes(available, text);
    add(f, "disk", available < DISK_LOW ? BROKEN : FINE, "%s free at %s", text, path);
}

static void look_at_port(findings *f)
{
    const char *host = settings_text(SETTING_HOST);
    uint16_t port = (uint16_t)settings_integer(SETTING_PORT);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) {
        add(f, "port", BROKEN, "\"%s\" is not an address", host);
        return;
    }
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const struct sockaddr *address = is_v4 ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    bool bound = fd >= 0 && bind(fd, address, is_v4 ? sizeof v4 : sizeof v6) == 0;
    int number = errno;
    if (fd >= 0) close(fd);
    if (bound)
        add(f, "port", FINE, "%s:%u is free", host, port);
    else if (server_is_ours(host, port, settings_text(SETTING_DATA_DIR)))
        add(f, "port", FINE, "%s:%u is held by a server of this registry", host, port);
    else
        add(f, "port", BROKEN, "%s:%u: %s", host, port, strerror(number));
}

static void look_at_certificate(findings *f)
{
    enum { SOON_DAYS = 14, DAY_S = 86400 };
    const tls_files files = {settings_text(SETTING_TLS_CERT), settings_text(SETTING_TLS_KEY),
                             settings_text(SETTING_TLS_CLIENT_CA)};
    server_options o = SERVER_OPTIONS_DEFAULT;
    o.tls_cert = files.cert, o.tls_key = files.key, o.tls_client_ca = files.client_ca;
    o.data_dir = settings_text(SETTING_DATA_DIR);
    const char *fault = server_options_fault(&o);
    err e = ERR_NONE;
    int64_t until_s = 0;
    char date[CLOCK_TEXT_SIZE];
    if (fault) {
        add(f, "certificate", BROKEN, "%s", fault);
    } else if (files.cert[0] == '\0') {
        return;
    } else if (tls_check(&files, &until_s, &e) < 0) {
        add(f, "certificate", BROKEN, "%s", e.msg);
    } else {
        bool soon = until_s - clock_utc_ms() / 1000 < SOON_DAYS * DAY_S;
        add(f, "certificate", soon ? WORTH_KNOWING : FINE, "%s is valid until %s", files.cert,
            clock_format_utc(until_s * 1000, date));
    }
}

static void look_at_system(findings *f)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    cpu_level level = cpu_level_get();
    add(f, "processor", level == CPU_PLAIN ? WORTH_KNOWING : FINE, "%d usable, level %s", n, cpu_level_name(level));
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        bool low = files.rlim_cur < FILES_LOW;
        add(f, "open files", low ? WORTH_KNOWING : FINE, "at most %llu%s", (unsigned long long)files.rlim_cur,
            low ? ": few connections will fit (ulimit -n)" : "");
    }
    if (geteuid() == 0) add(f, "user", WORTH_KNOWING, "running as root: a user of its own is safer for a server");
}

static int run(int argc, char **argv)
{
    int status = arguments_parse(&argp, argc, argv, NULL);
    if (status) return status;
    static const char *const marks[] = {"ok", "note", "FAULT"};
    findings f = {.n = 0};
    look_at_registry(&f);
    look_at_disk(&f);
    look_at_port(&f);
    look_at_certificate(&f);
    look_at_system(&f);
    bool broken = false;
    json_t *list = json_array();
    for (size_t i = 0; i < f.n; i++) {
        broken |= f.rows[i].verdict == BROKEN;
        if (arguments_json())
            json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "what", f.rows[i].what, "verdict",
                                                  marks[f.rows[i].verdict], "text", f.rows[i].text));
        else if (!arguments_quiet() || f.rows[i].verdict == BROKEN)
            printf("%-6s %-11s %s\n", marks[f.rows[i].verdict], f.rows[i].what, f.rows[i].text);
    }
    if (arguments_json()) status = print_json("doctor", json_incref(list));
    json_decref(list);
    return broken ? 1 : status;
}

const command command_doctor = {"doctor", "check that this machine is fit for service", &argp, run};
