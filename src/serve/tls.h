// TLS for connections: certificates, and sessions over non-blocking sockets. The only part that knows OpenSSL.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_SERVE_TLS_H
#define SLIPWAY_SERVE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "serve/protocol.h"

typedef struct tls_files { // PEM
    const char *cert;      // the server's certificate, followed by those between it and its root
    const char *key;       // not encrypted
    const char *client_ca; // who signs the certificates that clients must show; "" or NULL: they show none
} tls_files;

typedef struct tls tls; // what a server shows to its clients. Any thread

// TLS 1.2 and 1.3, suites with forward secrecy only, HTTP/1.1 by ALPN, no renegotiation, no early data. Says which file
// is missing or not what it should be, that key and certificate do not match, or since when the certificate is not
// valid.
MUST_CHECK int tls_new(tls **out, const tls_files *f, err *e);
void tls_free(tls *t); // sessions may live on; NULL is fine
// The same checks without a server. *until_s: when the certificate expires, in seconds since 1970.
MUST_CHECK int tls_check(const tls_files *f, int64_t *until_s, err *e);

// Looks whether a file changed (`must`: even if none did) and, if so, shows what is there now to new connections.
// *fresh: it does. On failure, for which nothing is tried again until a file changes, what was shown before stays. One
// thread at a time, beside all others. Keys of session tickets live for half a day, so it may be fresh without a
// change.
MUST_CHECK int tls_refresh(tls *t, bool must, bool *fresh, err *e);

typedef struct tls_session tls_session; // one connection; one thread at a time

tls_session *tls_accept(tls *t, int fd); // borrows fd until tls_end(); NULL without memory
void tls_end(tls_session *s);            // says nothing to the peer; NULL is fine
void tls_goodbye(tls_session *s);        // tells the peer that this was all

enum { TLS_AGAIN = 0, TLS_ENDED = -1, TLS_BROKEN = -2 };
// Decrypted bytes, or one of the above; TLS_AGAIN: when the socket is readable or writable again. *more: there may be
// more to read now. Shakes hands first.
ssize_t tls_read(tls_session *s, void *to, size_t len, bool *more);
// Bytes that were taken, the socket permitting; TLS_AGAIN (for none) and TLS_BROKEN as above. What was not taken must
// be given again, the same bytes first.
ssize_t tls_write(tls_session *s, const void *data, size_t len);
bool tls_has_more(tls_session *s); // whether the peer said something that was not read

bool tls_is_ready(const tls_session *s); // hands are shaken
// The common name of the client's verified certificate; "" if it showed none.
void tls_peer_name(const tls_session *s, char out[PEER_NAME_SIZE]);
bool tls_was_plain(const tls_session *s); // after TLS_BROKEN: the client spoke HTTP without TLS

#endif
