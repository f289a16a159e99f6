// slipway sign, verify: who vouches for a package.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>

#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "registry/signatures.h"

typedef struct sign_input {
    const char *reference, *key, *made, *trusted;
    bool verify;
} sign_input;

enum { KEY_MAKE = KEYS_COMMAND, KEY_TRUSTED };

static const struct argp_option sign_options[] = {
    {"key", 'k', "FILE", 0, "Secret key to sign with", 1},
    {"make-key", KEY_MAKE, "FILE", 0, "Make a pair of keys, FILE and FILE.pub, instead", 1},
    {0},
};

static const struct argp_option verify_options[] = {
    {"trusted", KEY_TRUSTED, "FILE", 0, "Public keys, one a line; one of them has to have signed", 1},
    {0},
};

static error_t parse(int key, char *value, struct argp_state *state)
{
    sign_input *in = state->input;
    switch (key) {
    case 'k': in->key = value; return 0;
    case KEY_MAKE: in->made = value; return 0;
    case KEY_TRUSTED: in->trusted = value; return 0;
    case ARGP_KEY_ARG:
        if (in->reference) arguments_fail(state, "one model, not two: \"%s\"", value);
        in->reference = value;
        return 0;
    case ARGP_KEY_END:
        if (in->made && (in->reference || in->key)) arguments_fail(state, "--make-key makes keys and signs nothing");
        if (in->made) return 0;
        if (!in->reference) arguments_fail(state, "which model?");
        if (!in->verify && !in->key) arguments_fail(state, "which key? --key FILE");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&arguments_general, 0, 0, 0}, {0}};

static const struct argp sign_argp = {
    .options = sign_options,
    .parser = parse,
    .args_doc = "NAME[@VERSION]\n--make-key FILE",
    .doc =
        "Signs a version of the registry (Ed25519 over its digest, which covers all of it). A server that was started "
        "with --trusted-keys serves only what one of those keys has signed."
        "\vExample:\n"
        "  slipway sign --make-key release.key\n"
        "  slipway sign titanic@3 --key release.key\n",
    .children = children,
};

static const struct argp verify_argp = {
    .options = verify_options,
    .parser = parse,
    .args_doc = "NAME[@VERSION]",
    .doc = "Lists the signatures of a version that are sound; with --trusted fails unless one is by such a key."
           "\vExample:\n"
           "  slipway verify titanic@3 --trusted release.key.pub\n",
    .children = children,
};

static int make_key(const char *path, err *e)
{
    char signer[SIGNER_SIZE];
    TRY(signing_key_make(path, signer, e));
    if (arguments_json())
        return print_json("sign", json_pack("{s:s,s:s}", "secret", path, "public", signer)) ? ERR_IO : 0;
    if (!arguments_quiet()) printf("%s: keep it secret\n%s.pub: slipway-public %s\n", path, path, signer);
    return 0;
}

static int sign(const sign_input *in, err *e)
{
    registry *r;
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    package *p = NULL;
    package_signature s;
    TRY(arguments_registry(&r, false, e));
    int rc = registry_resolve(r, in->reference, name, &version, e);
    if (rc == 0) rc = registry_load(r, name, version, &p, e); // what is signed is what is there
    if (rc == 0) rc = signature_make(&s, p->digest, in->key, e);
    if (rc == 0) rc = registry_sign(r, name, version, &s, e);
    if (rc == 0 && arguments_json())
        rc = print_json("sign", json_pack("{s:s,s:I,s:s,s:s,s:s}", "name", name, "version", (json_int_t)version,
                                          "digest", p->digest, "signer", s.signer, "signature", s.text))
                 ? ERR_IO
                 : 0;
    else if (rc == 0 && !arguments_quiet())
        printf("%s version %" PRId64 " is signed by %s\n", name, version, s.signer);
    package_free(p);
    registry_close(r);
    return rc;
}

static int print_signers(const char *name, int64_t version, const char *digest, const package_signature *all, size_t n,
                         err *e)
{
    json_t *signers = json_array();
    int rc = signers ? 0 : err_set(e, ERR_MEMORY, "no memory for a list");
    for (size_t i = 0; i < n && rc == 0; i++) {
        err fault = ERR_NONE;
        if (signature_check(&all[i], digest, &fault) < 0)
            fprintf(stderr, "%s\n", fault.msg);
        else if ((rc = json_push(signers, json_string(all[i].signer), e)) == 0 && !arguments_quiet())
            printf("%s version %" PRId64 " is signed by %s\n", name, version, all[i].signer);
    }
    if (rc == 0 && n == 0 && !arguments_quiet()) printf("%s version %" PRId64 " is not signed\n", name, version);
    if (rc == 0 && arguments_json())
        return print_json("verify", json_pack("{s:s,s:I,s:s,s:o}", "name", name, "version", (json_int_t)version,
                                              "digest", digest, "signers", signers))
                   ? ERR_IO
                   : 0;
    json_decref(signers);
    return rc;
}

static int verify(const sign_input *in, err *e)
{
    registry *r;
    char name[MODEL_NAME_MAX + 1];
    int64_t version;
    package *p = NULL;
    trusted_keys trusted = {0};
    package_signature all[SIGNATURES_MAX];
    size_t n = 0;
    TRY(arguments_registry(&r, true, e));
    int rc = registry_resolve(r, in->reference, name, &version, e);
    if (rc == 0) rc = registry_load(r, name, version, &p, e);
    if (rc == 0) rc = registry_signatures(r, p->digest, all, &n, e);
    if (rc == 0 && in->trusted && (rc = trusted_keys_load(&trusted, in->trusted, e)) == 0)
        rc = signatures_trusted(all, n, p->digest, &trusted, e);
    if (rc == 0) rc = print_signers(name, version, p->digest, all, n, e);
    trusted_keys_clear(&trusted);
    package_free(p);
    registry_close(r);
    return rc;
}

static int run(const struct argp *argp, const char *name, int (*work)(const sign_input *in, err *e), int argc,
               char **argv)
{
    sign_input in = {.verify = work == verify};
    int status = arguments_parse(argp, argc, argv, &in);
    if (status) return status;
    err e = ERR_NONE;
    int rc = in.made ? make_key(in.made, &e) : work(&in, &e);
    return rc < 0 ? print_failure(name, &e) : 0;
}

static int run_sign(int argc, char **argv)
{
    return run(&sign_argp, "sign", sign, argc, argv);
}

static int run_verify(int argc, char **argv)
{
    return run(&verify_argp, "verify", verify, argc, argv);
}

const command command_sign = {"sign", "sign a version, so that others can trust it", &sign_argp, run_sign};
const command command_verify = {"verify", "tell who has signed a version", &verify_argp, run_verify};
