// One route: what a version is asked now, against what it was trained on.
// SPDX-License-Identifier: Apache-2.0
#include "serve/rest_drift.h"

#include "base/clock.h"
#include "serve/drift_report.h"
#include "serve/models.h"
#include "serve/rest.h"
#include "serve/rest_tools.h"
#include "serve/serving.h"

static int get_drift(serving *s, const request *q, response *r, err *e)
{
    const served *v;
    json_t *j;
    TRY(models_pick(s, q, q->parameters[0], q->parameters[1], &v, r, e));
    TRY(drift_to_json(v, clock_coarse_ms(), &j, e));
    return rest_send(r, j, e);
}

static const route routes[] = {
    {HTTP_GET, "/api/v1/models/{}/versions/{}/drift", "getDrift",
     "How far inputs and scores of a loaded version are from those of its training", NULL, JSON_TYPE, get_drift,
     MAY_READ | MAY_MONITOR, ROUTE_BLOCKS},
};

static const route_api api[] = {
    {.route = "getDrift",
     .answers = API_ANSWER("200", "Its drift, or a note that it has no baseline", API_JSON(API_REF("drift")))},
};

#define SHARE "{'type':['number','null'],'minimum':0,'maximum':1}"
#define INDEX "{'type':['number','null'],'minimum':0}"
#define VERDICT "{'enum':['stable','moderate','drifted',null],'description':'null: too few rows'}"
#define MEASURE                                                                                                 \
    "'psi':" INDEX ",'psi_by_chance':" INDEX ",'verdict':" VERDICT ",'missing':{'type':'object','properties':{" \
    "'baseline':" SHARE ",'live':" SHARE                                                                        \
    "}},'bins':{'type':'array','items':{'$ref':'#/components/schemas/drift_bin'}}"

static const char schemas[] =
    "'drift_bin':{'type':'object','required':['baseline','live'],'properties':{"
    "'to':{'type':['number','string','null'],'description':'Upper end, itself included; null: the last one'},"
    "'value':{'type':['string','null'],'description':'A category or class; null: all others'},"
    "'baseline':" SHARE ",'live':" SHARE "}},"
    "'drift_answers':{'type':'object','properties':{" MEASURE "}},"
    "'drift':{'type':'object','required':['model','version','baseline'],'properties':{'model':{'type':'string'},"
    "'version':{'type':'integer','minimum':1},'baseline':{'type':['object','null'],'properties':{"
    "'rows':{'type':'integer'},'score_rows':{'type':'integer'}}},"
    "'note':{'type':'string','description':'Why there is no baseline'},'rows':{'type':'integer','minimum':0},"
    "'rows_min':{'type':'integer'},'window_s':{'type':'integer'},'from':{'type':'string'},"
    "'worst':{'type':['string','null']},'verdict':" VERDICT ",'columns':{'type':'array','items':{'type':'object',"
    "'required':['name','type'],'properties':{'name':{'type':'string'},'type':{'type':'string'},'unknown':" SHARE
    "," MEASURE "}}},"
    "'scores':{'$ref':'#/components/schemas/drift_answers'},'classes':{'$ref':'#/components/schemas/drift_answers'}}}";

const protocol_row rest_drift_protocol = {
    .name = "rest",
    .routes = routes,
    .n_routes = sizeof routes / sizeof *routes,
    .fail = rest_fail,
    .about = "The native protocol",
    .api = api,
    .n_api = sizeof api / sizeof *api,
    .schemas = schemas,
};
