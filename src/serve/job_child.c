// The process of a run: reads what it is to do, does it through the same code as the commands, and says how far it is.
// Beside its folder it reads the dataset alone, and it knows no registry.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "automl/applied.h"
#include "automl/asked.h"
#include "automl/features.h"
#include "automl/training.h"
#include "base/files.h"
#include "base/mem.h"
#include "base/sandbox.h"
#include "serve/jobs.h"

enum { SPEC_MAX = 4 << 20, MODEL_MAX = 1 << 30, FILE_MODE = 0600, OPTIONS_MEMORY_MAX = 64 << 20, BLOCK_ROWS = 4096 };
#define FEATURES_MAX ((size_t)1 << 34)

typedef struct duty {
    json_t *spec;
    const json_t *asked; // what the client sent, checked by the server
    const char *data;    // path of the dataset
    int64_t memory_max;
    pool *workers;
    arena memory; // of options
    training_options options;
    training_stage stage; // that was told of last
    size_t told;          // per cent of it
    json_t *result;
} duty;

// News.

static int say(const char *event, json_t *data, err *e)
{
    buf line;
    buf_init(&line, SPEC_MAX);
    json_t *j = data ? json_pack("{s:s,s:o}", "event", event, "data", data) : NULL;
    int rc = j ? json_format(j, false, &line, e) : err_set(e, ERR_MEMORY, "no memory for news");
    buf_add_char(&line, '\n');
    if (rc == 0) rc = buf_check(&line, e);
    if (rc == 0) rc = fd_write_all(STDOUT_FILENO, buf_str(&line), e);
    buf_clear(&line);
    json_decref(j);
    return rc;
}

static int report(void *context, training_stage stage, size_t done, size_t total, const char *text)
{
    duty *t = context;
    const char *name = training_stage_name(stage);
    if (text) return say("log", json_pack("{s:s,s:s}", "stage", name, "text", text), NULL);
    size_t told = total > 0 ? 1 + 100 * done / total : 0;
    if (stage == t->stage && told == t->told) return 0;
    t->stage = stage;
    t->told = told;
    return say("progress",
               json_pack("{s:s,s:I,s:I}", "stage", name, "done", (json_int_t)done, "total", (json_int_t)total), NULL);
}

static int log_line(const char *stage, const char *text, err *e)
{
    return say("log", json_pack("{s:s,s:s}", "stage", stage, "text", text), e);
}

// What the result says, and the file that goes with it.

static int put(duty *t, const char *key, json_t *value, err *e)
{
    return json_put(t->result, key, value, e);
}

static int put_file(duty *t, const char *name, const char *type, uint64_t size, err *e)
{
    return put(t, "file", json_pack("{s:s,s:s,s:I}", "name", name, "type", type, "bytes", (json_int_t)size), e);
}

static int write_file(duty *t, str content, const char *name, const char *type, err *e)
{
    TRY(file_write_atomic(RUN_FILE, content, FILE_MODE, e));
    return put_file(t, name, type, content.len, e);
}

static int put_profile(duty *t, const profile *p, const frame *f, err *e)
{
    json_t *j = NULL;
    int rc = profile_to_json(p, f, &j, e);
    if (rc < 0) return rc;
    TRY(put(t, "profile", j, e));
    return put(t, "rows", json_integer((json_int_t)frame_n_rows(f)), e);
}

// The kinds.

static int train_result(duty *t, const training_result *r, err *e)
{
    char key[65];
    str file;
    training_options o = t->options;
    o.frame = r->frame;
    TRY(training_key(&o, r->frame, key, e));
    TRY(package_onnx(r->package, &file, e));
    TRY(write_file(t, file, "model.onnx", "application/octet-stream", e));
    TRY(put(t, "digest", json_string(r->package->digest), e));
    TRY(put(t, "run_key", json_string(key), e));
    TRY(put(t, "recipe", json_string(r->recipe->name), e));
    TRY(put(t, "model", json_string(r->family->name), e));
    TRY(put(t, "rows_dropped", json_integer((json_int_t)r->n_rows_dropped), e));
    TRY(put(t, "rows_train", json_integer((json_int_t)r->n_train), e));
    TRY(put(t, "rows_test", json_integer((json_int_t)r->n_test), e));
    TRY(put(t, "features", json_integer((json_int_t)r->n_features), e));
    TRY(put(t, "metrics", r->package->metrics ? json_deep_copy(r->package->metrics) : json_object(), e));
    return put_profile(t, &r->profile, r->frame, e);
}

static int train(duty *t, err *e)
{
    training_news news = {.report = report, .context = t};
    training_result r;
    TRY(training_run(&r, &t->options, t->workers, &news, e));
    int rc = train_result(t, &r, e);
    training_result_clear(&r);
    return rc;
}

static int prepare(duty *t, err *e)
{
    training_news news = {.report = report, .context = t};
    training_prepared p;
    buf text;
    TRY(training_prepare(&p, &t->options, t->workers, &news, e));
    buf_init(&text, FEATURES_MAX);
    int rc = features_format(&p, p.frame, t->options.target, &text, t->workers, e);
    if (rc == 0) rc = write_file(t, buf_str(&text), "features.csv", "text/csv", e);
    if (rc == 0) rc = put_profile(t, &p.profile, p.frame, e);
    buf_clear(&text);
    training_prepared_clear(&p);
    return rc;
}

static int describe(duty *t, err *e)
{
    frame *f;
    profile p;
    TRY(read_file(&f, t->data, &t->options.read, t->workers, e));
    int rc = profile_make(&p, f, -1, t->workers, e);
    if (rc == 0) {
        rc = put_profile(t, &p, f, e);
        profile_clear(&p);
    }
    frame_free(f);
    return rc;
}

static int open_model(model **out, err *e)
{
    buf file;
    package *p = NULL;
    TRY(file_read(RUN_MODEL, MODEL_MAX, &file, e));
    int rc = package_from_onnx(&p, buf_str(&file), e);
    buf_clear(&file);
    return rc < 0 ? rc : model_open(out, p, e);
}

static int measure(duty *t, model *m, frame *f, arena *a, err *e)
{
    size_t n_rows;
    json_t *metrics_json = NULL;
    TRY(applied_measure(&metrics_json, &n_rows, m, f, t->workers, a, e));
    TRY(put(t, "metrics", metrics_json, e));
    return put(t, "rows", json_integer((json_int_t)n_rows), e);
}

static int flush(file_out *to, buf *text, uint64_t *size, err *e)
{
    TRY(buf_check(text, e));
    TRY(file_out_write(to, buf_str(text), e));
    *size += text->len;
    buf_reset(text);
    return 0;
}

// Block by block, so that the text of all rows is never in memory at once.
static int write_predictions(duty *t, const model *m, const frame *kept, applied_form form, const prediction *p, err *e)
{
    const schema_target *target = &model_schema(m)->target;
    file_out to;
    buf text;
    uint64_t size = 0;
    TRY(file_out_open(&to, RUN_FILE, FILE_MODE, e));
    buf_init(&text, (size_t)t->memory_max);
    applied_head(&text, form, target, kept);
    int rc = 0;
    for (size_t row = 0; rc == 0 && row < p->n_rows; row += BLOCK_ROWS) {
        size_t end = p->n_rows - row < BLOCK_ROWS ? p->n_rows : row + BLOCK_ROWS;
        applied_rows(&text, form, target, kept, p, row, end);
        rc = flush(&to, &text, &size, e);
    }
    if (rc == 0) rc = flush(&to, &text, &size, e);
    if (rc == 0)
        rc = file_out_commit(&to, e);
    else
        file_out_abort(&to);
    buf_clear(&text);
    if (rc < 0) return rc;
    bool csv = form == APPLIED_CSV;
    return put_file(t, csv ? "predictions.csv" : "predictions.jsonl", csv ? "text/csv" : "application/jsonl", size, e);
}

static int predict(duty *t, model *m, frame *f, arena *a, err *e)
{
    prediction p;
    const char *form = json_string_value(json_object_get(t->asked, "format"));
    bool keep = json_is_true(json_object_get(t->asked, "keep"));
    TRY(model_predict_frame(m, f, NULL, frame_n_rows(f), &p, t->workers, a, e));
    TRY(log_line("predict", "rows predicted", e));
    TRY(put(t, "rows", json_integer((json_int_t)p.n_rows), e));
    applied_form wanted = form && strcmp(form, "jsonl") == 0 ? APPLIED_JSONL : APPLIED_CSV;
    return write_predictions(t, m, keep ? f : NULL, wanted, &p, e);
}

static int with_model(duty *t, int (*work)(duty *t, model *m, frame *f, arena *a, err *e), err *e)
{
    model *m;
    frame *f = NULL;
    arena a;
    arena_init(&a, (size_t)t->memory_max);
    TRY(open_model(&m, e));
    int rc = applied_read(&f, m, t->data, &t->options.read, t->workers, e);
    if (rc == 0) rc = log_line("read", "rows read", e);
    if (rc == 0) rc = work(t, m, f, &a, e);
    frame_free(f);
    model_drop(m);
    arena_clear(&a);
    return rc;
}

static int work(duty *t, const char *kind, err *e)
{
    if (strcmp(kind, "train") == 0) return train(t, e);
    if (strcmp(kind, "prepare") == 0) return prepare(t, e);
    if (strcmp(kind, "profile") == 0) return describe(t, e);
    if (strcmp(kind, "evaluate") == 0) return with_model(t, measure, e);
    if (strcmp(kind, "predict") == 0) return with_model(t, predict, e);
    return err_set(e, ERR_UNSUPPORTED, "a run of the kind \"%.40s\"", kind);
}

// The process.

// On top of what is mapped already: the program, and under a sanitizer its shadow.
static int limit_memory(uint64_t memory_max, err *e)
{
    buf text;
    unsigned long long pages = 0;
    TRY(file_read("/proc/self/statm", 4096, &text, e));
    buf_add_char(&text, '\0');
    bool known = !text.failed && sscanf(text.data, "%llu", &pages) == 1;
    buf_clear(&text);
    if (!known) return err_set(e, ERR_IO, "/proc/self/statm says nothing");
    rlim_t max = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + memory_max;
    if (setrlimit(RLIMIT_AS, &(struct rlimit){max, max}) == 0) return 0;
    return err_set_errno(e, "the limit of memory");
}

// From here on it reads the dataset, works in its folder, and reaches nobody.
static int confine(const duty *t, err *e)
{
    const sandbox_path paths[] = {
        {.path = ".", .write = true},
        {.path = t->data},
        {.path = "/proc"},
        {.path = "/sys/fs/cgroup"}, // the last two: how much memory is left
    };
    TRY(sandbox_no_new_privileges(e));
    TRY(sandbox_files(paths, sizeof paths / sizeof *paths, NULL, e));
#ifdef __SANITIZE_ADDRESS__
    return 0; // it looks for leaks with a process of its own
#else
    return sandbox_files_only(e);
#endif
}

static int read_spec(duty *t, const char **kind, int64_t *n_threads, err *e)
{
    buf text;
    json_t *asked;
    TRY(file_read(RUN_SPEC, SPEC_MAX, &text, e));
    int rc = json_parse(&t->spec, buf_str(&text), e);
    buf_clear(&text);
    TRY(rc);
    TRY(json_member_text(t->spec, "kind", kind, e));
    TRY(json_member_text(t->spec, "data", &t->data, e));
    TRY(json_member_integer(t->spec, "memory_max", 1, INT64_MAX, &t->memory_max, e));
    TRY(json_member_integer(t->spec, "threads", 0, 4096, n_threads, e));
    TRY(json_member_object(t->spec, "asked", &asked, e));
    t->asked = asked;
    char pointer[ASKED_POINTER_SIZE];
    if (strcmp(*kind, "train") == 0 || strcmp(*kind, "prepare") == 0 || strcmp(*kind, "profile") == 0) {
        TRY(asked_options(&t->options, t->asked, &t->memory, pointer, e));
    } else { // "model" is one of the registry there
        json_t *reading = json_pack("{s:O?}", "read", json_object_get(t->asked, "read"));
        if (!reading) return err_set(e, ERR_MEMORY, "no memory for options");
        rc = asked_options(&t->options, reading, &t->memory, pointer, e);
        json_decref(reading); // what it holds is held by `asked` too
        TRY(rc);
    }
    t->options.path = t->data;
    if (t->options.read.memory_max > (size_t)t->memory_max) t->options.read.memory_max = (size_t)t->memory_max;
    return 0;
}

static int run(duty *t, err *e)
{
    const char *kind;
    int64_t n_threads;
    buf text;
    TRY(read_spec(t, &kind, &n_threads, e));
    TRY(limit_memory((uint64_t)t->memory_max, e));
    TRY(confine(t, e));
    TRY(pool_new(&t->workers, (size_t)n_threads, e));
    t->result = json_object();
    if (!t->result) return err_set(e, ERR_MEMORY, "no memory for a result");
    TRY(work(t, kind, e));
    buf_init(&text, (size_t)t->memory_max);
    int rc = json_format(t->result, false, &text, e);
    if (rc == 0) rc = file_write_atomic(RUN_RESULT, buf_str(&text), FILE_MODE, e);
    buf_clear(&text);
    return rc;
}

// Where the dataset lies is nobody's business.
static void hide_path(const duty *t, err *e)
{
    char *at = t->data ? strstr(e->msg, t->data) : NULL;
    static const char shown[] = "the dataset";
    if (!at || strlen(t->data) < sizeof shown) return;
    memcpy(at, shown, sizeof shown - 1);
    char *rest = at + strlen(t->data);
    memmove(at + sizeof shown - 1, rest, strlen(rest) + 1);
}

int job_child_main(void)
{
    duty t = {.stage = STAGES_N};
    err e = ERR_NONE;
    arena_init(&t.memory, OPTIONS_MEMORY_MAX);
    int rc = run(&t, &e);
    if (rc < 0) {
        hide_path(&t, &e);
        rc = say("failed", json_pack("{s:s,s:s}", "code", err_name(rc), "message", e.msg), NULL) < 0 ? 3 : 1;
    }
    pool_free(t.workers);
    json_decref(t.result);
    json_decref(t.spec);
    arena_clear(&t.memory);
    return rc;
}
