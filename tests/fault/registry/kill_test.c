// kill -9 at random moments of a process that deploys, rolls back, removes and collects in a loop and says on a pipe
// what was acknowledged. KILLS= says how often (200), within SECONDS= (45); a registry is killed KILLS_EACH times
// before the next one is begun, because looking at all of it takes the longer the more it holds.
// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/files.h"
#include "base/rng.h"
#include "check.h"
#include "helpers/packages.h"
#include "registry/registry.h"

enum { VERSIONS_MAX = 10000, KILL_US_MAX = 40000, KILLS_EACH = 50 };

// One line of the pipe: what the child is about to do, or what was acknowledged.
typedef struct news {
    char kind; // 'd' deployed, 'r' rolled back, 'x' removed; upper case: about to
    int64_t version, to;
    char digest[SHA256_HEX_SIZE];
} news;

static void tell(int pipe_fd, news n)
{
    if (write(pipe_fd, &n, sizeof n) != (ssize_t)sizeof n) _exit(3);
}

// The child: never returns.
static void work(const char *dir, int pipe_fd, uint64_t seed)
{
    registry *r;
    err e = ERR_NONE;
    rng random = rng_new(seed, 7);
    if (registry_open(&r, dir, NULL, &e) < 0) {
        fprintf(stderr, "child: %s\n", e.msg);
        _exit(1);
    }
    for (;;) {
        package *p;
        int64_t version, from, to, bytes;
        if (sample_package_padded(&p, (int64_t)(rng_u64(&random) >> 2), (size_t)rng_below(&random, 20000), &e) < 0)
            _exit(1);
        news n = {.kind = 'D'};
        memcpy(n.digest, p->digest, sizeof n.digest);
        tell(pipe_fd, n);
        int rc = registry_deploy(r, "m", p, "", ALIAS_DEFAULT, &version, NULL, &e);
        package_free(p);
        if (rc == 0) {
            n.kind = 'd';
            n.version = version;
            tell(pipe_fd, n);
            if (rng_below(&random, 4) == 0 && version > 1) {
                tell(pipe_fd, (news){.kind = 'R'});
                rc = registry_rollback(r, "m", ALIAS_DEFAULT, &from, &to, &e);
                if (rc == 0) tell(pipe_fd, (news){.kind = 'r', .version = from, .to = to});
            }
            if (rc == 0 && rng_below(&random, 4) == 0 && version > 5) {
                news gone = {.kind = 'X', .version = version - 4};
                tell(pipe_fd, gone);
                rc = registry_remove(r, "m", gone.version, false, &e);
                gone.kind = 'x';
                if (rc == 0) tell(pipe_fd, gone);
                if (rc == ERR_NOT_FOUND || rc == ERR_CONFLICT) rc = 0; // removed before, or production points at it
            }
            if (rc == 0 && rng_below(&random, 8) == 0) rc = registry_gc(r, &version, &bytes, &e);
        }
        if (rc < 0) {
            fprintf(stderr, "child: %s\n", e.msg);
            _exit(2);
        }
    }
}

typedef struct memory { // of what was acknowledged
    char *digests[VERSIONS_MAX];
    bool maybe_removed[VERSIONS_MAX], removed[VERSIONS_MAX];
    int64_t production, n_acknowledged;
    bool production_may_differ; // something that moves it was under way
    char under_way[SHA256_HEX_SIZE];
} memory;

static void learn(memory *m, const news *n)
{
    assert_true(n->version >= 0 && n->version < VERSIONS_MAX);
    m->production_may_differ = n->kind == 'D' || n->kind == 'R';
    switch (n->kind) {
    case 'D': memcpy(m->under_way, n->digest, sizeof m->under_way); break;
    case 'd':
        m->digests[n->version] = mem_strdup(n->digest);
        m->production = n->version;
        m->n_acknowledged++;
        break;
    case 'r': m->production = n->to; break;
    case 'X': m->maybe_removed[n->version] = true; break;
    case 'x': m->removed[n->version] = true; break;
    default: break;
    }
}

static void print_line(void *context, const char *line)
{
    (void)context;
    if (strncmp(line, "note", 4) != 0) print_message("  %s\n", line);
}

static bool is_listed(const registry_model *m, int64_t version, const char *digest)
{
    for (size_t i = 0; i < m->n_versions; i++)
        if (m->versions[i].version == version) return strcmp(m->versions[i].digest, digest) == 0;
    return false;
}

// The registry against what was acknowledged. Takes note of what the killed process had not come to acknowledge.
static void check_registry(const char *dir, memory *m)
{
    registry *r;
    registry_list l;
    int64_t n_faults;
    err e = ERR_NONE;
    check_ok(registry_open(&r, dir, NULL, &e), &e);
    check_ok(registry_fsck(r, print_line, NULL, &n_faults, &e), &e);
    assert_int_equal(n_faults, 0);
    check_ok(registry_models(r, &l, &e), &e);
    for (int64_t v = 1; v < VERSIONS_MAX; v++) {
        if (!m->digests[v]) continue;
        bool there = l.n == 1 && is_listed(&l.models[0], v, m->digests[v]);
        if (m->removed[v] && there) fail_msg("version %d was removed and is there", (int)v);
        if (!m->maybe_removed[v] && !there) fail_msg("version %d was acknowledged and is not there", (int)v);
        if (m->maybe_removed[v] && !there) m->removed[v] = true;
    }
    for (size_t i = 0; l.n == 1 && i < l.models[0].n_versions; i++) {
        const registry_version *v = &l.models[0].versions[i];
        if (m->digests[v->version]) continue;
        if (strcmp(v->digest, m->under_way) != 0) fail_msg("version %d came from nowhere", (int)v->version);
        m->digests[v->version] = mem_strdup(v->digest);
    }
    if (l.n == 1 && l.models[0].n_aliases == 1) {
        int64_t now = l.models[0].aliases[0].version;
        if (now != m->production && !m->production_may_differ)
            fail_msg("production is at %d, %d was acknowledged", (int)now, (int)m->production);
        m->production = now;
    }
    m->production_may_differ = false;
    registry_list_clear(&l);
    registry_close(r);
}

static int64_t number_from(const char *name, int64_t fallback)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : fallback;
}

// Starts a child, kills it at some moment, and learns what it said. True: within an operation.
static bool kill_one(const char *dir, memory *m, rng *random)
{
    int ends[2], status;
    uint64_t seed = rng_u64(random);
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        work(dir, ends[1], seed);
    }
    close(ends[1]);
    nanosleep(&(struct timespec){.tv_nsec = (long)rng_below(random, KILL_US_MAX) * 1000}, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    waitpid(child, &status, 0);
    if (!WIFSIGNALED(status)) fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
    news n;
    char last = 0;
    while (read(ends[0], &n, sizeof n) == (ssize_t)sizeof n) {
        learn(m, &n);
        last = n.kind;
    }
    close(ends[0]);
    return last == 'D' || last == 'R' || last == 'X';
}

static void kills_lose_nothing(void **state)
{
    (void)state;
    static memory m;
    rng random = rng_new(check_seed(), 1);
    int64_t kills = number_from("KILLS", 200), n_kills = 0, n_cut = 0, n_acknowledged = 0;
    uint64_t end_at = clock_monotonic_ns() + (uint64_t)number_from("SECONDS", 45) * 1000000000u;
    while (n_kills < kills && clock_monotonic_ns() < end_at) {
        char *folder = check_folder(), *dir = path_join(folder, "data");
        memset(&m, 0, sizeof m);
        for (int i = 0; i < KILLS_EACH && n_kills < kills && clock_monotonic_ns() < end_at; i++, n_kills++) {
            n_cut += kill_one(dir, &m, &random);
            check_registry(dir, &m);
        }
        n_acknowledged += m.n_acknowledged;
        for (size_t v = 0; v < VERSIONS_MAX; v++) mem_free(m.digests[v]);
        mem_free(dir);
        check_folder_free(folder);
    }
    print_message("  %d kills, %d of them within an operation, %d deployments acknowledged\n", (int)n_kills, (int)n_cut,
                  (int)n_acknowledged);
    assert_true(n_kills > 0 && n_acknowledged > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kills_lose_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
