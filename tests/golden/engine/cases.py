# Makes the bundles that cases_test.c checks: models with inputs and the answers of others.
#   python3 cases.py onnx OUT            the reference cases of the onnx package, of the operators that we have
#   python3 cases.py onnxruntime OUT [N [SEED]]   N random models of every kind, answered by onnxruntime
# Kept here: onnx.bundle (onnx 1.23.2) and onnxruntime.bundle (onnxruntime 1.32.0, N 4, seed 1).
# SPDX-License-Identifier: Apache-2.0
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

ML = "ai.onnx.ml"
OPERATORS = {
    "": set(
        "Add Sub Mul Div Max Min Sum Less LessOrEqual Greater GreaterOrEqual Equal And Or Xor Not IsNaN Abs Neg Sqrt "
        "Floor Ceil Relu Exp Log Sigmoid Where Clip IsInf Cast CastLike Identity Reshape Flatten Squeeze Unsqueeze "
        "Concat Gather Slice Transpose Shape Constant ArgMax ArgMin Softmax LogSoftmax ReduceSum ReduceMean ReduceMax "
        "ReduceMin MatMul Gemm".split()
    ),
    ML: set(
        "Imputer Scaler Binarizer Normalizer ArrayFeatureExtractor FeatureVectorizer LabelEncoder OneHotEncoder "
        "TreeEnsembleClassifier TreeEnsembleRegressor".split()
    ),
}
# Results that are rounded differently: sums in another order, exponentials by another series.
INEXACT = set("Exp Log Sigmoid Softmax LogSoftmax ReduceSum ReduceMean MatMul Gemm".split())
TOLERANCE = 1e-5
ELEMENTS = {np.dtype(t): e for t, e in ((np.float32, T.FLOAT), (np.float64, T.DOUBLE), (np.int64, T.INT64),
                                         (np.int32, T.INT32), (np.bool_, T.BOOL), (object, T.STRING))}
# Element types that an operator of ours takes for computing; the others only move or cast.
COMPUTED = {T.FLOAT, T.DOUBLE, T.INT64, T.INT32, T.BOOL, T.STRING}
MOVES = set("Cast CastLike Identity Reshape Flatten Squeeze Unsqueeze Concat Gather Slice Transpose Shape Constant Where "
            "ArrayFeatureExtractor".split())


def tensor_of(value, name):
    if isinstance(value, onnx.TensorProto):
        copy = onnx.TensorProto()
        copy.CopyFrom(value)
        copy.name = name
        return copy
    array = np.asarray(value)
    if array.dtype == object or array.dtype.kind in "US":
        texts = [v if isinstance(v, bytes) else str(v).encode() for v in array.reshape(-1)]
        return helper.make_tensor(name, T.STRING, array.shape, texts)
    return numpy_helper.from_array(array, name)


class Bundle:
    def __init__(self):
        self.n = 0
        self.tensors = []

    def add(self, name, model, inputs, outputs, tolerance=0.0):
        k, self.n = self.n, self.n + 1
        self.tensors.append(helper.make_tensor(f"{k}/name", T.STRING, [1], [name.encode()]))
        self.tensors.append(numpy_helper.from_array(np.frombuffer(model, np.uint8), f"{k}/model"))
        if tolerance:
            self.tensors.append(numpy_helper.from_array(np.array(tolerance, np.float64), f"{k}/tolerance"))
        for what, values in (("input", inputs), ("output", outputs)):
            for i, value in enumerate(values):
                self.tensors.append(tensor_of(value, f"{k}/{what}/{i}"))

    def write(self, path):
        outputs = [helper.make_tensor_value_info("0/name", T.STRING, [1])]
        graph = helper.make_graph([], "bundle", [], outputs, self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        with open(path, "wb") as f:
            f.write(model.SerializeToString(deterministic=True))


# The reference cases of the onnx package ------------------------------------------------------------------------------


def is_supported(model):
    for node in model.graph.node:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if node.op_type not in OPERATORS.get(domain, ()):
            return False
    moves = all(node.op_type in MOVES for node in model.graph.node)
    for value in list(model.graph.input) + list(model.graph.output):
        if not value.type.HasField("tensor_type"):
            return False
        element = value.type.tensor_type.elem_type
        if element > T.BFLOAT16 or (not moves and element not in COMPUTED):
            return False
    for node in model.graph.node:
        for a in node.attribute:
            if a.type == onnx.AttributeProto.TENSOR and node.domain == ML and a.t.data_type not in (T.FLOAT, T.DOUBLE,
                                                                                                      T.INT64, T.STRING):
                return False
        if node.op_type in ("ReduceMax", "ReduceMin") and model.graph.input[0].type.tensor_type.elem_type == T.BOOL:
            return False
    return True


def onnx_cases(path):
    from onnx.backend.test.case.node import collect_testcases

    bundle = Bundle()
    for case in collect_testcases(None):
        if not is_supported(case.model):
            continue
        ops = {node.op_type for node in case.model.graph.node}
        for inputs, outputs in case.data_sets:
            tolerance = TOLERANCE if ops & (INEXACT | {"Sqrt"}) else 0.0
            bundle.add(case.name, case.model.SerializeToString(deterministic=True), inputs, outputs, tolerance)
    bundle.write(path)
    print(f"{path}: {bundle.n} cases")


# Random models answered by onnxruntime --------------------------------------------------------------------------------


def one_node(op, inputs, outputs, domain="", opset=17, opset_ml=3, **attributes):
    """A model of one node; inputs are arrays, outputs element types. Axis 0 of inputs is named N."""
    names = [f"x{i}" for i in range(len(inputs))]
    outs = [f"y{i}" for i in range(len(outputs))]
    node = helper.make_node(op, names, outs, domain=domain, **attributes)
    infos = [helper.make_tensor_value_info(n, ELEMENTS[x.dtype], list(x.shape)) for n, x in zip(names, inputs)]
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info(n, t, None)
                                                   for n, t in zip(outs, outputs)])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, opset_ml)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def floats(rng, shape, dtype=np.float32, special=True):
    x = (rng.integers(-20, 21, shape) / 4).astype(dtype)
    if special:
        x = np.where(rng.random(shape) < 0.1, np.array(np.nan, dtype), x)
        x = np.where(rng.random(shape) < 0.05, np.array(-0.0, dtype), x)
        x = np.where(rng.random(shape) < 0.05, np.array(np.inf, dtype), x)
    return x


WORDS = np.array(["", "a", "bb", "red", "green", "blue", "é", "a rather long category", "z"], object)


def random_trees(rng, n_columns, n_scores, dense, modes, missing, positive, max_trees=20):
    """Attributes of an ensemble whose weights lie on a grid, so that every order of sums is exact."""
    a = {k: [] for k in ("trees", "nodes", "features", "modes", "values", "trues", "falses", "missing")}
    w = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}

    def grow(tree, node, depth, counter):
        at = len(a["nodes"])
        leaf = depth == 0 or rng.random() < 0.15
        a["trees"].append(tree)
        a["nodes"].append(node)
        a["features"].append(0 if leaf else int(rng.integers(n_columns)))
        a["modes"].append("LEAF" if leaf else str(rng.choice(modes)))
        a["values"].append(0.0 if leaf else float(rng.integers(-20, 21) / 4))
        a["missing"].append(0 if leaf or not missing else int(rng.integers(2)))
        a["trues"].append(0)
        a["falses"].append(0)
        if leaf:
            for s in range(n_scores):
                if dense or rng.random() < 0.5 or n_scores == 1 or not w["ids"]:
                    w["treeids"].append(tree)
                    w["nodeids"].append(node)
                    w["ids"].append(s)
                    w["weights"].append(float(rng.integers(0 if positive else -64, 65) / 64))
            return
        yes, no = counter[0] + 1, counter[0] + 2
        counter[0] += 2
        a["trues"][at], a["falses"][at] = yes, no
        grow(tree, yes, depth - 1, counter)
        grow(tree, no, depth - 1, counter)

    for tree in range(int(rng.integers(1, max_trees + 1))):
        grow(tree, 0, int(rng.integers(0, 7)), [0])
    nodes = dict(nodes_treeids=a["trees"], nodes_nodeids=a["nodes"], nodes_featureids=a["features"],
                 nodes_modes=a["modes"], nodes_values=a["values"], nodes_truenodeids=a["trues"],
                 nodes_falsenodeids=a["falses"])
    if missing:
        nodes["nodes_missing_value_tracks_true"] = a["missing"]
    return nodes, w


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def tree_rows(rng, n_columns):
    n = int(rng.choice([1, 3, 50]))
    kind = rng.integers(6)
    if kind == 0:
        return rng.integers(-6, 6, (n, n_columns)).astype(np.int64)
    return floats(rng, (n, n_columns), np.float64 if kind == 1 else np.float32)


def pick_modes(rng):
    return [MODES[0]] if rng.random() < 0.5 else MODES[:4] if rng.random() < 0.5 else MODES


def classifier(rng):
    n_columns, n_classes = int(rng.integers(1, 6)), int(rng.integers(2, 5))
    alone = n_classes == 2 and rng.random() < 0.6  # all weights for one class
    nodes, w = random_trees(rng, n_columns, 1 if alone else n_classes, rng.random() < 0.6, pick_modes(rng),
                            rng.random() < 0.4, rng.random() < 0.5)
    if alone and rng.random() < 0.3:
        w["ids"] = [1] * len(w["ids"])
    nodes.update(class_treeids=w["treeids"], class_nodeids=w["nodeids"], class_ids=w["ids"],
                 class_weights=w["weights"])
    links = ["NONE", "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]
    nodes["post_transform"] = str(rng.choice(links))
    if rng.random() < 0.3 and (n_classes > 2 or alone):
        n_base = 1 if n_classes == 2 and rng.random() < 0.5 else n_classes
        nodes["base_values"] = [float(v / 8) for v in rng.integers(-4, 5, n_base)]
    # With weights for both of two classes onnxruntime answers 0 and 1, whatever the names are.
    if rng.random() < 0.5:
        nodes["classlabels_strings"] = [str(v) for v in "dbca"[:n_classes]]
        label = T.STRING
    else:
        nodes["classlabels_int64s"] = [0, 1] if n_classes == 2 and not alone else [7, 3, 5, 1][:n_classes]
        label = T.INT64
    x = tree_rows(rng, n_columns)
    return one_node("TreeEnsembleClassifier", [x], [label, T.FLOAT], ML, **nodes), [x]


def regressor(rng):
    n_columns, n_targets = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    nodes, w = random_trees(rng, n_columns, n_targets, rng.random() < 0.6, pick_modes(rng), rng.random() < 0.4, False)
    nodes.update(target_treeids=w["treeids"], target_nodeids=w["nodeids"], target_ids=w["ids"],
                 target_weights=w["weights"], n_targets=n_targets)
    nodes["post_transform"] = str(rng.choice(["NONE", "NONE", "LOGISTIC", "SOFTMAX"]))
    nodes["aggregate_function"] = str(rng.choice(["SUM", "AVERAGE", "MIN", "MAX"]))
    if rng.random() < 0.3:
        nodes["base_values"] = [float(v / 8) for v in rng.integers(-4, 5, n_targets)]
    x = tree_rows(rng, n_columns)
    return one_node("TreeEnsembleRegressor", [x], [T.FLOAT], ML, **nodes), [x]


def imputer(rng):
    n, k = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    width = k if rng.random() < 0.7 else 1
    if rng.random() < 0.3:
        x = rng.integers(-2, 3, (n, k)).astype(np.int64)
        return one_node("Imputer", [x], [T.INT64], ML, imputed_value_int64s=[int(v) for v in rng.integers(9, size=width)],
                        replaced_value_int64=0), [x]
    x = floats(rng, (n, k))
    replaced = float("nan") if rng.random() < 0.7 else 0.0
    return one_node("Imputer", [x], [T.FLOAT], ML, imputed_value_floats=floats(rng, width, special=False).tolist(),
                    replaced_value_float=replaced), [x]


def scaler(rng):
    n, k = int(rng.integers(1, 40)), int(rng.integers(1, 5))
    width = k if rng.random() < 0.7 else 1
    x = [rng.normal(size=(n, k)).astype(np.float32), rng.normal(size=(n, k)),
         rng.integers(-2**40, 2**40, (n, k)), rng.integers(-99, 99, (n, k)).astype(np.int32)][rng.integers(4)]
    return one_node("Scaler", [x], [T.FLOAT], ML, offset=rng.normal(size=width).tolist(),
                    scale=rng.normal(size=width).tolist()), [x]


def normalizer(rng):
    n, k = int(rng.integers(1, 20)), int(rng.integers(1, 9))
    x = [rng.normal(size=(n, k)).astype(np.float32), rng.integers(-9, 9, (n, k)).astype(np.int64)][rng.integers(2)]
    return one_node("Normalizer", [x], [T.FLOAT], ML, norm=str(rng.choice(["MAX", "L1", "L2"]))), [x]


def binarizer(rng):
    x = floats(rng, (int(rng.integers(1, 9)), 3), special=False)
    return one_node("Binarizer", [x], [T.FLOAT], ML, threshold=float(rng.integers(-4, 5) / 4)), [x]


def label_encoder(rng):
    n = int(rng.integers(1, 9))
    version = int(rng.choice([1, 2, 3]))
    if version == 1:
        if rng.random() < 0.5:
            x = rng.choice(WORDS, (n, 1)).astype(object)
            return one_node("LabelEncoder", [x], [T.INT64], ML, opset_ml=1, classes_strings=list(WORDS[3:6]),
                            default_int64=-7), [x]
        x = rng.integers(-1, 5, (n, 2)).astype(np.int64)
        return one_node("LabelEncoder", [x], [T.STRING], ML, opset_ml=1, classes_strings=list(WORDS[3:6]),
                        default_string="none"), [x]
    kinds = [("strings", lambda: list(rng.choice(WORDS, 5)), T.STRING), ("int64s", lambda: rng.integers(6, size=5).tolist(), T.INT64),
             ("floats", lambda: (rng.integers(6, size=5) / 2).tolist(), T.FLOAT)]
    key = int(rng.integers(3))
    # Pairs that the operator's second version has.
    pairs = {0: [0, 1, 2], 1: [0, 1], 2: [0, 1]}
    value = int(rng.choice(pairs[key]))
    x = [rng.choice(WORDS, (n, 1)).astype(object), rng.integers(7, size=(n, 1)).astype(np.int64),
         floats(rng, (n, 1))][key]
    attributes = {f"keys_{kinds[key][0]}": kinds[key][1](), f"values_{kinds[value][0]}": kinds[value][1]()}
    if rng.random() < 0.5:
        attributes.update([("default_string", "none"), ("default_int64", 77), ("default_float", 0.5)][value:value + 1])
    return one_node("LabelEncoder", [x], [kinds[value][2]], ML, opset_ml=version, **attributes), [x]


def one_hot(rng):
    n = int(rng.integers(1, 9))
    kind = rng.integers(3)
    if kind == 0:
        x = rng.choice(WORDS, (n, 1)).astype(object)
        return one_node("OneHotEncoder", [x], [T.FLOAT], ML, cats_strings=list(rng.choice(WORDS, 4)), zeros=1), [x]
    x = rng.integers(-2, 6, (n, 2)).astype(np.int64) if kind == 1 else (rng.integers(-8, 24, n) / 4).astype(np.float32)
    return one_node("OneHotEncoder", [x], [T.FLOAT], ML, cats_int64s=rng.integers(6, size=4).tolist(), zeros=1), [x]


def vectorizer(rng):
    xs = [floats(rng, (3, int(rng.integers(1, 4)))) for _ in range(int(rng.integers(1, 4)))]
    widths = [x.shape[1] + int(rng.integers(-1, 2)) for x in xs]
    return one_node("FeatureVectorizer", xs, [T.FLOAT], ML, inputdimensions=[max(w, 1) for w in widths]), xs


def extractor(rng):
    x = floats(rng, (int(rng.integers(1, 5)), 4))
    y = rng.integers(4, size=3).astype(np.int64)
    return one_node("ArrayFeatureExtractor", [x, y], [T.FLOAT], ML), [x, y]


def number(rng, shape, dtype):
    if dtype in (np.float32, np.float64):
        return floats(rng, shape, dtype)
    return rng.integers(-20, 20, shape).astype(dtype)


def broadcast_shapes(rng):
    whole = [int(v) for v in rng.integers(1, 4, int(rng.integers(1, 4)))]

    def part():
        cut = whole[int(rng.integers(len(whole))):] if rng.random() < 0.4 else whole
        return tuple(1 if rng.random() < 0.3 else d for d in cut)

    return part(), part()


def arithmetic(rng):
    op = str(rng.choice(["Add", "Sub", "Mul", "Div"]))
    dtype = [np.float32, np.float64, np.int64, np.int32][rng.integers(4)]
    a, b = (number(rng, s, dtype) for s in broadcast_shapes(rng))
    if op == "Div" and np.issubdtype(dtype, np.integer):
        b = np.where(b == 0, 3, b).astype(dtype)
    return one_node(op, [a, b], [ELEMENTS[a.dtype]]), [a, b]


def comparison(rng):
    op = str(rng.choice(["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"]))
    dtype = [np.float32, np.float64, np.int64, np.int32][rng.integers(4)]
    a, b = (number(rng, s, dtype) for s in broadcast_shapes(rng))
    return one_node(op, [a, b], [T.BOOL]), [a, b]


def where(rng):
    s, t = broadcast_shapes(rng)
    c = rng.random(s) < 0.5
    if rng.random() < 0.3:
        a, b = rng.choice(WORDS, t).astype(object), rng.choice(WORDS, t).astype(object)
    else:
        dtype = [np.float32, np.int64][rng.integers(2)]
        a, b = number(rng, t, dtype) + dtype(0), np.asarray(number(rng, (), dtype) + dtype(0))  # its Where drops the sign of 0
    return one_node("Where", [c, a, b], [ELEMENTS[a.dtype]]), [c, a, b]


def cast(rng):
    dtypes = [np.float32, np.float64, np.int64, np.int32, np.bool_]
    source = dtypes[rng.integers(5)]
    x = rng.random((3, 4)) < 0.5 if source is np.bool_ else number(rng, (3, 4), source)
    if rng.random() < 0.3 and source in (np.float32, np.float64):
        x = (rng.normal(size=(3, 4)) * 10.0 ** rng.integers(-12, 12, (3, 4))).astype(source)
    to = int(rng.choice([T.FLOAT, T.DOUBLE, T.INT64, T.INT32, T.BOOL, T.STRING]))
    if source in (np.float32, np.float64) and to in (T.INT64, T.INT32):
        x = np.nan_to_num(np.clip(x, -2**30, 2**30), nan=0).astype(source)
    if rng.random() < 0.2:
        x = np.array([["1", "-2", "3e2", "0.1"]], object)
        to = int(rng.choice([T.FLOAT, T.DOUBLE]))
    return one_node("Cast", [x], [to], to=to), [x]


def concat(rng):
    axis = int(rng.integers(-2, 2))
    dtype = [np.float32, np.int64, object][rng.integers(3)]
    xs = []
    for _ in range(int(rng.integers(1, 4))):
        shape = [2, 2]
        shape[axis] = int(rng.integers(0, 4))
        xs.append(rng.choice(WORDS, shape).astype(object) if dtype is object else number(rng, shape, dtype))
    return one_node("Concat", xs, [ELEMENTS[np.dtype(dtype)]], axis=axis), xs


def gather(rng):
    axis = int(rng.integers(-3, 3))
    x = number(rng, (2, 3, 4), [np.float32, np.int64][rng.integers(2)])
    index = rng.integers(-x.shape[axis], x.shape[axis], [(), (2,), (2, 2)][rng.integers(3)]).astype(np.int64)
    return one_node("Gather", [x, np.asarray(index)], [ELEMENTS[x.dtype]], axis=axis), [x, np.asarray(index)]


def slices(rng):
    x = number(rng, (3, 4, 5), np.float32)
    axes = rng.permutation(3)[: int(rng.integers(1, 4))].astype(np.int64)
    starts, ends = rng.integers(-7, 8, len(axes)).astype(np.int64), rng.integers(-7, 8, len(axes)).astype(np.int64)
    steps = rng.choice([-2, -1, 1, 2, 3], len(axes)).astype(np.int64)
    # Backwards from the end onnxruntime takes the largest integer for "to the start", which ONNX does not say.
    ends = np.where((rng.random(len(axes)) < 0.2) & (steps > 0), np.iinfo(np.int64).max, ends)
    return one_node("Slice", [x, starts, ends, axes, steps], [T.FLOAT]), [x, starts, ends, axes, steps]


def arg_extreme(rng):
    x = number(rng, (2, 3, 4), [np.float32, np.int64, np.int32][rng.integers(3)])
    x = np.nan_to_num(x) if x.dtype == np.float32 else x
    op = str(rng.choice(["ArgMax", "ArgMin"]))
    return one_node(op, [x], [T.INT64], axis=int(rng.integers(-3, 3)), keepdims=int(rng.integers(2)),
                    select_last_index=int(rng.integers(2))), [x]


def softmax(rng):
    x = rng.normal(size=(3, 5)).astype(np.float32) * 5
    return one_node(str(rng.choice(["Softmax", "LogSoftmax"])), [x], [T.FLOAT], axis=int(rng.integers(-2, 2)),
                    opset=int(rng.choice([11, 17]))), [x]


def transpose(rng):
    x = number(rng, (2, 3, 4), np.float32)
    return one_node("Transpose", [x], [T.FLOAT], perm=[int(v) for v in rng.permutation(3)]), [x]


def extremes(rng):
    dtype = [np.float32, np.int64][rng.integers(2)]
    xs = [np.asarray(np.nan_to_num(number(rng, s, dtype)) + dtype(0)) for s in broadcast_shapes(rng)]  # of 0 and -0 either may win
    return one_node(str(rng.choice(["Max", "Min"])), xs, [ELEMENTS[xs[0].dtype]]), xs


def gemm(rng):
    m, k, n = (int(v) for v in rng.integers(1, 6, 3))
    ta, tb = int(rng.integers(2)), int(rng.integers(2))
    a = rng.normal(size=(k, m) if ta else (m, k)).astype(np.float32)
    b = rng.normal(size=(n, k) if tb else (k, n)).astype(np.float32)
    c = rng.normal(size=[(m, n), (1, n), (n,), (m, 1), ()][rng.integers(5)]).astype(np.float32)
    return one_node("Gemm", [a, b, c], [T.FLOAT], transA=ta, transB=tb, alpha=0.5, beta=2.0), [a, b, c]


def reduce(rng):
    x = rng.normal(size=(2, 3, 4)).astype(np.float32)
    axes = sorted({int(v) for v in rng.integers(-3, 3, int(rng.integers(1, 3)))})
    axes = [v for v in axes if v < 0 or v - 3 not in axes]
    if rng.random() < 0.5:
        return one_node("ReduceSum", [x, np.array(axes, np.int64)], [T.FLOAT], keepdims=int(rng.integers(2))), [
            x, np.array(axes, np.int64)]
    return one_node(str(rng.choice(["ReduceMean", "ReduceMax", "ReduceMin"])), [x], [T.FLOAT], axes=axes,
                    keepdims=int(rng.integers(2))), [x]


KINDS = [classifier] * 6 + [regressor] * 3 + [imputer, scaler, normalizer, binarizer, label_encoder, one_hot, vectorizer,
                                              extractor, arithmetic, comparison, where, cast, concat, gather, slices,
                                              arg_extreme, softmax, transpose, extremes, gemm, reduce]


def onnxruntime_cases(path, rounds, seed):
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as not_there
    from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException as no_answer

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    rng = np.random.default_rng(seed)
    bundle = Bundle()
    for _ in range(rounds):
        for kind in KINDS:
            model, inputs = kind(rng)
            try:
                session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                                       providers=["CPUExecutionProvider"])
            except not_there:
                continue  # it lacks a few element types
            feed = {i.name: x for i, x in zip(session.get_inputs(), inputs)}
            try:
                outputs = session.run(None, feed)
            except no_answer:
                continue  # a row without a weight for any class
            for info, value in zip(model.graph.output, outputs):
                dims = info.type.tensor_type.shape.dim
                for size in np.shape(value):
                    dims.add().dim_value = size
                info.type.tensor_type.shape.SetInParent()  # also of a scalar
            node = model.graph.node[0]
            links = [a.s.decode() for a in node.attribute if a.name == "post_transform"]
            inexact = node.op_type in INEXACT or any(link != "NONE" for link in links)
            bundle.add(kind.__name__, model.SerializeToString(deterministic=True), inputs, outputs,
                       TOLERANCE if inexact else 0.0)
    bundle.write(path)
    print(f"{path}: {bundle.n} cases, onnxruntime {onnxruntime.__version__}")


if __name__ == "__main__":
    if sys.argv[1] == "onnx":
        onnx_cases(sys.argv[2])
    else:
        onnxruntime_cases(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 4,
                          int(sys.argv[4]) if len(sys.argv) > 4 else 1)
