"""Makes onnx_nodes.json: the test cases of single operators that come with the package `onnx`.

Run from the root of the repository:

    .venv/bin/pip install onnx
    .venv/bin/python tests/oracles/onnx_nodes.py

It writes one case a line, for every operator that Caudal reads (OPERATORS, which a test compares with the table of the
library) and whose arrays are small: a name, the operator, and
    model    the ONNX file, in base64
    inputs   [{name, shape, values}], in ONNX's layout
    outputs  likewise
and one line for every other operator, with how many cases it has. Cases of other types than 32-bit floats and of more
than LARGEST numbers are counted, not stored.

The package's cases give weights and sizes as inputs of the graph; here they become initializers, as exporters write
them, since Caudal reads them as constants. Its licence is Apache-2.0, and that of the cases too.
"""

import base64
import collections
import json
import pathlib
import re
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

HERE = pathlib.Path(__file__).parent
LARGEST = 600

OPERATORS = set(re.findall(r'row\(\s*"(\w+)"', (HERE / "../../src/onnx/operators/mod.rs").read_text()))

# Inputs that stay inputs where they are not the first alone.
DATA = {
    "Add": 2, "Sub": 2, "Mul": 2, "Div": 2, "Sum": 9, "Mean": 9, "Max": 9, "Min": 9, "Concat": 9, "MatMul": 2,
    "Equal": 2, "Where": 3, "Constant": 0, "ConstantOfShape": 0, "Range": 0, "Shape": 1,
}


FIRST_OUTPUT = ("LayerNormalization", "Dropout", "MaxPool", "BatchNormalization")


def values(array):
    array = np.asarray(array)
    shown = [float(str(v)) for v in array.astype(np.float32).ravel()]
    return {"shape": list(array.shape), "values": shown}


def main():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    lines, others, large, typed = [], collections.Counter(), 0, 0
    for test in tests:
        graph = test.model.graph
        operator = graph.node[0].op_type
        if len(graph.node) != 1 or operator not in OPERATORS:
            others[operator if len(graph.node) == 1 else "(expanded functions)"] += 1
            continue
        inputs, outputs = test.data_sets[0]
        numbers = lambda array: np.asarray(array) if isinstance(array, np.generic) else array
        inputs, outputs = [numbers(a) for a in inputs], [numbers(a) for a in outputs]
        if operator in FIRST_OUTPUT:
            # Further outputs are for training, and nobody uses them in networks that are exported for inference.
            outputs = outputs[:1]
            del test.model.graph.output[1:]
            graph = test.model.graph
        model = onnx.ModelProto()
        model.CopyFrom(test.model)
        kept = DATA.get(operator, 1)
        arrays = [*inputs, *outputs]
        if any(not isinstance(a, np.ndarray) or a.dtype.kind == "f" and not np.isfinite(a).all() for a in arrays):
            typed += 1
            continue
        floats = [a for a in arrays[:kept] + list(outputs)]
        if any(a.dtype not in (np.float32, np.int64, np.int32) for a in floats) or any(
            a.dtype == np.dtype("O") or a.dtype.kind not in "fiub" for a in arrays
        ):
            typed += 1
            continue
        if sum(a.size for a in arrays) > LARGEST:
            large += 1
            continue
        del model.graph.input[:]
        data = []
        for number, (value, array) in enumerate(zip(graph.input, inputs)):
            is_index = operator == "Gather" and number == 1 and len(graph.input) == 2
            if number < kept and not (operator == "Gather"):
                model.graph.input.append(value)
                data.append({"name": value.name, **values(array)})
            elif is_index and inputs[0].ndim == 2 and inputs[1].ndim >= 1 and (inputs[1] >= 0).all():
                model.graph.input.append(value)
                data.append({"name": value.name, **values(array)})
            elif operator == "Gather" and number == 0 and not (
                inputs[0].ndim == 2 and inputs[1].ndim >= 1 and (inputs[1] >= 0).all()
            ):
                model.graph.input.append(value)
                data.append({"name": value.name, **values(array)})
            else:
                model.graph.initializer.append(numpy_helper.from_array(array, value.name))
        results = [
            {"name": value.name, **values(array)} for value, array in zip(graph.output, outputs)
        ]
        text = base64.b64encode(model.SerializeToString()).decode()
        case = {"name": test.name, "operator": operator, "model": text, "inputs": data, "outputs": results}
        lines.append(json.dumps(case))
    for operator, count in sorted(others.items()):
        lines.append(json.dumps({"operator": operator, "others": count}))
    lines.append(json.dumps({"large": large, "of_other_types": typed, "onnx": onnx.__version__}))
    path = HERE / "onnx_nodes.json"
    path.write_text("\n".join(lines) + "\n")
    print(f"{path.name}: {len(lines)} lines, {path.stat().st_size} bytes, {large} large, {typed} of other types")


main()
