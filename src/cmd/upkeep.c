// slipway gc, fsck, backup, restore: the registry's upkeep.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/settings.h"

typedef struct upkeep_input {
    const char *path;
    bool wants_path;
} upkeep_input;

static error_t parse(int key, char *value, struct argp_state *state)
{
    upkeep_input *in = state->input;
    switch (key) {
    case ARGP_KEY_ARG:
        if (!in->wants_path || in->path) arguments_fail(state, "one word too many: \"%s\"", value);
        in->path = value;
        return 0;
    case ARGP_KEY_END:
        if (in->wants_path && !in->path) arguments_fail(state, "which file?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static void print_line(void *context, const char *line)
{
    (void)context;
    if (!arguments_quiet()) puts(line);
}

static int finish(const char *name, registry *r, int rc, const err *e)
{
    registry_close(r);
    return rc < 0 ? print_failure(name, e) : 0;
}

// ---- gc

static const struct argp gc_argp = {
    .parser = parse,
    .doc = "Removes files of the registry that no version names any more, such as those of removed models."
           "\vExample:\n  slipway gc\n",
    .children = children,
};

static int run_gc(int argc, char **argv)
{
    upkeep_input in = {0};
    int status = arguments_parse(&gc_argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    registry *r = NULL;
    int64_t n = 0, size = 0;
    int rc = arguments_registry(&r, false, &e);
    if (rc == 0) rc = registry_gc(r, &n, &size, &e);
    if (rc == 0 && arguments_json())
        status = print_json("gc", json_pack("{s:I, s:I}", "removed", (json_int_t)n, "bytes", (json_int_t)size));
    else if (rc == 0 && !arguments_quiet()) {
        char count[COUNT_TEXT_SIZE], bytes[COUNT_TEXT_SIZE];
        printf("%s files removed, %s\n", print_count(n, count), print_bytes(size, bytes));
    }
    int failed = finish("gc", r, rc, &e);
    return failed ? failed : status;
}

// ---- fsck

static const struct argp fsck_argp = {
    .parser = parse,
    .doc = "Checks the registry: the database, and that every file is there with the right content. Exit status 1 if "
           "something is wrong."
           "\vExample:\n  slipway fsck\n",
    .children = children,
};

static int run_fsck(int argc, char **argv)
{
    upkeep_input in = {0};
    int status = arguments_parse(&fsck_argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    registry *r = NULL;
    int64_t n_faults = 0;
    int rc = arguments_registry(&r, true, &e);
    if (rc == 0) rc = registry_fsck(r, print_line, NULL, &n_faults, &e);
    if (rc == 0 && arguments_json())
        status = print_json("fsck", json_pack("{s:I}", "faults", (json_int_t)n_faults));
    else if (rc == 0 && !arguments_quiet())
        printf(n_faults ? "%lld faults\n" : "everything is in order\n", (long long)n_faults);
    int failed = finish("fsck", r, rc, &e);
    if (failed || status) return failed ? failed : status;
    return n_faults ? 1 : 0;
}

// ---- backup

static const struct argp backup_argp = {
    .parser = parse,
    .args_doc = "FILE",
    .doc = "Writes the whole registry into one file, while servers and deployments go on."
           "\vExample:\n  slipway backup slipway-monday.tar\n",
    .children = children,
};

static int run_backup(int argc, char **argv)
{
    upkeep_input in = {.wants_path = true};
    int status = arguments_parse(&backup_argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    registry *r = NULL;
    int rc = arguments_registry(&r, true, &e);
    if (rc == 0) rc = registry_backup(r, in.path, &e);
    if (rc == 0 && !arguments_quiet()) printf("backup written to %s\n", in.path);
    return finish("backup", r, rc, &e);
}

// ---- restore

static const struct argp restore_argp = {
    .parser = parse,
    .args_doc = "FILE",
    .doc = "Makes the registry's folder, which must be empty or absent, from a backup. Everything is verified first."
           "\vExample:\n  slipway restore slipway-monday.tar --data-dir /srv/slipway\n",
    .children = children,
};

static int run_restore(int argc, char **argv)
{
    upkeep_input in = {.wants_path = true};
    int status = arguments_parse(&restore_argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    int rc = registry_restore(in.path, settings_text(SETTING_DATA_DIR), &e);
    if (rc == 0 && !arguments_quiet()) printf("%s restored to %s\n", in.path, settings_text(SETTING_DATA_DIR));
    return finish("restore", NULL, rc, &e);
}

const command command_gc = {"gc", "remove files that no version names", &gc_argp, run_gc};
const command command_fsck = {"fsck", "check the registry", &fsck_argp, run_fsck};
const command command_backup = {"backup", "write the registry into one file", &backup_argp, run_backup};
const command command_restore = {"restore", "make a registry from a backup", &restore_argp, run_restore};
