// slipway audit: who changed what, and whether the log of it is whole.
// SPDX-License-Identifier: Apache-2.0
#include "registry/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"

typedef struct audit_input {
    const char *verb, *head, *tenant;
    int64_t after, limit;
} audit_input;

enum { KEY_AFTER = KEYS_COMMAND, KEY_LIMIT, KEY_HEAD, KEY_TENANT };

static const struct argp_option options[] = {
    {"after", KEY_AFTER, "N", 0, "list: only records after this one", 1},
    {"limit", KEY_LIMIT, "N", 0, "list: at most so many (default: all)", 1},
    {"tenant", KEY_TENANT, "NAME", 0, "list: only records of this tenant", 1},
    {"head", KEY_HEAD, "N:SUM", 0, "verify: what \"slipway audit verify\" said before, so that a cut is seen too", 2},
    {0},
};

static int64_t to_number(struct argp_state *state, const char *option, const char *value)
{
    int64_t n = 0;
    if (decimal_parse_i64(str_of(value), &n) < 0 || n < 0)
        arguments_fail(state, "--%s: \"%s\" is not a whole number", option, value);
    return n;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    audit_input *in = state->input;
    switch (key) {
    case KEY_AFTER: in->after = to_number(state, "after", value); return 0;
    case KEY_LIMIT: in->limit = to_number(state, "limit", value); return 0;
    case KEY_TENANT: in->tenant = value; return 0;
    case KEY_HEAD: in->head = value; return 0;
    case ARGP_KEY_ARG:
        if (in->verb) arguments_fail(state, "one word too many: \"%s\"", value);
        in->verb = value;
        return 0;
    case ARGP_KEY_NO_ARGS: arguments_fail(state, "list or verify?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "list\nverify",
    .doc = "Shows the audit log: every change of the registry with who made it, when, and with which result. Each "
           "record holds a sum of itself and of the one before; \"verify\" looks at all of them and names the first "
           "that is not what it was."
           "\vExample:\n"
           "  slipway audit list --after 100\n"
           "  slipway audit verify\n",
    .children = children,
};

typedef struct list_output {
    json_t *records; // NULL: text
} list_output;

static int show(void *context, const audit_record *a, err *e)
{
    list_output *out = context;
    char time[CLOCK_TEXT_SIZE];
    clock_format_utc(a->at_ms, time);
    if (out->records)
        return json_push(out->records,
                         json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)a->id, "at", time,
                                   "actor", a->actor, "tenant", a->tenant, "action", a->action, "object", a->object,
                                   "result", a->result, "detail", a->detail, "hash", a->hash),
                         e);
    printf("%6" PRId64 "  %s  %-18s %-16s %s  %s%s%s\n", a->id, time, a->actor, a->action, a->object, a->result,
           a->detail[0] ? "  " : "", a->detail);
    return 0;
}

static int list(registry *r, const audit_input *in, err *e)
{
    list_output out = {.records = arguments_json() ? json_array() : NULL};
    size_t most = in->limit > 0 ? (size_t)in->limit : SIZE_MAX;
    int rc = registry_audit_each(r, in->after, in->tenant, most, show, &out, e);
    if (rc == 0 && out.records) return print_json("audit", out.records) ? err_set(e, ERR_IO, "standard output") : 0;
    json_decref(out.records);
    return rc;
}

// Whether record N had that sum: it has it still, if the log up to there is whole.
typedef struct head_check {
    int64_t id;
    const char *sum;
    bool found;
} head_check;

static int compare(void *context, const audit_record *a, err *e)
{
    (void)e;
    head_check *h = context;
    h->found = a->id == h->id && strcmp(a->hash, h->sum) == 0;
    return 0;
}

static int check_head(registry *r, const char *head, err *e)
{
    const char *colon = strchr(head, ':');
    head_check h = {.sum = colon ? colon + 1 : ""};
    if (!colon || decimal_parse_i64((str){head, (size_t)(colon - head)}, &h.id) < 0 || strlen(h.sum) != 64)
        return err_set(e, ERR_USAGE, "--head: \"%s\" is not a number, a colon and a sum", head);
    if (h.id > 0) TRY(registry_audit_each(r, h.id - 1, NULL, 1, compare, &h, e));
    if (h.id > 0 && !h.found)
        return err_set(e, ERR_CORRUPT, "record %" PRId64 " is not there with that sum: the log was cut or made anew",
                       h.id);
    return 0;
}

static int verify(registry *r, const audit_input *in, err *e)
{
    audit_state s;
    TRY(registry_audit_verify(r, &s, e));
    if (s.broken) return err_set(e, ERR_CORRUPT, "record %" PRId64 " %s", s.broken, s.why);
    if (in->head) TRY(check_head(r, in->head, e));
    if (arguments_json())
        return print_json("audit", json_pack("{s:I, s:s}", "records", (json_int_t)s.n, "head", s.head))
                   ? err_set(e, ERR_IO, "standard output")
                   : 0;
    if (!arguments_quiet()) printf("%" PRId64 " records, none changed; head %" PRId64 ":%s\n", s.n, s.n, s.head);
    return 0;
}

static int run(int argc, char **argv)
{
    audit_input in = {0};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    registry *r = NULL;
    bool lists = strcmp(in.verb, "list") == 0;
    int rc = lists || strcmp(in.verb, "verify") == 0
                 ? arguments_registry(&r, true, &e)
                 : err_set(&e, ERR_USAGE, "\"%s\" is neither list nor verify", in.verb);
    if (rc == 0) rc = lists ? list(r, &in, &e) : verify(r, &in, &e);
    registry_close(r);
    return rc < 0 ? print_failure("audit", &e) : 0;
}

const command command_audit = {"audit", "show and check the log of changes", &argp, run};
