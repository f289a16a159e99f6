// The store. Workers keep texts in dictionaries and blocks of their own; joining them at the end sorts categories by
// bytes and texts by row, so that nothing remembers who read what.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE // madvise
#include "data/store_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"

const char *format_bytes(size_t n, char text[BYTES_TEXT_SIZE])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)n;
    size_t unit = 0;
    for (; value >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1000;
    snprintf(text, BYTES_TEXT_SIZE, "%.3g %s", value, units[unit]);
    return text;
}

plan plan_of_kinds(unsigned kinds, bool like_text)
{
    if (kinds & KIND_INTEGER) return PLAN_INTEGER;
    if (kinds & KIND_REAL) return PLAN_REAL;
    if (kinds & KIND_BOOLEAN) return PLAN_BOOLEAN;
    if (kinds & KIND_DATETIME) return PLAN_DATETIME;
    return like_text ? PLAN_TEXT : PLAN_CATEGORY;
}

plan plan_of_type(column_type t)
{
    switch (t) {
    case COLUMN_INTEGER: return PLAN_INTEGER;
    case COLUMN_REAL: return PLAN_REAL;
    case COLUMN_BOOLEAN: return PLAN_BOOLEAN;
    case COLUMN_DATETIME: return PLAN_DATETIME;
    case COLUMN_CATEGORY: return PLAN_CATEGORY;
    default: return PLAN_TEXT;
    }
}

// ---- what texts look like ----

void text_facts_add(text_facts *facts, str text, size_t times)
{
    size_t n_spaces = 0;
    for (size_t i = 0; i < text.len; i++) n_spaces += text.data[i] == ' ';
    facts->n_present += times;
    facts->n_words += times * (n_spaces + 1);
    facts->n_spaced += n_spaces ? times : 0;
}

enum { ROWS_MIN = 20 }; // below, little is certain
static const double NEARLY_ALL = 0.95, MOST = 0.8, HALF = 0.5, FEW = 0.05, SENTENCE_WORDS = 4, NAME_WORDS = 1.5;

bool text_facts_like_text(const text_facts *f)
{
    return f->n_present >= 64 && f->n_distinct >= MOST * (double)f->n_present;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

// "id", "user_id", "PassengerId", "uuid", ...
static bool names_rows(const char *name)
{
    static const char *const whole[] = {"id",   "Id",    "ID",       "uuid",       "UUID",
                                        "guid", "index", "rownames", "row_number", "Unnamed: 0"};
    static const char *const ends[] = {"_id", "_ID", "-id", " id", " ID", "_uuid", "_guid"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(name, whole[i]) == 0) return true;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i])) return true;
    size_t n = strlen(name); // a small letter before "Id" or "ID"
    return n > 2 && (ends_with(name, "Id") || ends_with(name, "ID")) && name[n - 3] >= 'a' && name[n - 3] <= 'z';
}

column_type text_facts_type(const text_facts *f, const char *name)
{
    double n = (double)f->n_present, distinct = f->n_distinct / n;
    double words = (double)f->n_words / n, spaced = (double)f->n_spaced / n;
    if (f->n_present == 0) return COLUMN_CATEGORY;
    bool certain = f->n_present >= ROWS_MIN;
    if (distinct >= NEARLY_ALL && (names_rows(name) || (certain && spaced <= FEW))) return COLUMN_IDENTIFIER;
    if (distinct >= HALF && words >= SENTENCE_WORDS) return COLUMN_TEXT;
    if (distinct >= MOST && words >= NAME_WORDS && certain) return COLUMN_TEXT;
    return COLUMN_CATEGORY;
}

// ---- while reading ----

int store_init(store *s, size_t n_columns, size_t n_workers, const missing_set *missing, budget *b)
{
    *s = (store){.n_columns = n_columns, .n_workers = n_workers, .missing = missing, .budget = b};
    s->columns = mem_zalloc(n_columns, sizeof *s->columns);
    s->locals = mem_zalloc(n_columns * n_workers, sizeof *s->locals);
    if (!s->columns || !s->locals) {
        store_clear(s);
        return ERR_MEMORY;
    }
    for (size_t i = 0; i < n_columns * n_workers; i++) dictionary_init(&s->locals[i].dictionary, b);
    for (size_t i = 0; i < n_columns; i++) s->columns[i].kinds = KINDS_ALL;
    return 0;
}

static void local_clear(store_local *l)
{
    dictionary_clear(&l->dictionary);
    text_blocks_free(l->blocks);
    mem_free(l->sketch);
    *l = (store_local){.dictionary = l->dictionary};
}

void store_clear(store *s)
{
    for (size_t i = 0; s->locals && i < s->n_columns * s->n_workers; i++) local_clear(&s->locals[i]);
    for (size_t i = 0; s->columns && i < s->n_columns; i++) {
        mem_free(s->columns[i].name);
        mem_free(s->columns[i].values);
        mem_free(s->columns[i].texts);
    }
    mem_free(s->columns);
    mem_free(s->locals);
    *s = (store){0};
}

static size_t bytes_a_row(plan p)
{
    switch (p) {
    case PLAN_CATEGORY: return sizeof(int32_t);
    case PLAN_TEXT: return sizeof(int32_t) + sizeof(str);
    default: return sizeof(int64_t);
    }
}

size_t store_bytes(const store *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_columns; i++) n += bytes_a_row(s->columns[i].plan);
    return n * s->n_rows;
}

enum { HUGE_PAGE = 2 << 20 };

// Large arrays on huge pages: they are filled once from end to end, and most of the time would go into page faults.
static void *array_alloc(size_t count, size_t size)
{
    if (count < 4 * HUGE_PAGE / size) return mem_alloc(count, size);
    void *p = mem_aligned(HUGE_PAGE, count, size);
    if (p) madvise(p, count * size, MADV_HUGEPAGE); // a wish: without it all is as before, only slower
    return p;
}

int store_reserve(store *s, size_t index)
{
    store_column *c = &s->columns[index];
    mem_free(c->values);
    mem_free(c->texts);
    c->values = NULL;
    c->texts = NULL;
    for (size_t w = 0; w < s->n_workers; w++) local_clear(store_local_of(s, w, index));
    if (c->plan == PLAN_TEXT) {
        for (size_t w = 0; w < s->n_workers; w++)
            if (!(store_local_of(s, w, index)->sketch = mem_zalloc(1, sizeof(sketch)))) return ERR_MEMORY;
        c->texts = array_alloc(s->n_rows, sizeof *c->texts);
        return c->texts ? 0 : ERR_MEMORY;
    }
    c->values = array_alloc(s->n_rows, bytes_a_row(c->plan));
    return c->values ? 0 : ERR_MEMORY;
}

int store_put_text(const store *s, size_t worker, size_t index, size_t row, str text)
{
    store_column *c = &s->columns[index];
    store_local *l = store_local_of(s, worker, index);
    if (text.len == 0) {
        if (c->plan == PLAN_CATEGORY)
            ((int32_t *)c->values)[row] = FRAME_CODE_MISSING;
        else
            c->texts[row] = (str){0};
        return 0;
    }
    uint64_t hash = hash_bytes(text.data, text.len, 0);
    if (c->plan == PLAN_CATEGORY) {
        int32_t code = dictionary_add(&l->dictionary, text, hash, false);
        if (code < 0) return code;
        ((int32_t *)c->values)[row] = code; // texts that mean "missing" are sorted out at the end, once each
        return 0;
    }
    c->texts[row] = (str){0};
    if (missing_set_has(s->missing, text)) return 0;
    char *copy;
    TRY(text_blocks_reserve(&l->blocks, text.len, s->budget, &copy));
    memcpy(copy, text.data, text.len);
    c->texts[row] = (str){copy, text.len};
    sketch_add(l->sketch, hash);
    text_facts_add(&l->facts, text, 1);
    return 0;
}

// ---- the end ----

// Takes the workers' dictionaries together. map: of all workers, one after the other, each entry's number in *all.
static int join_dictionaries(store *s, size_t index, dictionary *all, uint32_t **map, size_t *offsets)
{
    size_t n = 0;
    for (size_t w = 0; w < s->n_workers; w++) {
        offsets[w] = n;
        n += store_local_of(s, w, index)->dictionary.n;
    }
    if (!(*map = mem_alloc(n, sizeof **map))) return ERR_MEMORY;
    for (size_t w = 0; w < s->n_workers; w++) {
        dictionary *d = &store_local_of(s, w, index)->dictionary;
        if (all->n == 0) {
            for (size_t i = 0; i < d->n; i++) (*map)[offsets[w] + i] = (uint32_t)i;
            dictionary_clear(all);
            *all = *d;
            dictionary_init(d, s->budget);
            continue;
        }
        for (size_t i = 0; i < d->n; i++) {
            int32_t code = dictionary_add(all, dictionary_text(d, i), d->entries[i].hash, true);
            if (code < 0) return code;
            (*map)[offsets[w] + i] = (uint32_t)code;
        }
        text_blocks_join(&all->blocks, d->blocks);
        d->blocks = NULL;
    }
    return 0;
}

// Sorted strings into the slot, without those that mean "missing"; place[entry] is the code, or -1.
static int sort_strings(const store *s, const dictionary *d, frame_slot *slot, int32_t **place)
{
    uint32_t *order = mem_alloc(d->n, 2 * sizeof *order);
    *place = mem_alloc(d->n, sizeof **place);
    slot->strings = mem_alloc(d->n, sizeof *slot->strings);
    if (!order || !*place || !slot->strings) {
        mem_free(order);
        return ERR_MEMORY;
    }
    dictionary_sort(d, order, order + d->n);
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        str text = dictionary_text(d, order[i]);
        bool missing = missing_set_has(s->missing, text);
        (*place)[order[i]] = missing ? FRAME_CODE_MISSING : (int32_t)n;
        if (!missing) slot->strings[n++] = text;
    }
    slot->view.n_strings = n;
    mem_free(order);
    return 0;
}

// From codes into distinct strings to a string for every row that has one.
static int expand_strings(frame_slot *slot, size_t n_rows, size_t n_present)
{
    int32_t *codes = slot->values;
    str *all = array_alloc(n_present, sizeof *all);
    if (!all) return ERR_MEMORY;
    size_t n = 0;
    for (size_t row = 0; row < n_rows; row++) {
        if (codes[row] < 0) continue;
        all[n] = slot->strings[codes[row]];
        codes[row] = (int32_t)n++;
    }
    mem_free(slot->strings);
    slot->strings = all;
    slot->view.n_strings = n;
    return 0;
}

static int finish_category(store *s, size_t index, frame_slot *slot)
{
    store_column *c = &s->columns[index];
    int32_t *codes = c->values, *place = NULL;
    dictionary all;
    dictionary_init(&all, s->budget);
    uint32_t *map = NULL;
    uint64_t *counts = NULL;
    size_t *offsets = mem_alloc(s->n_workers, sizeof *offsets);
    int rc = offsets ? join_dictionaries(s, index, &all, &map, offsets) : ERR_MEMORY;
    if (rc == 0) rc = sort_strings(s, &all, slot, &place);
    if (rc == 0 && !(counts = mem_zalloc(all.n + 1, sizeof *counts))) rc = ERR_MEMORY;
    if (rc < 0) goto done;
    for (size_t p = 0; p < s->n_parts; p++) {
        const uint32_t *local = map + offsets[c->workers[p]];
        const store_part *part = &s->parts[p];
        for (size_t row = part->first_row; row < part->first_row + part->n_rows; row++) {
            if (codes[row] < 0) continue;
            codes[row] = place[local[codes[row]]];
            counts[codes[row] + 1]++; // the first: missing
        }
    }
    text_facts facts = {.n_distinct = (double)slot->view.n_strings};
    for (size_t i = 0; i < slot->view.n_strings; i++) text_facts_add(&facts, slot->strings[i], counts[i + 1]);
    slot->view.type = c->fixed ? c->fixed_type : text_facts_type(&facts, c->name);
    slot->values = codes;
    c->values = NULL;
    slot->blocks = all.blocks;
    all.blocks = NULL;
    if (slot->view.type != COLUMN_CATEGORY) rc = expand_strings(slot, s->n_rows, facts.n_present);
done:
    mem_free(offsets);
    mem_free(map);
    mem_free(place);
    mem_free(counts);
    dictionary_clear(&all);
    return rc;
}

// Texts that are seldom different after all: a category.
static int intern_texts(store *s, const str *texts, frame_slot *slot)
{
    int32_t *codes = slot->values, *place = NULL;
    dictionary d;
    dictionary_init(&d, s->budget);
    int rc = 0;
    for (size_t row = 0; row < s->n_rows && rc == 0; row++) {
        codes[row] = FRAME_CODE_MISSING;
        if (texts[row].len == 0) continue;
        codes[row] = dictionary_add(&d, texts[row], hash_bytes(texts[row].data, texts[row].len, 0), false);
        if (codes[row] < 0) rc = codes[row];
    }
    if (rc == 0) rc = sort_strings(s, &d, slot, &place);
    for (size_t row = 0; row < s->n_rows && rc == 0; row++)
        if (codes[row] >= 0) codes[row] = place[codes[row]];
    slot->blocks = d.blocks;
    d.blocks = NULL;
    mem_free(place);
    dictionary_clear(&d);
    return rc;
}

static int finish_text(store *s, size_t index, frame_slot *slot)
{
    store_column *c = &s->columns[index];
    text_block *blocks = NULL;
    text_facts facts = {0};
    sketch *all = NULL;
    for (size_t w = 0; w < s->n_workers; w++) {
        store_local *l = store_local_of(s, w, index);
        text_blocks_join(&blocks, l->blocks);
        l->blocks = NULL;
        facts.n_present += l->facts.n_present;
        facts.n_words += l->facts.n_words;
        facts.n_spaced += l->facts.n_spaced;
        if (all)
            sketch_join(all, l->sketch);
        else
            all = l->sketch;
    }
    facts.n_distinct = sketch_estimate(all);
    slot->view.type = c->fixed ? c->fixed_type : text_facts_type(&facts, c->name);
    int32_t *codes = slot->values = array_alloc(s->n_rows, sizeof *codes);
    if (!codes || slot->view.type == COLUMN_CATEGORY) {
        int rc = codes ? intern_texts(s, c->texts, slot) : ERR_MEMORY;
        text_blocks_free(blocks);
        return rc;
    }
    str *texts = slot->strings = c->texts;
    c->texts = NULL;
    slot->blocks = blocks;
    size_t n = 0;
    for (size_t row = 0; row < s->n_rows; row++) {
        codes[row] = FRAME_CODE_MISSING;
        if (texts[row].len == 0) continue;
        codes[row] = (int32_t)n;
        texts[n++] = texts[row];
    }
    slot->view.n_strings = n;
    return 0;
}

// Whole numbers that name the rows: all different in a column that is called so, or the first column counting the rows.
static bool integers_name_rows(const store *s, size_t index, const int64_t *values)
{
    size_t n = s->n_rows;
    if (n == 0 || values[0] == FRAME_I64_MISSING) return false;
    bool counting = index == 0 && n >= ROWS_MIN && (values[0] == 0 || values[0] == 1);
    for (size_t i = 1; i < n && counting; i++) counting = values[i] == values[i - 1] + 1;
    if (counting || !names_rows(s->columns[index].name)) return counting;
    sketch seen = {{0}};
    size_t n_present = 0;
    for (size_t i = 0; i < n; i++) {
        if (values[i] == FRAME_I64_MISSING) continue;
        sketch_add(&seen, hash_bytes(&values[i], sizeof values[i], 0));
        n_present++;
    }
    return sketch_estimate(&seen) >= NEARLY_ALL * (double)n_present;
}

static int finish_column(store *s, size_t index, frame_slot *slot)
{
    static const column_type types[] = {
        [PLAN_BOOLEAN] = COLUMN_BOOLEAN,
        [PLAN_INTEGER] = COLUMN_INTEGER,
        [PLAN_REAL] = COLUMN_REAL,
        [PLAN_DATETIME] = COLUMN_DATETIME,
    };
    store_column *c = &s->columns[index];
    if (c->plan == PLAN_TEXT || c->plan == PLAN_CATEGORY) {
        slot->view.storage = STORAGE_STRING;
        TRY(c->plan == PLAN_TEXT ? finish_text(s, index, slot) : finish_category(s, index, slot));
    } else {
        slot->view.type = types[c->plan];
        slot->view.storage = storage_of(slot->view.type, false);
        if (c->plan == PLAN_INTEGER && !c->fixed && integers_name_rows(s, index, c->values))
            slot->view.type = COLUMN_IDENTIFIER;
        slot->values = c->values;
        c->values = NULL;
    }
    slot->name = c->name;
    c->name = NULL;
    frame_slot_count_missing(slot, s->n_rows);
    return 0;
}

typedef struct finishing {
    store *store;
    frame_slot *slots;
    int *rcs;
} finishing;

static void run_finish(void *context, size_t index, size_t worker)
{
    (void)worker;
    finishing *f = context;
    f->rcs[index] = finish_column(f->store, index, &f->slots[index]);
}

int store_finish(store *s, frame **out, pool *p, err *e)
{
    frame_slot *slots = mem_zalloc(s->n_columns, sizeof *slots);
    int *rcs = mem_zalloc(s->n_columns, sizeof *rcs);
    int rc = slots && rcs ? 0 : ERR_MEMORY;
    if (rc == 0) {
        finishing f = {.store = s, .slots = slots, .rcs = rcs};
        pool_run(p, s->n_columns, run_finish, &f);
        for (size_t i = 0; i < s->n_columns && rc == 0; i++) rc = rcs[i];
    }
    mem_free(rcs);
    if (rc == 0) return frame_make(out, slots, s->n_columns, s->n_rows, e);
    frame_slots_free(slots, s->n_columns);
    char limit[BYTES_TEXT_SIZE];
    if (rc == ERR_LIMIT)
        return err_set(e, rc, "the texts need more than the limit of %s of memory",
                       format_bytes(s->budget->max, limit));
    return err_set(e, rc, "no memory for %zu rows of %zu columns", s->n_rows, s->n_columns);
}
