// Principals and what they see.
// SPDX-License-Identifier: Apache-2.0
#include "serve/access.h"

#include <string.h>

const principal local_principal = {
    .id = "local",
    .tenant = "",
    .may = MAY_PREDICT | MAY_READ | MAY_TRAIN | MAY_DEPLOY | MAY_MONITOR | MAY_ADMIN,
};

const char *principal_name_of(const char *model)
{
    const char *slash = strchr(model, '/');
    return slash ? slash + 1 : model;
}

bool principal_sees(const principal *p, const char *model)
{
    const char *name = principal_name_of(model);
    size_t len = name > model ? (size_t)(name - model) - 1 : 0;
    if (strlen(p->tenant) != len || memcmp(p->tenant, model, len) != 0) return false;
    if (p->n_models == 0) return true;
    for (size_t i = 0; i < p->n_models; i++)
        if (strcmp(p->models[i], name) == 0) return true;
    return false;
}
