// slipway usage: what each key and tenant used, and how much they may.
// SPDX-License-Identifier: Apache-2.0
#include "registry/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"

typedef struct usage_input {
    const char *verb, *subject;
    int64_t days;
    quota limits;
} usage_input;

enum {
    KEY_DAYS = KEYS_COMMAND,
    KEY_PER_MINUTE,
    KEY_BURST,
    KEY_DAY, // and one for each unit
    KEY_MONTH = KEY_DAY + UNITS_N
};

static const struct argp_option options[] = {
    {"days", KEY_DAYS, "N", 0, "Of so many days, today included (default 31)", 1},
    {0, 0, 0, 0, "Limits for \"set\"; what is not given has none:", 2},
    {"requests-day", KEY_DAY + UNIT_REQUESTS, "N", 0, "Predictions a day (UTC)", 2},
    {"requests-month", KEY_MONTH + UNIT_REQUESTS, "N", 0, "Predictions a month", 2},
    {"rows-day", KEY_DAY + UNIT_ROWS, "N", 0, "Rows a day", 2},
    {"rows-month", KEY_MONTH + UNIT_ROWS, "N", 0, "Rows a month", 2},
    {"tokens-day", KEY_DAY + UNIT_TOKENS, "N", 0, "Tokens a day", 2},
    {"tokens-month", KEY_MONTH + UNIT_TOKENS, "N", 0, "Tokens a month", 2},
    {"per-minute", KEY_PER_MINUTE, "N", 0, "Predictions a minute, of each server", 2},
    {"burst", KEY_BURST, "N", 0, "How many of those may come at once (default 1)", 2},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    usage_input *in = state->input;
    if (key >= KEY_DAYS && key < KEY_MONTH + UNITS_N) {
        int64_t n = 0;
        if (decimal_parse_i64(str_of(value), &n) < 0 || n < 0 || n > INT64_MAX / 2)
            arguments_fail(state, "\"%s\" is not a whole number", value);
        if (key == KEY_DAYS)
            in->days = n > 0 && n <= 3660 ? n : 3660;
        else if (key == KEY_PER_MINUTE)
            in->limits.per_minute = n;
        else if (key == KEY_BURST)
            in->limits.burst = n;
        else if (key < KEY_MONTH)
            in->limits.day[key - KEY_DAY] = n;
        else
            in->limits.month[key - KEY_MONTH] = n;
        return 0;
    }
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    if (!in->verb)
        in->verb = value;
    else if (!in->subject)
        in->subject = value;
    else
        arguments_fail(state, "one word too many: \"%s\"", value);
    return 0;
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[list]\nquotas\nset key:ID|tenant:NAME",
    .doc =
        "Shows what each key and each tenant used, by day, and sets what they may use. A running server takes "
        "units in advance, so its last few may not have been used yet; what it did not use it gives back. Quotas are "
        "shared by all servers over one registry and are never exceeded; a rate is of each server."
        "\vExample:\n"
        "  slipway usage --days 7\n"
        "  slipway usage set tenant:acme --requests-day 100000 --per-minute 600 --burst 50\n"
        "  slipway usage quotas\n",
    .children = children,
};

// ---- list

static int show(void *context, const usage_record *u, err *e)
{
    json_t *all = context;
    char day[16], texts[UNITS_N][COUNT_TEXT_SIZE];
    snprintf(day, sizeof day, "%04d-%02d-%02d", u->day / 10000, u->day / 100 % 100, u->day % 100);
    if (all)
        return json_push(all,
                         json_pack("{s:s, s:s, s:I, s:I, s:I}", "day", day, "subject", u->subject, "requests",
                                   (json_int_t)u->used.units[UNIT_REQUESTS], "rows",
                                   (json_int_t)u->used.units[UNIT_ROWS], "tokens",
                                   (json_int_t)u->used.units[UNIT_TOKENS]),
                         e);
    for (int i = 0; i < UNITS_N; i++) print_count(u->used.units[i], texts[i]);
    printf("%s  %-40s %14s requests %14s rows %14s tokens\n", day, u->subject, texts[0], texts[1], texts[2]);
    return 0;
}

static int list(registry *r, const usage_input *in, err *e)
{
    json_t *all = arguments_json() ? json_array() : NULL;
    int64_t now = clock_utc_ms();
    int rc = registry_usage_each(r, usage_day(now - (in->days - 1) * INT64_C(86400000)), usage_day(now), show, all, e);
    if (rc == 0 && all) return print_json("usage", all) ? err_set(e, ERR_IO, "standard output") : 0;
    json_decref(all);
    return rc;
}

// ---- quotas

static json_t *quota_json(const quota *q)
{
    json_t *j = json_pack("{s:s}", "subject", q->subject);
    char name[32];
    for (int u = 0; u < UNITS_N; u++) {
        snprintf(name, sizeof name, "%s_day", usage_unit_name((usage_unit)u));
        if (q->day[u] != QUOTA_NONE) json_object_set_new(j, name, json_integer(q->day[u]));
        snprintf(name, sizeof name, "%s_month", usage_unit_name((usage_unit)u));
        if (q->month[u] != QUOTA_NONE) json_object_set_new(j, name, json_integer(q->month[u]));
    }
    if (q->per_minute) json_object_set_new(j, "per_minute", json_integer(q->per_minute));
    if (q->burst) json_object_set_new(j, "burst", json_integer(q->burst));
    return j;
}

static void print_quota(const quota *q)
{
    char text[COUNT_TEXT_SIZE];
    printf("%s:", q->subject);
    for (int u = 0; u < UNITS_N; u++) {
        const char *unit = usage_unit_name((usage_unit)u);
        if (q->day[u] != QUOTA_NONE) printf(" %s %s a day;", print_count(q->day[u], text), unit);
        if (q->month[u] != QUOTA_NONE) printf(" %s %s a month;", print_count(q->month[u], text), unit);
    }
    if (q->per_minute) printf(" %s requests a minute;", print_count(q->per_minute, text));
    if (q->burst) printf(" %s at once;", print_count(q->burst, text));
    printf("\n");
}

static int list_quotas(registry *r, const usage_input *in, err *e)
{
    (void)in;
    quota_list l;
    TRY(registry_quotas(r, &l, e));
    json_t *all = arguments_json() ? json_array() : NULL;
    for (size_t i = 0; i < l.n; i++) {
        if (all)
            json_array_append_new(all, quota_json(&l.quotas[i]));
        else
            print_quota(&l.quotas[i]);
    }
    quota_list_clear(&l);
    return all && print_json("usage", all) ? err_set(e, ERR_IO, "standard output") : 0;
}

static int set(registry *r, const usage_input *in, err *e)
{
    quota q = in->limits;
    const char *why = in->subject ? usage_subject_fault(in->subject) : "whose quota? key:ID or tenant:NAME";
    if (!in->subject) return err_set(e, ERR_USAGE, "%s", why);
    if (why) return err_set(e, ERR_USAGE, "\"%s\" %s", in->subject, why);
    snprintf(q.subject, sizeof q.subject, "%s", in->subject);
    TRY(registry_quota_set(r, &q, e));
    if (arguments_json()) return print_json("usage", quota_json(&q)) ? err_set(e, ERR_IO, "standard output") : 0;
    if (!arguments_quiet()) print_quota(&q);
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(registry *r, const usage_input *in, err *e);
    } verbs[] = {{"list", list}, {"quotas", list_quotas}, {"set", set}};
    usage_input in = {.days = 31, .limits = QUOTA_DEFAULT};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    registry *r = NULL;
    size_t i = 0;
    if (!in.verb) in.verb = "list";
    while (i < 3 && strcmp(verbs[i].name, in.verb) != 0) i++;
    int rc = i < 3 ? arguments_registry(&r, i < 2, &e)
                   : err_set(&e, ERR_USAGE, "\"%s\" is none of list, quotas, set", in.verb);
    if (rc == 0) rc = verbs[i].run(r, &in, &e);
    registry_close(r);
    return rc < 0 ? print_failure("usage", &e) : 0;
}

const command command_usage = {"usage", "show usage, set quotas", &argp, run};
