// A body that is taken into a file while memory, or the calls of base/files, fail at the 1st, 2nd, ... moment: what did
// not come to its end has left no file.
// SPDX-License-Identifier: Apache-2.0
#include "serve/spool.h"

#include "fault/faults.h"
#include "serve/access.h"

typedef struct scene {
    char *folder;
    registry *r;
    bool kept;
} scene;

static int keep(spool *s, serving *v, const request *q, response *r, err *e)
{
    (void)v, (void)q, (void)r;
    str content;
    scene *to = (scene *)(uintptr_t)s->context;
    TRY(spool_map(s, &content, e));
    to->kept = content.len == 2 * sizeof "some bytes" - 2 && s->len == content.len && strlen(s->sum) == 64;
    file_unmap(content);
    return 0;
}

static int work(void *context, err *e)
{
    scene *s = context;
    server_options o = SERVER_OPTIONS_DEFAULT;
    o.data_dir = s->folder;
    serving v = {.options = &o, .registry = &s->r, .who = &local_principal};
    request q = {.who = &local_principal};
    response r = {0};
    s->kept = false;
    TRY(spool_start(&v, &r, 1000, keep, s, e));
    int rc = r.sink->write(r.sink, STR("some bytes"), e);
    if (rc == 0) rc = r.sink->write(r.sink, STR("some bytes"), e);
    if (rc == 0) rc = r.sink->end(r.sink, &v, &q, &r, e);
    r.sink->close(r.sink);
    if (rc == 0) assert_true(s->kept);
    return rc;
}

static void look(void *context, uint64_t nth)
{
    scene *s = context;
    char *folder = path_join(s->folder, "datasets");
    size_t n = check_entries(folder, NULL);
    if (n > 0) fail_msg("%zu files are left after fault %d", n, (int)nth);
    mem_free(folder);
}

static void test_spool(void **state)
{
    (void)state;
    scene s = {.folder = check_folder()};
    err e = ERR_NONE;
    check_ok(registry_open(&s.r, s.folder, NULL, &e), &e);
    uint64_t n = faults_of_memory(work, look, &s, 0);
    n += faults_of_files(work, look, &s, ENOSPC);
    n += faults_of_files(work, look, &s, EIO);
    print_message("%d faults\n", (int)n);
    assert_true(n > 20);
    registry_close(s.r);
    check_folder_free(s.folder);
}

// A client that leaves in the middle.
static void test_left(void **state)
{
    (void)state;
    scene s = {.folder = check_folder()};
    err e = ERR_NONE;
    check_ok(registry_open(&s.r, s.folder, NULL, &e), &e);
    server_options o = SERVER_OPTIONS_DEFAULT;
    serving v = {.options = &o, .registry = &s.r, .who = &local_principal};
    response r = {0};
    check_ok(spool_start(&v, &r, 1000, keep, &s, &e), &e);
    check_ok(r.sink->write(r.sink, STR("some bytes"), &e), &e);
    r.sink->close(r.sink);
    look(&s, 0);
    registry_close(s.r);
    check_folder_free(s.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spool), cmocka_unit_test(test_left)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
