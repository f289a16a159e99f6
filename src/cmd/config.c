// slipway config: every setting, its value, and where that came from.
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/print.h"
#include "cmd/settings.h"

static error_t parse(int key, char *value, struct argp_state *state)
{
    if (key != ARGP_KEY_ARG) return ARGP_ERR_UNKNOWN;
    arguments_fail(state, "one word too many: \"%s\"", value);
    return 0;
}

static const struct argp_child children[] = {{&arguments_serve, 0, 0, 0}, {&arguments_general, 0, 0, 0}, {0}};

static const struct argp argp = {
    .parser = parse,
    .doc =
        "Prints every setting with its value and its source. An option wins over a SLIPWAY_* variable, that over the "
        "file of --config, that over the default. The file is one JSON object with the settings' names."
        "\vExample:\n"
        "  SLIPWAY_PORT=9000 slipway config\n"
        "  echo '{\"port\": 9000, \"log\": \"json\"}' > slipway.json && slipway config --config slipway.json\n",
    .children = children,
};

static int run(int argc, char **argv)
{
    int status = arguments_parse(&argp, argc, argv, NULL);
    if (status) return status;
    if (arguments_json()) {
        json_t *j = json_object();
        for (int s = 0; s < SETTINGS_N; s++)
            json_object_set_new(j, setting_name(s),
                                json_pack("{s:s, s:s, s:s}", "value", settings_text(s), "source",
                                          setting_source_name(settings_source(s)), "variable", setting_variable(s)));
        return print_json("config", j);
    }
    enum { COLUMNS = 5 };
    const char *cells[(SETTINGS_N + 1) * COLUMNS] = {"SETTING", "VALUE", "SOURCE", "VARIABLE", "WHAT IT IS"};
    for (int s = 0; s < SETTINGS_N; s++) {
        const char **row = cells + (s + 1) * COLUMNS;
        row[0] = setting_name(s);
        row[1] = settings_text(s);
        row[2] = setting_source_name(settings_source(s));
        row[3] = setting_variable(s);
        row[4] = setting_about(s);
    }
    print_table(stdout, cells, SETTINGS_N + 1, COLUMNS);
    return 0;
}

const command command_config = {"config", "print the settings and where they come from", &argp, run};
