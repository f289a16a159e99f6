// What a process gives up for good before it touches what strangers made.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_BASE_SANDBOX_H
#define SLIPWAY_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

// All: of the calling thread and of those that it makes from then on, so before there are others. Nothing of it can be
// undone.

// No program that is started from here has more rights than this one. The others need it.
MUST_CHECK int sandbox_no_new_privileges(err *e);

typedef struct sandbox_path {
    const char *path;
    bool write; // else only reading
    bool run;   // and starting as a program
} sandbox_path;

// Files can be opened, made and removed only below these paths (Landlock), of which none need be there or within reach.
// Nobody outside of what is confined like this can be signalled or traced, from Linux 6.12 and 5.13 on. *confined:
// false if the kernel cannot do any of it (before Linux 5.13, or switched off). Open descriptors stay as they are. May
// be NULL.
MUST_CHECK int sandbox_files(const sandbox_path *paths, size_t n, bool *confined, err *e);

// What of TCP is given up: being reached by new ports, reaching others. From Linux 6.7 on; *confined as above.
typedef enum sandbox_tcp_use { SANDBOX_BIND = 1, SANDBOX_CONNECT = 2 } sandbox_tcp_use;
MUST_CHECK int sandbox_tcp(unsigned uses, bool *confined, err *e);

// A process that computes: memory, threads, clocks, and reading and writing of the descriptors that it has. It opens
// nothing, connects to nothing, starts nothing and signals nobody; such calls fail with EPERM (seccomp).
MUST_CHECK int sandbox_compute_only(err *e);
// The same for one that also works on files: calls on files and folders are let through; which, sandbox_files() says.
MUST_CHECK int sandbox_files_only(err *e);
// A server: what no server does fails with EPERM (seccomp): tracing others, mounting, other namespaces and roots,
// kernel modules, programs in the kernel, keys of the kernel, io_uring, clocks, sockets of rare kinds, memory that is
// both written and run, typing into the terminal. Files are changed only through descriptors: not their owners or modes
// by name, which Landlock does not see. It still starts programs, which have the same filter.
MUST_CHECK int sandbox_server_only(err *e);

#endif
