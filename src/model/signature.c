// Ed25519 (RFC 8032) over "slipway package 1\n" and the digest in hexadecimal: a signature made for something else is
// none for a package.
// SPDX-License-Identifier: Apache-2.0
#include "model/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/mem.h"

enum { FILE_MAX = 64 << 10, SECRET_FILE_MAX = 4096, MESSAGE_MAX = 128, SECRET_TEXT_SIZE = 45 };

#define SECRET_WORD "slipway-secret "
#define PUBLIC_WORD "slipway-public "
#define PURPOSE "slipway package 1\n"

_Static_assert(sodium_base64_ENCODED_LEN(crypto_sign_PUBLICKEYBYTES, sodium_base64_VARIANT_ORIGINAL) == SIGNER_SIZE,
               "a key");
_Static_assert(sodium_base64_ENCODED_LEN(crypto_sign_BYTES, sodium_base64_VARIANT_ORIGINAL) == SIGNATURE_SIZE,
               "a signature");

static bool decode(const char *text, size_t len, unsigned char *out, size_t want)
{
    size_t got;
    const char *end;
    if (sodium_base642bin(out, want, text, len, NULL, &got, &end, sodium_base64_VARIANT_ORIGINAL) != 0) return false;
    return got == want && end == text + len;
}

static size_t message_of(const char *digest, unsigned char message[MESSAGE_MAX])
{
    int n = snprintf((char *)message, MESSAGE_MAX, PURPOSE "%s", digest);
    return (size_t)n;
}

// ---- keys

static int write_secret(const char *path, const char *line, err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return err_set_errno(e, "%s", path);
    int rc = fd_write_all(fd, str_of(line), e);
    if (rc == 0 && fsync(fd) < 0) rc = err_set_errno(e, "%s", path);
    if (close(fd) < 0 && rc == 0) rc = err_set_errno(e, "%s", path);
    if (rc < 0) unlink(path);
    return rc;
}

int signing_key_make(const char *path, char signer[SIGNER_SIZE], err *e)
{
    unsigned char seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES],
        secret_key[crypto_sign_SECRETKEYBYTES];
    char text[SECRET_TEXT_SIZE], line[sizeof SECRET_WORD + SECRET_TEXT_SIZE];
    if (sodium_init() < 0) return err_set(e, ERR_INTERNAL, "libsodium does not start");
    size_t size = strlen(path) + 5;
    char *public_path = mem_alloc(size, 1);
    if (!public_path) return err_set(e, ERR_MEMORY, "no memory for a key");
    snprintf(public_path, size, "%s.pub", path);
    randombytes_buf(seed, sizeof seed);
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    sodium_bin2base64(text, sizeof text, seed, sizeof seed, sodium_base64_VARIANT_ORIGINAL);
    snprintf(line, sizeof line, SECRET_WORD "%s\n", text);
    int rc = write_secret(path, line, e);
    if (rc == 0) {
        sodium_bin2base64(signer, SIGNER_SIZE, public_key, sizeof public_key, sodium_base64_VARIANT_ORIGINAL);
        snprintf(line, sizeof line, PUBLIC_WORD "%s\n", signer);
        if ((rc = file_write_atomic(public_path, str_of(line), 0644, e)) < 0) unlink(path);
    }
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret_key, sizeof secret_key);
    sodium_memzero(text, sizeof text);
    sodium_memzero(line, sizeof line);
    mem_free(public_path);
    return rc;
}

// The word behind `word` at the start of a line.
static bool take_word(str line, const char *word, str *out)
{
    size_t len = strlen(word);
    if (line.len <= len || memcmp(line.data, word, len) != 0) return false;
    *out = (str){line.data + len, 0};
    while (len + out->len < line.len && !strchr(" \t\r", out->data[out->len])) out->len++;
    return true;
}

static int read_seed(const char *path, unsigned char seed[crypto_sign_SEEDBYTES], err *e)
{
    struct stat about;
    buf file;
    str word;
    if (stat(path, &about) < 0) return err_set_errno(e, "%s", path);
    if (about.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(e, ERR_DENIED, "%s: others than its owner may use this key; chmod 600 %s", path, path);
    TRY(file_read(path, SECRET_FILE_MAX, &file, e));
    const char *end = memchr(file.data, '\n', file.len);
    str line = {file.data, end ? (size_t)(end - file.data) : file.len};
    bool ok = take_word(line, SECRET_WORD, &word) && decode(word.data, word.len, seed, crypto_sign_SEEDBYTES);
    sodium_memzero(file.data, file.len);
    buf_clear(&file);
    return ok ? 0 : err_set(e, ERR_FORMAT, "%s: no secret key; \"slipway sign --make-key FILE\" makes one", path);
}

static int add_trusted(trusted_keys *t, str word, const char *path, int64_t number, err *e)
{
    unsigned char key[crypto_sign_PUBLICKEYBYTES];
    if (word.len != SIGNER_SIZE - 1 || !decode(word.data, word.len, key, sizeof key))
        return err_set_at(e, ERR_FORMAT, number, "%s: line %lld is no public key", path, (long long)number);
    if (t->n == TRUSTED_MAX) return err_set(e, ERR_LIMIT, "%s: more than %d keys", path, TRUSTED_MAX);
    memcpy(t->signers[t->n], word.data, word.len);
    t->signers[t->n++][word.len] = '\0';
    return 0;
}

int trusted_keys_load(trusted_keys *out, const char *path, err *e)
{
    trusted_keys t = {.signers = mem_alloc(TRUSTED_MAX, SIGNER_SIZE)};
    buf file;
    if (!t.signers) return err_set(e, ERR_MEMORY, "no memory for keys");
    int rc = file_read(path, FILE_MAX, &file, e);
    const char *at = file.data, *end = file.data + file.len;
    for (int64_t number = 1; rc == 0 && at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        str line = {at, (size_t)((stop ? stop : end) - at)}, word;
        at += line.len + 1;
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == '\r') continue;
        if (!take_word(line, PUBLIC_WORD, &word)) word = (str){0};
        rc = add_trusted(&t, word, path, number, e);
    }
    buf_clear(&file);
    if (rc == 0 && t.n == 0) rc = err_set(e, ERR_INPUT, "%s: there is no key in it", path);
    if (rc < 0) {
        trusted_keys_clear(&t);
        return rc;
    }
    *out = t;
    return 0;
}

void trusted_keys_clear(trusted_keys *t)
{
    mem_free(t->signers);
    *t = (trusted_keys){0};
}

// ---- signatures

int signature_make(package_signature *out, const char *digest, const char *key_path, err *e)
{
    unsigned char seed[crypto_sign_SEEDBYTES], public_key[crypto_sign_PUBLICKEYBYTES],
        secret_key[crypto_sign_SECRETKEYBYTES], sum[crypto_sign_BYTES], message[MESSAGE_MAX];
    if (sodium_init() < 0) return err_set(e, ERR_INTERNAL, "libsodium does not start");
    int rc = read_seed(key_path, seed, e);
    if (rc < 0) return rc;
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    crypto_sign_detached(sum, NULL, message, message_of(digest, message), secret_key);
    sodium_bin2base64(out->signer, SIGNER_SIZE, public_key, sizeof public_key, sodium_base64_VARIANT_ORIGINAL);
    sodium_bin2base64(out->text, SIGNATURE_SIZE, sum, sizeof sum, sodium_base64_VARIANT_ORIGINAL);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret_key, sizeof secret_key);
    return 0;
}

int signature_check(const package_signature *s, const char *digest, err *e)
{
    unsigned char key[crypto_sign_PUBLICKEYBYTES], sum[crypto_sign_BYTES], message[MESSAGE_MAX];
    if (!decode(s->signer, strnlen(s->signer, SIGNER_SIZE), key, sizeof key))
        return err_set(e, ERR_CORRUPT, "the signer is no public key");
    if (!decode(s->text, strnlen(s->text, SIGNATURE_SIZE), sum, sizeof sum) ||
        crypto_sign_verify_detached(sum, message, message_of(digest, message), key) != 0)
        return err_set(e, ERR_CORRUPT, "the signature by %s is not one of this package", s->signer);
    return 0;
}

static bool is_trusted(const trusted_keys *t, const char *signer)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->signers[i], signer) == 0) return true;
    return false;
}

int signatures_trusted(const package_signature *all, size_t n, const char *digest, const trusted_keys *t, err *e)
{
    for (size_t i = 0; i < n; i++)
        if (is_trusted(t, all[i].signer) && signature_check(&all[i], digest, NULL) == 0) return 0;
    if (n == 0) return err_set(e, ERR_DENIED, "the package is not signed, and signatures are required");
    return err_set(e, ERR_DENIED, "the package is signed, but not by a trusted key");
}
