// OpenSSL behind a socket of ours: its own would raise SIGPIPE, and would not say when the socket is drained.
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "serve/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/clock.h"
#include "base/mem.h"

static const char suites[] = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"; // of TLS 1.2; those of 1.3 are all fine
static const char groups[] = "X25519:P-256:P-384";
static const uint64_t TICKET_KEYS_NS = UINT64_C(12) * 3600 * 1000000000;
enum { FILES = 3 };

typedef struct signature { // of a file: whether it changed
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed;
} signature;

struct tls {
    char *paths[FILES]; // certificate, key, authority; the last may be NULL
    signature seen[FILES];
    uint64_t made_ns;
    pthread_mutex_t lock; // guards `now`
    SSL_CTX *now;
};

struct tls_session {
    SSL *ssl;
    int fd;
    bool drained; // the last read of the socket gave less than was asked for
    bool broken, plain;
};

// Memory comes through our door, if nobody made OpenSSL take any before.

// That there was none is not always said by what OpenSSL then fails with, if it fails at all.
static _Thread_local bool starved;

static void *take(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    void *p = n > 0 ? mem_alloc(n, 1) : NULL;
    starved |= n > 0 && !p;
    return p;
}

static void give(void *p, const char *file, int line)
{
    (void)file, (void)line;
    mem_free(p);
}

static void *retake(void *p, size_t n, const char *file, int line)
{
    if (n > 0) {
        void *more = mem_realloc(p, n, 1);
        starved |= !more;
        return more;
    }
    give(p, file, line);
    return NULL;
}

// The socket.

static BIO_METHOD *wire;

static int wire_read(BIO *b, char *to, int len)
{
    tls_session *s = BIO_get_data(b);
    ssize_t n;
    do n = recv(s->fd, to, (size_t)len, 0);
    while (n < 0 && errno == EINTR);
    BIO_clear_retry_flags(b);
    s->drained = n < len;
    if (n < 0 && errno == EAGAIN) BIO_set_retry_read(b);
    return n < 0 ? -1 : (int)n;
}

static int wire_write(BIO *b, const char *data, int len)
{
    const tls_session *s = BIO_get_data(b);
    ssize_t n;
    do n = send(s->fd, data, (size_t)len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    BIO_clear_retry_flags(b);
    if (n < 0 && errno == EAGAIN) BIO_set_retry_write(b);
    return n < 0 ? -1 : (int)n;
}

static long wire_control(BIO *b, int what, long number, void *pointer)
{
    (void)b, (void)number, (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

static void begin(void)
{
    CRYPTO_set_mem_functions(take, retake, give);
    wire = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "slipway");
    if (!wire) return;
    BIO_meth_set_read(wire, wire_read);
    BIO_meth_set_write(wire, wire_write);
    BIO_meth_set_ctrl(wire, wire_control);
}

static int begin_once(err *e)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin);
    return wire ? 0 : err_set(e, ERR_MEMORY, "no memory for TLS");
}

// Certificates.

static int fail(err *e, const char *path, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    int rc = ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE
                 ? err_set(e, ERR_MEMORY, "no memory for TLS")
                 : err_set(e, ERR_INPUT, "%s: %s%s%s%s", path, what, reason ? " (" : "", reason ? reason : "",
                           reason ? ")" : "");
    ERR_clear_error();
    return rc;
}

static BIO *open_file(const char *path, err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        err_set_errno(e, "%s", path);
        return NULL;
    }
    BIO *b = BIO_new_fd(fd, BIO_CLOSE);
    if (b) return b;
    close(fd);
    err_set(e, ERR_MEMORY, "no memory for TLS");
    return NULL;
}

static int no_password(char *to, int size, int writing, void *context)
{
    (void)to, (void)size, (void)writing, (void)context;
    return -1; // nobody is asked at a terminal
}

static int read_key(EVP_PKEY **out, const char *path, err *e)
{
    err why = ERR_NONE;
    BIO *b = open_file(path, &why);
    if (!b) return err_set(e, why.code, "%s", why.msg);
    *out = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);
    BIO_free(b);
    return *out ? 0 : fail(e, path, "no private key in PEM form; one with a password cannot be used");
}

static const char *date(const ASN1_TIME *t, char out[CLOCK_TEXT_SIZE], int64_t *seconds)
{
    struct tm tm;
    int64_t s = ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
    if (seconds) *seconds = s;
    return clock_format_utc(s * 1000, out);
}

static int check_dates(const X509 *cert, const char *path, int64_t *until_s, err *e)
{
    char text[CLOCK_TEXT_SIZE];
    int64_t from_s, now_s = clock_utc_ms() / 1000;
    date(X509_get0_notBefore(cert), text, &from_s);
    if (from_s > now_s) return err_set(e, ERR_INPUT, "%s: the certificate is not valid before %s", path, text);
    date(X509_get0_notAfter(cert), text, until_s);
    if (*until_s < now_s) return err_set(e, ERR_INPUT, "%s: the certificate expired on %s", path, text);
    return 0;
}

static int load_pair(SSL_CTX *ctx, const char *cert_path, const char *key_path, int64_t *until_s, err *e)
{
    err why = ERR_NONE;
    BIO *there = open_file(cert_path, &why); // for a message that says what is wrong with the file itself
    if (!there) return err_set(e, why.code, "%s", why.msg);
    BIO_free(there);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
        return fail(e, cert_path, "no usable certificate in PEM form");
    X509 *cert = SSL_CTX_get0_certificate(ctx);
    TRY(check_dates(cert, cert_path, until_s, e));
    EVP_PKEY *key;
    TRY(read_key(&key, key_path, e));
    int rc = 0;
    if (X509_check_private_key(cert, key) != 1)
        rc = err_set(e, ERR_INPUT, "%s: the key does not belong to the certificate in %s", key_path, cert_path);
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
        rc = fail(e, key_path, "the key cannot be used");
    EVP_PKEY_free(key);
    ERR_clear_error();
    return rc;
}

static int load_authority(SSL_CTX *ctx, const char *path, err *e)
{
    err why = ERR_NONE;
    BIO *there = open_file(path, &why);
    if (!there) return err_set(e, why.code, "%s", why.msg);
    BIO_free(there);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
    if (!names || sk_X509_NAME_num(names) == 0 || SSL_CTX_load_verify_file(ctx, path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return fail(e, path, "no usable certificate in PEM form");
    }
    SSL_CTX_set_client_CA_list(ctx, names);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

// HTTP/1.1 is all that is spoken here: who names protocols and not this one is refused.
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *context)
{
    (void)ssl, (void)context;
    static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_up(SSL_CTX *ctx)
{
    static const unsigned char context[] = "slipway";
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); // sessions are in tickets only
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(ctx, suites) == 1 &&
           SSL_CTX_set1_groups_list(ctx, groups) == 1 &&
           SSL_CTX_set_session_id_context(ctx, context, sizeof context - 1) == 1;
}

static int make(SSL_CTX **out, const char *cert, const char *key, const char *client_ca, int64_t *until_s, err *e)
{
    TRY(begin_once(e));
    ERR_clear_error();
    starved = false;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    int rc = ctx && set_up(ctx) ? 0 : fail(e, "TLS", "it cannot be set up");
    if (rc == 0) rc = load_pair(ctx, cert, key, until_s, e);
    if (rc == 0 && client_ca) rc = load_authority(ctx, client_ca, e);
    if (starved) rc = err_set(e, ERR_MEMORY, "no memory for TLS");
    if (rc < 0)
        SSL_CTX_free(ctx);
    else
        *out = ctx;
    return rc;
}

static const char *given(const char *path)
{
    return path && path[0] ? path : NULL;
}

int tls_check(const tls_files *f, int64_t *until_s, err *e)
{
    SSL_CTX *ctx;
    TRY(make(&ctx, f->cert, f->key, given(f->client_ca), until_s, e));
    SSL_CTX_free(ctx);
    return 0;
}

static void look(tls *t, signature out[FILES])
{
    memset(out, 0, FILES * sizeof *out);
    for (size_t i = 0; i < FILES; i++) {
        struct stat st;
        if (!t->paths[i] || stat(t->paths[i], &st) < 0) continue; // being replaced, or gone: opening it says so
        out[i].dev = st.st_dev;
        out[i].ino = st.st_ino;
        out[i].size = st.st_size;
        out[i].changed = st.st_mtim;
    }
}

int tls_refresh(tls *t, bool must, bool *fresh, err *e)
{
    signature now[FILES];
    *fresh = false;
    look(t, now);
    uint64_t now_ns = clock_monotonic_ns();
    if (!must && memcmp(now, t->seen, sizeof now) == 0 && now_ns - t->made_ns < TICKET_KEYS_NS) return 0;
    memcpy(t->seen, now, sizeof now);
    t->made_ns = now_ns;
    SSL_CTX *ctx, *before;
    int64_t until_s;
    TRY(make(&ctx, t->paths[0], t->paths[1], t->paths[2], &until_s, e));
    pthread_mutex_lock(&t->lock);
    before = t->now;
    t->now = ctx;
    pthread_mutex_unlock(&t->lock);
    SSL_CTX_free(before); // sessions hold it as long as they need it
    *fresh = true;
    return 0;
}

int tls_new(tls **out, const tls_files *f, err *e)
{
    tls *t = mem_zalloc(1, sizeof *t);
    if (!t) return err_set(e, ERR_MEMORY, "no memory for TLS");
    pthread_mutex_init(&t->lock, NULL);
    const char *paths[FILES] = {f->cert, f->key, given(f->client_ca)};
    int rc = 0;
    for (size_t i = 0; i < FILES; i++)
        if (paths[i] && !(t->paths[i] = mem_strdup(paths[i]))) rc = err_set(e, ERR_MEMORY, "no memory for TLS");
    bool fresh;
    if (rc == 0) rc = tls_refresh(t, true, &fresh, e);
    if (rc < 0)
        tls_free(t);
    else
        *out = t;
    return rc;
}

void tls_free(tls *t)
{
    if (!t) return;
    for (size_t i = 0; i < FILES; i++) mem_free(t->paths[i]);
    SSL_CTX_free(t->now);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

// Sessions.

tls_session *tls_accept(tls *t, int fd)
{
    tls_session *s = mem_zalloc(1, sizeof *s);
    BIO *b = s ? BIO_new(wire) : NULL;
    if (b) {
        pthread_mutex_lock(&t->lock);
        s->ssl = SSL_new(t->now);
        pthread_mutex_unlock(&t->lock);
    }
    if (!b || !s->ssl) {
        BIO_free(b);
        mem_free(s);
        ERR_clear_error();
        return NULL;
    }
    s->fd = fd;
    BIO_set_data(b, s);
    BIO_set_init(b, 1);
    SSL_set_bio(s->ssl, b, b);
    SSL_set_accept_state(s->ssl);
    return s;
}

void tls_end(tls_session *s)
{
    if (!s) return;
    SSL_free(s->ssl);
    mem_free(s);
}

void tls_goodbye(tls_session *s)
{
    if (s->broken || !SSL_is_init_finished(s->ssl)) return;
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl); // whether it went or not, the socket is shut down next
    ERR_clear_error();
}

static ssize_t why_not(tls_session *s, int rc)
{
    int error = SSL_get_error(s->ssl, rc);
    unsigned long code = ERR_peek_error();
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return TLS_AGAIN;
    if (error == SSL_ERROR_ZERO_RETURN) return TLS_ENDED;
    s->broken = true;
    s->plain = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
    // Who closes without a goodbye ends in the middle of nothing: HTTP says itself how long its messages are.
    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING ? TLS_ENDED
                                                                                                          : TLS_BROKEN;
}

ssize_t tls_read(tls_session *s, void *to, size_t len, bool *more)
{
    size_t n;
    *more = false;
    if (s->broken) return TLS_BROKEN;
    ERR_clear_error();
    int rc = SSL_read_ex(s->ssl, to, len, &n);
    if (rc != 1) return why_not(s, rc);
    *more = SSL_has_pending(s->ssl) || !s->drained;
    return (ssize_t)n;
}

ssize_t tls_write(tls_session *s, const void *data, size_t len)
{
    size_t sent = 0;
    if (s->broken) return TLS_BROKEN;
    ERR_clear_error();
    while (sent < len) { // a record at a time
        size_t n;
        int rc = SSL_write_ex(s->ssl, (const char *)data + sent, len - sent, &n);
        if (rc != 1) {
            ssize_t why = why_not(s, rc);
            return why == TLS_AGAIN ? (ssize_t)sent : TLS_BROKEN;
        }
        sent += n;
    }
    return (ssize_t)sent;
}

bool tls_has_more(tls_session *s)
{
    char byte;
    size_t n;
    if (s->broken) return false;
    ERR_clear_error();
    int rc = SSL_peek_ex(s->ssl, &byte, 1, &n);
    if (rc != 1) (void)why_not(s, rc);
    return rc == 1;
}

bool tls_is_ready(const tls_session *s)
{
    return SSL_is_init_finished(s->ssl);
}

void tls_peer_name(const tls_session *s, char out[PEER_NAME_SIZE])
{
    const X509 *cert = SSL_get0_peer_certificate(s->ssl);
    out[0] = '\0';
    if (cert) X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out, PEER_NAME_SIZE);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?'; // it ends up in logs
}

bool tls_was_plain(const tls_session *s)
{
    return s->plain;
}
