// slipway models: what the registry holds.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"

typedef struct models_input {
    const char *name;
} models_input;

static error_t parse(int key, char *value, struct argp_state *state)
{
    models_input *in = state->input;
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    if (in->name) arguments_fail(state, "one name, not two: \"%s\"", value);
    in->name = value;
    return 0;
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .args_doc = "[NAME]",
    .doc = "Lists the models of the registry with their versions and aliases, or the versions of one model."
           "\vExample:\n"
           "  slipway models\n"
           "  slipway models titanic --json\n",
    .children = children,
};

// "production -> 3, candidate -> 4"
static void aliases_text(buf *out, const registry_model *m, int64_t version)
{
    bool first = true;
    for (size_t i = 0; i < m->n_aliases; i++) {
        if (version && m->aliases[i].version != version) continue;
        if (!first) buf_add_text(out, ", ");
        buf_add_text(out, m->aliases[i].name);
        if (!version) buf_format(out, " -> %lld", (long long)m->aliases[i].version);
        first = false;
    }
    buf_add_char(out, '\0');
}

// The metric that people ask for first.
static void metric_text(char *out, size_t size, const char *measured)
{
    static const char *const names[] = {"accuracy", "rmse"};
    out[0] = '\0';
    json_t *j = NULL;
    if (json_parse(&j, str_of(measured ? measured : "{}"), NULL) < 0) return;
    const json_t *holder = json_object_get(j, "test");
    if (!json_is_object(holder)) holder = j;
    for (size_t i = 0; i < 2 && !out[0]; i++) {
        const json_t *value = json_object_get(holder, names[i]);
        if (json_is_number(value)) snprintf(out, size, "%s %.4g", names[i], json_number_value(value));
    }
    json_decref(j);
}

enum { TEXT_MAX = 1 << 16, DATE = 10 };

static int print_all(const registry_list *l, err *e)
{
    enum { COLUMNS = 5 };
    if (l->n == 0) {
        printf("no models yet: \"slipway deploy FILE\" or \"slipway up DATA --target COLUMN\" adds one\n");
        return 0;
    }
    const char **cells = mem_alloc((l->n + 1) * COLUMNS, sizeof *cells);
    buf *texts = mem_zalloc(l->n, sizeof *texts);
    char(*numbers)[3][48] = mem_alloc(l->n, sizeof *numbers);
    int rc = cells && texts && numbers ? 0 : err_set(e, ERR_MEMORY, "no memory for %zu models", l->n);
    static const char *const head[COLUMNS] = {"MODEL", "VERSIONS", "NEWEST", "METRIC", "ALIASES"};
    if (rc == 0) memcpy(cells, head, sizeof head);
    for (size_t i = 0; rc == 0 && i < l->n; i++) {
        const registry_model *m = &l->models[i];
        const registry_version *newest = m->n_versions ? &m->versions[m->n_versions - 1] : NULL;
        buf_init(&texts[i], TEXT_MAX);
        aliases_text(&texts[i], m, 0);
        rc = buf_check(&texts[i], e);
        char date[CLOCK_TEXT_SIZE] = "";
        if (newest) clock_format_utc(newest->created_ms, date);
        snprintf(numbers[i][0], sizeof numbers[i][0], "%zu", m->n_versions);
        if (newest)
            snprintf(numbers[i][1], sizeof numbers[i][1], "%lld of %.*s", (long long)newest->version, DATE, date);
        else
            numbers[i][1][0] = '\0';
        metric_text(numbers[i][2], sizeof numbers[i][2], newest ? newest->metrics : NULL);
        const char *row[COLUMNS] = {m->name, numbers[i][0], numbers[i][1], numbers[i][2], texts[i].data};
        memcpy(cells + (i + 1) * COLUMNS, row, sizeof row);
    }
    if (rc == 0) print_table(stdout, cells, l->n + 1, COLUMNS);
    for (size_t i = 0; texts && i < l->n; i++) buf_clear(&texts[i]);
    mem_free(numbers);
    mem_free(texts);
    mem_free(cells);
    return rc;
}

static int print_one(const registry_model *m, err *e)
{
    enum { COLUMNS = 6 };
    size_t n = m->n_versions;
    const char **cells = mem_alloc((n + 1) * COLUMNS, sizeof *cells);
    buf *texts = mem_zalloc(n, sizeof *texts);
    char(*numbers)[5][48] = mem_alloc(n, sizeof *numbers);
    int rc = cells && texts && numbers ? 0 : err_set(e, ERR_MEMORY, "no memory for %zu versions", n);
    static const char *const head[COLUMNS] = {"VERSION", "CREATED", "SIZE", "METRIC", "DIGEST", "ALIASES"};
    if (rc == 0) memcpy(cells, head, sizeof head);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const registry_version *v = &m->versions[i];
        buf_init(&texts[i], TEXT_MAX);
        aliases_text(&texts[i], m, v->version);
        rc = buf_check(&texts[i], e);
        char created[CLOCK_TEXT_SIZE];
        snprintf(numbers[i][0], sizeof numbers[i][0], "%lld", (long long)v->version);
        snprintf(numbers[i][1], sizeof numbers[i][1], "%.19s", clock_format_utc(v->created_ms, created));
        print_bytes(v->size, numbers[i][2]);
        metric_text(numbers[i][3], sizeof numbers[i][3], v->metrics);
        snprintf(numbers[i][4], sizeof numbers[i][4], "%.12s", v->digest);
        const char *row[COLUMNS] = {numbers[i][0], numbers[i][1], numbers[i][2],
                                    numbers[i][3], numbers[i][4], texts[i].data};
        memcpy(cells + (i + 1) * COLUMNS, row, sizeof row);
    }
    if (rc == 0) print_table(stdout, cells, n + 1, COLUMNS);
    for (size_t i = 0; texts && i < n; i++) buf_clear(&texts[i]);
    mem_free(numbers);
    mem_free(texts);
    mem_free(cells);
    return rc;
}

static json_t *model_json(const registry_model *m)
{
    json_t *aliases = json_object();
    for (size_t i = 0; i < m->n_aliases; i++)
        json_object_set_new(aliases, m->aliases[i].name, json_integer((json_int_t)m->aliases[i].version));
    json_t *versions = json_array();
    for (size_t i = 0; i < m->n_versions; i++) {
        const registry_version *v = &m->versions[i];
        char created[CLOCK_TEXT_SIZE];
        json_t *measured = NULL;
        if (json_parse(&measured, str_of(v->metrics ? v->metrics : "{}"), NULL) < 0) measured = json_object();
        json_array_append_new(versions, json_pack("{s:I, s:s, s:s, s:I, s:o}", "version", (json_int_t)v->version,
                                                  "created", clock_format_utc(v->created_ms, created), "digest",
                                                  v->digest, "size", (json_int_t)v->size, "metrics", measured));
    }
    return json_pack("{s:s, s:o, s:o}", "name", m->name, "aliases", aliases, "versions", versions);
}

static int print_models(const registry_list *l, const char *name, err *e)
{
    const registry_model *one = NULL;
    for (size_t i = 0; name && i < l->n; i++)
        if (strcmp(l->models[i].name, name) == 0) one = &l->models[i];
    if (name && !one) return err_set(e, ERR_NOT_FOUND, "model \"%s\" was removed just now", name);
    if (!arguments_json()) return one ? print_one(one, e) : print_all(l, e);
    json_t *document = one ? model_json(one) : json_array();
    for (size_t i = 0; !one && i < l->n; i++) json_array_append_new(document, model_json(&l->models[i]));
    return print_json("models", document) ? err_set(e, ERR_IO, "standard output") : 0;
}

static int run(int argc, char **argv)
{
    models_input in = {0};
    int status = arguments_parse(&argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    registry *r = NULL;
    registry_list l = {0};
    int rc = arguments_registry(&r, true, &e);
    // Resolving says which name is near if there is no such model.
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    if (rc == 0 && in.name) rc = registry_resolve(r, in.name, name, &version, &e);
    if (rc == 0) rc = registry_models(r, &l, &e);
    if (rc == 0) rc = print_models(&l, in.name ? name : NULL, &e);
    registry_list_clear(&l);
    registry_close(r);
    return rc < 0 ? print_failure("models", &e) : 0;
}

const command command_models = {"models", "list models, versions and aliases", &argp, run};
