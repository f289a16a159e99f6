// slipway push, pull: versions and their signatures between a registry and a server.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/remote.h"
#include "cmd/source.h"
#include "registry/signatures.h"

enum { ANSWER_MAX = 1 << 30, PATH_SIZE = 512, TRANSFER_MS = 600000 };
enum { KEY_KEY_FILE = KEYS_COMMAND, KEY_CA, KEY_TRUSTED };

typedef struct push_input {
    const char *words[2];
    size_t n_words;
    const char *name, *alias, *key_file, *ca, *trusted;
} push_input;

#define REMOTE_OPTIONS                                                                                   \
    {"key-file", KEY_KEY_FILE, "FILE", 0, "File with the key for the server (default: SLIPWAY_KEY)", 1}, \
    {                                                                                                    \
        "ca", KEY_CA, "FILE", 0, "Certificate to trust the server by (default: the system's)", 1         \
    }

static const struct argp_option push_options[] = {
    {"name", 'n', "NAME", 0, "Name there (default: the one here)", 1},
    {"alias", 'a', "ALIAS", 0, "Alias to point at it there (default: none; production serves it)", 1},
    REMOTE_OPTIONS,
    {0},
};

static const struct argp_option pull_options[] = {
    {"name", 'n', "NAME", 0, "Name here (default: the one there)", 1},
    {"alias", 'a', "ALIAS", 0, "Alias to point at it here (default: none; production serves it)", 1},
    {"trusted", KEY_TRUSTED, "FILE", 0, "Take it only if one of these public keys has signed it", 1},
    REMOTE_OPTIONS,
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    push_input *in = state->input;
    switch (key) {
    case 'n': in->name = value; return 0;
    case 'a': in->alias = value; return 0;
    case KEY_KEY_FILE: in->key_file = value; return 0;
    case KEY_CA: in->ca = value; return 0;
    case KEY_TRUSTED: in->trusted = value; return 0;
    case ARGP_KEY_ARG:
        if (in->n_words == 2) arguments_fail(state, "one word too many: \"%s\"", value);
        in->words[in->n_words++] = value;
        return 0;
    case ARGP_KEY_END:
        if (in->n_words < 2) arguments_fail(state, "a model and a server's address are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp push_argp = {
    .options = push_options,
    .parser = parse,
    .args_doc = "NAME[@VERSION] URL",
    .doc =
        "Sends a version of the registry, with its signatures, to another server. What is there already is not stored "
        "twice. The alias is moved last, so a server that serves only signed versions can take it."
        "\vExample:\n"
        "  slipway push titanic@3 https://models.example.org --key-file deploy.key --alias production\n",
    .children = children,
};

static const struct argp pull_argp = {
    .options = pull_options,
    .parser = parse,
    .args_doc = "NAME[@VERSION] URL",
    .doc = "Fetches a version, with its signatures, from another server into the registry. Without a version it is the "
           "one "
           "that \"production\" points at there."
           "\vExample:\n"
           "  slipway pull titanic https://models.example.org --key-file read.key --trusted release.key.pub\n",
    .children = children,
};

// ---- the server

// path: below /api/v1/models/. The answer is one of 2xx, or an error.
static int ask(const remote *r, const char *method, const char *path, const char *type, str body, fetch_answer *a,
               err *e)
{
    char whole[PATH_SIZE];
    snprintf(whole, sizeof whole, "api/v1/models/%s", path);
    return remote_ask(r,
                      &(remote_question){.method = method,
                                         .path = whole,
                                         .what = path,
                                         .type = type,
                                         .body = body,
                                         .answer_max = ANSWER_MAX,
                                         .time_ms_max = TRANSFER_MS},
                      a, e);
}

static int ask_json(const remote *r, const char *method, const char *path, json_t *body, json_t **out, err *e)
{
    buf text;
    fetch_answer a;
    buf_init(&text, ANSWER_MAX);
    int rc = body ? json_format(body, false, &text, e) : 0;
    json_decref(body);
    if (rc == 0) rc = ask(r, method, path, body ? "application/json" : NULL, buf_str(&text), &a, e);
    buf_clear(&text);
    if (rc < 0) return rc;
    rc = json_parse(out, buf_str(&a.body), e);
    buf_clear(&a.body);
    return rc < 0 ? err_prefix(e, rc, "the server's answer") : 0;
}

// ---- push

static int send_signatures(const remote *to, registry *r, const char *digest, const char *name, int64_t version,
                           size_t *n, err *e)
{
    package_signature all[SIGNATURES_MAX];
    char path[256];
    TRY(registry_signatures(r, digest, all, n, e));
    snprintf(path, sizeof path, "%s/versions/%" PRId64 "/signatures", name, version);
    for (size_t i = 0; i < *n; i++) {
        json_t *answer;
        TRY(ask_json(to, "POST", path, json_pack("{s:s,s:s}", "signer", all[i].signer, "signature", all[i].text),
                     &answer, e));
        json_decref(answer);
    }
    return 0;
}

static int send_version(const remote *to, registry *r, const package *p, const char *name, const char *alias,
                        int64_t *version, size_t *n_signatures, err *e)
{
    str file;
    char path[256];
    json_t *answer = NULL;
    fetch_answer a;
    TRY(package_onnx(p, &file, e));
    snprintf(path, sizeof path, "%s/versions", name);
    TRY(ask(to, "POST", path, "application/octet-stream", file, &a, e));
    int rc = json_parse(&answer, buf_str(&a.body), e);
    buf_clear(&a.body);
    if (rc == 0) rc = json_member_integer(answer, "version", 1, INT64_MAX, version, e);
    json_decref(answer);
    if (rc < 0) return err_prefix(e, rc, "the server's answer");
    TRY(send_signatures(to, r, p->digest, name, *version, n_signatures, e));
    if (!alias) return 0;
    snprintf(path, sizeof path, "%s/aliases/%s", name, alias);
    TRY(ask_json(to, "PUT", path, json_pack("{s:I}", "version", (json_int_t)*version), &answer, e));
    json_decref(answer);
    return 0;
}

static int report(const char *of, const char *verb, const char *name, int64_t version, const push_input *in,
                  size_t n_signatures)
{
    if (arguments_json())
        return print_json(of, json_pack("{s:s,s:I,s:s?,s:I}", "name", name, "version", (json_int_t)version, "alias",
                                        in->alias, "signatures", (json_int_t)n_signatures))
                   ? ERR_IO
                   : 0;
    if (!arguments_quiet())
        printf("%s %s as %s version %" PRId64 "%s%s, %zu signature%s\n", verb, in->words[0], name, version,
               in->alias ? ", " : "", in->alias ? in->alias : "", n_signatures, n_signatures == 1 ? "" : "s");
    return 0;
}

static int push(const push_input *in, const remote *to, registry *r, err *e)
{
    char name[MODEL_NAME_MAX + 1];
    int64_t here, there = 0;
    size_t n = 0;
    package *p = NULL;
    TRY(registry_resolve(r, in->words[0], name, &here, e));
    int rc = registry_load(r, name, here, &p, e);
    const char *slash = strchr(name, '/'); // the tenant there is the key's
    const char *as = in->name ? in->name : slash ? slash + 1 : name;
    if (rc == 0) rc = send_version(to, r, p, as, in->alias, &there, &n, e);
    package_free(p);
    return rc < 0 ? rc : report("push", "sent", as, there, in, n);
}

// ---- pull

static int find_version_there(const remote *from, const char *name, const char *after, int64_t *version, err *e)
{
    json_t *answer;
    char path[256];
    char *end;
    if (after[0] >= '0' && after[0] <= '9') {
        *version = strtoll(after, &end, 10);
        if (*end == '\0' && *version > 0) return 0;
    }
    snprintf(path, sizeof path, "%s/aliases/%s", name, after);
    TRY(ask_json(from, "GET", path, NULL, &answer, e));
    int rc = json_member_integer(answer, "version", 1, INT64_MAX, version, e);
    json_decref(answer);
    return rc < 0 ? err_prefix(e, rc, "the server's answer") : 0;
}

static int take_signatures(const remote *from, const char *name, int64_t version, package_signature all[SIGNATURES_MAX],
                           size_t *n, err *e)
{
    json_t *answer, *list;
    char path[256];
    *n = 0;
    snprintf(path, sizeof path, "%s/versions/%" PRId64 "/signatures", name, version);
    TRY(ask_json(from, "GET", path, NULL, &answer, e));
    int rc = json_member_array(answer, "signatures", &list, e);
    for (size_t i = 0; rc == 0 && i < json_array_size(list) && *n < SIGNATURES_MAX; i++) {
        const char *signer, *text;
        rc = json_member_text(json_array_get(list, i), "signer", &signer, e);
        if (rc == 0) rc = json_member_text(json_array_get(list, i), "signature", &text, e);
        if (rc < 0) break;
        snprintf(all[*n].signer, SIGNER_SIZE, "%s", signer);
        snprintf(all[(*n)++].text, SIGNATURE_SIZE, "%s", text);
    }
    json_decref(answer);
    return rc < 0 ? err_prefix(e, rc, "the server's answer") : 0;
}

static int take_package(package **out, const remote *from, const char *name, int64_t version, err *e)
{
    fetch_answer a;
    char path[256];
    snprintf(path, sizeof path, "%s/versions/%" PRId64 "/file", name, version);
    TRY(ask(from, "GET", path, NULL, (str){0}, &a, e));
    model *m = NULL;
    package *p = NULL, *again = NULL;
    int rc = package_from_onnx(&p, buf_str(&a.body), e);
    if (rc == 0) rc = package_from_onnx(&again, buf_str(&a.body), e);
    buf_clear(&a.body);
    if (rc == 0) {
        rc = model_open(&m, again, e); // it has to be servable before it is registered
        model_drop(m);
    }
    if (rc < 0) {
        package_free(p);
        return err_prefix(e, rc, "what the server sent");
    }
    *out = p;
    return 0;
}

static int pull(const push_input *in, const remote *from, registry *r, err *e)
{
    char name[MODEL_NAME_MAX + 1];
    const char *at = strchr(in->words[0], '@');
    size_t len = at ? (size_t)(at - in->words[0]) : strlen(in->words[0]);
    if (len == 0 || len > MODEL_NAME_MAX) return err_set(e, ERR_USAGE, "\"%.80s\" is no name of a model", in->words[0]);
    snprintf(name, sizeof name, "%.*s", (int)len, in->words[0]);
    const char *fault = model_name_fault(name);
    if (!fault && in->name) fault = model_name_fault(in->name);
    if (!fault && at && at[1] == '\0') fault = "a version is missing behind the @";
    if (!fault && at) fault = strpbrk(at + 1, "/?#%") ? "a version is a number or an alias" : NULL;
    if (fault) return err_set(e, ERR_USAGE, "%s", fault);
    int64_t there, here = 0;
    package_signature all[SIGNATURES_MAX];
    size_t n = 0;
    package *p;
    trusted_keys trusted = {0};
    TRY(find_version_there(from, name, at ? at + 1 : ALIAS_DEFAULT, &there, e));
    TRY(take_package(&p, from, name, there, e));
    int rc = take_signatures(from, name, there, all, &n, e);
    if (rc == 0 && in->trusted && (rc = trusted_keys_load(&trusted, in->trusted, e)) == 0)
        rc = signatures_trusted(all, n, p->digest, &trusted, e);
    const char *as = in->name ? in->name : name;
    if (rc == 0) rc = registry_add(r, as, p, NULL, &here, NULL, e);
    for (size_t i = 0; rc == 0 && i < n; i++) rc = registry_sign(r, as, here, &all[i], e);
    if (rc == 0 && in->alias) rc = registry_alias_set(r, as, in->alias, here, e);
    trusted_keys_clear(&trusted);
    package_free(p);
    return rc < 0 ? rc : report("pull", "took", as, here, in, n);
}

static int run(const struct argp *argp, const char *name,
               int (*work)(const push_input *in, const remote *other, registry *r, err *e), int argc, char **argv)
{
    push_input in = {0};
    int status = arguments_parse(argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    remote other;
    registry *r = NULL;
    const char *fault = in.alias ? alias_fault(in.alias) : NULL;
    int rc = fault ? err_set(&e, ERR_USAGE, "%s", fault) : remote_init(&other, in.words[1], in.key_file, in.ca, &e);
    if (rc == 0) rc = arguments_registry(&r, work == push, &e);
    if (rc == 0) rc = work(&in, &other, r, &e);
    registry_close(r);
    return rc < 0 ? print_failure(name, &e) : 0;
}

static int run_push(int argc, char **argv)
{
    return run(&push_argp, "push", push, argc, argv);
}

static int run_pull(int argc, char **argv)
{
    return run(&pull_argp, "pull", pull, argc, argv);
}

const command command_push = {"push", "send a version to another server", &push_argp, run_push};
const command command_pull = {"pull", "fetch a version from another server", &pull_argp, run_pull};
