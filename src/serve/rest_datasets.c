// Datasets and uploads over HTTP: bodies that may be larger than memory, taken in pieces, and gone on with after the
// connection was lost.
// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/datasets.h"
#include "serve/jobs.h"
#include "serve/rest.h"
#include "serve/rest_tools.h"
#include "serve/serving.h"
#include "serve/spool.h"

enum { LIST_DEFAULT = 50, LIST_MOST = 500, FILE_MODE = 0600, ANSWER_MAX = 4096 };

// What is told of a dataset.

static int dataset_json(const dataset_record *d, bool whole, json_t **out, err *e)
{
    char time[CLOCK_TEXT_SIZE];
    json_t *profile = NULL;
    if (whole && d->profile && d->profile[0] && json_parse(&profile, str_of(d->profile), NULL) < 0) profile = NULL;
    json_t *j = json_pack("{s:s,s:s,s:I,s:s}", "id", d->id, "sha256", d->sha256, "bytes", (json_int_t)d->size,
                          "created", clock_format_utc(d->created_ms, time));
    int rc = j ? 0 : err_set(e, ERR_MEMORY, "no memory for an answer");
    if (rc == 0) rc = json_put(j, "number", json_integer(d->number), e);
    if (rc == 0 && whole) rc = json_put(j, "profile", profile ? profile : json_null(), e);
    if (rc < 0)
        json_decref(j);
    else
        *out = j;
    return rc;
}

// A text as an id: ids are ours, and short.
static int read_id(const request *q, const char *code, char id[OBJECT_ID_SIZE], response *r, err *e)
{
    str text = q->parameters[0];
    r->at.code = code;
    if (text.len >= OBJECT_ID_SIZE) return err_set(e, ERR_NOT_FOUND, "nothing here has a name that long");
    memcpy(id, text.data, text.len);
    id[text.len] = '\0';
    return 0;
}

static int find_dataset(serving *s, const request *q, registry **g, dataset_record *d, response *r, err *e)
{
    char id[OBJECT_ID_SIZE];
    TRY(read_id(q, "unknown_dataset", id, r, e));
    TRY(serving_registry(s, g, e));
    TRY(registry_dataset_find(*g, q->who->tenant, id, d, e));
    r->at.code = NULL;
    return 0;
}

static int get_dataset(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    dataset_record d;
    json_t *j = NULL;
    TRY(find_dataset(s, q, &g, &d, r, e));
    int rc = dataset_json(&d, true, &j, e);
    dataset_record_clear(&d);
    return rc == 0 ? rest_send(r, j, e) : rc;
}

static int list_datasets(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    dataset_list l;
    int64_t before = 0, limit = LIST_DEFAULT;
    TRY(rest_query_integer(q, "before", 1, INT64_MAX, &before, r, e));
    TRY(rest_query_integer(q, "limit", 1, LIST_MOST, &limit, r, e));
    TRY(serving_registry(s, &g, e));
    TRY(registry_datasets(g, q->who->tenant, before, (size_t)limit, &l, e));
    json_t *list = json_array();
    int rc = list ? 0 : err_set(e, ERR_MEMORY, "no memory for a list");
    for (size_t i = 0; rc == 0 && i < l.n; i++) {
        json_t *j = NULL;
        rc = dataset_json(&l.datasets[i], false, &j, e);
        if (rc == 0) rc = json_push(list, j, e);
    }
    dataset_list_clear(&l);
    if (rc == 0) return rest_send(r, json_pack("{s:o}", "datasets", list), e);
    json_decref(list);
    return rc;
}

static int delete_dataset(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    char id[OBJECT_ID_SIZE];
    TRY(read_id(q, "unknown_dataset", id, r, e));
    TRY(serving_registry(s, &g, e));
    int rc = registry_dataset_remove(g, q->who->tenant, id, e);
    if (rc == ERR_CONFLICT) r->at.code = "in_use";
    TRY(rc);
    r->status = 204;
    return 0;
}

// Making one.

// An expected sum: 64 hexadecimal digits, in small letters.
static int check_sum(str text, char out[SHA256_HEX_SIZE], response *r, err *e)
{
    out[0] = '\0';
    if (!text.data) return 0;
    bool fits = text.len == SHA256_HEX_SIZE - 1;
    for (size_t i = 0; fits && i < text.len; i++) {
        char c = text.data[i];
        out[i] = c >= 'A' && c <= 'F' ? (char)(c | 0x20) : c;
        fits = (c >= '0' && c <= '9') || (out[i] >= 'a' && out[i] <= 'f');
    }
    out[fits ? text.len : 0] = '\0';
    if (fits) return 0;
    r->at.code = "invalid_sum";
    return err_set(e, ERR_INPUT, "\"sha256\" is not a sum of 64 hexadecimal digits");
}

static int wrong_sum(const char *expected, const char *found, response *r, err *e)
{
    r->at.code = "wrong_sum";
    return err_set(e, ERR_INPUT, "what came has the SHA-256 %s, not %s", found, expected);
}

// Somebody is to look at it: best effort, whoever wants it for sure asks for a run of the kind "profile".
static void ask_for_profile(serving *s, registry *g, const request *q, const char *dataset)
{
    char id[OBJECT_ID_SIZE], spec[128];
    kept_answer kept;
    if (jobs_ready(s->jobs, NULL) < 0 || registry_new_id(g, id, NULL) < 0) return;
    snprintf(spec, sizeof spec, "{\"kind\":\"profile\",\"asked\":{\"kind\":\"profile\",\"dataset\":\"%s\"}}", dataset);
    run_addition add = {.id = id,
                        .tenant = q->who->tenant,
                        .kind = "profile",
                        .actor = q->who->id,
                        .dataset = dataset,
                        .spec = spec,
                        .queued_max = s->options->jobs_queued_max};
    err e = ERR_NONE;
    if (registry_run_add(g, &add, &kept, &e) < 0)
        log_event(LOG_WARN, "no profile", "dataset %s: %s", dataset, e.msg);
    else
        jobs_wake(s->jobs);
}

// The file DIR/datasets/`file` becomes a dataset, and the answer says which.
static int make_dataset(serving *s, registry *g, const request *q, const char *file, const char *sum, uint64_t size,
                        const answer_key *key, response *r, err *e)
{
    dataset_record d;
    bool existed;
    json_t *j = NULL;
    char location[128];
    TRY(registry_dataset_add(g, q->who->tenant, file, sum, (int64_t)size, &d, &existed, e));
    snprintf(location, sizeof location, "/api/v1/datasets/%s", d.id);
    int rc = dataset_json(&d, true, &j, e);
    if (rc == 0) rc = rest_send(r, j, e);
    if (rc == 0) rc = rest_created(q, r, existed ? 200 : 201, e, "%s", location);
    if (rc == 0) rc = rest_keep(g, key, q, r, location, e);
    if (rc == 0 && !existed) ask_for_profile(s, g, q, d.id);
    dataset_record_clear(&d);
    return rc;
}

static int end_dataset(spool *f, serving *s, const request *q, response *r, err *e)
{
    registry *g;
    answer_key key;
    kept_answer kept;
    const char *expected = f->context;
    TRY(serving_registry(s, &g, e));
    if (f->len == 0) {
        r->at.code = "no_rows";
        return err_set(e, ERR_INPUT, "the dataset is empty");
    }
    if (expected[0] && strcmp(expected, f->sum) != 0) return wrong_sum(expected, f->sum, r, e);
    TRY(rest_key(q, f->sum, &key, r, e));
    int rc = registry_answer_find(g, &key, &kept, e);
    if (rc == 0) return rest_replay(q, r, &kept, e);
    if (rc != ERR_NOT_FOUND) return rest_key_reused(r, rc);
    return make_dataset(s, g, q, f->name, f->sum, f->len, &key, r, e);
}

static int create_dataset(serving *s, const request *q, response *r, err *e)
{
    str text;
    char *expected = arena_alloc(q->memory, SHA256_HEX_SIZE, 1);
    if (!expected) return err_set(e, ERR_MEMORY, "no memory for a request");
    TRY(rest_query(q, "sha256", &text, r, e));
    TRY(check_sum(text, expected, r, e));
    return spool_start(s, r, s->options->dataset_max, end_dataset, expected, e);
}

// Uploads in several requests.

static json_t *upload_json(const upload_record *u)
{
    char time[CLOCK_TEXT_SIZE];
    return json_pack("{s:s,s:I,s:I,s:s,s:s}", "id", u->id, "bytes", (json_int_t)u->size, "received",
                     (json_int_t)u->received, "sha256", u->sha256, "created", clock_format_utc(u->created_ms, time));
}

static int put_offset(const request *q, response *r, int64_t received, err *e)
{
    enum { LINE_BYTES = 64 };
    char *line = arena_alloc(q->memory, LINE_BYTES, 1);
    if (!line) return err_set(e, ERR_MEMORY, "no memory for a header");
    snprintf(line, LINE_BYTES, "Upload-Offset: %" PRId64 "\r\nCache-Control: no-store\r\n", received);
    r->extra = line;
    return 0;
}

static int add_upload(serving *s, const request *q, const json_t *body, response *r, err *e)
{
    static const char *const places[] = {"/bytes", "/sha256"};
    registry *g;
    kept_answer kept;
    char sum[SHA256_HEX_SIZE], location[128], answer[ANSWER_MAX];
    int64_t size = 0;
    const char *given = json_string_value(json_object_get(body, "sha256"));
    upload_record u = {.created_ms = clock_utc_ms()};
    r->at.pointer = str_of(places[0]);
    if (json_member_integer(body, "bytes", 1, INT64_MAX, &size, e) < 0) {
        r->at.code = "wrong_shape";
        return err_set(e, ERR_INPUT, "\"bytes\" is how many bytes will come");
    }
    if ((uint64_t)size > s->options->dataset_max)
        return err_set(e, ERR_LIMIT, "%" PRId64 " bytes are too many: a dataset has at most %" PRIu64, size,
                       s->options->dataset_max);
    r->at.pointer = str_of(places[1]);
    if (json_object_get(body, "sha256") && !given) given = "?";
    TRY(check_sum(given ? str_of(given) : (str){0}, sum, r, e));
    r->at.pointer = (str){0};
    TRY(serving_registry(s, &g, e));
    TRY(registry_new_id(g, u.id, e));
    u.size = size;
    memcpy(u.sha256, sum, sizeof sum);
    snprintf(location, sizeof location, "/api/v1/uploads/%s", u.id);
    TRY(rest_send(r, upload_json(&u), e));
    TRY(buf_check(r->body, e));
    snprintf(answer, sizeof answer, "%.*s", (int)r->body->len, r->body->data);
    upload_addition a = {.id = u.id,
                         .tenant = q->who->tenant,
                         .size = size,
                         .sha256 = sum,
                         .status = 201,
                         .location = location,
                         .body = answer};
    TRY(rest_key(q, NULL, &a.key, r, e));
    int rc = registry_upload_add(g, &a, &kept, e);
    if (rc == ERR_BUSY) r->extra = "Retry-After: 60\r\n";
    if (rc < 0) return rest_key_reused(r, rc);
    if (!kept.body) return rest_created(q, r, 201, e, "%s", location);
    buf_reset(r->body);
    return rest_replay(q, r, &kept, e);
}

static int create_upload(serving *s, const request *q, response *r, err *e)
{
    static const char *const known[] = {"bytes", "sha256", NULL};
    json_t *body;
    TRY(rest_body(q, known, &body, r, e));
    int rc = add_upload(s, q, body, r, e);
    json_decref(body);
    return rc;
}

static int find_upload(serving *s, const request *q, registry **g, upload_record *u, response *r, err *e)
{
    char id[OBJECT_ID_SIZE];
    TRY(read_id(q, "unknown_upload", id, r, e));
    TRY(serving_registry(s, g, e));
    TRY(registry_upload_find(*g, q->who->tenant, id, u, e));
    r->at.code = NULL;
    return 0;
}

static int get_upload(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    upload_record u;
    TRY(find_upload(s, q, &g, &u, r, e));
    TRY(put_offset(q, r, u.received, e));
    return rest_send(r, upload_json(&u), e);
}

static int delete_upload(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    upload_record u;
    TRY(find_upload(s, q, &g, &u, r, e));
    TRY(registry_upload_remove(g, q->who->tenant, u.id, e));
    r->status = 204;
    return 0;
}

// A piece on its way.
typedef struct piece_sink {
    body_sink sink; // first
    upload_record upload;
    const char *data_dir; // lives as long as the server
    char *path;
    int fd, lock_fd; // -1: closed
    int64_t at;      // bytes in the file
} piece_sink;

static int take_piece(body_sink *sink, str piece, err *e)
{
    piece_sink *p = (piece_sink *)sink;
    TRY(fd_write_all(p->fd, piece, e));
    p->at += (int64_t)piece.len;
    return 0;
}

// What is in the file is safe now, and the registry says so.
static int keep_piece(piece_sink *p, registry *g, err *e)
{
    TRY(fd_sync(p->fd, e));
    TRY(registry_upload_grow(g, p->upload.id, p->at, e));
    p->upload.received = p->at;
    return 0;
}

// All of it is there: the sum decides.
static int complete(piece_sink *p, serving *s, registry *g, const request *q, response *r, err *e)
{
    char sum[SHA256_HEX_SIZE], name[OBJECT_ID_SIZE + 5];
    str content;
    snprintf(name, sizeof name, "%s.part", p->upload.id);
    TRY(file_map(p->path, &content, e));
    sha256_hex_of(content.data, content.len, sum);
    file_unmap(content);
    if (p->upload.sha256[0] && strcmp(sum, p->upload.sha256) != 0) {
        int rc = wrong_sum(p->upload.sha256, sum, r, e);
        if (registry_upload_remove(g, q->who->tenant, p->upload.id, NULL) < 0)
            log_event(LOG_WARN, "upload not removed", "%s", p->upload.id);
        return rc;
    }
    const answer_key none = {.tenant = q->who->tenant};
    int rc = make_dataset(s, g, q, name, sum, (uint64_t)p->upload.size, &none, r, e);
    if (rc == 0 && registry_upload_remove(g, q->who->tenant, p->upload.id, e) < 0)
        log_event(LOG_WARN, "upload not removed", "%s: %s", p->upload.id, e->msg); // it goes after a day
    return rc;
}

static int end_piece(body_sink *sink, serving *s, const request *q, response *r, err *e)
{
    piece_sink *p = (piece_sink *)sink;
    registry *g;
    TRY(serving_registry(s, &g, e));
    TRY(keep_piece(p, g, e));
    if (p->at == p->upload.size) return complete(p, s, g, q, r, e);
    TRY(put_offset(q, r, p->at, e));
    return rest_send(r, upload_json(&p->upload), e);
}

// Without end() the client left in the middle: what came is kept, so that it can go on from there.
static void drop_piece(body_sink *sink)
{
    piece_sink *p = (piece_sink *)sink;
    registry *g = NULL;
    if (p->fd >= 0 && p->at > p->upload.received && registry_open(&g, p->data_dir, NULL, NULL) == 0 &&
        keep_piece(p, g, NULL) < 0)
        log_event(LOG_WARN, "piece not kept", "upload %s", p->upload.id);
    registry_close(g);
    if (p->fd >= 0) close(p->fd);
    if (p->lock_fd >= 0) close(p->lock_fd);
    mem_free(p->path);
    mem_free(p);
}

// Where the piece belongs: "Content-Range: bytes 100-199/1000", or ?offset=100.
static int read_offset(const request *q, int64_t size, int64_t *out, response *r, err *e)
{
    str range = request_field(q, FIELD_CONTENT_RANGE), first = {0}, total = {0};
    int64_t given = -1, all;
    TRY(rest_query_integer(q, "offset", 0, INT64_MAX, &given, r, e));
    if (range.len == 0 && given >= 0) {
        *out = given;
        return 0;
    }
    const char *slash = range.len > 6 ? memchr(range.data, '/', range.len) : NULL;
    const char *dash = range.len > 6 ? memchr(range.data, '-', range.len) : NULL;
    if (slash && dash && dash < slash && memcmp(range.data, "bytes ", 6) == 0) {
        first = (str){range.data + 6, (size_t)(dash - range.data) - 6};
        total = (str){slash + 1, range.len - (size_t)(slash - range.data) - 1};
    }
    bool sound = decimal_parse_i64(first, out) == 0 && *out >= 0;
    if (sound && !str_equal(total, STR("*"))) sound = decimal_parse_i64(total, &all) == 0 && all == size;
    if (sound && (given < 0 || given == *out)) return 0;
    r->at.code = "invalid_range";
    return err_set(e, ERR_INPUT, "a piece needs ?offset=N, or Content-Range: bytes FIRST-LAST/%" PRId64, size);
}

static int open_piece(piece_sink *p, serving *s, registry *g, const request *q, response *r, err *e)
{
    char name[OBJECT_ID_SIZE + 5];
    int64_t offset = 0;
    snprintf(name, sizeof name, "%s.part", p->upload.id);
    TRY(registry_dataset_path(g, name, &p->path, e));
    p->lock_fd = open(p->path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (p->lock_fd < 0) return err_set_errno(e, "an upload's file");
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        r->at.code = "upload_busy";
        return err_set(e, ERR_CONFLICT, "another request is sending a piece of this upload");
    }
    TRY(registry_upload_find(g, q->who->tenant, p->upload.id, &p->upload, e)); // as it is now that nobody else is
    TRY(read_offset(q, p->upload.size, &offset, r, e));
    if (offset != p->upload.received) {
        r->at.code = "wrong_offset";
        TRY(put_offset(q, r, p->upload.received, e));
        return err_set(e, ERR_CONFLICT, "the next byte is %" PRId64 ", not %" PRId64, p->upload.received, offset);
    }
    p->at = p->upload.received;
    p->data_dir = s->options->data_dir;
    p->sink.len_max = (uint64_t)(p->upload.size - p->at);
    return file_resume(p->path, (uint64_t)p->at, FILE_MODE, &p->fd, e);
}

static int put_piece(serving *s, const request *q, response *r, err *e)
{
    registry *g;
    upload_record u;
    TRY(find_upload(s, q, &g, &u, r, e));
    piece_sink *p = mem_zalloc(1, sizeof *p);
    if (!p) return err_set(e, ERR_MEMORY, "no memory for an upload");
    *p = (piece_sink){
        .sink = {.write = take_piece, .end = end_piece, .close = drop_piece}, .upload = u, .fd = -1, .lock_fd = -1};
    int rc = open_piece(p, s, g, q, r, e);
    if (rc < 0) {
        p->upload.received = p->at; // nothing came
        drop_piece(&p->sink);
        return rc;
    }
    r->sink = &p->sink;
    return 0;
}

static const route routes[] = {
    {HTTP_POST, "/api/v1/datasets", "createDataset", "Upload a CSV or JSON Lines file, as it is or as gzip", "*/*",
     JSON_TYPE, create_dataset, MAY_TRAIN, ROUTE_TAKES_PIECES},
    {HTTP_GET, "/api/v1/datasets", "listDatasets", "The datasets, newest first", NULL, JSON_TYPE, list_datasets,
     MAY_READ, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/datasets/{}", "getDataset", "A dataset, with its profile when there is one", NULL, JSON_TYPE,
     get_dataset, MAY_READ, ROUTE_BLOCKS},
    {HTTP_DELETE, "/api/v1/datasets/{}", "deleteDataset", "Remove a dataset", NULL, JSON_TYPE, delete_dataset,
     MAY_TRAIN, ROUTE_BLOCKS},
    {HTTP_POST, "/api/v1/uploads", "createUpload", "Begin to upload a dataset in several requests", JSON_TYPE,
     JSON_TYPE, create_upload, MAY_TRAIN, ROUTE_BLOCKS},
    {HTTP_GET, "/api/v1/uploads/{}", "getUpload", "How far an upload is", NULL, JSON_TYPE, get_upload, MAY_TRAIN,
     ROUTE_BLOCKS},
    {HTTP_PUT, "/api/v1/uploads/{}", "putPiece", "The next piece of an upload; the last makes the dataset", "*/*",
     JSON_TYPE, put_piece, MAY_TRAIN, ROUTE_TAKES_PIECES},
    {HTTP_DELETE, "/api/v1/uploads/{}", "deleteUpload", "Give an upload up", NULL, JSON_TYPE, delete_upload, MAY_TRAIN,
     ROUTE_BLOCKS},
};

#define DATASET_ANSWERS                                              \
    API_ANSWER("201", "A new dataset", API_JSON(API_REF("dataset"))) \
    "," API_ANSWER("200", "The dataset that has this content already", API_JSON(API_REF("dataset")))
#define ANY_BYTES API_MEDIA("application/octet-stream", "{}")

static const route_api api[] = {
    {.route = "createDataset",
     .more = API_QUERY("sha256", "The sum that is expected",
                       "{'type':'string','pattern':'^[0-9a-fA-F]{64}$'}") "," KEY_HEADER,
     .body = ANY_BYTES,
     .answers = DATASET_ANSWERS},
    {.route = "listDatasets",
     .more = PAGE_QUERY,
     .answers = API_ANSWER("200", "A page of them",
                           API_JSON("{'type':'object','required':['datasets'],'properties':{'datasets':"
                                    "{'type':'array','items':{'$ref':'#/components/schemas/dataset'}}}}"))},
    {.route = "getDataset",
     .parameters = "dataset",
     .answers = API_ANSWER("200", "The dataset", API_JSON(API_REF("dataset")))},
    {.route = "deleteDataset", .parameters = "dataset", .answers = API_ANSWER_EMPTY("204", "It is gone")},
    {.route = "createUpload",
     .more = KEY_HEADER,
     .body = API_JSON("{'type':'object','additionalProperties':false,'required':['bytes'],'properties':{"
                      "'bytes':{'type':'integer','minimum':1},'sha256':{'type':'string'}}}"),
     .answers = API_ANSWER("201", "An upload that waits for its first piece", API_JSON(API_REF("upload")))},
    {.route = "getUpload",
     .parameters = "upload",
     .answers = API_ANSWER("200", "The upload", API_JSON(API_REF("upload")))},
    {.route = "putPiece",
     .parameters = "upload",
     .more = API_QUERY("offset", "Where the piece begins", "{'type':'integer','minimum':0}") "," API_HEADER(
         "Content-Range", "The same as: bytes FIRST-LAST/ALL", "{'type':'string'}"),
     .body = ANY_BYTES,
     .answers = API_ANSWER("200", "The piece is kept, or the whole is a dataset that was there already",
                           API_JSON("{'type':'object'}")) "," API_ANSWER("201", "It was the last: a new dataset",
                                                                         API_JSON(API_REF("dataset")))},
    {.route = "deleteUpload", .parameters = "upload", .answers = API_ANSWER_EMPTY("204", "It is gone")},
};

static const char schemas[] =
    "'dataset':{'type':'object','required':['id','sha256','bytes','created','number'],'properties':{"
    "'id':{'type':'string'},'sha256':{'type':'string'},'bytes':{'type':'integer'},'number':{'type':'integer'},"
    "'created':{'type':'string','format':'date-time'},'profile':{'type':['object','null']}}},"
    "'upload':{'type':'object','required':['id','bytes','received'],'properties':{'id':{'type':'string'},"
    "'bytes':{'type':'integer'},'received':{'type':'integer'},'sha256':{'type':'string'},"
    "'created':{'type':'string','format':'date-time'}}}";

const protocol_row rest_datasets_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
