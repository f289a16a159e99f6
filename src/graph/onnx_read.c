// Reads ONNX files, which are hostile until read: every length meets what is left, every list is counted before it is
// stored, and the graph's arena has a ceiling. Unknown fields are skipped, as protocol buffers have it.
// SPDX-License-Identifier: Apache-2.0
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "graph/graph_impl.h"
#include "graph/onnx.h"
#include "graph/onnx_impl.h"

enum {
    IR_VERSION_MAX = 14,
    OPSETS_MAX = 64,
    METADATA_MAX = 1024,
    ATTRIBUTES_MAX = 256, // of a node
    FIELD_NUMBER_MAX = (1 << 29) - 1,
};

typedef struct field {
    unsigned number;
    enum wire wire;
    int64_t at;     // byte where it starts, for errors
    uint64_t value; // WIRE_VARINT, and the bits of WIRE_32 and WIRE_64
    bytes in;       // WIRE_BYTES
} field;

typedef struct reader {
    graph *g;
    arena *memory; // the graph's
    const onnx_limits *limits;
} reader;

// Wire --------------------------------------------------------------------------------------------------------------

// The next field. 0 at the end, 1 if there was one.
static int next_field(bytes *b, field *f, err *e)
{
    if (bytes_left(b) == 0) return 0;
    f->at = bytes_at(b);
    uint64_t tag;
    TRY(bytes_varint(b, &tag, e));
    if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return err_set_at(e, ERR_FORMAT, f->at, "byte %lld: no field has the number %llu", (long long)f->at,
                          (unsigned long long)(tag >> 3));
    f->number = (unsigned)(tag >> 3);
    f->wire = (enum wire)(tag & 7);
    uint32_t bits;
    uint64_t len;
    switch (f->wire) {
    case WIRE_VARINT: TRY(bytes_varint(b, &f->value, e)); break;
    case WIRE_64: TRY(bytes_u64(b, &f->value, e)); break;
    case WIRE_32:
        TRY(bytes_u32(b, &bits, e));
        f->value = bits;
        break;
    case WIRE_BYTES:
        TRY(bytes_varint(b, &len, e));
        TRY(bytes_slice(b, len, &f->in, e));
        break;
    default:
        return err_set_at(e, ERR_FORMAT, f->at, "byte %lld: field %u has the unknown wire type %d", (long long)f->at,
                          f->number, (int)f->wire);
    }
    return 1;
}

static int expect(const field *f, enum wire wire, const char *name, err *e)
{
    if (f->wire == wire) return 0;
    return err_set_at(e, ERR_FORMAT, f->at, "byte %lld: %s has wire type %d, not %d", (long long)f->at, name,
                      (int)f->wire, (int)wire);
}

static str text_of(const field *f)
{
    return (str){(const char *)f->in.at, bytes_left(&f->in)};
}

static int read_text(const field *f, const char *name, str *out, err *e)
{
    TRY(expect(f, WIRE_BYTES, name, e));
    *out = text_of(f);
    if (out->len > NAME_LEN_MAX)
        return err_set_at(e, ERR_LIMIT, f->at, "byte %lld: %s has %zu bytes, at most %d", (long long)f->at, name,
                          out->len, (int)NAME_LEN_MAX);
    if (out->len && memchr(out->data, '\0', out->len))
        return err_set_at(e, ERR_FORMAT, f->at, "byte %lld: %s has a NUL inside", (long long)f->at, name);
    return 0;
}

static int read_int(const field *f, const char *name, int64_t *out, err *e)
{
    TRY(expect(f, WIRE_VARINT, name, e));
    *out = (int64_t)f->value;
    return 0;
}

// How many numbers a field of a repeated one holds: packed ones, or one alone.
static int count_numbers(const field *f, enum wire item, const char *name, size_t *n, err *e)
{
    if (f->wire == item) {
        ++*n;
        return 0;
    }
    TRY(expect(f, WIRE_BYTES, name, e));
    size_t len = bytes_left(&f->in), size = item == WIRE_32 ? 4 : 8;
    if (item == WIRE_VARINT) {
        for (const uint8_t *p = f->in.at; p < f->in.end; p++) *n += *p < 0x80;
        return 0;
    }
    if (len % size)
        return err_set_at(e, ERR_FORMAT, f->at, "byte %lld: %s has %zu bytes, which are no numbers of %zu bytes",
                          (long long)f->at, name, len, size);
    *n += len / size;
    return 0;
}

static int add_varints(const field *f, int64_t *to, size_t *n, err *e)
{
    if (f->wire == WIRE_VARINT) {
        to[(*n)++] = (int64_t)f->value;
        return 0;
    }
    uint64_t value;
    for (bytes in = f->in; bytes_left(&in);) {
        TRY(bytes_varint(&in, &value, e));
        to[(*n)++] = (int64_t)value;
    }
    return 0;
}

// Numbers of a fixed size, little endian as the machine is.
static void add_fixed(const field *f, void *to, size_t *n, size_t size)
{
    if (f->wire == WIRE_BYTES) {
        size_t len = bytes_left(&f->in);
        if (len) memcpy((char *)to + *n * size, f->in.at, len);
        *n += len / size;
        return;
    }
    memcpy((char *)to + *n * size, &f->value, size);
    ++*n;
}

static int no_memory(const reader *r, err *e)
{
    return err_set(e, ERR_MEMORY, "the graph needs more than %zu bytes", r->limits->memory_max);
}

static const char *copy_text(const reader *r, str text)
{
    return text.len == 0 ? "" : arena_strndup(r->memory, text.data, text.len);
}

static int copy_str(const reader *r, const field *f, str *out, err *e)
{
    str text = text_of(f);
    out->data = copy_text(r, text);
    out->len = text.len;
    return out->data ? 0 : no_memory(r, e);
}

static int value_of(reader *r, str name, err *e)
{
    int id = graph_name_value(r->g, name, e);
    if (id >= 0 && r->g->n_values > r->limits->values_max)
        return err_set(e, ERR_LIMIT, "more than %zu values", r->limits->values_max);
    return id;
}

// Tensors -----------------------------------------------------------------------------------------------------------

// What a TensorProto holds, before anything is stored.
typedef struct tensor_parts {
    str name;
    dtype type;
    shape shape;
    size_t count; // elements by the shape
    bool has_raw; // raw_data is there
    field raw;
    bytes all; // the message, to go through again
    int64_t at;
} tensor_parts;

static int add_dims(tensor_parts *p, const field *f, err *e)
{
    size_t n = 0;
    TRY(count_numbers(f, WIRE_VARINT, "tensor.dims", &n, e));
    if (n > (size_t)(TENSOR_DIMS_MAX - p->shape.n_dims))
        return err_set_at(e, ERR_LIMIT, f->at, "byte %lld: tensor.dims has more than %d dimensions", (long long)f->at,
                          (int)TENSOR_DIMS_MAX);
    size_t n_dims = (size_t)p->shape.n_dims;
    TRY(add_varints(f, p->shape.dims, &n_dims, e));
    p->shape.n_dims = (int)n_dims;
    return 0;
}

static int read_tensor_parts(tensor_parts *p, const field *message, err *e)
{
    *p = (tensor_parts){.all = message->in, .at = message->at};
    int64_t type = 0, location = 0;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        switch (f.number) {
        case TENSOR_DIMS: TRY(add_dims(p, &f, e)); break;
        case TENSOR_TYPE: TRY(read_int(&f, "tensor.data_type", &type, e)); break;
        case TENSOR_NAME: TRY(read_text(&f, "tensor.name", &p->name, e)); break;
        case TENSOR_RAW:
            TRY(expect(&f, WIRE_BYTES, "tensor.raw_data", e));
            p->raw = f;
            p->has_raw = true;
            break;
        case TENSOR_LOCATION: TRY(read_int(&f, "tensor.data_location", &location, e)); break;
        case TENSOR_EXTERNAL: location = 1; break;
        case TENSOR_SEGMENT:
            return err_set_at(e, ERR_UNSUPPORTED, f.at, "byte %lld: tensor.segment is not supported", (long long)f.at);
        default: break;
        }
    }
    TRY(rc);
    if (location != 0)
        return err_set_at(e, ERR_UNSUPPORTED, p->at,
                          "tensor '" STR_FORMAT "' has its data in another file, which is not supported",
                          STR_ARGS(p->name));
    if (type <= DTYPE_NONE || type >= DTYPES_N)
        return err_set_at(e, ERR_UNSUPPORTED, p->at, "byte %lld: tensor '" STR_FORMAT "' has the element type %lld",
                          (long long)p->at, STR_ARGS(p->name), (long long)type);
    p->type = (dtype)type;
    for (int i = 0; i < p->shape.n_dims; i++)
        if (p->shape.dims[i] < 0)
            return err_set_at(e, ERR_FORMAT, p->at, "byte %lld: tensor '" STR_FORMAT "' has a dimension of %lld",
                              (long long)p->at, STR_ARGS(p->name), (long long)p->shape.dims[i]);
    int64_t count = shape_count(&p->shape);
    // Every element takes a byte of the file at least, so larger counts are wrong before anything is stored.
    if (count < 0 || (uint64_t)count > bytes_left(&p->all))
        return err_set_at(e, ERR_FORMAT, p->at,
                          "byte %lld: tensor '" STR_FORMAT "' has a shape that its data cannot fill", (long long)p->at,
                          STR_ARGS(p->name));
    p->count = (size_t)count;
    return 0;
}

static int wrong_count(const tensor_parts *p, size_t have, const char *what, err *e)
{
    return err_set_at(e, ERR_FORMAT, p->at, "byte %lld: tensor '" STR_FORMAT "' has %zu %s for %zu elements of %s",
                      (long long)p->at, STR_ARGS(p->name), have, what, p->count, dtype_name(p->type));
}

// The field that holds elements of a type when raw_data does not, and how.
static const struct typed_field {
    unsigned number;
    enum wire wire;
    size_t size;  // bytes of a stored number; 0: converted from varints
    size_t parts; // numbers of an element
} typed_fields[DTYPES_N] = {
    [DTYPE_F32] = {TENSOR_FLOATS, WIRE_32, 4, 1},      [DTYPE_C64] = {TENSOR_FLOATS, WIRE_32, 4, 2},
    [DTYPE_F64] = {TENSOR_DOUBLES, WIRE_64, 8, 1},     [DTYPE_C128] = {TENSOR_DOUBLES, WIRE_64, 8, 2},
    [DTYPE_I64] = {TENSOR_INT64S, WIRE_VARINT, 0, 1},  [DTYPE_U64] = {TENSOR_UINT64S, WIRE_VARINT, 0, 1},
    [DTYPE_U32] = {TENSOR_UINT64S, WIRE_VARINT, 0, 1}, [DTYPE_I32] = {TENSOR_INT32S, WIRE_VARINT, 0, 1},
    [DTYPE_I16] = {TENSOR_INT32S, WIRE_VARINT, 0, 1},  [DTYPE_U16] = {TENSOR_INT32S, WIRE_VARINT, 0, 1},
    [DTYPE_I8] = {TENSOR_INT32S, WIRE_VARINT, 0, 1},   [DTYPE_U8] = {TENSOR_INT32S, WIRE_VARINT, 0, 1},
    [DTYPE_BOOL] = {TENSOR_INT32S, WIRE_VARINT, 0, 1}, [DTYPE_F16] = {TENSOR_INT32S, WIRE_VARINT, 0, 1},
    [DTYPE_BF16] = {TENSOR_INT32S, WIRE_VARINT, 0, 1},
};

static bool in_range(dtype t, int64_t v)
{
    switch (t) {
    case DTYPE_U32: return v >= 0 && v <= UINT32_MAX;
    case DTYPE_I32: return v >= INT32_MIN && v <= INT32_MAX;
    case DTYPE_I16: return v >= INT16_MIN && v <= INT16_MAX;
    case DTYPE_U16:
    case DTYPE_F16:
    case DTYPE_BF16: return v >= 0 && v <= UINT16_MAX;
    case DTYPE_I8: return v >= INT8_MIN && v <= INT8_MAX;
    case DTYPE_U8: return v >= 0 && v <= UINT8_MAX;
    case DTYPE_BOOL: return v == 0 || v == 1;
    default: return true;
    }
}

static int read_typed(const tensor_parts *p, void *data, err *e)
{
    const struct typed_field *how = &typed_fields[p->type];
    size_t n = 0, size = dtype_size(p->type), n_want = p->count * how->parts;
    field f;
    int rc;
    for (bytes b = p->all; (rc = next_field(&b, &f, e)) > 0;)
        if (f.number == how->number) TRY(count_numbers(&f, how->wire, "tensor data", &n, e));
    TRY(rc);
    if (n != n_want) return wrong_count(p, n, "numbers", e);
    n = 0;
    for (bytes b = p->all; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number != how->number) continue;
        if (how->size) {
            add_fixed(&f, data, &n, how->size);
            continue;
        }
        bytes in = f.in;
        while (f.wire == WIRE_VARINT || bytes_left(&in)) {
            uint64_t value = f.value;
            if (f.wire == WIRE_BYTES) TRY(bytes_varint(&in, &value, e));
            if (!in_range(p->type, (int64_t)value))
                return err_set_at(e, ERR_FORMAT, f.at, "byte %lld: tensor '" STR_FORMAT "' has %lld, which is no %s",
                                  (long long)f.at, STR_ARGS(p->name), (long long)value, dtype_name(p->type));
            memcpy((char *)data + n++ * size, &value, size); // the low bytes
            if (f.wire == WIRE_VARINT) break;
        }
    }
    return rc;
}

static int read_string_data(const reader *r, const tensor_parts *p, str *data, err *e)
{
    size_t n = 0;
    field f;
    int rc;
    for (bytes b = p->all; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number != TENSOR_STRINGS) continue;
        TRY(expect(&f, WIRE_BYTES, "tensor.string_data", e));
        if (n == p->count) return wrong_count(p, n + 1, "strings or more", e);
        TRY(copy_str(r, &f, &data[n++], e));
    }
    TRY(rc);
    return n == p->count ? 0 : wrong_count(p, n, "strings", e);
}

static int store_tensor(const reader *r, const tensor_parts *p, tensor *out, err *e)
{
    size_t size = dtype_size(p->type);
    if (p->has_raw && p->type == DTYPE_STRING) return wrong_count(p, bytes_left(&p->raw.in), "bytes of raw data", e);
    if (p->has_raw && (bytes_left(&p->raw.in) % size || bytes_left(&p->raw.in) / size != p->count))
        return wrong_count(p, bytes_left(&p->raw.in), "bytes of raw data", e);
    void *data = arena_alloc(r->memory, p->count, size);
    if (!data) return no_memory(r, e);
    if (p->type == DTYPE_STRING) {
        TRY(read_string_data(r, p, data, e));
    } else if (p->has_raw) {
        if (p->count) memcpy(data, p->raw.in.at, p->count * size);
    } else {
        TRY(read_typed(p, data, e));
    }
    if (p->type == DTYPE_BOOL) // other bytes than 0 and 1 would be undefined behaviour as soon as they are used
        for (size_t i = 0; i < p->count; i++) ((uint8_t *)data)[i] = ((uint8_t *)data)[i] != 0;
    *out = (tensor){.type = p->type, .shape = p->shape, .data = data};
    return 0;
}

static int read_initializer(reader *r, const field *message, err *e)
{
    TRY(expect(message, WIRE_BYTES, "graph.initializer", e));
    tensor_parts p;
    TRY(read_tensor_parts(&p, message, e));
    int id = value_of(r, p.name, e);
    if (id < 0) return err_prefix(e, id, "byte %lld: graph.initializer", (long long)message->at);
    graph_value *v = &r->g->values[id];
    if (v->kind == VALUE_CONSTANT)
        return err_set_at(e, ERR_FORMAT, message->at, "byte %lld: initializer '%.100s' is defined twice",
                          (long long)message->at, v->name);
    TRY(store_tensor(r, &p, &v->data, e));
    v->kind = VALUE_CONSTANT;
    v->type = (value_type){.type = p.type, .n_dims = p.shape.n_dims};
    for (int i = 0; i < p.shape.n_dims; i++) v->type.dims[i].size = p.shape.dims[i];
    return 0;
}

// Types -------------------------------------------------------------------------------------------------------------

static int read_dim(const reader *r, const field *message, dim *out, err *e)
{
    TRY(expect(message, WIRE_BYTES, "type.shape.dim", e));
    *out = (dim){.size = DIM_UNKNOWN};
    field f;
    int rc;
    str name;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number == DIM_VALUE) {
            TRY(read_int(&f, "type.shape.dim.dim_value", &out->size, e));
            // Some exporters write -1 where they mean a dimension that is not known.
            if (out->size < DIM_UNKNOWN)
                return err_set_at(e, ERR_FORMAT, f.at, "byte %lld: a dimension of %lld", (long long)f.at,
                                  (long long)out->size);
        } else if (f.number == DIM_PARAM) {
            TRY(read_text(&f, "type.shape.dim.dim_param", &name, e));
            if (name.len == 0) continue;
            out->name = name.len == 1 && name.data[0] == 'N' ? "N" : copy_text(r, name);
            if (!out->name) return no_memory(r, e);
        }
    }
    return rc;
}

static int read_shape(const reader *r, const field *message, value_type *out, err *e)
{
    TRY(expect(message, WIRE_BYTES, "type.shape", e));
    out->n_dims = 0;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number != SHAPE_DIM) continue;
        if (out->n_dims == TENSOR_DIMS_MAX)
            return err_set_at(e, ERR_LIMIT, f.at, "byte %lld: more than %d dimensions", (long long)f.at,
                              (int)TENSOR_DIMS_MAX);
        TRY(read_dim(r, &f, &out->dims[out->n_dims], e));
        out->n_dims++;
    }
    return rc;
}

static int read_tensor_type(const reader *r, const field *message, value_type *out, err *e)
{
    TRY(expect(message, WIRE_BYTES, "type.tensor_type", e));
    int64_t element = 0;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number == TENSOR_TYPE_ELEMENT) TRY(read_int(&f, "type.elem_type", &element, e));
        if (f.number == TENSOR_TYPE_SHAPE) TRY(read_shape(r, &f, out, e));
    }
    TRY(rc);
    if (element < DTYPE_NONE || element >= DTYPES_N)
        return err_set_at(e, ERR_UNSUPPORTED, message->at, "byte %lld: the element type %lld is not supported",
                          (long long)message->at, (long long)element);
    out->type = (dtype)element;
    return 0;
}

// A TypeProto. *not_tensor says what else it is.
static int read_type(const reader *r, const field *message, value_type *out, const char **not_tensor, err *e)
{
    TRY(expect(message, WIRE_BYTES, "value.type", e));
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        switch (f.number) {
        case TYPE_TENSOR: TRY(read_tensor_type(r, &f, out, e)); break;
        case TYPE_SEQUENCE: *not_tensor = "a sequence"; break;
        case TYPE_MAP: *not_tensor = "a map"; break;
        case TYPE_SPARSE: *not_tensor = "a sparse tensor"; break;
        case TYPE_OPTIONAL: *not_tensor = "optional"; break;
        default: break;
        }
    }
    return rc;
}

// Inputs, outputs and what is known of other values.
static int read_value(reader *r, const field *message, const char *what, err *e)
{
    TRY(expect(message, WIRE_BYTES, what, e));
    str name = {"", 0};
    value_type type = {.n_dims = -1};
    const char *not_tensor = NULL;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number == VALUE_NAME) TRY(read_text(&f, "value.name", &name, e));
        if (f.number == VALUE_TYPE) TRY(read_type(r, &f, &type, &not_tensor, e));
    }
    TRY(rc);
    if (not_tensor && message->number != GRAPH_VALUE_INFO)
        return err_set_at(e, ERR_UNSUPPORTED, message->at, "%s '" STR_FORMAT "' is %s; only tensors are supported%s",
                          what, STR_ARGS(name), not_tensor,
                          message->number == GRAPH_OUTPUT ? " (a ZipMap at the end can be left out when exporting)"
                                                          : "");
    int id = value_of(r, name, e);
    if (id < 0) return err_prefix(e, id, "byte %lld: %s", (long long)message->at, what);
    graph_value *v = &r->g->values[id];
    if (message->number == GRAPH_INPUT) {
        if (v->kind == VALUE_INPUT)
            return err_set_at(e, ERR_FORMAT, message->at, "byte %lld: input '%.100s' is defined twice",
                              (long long)message->at, v->name);
        if (v->kind == VALUE_CONSTANT) return 0; // old files list their weights among the inputs
        TRY(graph_take_input(r->g, id, e));
    }
    if (v->kind != VALUE_CONSTANT && (v->kind != VALUE_INPUT || message->number == GRAPH_INPUT)) {
        if (type.type != DTYPE_NONE || v->type.type == DTYPE_NONE) v->type = type;
    }
    return message->number == GRAPH_OUTPUT ? graph_add_output(r->g, id, e) : 0;
}

// Nodes -------------------------------------------------------------------------------------------------------------

typedef struct attribute_parts {
    str name;
    int64_t type;
    size_t n_floats, n_ints, n_strings, n_f, n_i, n_s, n_tensors;
    field tensor, f, i, s;
} attribute_parts;

static int read_attribute_parts(attribute_parts *p, const field *message, err *e)
{
    *p = (attribute_parts){.name = {"", 0}};
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        switch (f.number) {
        case ATTR_NAME: TRY(read_text(&f, "attribute.name", &p->name, e)); break;
        case ATTR_TYPE: TRY(read_int(&f, "attribute.type", &p->type, e)); break;
        case ATTR_F:
            TRY(expect(&f, WIRE_32, "attribute.f", e));
            p->f = f;
            p->n_f = 1;
            break;
        case ATTR_I:
            TRY(expect(&f, WIRE_VARINT, "attribute.i", e));
            p->i = f;
            p->n_i = 1;
            break;
        case ATTR_S:
            TRY(expect(&f, WIRE_BYTES, "attribute.s", e));
            p->s = f;
            p->n_s = 1;
            break;
        case ATTR_T:
            TRY(expect(&f, WIRE_BYTES, "attribute.t", e));
            p->tensor = f;
            p->n_tensors = 1;
            break;
        case ATTR_FLOATS: TRY(count_numbers(&f, WIRE_32, "attribute.floats", &p->n_floats, e)); break;
        case ATTR_INTS: TRY(count_numbers(&f, WIRE_VARINT, "attribute.ints", &p->n_ints, e)); break;
        case ATTR_STRINGS:
            TRY(expect(&f, WIRE_BYTES, "attribute.strings", e));
            p->n_strings++;
            break;
        case ATTR_REFERENCE:
            return err_set_at(e, ERR_UNSUPPORTED, f.at, "byte %lld: an attribute of a function", (long long)f.at);
        default: break;
        }
    }
    TRY(rc);
    if (p->type == 0) // files before IR version 2 do not say
        p->type = p->n_f         ? ATTRIBUTE_FLOAT
                  : p->n_i       ? ATTRIBUTE_INT
                  : p->n_s       ? ATTRIBUTE_STRING
                  : p->n_tensors ? ATTRIBUTE_TENSOR
                  : p->n_floats  ? ATTRIBUTE_FLOATS
                  : p->n_ints    ? ATTRIBUTE_INTS
                                 : ATTRIBUTE_STRINGS;
    return 0;
}

// Fills the list of a FLOATS, INTS or STRINGS attribute, whose room is there.
static int fill_list(const reader *r, const field *message, int64_t kind, void *items, err *e)
{
    size_t n = 0;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (kind == ATTRIBUTE_FLOATS && f.number == ATTR_FLOATS) add_fixed(&f, items, &n, sizeof(float));
        if (kind == ATTRIBUTE_INTS && f.number == ATTR_INTS) TRY(add_varints(&f, items, &n, e));
        if (kind == ATTRIBUTE_STRINGS && f.number == ATTR_STRINGS) TRY(copy_str(r, &f, &((str *)items)[n++], e));
    }
    return rc;
}

static int read_attribute(const reader *r, const field *message, attribute *out, err *e)
{
    TRY(expect(message, WIRE_BYTES, "node.attribute", e));
    attribute_parts p;
    TRY(read_attribute_parts(&p, message, e));
    attribute a = {.kind = (attribute_kind)p.type, .n = 1};
    size_t size = 0;
    switch (p.type) {
    case ATTRIBUTE_FLOAT: size = sizeof(float); break;
    case ATTRIBUTE_INT: size = sizeof(int64_t); break;
    case ATTRIBUTE_STRING: size = sizeof(str); break;
    case ATTRIBUTE_TENSOR: size = sizeof(tensor); break;
    case ATTRIBUTE_FLOATS:
        size = sizeof(float);
        a.n = p.n_floats;
        break;
    case ATTRIBUTE_INTS:
        size = sizeof(int64_t);
        a.n = p.n_ints;
        break;
    case ATTRIBUTE_STRINGS:
        size = sizeof(str);
        a.n = p.n_strings;
        break;
    default:
        return err_set_at(
            e, ERR_UNSUPPORTED, message->at, "byte %lld: attribute '" STR_FORMAT "' is a %s, which is not supported",
            (long long)message->at, STR_ARGS(p.name), p.type == ATTRIBUTE_GRAPH ? "graph" : "kind of its own");
    }
    void *items = arena_zalloc(r->memory, a.n, size);
    a.name = copy_text(r, p.name);
    if (!items || !a.name) return no_memory(r, e);
    a.floats = items; // the members of the union are pointers alike
    tensor_parts parts;
    switch (p.type) { // a field that is not there has its default: 0 or ""
    case ATTRIBUTE_FLOAT: memcpy(items, &p.f.value, sizeof(float)); break;
    case ATTRIBUTE_INT: memcpy(items, &p.i.value, sizeof(int64_t)); break;
    case ATTRIBUTE_STRING: TRY(copy_str(r, &p.s, items, e)); break;
    case ATTRIBUTE_TENSOR:
        if (!p.n_tensors)
            return err_set_at(e, ERR_FORMAT, message->at, "byte %lld: attribute '%.100s' has no tensor",
                              (long long)message->at, a.name);
        TRY(read_tensor_parts(&parts, &p.tensor, e));
        TRY(store_tensor(r, &parts, items, e));
        break;
    default: TRY(fill_list(r, message, p.type, items, e)); break;
    }
    *out = a;
    return 0;
}

typedef struct node_parts {
    str name, op, domain, overload;
    size_t n_inputs, n_outputs, n_attributes;
} node_parts;

static int read_node_parts(node_parts *p, const field *message, err *e)
{
    *p = (node_parts){.name = {"", 0}, .op = {"", 0}, .domain = {"", 0}};
    str ignored;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        switch (f.number) {
        case NODE_INPUT:
            TRY(read_text(&f, "node.input", &ignored, e));
            p->n_inputs++;
            break;
        case NODE_OUTPUT:
            TRY(read_text(&f, "node.output", &ignored, e));
            p->n_outputs++;
            break;
        case NODE_NAME: TRY(read_text(&f, "node.name", &p->name, e)); break;
        case NODE_OP: TRY(read_text(&f, "node.op_type", &p->op, e)); break;
        case NODE_DOMAIN: TRY(read_text(&f, "node.domain", &p->domain, e)); break;
        case NODE_OVERLOAD: TRY(read_text(&f, "node.overload", &p->overload, e)); break;
        case NODE_ATTRIBUTE: p->n_attributes++; break;
        default: break;
        }
    }
    TRY(rc);
    if (p->n_attributes > ATTRIBUTES_MAX)
        return err_set_at(e, ERR_LIMIT, message->at, "byte %lld: a node with %zu attributes, at most %d",
                          (long long)message->at, p->n_attributes, (int)ATTRIBUTES_MAX);
    return 0;
}

static str domain_of(str name)
{
    return str_equal(name, STR("ai.onnx")) ? STR("") : name;
}

static int fill_node(reader *r, const field *message, node *n, err *e)
{
    value_id *inputs = arena_alloc(r->memory, n->n_inputs, sizeof *inputs);
    value_id *outputs = arena_alloc(r->memory, n->n_outputs, sizeof *outputs);
    attribute *attributes = arena_alloc(r->memory, n->n_attributes, sizeof *attributes);
    if (!inputs || !outputs || !attributes) return no_memory(r, e);
    n->inputs = inputs;
    n->outputs = outputs;
    n->attributes = attributes;
    size_t n_attributes = 0;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number == NODE_ATTRIBUTE) TRY(read_attribute(r, &f, &attributes[n_attributes++], e));
        if (f.number != NODE_INPUT && f.number != NODE_OUTPUT) continue;
        value_id id = VALUE_NONE; // an empty name: an optional one that is not there
        if (bytes_left(&f.in)) {
            id = value_of(r, text_of(&f), e);
            if (id < 0) return id;
        }
        if (f.number == NODE_INPUT)
            *inputs++ = id;
        else
            *outputs++ = id;
    }
    return rc;
}

static int read_node(reader *r, const field *message, err *e)
{
    TRY(expect(message, WIRE_BYTES, "graph.node", e));
    if (r->g->n_nodes >= r->limits->nodes_max)
        return err_set_at(e, ERR_LIMIT, message->at, "more than %zu nodes", r->limits->nodes_max);
    node_parts p;
    TRY(read_node_parts(&p, message, e));
    node n = {.n_inputs = p.n_inputs, .n_outputs = p.n_outputs, .n_attributes = p.n_attributes};
    const node *last = r->g->n_nodes ? &r->g->nodes[r->g->n_nodes - 1] : NULL;
    n.name = copy_text(r, p.name);
    n.op = last && str_equal(str_of(last->op), p.op) ? last->op : copy_text(r, p.op);
    str domain = domain_of(p.domain);
    for (size_t i = 0; i < r->g->n_opsets; i++)
        if (str_equal(str_of(r->g->opsets[i].domain), domain)) n.domain = r->g->opsets[i].domain;
    if (!n.domain) n.domain = copy_text(r, domain); // graph_check() refuses it by name
    if (!n.name || !n.op || !n.domain) return no_memory(r, e);
    int rc = p.overload.len ? err_set(e, ERR_UNSUPPORTED, "it calls a function") : fill_node(r, message, &n, e);
    if (rc < 0) {
        char text[NODE_TEXT_SIZE];
        snprintf(text, sizeof text, "node %zu '%.60s' (%.40s)", r->g->n_nodes, n.name, n.op);
        return err_prefix(e, rc, "%s", text);
    }
    return graph_take_node(r->g, &n, e);
}

// Graph and model ---------------------------------------------------------------------------------------------------

// Goes through the fields of a message and gives those of one number to `take`.
static int each_field(reader *r, bytes b, unsigned number, int (*take)(reader *r, const field *f, err *e), err *e)
{
    field f;
    int rc;
    while ((rc = next_field(&b, &f, e)) > 0)
        if (f.number == number) TRY(take(r, &f, e));
    return rc;
}

static int read_graph_rest(reader *r, const field *f, err *e)
{
    str name;
    switch (f->number) {
    case GRAPH_NAME:
        TRY(read_text(f, "graph.name", &name, e));
        r->g->name = copy_text(r, name);
        return r->g->name ? 0 : no_memory(r, e);
    case GRAPH_INPUT: return read_value(r, f, "input", e);
    case GRAPH_SPARSE_INITIALIZER:
        return err_set_at(e, ERR_UNSUPPORTED, f->at, "byte %lld: sparse initializers are not supported",
                          (long long)f->at);
    default: return 0;
    }
}

static int read_output(reader *r, const field *f, err *e)
{
    return read_value(r, f, "output", e);
}

static int read_value_info(reader *r, const field *f, err *e)
{
    return read_value(r, f, "value", e);
}

// Constants first and nodes before the outputs, whatever the order in the file: so ids depend on the content alone.
static int read_graph(reader *r, const field *message, err *e)
{
    r->g->name = "";
    TRY(each_field(r, message->in, GRAPH_INITIALIZER, read_initializer, e));
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) TRY(read_graph_rest(r, &f, e));
    TRY(rc);
    TRY(each_field(r, message->in, GRAPH_NODE, read_node, e));
    TRY(each_field(r, message->in, GRAPH_VALUE_INFO, read_value_info, e));
    return each_field(r, message->in, GRAPH_OUTPUT, read_output, e);
}

static int read_opset(reader *r, const field *message, err *e)
{
    TRY(expect(message, WIRE_BYTES, "model.opset_import", e));
    str domain = {"", 0};
    int64_t version = 0;
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number == OPSET_DOMAIN) TRY(read_text(&f, "opset_import.domain", &domain, e));
        if (f.number == OPSET_VERSION) TRY(read_int(&f, "opset_import.version", &version, e));
    }
    TRY(rc);
    const char *name = copy_text(r, domain_of(domain));
    if (!name) return no_memory(r, e);
    int64_t before = graph_opset(r->g, name);
    if (before >= 0 && before != version)
        return err_set_at(e, ERR_FORMAT, message->at,
                          "byte %lld: opset_import: domain '%.60s' has versions %lld and %lld", (long long)message->at,
                          name, (long long)before, (long long)version);
    if (r->g->n_opsets == OPSETS_MAX)
        return err_set_at(e, ERR_LIMIT, message->at, "more than %d opset imports", (int)OPSETS_MAX);
    return graph_set_opset(r->g, name, version, e);
}

static int read_metadata(reader *r, const field *message, err *e)
{
    TRY(expect(message, WIRE_BYTES, "model.metadata_props", e));
    str key = {"", 0}, value = {"", 0};
    field f;
    int rc;
    for (bytes b = message->in; (rc = next_field(&b, &f, e)) > 0;) {
        if (f.number == ENTRY_KEY) TRY(read_text(&f, "metadata_props.key", &key, e));
        if (f.number == ENTRY_VALUE) {
            TRY(expect(&f, WIRE_BYTES, "metadata_props.value", e));
            value = text_of(&f);
        }
    }
    TRY(rc);
    if (r->g->n_metadata == METADATA_MAX)
        return err_set_at(e, ERR_LIMIT, message->at, "more than %d metadata entries", (int)METADATA_MAX);
    const char *name = copy_text(r, key);
    if (!name) return no_memory(r, e);
    return graph_add_metadata(r->g, name, value, e);
}

static int read_model(reader *r, bytes model, err *e)
{
    field f, graph_field = {.number = 0};
    int rc;
    r->g->ir_version = 0;
    graph_forget_opsets(r->g);
    for (bytes b = model; (rc = next_field(&b, &f, e)) > 0;) {
        switch (f.number) {
        case MODEL_IR_VERSION: TRY(read_int(&f, "model.ir_version", &r->g->ir_version, e)); break;
        case MODEL_OPSET_IMPORT: TRY(read_opset(r, &f, e)); break;
        case MODEL_METADATA: TRY(read_metadata(r, &f, e)); break;
        case MODEL_GRAPH:
            TRY(expect(&f, WIRE_BYTES, "model.graph", e));
            if (graph_field.number)
                return err_set_at(e, ERR_UNSUPPORTED, f.at, "byte %lld: a second graph", (long long)f.at);
            graph_field = f;
            break;
        case MODEL_TRAINING:
            return err_set_at(e, ERR_UNSUPPORTED, f.at, "byte %lld: model.training_info is not supported",
                              (long long)f.at);
        case MODEL_FUNCTIONS:
            return err_set_at(e, ERR_UNSUPPORTED, f.at, "byte %lld: model.functions are not supported",
                              (long long)f.at);
        default: break;
        }
    }
    TRY(rc);
    if (r->g->ir_version < 1) return err_set(e, ERR_FORMAT, "no ONNX model: model.ir_version is not there");
    if (r->g->ir_version > IR_VERSION_MAX)
        return err_set(e, ERR_UNSUPPORTED, "IR version %lld, at most %d", (long long)r->g->ir_version,
                       (int)IR_VERSION_MAX);
    if (!graph_field.number) return err_set(e, ERR_FORMAT, "no ONNX model: model.graph is not there");
    if (r->g->n_opsets == 0 && r->g->ir_version < 3) TRY(graph_set_opset(r->g, "", 1, e));
    return read_graph(r, &graph_field, e);
}

int onnx_read(graph **out, str file, const onnx_limits *limits, err *e)
{
    reader r = {.limits = limits};
    TRY(graph_new(&r.g, limits->memory_max, e));
    r.memory = graph_memory(r.g);
    int rc = file.len ? read_model(&r, bytes_of(file.data, file.len), e) : err_set(e, ERR_FORMAT, "an empty file");
    if (rc >= 0) rc = graph_check(r.g, e);
    if (rc < 0) {
        graph_free(r.g);
        return rc;
    }
    *out = r.g;
    return 0;
}
