// RFC 9112, read strictly. Lines are looked at when they are whole, so a request means the same however it was cut; the
// limits are looked at first, so that a line without end means the same too.
// SPDX-License-Identifier: Apache-2.0
#include "serve/http.h"

#include <string.h>

#include "base/utf8.h"

enum state { START, REQUEST_LINE, FIELD_LINES, BODY_LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, DONE, BAD };

static const char large_body[] = "The body is larger than this server takes";

enum { CONTENT_LENGTH_DIGITS = 18, CHUNK_SIZE_DIGITS = 8, METHOD_MAX = 32 };

// What a byte may be part of.
enum { TOKEN = 1, TARGET = 2, HOST = 4, HEX = 8, VALUE = 16 };

static const uint8_t classes[256] = {
#define ALNUM (TOKEN | TARGET | HOST | VALUE)
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | TARGET | HOST | VALUE,
    ['"'] = VALUE,
    ['#'] = TOKEN | VALUE,
    ['$'] = TOKEN | TARGET | HOST | VALUE,
    ['%'] = TOKEN | TARGET | HOST | VALUE,
    ['&'] = TOKEN | TARGET | HOST | VALUE,
    ['\''] = TOKEN | TARGET | HOST | VALUE,
    ['('] = TARGET | HOST | VALUE,
    [')'] = TARGET | HOST | VALUE,
    ['*'] = TOKEN | TARGET | HOST | VALUE,
    ['+'] = TOKEN | TARGET | HOST | VALUE,
    [','] = TARGET | HOST | VALUE,
    ['-'] = TOKEN | TARGET | HOST | VALUE,
    ['.'] = TOKEN | TARGET | HOST | VALUE,
    ['/'] = TARGET | VALUE,
    ['0' ... '9'] = ALNUM | HEX,
    [':'] = TARGET | HOST | VALUE,
    [';'] = TARGET | HOST | VALUE,
    ['<'] = VALUE,
    ['='] = TARGET | HOST | VALUE,
    ['>'] = VALUE,
    ['?'] = TARGET | VALUE,
    ['@'] = TARGET | VALUE,
    ['A' ... 'F'] = ALNUM | HEX,
    ['G' ... 'Z'] = ALNUM,
    ['['] = HOST | VALUE,
    ['\\'] = VALUE,
    [']'] = HOST | VALUE,
    ['^'] = TOKEN | VALUE,
    ['_'] = TOKEN | TARGET | HOST | VALUE,
    ['`'] = TOKEN | VALUE,
    ['a' ... 'f'] = ALNUM | HEX,
    ['g' ... 'z'] = ALNUM,
    ['{'] = VALUE,
    ['|'] = TOKEN | VALUE,
    ['}'] = VALUE,
    ['~'] = TOKEN | TARGET | HOST | VALUE,
    [0x80 ... 0xFF] = VALUE,
#undef ALNUM
};

static bool is(char c, int class)
{
    return classes[(unsigned char)c] & class;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool equal_prefix_fold(str s, const char *lower_text)
{
    for (size_t i = 0; i < s.len; i++)
        if (lower_text[i] == '\0' || lower(s.data[i]) != lower_text[i]) return false;
    return true;
}

static bool equal_fold(str s, const char *lower_text)
{
    return equal_prefix_fold(s, lower_text) && lower_text[s.len] == '\0';
}

static str trim(str s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) s = (str){s.data + 1, s.len - 1};
    while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) s.len--;
    return s;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Cuts the next element off a comma-separated list; false at its end.
static bool next_of_list(str *list, str *element)
{
    if (list->len == 0) return false;
    const char *comma = memchr(list->data, ',', list->len);
    size_t len = comma ? (size_t)(comma - list->data) : list->len;
    *element = trim((str){list->data, len});
    size_t past = comma ? len + 1 : len;
    *list = (str){list->data + past, list->len - past};
    return true;
}

bool http_list_has(str list, const char *token)
{
    for (str element; next_of_list(&list, &element);)
        if (equal_fold(element, token)) return true;
    return false;
}

void http_parser_init(http_parser *p)
{
    *p = (http_parser){.state = START};
}

static http_step refuse(http_parser *p, int status, const char *why)
{
    p->state = BAD;
    p->status = status;
    p->why = why;
    return STEP_BAD;
}

static bool host_is_sound(str host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!is(host.data[i], HOST)) return false;
    return host.len == 0 || http_host_name(host).len > 0;
}

str http_host_name(str host)
{
    const str none = {0};
    size_t end = host.len;
    if (host.len > 0 && host.data[0] == '[') {
        const char *close = memchr(host.data, ']', host.len);
        if (!close) return none;
        end = (size_t)(close - host.data) + 1;
    } else {
        const char *colon = memchr(host.data, ':', host.len);
        if (colon) end = (size_t)(colon - host.data);
        if (memchr(host.data, '[', end) || memchr(host.data, ']', end)) return none;
    }
    if (end < host.len && host.data[end] != ':') return none;
    for (size_t i = end + 1; i < host.len; i++)
        if (host.data[i] < '0' || host.data[i] > '9') return none;
    return (str){host.data, end};
}

static const struct {
    const char *name;
    http_method method;
} methods[] = {{"GET", HTTP_GET},     {"HEAD", HTTP_HEAD},     {"POST", HTTP_POST},
               {"PUT", HTTP_PUT},     {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
               {"PATCH", HTTP_PATCH}, {"TRACE", HTTP_TRACE},   {"QUERY", HTTP_QUERY}};

static bool find_method(str name, http_method *out)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (str_equal(name, str_of(methods[i].name))) return *out = methods[i].method, true;
    return false;
}

static http_step parse_target(http_parser *p, const char *data, str target)
{
    if (str_equal(target, STR("*"))) {
        if (p->method != HTTP_OPTIONS) return refuse(p, 400, "The target * is for OPTIONS only");
        p->asterisk = true;
        return STEP_MORE;
    }
    for (size_t i = 0; i < target.len; i++) {
        if (!is(target.data[i], TARGET)) return refuse(p, 400, "A character in the target must be percent-encoded");
        if (target.data[i] != '%') continue;
        if (i + 2 >= target.len || !is(target.data[i + 1], HEX) || !is(target.data[i + 2], HEX))
            return refuse(p, 400, "A % in the target is not followed by two hexadecimal digits");
        if (target.data[i + 1] == '0' && target.data[i + 2] == '0') return refuse(p, 400, "A NUL in the target");
    }
    if (target.data[0] != '/') { // absolute form: its authority stands for the Host header, which must agree
        size_t scheme = 0;
        if (target.len > 7 && equal_fold((str){target.data, 7}, "http://")) scheme = 7;
        if (target.len > 8 && equal_fold((str){target.data, 8}, "https://")) scheme = 8;
        if (scheme == 0) return refuse(p, 400, "The target is neither a path nor an http address");
        str rest = {target.data + scheme, target.len - scheme};
        size_t len = 0;
        while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?') len++;
        str host = {rest.data, len};
        if (len == 0 || !host_is_sound(host)) return refuse(p, 400, "The host in the target is not well formed");
        p->fields[FIELD_HOST] = (http_span){(uint32_t)(host.data - data), (uint32_t)len};
        target = (str){rest.data + len, rest.len - len};
    }
    const char *mark = target.len > 0 ? memchr(target.data, '?', target.len) : NULL;
    size_t path_len = mark ? (size_t)(mark - target.data) : target.len;
    p->path = (http_span){(uint32_t)(target.data - data), (uint32_t)path_len};
    if (path_len == 0 && p->method == HTTP_OPTIONS) p->asterisk = true; // RFC 9112, 3.2.4
    if (mark) p->query = (http_span){(uint32_t)(mark + 1 - data), (uint32_t)(target.len - path_len - 1)};
    return STEP_MORE;
}

static http_step parse_request_line(http_parser *p, const char *data, str line)
{
    size_t len = 0;
    while (len < line.len && is(line.data[len], TOKEN)) len++;
    if (len == 0 || len == line.len || line.data[len] != ' ')
        return refuse(p, 400, "The request does not start with a method and one space");
    str method = {line.data, len};
    const char *at = line.data + len + 1, *end = line.data + line.len;
    const char *space = memchr(at, ' ', (size_t)(end - at));
    if (!space || space == at) return refuse(p, 400, "The request line is not METHOD TARGET VERSION");
    str target = {at, (size_t)(space - at)};
    str version = {space + 1, (size_t)(end - space - 1)};
    if (version.len != 8 || memcmp(version.data, "HTTP/", 5) != 0 || version.data[5] < '0' || version.data[5] > '9' ||
        version.data[6] != '.' || version.data[7] < '0' || version.data[7] > '9')
        return refuse(p, 400, "The request line does not end with an HTTP version");
    if (version.data[5] != '1' || version.data[7] > '1') return refuse(p, 505, "This server speaks HTTP/1.1 and 1.0");
    p->minor = version.data[7] - '0';
    p->keep_alive = p->minor == 1;
    if (method.len > METHOD_MAX || !find_method(method, &p->method))
        return refuse(p, 501, "This method is not implemented");
    return parse_target(p, data, target);
}

// Fields by name. `single` ones must not come twice.
static const struct {
    const char *name;
    bool single;
} fields[FIELDS_N] = {
    [FIELD_HOST] = {"host", true},
    [FIELD_CONTENT_LENGTH] = {"content-length", true},
    [FIELD_TRANSFER_ENCODING] = {"transfer-encoding", true},
    [FIELD_CONNECTION] = {"connection", false},
    [FIELD_EXPECT] = {"expect", true},
    [FIELD_CONTENT_TYPE] = {"content-type", true},
    [FIELD_CONTENT_ENCODING] = {"content-encoding", true},
    [FIELD_ACCEPT] = {"accept", false},
    [FIELD_ACCEPT_ENCODING] = {"accept-encoding", false},
    [FIELD_IF_NONE_MATCH] = {"if-none-match", false},
    [FIELD_AUTHORIZATION] = {"authorization", true},
    [FIELD_API_KEY] = {"x-api-key", true},
    [FIELD_ORIGIN] = {"origin", true},
    [FIELD_SEC_FETCH_SITE] = {"sec-fetch-site", true},
    [FIELD_IDEMPOTENCY_KEY] = {"idempotency-key", true},
    [FIELD_INFERENCE_HEADER_CONTENT_LENGTH] = {"inference-header-content-length", true},
    [FIELD_CONTENT_RANGE] = {"content-range", true},
    [FIELD_TRACEPARENT] = {"traceparent", false}, // twice is as if the client had not said
    [FIELD_TRACESTATE] = {"tracestate", false},
    [FIELD_FORWARDED_FOR] = {"x-forwarded-for", false},
    [FIELD_FORWARDED_PROTO] = {"x-forwarded-proto", false},
    [FIELD_PRIORITY] = {"priority", false},
    [FIELD_TIMEOUT] = {"x-request-timeout", true},
    [FIELD_LAST_EVENT_ID] = {"last-event-id", true},
    [FIELD_ROUTING_KEY] = {"x-routing-key", true},
};

enum { FIELD_NAME_MAX = 31 };

// By length first: most lines are of no interest, and few names have the same.
static int find_field(str name)
{
    static const struct {
        uint8_t field, n; // the next n of `order` have that length
    } by_len[FIELD_NAME_MAX + 1] = {
        [4] = {0, 1},   [6] = {1, 3},   [8] = {4, 1},   [9] = {5, 1},   [10] = {6, 2},  [11] = {8, 1}, [12] = {9, 1},
        [13] = {10, 5}, [14] = {15, 2}, [15] = {17, 3}, [16] = {20, 1}, [17] = {21, 3}, [31] = {24, 1}};
    static const uint8_t order[] = {
        FIELD_HOST,
        FIELD_ACCEPT,
        FIELD_EXPECT,
        FIELD_ORIGIN,
        FIELD_PRIORITY,
        FIELD_API_KEY,
        FIELD_CONNECTION,
        FIELD_TRACESTATE,
        FIELD_TRACEPARENT,
        FIELD_CONTENT_TYPE,
        FIELD_IF_NONE_MATCH,
        FIELD_AUTHORIZATION,
        FIELD_CONTENT_RANGE,
        FIELD_LAST_EVENT_ID,
        FIELD_ROUTING_KEY,
        FIELD_CONTENT_LENGTH,
        FIELD_SEC_FETCH_SITE,
        FIELD_IDEMPOTENCY_KEY,
        FIELD_FORWARDED_FOR,
        FIELD_ACCEPT_ENCODING,
        FIELD_CONTENT_ENCODING,
        FIELD_TRANSFER_ENCODING,
        FIELD_FORWARDED_PROTO,
        FIELD_TIMEOUT,
        FIELD_INFERENCE_HEADER_CONTENT_LENGTH,
    };
    if (name.len > FIELD_NAME_MAX) return -1;
    for (int i = 0; i < by_len[name.len].n; i++) {
        int field = order[by_len[name.len].field + i];
        if (equal_fold(name, fields[field].name)) return field;
    }
    return -1;
}

// The field of a line whose name is written the way most clients write it, which needs no look at each letter; -1 if it
// is not. *len: of the name.
static int guess_field(str line, size_t *len)
{
#define STARTS(name) (line.len >= sizeof(name) - 1 && memcmp(line.data, name, sizeof(name) - 1) == 0)
#define GUESS(name, field) \
    if (STARTS(name)) return *len = sizeof(name) - 2, field
    switch (line.len > 0 ? line.data[0] : 0) {
    case 'H': GUESS("Host:", FIELD_HOST); break;
    case 'h': GUESS("host:", FIELD_HOST); break;
    case 'C':
        GUESS("Content-Type:", FIELD_CONTENT_TYPE);
        GUESS("Content-Length:", FIELD_CONTENT_LENGTH);
        GUESS("Connection:", FIELD_CONNECTION);
        break;
    case 'c':
        GUESS("content-type:", FIELD_CONTENT_TYPE);
        GUESS("content-length:", FIELD_CONTENT_LENGTH);
        GUESS("connection:", FIELD_CONNECTION);
        break;
    case 'A':
        GUESS("Accept:", FIELD_ACCEPT);
        GUESS("Authorization:", FIELD_AUTHORIZATION);
        break;
    case 'a':
        GUESS("accept:", FIELD_ACCEPT);
        GUESS("authorization:", FIELD_AUTHORIZATION);
        break;
    default: break;
    }
    return -1;
#undef GUESS
#undef STARTS
}

static bool value_is_sound(str value)
{
    size_t i = 0;
    for (; i + 8 <= value.len; i += 8) { // eight bytes at once: none below 0x20, none 0x7F
        uint64_t word;
        memcpy(&word, value.data + i, 8);
        const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
        uint64_t low = (word - 0x20 * ones) & ~word & tops;
        uint64_t del = word ^ 0x7F * ones;
        del = (del - ones) & ~del & tops;
        if (low | del) break; // perhaps a tab: look closer
    }
    for (; i < value.len; i++)
        if (!is(value.data[i], VALUE)) return false;
    return true;
}

static http_step take_connection(http_parser *p, str value)
{
    for (str option; next_of_list(&value, &option);) {
        if (equal_fold(option, "close"))
            p->closes = true;
        else if (equal_fold(option, "keep-alive"))
            p->keep_alive = true;
    }
    return STEP_MORE;
}

static http_step take_content_length(http_parser *p, str value)
{
    if (value.len == 0 || value.len > CONTENT_LENGTH_DIGITS)
        return refuse(p, 400, "Content-Length is not a number of bytes");
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return refuse(p, 400, "Content-Length is not a number of bytes");
        n = 10 * n + (size_t)(value.data[i] - '0');
    }
    p->content_length = n;
    return STEP_MORE;
}

static http_step take_field(http_parser *p, const char *data, int field, str value)
{
    http_span *span = &p->fields[field];
    http_span new = {(uint32_t)(value.data - data), (uint32_t)value.len};
    switch (field) {
    case FIELD_HOST:
        if (!host_is_sound(value)) return refuse(p, 400, "The Host header is not well formed");
        // One from the target is there already: a proxy may have routed by either, so they must say the same.
        if (span->len > 0 && !str_equal(http_str(data, *span), value))
            return refuse(p, 400, "The Host header contradicts the target");
        *span = new;
        return STEP_MORE;
    case FIELD_CONTENT_LENGTH: *span = new; return take_content_length(p, value);
    case FIELD_TRANSFER_ENCODING:
        if (p->minor == 0) return refuse(p, 400, "Transfer-Encoding in HTTP/1.0");
        if (!equal_fold(value, "chunked")) return refuse(p, 501, "The only Transfer-Encoding understood is chunked");
        *span = new;
        p->chunked = true;
        return STEP_MORE;
    case FIELD_CONNECTION: return take_connection(p, value);
    case FIELD_EXPECT:
        if (!equal_fold(value, "100-continue")) return refuse(p, 417, "The only Expect understood is 100-continue");
        p->expects_continue = p->minor == 1;
        return STEP_MORE;
    default: *span = new; return STEP_MORE;
    }
}

// Splits a header or trailer line (*field: -1 if nobody here reads it); false and a refusal if it is not one.
static bool split_field(http_parser *p, str line, int *field, str *value)
{
    size_t len = 0;
    *field = guess_field(line, &len);
    if (*field < 0) {
        while (len < line.len && is(line.data[len], TOKEN)) len++;
        if (len == 0 || len == line.len || line.data[len] != ':') {
            refuse(p, 400, "A header line does not start with a name and a colon");
            return false;
        }
        *field = find_field((str){line.data, len});
    }
    *value = trim((str){line.data + len + 1, line.len - len - 1});
    if (!value_is_sound(*value)) {
        refuse(p, 400, "A header value holds a control character");
        return false;
    }
    return true;
}

static http_step parse_field_line(http_parser *p, const char *data, str line)
{
    int field;
    str value;
    if (!split_field(p, line, &field, &value)) return STEP_BAD;
    if (field < 0) return STEP_MORE;
    uint32_t bit = 1u << field;
    if (p->seen & bit) {
        if (fields[field].single) return refuse(p, 400, "A header that may come once came twice");
        if (field != FIELD_CONNECTION) {
            p->fields[field] = (http_span){0, 0}; // a list over several lines: as if the client had not said
            return STEP_MORE;
        }
    }
    p->seen |= bit;
    return take_field(p, data, field, value);
}

// The next whole line from p->at, without its end. False: none yet, or a refusal. Every LF must follow a CR, and a CR
// comes nowhere else: value and target checks see to that.
static bool take_line(http_parser *p, const char *data, size_t len, size_t max, int status, const char *why, str *line)
{
    const char *start = data + p->at;
    size_t left = len - p->at;
    const char *lf = memchr(start, '\n', left < max ? left : max);
    if (!lf) {
        if (left >= max) refuse(p, status, why);
        return false;
    }
    size_t n = (size_t)(lf - start);
    if (n == 0 || lf[-1] != '\r') {
        refuse(p, 400, "A line ends without CR LF");
        return false;
    }
    *line = (str){start, n - 1};
    p->at += n + 1;
    return true;
}

static http_step end_of_head(http_parser *p)
{
    if (p->minor == 1 && !(p->seen & 1u << FIELD_HOST)) return refuse(p, 400, "HTTP/1.1 wants a Host header");
    if (p->chunked && (p->seen & 1u << FIELD_CONTENT_LENGTH))
        return refuse(p, 400, "Content-Length and Transfer-Encoding together");
    if (p->closes) p->keep_alive = false;
    p->head_len = p->body_at = p->at;
    p->state = p->chunked ? CHUNK_SIZE : BODY_LENGTH;
    p->n_fields = 0;
    return STEP_HEAD;
}

static http_step parse_head(http_parser *p, char *data, size_t len, const http_limits *limits)
{
    str line;
    const char *const long_line = "The request line is too long", *const long_head = "The header is too large";
    if (p->state == START || p->state == REQUEST_LINE) {
        size_t max = limits->head_max < HTTP_LINE_MAX ? limits->head_max : HTTP_LINE_MAX;
        if (!take_line(p, data, len, max, 414, long_line, &line)) return p->state == BAD ? STEP_BAD : STEP_MORE;
        if (line.len == 0 && p->state == START) { // one empty line is forgiven (RFC 9112, 2.2)
            p->state = REQUEST_LINE;
            return STEP_MORE;
        }
        if (parse_request_line(p, data, line) == STEP_BAD) return STEP_BAD;
        p->state = FIELD_LINES;
    }
    while (p->state == FIELD_LINES) {
        if (p->at >= limits->head_max) return refuse(p, 431, long_head);
        if (!take_line(p, data, len, limits->head_max - p->at, 431, long_head, &line))
            return p->state == BAD ? STEP_BAD : STEP_MORE;
        if (line.len == 0) return end_of_head(p);
        if (++p->n_fields > HTTP_FIELDS_MAX) return refuse(p, 431, "Too many header lines");
        if (parse_field_line(p, data, line) == STEP_BAD) return STEP_BAD;
    }
    return STEP_MORE;
}

// chunk-size [ ";" extensions ]; the extensions are checked for their characters and passed over.
static http_step parse_chunk_size(http_parser *p, str line, const http_limits *limits)
{
    size_t n = 0, i = 0;
    for (; i < line.len && is(line.data[i], HEX); i++) {
        if (i == CHUNK_SIZE_DIGITS) return refuse(p, 413, "A chunk is larger than this server takes");
        n = 16 * n + (size_t)hex_digit(line.data[i]);
    }
    if (i == 0 || (i < line.len && line.data[i] != ';')) return refuse(p, 400, "A chunk does not start with its size");
    if (!value_is_sound((str){line.data + i, line.len - i}))
        return refuse(p, 400, "A chunk extension holds a control character");
    p->chunk_extra += line.len - i;
    if (p->chunk_extra > HTTP_CHUNK_EXTRA_MAX) return refuse(p, 431, "Chunk extensions are too large");
    if (n > limits->body_max - p->body_len) return refuse(p, 413, large_body);
    p->chunk_left = n;
    p->state = n > 0 ? CHUNK_DATA : TRAILERS;
    return STEP_MORE;
}

static void take_chunk_data(http_parser *p, char *data, size_t len)
{
    size_t n = len - p->at < p->chunk_left ? len - p->at : p->chunk_left;
    memmove(data + p->body_at + p->body_len, data + p->at, n);
    p->body_len += n;
    p->at += n;
    p->chunk_left -= n;
    if (p->chunk_left == 0) p->state = CHUNK_END;
}

static http_step parse_trailer(http_parser *p, str line)
{
    int field;
    str value;
    if (line.len == 0) {
        p->state = DONE;
        p->total = p->at;
        return STEP_DONE;
    }
    if (++p->n_fields > HTTP_FIELDS_MAX) return refuse(p, 431, "Too many trailer lines");
    p->chunk_extra += line.len;
    if (p->chunk_extra > HTTP_CHUNK_EXTRA_MAX) return refuse(p, 431, "The trailers are too large");
    if (!split_field(p, line, &field, &value)) return STEP_BAD;
    return STEP_MORE;
}

static http_step parse_chunks(http_parser *p, char *data, size_t len, const http_limits *limits)
{
    str line;
    http_step step = STEP_MORE;
    while (step == STEP_MORE) {
        switch (p->state) {
        case CHUNK_SIZE:
            if (!take_line(p, data, len, HTTP_CHUNK_LINE_MAX, 400, "The line of a chunk's size is too long", &line))
                return p->state == BAD ? STEP_BAD : STEP_MORE;
            step = parse_chunk_size(p, line, limits);
            break;
        case CHUNK_DATA:
            if (p->at == len) return STEP_MORE;
            take_chunk_data(p, data, len);
            break;
        case CHUNK_END:
            if (!take_line(p, data, len, 2, 400, "A chunk is not as long as it said", &line))
                return p->state == BAD ? STEP_BAD : STEP_MORE;
            p->state = CHUNK_SIZE;
            break;
        default: // TRAILERS
            if (!take_line(p, data, len, HTTP_CHUNK_EXTRA_MAX, 431, "The trailers are too large", &line))
                return p->state == BAD ? STEP_BAD : STEP_MORE;
            step = parse_trailer(p, line);
        }
    }
    return step;
}

http_step http_parse(http_parser *p, char *data, size_t len, const http_limits *limits)
{
    if (p->state == START || p->state == REQUEST_LINE || p->state == FIELD_LINES) {
        int before = p->state;
        http_step step = parse_head(p, data, len, limits);
        // After the forgiven empty line the request line may be there already.
        if (step == STEP_MORE && before == START && p->state == REQUEST_LINE) step = parse_head(p, data, len, limits);
        return step;
    }
    switch (p->state) {
    case BAD: return STEP_BAD;
    case DONE: return STEP_DONE;
    case BODY_LENGTH:
        if (p->content_length > limits->body_max) return refuse(p, 413, large_body);
        if (len - p->body_at < p->content_length) {
            p->at = len;
            return STEP_MORE;
        }
        p->body_len = p->content_length;
        p->total = p->at = p->body_at + p->body_len;
        p->state = DONE;
        return STEP_DONE;
    default: return parse_chunks(p, data, len, limits);
    }
}

http_step http_parse_piece(http_parser *p, char *data, size_t len, uint64_t len_max, size_t *used, size_t *n)
{
    *used = *n = 0;
    if (p->state == BAD) return STEP_BAD;
    if (p->state == DONE) return STEP_DONE;
    if (p->state == BODY_LENGTH) {
        if (p->content_length > len_max) return refuse(p, 413, large_body);
        uint64_t left = p->content_length - p->taken;
        *used = *n = len < left ? len : (size_t)left;
        p->taken += *n;
        if (p->taken == p->content_length) p->state = DONE;
        return p->state == DONE ? STEP_DONE : STEP_MORE;
    }
    uint64_t left = len_max - p->taken;
    const http_limits limits = {.body_max = left < SIZE_MAX ? (size_t)left : SIZE_MAX};
    p->at = p->body_at = p->body_len = 0;
    http_step step = parse_chunks(p, data, len, &limits);
    *used = p->at;
    *n = p->body_len;
    p->taken += *n;
    return step;
}

bool http_parse_timeout(str value, uint64_t *ns)
{
    enum { SECONDS_MAX = 86400, DECIMALS_MAX = 3 };
    uint64_t ms = 0;
    size_t i = 0, decimals = 0;
    for (; i < value.len && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
        ms = 10 * ms + (uint64_t)(value.data[i] - '0');
        if (ms > SECONDS_MAX) return false;
    }
    if (i == 0) return false;
    if (i < value.len && value.data[i] == '.') {
        for (i++; i < value.len && value.data[i] >= '0' && value.data[i] <= '9'; i++, decimals++)
            ms = 10 * ms + (uint64_t)(value.data[i] - '0');
        if (decimals == 0 || decimals > DECIMALS_MAX) return false;
    }
    for (; decimals < DECIMALS_MAX; decimals++) ms *= 10;
    if (i < value.len || ms == 0 || ms > SECONDS_MAX * UINT64_C(1000)) return false;
    *ns = ms * 1000000;
    return true;
}

const char *http_method_name(http_method method)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].method == method) return methods[i].name;
    return "_OTHER";
}

const char *http_reason(int status)
{
    switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
    }
}

int64_t http_decode_segment(str in, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.data[i];
        if (c == '%') {
            if (i + 2 >= in.len) return -1;
            int high = hex_digit(in.data[i + 1]), low = hex_digit(in.data[i + 2]);
            if (high < 0 || low < 0) return -1;
            c = (char)(16 * high + low);
            i += 2;
        }
        if ((unsigned char)c < 0x20 || c == 0x7F) return -1;
        out[n++] = c;
    }
    for (str rest = {out, n}; rest.len > 0;) {
        size_t len = utf8_char_len(rest);
        if (len == 0) return -1;
        rest = (str){rest.data + len, rest.len - len};
    }
    return (int64_t)n;
}

// What the parameters of a media range say of its weight, in thousandths.
static int weight_of(str parameters)
{
    while (parameters.len > 0) {
        const char *mark = memchr(parameters.data, ';', parameters.len);
        size_t len = mark ? (size_t)(mark - parameters.data) : parameters.len;
        str one = trim((str){parameters.data, len});
        if (one.len >= 3 && lower(one.data[0]) == 'q' && one.data[1] == '=') {
            int weight = one.data[2] == '1' ? 1000 : 0, unit = 100;
            for (size_t i = 3; i < one.len && unit > 0 && weight < 1000; i++)
                if (one.data[i] >= '0' && one.data[i] <= '9') weight += unit * (one.data[i] - '0'), unit /= 10;
            return weight;
        }
        size_t past = mark ? len + 1 : len;
        parameters = (str){parameters.data + past, parameters.len - past};
    }
    return 1000;
}

int http_weight(str accept, const char *type, bool *named)
{
    if (named) *named = false;
    if (trim(accept).len == 0) return 1000;
    size_t major = strcspn(type, "/"), whole = strcspn(type, ";");
    int best = -1; // the closest range decides: 0 */*, 1 type/*, 2 type/subtype
    int weight = 0;
    for (str range; next_of_list(&accept, &range);) {
        const char *mark = range.len > 0 ? memchr(range.data, ';', range.len) : NULL;
        size_t len = mark ? (size_t)(mark - range.data) : range.len;
        str name = trim((str){range.data, len});
        str parameters = {range.data + len, range.len - len};
        int match = -1;
        if (equal_fold(name, "*/*"))
            match = 0;
        else if (name.len == major + 2 && memcmp(name.data + major, "/*", 2) == 0 &&
                 equal_prefix_fold((str){name.data, major}, type))
            match = 1;
        else if (name.len == whole && equal_prefix_fold(name, type))
            match = 2;
        if (match < 0 || match < best) continue;
        int mine = weight_of(parameters);
        weight = match > best || mine > weight ? mine : weight;
        best = match;
    }
    if (named) *named = best == 2;
    return weight;
}

bool http_accepts(str accept, const char *type)
{
    return http_weight(accept, type, NULL) > 0;
}

bool http_type_is(str content_type, const char *type)
{
    const char *mark = content_type.len > 0 ? memchr(content_type.data, ';', content_type.len) : NULL;
    size_t len = mark ? (size_t)(mark - content_type.data) : content_type.len;
    if (!equal_fold(trim((str){content_type.data, len}), type)) return false;
    str rest = {content_type.data + len, content_type.len - len};
    while (rest.len > 0) {
        rest = (str){rest.data + 1, rest.len - 1}; // the semicolon
        mark = rest.len > 0 ? memchr(rest.data, ';', rest.len) : NULL;
        len = mark ? (size_t)(mark - rest.data) : rest.len;
        str one = trim((str){rest.data, len});
        if (one.len >= 8 && equal_fold((str){one.data, 8}, "charset=")) {
            str charset = {one.data + 8, one.len - 8};
            if (charset.len >= 2 && charset.data[0] == '"' && charset.data[charset.len - 1] == '"')
                charset = (str){charset.data + 1, charset.len - 2};
            if (!equal_fold(charset, "utf-8") && !equal_fold(charset, "us-ascii")) return false;
        }
        rest = (str){rest.data + len, rest.len - len};
    }
    return true;
}
