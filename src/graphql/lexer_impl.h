// The tokens of a document.
// SPDX-License-Identifier: Apache-2.0
#ifndef SLIPWAY_GRAPHQL_LEXER_IMPL_H
#define SLIPWAY_GRAPHQL_LEXER_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

typedef enum gql_token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_STRING,
    TOKEN_BLOCK_STRING,
    TOKEN_SPREAD,           // ...
    TOKEN_PUNCTUATOR = 128, // plus the character: ! $ & ( ) : = @ [ ] { | }
} gql_token_kind;

#define TOKEN_OF(c) (TOKEN_PUNCTUATOR + (c))

typedef struct gql_token {
    int kind; // gql_token_kind, or TOKEN_OF(c)
    uint32_t at;
    str text; // as written; of strings: the content, unescaped
} gql_token;

typedef struct gql_lexer { // one thread at a time
    str source;
    size_t at;
    size_t n_tokens;
    arena *memory;
} gql_lexer;

// The next token; TOKEN_END again and again at the end. ERR_FORMAT with the byte in e->at, ERR_LIMIT past
// GQL_TOKENS_MAX, ERR_MEMORY. Strings are views of the source where nothing had to be unescaped.
MUST_CHECK int gql_next_token(gql_lexer *l, gql_token *out, err *e);

// "uXXXX", with braces also "u{X...}", at the start of the text: a Unicode scalar value, two of them if they are a
// surrogate pair ("uD83D\uDE00"). Returns the bytes taken, 0 if it is none.
size_t gql_scan_unicode(str text, bool braces, uint32_t *out);

// Line and column of a byte, from 1, the column in characters. A line ends with LF, CR, or CR LF.
void gql_place_of(str source, uint32_t at, uint32_t *line, uint32_t *column);

#endif
