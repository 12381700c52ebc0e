"""Predictions of model files in ONNX Runtime and OpenVINO on the processor, beside `caudal bench --mode prediction`.

Reads the model files that `caudal graph MODEL --out FILE.toml` writes, as far as it knows their layers, and
writes each as an ONNX graph for every size of batch: images with channels first, weights at random, the losses'
predictions as outputs. Every system predicts the same batch again and again, on as many threads; OpenVINO is asked
for the least time of one batch, and for 32-bit floats. Before the clock starts, the outputs of the two are compared.

With `--caudal PROGRAM` that program takes part. The systems take turns, model by model and batch by batch, `--rounds`
times. Prints `system,model,batch,threads,milliseconds per prediction (median)` for each turn, and at the end, by
model and batch, the median of Caudal's turns over that of the faster of the others.

set-up: pip install numpy onnx onnxruntime openvino
usage:  python bench_prediction.py [--caudal PROGRAM] [--threads N] [--batch 1,0] [--seconds S] [--rounds N] FILE.toml ...
        (a batch of 0 is as large as the model says)
"""
import argparse
import csv
import os
import statistics
import subprocess
import time

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_file import load, pair

FLOAT = TensorProto.FLOAT


def padding(image, kernel, stride, same):
    """Pixels before and after each axis, as ONNX lists them."""
    if not same:
        return [0, 0, 0, 0]
    before, after = [], []
    for length, size, step in zip(image, kernel, stride):
        total = max((-(-length // step) - 1) * step + size - length, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before + after


def channels_first(shape):
    return (shape[2], shape[0], shape[1]) if len(shape) == 3 else tuple(shape)


class Writer:
    """The operators and weights of one ONNX graph."""

    def __init__(self, shapes, params, batch):
        self.shapes, self.params, self.batch = shapes, params, batch
        self.operators, self.weights = [], []

    def weight(self, name, values):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator, inputs, name, **attributes):
        self.operators.append(helper.make_node(operator, inputs, [name], name=name, **attributes))

    def node(self, name, kind, inputs, a):
        shapes = [self.shapes[i] for i in inputs]
        if kind == "dense":
            weight, bias = self.params[name]
            w, b = self.weight(f"{name}.weight", weight), self.weight(f"{name}.bias", bias)
            if len(shapes[0]) == 1:
                self.add("Gemm", [inputs[0], w, b], name)
            else:
                self.add("MatMul", [inputs[0], w], f"{name}.product")
                self.add("Add", [f"{name}.product", b], name)
        elif kind == "conv2d":
            assert pair(a.get("dilation", 1)) == (1, 1) and a.get("groups", 1) == 1
            weight, bias = self.params[name]
            w, b = self.weight(f"{name}.weight", weight.transpose(3, 2, 0, 1)), self.weight(f"{name}.bias", bias)
            kernel, stride = pair(a["kernel"]), pair(a.get("stride", 1))
            pads = padding(shapes[0], kernel, stride, a.get("padding") == "same")
            self.add("Conv", [inputs[0], w, b], name, kernel_shape=kernel, strides=stride, pads=pads)
        elif kind in ("maxpool", "avgpool"):
            size = pair(a["size"])
            stride = pair(a.get("stride", a["size"]))
            pads = padding(shapes[0], size, stride, a.get("padding") == "same")
            operator = "MaxPool" if kind == "maxpool" else "AveragePool"
            self.add(operator, inputs, name, kernel_shape=size, strides=stride, pads=pads)
        elif kind == "global_avg_pool":
            self.add("GlobalAveragePool", inputs, f"{name}.mean")
            self.add("Flatten", [f"{name}.mean"], name)
        elif kind == "flatten":
            self.add("Flatten", inputs, name)
        elif kind == "reshape":
            assert all(len(shape) < 3 for shape in [*shapes, self.shapes[name]])
            target = np.array([self.batch, *self.shapes[name]], dtype=np.int64)
            self.add("Reshape", [inputs[0], self.weight(f"{name}.shape", target)], name)
        elif kind == "concat":
            self.add("Concat", inputs, name, axis=1 if len(shapes[0]) == 3 else len(shapes[0]))
        elif kind == "softmax":
            assert len(shapes[0]) < 3
            self.add("Softmax", inputs, name, axis=-1)
        else:
            operator = {"relu": "Relu", "add": "Sum", "multiply": "Mul", "matmul": "MatMul"}[kind]
            self.add(operator, inputs, name)


def export(path, batch):
    """The model as ONNX for batches of one size, and the shape of such a batch."""
    nodes, shapes, params, _, x, _ = load(path)
    writer, outputs = Writer(shapes, params, batch), []
    for name, kind, inputs, attributes in nodes:
        if kind == "softmax_cross_entropy":
            outputs.append(inputs[0])
        elif kind not in ("input", "target"):
            writer.node(name, kind, inputs, attributes)
    shape = (batch, *channels_first(shapes[x]))
    describe = lambda name: helper.make_tensor_value_info(name, FLOAT, (batch, *channels_first(shapes[name])))
    graph = helper.make_graph(writer.operators, "model", [describe(x)], [describe(o) for o in outputs], writer.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString(), shape


def with_onnxruntime(model, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})


def with_openvino(model, threads):
    import openvino

    core = openvino.Core()
    config = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(model), "CPU", config).create_infer_request()
    return lambda batch: [np.array(value) for value in request.infer([batch]).values()]


def median_ms(call, seconds):
    for _ in range(10):
        call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def with_caudal(program, path, batch, o):
    command = [program, "bench", "--mode", "prediction", "--batch", str(batch), "--workers", str(o.threads)]
    command += ["--seconds", str(o.seconds), "--allow-mixed", path]
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    columns = next(csv.reader([line]))
    return float(columns[4]), ",".join(columns[6:10])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--caudal")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", default="1,0")
    p.add_argument("--seconds", type=float, default=1.0)
    p.add_argument("--rounds", type=int, default=1)
    p.add_argument("files", nargs="+")
    o = p.parse_args()
    times, systems = {}, {"onnxruntime": with_onnxruntime, "openvino": with_openvino}
    for path in o.files:
        name = os.path.splitext(os.path.basename(path))[0]
        for batch in [int(size) or load(path)[3] for size in o.batch.split(",")]:
            model, shape = export(path, batch)
            numbers = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
            outputs = [make(model, o.threads)(numbers)[0] for make in systems.values()]
            assert np.allclose(*outputs, rtol=1e-3, atol=1e-4), f"{name}: the systems do not agree"
            for _ in range(o.rounds):
                # Made and let go in each turn, so that no thread of one system spins in another's.
                for system, make in systems.items():
                    predict = make(model, o.threads)
                    took = median_ms(lambda: predict(numbers), o.seconds)
                    del predict
                    times.setdefault((name, batch, system), []).append(took)
                    print(f"{system},{name},{batch},{o.threads},{took:.4f}", flush=True)
                if o.caudal:
                    took, cores = with_caudal(o.caudal, path, batch, o)
                    times.setdefault((name, batch, "caudal"), []).append(took)
                    print(f"caudal,{name},{batch},{o.threads},{took:.4f},{cores}", flush=True)
    for name, batch in dict.fromkeys(key[:2] for key in times) if o.caudal else ():
        middle = {system: statistics.median(times[name, batch, system]) for system in [*systems, "caudal"]}
        best = min(middle[system] for system in systems)
        row = ", ".join(f"{system} {took:.4f}" for system, took in middle.items())
        print(f"# {name}, batch of {batch}: {row}; Caudal / the faster {middle['caudal'] / best:.2f}", flush=True)


if __name__ == "__main__":
    main()
