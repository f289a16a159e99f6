// Bytes that the build put into the program, and headers that let a browser do nothing else with them.
// SPDX-License-Identifier: Apache-2.0
#include "serve/docs_page.h"

#include "serve/rest.h"

// By cmake/embed.cmake.
extern const unsigned char docs_html[], docs_css[], docs_js[];
extern const size_t docs_html_size, docs_css_size, docs_js_size;

static const char headers[] =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-cache\r\n";

static int page(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)q, (void)e;
    r->extra = headers;
    buf_add(r->body, docs_html, docs_html_size);
    return 0;
}

static int style(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)q, (void)e;
    r->extra = headers;
    buf_add(r->body, docs_css, docs_css_size);
    return 0;
}

static int script(serving *s, const request *q, response *r, err *e)
{
    (void)s, (void)q, (void)e;
    r->extra = headers;
    buf_add(r->body, docs_js, docs_js_size);
    return 0;
}

// Only health is for anyone: where keys are asked for, a browser gets these through a proxy that adds one, or on the
// machine itself.
static const route routes[] = {
    {HTTP_GET, "/docs", "docs", "This description, for people", NULL, "text/html; charset=utf-8", page,
     MAY_PREDICT | MAY_READ, ROUTE_PACKS},
    {HTTP_GET, "/docs/style.css", "docsStyle", "Its style", NULL, "text/css; charset=utf-8", style,
     MAY_PREDICT | MAY_READ, ROUTE_PACKS},
    {HTTP_GET, "/docs/script.js", "docsScript", "Its script", NULL, "text/javascript; charset=utf-8", script,
     MAY_PREDICT | MAY_READ, ROUTE_PACKS},
};

const protocol_row docs_protocol = {
    .name = "docs",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .about = "Pages for people",
};
