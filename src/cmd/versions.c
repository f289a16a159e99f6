// slipway alias, rollback, rm: which version a name points at, and which versions there are.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"

enum { ARGUMENTS_MAX = 3 };

typedef struct versions_input {
    const char *words[ARGUMENTS_MAX];
    size_t n_words, n_min, n_max;
    const char *alias;
    bool force, remove;
} versions_input;

enum { KEY_FORCE = KEYS_COMMAND, KEY_REMOVE };

static error_t parse(int key, char *value, struct argp_state *state)
{
    versions_input *in = state->input;
    switch (key) {
    case 'a': in->alias = value; return 0;
    case KEY_FORCE: in->force = true; return 0;
    case KEY_REMOVE: in->remove = true; return 0;
    case ARGP_KEY_ARG:
        if (in->n_words == in->n_max) arguments_fail(state, "one word too many: \"%s\"", value);
        in->words[in->n_words++] = value;
        return 0;
    case ARGP_KEY_END:
        if (in->n_words < (in->remove ? 2 : in->n_min)) arguments_fail(state, "a word is missing");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

// ---- alias

static const struct argp_option alias_options[] = {
    {"remove", KEY_REMOVE, 0, 0, "Remove the alias instead", 1},
    {0},
};

static const struct argp alias_argp = {
    .options = alias_options,
    .parser = parse,
    .args_doc = "NAME ALIAS VERSION\nNAME ALIAS --remove",
    .doc = "Points an alias of a model at a version. The alias \"production\" is what a server serves."
           "\vExample:\n"
           "  slipway alias titanic production 3\n"
           "  slipway alias titanic candidate --remove\n",
    .children = children,
};

static int set_alias(registry *r, const versions_input *in, err *e)
{
    const char *name = in->words[0], *alias = in->words[1];
    if (in->remove) {
        TRY(registry_alias_remove(r, name, alias, e));
        if (!arguments_quiet()) printf("%s: alias %s removed\n", name, alias);
        return 0;
    }
    int64_t version;
    if (decimal_parse_i64(str_of(in->words[2]), &version) < 0 || version < 1)
        return err_set(e, ERR_USAGE, "\"%s\" is not the number of a version", in->words[2]);
    TRY(registry_alias_set(r, name, alias, version, e));
    if (!arguments_quiet()) printf("%s: %s -> %lld\n", name, alias, (long long)version);
    return 0;
}

// ---- rollback

static const struct argp_option rollback_options[] = {
    {"alias", 'a', "ALIAS", 0, "Alias to move back (default: production)", 1},
    {0},
};

static const struct argp rollback_argp = {
    .options = rollback_options,
    .parser = parse,
    .args_doc = "NAME",
    .doc =
        "Points an alias back at the version it pointed at before. Again goes further back. A running server follows "
        "without dropping a request."
        "\vExample:\n"
        "  slipway rollback titanic\n",
    .children = children,
};

static int roll_back(registry *r, const versions_input *in, err *e)
{
    int64_t from, to;
    TRY(registry_rollback(r, in->words[0], in->alias, &from, &to, e));
    if (arguments_json()) {
        json_t *j = json_pack("{s:s, s:s, s:I, s:I}", "name", in->words[0], "alias", in->alias, "from",
                              (json_int_t)from, "to", (json_int_t)to);
        return print_json("rollback", j) ? err_set(e, ERR_IO, "standard output") : 0;
    }
    if (!arguments_quiet()) printf("%s: %s %lld -> %lld\n", in->words[0], in->alias, (long long)from, (long long)to);
    return 0;
}

// ---- rm

static const struct argp_option rm_options[] = {
    {"force", KEY_FORCE, 0, 0, "Also when an alias points at it: the alias goes too", 1},
    {0},
};

static const struct argp rm_argp = {
    .options = rm_options,
    .parser = parse,
    .args_doc = "NAME[@VERSION]",
    .doc = "Removes a version of a model, or the model with all its versions. What an alias points at is kept unless "
           "--force is given. The files are removed by \"slipway gc\"."
           "\vExample:\n"
           "  slipway rm titanic@2\n"
           "  slipway rm titanic --force\n",
    .children = children,
};

static int remove_version(registry *r, const versions_input *in, err *e)
{
    char name[MODEL_NAME_MAX + 1];
    int64_t version = 0;
    if (strchr(in->words[0], '@')) {
        TRY(registry_resolve(r, in->words[0], name, &version, e));
    } else {
        const char *fault = model_name_fault(in->words[0]);
        if (fault) return err_set(e, ERR_USAGE, "%s", fault);
        memcpy(name, in->words[0], strlen(in->words[0]) + 1);
    }
    TRY(registry_remove(r, name, version, in->force, e));
    if (arguments_quiet()) return 0;
    if (version)
        printf("%s version %lld removed\n", name, (long long)version);
    else
        printf("%s removed\n", name);
    return 0;
}

// ---- all three

static int run_on_registry(const char *name, const struct argp *argp, int argc, char **argv, versions_input in,
                           int (*act)(registry *, const versions_input *, err *))
{
    int status = arguments_parse(argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    registry *r = NULL;
    int rc = arguments_registry(&r, false, &e);
    if (rc == 0) rc = act(r, &in, &e);
    registry_close(r);
    return rc < 0 ? print_failure(name, &e) : 0;
}

static int run_alias(int argc, char **argv)
{
    versions_input in = {.n_min = 3, .n_max = 3};
    return run_on_registry("alias", &alias_argp, argc, argv, in, set_alias);
}

static int run_rollback(int argc, char **argv)
{
    versions_input in = {.n_min = 1, .n_max = 1, .alias = ALIAS_DEFAULT};
    return run_on_registry("rollback", &rollback_argp, argc, argv, in, roll_back);
}

static int run_rm(int argc, char **argv)
{
    versions_input in = {.n_min = 1, .n_max = 1};
    return run_on_registry("rm", &rm_argp, argc, argv, in, remove_version);
}

const command command_alias = {"alias", "point an alias at a version", &alias_argp, run_alias};
const command command_rollback = {"rollback", "point an alias back at what it was", &rollback_argp, run_rollback};
const command command_rm = {"rm", "remove a version or a model", &rm_argp, run_rm};
