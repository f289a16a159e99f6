// Which files a server needs, and what it says if it cannot be kept to them.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/confinement.h"

#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/files.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "serve/observer_impl.h"

// Of the system, for reading: libraries, also those opened on first use; names and their addresses; authorities;
// how much memory and how many processors there are; numbers that nobody guesses.
static const char *const of_system[] = {
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki",
    "/proc",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
};
// And to find by name whom telemetry goes to. Files there are replaced, not written: so their folders.
static const char *const of_names[] = {"/etc", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager"};
// Of the data directory, should one be a link to another disk.
static const char *const of_data[] = {"blobs", "datasets", "runs"};

enum { PATHS_MAX = 256 };

typedef struct path_list {
    sandbox_path paths[PATHS_MAX];
    char *owned[PATHS_MAX];
    size_t n;
    bool failed;
} path_list;

// Copies the path; the same one may be there twice.
static void add(path_list *l, const char *path, bool write, bool run)
{
    if (l->n == PATHS_MAX) return; // so many libraries: the rest lies in the system's folders
    char *copy = mem_strdup(path);
    if (!copy) {
        l->failed = true;
        return;
    }
    l->owned[l->n] = copy;
    l->paths[l->n++] = (sandbox_path){.path = copy, .write = write, .run = run};
}

static void clear(path_list *l)
{
    for (size_t i = 0; i < l->n; i++) mem_free(l->owned[i]);
}

static void add_parent(path_list *l, const char *path, bool write)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == path ? mem_strdup("/") : slash ? mem_strdup(path) : mem_strdup(".");
    if (!folder) {
        l->failed = true;
        return;
    }
    if (slash && slash != path) folder[slash - path] = '\0';
    add(l, folder, write, false);
    mem_free(folder);
}

// A file that may be replaced, also as certbot does it: what a link leads to lies in a folder of its own.
static void add_replaced(path_list *l, const char *path, bool write)
{
    if (!path || !path[0]) return;
    add_parent(l, path, write);
    char real[PATH_MAX];
    if (realpath(path, real)) add_parent(l, real, write);
}

// The folder of each library, and the one that loads them: it is started with the program.
static int add_library(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    path_list *l = context;
    if (!info->dlpi_name || info->dlpi_name[0] != '/') return 0;
    if (info->dlpi_addr == getauxval(AT_BASE)) add(l, info->dlpi_name, false, true);
    for (size_t i = 0; i < sizeof of_system / sizeof *of_system; i++) {
        size_t len = strlen(of_system[i]);
        if (strncmp(info->dlpi_name, of_system[i], len) == 0 && info->dlpi_name[len] == '/') return 0;
    }
    add_parent(l, info->dlpi_name, false);
    return 0;
}

static void gather(path_list *l, const server_options *o)
{
    const char *ca_file = NULL;
    for (size_t i = 0; i < sizeof of_system / sizeof *of_system; i++) add(l, of_system[i], false, false);
    if (otlp_wanted(&ca_file)) {
        for (size_t i = 0; i < sizeof of_names / sizeof *of_names; i++) add(l, of_names[i], false, false);
        add_replaced(l, ca_file, false);
    }
    dl_iterate_phdr(add_library, l);
    add(l, "/proc/self/exe", false, true); // its file, whatever happens to its name
    add(l, o->data_dir, true, false);
    for (size_t i = 0; i < sizeof of_data / sizeof *of_data; i++) {
        char *path = path_join(o->data_dir, of_data[i]);
        if (path) add(l, path, true, false);
        if (!path) l->failed = true;
        mem_free(path);
    }
    add_replaced(l, o->tls_cert, false);
    add_replaced(l, o->tls_key, false);
    add_replaced(l, o->tls_client_ca, false);
    if (o->access_log && strcmp(o->access_log, "-") != 0) add_parent(l, o->access_log, true);
}

int confinement_enter(const server_options *o, err *e)
{
    err why = ERR_NONE;
    bool files = false;
    path_list l = {.n = 0};
    if (sandbox_no_new_privileges(&why) < 0) log_event(LOG_WARN, "not confined", "%s", why.msg);
    gather(&l, o);
    int rc = l.failed ? err_set(e, ERR_MEMORY, "no memory to confine the server") : 0;
    if (rc == 0) rc = sandbox_files(l.paths, l.n, &files, e);
    clear(&l);
    TRY(rc);
    if (!otlp_wanted(NULL)) TRY(sandbox_tcp(SANDBOX_CONNECT, NULL, e));
    if (!files)
        log_event(LOG_WARN, "files not confined",
                  "this kernel has no Landlock, or it is switched off: what the server may "
                  "open is what its user may");
    if (sandbox_server_only(&why) < 0) log_event(LOG_WARN, "system calls not restricted", "%s", why.msg);
    return 0;
}

int confinement_close_ports(err *e)
{
    return sandbox_tcp(SANDBOX_BIND | SANDBOX_CONNECT, NULL, e);
}
