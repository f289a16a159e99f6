// base/files: whole reads, maps, atomic writes, folders and names.
// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "base/mem.h"
#include "check.h"

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    folder = check_folder();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    check_folder_free(folder);
    return 0;
}

static char *in(const char *name) // mem_free()
{
    char *path = path_join(folder, name);
    assert_non_null(path);
    return path;
}

static void test_read(void **state)
{
    (void)state;
    char *path = in("a.txt"), *none = in("none");
    err e = ERR_NONE;
    buf b;
    check_ok(file_write_atomic(path, STR("0123456789"), 0644, &e), &e);
    check_ok(file_read(path, 10, &b, &e), &e);
    assert_true(str_equal(buf_str(&b), STR("0123456789")));
    buf_clear(&b);
    check_ok(file_read(path, SIZE_MAX, &b, &e), &e);
    assert_int_equal(b.len, 10);
    buf_clear(&b);
    check_fails(file_read(path, 9, &b, &e), ERR_LIMIT, &e);
    check_says(&e, path);
    buf_clear(&b); // empty, but initialised
    check_fails(file_read(none, 9, &b, &e), ERR_NOT_FOUND, &e);
    check_says(&e, "none: ");
    buf_clear(&b);
    check_fails(file_read(folder, 9, &b, &e), ERR_INPUT, &e);
    // Files that do not say how long they are.
    check_ok(file_read("/proc/self/stat", 1 << 16, &b, &e), &e);
    assert_true(b.len > 0);
    buf_clear(&b);
    check_fails(file_read("/dev/zero", 100000, &b, &e), ERR_LIMIT, &e);
    mem_free(path);
    mem_free(none);
}

static void test_map(void **state)
{
    (void)state;
    char *path = in("map"), *empty = in("empty"), *fifo = in("fifo");
    err e = ERR_NONE;
    str map = STR("untouched");
    check_ok(file_write_atomic(path, STR("mapped"), 0600, &e), &e);
    check_ok(file_write_atomic(empty, (str){NULL, 0}, 0600, &e), &e);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    check_fails(file_map("/nowhere/x", &map, &e), ERR_NOT_FOUND, &e);
    check_fails(file_map(folder, &map, &e), ERR_INPUT, &e);
    check_fails(file_map(fifo, &map, &e), ERR_INPUT, &e); // and does not wait for a writer
    assert_true(str_equal(map, STR("untouched")));
    check_ok(file_map(path, &map, &e), &e);
    assert_true(str_equal(map, STR("mapped")));
    file_unmap(map);
    check_ok(file_map(empty, &map, &e), &e);
    assert_int_equal(map.len, 0);
    file_unmap(map);
    mem_free(path);
    mem_free(empty);
    mem_free(fifo);
}

static void test_write_atomic(void **state)
{
    (void)state;
    char *sub = in("w"), *path = in("w/out");
    err e = ERR_NONE;
    check_ok(dir_make(sub, 0755, &e), &e);
    mode_t mask = umask(022);
    check_ok(file_write_atomic(path, STR("first"), 0644, &e), &e);
    check_ok(file_write_atomic(path, STR("second, longer"), 0640, &e), &e);
    umask(mask);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(st.st_size, 14);
    assert_int_equal(check_entries(sub, NULL), 1);
    char *missing = in("missing/out");
    check_fails(file_write_atomic(missing, STR("x"), 0644, &e), ERR_NOT_FOUND, &e);
    check_says(&e, missing);
    check_fails(file_write_atomic(sub, STR("x"), 0644, &e), ERR_IO, &e); // a folder is in the way
    // A relative name without a folder.
    char *here = getcwd(NULL, 0);
    assert_int_equal(chdir(sub), 0);
    check_ok(file_write_atomic("bare", STR("x"), 0644, &e), &e);
    assert_int_equal(chdir(here), 0);
    assert_int_equal(check_entries(sub, NULL), 2);
    free(here);
    mem_free(sub);
    mem_free(path);
    mem_free(missing);
}

static void test_dirs(void **state)
{
    (void)state;
    char *deep = in("d/e//f/"), *file = in("plain"), *below = in("plain/x");
    err e = ERR_NONE;
    check_ok(dir_make(deep, 0755, &e), &e);
    assert_true(path_exists(deep));
    check_ok(dir_make(deep, 0755, &e), &e);
    check_ok(dir_make("/", 0755, &e), &e);
    check_ok(dir_make(".", 0755, &e), &e);
    check_ok(file_write_atomic(file, STR("x"), 0644, &e), &e);
    check_fails(dir_make(file, 0755, &e), ERR_EXISTS, &e);
    check_fails(dir_make(below, 0755, &e), ERR_EXISTS, &e);
    check_fails(dir_make("", 0755, &e), ERR_NOT_FOUND, &e);
    check_fails(dir_make("/proc/x/y", 0755, &e), ERR_NOT_FOUND, &e);
    check_ok(dir_sync(deep, &e), &e);
    check_fails(dir_sync(file, &e), ERR_NOT_FOUND, &e);
    assert_false(path_exists(below));
    mem_free(deep);
    mem_free(file);
    mem_free(below);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *dir, *name, *joined;
    } joins[] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"", "b", "b"}, {"/", "b", "/b"}, {"a", "", "a/"}};
    for (size_t i = 0; i < sizeof joins / sizeof *joins; i++) {
        char *joined = path_join(joins[i].dir, joins[i].name);
        assert_string_equal(joined, joins[i].joined);
        mem_free(joined);
    }
    static const struct {
        const char *path, *stem;
    } stems[] = {{"a/b/titanic.csv.gz", "titanic"},
                 {"titanic.csv", "titanic"},
                 {"titanic", "titanic"},
                 {"a.b/titanic", "titanic"},
                 {"my.data.csv", "my.data"},
                 {"x.gz", "x"},
                 {".hidden", ".hidden"},
                 {".hidden.csv", ".hidden"},
                 {"a/b/", "b"},
                 {"/", ""},
                 {"", ""},
                 {".gz", ".gz"},
                 {"a.", "a"}};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        char *stem = path_stem(stems[i].path);
        assert_string_equal(stem, stems[i].stem);
        mem_free(stem);
    }
}

// A pipe takes less at once than it is given, and a signal comes in between.
typedef struct reader {
    int fd;
    size_t n;
    int wrong;
} reader;

static void *slow_read(void *argument)
{
    reader *r = argument;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);                         // signals are for the writer, which
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL); // waits now, in the middle of a write
    char chunk[1000];
    for (ssize_t n; (n = read(r->fd, chunk, sizeof chunk)) > 0;) {
        for (ssize_t i = 0; i < n; i++) r->wrong |= chunk[i] != (char)((r->n + (size_t)i) % 251);
        r->n += (size_t)n;
    }
    return NULL;
}

static void on_alarm(int number)
{
    (void)number;
}

static void test_write_all(void **state)
{
    (void)state;
    enum { LEN = 3000000 };
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    char *data = malloc(LEN);
    assert_non_null(data);
    for (size_t i = 0; i < LEN; i++) data[i] = (char)(i % 251);
    reader r = {.fd = fds[0]};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, slow_read, &r), 0);
    struct sigaction action = {.sa_handler = on_alarm}, before;
    sigaction(SIGALRM, &action, &before);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 2000}, {0, 2000}}, NULL); // every 2 ms
    err e = ERR_NONE;
    check_ok(fd_write_all(fds[1], (str){data, LEN}, &e), &e);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
    sigaction(SIGALRM, &before, NULL);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    assert_int_equal(r.n, LEN);
    assert_int_equal(r.wrong, 0);
    free(data);
    check_fails(fd_write_all(-1, STR("x"), &e), ERR_IO, &e);
    check_ok(fd_write_all(-1, STR(""), &e), &e);
}

// A file that is gone on with: what is behind the place is cut off, and no byte before it is missing.
static void test_resume_and_rename(void **state)
{
    (void)state;
    char *own = check_folder(), *path = path_join(own, "a"), *to = path_join(own, "b");
    err e = ERR_NONE;
    int fd;
    buf text;
    check_ok(file_resume(path, 0, 0600, &fd, &e), &e);
    check_ok(fd_write_all(fd, STR("0123456789"), &e), &e);
    check_ok(fd_sync(fd, &e), &e);
    close(fd);
    check_ok(file_resume(path, 4, 0600, &fd, &e), &e);
    check_ok(fd_write_all(fd, STR("xy"), &e), &e);
    close(fd);
    check_fails(file_resume(path, 7, 0600, &fd, &e), ERR_CORRUPT, &e);
    check_fails(file_resume(to, 1, 0600, &fd, &e), ERR_NOT_FOUND, &e);
    check_ok(file_rename(path, to, &e), &e);
    check_fails(file_rename(path, to, &e), ERR_NOT_FOUND, &e);
    check_ok(file_read(to, 100, &text, &e), &e);
    assert_true(str_equal(buf_str(&text), STR("0123xy")));
    buf_clear(&text);
    mem_free(path);
    mem_free(to);
    check_folder_free(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resume_and_rename), cmocka_unit_test(test_read), cmocka_unit_test(test_map),
        cmocka_unit_test(test_write_atomic),      cmocka_unit_test(test_dirs), cmocka_unit_test(test_names),
        cmocka_unit_test(test_write_all),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
