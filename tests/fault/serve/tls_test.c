// Certificates read while memory fails at the 1st, 2nd, ... moment: what is missing is said to be memory, not a fault
// of the files, and what was shown before stays.
// SPDX-License-Identifier: Apache-2.0
#include "serve/tls.h"

#include "fault/faults.h"
#include "helpers/certificate.h"

typedef struct scene {
    char *folder, cert[CERTIFICATE_PATH_SIZE], key[CERTIFICATE_PATH_SIZE];
} scene;

static int read_all(void *context, err *e)
{
    const scene *s = context;
    tls *t;
    const tls_files f = {.cert = s->cert, .key = s->key, .client_ca = s->cert};
    TRY(tls_new(&t, &f, e));
    tls_free(t);
    return 0;
}

static tls *shown;

static int read_again(void *context, err *e)
{
    bool fresh;
    (void)context;
    return tls_refresh(shown, true, &fresh, e);
}

// As faults_of_memory(), but of the thousands of allocations ever fewer.
static uint64_t some_faults(fault_work *work, void *context)
{
    uint64_t n_faults = 0;
    for (uint64_t nth = 1;; nth += 1 + nth / 32, n_faults++) {
        err e = ERR_NONE;
        mem_fail_at(nth, 0);
        int rc = work(context, &e);
        uint64_t n = mem_fail_at(0, 0);
        if (rc != 0) check_fails(rc, ERR_MEMORY, &e);
        if (n >= nth) continue;
        check_ok(rc, &e);
        return n_faults;
    }
}

static void certificates_are_read(void **state)
{
    (void)state;
    scene s = {.folder = check_folder()};
    err e = ERR_NONE;
    certificate_make(s.folder, s.cert, s.key);
    check_ok(read_all(&s, &e), &e); // what OpenSSL keeps for ever is there from now on
    assert_true(some_faults(read_all, &s) > 100);
    const tls_files f = {.cert = s.cert, .key = s.key};
    check_ok(tls_new(&shown, &f, &e), &e);
    assert_true(some_faults(read_again, &s) > 100);
    tls_free(shown);
    check_folder_free(s.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(certificates_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
