// SQLite, version 3.37 or newer. Every failure is mapped to an err_code by its extended code and, for input and output,
// by the system's errno.
// SPDX-License-Identifier: Apache-2.0
#include "registry/db_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/mem.h"

struct db {
    sqlite3 *handle;
    sqlite3_stmt *roll_back; // prepared early: there must be a way out also without memory
    char *path;
    bool write, set_up;
};

// ---- memory ----

// SQLite asks for the size of a block, which mem_alloc does not keep: 16 bytes in front of each hold it.
enum { HEADER = 16 };

static void *memory_alloc(int size)
{
    char *block = mem_alloc((size_t)size + HEADER, 1);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    return block + HEADER;
}

static void memory_free(void *p)
{
    if (p) mem_free((char *)p - HEADER);
}

static void *memory_realloc(void *p, int size)
{
    char *block = mem_realloc((char *)p - HEADER, (size_t)size + HEADER, 1);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    return block + HEADER;
}

static int memory_size(void *p)
{
    int size = 0;
    if (p) memcpy(&size, (char *)p - HEADER, sizeof size);
    return size;
}

static int memory_round_up(int size)
{
    return (size + 7) & ~7;
}

static int memory_init(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void memory_shut_down(void *context)
{
    (void)context;
}

static int init_rc;

static void init_once(void)
{
    static const sqlite3_mem_methods methods = {memory_alloc,    memory_free, memory_realloc,   memory_size,
                                                memory_round_up, memory_init, memory_shut_down, NULL};
    init_rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    if (init_rc == SQLITE_OK) init_rc = sqlite3_initialize();
}

int db_init(err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    if (init_rc == SQLITE_OK) return 0;
    return err_set(e, init_rc == SQLITE_NOMEM ? ERR_MEMORY : ERR_INTERNAL, "SQLite cannot be started: %s",
                   sqlite3_errstr(init_rc));
}

// ---- errors ----

static int code_of(int extended, int number)
{
    if (extended == SQLITE_IOERR_NOMEM) return ERR_MEMORY;
    if (number == ENOSPC || number == EDQUOT) return ERR_FULL;
    switch (extended & 0xFF) {
    case SQLITE_NOMEM: return ERR_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return ERR_BUSY;
    case SQLITE_FULL: return ERR_FULL;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_READONLY: return ERR_DENIED;
    case SQLITE_CANTOPEN: return number == EACCES || number == EROFS || number == EPERM ? ERR_DENIED : ERR_IO;
    case SQLITE_IOERR: return ERR_IO;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ERR_CORRUPT;
    case SQLITE_TOOBIG: return ERR_LIMIT;
    default: return ERR_INTERNAL;
    }
}

// Why no file can be made and filled beside the database: the errno, or 0 if one can. SQLite does not always say: a
// file that cannot be made it tries to open for reading, and then only knows that it is not there; of its shared memory
// it only tells that it failed.
static int probe(const char *path)
{
    static const char zeros[32 << 10]; // the size of the shared memory
    char name[4096];
    if (snprintf(name, sizeof name, "%s-probe-%ld", path, (long)getpid()) >= (int)sizeof name) return 0;
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return errno;
    int number = write(fd, zeros, sizeof zeros) < 0 ? errno : 0;
    if (close(fd) != 0 && number == 0) number = errno;
    unlink(name);
    return number;
}

static int fail_with(sqlite3 *handle, const char *path, bool may_write, int rc, err *e)
{
    int extended = handle ? sqlite3_extended_errcode(handle) : rc;
    if ((extended & 0xFF) != (rc & 0xFF)) extended = rc;
    int number = 0;
    int primary = extended & 0xFF;
    if (handle && (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN)) number = sqlite3_system_errno(handle);
    bool unsaid = (primary == SQLITE_CANTOPEN && number == ENOENT) || (primary == SQLITE_IOERR && number == 0);
    if (unsaid && extended != SQLITE_IOERR_NOMEM && may_write) {
        int reason = probe(path);
        if (reason != 0) number = reason;
    }
    int code = code_of(extended, number);
    if (code == ERR_BUSY)
        return err_set(e, code, "%s: held by another process for more than %d seconds", path, DB_BUSY_MS / 1000);
    const char *why =
        handle && (sqlite3_errcode(handle) & 0xFF) == primary ? sqlite3_errmsg(handle) : sqlite3_errstr(rc);
    if (number != 0) return err_set(e, code, "%s: %s: %s", path, why, strerror(number));
    return err_set(e, code, "%s: %s", path, why);
}

static int fail(db *d, int rc, err *e)
{
    return fail_with(d->handle, d->path, d->write, rc, e);
}

// ---- opening ----

int db_open(db **out, const char *path, db_mode mode, err *e)
{
    TRY(db_init(e));
    db *d = mem_zalloc(1, sizeof *d);
    if (!d || !(d->path = mem_strdup(path))) {
        mem_free(d);
        return err_set(e, ERR_MEMORY, "%s: no memory to open it", path);
    }
    d->write = mode != DB_READ;
    int flags = mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    if (mode == DB_CREATE) flags |= SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(path, &d->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(d->handle, DB_BUSY_MS);
    // Until we know that the file is ours, closing must not move anything from its WAL into it.
    if (rc == SQLITE_OK) rc = sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    // A database may come from a backup that somebody sent: its schema runs no functions, and nobody writes to its
    // internals.
    if (rc == SQLITE_OK) rc = sqlite3_db_config(d->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_prepare_v2(d->handle, "ROLLBACK", -1, &d->roll_back, NULL);
    if (rc != SQLITE_OK) {
        int code = fail(d, rc, e);
        db_close(d);
        return code;
    }
    *out = d;
    return 0;
}

// Whether PATH-wal holds nothing.
static bool wal_is_empty(const db *d)
{
    const char *wal = sqlite3_filename_wal(sqlite3_db_filename(d->handle, "main"));
    struct stat st;
    return !wal || stat(wal, &st) != 0 || st.st_size == 0;
}

void db_close(db *d)
{
    if (!d) return;
    db_roll_back(d);
    // Then closing only removes the empty file.
    if (d->handle && !d->set_up && wal_is_empty(d))
        sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_finalize(d->roll_back);
    sqlite3_close_v2(d->handle);
    mem_free(d->path);
    mem_free(d);
}

int db_version(db *d, int64_t *application, int64_t *version, err *e)
{
    TRY(db_find_integer(d, application, e, "PRAGMA application_id", ""));
    return db_find_integer(d, version, e, "PRAGMA user_version", "");
}

int db_set_up(db *d, bool write, err *e)
{
    if (!write) return db_execute(d, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY", e);
    TRY(db_execute(d,
                   "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                   "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=16777216",
                   e));
    int rc = sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    if (rc != SQLITE_OK) return fail(d, rc, e);
    d->set_up = true;
    return 0;
}

// ---- statements ----

int db_execute(db *d, const char *sql, err *e)
{
    int rc = sqlite3_exec(d->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(d, rc, e);
}

int db_begin(db *d, bool write, err *e)
{
    db_roll_back(d); // one that could not be ended before
    return db_execute(d, write ? "BEGIN IMMEDIATE" : "BEGIN", e);
}

int db_commit(db *d, err *e)
{
    int rc = db_execute(d, "COMMIT", e);
    if (rc < 0) db_roll_back(d);
    return rc;
}

void db_roll_back(db *d)
{
    if (!d->roll_back || sqlite3_get_autocommit(d->handle)) return;
    sqlite3_step(d->roll_back);
    sqlite3_reset(d->roll_back);
}

static int bind(sqlite3_stmt *q, int at, char type, va_list *args)
{
    switch (type) {
    case 'i': return sqlite3_bind_int64(q, at, va_arg(*args, int64_t));
    case 's': return sqlite3_bind_text(q, at, va_arg(*args, const char *), -1, SQLITE_STATIC);
    default: {
        str text = va_arg(*args, str);
        return sqlite3_bind_text64(q, at, text.data ? text.data : "", text.len, SQLITE_STATIC, SQLITE_UTF8);
    }
    }
}

static int start(db_query **out, db *d, err *e, const char *sql, const char *types, va_list *args)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(d->handle, sql, -1, &q, NULL);
    for (int i = 0; rc == SQLITE_OK && types[i]; i++) rc = bind(q, i + 1, types[i], args);
    if (rc != SQLITE_OK) {
        int code = fail(d, rc, e);
        sqlite3_finalize(q);
        return code;
    }
    *out = q;
    return 0;
}

int db_start(db_query **out, db *d, err *e, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    int rc = start(out, d, e, sql, types, &args);
    va_end(args);
    return rc;
}

int db_next(db_query *q, err *e)
{
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) return 1;
    if (rc == SQLITE_DONE) return 0;
    sqlite3 *handle = sqlite3_db_handle(q);
    return fail_with(handle, sqlite3_db_filename(handle, "main"), sqlite3_db_readonly(handle, "main") == 0, rc, e);
}

void db_end(db_query *q)
{
    sqlite3_finalize(q);
}

int64_t db_integer(db_query *q, int column)
{
    return sqlite3_column_int64(q, column);
}

bool db_is_null(db_query *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL;
}

int db_text(db_query *q, int column, str *out, err *e)
{
    if (sqlite3_column_type(q, column) != SQLITE_TEXT)
        return err_set(e, ERR_CORRUPT, "the registry has no text where one belongs (\"%.60s\")",
                       sqlite3_column_name(q, column));
    const char *text = (const char *)sqlite3_column_text(q, column);
    if (!text) return err_set(e, ERR_MEMORY, "no memory for a text of the registry");
    *out = (str){text, (size_t)sqlite3_column_bytes(q, column)};
    return 0;
}

int db_run(db *d, err *e, const char *sql, const char *types, ...)
{
    db_query *q = NULL;
    va_list args;
    va_start(args, types);
    int rc = start(&q, d, e, sql, types, &args);
    va_end(args);
    while (rc >= 0 && (rc = db_next(q, e)) > 0) {
    }
    db_end(q);
    return rc;
}

int db_find_integer(db *d, int64_t *out, err *e, const char *sql, const char *types, ...)
{
    db_query *q = NULL;
    va_list args;
    va_start(args, types);
    int rc = start(&q, d, e, sql, types, &args);
    va_end(args);
    if (rc == 0) rc = db_next(q, e);
    if (rc > 0) *out = db_integer(q, 0);
    db_end(q);
    return rc < 0 ? rc : rc > 0 ? 0 : ERR_NOT_FOUND;
}

int64_t db_last_id(db *d)
{
    return sqlite3_last_insert_rowid(d->handle);
}

int64_t db_changed(db *d)
{
    return sqlite3_changes64(d->handle);
}

// ---- copying ----

int db_copy(db *d, const char *path, err *e)
{
    if (path_exists(path)) return err_set(e, ERR_EXISTS, "%s: is there already", path);
    db *copy;
    TRY(db_open(&copy, path, DB_CREATE, e));
    int rc = 0;
    sqlite3_backup *b = sqlite3_backup_init(copy->handle, "main", d->handle, "main");
    if (!b) {
        rc = fail(copy, sqlite3_errcode(copy->handle), e);
        db_close(copy);
        unlink(path);
        return rc;
    }
    int step = sqlite3_backup_step(b, -1);
    int end = sqlite3_backup_finish(b);
    if (step != SQLITE_DONE || end != SQLITE_OK) rc = fail(copy, end != SQLITE_OK ? end : step, e);
    db_close(copy);
    if (rc < 0) unlink(path);
    return rc;
}
