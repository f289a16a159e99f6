// slipway keys: who may use a server over the network. Works on the registry itself; a running server follows.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // strsep
#include "registry/keys.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"

typedef struct keys_input keys_input;
typedef int keys_verb(registry *r, const keys_input *in, err *e);

struct keys_input {
    const char *verb, *word; // the second: a label or an id
    key_options options;
    const char *models[LIST_MAX];
    const char *roles, *tenant;
    int64_t expires_s, overlap_s; // -1: not said
};

enum { KEY_ROLE = KEYS_COMMAND, KEY_TENANT, KEY_MODELS, KEY_EXPIRES, KEY_OVERLAP };
enum { OVERLAP_S = 3600 };

static const struct argp_option options[] = {
    {0, 0, 0, 0, "Making a key:", 1},
    {"role", KEY_ROLE, "ROLE,...", 0, "What it is for: viewer, predictor, trainer, deployer, monitor, admin", 1},
    {"tenant", KEY_TENANT, "NAME", 0, "Whose models it reaches (default: those without a tenant); also filters a list",
     1},
    {"models", KEY_MODELS, "NAME,...", 0, "Only these models of the tenant", 1},
    {"expires", KEY_EXPIRES, "TIME", 0, "How long it is valid, like 12h or 90d (default: until it is revoked)", 1},
    {0, 0, 0, 0, "Giving it a new secret:", 2},
    {"overlap", KEY_OVERLAP, "TIME", 0, "How long the old secret stays valid too, like 0s, 10m or 7d (default: 1h)", 2},
    {0},
};

// "90s", "10m", "12h", "30d" to seconds.
static int64_t to_seconds(struct argp_state *state, const char *option, const char *value)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t len = strlen(value);
    int64_t n = 0;
    for (size_t i = 0; len > 1 && i < sizeof units / sizeof *units; i++) {
        if (value[len - 1] != units[i].letter) continue;
        if (decimal_parse_i64((str){value, len - 1}, &n) == 0 && n >= 0 && n <= 36500) return n * units[i].seconds;
        break;
    }
    arguments_fail(state, "--%s: \"%s\" is not a time like 90s, 10m, 12h or 30d", option, value);
    return 0;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    keys_input *in = state->input;
    switch (key) {
    case KEY_ROLE: in->roles = value; return 0;
    case KEY_TENANT: in->tenant = value; return 0;
    case KEY_MODELS:
        for (char *part; (part = strsep(&value, ","));) {
            if (in->options.n_models == LIST_MAX) arguments_fail(state, "--models: too many");
            in->models[in->options.n_models++] = part;
        }
        return 0;
    case KEY_EXPIRES: in->expires_s = to_seconds(state, "expires", value); return 0;
    case KEY_OVERLAP: in->overlap_s = to_seconds(state, "overlap", value); return 0;
    case ARGP_KEY_ARG:
        if (!in->verb)
            in->verb = value;
        else if (!in->word)
            in->word = value;
        else
            arguments_fail(state, "one word too many: \"%s\"", value);
        return 0;
    case ARGP_KEY_NO_ARGS: arguments_fail(state, "create, list, rotate or revoke?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "create LABEL\nlist\nrotate ID\nrevoke ID",
    .doc =
        "Makes, lists, rotates and revokes the keys that a server asks for. A key is shown once, when it is made; the "
        "registry keeps a sum of it. Running servers follow within a moment. On a loopback address no key is asked "
        "for until the first one is made."
        "\vExample:\n"
        "  slipway keys create billing --role predictor --tenant acme --expires 90d\n"
        "  slipway keys rotate 4fZk0QwX3mBa --overlap 7d\n"
        "  curl -H \"Authorization: Bearer $KEY\" http://127.0.0.1:8080/api/v1/models\n",
    .children = children,
};

// ---- printing

static void roles_text(unsigned roles, char text[80])
{
    text[0] = '\0';
    for (size_t i = 0; i < ROLES_N; i++)
        if (roles & 1U << i)
            snprintf(text + strlen(text), 80 - strlen(text), "%s%s", text[0] ? "," : "", key_role_name(i));
}

static int print_new(const char *verb, const char *id, const char *text, int64_t overlap_s, err *e)
{
    if (arguments_json()) {
        json_t *j = json_pack("{s:s, s:s}", "id", id, "key", text);
        if (overlap_s >= 0) json_object_set_new(j, "overlap_s", json_integer(overlap_s));
        return print_json("keys", j) ? err_set(e, ERR_IO, "standard output") : 0;
    }
    if (!arguments_quiet()) fprintf(stderr, "key %s %s; it is not shown again:\n", id, verb);
    printf("%s\n", text);
    return 0;
}

// ---- verbs

static int create(registry *r, const keys_input *in, err *e)
{
    char text[KEY_TEXT_SIZE], id[KEY_ID_SIZE];
    key_options o = in->options;
    o.label = in->word;
    o.models = in->models;
    o.tenant = in->tenant ? in->tenant : "";
    if (!in->roles) return err_set(e, ERR_USAGE, "which role? --role predictor is for who only uses models");
    TRY(key_roles_parse(in->roles, &o.roles, e));
    if (in->expires_s >= 0) o.expires_ms = clock_utc_ms() + in->expires_s * 1000;
    TRY(registry_key_create(r, &o, text, id, e));
    int rc = print_new("made", id, text, -1, e);
    sodium_memzero(text, sizeof text);
    return rc;
}

static int rotate(registry *r, const keys_input *in, err *e)
{
    char text[KEY_TEXT_SIZE];
    int64_t overlap_s = in->overlap_s >= 0 ? in->overlap_s : OVERLAP_S;
    TRY(registry_key_rotate(r, in->word, in->tenant, overlap_s * 1000, text, e));
    int rc = print_new("has a new secret", in->word, text, overlap_s, e);
    sodium_memzero(text, sizeof text);
    return rc;
}

static int revoke(registry *r, const keys_input *in, err *e)
{
    TRY(registry_key_revoke(r, in->word, in->tenant, e));
    if (arguments_json())
        return print_json("keys", json_pack("{s:s, s:b}", "id", in->word, "revoked", 1))
                   ? err_set(e, ERR_IO, "standard output")
                   : 0;
    if (!arguments_quiet()) printf("key %s revoked\n", in->word);
    return 0;
}

static const char *status_of(const registry_key *k, int64_t now)
{
    if (k->revoked_ms) return "revoked";
    return k->expires_ms && k->expires_ms <= now ? "expired" : "valid";
}

static int print_keys(const key_list *l, err *e)
{
    enum { COLUMNS = 7, DATE = 10 };
    const char **cells = mem_alloc((l->n + 1) * COLUMNS, sizeof *cells);
    char(*texts)[3][80] = mem_alloc(l->n, sizeof *texts);
    static const char *const head[COLUMNS] = {"ID", "LABEL", "TENANT", "ROLES", "STATUS", "EXPIRES", "USED"};
    if (!cells || !texts) {
        mem_free(cells);
        mem_free(texts);
        return err_set(e, ERR_MEMORY, "no memory for %zu keys", l->n);
    }
    memcpy(cells, head, sizeof head);
    for (size_t i = 0; i < l->n; i++) {
        const registry_key *k = &l->keys[i];
        char time[CLOCK_TEXT_SIZE];
        roles_text(k->roles, texts[i][0]);
        snprintf(texts[i][1], 80, "%.*s", DATE, k->expires_ms ? clock_format_utc(k->expires_ms, time) : "never");
        snprintf(texts[i][2], 80, "%.*s", DATE, k->used_ms ? clock_format_utc(k->used_ms, time) : "never");
        const char *row[COLUMNS] = {k->id,       k->label,   k->tenant, texts[i][0], status_of(k, clock_utc_ms()),
                                    texts[i][1], texts[i][2]};
        memcpy(cells + (i + 1) * COLUMNS, row, sizeof row);
    }
    print_table(stdout, cells, l->n + 1, COLUMNS);
    mem_free(cells);
    mem_free(texts);
    return 0;
}

static int list(registry *r, const keys_input *in, err *e)
{
    key_list l;
    TRY(registry_keys(r, in->tenant, &l, e));
    int rc = 0;
    if (arguments_json()) {
        json_t *all = json_array();
        for (size_t i = 0; i < l.n; i++) json_array_append_new(all, registry_key_json(&l.keys[i]));
        rc = print_json("keys", all) ? err_set(e, ERR_IO, "standard output") : 0;
    } else if (l.n == 0) {
        printf("no keys yet: \"slipway keys create LABEL --role ROLE\" makes one\n");
    } else {
        rc = print_keys(&l, e);
    }
    key_list_clear(&l);
    return rc;
}

static const struct {
    const char *name;
    keys_verb *run;
    bool takes_word;
    const char *asks;
} verbs[] = {
    {"create", create, true, "what is the key called?"},
    {"list", list, false, NULL},
    {"rotate", rotate, true, "which key? \"slipway keys list\" shows their ids"},
    {"revoke", revoke, true, "which key? \"slipway keys list\" shows their ids"},
};

static int act(const keys_input *in, err *e)
{
    size_t i = 0;
    while (i < sizeof verbs / sizeof *verbs && strcmp(verbs[i].name, in->verb) != 0) i++;
    if (i == sizeof verbs / sizeof *verbs)
        return err_set(e, ERR_USAGE, "\"%s\" is none of create, list, rotate, revoke", in->verb);
    if (verbs[i].takes_word && !in->word) return err_set(e, ERR_USAGE, "%s", verbs[i].asks);
    if (!verbs[i].takes_word && in->word) return err_set(e, ERR_USAGE, "one word too many: \"%s\"", in->word);
    registry *r;
    TRY(arguments_registry(&r, false, e));
    int rc = verbs[i].run(r, in, e);
    registry_close(r);
    return rc;
}

static int run(int argc, char **argv)
{
    keys_input in = {.expires_s = -1, .overlap_s = -1};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    return act(&in, &e) < 0 ? print_failure("keys", &e) : 0;
}

const command command_keys = {"keys", "make, list, rotate and revoke keys", &argp, run};
