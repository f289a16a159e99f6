// Random operations against a model of the registry in plain arrays: the same answers, the same state, at every step,
// seen by the handle that changes and by another one.
// SPDX-License-Identifier: Apache-2.0
#include "registry/registry.h"

#include "base/files.h"
#include "base/rng.h"
#include "check.h"
#include "helpers/packages.h"

enum { NAMES_N = 3, ALIASES_N = 3, TAGS_N = 8, VERSIONS_MAX = 200, ENTRIES_MAX = 2000, SEQUENCES = 12, STEPS = 120 };

static const char *const names[NAMES_N] = {"alpha", "beta", "gamma-3"};
static const char *const aliases[ALIASES_N] = {"production", "staging", "x.1"};

typedef struct model_alias {
    int entry; // -1: not set
} model_alias;

typedef struct model {
    int next, tags[VERSIONS_MAX]; // by version; -1: not there
    model_alias aliases[ALIASES_N];
} model;

typedef struct world {
    char *dir;
    registry *r, *other;
    package *packages[TAGS_N];
    model models[NAMES_N];
    struct {
        int version, before;
    } entries[ENTRIES_MAX];
    int n_entries;
    rng random;
} world;

static int pick(world *w, int n)
{
    return (int)rng_below(&w->random, (uint64_t)n);
}

static bool exists(const model *m)
{
    for (int v = 1; v < m->next; v++)
        if (m->tags[v] >= 0) return true;
    return false;
}

static bool has(const model *m, int version)
{
    return version >= 1 && version < m->next && m->tags[version] >= 0;
}

static int at(const world *w, const model *m, int alias)
{
    return m->aliases[alias].entry < 0 ? 0 : w->entries[m->aliases[alias].entry].version;
}

static void model_point(world *w, model *m, int alias, int version)
{
    if (at(w, m, alias) == version) return;
    assert_true(w->n_entries < ENTRIES_MAX);
    w->entries[w->n_entries].version = version;
    w->entries[w->n_entries].before = m->aliases[alias].entry;
    m->aliases[alias].entry = w->n_entries++;
}

// ---- operations: each on both, the results compared ----

static void deploy(world *w, bool with_alias)
{
    int name = pick(w, NAMES_N), tag = pick(w, TAGS_N), alias = pick(w, ALIASES_N);
    model *m = &w->models[name];
    int64_t version;
    bool existed;
    err e = ERR_NONE;
    check_ok(registry_deploy(w->r, names[name], w->packages[tag], NULL, with_alias ? aliases[alias] : NULL, &version,
                             &existed, &e),
             &e);
    int want = 1;
    while (want < m->next && m->tags[want] != tag) want++;
    assert_int_equal(existed, want < m->next);
    assert_int_equal(version, want);
    if (want == m->next) {
        assert_true(m->next < VERSIONS_MAX);
        m->tags[m->next++] = tag;
    }
    if (with_alias) model_point(w, m, alias, want);
}

static void point(world *w)
{
    int name = pick(w, NAMES_N), alias = pick(w, ALIASES_N);
    model *m = &w->models[name];
    int version = pick(w, m->next + 1);
    err e = ERR_NONE;
    int rc = registry_alias_set(w->r, names[name], aliases[alias], version, &e);
    assert_int_equal(rc, has(m, version) ? 0 : ERR_NOT_FOUND);
    if (rc == 0) model_point(w, m, alias, version);
}

static void unpoint(world *w)
{
    int name = pick(w, NAMES_N), alias = pick(w, ALIASES_N);
    model *m = &w->models[name];
    err e = ERR_NONE;
    int rc = registry_alias_remove(w->r, names[name], aliases[alias], &e);
    assert_int_equal(rc, m->aliases[alias].entry >= 0 ? 0 : ERR_NOT_FOUND);
    m->aliases[alias].entry = -1;
}

static void roll_back(world *w)
{
    int name = pick(w, NAMES_N), alias = pick(w, ALIASES_N);
    model *m = &w->models[name];
    int now = at(w, m, alias), entry = m->aliases[alias].entry;
    int64_t from, to;
    err e = ERR_NONE;
    int rc = registry_rollback(w->r, names[name], aliases[alias], &from, &to, &e);
    if (entry < 0) {
        assert_int_equal(rc, ERR_NOT_FOUND);
        return;
    }
    do entry = w->entries[entry].before;
    while (entry >= 0 && (w->entries[entry].version == now || !has(m, w->entries[entry].version)));
    assert_int_equal(rc, entry >= 0 ? 0 : ERR_CONFLICT);
    if (rc < 0) return;
    assert_int_equal(from, now);
    assert_int_equal(to, w->entries[entry].version);
    m->aliases[alias].entry = entry;
}

static void forget(world *w)
{
    int name = pick(w, NAMES_N);
    model *m = &w->models[name];
    int version = pick(w, 6) == 0 ? 0 : pick(w, m->next + 1);
    bool force = pick(w, 2), pointed = false;
    err e = ERR_NONE;
    for (int a = 0; a < ALIASES_N; a++)
        if (at(w, m, a) != 0 && (version == 0 || at(w, m, a) == version)) pointed = true;
    int rc = registry_remove(w->r, names[name], version, force, &e);
    if (!exists(m) || (version != 0 && !has(m, version))) {
        assert_int_equal(rc, ERR_NOT_FOUND);
        return;
    }
    assert_int_equal(rc, pointed && !force ? ERR_CONFLICT : 0);
    if (rc < 0) return;
    for (int a = 0; a < ALIASES_N; a++)
        if (version == 0 || at(w, m, a) == version) m->aliases[a].entry = -1;
    for (int v = 1; v < m->next; v++)
        if (version == 0 || v == version) m->tags[v] = -1;
}

static void collect(world *w)
{
    int64_t n, bytes;
    err e = ERR_NONE;
    check_ok(registry_gc(w->r, &n, &bytes, &e), &e);
}

static void reopen(world *w)
{
    err e = ERR_NONE;
    registry_close(w->r);
    check_ok(registry_open(&w->r, w->dir, NULL, &e), &e);
}

// ---- the state, compared ----

static void compare_model(world *w, registry *r, int name, const registry_model *seen)
{
    const model *m = &w->models[name];
    size_t k = 0, n_aliases = 0;
    err e = ERR_NONE;
    for (int v = 1; v < m->next; v++) {
        if (m->tags[v] < 0) continue;
        assert_true(k < seen->n_versions);
        assert_int_equal(seen->versions[k].version, v);
        assert_string_equal(seen->versions[k].digest, w->packages[m->tags[v]]->digest);
        k++;
    }
    assert_int_equal(k, seen->n_versions);
    for (int a = 0; a < ALIASES_N; a++) { // which are sorted
        if (at(w, m, a) == 0) continue;
        assert_true(n_aliases < seen->n_aliases);
        assert_string_equal(seen->aliases[n_aliases].name, aliases[a]);
        assert_int_equal(seen->aliases[n_aliases].version, at(w, m, a));
        n_aliases++;
    }
    assert_int_equal(n_aliases, seen->n_aliases);
    char found[MODEL_NAME_MAX + 1];
    int64_t version;
    int newest = m->next - 1;
    while (!has(m, newest)) newest--;
    check_ok(registry_resolve(r, names[name], found, &version, &e), &e);
    assert_int_equal(version, at(w, m, 0) ? at(w, m, 0) : newest);
}

static void compare(world *w, registry *r)
{
    registry_list l;
    size_t k = 0;
    err e = ERR_NONE;
    check_ok(registry_models(r, &l, &e), &e);
    for (int name = 0; name < NAMES_N; name++) {
        if (!exists(&w->models[name])) continue;
        assert_true(k < l.n);
        assert_string_equal(l.models[k].name, names[name]);
        compare_model(w, r, name, &l.models[k++]);
    }
    assert_int_equal(k, l.n);
    registry_list_clear(&l);
}

static void load_all(world *w)
{
    for (int name = 0; name < NAMES_N; name++) {
        for (int v = 1; v < w->models[name].next; v++) {
            package *p = NULL;
            err e = ERR_NONE;
            int rc = registry_load(w->other, names[name], v, &p, &e);
            assert_int_equal(rc, has(&w->models[name], v) ? 0 : ERR_NOT_FOUND);
            if (rc == 0) assert_string_equal(p->digest, w->packages[w->models[name].tags[v]]->digest);
            package_free(p);
        }
    }
}

static void step(world *w)
{
    int64_t before, after, seen;
    err e = ERR_NONE;
    check_ok(registry_change(w->r, &before, &e), &e);
    switch (pick(w, 16)) {
    case 0:
    case 1:
    case 2:
    case 3: deploy(w, true); break;
    case 4:
    case 5: deploy(w, false); break;
    case 6:
    case 7: point(w); break;
    case 8: unpoint(w); break;
    case 9:
    case 10:
    case 11: roll_back(w); break;
    case 12:
    case 13: forget(w); break;
    case 14: collect(w); break;
    default: reopen(w); break;
    }
    check_ok(registry_change(w->r, &after, &e), &e);
    check_ok(registry_change(w->other, &seen, &e), &e);
    assert_true(after >= before && after <= before + 1);
    assert_int_equal(seen, after);
    compare(w, w->r);
    compare(w, w->other);
}

static void print_line(void *context, const char *line)
{
    (void)context;
    if (strncmp(line, "note", 4) != 0) print_message("  %s\n", line);
}

static void run_sequence(uint64_t seed, uint64_t sequence)
{
    static world w;
    char *folder = check_folder();
    int64_t n_faults;
    err e = ERR_NONE;
    w = (world){.dir = path_join(folder, "data"), .random = rng_new(seed, sequence)};
    for (int i = 0; i < NAMES_N; i++) {
        w.models[i].next = 1;
        for (int a = 0; a < ALIASES_N; a++) w.models[i].aliases[a].entry = -1;
    }
    for (int tag = 0; tag < TAGS_N; tag++) check_ok(sample_package(&w.packages[tag], tag, &e), &e);
    check_ok(registry_open(&w.r, w.dir, NULL, &e), &e);
    check_ok(registry_open(&w.other, w.dir, &(registry_options){.read_only = true}, &e), &e);
    for (int i = 0; i < STEPS; i++) step(&w);
    load_all(&w);
    check_ok(registry_fsck(w.r, print_line, NULL, &n_faults, &e), &e);
    assert_int_equal(n_faults, 0);
    registry_close(w.other);
    registry_close(w.r);
    for (int tag = 0; tag < TAGS_N; tag++) package_free(w.packages[tag]);
    mem_free(w.dir);
    check_folder_free(folder);
}

static void registry_is_like_its_model(void **state)
{
    (void)state;
    uint64_t seed = check_seed();
    for (uint64_t i = 0; i < SEQUENCES; i++) run_sequence(seed, i);
}

int main(void)
{
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0); // nothing here is about the disk
    const struct CMUnitTest tests[] = {cmocka_unit_test(registry_is_like_its_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
