// slipway serve: the registry's deployed models over HTTP.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/serving.h"
#include "cmd/settings.h"
#include "serve/example.h"

static error_t parse(int key, char *value, struct argp_state *state)
{
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    arguments_fail(state, "one word too many: \"%s\"", value);
    return 0;
}

static const struct argp_child children[] = {{&arguments_serve, 0, 0, 0}, {&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .doc = "Serves every model whose alias \"production\" points at a version. Deployments and rollbacks are picked up "
           "while it runs. SIGINT or SIGTERM stops it after the requests under way are answered."
           "\vExample:\n"
           "  slipway serve\n"
           "  slipway serve --host 0.0.0.0 --port 9000 --log json\n\n"
           "GET / lists the models, /openapi.json describes them, /metrics is for Prometheus, /health/ready for a "
           "balancer.\n",
    .children = children,
};

static void say_ready(void *context, uint16_t port)
{
    (void)context;
    if (arguments_json()) {
        printf("{\"host\":\"%s\",\"port\":%u", settings_text(SETTING_HOST), port);
        if (serving_admin_port()) printf(",\"admin_port\":%u", serving_admin_port());
        printf("}\n");
    } else if (!arguments_quiet()) {
        char address[URL_TEXT_SIZE];
        printf("serving %s on %s (Ctrl-C stops)\n", settings_text(SETTING_DATA_DIR),
               example_url(settings_text(SETTING_TLS_CERT)[0] != '\0', settings_text(SETTING_HOST), port, address));
    }
    fflush(stdout);
}

static int run(int argc, char **argv)
{
    int status = arguments_parse(&argp, argc, argv, NULL);
    if (status) return status;
    err e = ERR_NONE;
    server_options o = serving_options();
    const char *fault = server_options_fault(&o);
    int rc = fault ? err_set(&e, ERR_USAGE, "%s", fault) : serving_run(&o, say_ready, NULL, &e);
    return rc < 0 ? print_failure("serve", &e) : 0;
}

const command command_serve = {"serve", "serve the deployed models over HTTP", &argp, run};
