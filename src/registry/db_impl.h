// SQLite behind our errors, memory and transactions. The only file that knows it.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_REGISTRY_DB_IMPL_H
#define SLIPWAY_REGISTRY_DB_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

typedef struct db db;                 // one thread at a time
typedef struct sqlite3_stmt db_query; // a statement on its way; ends before its transaction does

typedef enum db_mode { DB_READ, DB_WRITE, DB_CREATE } db_mode;

enum { DB_BUSY_MS = 10000 };

// Sends SQLite's memory through mem_alloc; the first call counts, the others change nothing. Any thread.
MUST_CHECK int db_init(err *e);

// Opens a file. Nothing is read or written yet, and until db_set_up() closing it writes nothing either.
MUST_CHECK int db_open(db **out, const char *path, db_mode mode, err *e);
void db_close(db *d); // rolls back what is open; NULL is fine

// application_id and user_version of the file; both 0 for an empty one.
MUST_CHECK int db_version(db *d, int64_t *application, int64_t *version, err *e);
MUST_CHECK int db_set_up(db *d, bool write, err *e); // write: WAL, synchronous=FULL, foreign keys

MUST_CHECK int db_execute(db *d, const char *sql, err *e); // any number of statements, no answers

// A write transaction takes its lock at once. After a failed commit nothing is open.
MUST_CHECK int db_begin(db *d, bool write, err *e);
MUST_CHECK int db_commit(db *d, err *e);
void db_roll_back(db *d); // without a transaction nothing happens

// Binds by `types`: i int64_t, s const char * (NULL is SQL's NULL), t str; texts are borrowed until db_end(). Steps
// with db_next(): 1 a row, 0 no more, negative an error. db_end() always.
MUST_CHECK int db_start(db_query **out, db *d, err *e, const char *sql, const char *types, ...);
MUST_CHECK int db_next(db_query *q, err *e);
void db_end(db_query *q); // NULL is fine
int64_t db_integer(db_query *q, int column);
// A view until the next step. NULL in SQL, and a lack of memory, are errors.
MUST_CHECK int db_text(db_query *q, int column, str *out, err *e);
bool db_is_null(db_query *q, int column);

// A statement without answers, and one whose first row's first column is an integer (ERR_NOT_FOUND without a row, then
// the error is not set).
MUST_CHECK int db_run(db *d, err *e, const char *sql, const char *types, ...);
MUST_CHECK int db_find_integer(db *d, int64_t *out, err *e, const char *sql, const char *types, ...);

int64_t db_last_id(db *d);
int64_t db_changed(db *d); // rows by the last statement

// A snapshot of the whole database into a new file, synced.
MUST_CHECK int db_copy(db *d, const char *path, err *e);

#endif
