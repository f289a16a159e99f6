// Signatures: sound ones, forged ones, keys that others may read.
// SPDX-License-Identifier: Apache-2.0
#include "model/signature.h"

#include <sys/stat.h>

#include "base/files.h"
#include "base/mem.h"
#include "check.h"

#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

typedef struct place {
    char *folder, *key, *public_key;
} place;

static int set_up(void **state)
{
    place *p = mem_alloc(1, sizeof *p);
    p->folder = check_folder();
    p->key = path_join(p->folder, "key");
    p->public_key = path_join(p->folder, "key.pub");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    place *p = *state;
    check_folder_free(p->folder);
    mem_free(p->key);
    mem_free(p->public_key);
    mem_free(p);
    return 0;
}

static void what_is_signed_is_trusted(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    char signer[SIGNER_SIZE];
    package_signature s;
    trusted_keys t;
    struct stat about;
    check_ok(signing_key_make(p->key, signer, &e), &e);
    assert_int_equal(stat(p->key, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    check_ok(signature_make(&s, DIGEST, p->key, &e), &e);
    assert_string_equal(s.signer, signer);
    check_ok(signature_check(&s, DIGEST, &e), &e);
    check_fails(signature_check(&s, OTHER, &e), ERR_CORRUPT, &e);
    check_ok(trusted_keys_load(&t, p->public_key, &e), &e);
    assert_int_equal(t.n, 1);
    check_ok(signatures_trusted(&s, 1, DIGEST, &t, &e), &e);
    check_fails(signatures_trusted(&s, 1, OTHER, &t, &e), ERR_DENIED, &e);
    check_fails(signatures_trusted(&s, 0, DIGEST, &t, &e), ERR_DENIED, &e);
    check_says(&e, "is not signed");
    trusted_keys_clear(&t);
    // The same seed signs the same (RFC 8032 is deterministic), and a key that is there is not written over.
    package_signature again;
    check_ok(signature_make(&again, DIGEST, p->key, &e), &e);
    assert_string_equal(again.text, s.text);
    check_fails(signing_key_make(p->key, signer, &e), ERR_EXISTS, &e);
}

static void every_changed_character_is_seen(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    char signer[SIGNER_SIZE];
    package_signature s;
    check_ok(signing_key_make(p->key, signer, &e), &e);
    check_ok(signature_make(&s, DIGEST, p->key, &e), &e);
    for (size_t i = 0; i + 1 < SIGNATURE_SIZE; i++) {
        package_signature bad = s;
        bad.text[i] = bad.text[i] == 'A' ? 'B' : 'A';
        check_fails(signature_check(&bad, DIGEST, &e), ERR_CORRUPT, &e);
    }
    for (size_t i = 0; i + 1 < SIGNER_SIZE; i++) {
        package_signature bad = s;
        bad.signer[i] = bad.signer[i] == 'A' ? 'B' : 'A';
        check_fails(signature_check(&bad, DIGEST, &e), ERR_CORRUPT, &e);
    }
    package_signature cut = s;
    cut.text[SIGNATURE_SIZE / 2] = '\0';
    check_fails(signature_check(&cut, DIGEST, &e), ERR_CORRUPT, &e);
}

static void other_keys_are_not_trusted(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    char signer[SIGNER_SIZE];
    package_signature s;
    trusted_keys t;
    char *other = path_join(p->folder, "other"), *other_public = path_join(p->folder, "other.pub");
    check_ok(signing_key_make(p->key, signer, &e), &e);
    check_ok(signing_key_make(other, signer, &e), &e);
    check_ok(signature_make(&s, DIGEST, p->key, &e), &e);
    check_ok(trusted_keys_load(&t, other_public, &e), &e);
    check_fails(signatures_trusted(&s, 1, DIGEST, &t, &e), ERR_DENIED, &e);
    memcpy(s.signer, signer, SIGNER_SIZE); // says that it is by the trusted key
    check_fails(signatures_trusted(&s, 1, DIGEST, &t, &e), ERR_DENIED, &e);
    trusted_keys_clear(&t);
    mem_free(other);
    mem_free(other_public);
}

static void bad_key_files_are_refused(void **state)
{
    place *p = *state;
    err e = ERR_NONE;
    char signer[SIGNER_SIZE];
    package_signature s;
    trusted_keys t;
    check_ok(signing_key_make(p->key, signer, &e), &e);
    assert_int_equal(chmod(p->key, 0640), 0);
    check_fails(signature_make(&s, DIGEST, p->key, &e), ERR_DENIED, &e);
    check_says(&e, "chmod 600");
    check_fails(signature_make(&s, DIGEST, p->public_key, &e), ERR_DENIED, &e);
    assert_int_equal(chmod(p->public_key, 0600), 0);
    check_fails(signature_make(&s, DIGEST, p->public_key, &e), ERR_FORMAT, &e);
    static const struct {
        const char *text;
        int code;
    } files[] = {{"", ERR_INPUT},
                 {"# nothing\n\n", ERR_INPUT},
                 {"slipway-public short\n", ERR_FORMAT},
                 {"slipway-secret AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", ERR_FORMAT},
                 {"slipway-public AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nwhat\n", ERR_FORMAT}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        check_ok(file_write_atomic(p->public_key, str_of(files[i].text), 0644, &e), &e);
        check_fails(trusted_keys_load(&t, p->public_key, &e), files[i].code, &e);
    }
    check_ok(file_write_atomic(
                 p->public_key,
                 STR("# release\n\nslipway-public AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= of the team\r\n"), 0644,
                 &e),
             &e);
    check_ok(trusted_keys_load(&t, p->public_key, &e), &e);
    assert_int_equal(t.n, 1);
    trusted_keys_clear(&t);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {WITH_PLACE(what_is_signed_is_trusted),
                                       WITH_PLACE(every_changed_character_is_seen),
                                       WITH_PLACE(other_keys_are_not_trusted), WITH_PLACE(bad_key_files_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
