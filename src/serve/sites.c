// Names compared without regard to case, origins as they are: browsers send them in lower case.
// SPDX-License-Identifier: Apache-2.0
#include "serve/sites.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "serve/http.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool equal_names(str a, str b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i])) return false;
    return true;
}

static bool is_numbers(str name) // an IPv4 address; what is none resolves to nothing
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] != '.' && (name.data[i] < '0' || name.data[i] > '9')) return false;
    return name.len > 0;
}

static bool is_loopback_name(str name)
{
    if (equal_names(name, STR("localhost")) || str_equal(name, STR("[::1]"))) return true;
    return is_numbers(name) && name.len > 4 && memcmp(name.data, "127.", 4) == 0;
}

bool sites_have_host(const sites *s, str host)
{
    str name = http_host_name(host);
    if (s->any_host || is_loopback_name(name)) return true;
    if (!s->loopback && (is_numbers(name) || (name.len > 0 && name.data[0] == '['))) return true;
    for (size_t i = 0; i < s->n_hosts; i++)
        if (equal_names(name, str_of(s->hosts[i]))) return true;
    return false;
}

bool sites_same_origin(str origin, str host)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(schemes[i]);
        if (origin.len > len && memcmp(origin.data, schemes[i], len) == 0)
            return equal_names((str){origin.data + len, origin.len - len}, host);
    }
    return false;
}

const char *sites_find_origin(const sites *s, str origin)
{
    for (size_t i = 0; i < s->n_origins; i++)
        if (str_equal(origin, str_of(s->origins[i].name))) return s->origins[i].header;
    return NULL;
}

// ---- filling

static int no_memory(err *e)
{
    return err_set(e, ERR_MEMORY, "no memory for the names of the server");
}

static int add_host(sites *s, str name, err *e)
{
    if (str_equal(name, STR("*"))) {
        s->any_host = true;
        return 0;
    }
    if (name.len > SITE_BYTES_MAX || !str_equal(http_host_name(name), name) ||
        (memchr(name.data, '/', name.len) || memchr(name.data, '@', name.len)))
        return err_set(e, ERR_INPUT, "\"" STR_FORMAT "\" is not the name of a host, without scheme and port",
                       STR_ARGS(name));
    if (s->n_hosts == SITES_MAX) return err_set(e, ERR_INPUT, "more than %d allowed hosts", SITES_MAX);
    if (!(s->hosts[s->n_hosts] = mem_strndup(name.data, name.len))) return no_memory(e);
    s->n_hosts++;
    return 0;
}

static bool is_origin(str text)
{
    size_t at = text.len > 8 && memcmp(text.data, "https://", 8) == 0  ? 8
                : text.len > 7 && memcmp(text.data, "http://", 7) == 0 ? 7
                                                                       : 0;
    if (at == 0 || text.len > SITE_BYTES_MAX) return false;
    for (size_t i = at; i < text.len; i++) {
        char c = text.data[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr("-._:[]", c);
        if (!fits) return false;
    }
    return http_host_name((str){text.data + at, text.len - at}).len > 0;
}

static int add_origin(sites *s, str text, err *e)
{
    static const char format[] = "Access-Control-Allow-Origin: %s\r\nVary: Origin\r\n"
                                 "Access-Control-Expose-Headers: ETag, Location, Retry-After\r\n";
    if (!is_origin(text))
        return err_set(e, ERR_INPUT, "\"" STR_FORMAT "\" is not an origin like https://app.example.org",
                       STR_ARGS(text));
    if (s->n_origins == SITES_MAX) return err_set(e, ERR_INPUT, "more than %d origins", SITES_MAX);
    site_origin *o = &s->origins[s->n_origins++];
    size_t size = sizeof format + text.len;
    o->name = mem_strndup(text.data, text.len);
    o->header = mem_alloc(size, 1);
    if (!o->name || !o->header) return no_memory(e);
    snprintf(o->header, size, format, o->name);
    return 0;
}

static int add_list(sites *s, const char *list, int (*add)(sites *, str, err *), err *e)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        if (len > 0) TRY(add(s, (str){list, len}, e));
        list += len + (list[len] == ',');
    }
    return 0;
}

// The address that it is bound to, as a client writes it.
static int add_own(sites *s, const char *host, err *e)
{
    char text[SITE_BYTES_MAX + 4];
    int len = snprintf(text, sizeof text, strchr(host, ':') ? "[%s]" : "%s", host);
    if (len < 0 || len > SITE_BYTES_MAX) return err_set(e, ERR_INPUT, "the address \"%.80s\" is too long", host);
    return add_host(s, (str){text, (size_t)len}, e);
}

int sites_init(sites *s, const char *host, bool loopback, const char *hosts, const char *origins, err *e)
{
    *s = (sites){.loopback = loopback};
    int rc = add_own(s, host, e);
    if (rc == 0) rc = add_list(s, hosts, add_host, e);
    if (rc == 0) rc = add_list(s, origins, add_origin, e);
    if (rc < 0) sites_clear(s);
    return rc;
}

void sites_clear(sites *s)
{
    for (size_t i = 0; i < s->n_hosts; i++) mem_free(s->hosts[i]);
    for (size_t i = 0; i < s->n_origins; i++) {
        mem_free(s->origins[i].name);
        mem_free(s->origins[i].header);
    }
    *s = (sites){0};
}
