// Power loss at every moment of a registry's life. What the program wrote, synced and renamed is recorded; then the
// disk is put together as it may be found after each event, with what was not synced lost, kept, or in any mixture. The
// registry must open, be whole, and be exactly as after the last acknowledged operation or the one under way.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>

#include "base/buf.h"
#include "base/files.h"
#include "check.h"
#include "fault/registry/disk.h"
#include "helpers/packages.h"
#include "registry/registry.h"

enum { STATES_MAX = 64, MIXTURES = 3 };

typedef struct life {
    char *folder, *live, *dir, *crashed, *crashed_dir;
    registry *r;
    size_t n_states;
    struct state {
        size_t event; // acknowledged before this one
        char *text;
    } states[STATES_MAX];
} life;

// Everything that people see of a registry, as text.
static char *state_of(registry *r)
{
    registry_list l;
    buf text;
    err e = ERR_NONE;
    buf_init(&text, 1 << 20);
    check_ok(registry_models(r, &l, &e), &e);
    for (size_t i = 0; i < l.n; i++) {
        const registry_model *m = &l.models[i];
        buf_format(&text, "%s:", m->name);
        for (size_t k = 0; k < m->n_versions; k++)
            buf_format(&text, " %d=%.8s", (int)m->versions[k].version, m->versions[k].digest);
        for (size_t k = 0; k < m->n_aliases; k++)
            buf_format(&text, " @%s=%d", m->aliases[k].name, (int)m->aliases[k].version);
        buf_add_char(&text, '\n');
    }
    buf_add_char(&text, '\0');
    check_ok(buf_check(&text, &e), &e);
    registry_list_clear(&l);
    return text.data;
}

static void acknowledged(life *f)
{
    assert_true(f->n_states < STATES_MAX);
    f->states[f->n_states++] = (struct state){disk_n_events(), state_of(f->r)};
}

static void deploy(life *f, const char *name, int tag)
{
    package *p;
    err e = ERR_NONE;
    check_ok(sample_package_padded(&p, tag, (size_t)tag * 700, &e), &e);
    check_ok(registry_deploy(f->r, name, p, "", ALIAS_DEFAULT, NULL, NULL, &e), &e);
    package_free(p);
    acknowledged(f);
}

static void roll_back(life *f, const char *name)
{
    int64_t from, to;
    err e = ERR_NONE;
    check_ok(registry_rollback(f->r, name, ALIAS_DEFAULT, &from, &to, &e), &e);
    acknowledged(f);
}

static void reopen(life *f)
{
    err e = ERR_NONE;
    registry_close(f->r); // moves the WAL into the database
    check_ok(registry_open(&f->r, f->dir, NULL, &e), &e);
}

// What a process leaves that is killed between the rename of a blob and the sync of its folder.
static void plant_blob(life *f, int tag)
{
    package *p;
    err e = ERR_NONE;
    check_ok(sample_package_padded(&p, tag, (size_t)tag * 700, &e), &e);
    const char *sum = p->blobs[0].sha256;
    str content = p->blobs[0].content;
    char folder[4096], from[4200], to[4200];
    snprintf(folder, sizeof folder, "%s/blobs/%.2s", f->dir, sum);
    snprintf(from, sizeof from, "%s/.slipway-1-1.tmp", folder);
    snprintf(to, sizeof to, "%s/%s", folder, sum + 2);
    check_ok(dir_make(folder, 0700, &e), &e);
    int fd = open(from, O_WRONLY | O_CREAT | O_EXCL, 0444);
    check_ok(fd_write_all(fd, content, &e), &e);
    assert_int_equal(fsync(fd), 0);
    close(fd);
    assert_int_equal(rename(from, to), 0);
    package_free(p);
}

static void live(life *f)
{
    int64_t n;
    err e = ERR_NONE;
    check_ok(registry_open(&f->r, f->dir, NULL, &e), &e);
    acknowledged(f);
    for (int tag = 1; tag <= 3; tag++) deploy(f, "m", tag);
    roll_back(f, "m");
    deploy(f, "other", 3); // the same blob
    reopen(f);
    deploy(f, "m", 4);
    check_ok(registry_remove(f->r, "m", 3, false, &e), &e);
    acknowledged(f);
    check_ok(registry_remove(f->r, "other", 0, true, &e), &e);
    acknowledged(f);
    check_ok(registry_gc(f->r, &n, &n, &e), &e);
    acknowledged(f);
    deploy(f, "m", 3); // what was collected comes back
    roll_back(f, "m");
    roll_back(f, "m");
    check_ok(registry_alias_set(f->r, "m", "staging", 4, &e), &e);
    acknowledged(f);
    reopen(f);
    check_ok(registry_alias_remove(f->r, "m", "staging", &e), &e);
    acknowledged(f);
    plant_blob(f, 9);
    deploy(f, "m", 9);
    registry_close(f->r);
    f->r = NULL;
}

static void begin(life *f)
{
    *f = (life){.folder = check_folder()};
    err e = ERR_NONE;
    f->live = path_join(f->folder, "live");
    f->dir = path_join(f->live, "data");
    f->crashed = path_join(f->folder, "crashed");
    f->crashed_dir = path_join(f->crashed, "data");
    check_ok(dir_make(f->live, 0700, &e), &e);
    disk_watch(f->live, true);
    disk_skip_syncs(true);
    live(f);
}

static void end(life *f)
{
    for (size_t i = 0; i < f->n_states; i++) mem_free(f->states[i].text);
    disk_watch(NULL, false);
    disk_skip_syncs(false);
    disk_set_lie(DISK_HONEST);
    mem_free(f->live);
    mem_free(f->dir);
    mem_free(f->crashed);
    mem_free(f->crashed_dir);
    check_folder_free(f->folder);
}

typedef struct verdict {
    char text[700];
} verdict;

static void keep_line(void *context, const char *line)
{
    verdict *v = context;
    size_t len = strlen(v->text);
    if (strncmp(line, "note: ", 6) != 0) snprintf(v->text + len, sizeof v->text - len, "%s; ", line);
}

// It goes on working: a deployment, a collection, and nothing is left over.
static bool is_usable(registry *r, verdict *v)
{
    package *p;
    int64_t n, bytes, n_faults = 0;
    err e = ERR_NONE;
    check_ok(sample_package(&p, 99, &e), &e);
    int rc = registry_deploy(r, "m", p, "", "after", NULL, NULL, &e);
    package_free(p);
    if (rc == 0) rc = registry_gc(r, &n, &bytes, &e);
    if (rc == 0) rc = registry_fsck(r, keep_line, v, &n_faults, &e);
    if (rc < 0) snprintf(v->text, sizeof v->text, "afterwards: %s", e.msg);
    return rc == 0 && n_faults == 0;
}

// Whether what is found after a power loss at `moment` is as it must be.
static bool survives(life *f, size_t moment, disk_loss loss, rng *r, verdict *v)
{
    registry *found;
    int64_t n_faults;
    err e = ERR_NONE;
    size_t i = 0; // the first operation that was not acknowledged
    while (i < f->n_states && f->states[i].event <= moment) i++;
    const char *before = i > 0 ? f->states[i - 1].text : "", *after = i < f->n_states ? f->states[i].text : before;
    v->text[0] = '\0';
    disk_crash(moment, loss, r, f->crashed);
    if (registry_open(&found, f->crashed_dir, NULL, &e) < 0) {
        snprintf(v->text, sizeof v->text, "does not open: %s", e.msg);
        check_remove(f->crashed);
        return false;
    }
    int rc = registry_fsck(found, keep_line, v, &n_faults, &e);
    bool fine = rc == 0 && n_faults == 0;
    if (rc < 0) snprintf(v->text, sizeof v->text, "fsck: %s", e.msg);
    if (fine) {
        char *text = state_of(found);
        fine = strcmp(text, before) == 0 || strcmp(text, after) == 0;
        if (!fine) snprintf(v->text, sizeof v->text, "is\n%.200s instead of\n%.200sor\n%.200s", text, before, after);
        mem_free(text);
    }
    if (fine && moment % 8 == 0) fine = is_usable(found, v);
    registry_close(found);
    check_remove(f->crashed);
    return fine;
}

static const struct {
    const char *name;
    disk_loss loss;
} losses[] = {{"all lost", DISK_ALL_LOST}, {"none lost", DISK_NONE_LOST}, {"some lost", DISK_SOME_LOST}};

static void any_moment_is_survived(void **state)
{
    (void)state;
    life f;
    verdict v;
    rng r = rng_new(check_seed(), 1);
    const char *all = getenv("FAULTS");
    size_t stride = all && strcmp(all, "all") == 0 ? 1 : 5; // every moment takes half a minute
    begin(&f);
    size_t n = 0, n_events = disk_n_events();
    for (size_t moment = rng_below(&r, stride); moment <= n_events; moment += stride) {
        for (size_t k = 0; k < sizeof losses / sizeof *losses; k++) {
            for (int again = 0; again < (losses[k].loss == DISK_SOME_LOST ? MIXTURES : 1); again++, n++) {
                if (survives(&f, moment, losses[k].loss, &r, &v)) continue;
                char text[256];
                fail_msg("%s, after event %s: %s", losses[k].name, moment ? disk_event_text(moment - 1, text) : "none",
                         v.text);
            }
        }
    }
    print_message("  %d operations, %d events, %d states after a power loss\n", (int)f.n_states, (int)n_events, (int)n);
    end(&f);
}

// The same moments on disks that say "synced" and lie: the test must see damage, or it would see nothing.
static void lies_are_noticed(void **state)
{
    (void)state;
    static const disk_lie lies[] = {DISK_LIES_ABOUT_FILES, DISK_LIES_ABOUT_FOLDERS};
    for (size_t i = 0; i < 2; i++) {
        life f;
        verdict v;
        rng r = rng_new(1, i);
        begin(&f);
        disk_set_lie(lies[i]);
        size_t n_damaged = 0, n_events = disk_n_events();
        for (size_t moment = n_events / 2; moment <= n_events; moment += 23)
            n_damaged += !survives(&f, moment, DISK_ALL_LOST, &r, &v);
        print_message("  a disk that lies about %s: %d damaged\n", i ? "folders" : "files", (int)n_damaged);
        assert_true(n_damaged > 0);
        end(&f);
    }
}

int main(void)
{
    json_init();
    if (access("/dev/shm", W_OK) == 0) setenv("TMPDIR", "/dev/shm", 0); // the disk is a simulated one
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_moment_is_survived),
        cmocka_unit_test(lies_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
