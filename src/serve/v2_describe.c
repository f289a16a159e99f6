// What a model takes and answers, as the protocol's metadata, and as the configuration that NVIDIA's clients ask for.
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>

#include "base/json.h"
#include "serve/access.h"
#include "serve/v2_encode.h"
#include "serve/v2_impl.h"

// One input or output.
typedef struct tensor_about {
    const char *name;
    v2_datatype type;
    size_t columns;
} tensor_about;

static size_t outputs_of(const served *v, tensor_about out[V2_OUTPUTS_MAX])
{
    const schema_target *t = &model_schema(v->model)->target;
    if (t->task != TASK_CLASSIFICATION) {
        out[0] = (tensor_about){v2_output_name(V2_VALUE), V2_FP32, 1};
        return 1;
    }
    out[0] = (tensor_about){v2_output_name(V2_LABEL), v2_label_datatype(v->encoder), 1};
    out[1] = (tensor_about){v2_output_name(V2_PROBABILITIES), V2_FP32, t->n_classes};
    return 2;
}

// The input that starts at *at, which moves on.
static tensor_about input_at(const schema *s, size_t *at)
{
    const schema_input *in = &s->inputs[*at];
    size_t n = v2_tensor_columns(s, *at);
    *at += n;
    return (tensor_about){n > 1 ? in->tensor : in->name, v2_datatype_of(in->type), n};
}

static void put_tensor(const tensor_about *t, buf *out)
{
    buf_add_text(out, "{\"name\":");
    json_quote(out, str_of(t->name));
    buf_format(out, ",\"datatype\":\"%s\",\"shape\":[-1,%zu]", v2_datatype_name(t->type), t->columns);
}

// The names of the classes: parameters are texts, numbers or booleans, so the list is a text that holds JSON.
static void put_classes(const schema_target *t, buf *out)
{
    buf names;
    buf_init(&names, out->ceiling);
    for (size_t i = 0; i < t->n_classes; i++) {
        buf_add_char(&names, i > 0 ? ',' : '[');
        json_quote(&names, str_of(t->classes[i]));
    }
    buf_add_char(&names, ']');
    buf_add_text(out, ",\"parameters\":{\"classes\":");
    json_quote(out, buf_str(&names));
    buf_add_char(out, '}');
    if (names.failed && !out->failed) out->failed = names.failed;
    buf_clear(&names);
}

void v2_write_metadata(const snapshot_model *m, const served *v, buf *out)
{
    const schema *s = model_schema(v->model);
    tensor_about outputs[V2_OUTPUTS_MAX];
    size_t n = outputs_of(v, outputs);
    buf_add_text(out, "{\"name\":");
    json_quote(out, str_of(principal_name_of(v->name)));
    buf_add_text(out, ",\"versions\":[");
    size_t n_loaded = 0;
    for (size_t i = 0; i < m->n_versions; i++)
        if (m->versions[i].served)
            buf_format(out, n_loaded++ ? ",\"%" PRId64 "\"" : "\"%" PRId64 "\"", m->versions[i].version);
    buf_add_text(out, "],\"platform\":\"slipway_onnx\",\"inputs\":[");
    for (size_t at = 0; at < s->n_inputs;) {
        if (at > 0) buf_add_char(out, ',');
        tensor_about t = input_at(s, &at);
        put_tensor(&t, out);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "],\"outputs\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0) buf_add_char(out, ',');
        put_tensor(&outputs[i], out);
        if (n > 1 && i == 1) put_classes(&s->target, out);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]}\n");
}

static void put_config_tensor(const tensor_about *t, buf *out)
{
    buf_add_text(out, "{\"name\":");
    json_quote(out, str_of(t->name));
    buf_format(out, ",\"data_type\":\"TYPE_%s\",\"dims\":[%zu]}",
               t->type == V2_BYTES ? "STRING" : v2_datatype_name(t->type), t->columns);
}

void v2_write_config(const served *v, size_t rows_max, buf *out)
{
    const schema *s = model_schema(v->model);
    tensor_about outputs[V2_OUTPUTS_MAX];
    size_t n = outputs_of(v, outputs);
    buf_add_text(out, "{\"name\":");
    json_quote(out, str_of(principal_name_of(v->name)));
    buf_format(out,
               ",\"platform\":\"slipway_onnx\",\"backend\":\"slipway\",\"version_policy\":{\"specific\":{\"versions\":"
               "[%" PRId64 "]}},\"max_batch_size\":%zu,\"input\":[",
               v->version, rows_max);
    for (size_t at = 0; at < s->n_inputs;) {
        if (at > 0) buf_add_char(out, ',');
        tensor_about t = input_at(s, &at);
        put_config_tensor(&t, out);
    }
    buf_add_text(out, "],\"output\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0) buf_add_char(out, ',');
        put_config_tensor(&outputs[i], out);
    }
    buf_add_text(out, "]}\n");
}
