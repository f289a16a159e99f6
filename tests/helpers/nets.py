"""Small nets as .onnx files: as slow as one likes, because their layers share their weights. No packages needed."""
# SPDX-License-Identifier: Apache-2.0
import random
import struct

FLOAT, INT64, STRING = 1, 7, 8
INPUTS = 4


def varint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def value_info(name, element, *dims):
    shape = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in dims)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, shape)))


def attribute(name, value):
    return field(1, name) + field(3, value) + field(20, 2)


def node(op, inputs, outputs, **attributes):
    return field(1, b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(4, op) +
                 b"".join(field(5, attribute(k, v)) for k, v in attributes.items()))


def weights(name, random_numbers, rows, columns):
    values = [random_numbers.randrange(-1000, 1001) / 500 / rows for _ in range(rows * columns)]
    data = struct.pack(f"<{len(values)}f", *values)
    return field(5, field(1, rows) + field(1, columns) + field(2, FLOAT) + field(8, name) + field(9, data))


def write_net(path, width=64, layers=100, classes=3, seed=1, memory_rows=0):
    """Four numbers to a class. A layer is a Gemm of width x width. memory_rows > 0: the rows are also multiplied into
    (memory_rows, memory_rows) when x is there, which takes memory by its square: for tests of the ceiling."""
    numbers = random.Random(seed)
    graph = weights("first", numbers, INPUTS, width) + weights("again", numbers, width, width)
    graph += weights("bias", numbers, 1, width) + weights("last", numbers, width, classes)
    graph += node("MatMul", ["x", "first"], ["h"])
    if memory_rows:
        graph += weights("tall", numbers, memory_rows, 1) + weights("flat", numbers, 1, memory_rows)
        graph += node("ReduceSum", ["x"], ["all"], keepdims=0)
        graph += node("Mul", ["flat", "all"], ["flat_now"])
        graph += node("MatMul", ["tall", "flat_now"], ["square"])
        graph += node("ReduceMax", ["square"], ["most"], keepdims=0)
        graph += node("Add", ["h", "most"], ["h_now"])
    h = "h_now" if memory_rows else "h"
    for i in range(layers):
        graph += node("Gemm", [h, "again", "bias"], [f"g{i}"]) + node("Relu", [f"g{i}"], [f"r{i}"])
        h = f"r{i}"
    graph += node("Gemm", [h, "last"], ["logits"]) + node("Softmax", ["logits"], ["scores"], axis=1)
    graph += node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0)
    graph += field(2, "net") + field(11, value_info("x", FLOAT, "N", INPUTS))
    graph += field(12, value_info("label", INT64, "N")) + field(12, value_info("scores", FLOAT, "N", classes))
    with open(path, "wb") as f:
        f.write(field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17)))
    return path


def row(*values):
    return {f"x[{i}]": v for i, v in enumerate(values or (0.5, -1.0, 2.0, 0.25))}
