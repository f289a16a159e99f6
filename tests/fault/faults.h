// Makes the 1st, 2nd, ... allocation or I/O call of a piece of work fail until it is done without noticing.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_TESTS_FAULT_FAULTS_H
#define SLIPWAY_TESTS_FAULT_FAULTS_H

#include "base/files.h"
#include "base/mem.h"
#include "check.h"

// The work under test: from scratch, with everything released at the end whether it failed or not (a leak is found by
// AddressSanitizer, or by valgrind). Returns what the call under test returned.
typedef int fault_work(void *context, err *e);

// Looks at what a failed run left behind (files, an unchanged object); may be NULL.
typedef void fault_look(void *context, uint64_t nth);

enum { FAULTS_MAX = 200000 };

// Fails the nth allocation for n = 1, 2, ... A run either fails with ERR_MEMORY or gets along without that memory.
// With `sticky` all later ones fail too. Returns how many faults were tried.
static inline uint64_t faults_of_memory(fault_work *work, fault_look *look, void *context, int sticky)
{
    for (uint64_t nth = 1; nth < FAULTS_MAX; nth++) {
        err e = ERR_NONE;
        mem_fail_at(nth, sticky);
        int rc = work(context, &e);
        uint64_t n = mem_fail_at(0, 0);
        if (n < nth) { // never reached
            check_ok(rc, &e);
            return nth - 1;
        }
        if (rc != 0) check_fails(rc, ERR_MEMORY, &e);
        if (look) look(context, nth);
    }
    fail_msg("no end after %d allocations", FAULTS_MAX);
    return 0;
}

// Fails the nth I/O call of base/files with `number` (ENOSPC, EIO, ...) for n = 1, 2, ... A run either fails with the
// code that belongs to `number` or did not need that call. Returns how many faults were tried.
static inline uint64_t faults_of_files(fault_work *work, fault_look *look, void *context, int number)
{
    err wanted;
    errno = number;
    int code = err_set_errno(&wanted, "wanted");
    for (uint64_t nth = 1; nth < FAULTS_MAX; nth++) {
        err e = ERR_NONE;
        files_fail_at(nth, number);
        int rc = work(context, &e);
        uint64_t n = files_fail_at(0, 0);
        if (n < nth) {
            check_ok(rc, &e);
            return nth - 1;
        }
        if (rc != 0) check_fails(rc, code, &e);
        if (look) look(context, nth);
    }
    fail_msg("no end after %d calls", FAULTS_MAX);
    return 0;
}

#endif
