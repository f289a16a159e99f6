// Leases in memory: a word for each subject, from which requests take and which one thread at a time fills.
//
// What is in the word is recorded as used in the registry already, so taking needs no more than that there is enough.
// Day, requests and rows are one word and change together: nothing that was leased for one day can be taken, or put
// back, on another. Whoever fills takes the lock. A lease is at most `size` with what is left of the one before, so a
// crash loses at most one.
//
// A registry that cannot be written (a full disk) is no reason to refuse those who have no limit: they go on with units
// that were never leased, a debt, which is recorded as soon as something can be. A crash before that forgets it.
// SPDX-License-Identifier: Apache-2.0
#include "serve/quota.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
    LEASE_REQUESTS_MIN = 64,
    ROWS_PER_REQUEST = 8, // of a lease; more are asked for when a request has more
    BUSY_MS = 1000,       // a lease that is gone before that was too small,
    QUIET_MS = 20000,     // one that lasts this long too large,
    IDLE_MS = 60000,      // and one that nobody touched is given back
    ASK_AGAIN_MS = 1000,  // after a quota was exhausted: somebody else may have given something back
    SUBJECTS_STEP = 64,
    ORDERS_MAX = 64,
    TRIES_MAX = 100,
};
#define MINUTE_NS UINT64_C(60000000000)
#define DAY_MS INT64_C(86400000)

// (day modulo 2048, requests, rows) as 11, 21 and 32 bits.
typedef uint64_t lease;
enum { REQUESTS_SHIFT = 32, DAY_SHIFT = 53, REQUESTS_MASK = (1 << 21) - 1, DAY_MASK = (1 << 11) - 1 };
_Static_assert(QUOTA_LEASE_MAX <= REQUESTS_MASK / 2, "a lease fits its bits");

static unsigned lease_day(lease w)
{
    return (unsigned)(w >> DAY_SHIFT);
}

static int64_t lease_requests(lease w)
{
    return (int64_t)(w >> REQUESTS_SHIFT) & REQUESTS_MASK;
}

static int64_t lease_rows(lease w)
{
    return (int64_t)(w & UINT32_MAX);
}

static lease lease_of(unsigned day, int64_t requests, int64_t rows)
{
    return (lease)day << DAY_SHIFT | (lease)requests << REQUESTS_SHIFT | (lease)rows;
}

static unsigned day_of(int64_t now_ms)
{
    return (unsigned)(now_ms / DAY_MS) & DAY_MASK;
}

struct allowance {
    char subject[USAGE_SUBJECT_SIZE];
    _Alignas(64) _Atomic lease left;
    _Atomic int64_t refused_until_ms; // exhausted: do not ask before
    _Atomic int64_t refused_rows;     // if it was rows: of a request that large; a smaller one may ask
    atomic_int refused_unit;
    atomic_bool refused_monthly;
    atomic_bool limited;               // there is a quota of the day or month
    _Atomic uint64_t gap_ns, slack_ns; // between requests of the rate, and how far ahead of it they may be; 0: no rate
    _Atomic uint64_t next_ns;          // when the next request is due (GCRA's theoretical arrival time)
    pthread_mutex_t lock;              // guards what follows; taken by who fills
    int64_t size;                      // requests of the next lease
    int64_t filled_ms;                 // 0: nothing is leased
    int64_t seen_ms, quiet_until_ms;   // when somebody last took something; nothing to be had until then
    lease seen;
    int32_t day; // of `left`, as the registry writes it
    usage owed;  // taken out of `left` to be given back, for owed_day
    int32_t owed_day;
    usage debt; // put into `left` and recorded nowhere yet
};

struct quota_book {
    allowance **all;
    size_t n, cap;
};

// ---- the book

int quota_book_new(quota_book **out, err *e)
{
    quota_book *b = mem_zalloc(1, sizeof *b);
    if (!b) return err_set(e, ERR_MEMORY, "no memory for quotas");
    *out = b;
    return 0;
}

void quota_book_free(quota_book *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->n; i++) {
        pthread_mutex_destroy(&b->all[i]->lock);
        mem_free(b->all[i]);
    }
    mem_free(b->all);
    mem_free(b);
}

static allowance *find(quota_book *b, const char *subject)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->all[i]->subject, subject) == 0) return b->all[i];
    return NULL;
}

int quota_book_find(quota_book *b, const char *subject, allowance **out, err *e)
{
    allowance *a = find(b, subject);
    if (!a) {
        if (b->n == b->cap) {
            allowance **more = mem_realloc(b->all, b->cap + SUBJECTS_STEP, sizeof *more);
            if (!more) return err_set(e, ERR_MEMORY, "no memory for quotas");
            b->all = more;
            b->cap += SUBJECTS_STEP;
        }
        a = mem_aligned(_Alignof(allowance), 1, sizeof *a);
        if (!a) return err_set(e, ERR_MEMORY, "no memory for quotas");
        memset(a, 0, sizeof *a);
        snprintf(a->subject, sizeof a->subject, "%s", subject);
        a->size = LEASE_REQUESTS_MIN;
        pthread_mutex_init(&a->lock, NULL);
        b->all[b->n++] = a;
    }
    *out = a;
    return 0;
}

static bool has_limit(const quota *q)
{
    for (int u = 0; u < UNITS_N; u++)
        if (q->day[u] != QUOTA_NONE || q->month[u] != QUOTA_NONE) return true;
    return false;
}

int quota_book_load(quota_book *b, registry *r, err *e)
{
    quota_list l;
    TRY(registry_quotas(r, &l, e));
    for (size_t i = 0; i < b->n; i++) {
        allowance *a = b->all[i];
        uint64_t gap = 0, slack = 0;
        bool limited = false;
        for (size_t k = 0; k < l.n; k++) {
            const quota *q = &l.quotas[k];
            if (strcmp(q->subject, a->subject) != 0) continue;
            limited |= has_limit(q);
            if (q->per_minute == 0) continue;
            gap = MINUTE_NS / (uint64_t)q->per_minute;
            slack = gap * (uint64_t)(q->burst > 0 ? q->burst - 1 : 0);
        }
        atomic_store(&a->limited, limited);
        atomic_store(&a->slack_ns, slack);
        atomic_store(&a->gap_ns, gap);
        atomic_store(&a->refused_until_ms, 0);
    }
    quota_list_clear(&l);
    return 0;
}

// ---- leases

static bool is_some(const usage *u)
{
    return u->units[UNIT_REQUESTS] > 0 || u->units[UNIT_ROWS] > 0;
}

static bool owes(const allowance *a)
{
    return is_some(&a->owed) || is_some(&a->debt);
}

static int64_t less_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// Notes what was taken out of `left` to be given back, unless it was a debt. What was owed for another day, and could
// not be given back since, stays recorded as used.
static void owe(allowance *a, lease w)
{
    usage back = {.units = {[UNIT_REQUESTS] = lease_requests(w), [UNIT_ROWS] = lease_rows(w)}};
    for (int u = 0; u < UNITS_N; u++) {
        int64_t never = less_of(back.units[u], a->debt.units[u]);
        a->debt.units[u] -= never;
        back.units[u] -= never;
    }
    if (!is_some(&back)) return;
    if (a->owed_day != a->day) a->owed = (usage){{0}};
    a->owed_day = a->day;
    for (int u = 0; u < UNITS_N; u++) a->owed.units[u] += back.units[u];
}

// Takes out what is left, to be given back. Under the lock.
static void withdraw(allowance *a)
{
    lease w = atomic_load(&a->left);
    while (!atomic_compare_exchange_weak(&a->left, &w, lease_of(lease_day(w), 0, 0))) continue;
    owe(a, w);
    a->filled_ms = 0;
}

// How large the next lease is: as much as goes in some seconds.
static void fit_size(allowance *a, int64_t now_ms)
{
    int64_t lasted = now_ms - a->filled_ms;
    if (a->filled_ms == 0) return;
    if (lasted < BUSY_MS && a->size < QUOTA_LEASE_MAX) a->size *= 4;
    if (lasted > QUIET_MS && a->size > LEASE_REQUESTS_MIN) a->size /= 4;
}

// What to ask for, so that there is enough for a request of n_rows (-1: nothing is asked for) and no more than a lease
// is out; and for the debt. Under the lock.
static void fill_order(allowance *a, usage_order *o, int64_t n_rows, int64_t now_ms)
{
    *o = (usage_order){
        .subject = a->subject, .given_back = a->owed, .given_back_day = a->owed_day, .day = usage_day(now_ms)};
    o->need = o->want = a->debt;
    if (n_rows < 0) return;
    fit_size(a, now_ms);
    lease w = atomic_load(&a->left);
    if (lease_day(w) != day_of(now_ms)) w = 0;
    int64_t requests = lease_requests(w), rows = lease_rows(w), more = a->size * ROWS_PER_REQUEST - rows;
    int64_t need = requests<1, need_rows = n_rows> rows ? n_rows - rows : 0;
    o->need.units[UNIT_REQUESTS] += need;
    o->need.units[UNIT_ROWS] += need_rows;
    o->want.units[UNIT_REQUESTS] += a->size - requests > need ? a->size - requests : need;
    o->want.units[UNIT_ROWS] += more > need_rows ? more : need_rows;
}

// Under the lock. Returns what was there before.
static lease put_in(allowance *a, int64_t requests, int64_t rows, unsigned today, lease *now_there)
{
    lease w = atomic_load(&a->left);
    do {
        bool same = lease_day(w) == today;
        *now_there = lease_of(today, requests + (same ? lease_requests(w) : 0), rows + (same ? lease_rows(w) : 0));
    } while (!atomic_compare_exchange_weak(&a->left, &w, *now_there));
    return w;
}

// What the registry answered. Under the lock.
static void take_order(allowance *a, const usage_order *o, int64_t now_ms)
{
    int64_t requests = o->granted.units[UNIT_REQUESTS], rows = o->granted.units[UNIT_ROWS];
    a->owed = (usage){{0}};
    if (o->exhausted) {
        atomic_store(&a->refused_unit, (int)o->unit);
        atomic_store(&a->refused_monthly, o->monthly);
        atomic_store(&a->refused_until_ms, now_ms + ASK_AGAIN_MS);
    }
    if (requests == 0 && rows == 0) {
        a->quiet_until_ms = now_ms + ASK_AGAIN_MS;
        return;
    }
    requests -= a->debt.units[UNIT_REQUESTS];
    rows -= a->debt.units[UNIT_ROWS];
    a->debt = (usage){{0}};
    if (requests == 0 && rows == 0) return;
    unsigned today = day_of(now_ms);
    lease next, w = put_in(a, requests, rows, today, &next);
    if (lease_day(w) != today) owe(a, w); // given back with the next order
    a->day = o->day;
    a->filled_ms = a->seen_ms = now_ms;
    a->seen = next;
    atomic_store(&a->refused_until_ms, 0);
}

// What an order asked for that could not be written. Under the lock.
static void borrow(allowance *a, const usage_order *o, int64_t now_ms)
{
    lease next;
    int64_t requests = o->want.units[UNIT_REQUESTS] - a->debt.units[UNIT_REQUESTS];
    int64_t rows = o->want.units[UNIT_ROWS] - a->debt.units[UNIT_ROWS];
    lease w = put_in(a, requests, rows, day_of(now_ms), &next);
    if (lease_day(w) != day_of(now_ms)) owe(a, w);
    a->debt.units[UNIT_REQUESTS] += requests;
    a->debt.units[UNIT_ROWS] += rows;
    a->day = o->day;
    a->filled_ms = a->seen_ms = now_ms;
    a->seen = next;
}

// Whether there is something to ask the registry for. Under the lock.
static bool wants_order(allowance *a, usage_order *o, int64_t now_ms)
{
    lease w = atomic_load(&a->left);
    if (w != a->seen) {
        a->seen = w;
        a->seen_ms = now_ms;
    }
    bool stale = lease_day(w) != day_of(now_ms) || now_ms - a->seen_ms > IDLE_MS;
    if (a->filled_ms > 0 && stale) withdraw(a);
    bool low = a->filled_ms > 0 && now_ms >= a->quiet_until_ms &&
               (lease_requests(w) < a->size / 4 || lease_rows(w) < a->size * ROWS_PER_REQUEST / 4);
    fill_order(a, o, low ? 0 : -1, now_ms);
    return low || owes(a);
}

static int settle_orders(allowance **some, usage_order *orders, size_t n, registry *r, int64_t now_ms, err *e)
{
    int rc = n > 0 ? registry_usage_settle(r, orders, n, e) : 0;
    for (size_t i = 0; i < n; i++) {
        if (rc == 0) take_order(some[i], &orders[i], now_ms);
        pthread_mutex_unlock(&some[i]->lock);
    }
    return rc;
}

int quota_book_tend(quota_book *b, registry *r, err *e)
{
    int64_t now = clock_utc_ms();
    for (size_t at = 0; at < b->n;) {
        allowance *some[ORDERS_MAX];
        usage_order orders[ORDERS_MAX];
        size_t n = 0;
        for (; at < b->n && n < ORDERS_MAX; at++) {
            allowance *a = b->all[at];
            if (pthread_mutex_trylock(&a->lock) != 0) continue; // a worker fills it
            if (wants_order(a, &orders[n], now))
                some[n++] = a;
            else
                pthread_mutex_unlock(&a->lock);
        }
        TRY(settle_orders(some, orders, n, r, now, e));
    }
    return 0;
}

int quota_book_settle(quota_book *b, registry *r, err *e)
{
    int64_t now = clock_utc_ms();
    for (size_t i = 0; i < b->n; i++) {
        allowance *a = b->all[i];
        usage_order o;
        pthread_mutex_lock(&a->lock);
        withdraw(a);
        fill_order(a, &o, -1, now);
        if (owes(a))
            TRY(settle_orders(&a, &o, 1, r, now, e));
        else
            pthread_mutex_unlock(&a->lock);
    }
    return 0;
}

// ---- a request

static bool take_left(allowance *a, unsigned day, int64_t n_rows)
{
    lease w = atomic_load_explicit(&a->left, memory_order_relaxed);
    do {
        if (lease_day(w) != day || lease_requests(w) < 1 || lease_rows(w) < n_rows) return false;
    } while (!atomic_compare_exchange_weak_explicit(&a->left, &w, w - lease_of(0, 1, n_rows), memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

// Units of another day stay recorded as used.
static void put_back(allowance *a, unsigned day, int64_t n_rows)
{
    lease w = atomic_load_explicit(&a->left, memory_order_relaxed);
    do {
        if (lease_day(w) != day) return;
    } while (!atomic_compare_exchange_weak_explicit(&a->left, &w, w + lease_of(0, 1, n_rows), memory_order_relaxed,
                                                    memory_order_relaxed));
}

static quota_answer refuse(const allowance *a, int64_t now_ms)
{
    bool monthly = atomic_load(&a->refused_monthly);
    int64_t end = monthly ? usage_month_end_ms(now_ms) : usage_day_end_ms(now_ms);
    return (quota_answer){.verdict = QUOTA_EXHAUSTED,
                          .subject = a->subject,
                          .unit = (usage_unit)atomic_load(&a->refused_unit),
                          .monthly = monthly,
                          .retry_s = (end - now_ms + 999) / 1000};
}

static bool cannot_be_written(int rc)
{
    return rc == ERR_FULL || rc == ERR_DENIED || rc == ERR_IO;
}

// Asks the registry, which may block.
static quota_answer ask(allowance *a, int64_t n_rows, registry *r, int64_t now_ms, err *e)
{
    usage_order o;
    quota_answer answer = {.verdict = QUOTA_TAKEN};
    pthread_mutex_lock(&a->lock);
    for (int tries = 0; !take_left(a, day_of(now_ms), n_rows); tries++) {
        fill_order(a, &o, n_rows, now_ms);
        int rc = registry_usage_settle(r, &o, 1, e);
        if (rc == 0) take_order(a, &o, now_ms);
        if (cannot_be_written(rc) && !atomic_load(&a->limited)) {
            borrow(a, &o, now_ms);
            rc = 0;
        }
        if (rc == 0 && tries == TRIES_MAX) rc = err_set(e, ERR_BUSY, "others took each lease before it could be used");
        if (rc < 0) answer.verdict = QUOTA_BROKEN;
        if (rc == 0 && o.exhausted) {
            atomic_store(&a->refused_rows, o.unit == UNIT_ROWS ? n_rows : 0);
            answer = refuse(a, now_ms);
        }
        if (answer.verdict != QUOTA_TAKEN) break;
    }
    pthread_mutex_unlock(&a->lock);
    return answer;
}

static quota_answer take(allowance *a, int64_t n_rows, registry *r, int64_t now_ms, err *e)
{
    if (take_left(a, day_of(now_ms), n_rows)) return (quota_answer){.verdict = QUOTA_TAKEN};
    if (atomic_load_explicit(&a->refused_until_ms, memory_order_relaxed) > now_ms &&
        n_rows >= atomic_load_explicit(&a->refused_rows, memory_order_relaxed))
        return refuse(a, now_ms);
    if (!r) return (quota_answer){.verdict = QUOTA_ASK};
    return ask(a, n_rows, r, now_ms, e);
}

// The generic cell rate algorithm: a request is due every gap, and may come `slack` earlier. 0, or the time to wait.
static uint64_t take_turn(allowance *a)
{
    uint64_t gap = atomic_load_explicit(&a->gap_ns, memory_order_relaxed);
    if (gap == 0) return 0;
    uint64_t slack = atomic_load_explicit(&a->slack_ns, memory_order_relaxed), now = clock_monotonic_ns();
    uint64_t due = atomic_load_explicit(&a->next_ns, memory_order_relaxed), next;
    do {
        uint64_t from = due > now ? due : now;
        if (from - now > slack) return from - now - slack;
        next = from + gap;
    } while (
        !atomic_compare_exchange_weak_explicit(&a->next_ns, &due, next, memory_order_relaxed, memory_order_relaxed));
    return 0;
}

enum { ALLOWANCES_N = 2 };

static size_t allowances_of(const principal *who, allowance *all[ALLOWANCES_N])
{
    size_t n = 0;
    if (who->of_key) all[n++] = who->of_key;
    if (who->of_tenant) all[n++] = who->of_tenant;
    return n;
}

quota_answer quota_take(const principal *who, int64_t n_rows, registry *r, int64_t now_ms, err *e)
{
    allowance *all[ALLOWANCES_N];
    quota_answer answer = {.verdict = QUOTA_TAKEN};
    size_t n = allowances_of(who, all), taken = 0;
    for (; taken < n; taken++) {
        answer = take(all[taken], n_rows, r, now_ms, e);
        if (answer.verdict != QUOTA_TAKEN) break;
    }
    for (size_t i = 0; i < n && answer.verdict == QUOTA_TAKEN; i++) {
        uint64_t wait = take_turn(all[i]);
        if (wait > 0)
            answer = (quota_answer){
                .verdict = QUOTA_TOO_FAST, .subject = all[i]->subject, .retry_s = (int64_t)(wait / 1000000000) + 1};
    }
    for (size_t i = 0; i < taken && answer.verdict != QUOTA_TAKEN; i++) put_back(all[i], day_of(now_ms), n_rows);
    return answer;
}

void quota_give_back(const principal *who, int64_t n_rows, int64_t taken_ms)
{
    allowance *all[ALLOWANCES_N];
    size_t n = allowances_of(who, all);
    for (size_t i = 0; i < n; i++) put_back(all[i], day_of(taken_ms), n_rows);
}

// ---- who may look

bool quota_is_told(const principal *who, const key_list *keys, const char *subject)
{
    if (strcmp(subject, who->id) == 0) return true;
    if (!(who->may & MAY_ADMIN)) return false;
    if (!who->tenant[0]) return true;
    if (strncmp(subject, "tenant:", 7) == 0) return strcmp(subject + 7, who->tenant) == 0;
    for (size_t i = 0; i < keys->n; i++)
        if (strncmp(subject, "key:", 4) == 0 && strcmp(subject + 4, keys->keys[i].id) == 0) return true;
    return false;
}
