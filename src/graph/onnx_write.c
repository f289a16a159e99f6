// Writes ONNX files: fields in the order of their numbers, shortest varints, packed lists, so equal graphs give equal
// bytes.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "graph/onnx.h"
#include "graph/onnx_impl.h"

enum { VARINT_LEN_MAX = 10 };

static size_t varint_encode(uint64_t value, unsigned char out[VARINT_LEN_MAX])
{
    size_t n = 0;
    while (value >= 0x80) {
        out[n++] = (unsigned char)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (unsigned char)value;
    return n;
}

static void add_varint(buf *b, uint64_t value)
{
    unsigned char bytes[VARINT_LEN_MAX];
    buf_add(b, bytes, varint_encode(value, bytes));
}

static void add_tag(buf *b, unsigned field, enum wire wire)
{
    add_varint(b, (uint64_t)field << 3 | wire);
}

static void add_int(buf *b, unsigned field, int64_t value)
{
    add_tag(b, field, WIRE_VARINT);
    add_varint(b, (uint64_t)value);
}

static void add_bytes(buf *b, unsigned field, const void *data, size_t len)
{
    add_tag(b, field, WIRE_BYTES);
    add_varint(b, len);
    buf_add(b, data, len);
}

static void add_text(buf *b, unsigned field, const char *text)
{
    add_bytes(b, field, text, strlen(text));
}

// A message inside: what is written until the end is its content. Its length goes in front afterwards, by moving the
// content a few bytes; messages are at most five deep, so no byte moves more than five times.
static size_t message_begin(buf *b, unsigned field)
{
    add_tag(b, field, WIRE_BYTES);
    return b->len;
}

static void message_end(buf *b, size_t start)
{
    if (b->failed) return;
    size_t len = b->len - start;
    unsigned char bytes[VARINT_LEN_MAX];
    size_t n = varint_encode(len, bytes);
    if (!buf_reserve(b, n)) return;
    memmove(b->data + start + n, b->data + start, len);
    memcpy(b->data + start, bytes, n);
    b->len += n;
}

static void add_tensor(buf *b, unsigned field, const char *name, const tensor *t)
{
    size_t start = message_begin(b, field);
    size_t count = (size_t)shape_count(&t->shape);
    if (t->shape.n_dims > 0) {
        size_t dims = message_begin(b, TENSOR_DIMS);
        for (int i = 0; i < t->shape.n_dims; i++) add_varint(b, (uint64_t)t->shape.dims[i]);
        message_end(b, dims);
    }
    add_int(b, TENSOR_TYPE, t->type);
    if (t->type == DTYPE_STRING) {
        const str *strings = t->data;
        for (size_t i = 0; i < count; i++) add_bytes(b, TENSOR_STRINGS, strings[i].data, strings[i].len);
    }
    if (name) add_text(b, TENSOR_NAME, name);
    if (t->type != DTYPE_STRING) add_bytes(b, TENSOR_RAW, t->data, count * dtype_size(t->type));
    message_end(b, start);
}

static int add_attribute(buf *b, const attribute *a, err *e)
{
    size_t start = message_begin(b, NODE_ATTRIBUTE);
    add_text(b, ATTR_NAME, a->name);
    switch (a->kind) {
    case ATTRIBUTE_FLOAT:
        add_tag(b, ATTR_F, WIRE_32);
        buf_add(b, a->floats, sizeof *a->floats);
        break;
    case ATTRIBUTE_INT: add_int(b, ATTR_I, a->ints[0]); break;
    case ATTRIBUTE_STRING: add_bytes(b, ATTR_S, a->strings[0].data, a->strings[0].len); break;
    case ATTRIBUTE_TENSOR: add_tensor(b, ATTR_T, NULL, a->tensor); break;
    case ATTRIBUTE_FLOATS:
        if (a->n) add_bytes(b, ATTR_FLOATS, a->floats, a->n * sizeof *a->floats);
        break;
    case ATTRIBUTE_INTS:
        if (a->n) {
            size_t list = message_begin(b, ATTR_INTS);
            for (size_t i = 0; i < a->n; i++) add_varint(b, (uint64_t)a->ints[i]);
            message_end(b, list);
        }
        break;
    case ATTRIBUTE_STRINGS:
        for (size_t i = 0; i < a->n; i++) add_bytes(b, ATTR_STRINGS, a->strings[i].data, a->strings[i].len);
        break;
    default: return err_set(e, ERR_UNSUPPORTED, "attribute '%.100s' of a kind that is not written", a->name);
    }
    add_int(b, ATTR_TYPE, a->kind);
    message_end(b, start);
    return 0;
}

static const char *name_of(const graph *g, value_id id)
{
    return id == VALUE_NONE ? "" : g->values[id].name;
}

static int add_node(buf *b, const graph *g, const node *n, err *e)
{
    size_t start = message_begin(b, GRAPH_NODE);
    for (size_t i = 0; i < n->n_inputs; i++) add_text(b, NODE_INPUT, name_of(g, n->inputs[i]));
    for (size_t i = 0; i < n->n_outputs; i++) add_text(b, NODE_OUTPUT, name_of(g, n->outputs[i]));
    if (n->name[0]) add_text(b, NODE_NAME, n->name);
    add_text(b, NODE_OP, n->op);
    for (size_t i = 0; i < n->n_attributes; i++) TRY(add_attribute(b, &n->attributes[i], e));
    if (n->domain[0]) add_text(b, NODE_DOMAIN, n->domain);
    message_end(b, start);
    return 0;
}

static void add_value_info(buf *b, unsigned field, const graph_value *v)
{
    size_t start = message_begin(b, field);
    add_text(b, VALUE_NAME, v->name);
    size_t type = message_begin(b, VALUE_TYPE);
    size_t tensor_type = message_begin(b, TYPE_TENSOR);
    add_int(b, TENSOR_TYPE_ELEMENT, v->type.type);
    if (v->type.n_dims >= 0) {
        size_t dims = message_begin(b, TENSOR_TYPE_SHAPE);
        for (int i = 0; i < v->type.n_dims; i++) {
            size_t d = message_begin(b, SHAPE_DIM);
            if (v->type.dims[i].size >= 0) {
                add_int(b, DIM_VALUE, v->type.dims[i].size);
            } else if (v->type.dims[i].name) {
                add_text(b, DIM_PARAM, v->type.dims[i].name);
            }
            message_end(b, d);
        }
        message_end(b, dims);
    }
    message_end(b, tensor_type);
    message_end(b, type);
    message_end(b, start);
}

static int add_graph(buf *b, const graph *g, err *e)
{
    size_t start = message_begin(b, MODEL_GRAPH);
    for (size_t i = 0; i < g->n_nodes; i++) {
        int rc = add_node(b, g, &g->nodes[i], e);
        if (rc < 0) return err_prefix(e, rc, "node %zu (%.100s)", i, g->nodes[i].op);
    }
    add_text(b, GRAPH_NAME, g->name);
    for (size_t i = 0; i < g->n_values; i++) {
        const graph_value *v = &g->values[i];
        bool stored = v->kind == VALUE_CONSTANT || v->kind == VALUE_PARAMETER;
        if (stored) add_tensor(b, GRAPH_INITIALIZER, v->name, &v->data);
    }
    for (size_t i = 0; i < g->n_inputs; i++) add_value_info(b, GRAPH_INPUT, &g->values[g->inputs[i]]);
    for (size_t i = 0; i < g->n_outputs; i++) {
        const graph_value *v = &g->values[g->outputs[i]];
        if (v->type.type == DTYPE_NONE) return err_set(e, ERR_INPUT, "output '%.100s' has no element type", v->name);
        add_value_info(b, GRAPH_OUTPUT, v);
    }
    message_end(b, start);
    return 0;
}

int onnx_write(const graph *g, buf *out, err *e)
{
    add_int(out, MODEL_IR_VERSION, g->ir_version);
    add_text(out, MODEL_PRODUCER_NAME, "slipway");
    TRY(add_graph(out, g, e));
    for (size_t i = 0; i < g->n_opsets; i++) {
        size_t start = message_begin(out, MODEL_OPSET_IMPORT);
        if (g->opsets[i].domain[0]) add_text(out, OPSET_DOMAIN, g->opsets[i].domain);
        add_int(out, OPSET_VERSION, g->opsets[i].version);
        message_end(out, start);
    }
    for (size_t i = 0; i < g->n_metadata; i++) {
        size_t start = message_begin(out, MODEL_METADATA);
        add_text(out, ENTRY_KEY, g->metadata[i].key);
        add_bytes(out, ENTRY_VALUE, g->metadata[i].value.data, g->metadata[i].value.len);
        message_end(out, start);
    }
    return buf_check(out, e);
}
