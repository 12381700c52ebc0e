"""Reference training runs of three small networks, computed by PyTorch.

Run from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install torch numpy
    .venv/bin/python tests/oracles/training.py

It writes training.json beside itself. Each network takes five steps of stochastic gradient
descent, every step on a different batch: v = 0.9 v + gradient, p = p - 0.01 v, where v starts
at zero. The arithmetic is float64; parameters and batches start from float32 numbers that any
program can make again from their names.

The numbers
    Arithmetic on h and z is modulo 2^64.
    h(name)     FNV-1a, 64 bits, over the UTF-8 bytes of the name:
                h = 0xCBF29CE484222325; for each byte: h ^= byte; h *= 0x100000001B3
    z(name, i)  z = h(name) + i * 0x9E3779B97F4A7C15, then the finaliser of splitmix64:
                z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27;
                z *= 0x94D049BB133111EB; z ^= z >> 31
    u(name, i)  float32(z >> 40) / 2^24, in [0, 1); 2u - 1 is exact in float32 too

    weight      name "NODE.weight": float32(2u - 1) * float32(scale), multiplied in float32, with
                scale = sqrt(6 / (fan_in + fan_out)) computed in float64;
                a convolution's fans are kh * kw * in and kh * kw * out
    bias        name "NODE.bias": float32(2u - 1) * float32(0.1), multiplied in float32
    input       name "NODE.STEP" with STEP 0 to 4, such as "x.0": 2u - 1
    target      for class numbers z % classes, otherwise 2u - 1; name "NODE.STEP" as well
    The index i counts in row-major order over the shape, which for inputs and targets begins with
    the batch. Images are [batch, height, width, channel], dense weights [in, out], convolution
    weights [kh, kw, in, out].

The file is an object with
    torch      the version that computed it
    generator  [{name, hash, z, u}]: h in hexadecimal, z (hexadecimal) and u for i = 0, 1, 2
    networks   [{name, batch, learning_rate, momentum, nodes, feeds, steps, parameters}]
      nodes       [{name, kind, inputs, attributes}] in topological order; attributes is an object;
                  input and target nodes have "shape" (without the batch), a loss may have
                  "weight" (1 when absent): the network minimises the weighted sum of its losses
      feeds       [{node, shape, classes}]: what each step feeds to that node, shape with the
                  batch, classes null unless the values are class numbers
      steps       [{step, loss, losses, feeds}]: the weighted sum before the step's update, each
                  loss by node name (unweighted), and the sum of the values fed, by node name
      parameters  [{name, shape, initial_sum, sum, l2, max_abs, update_l2, samples, most_moved}]:
                  all but initial_sum after the last step; update_l2 is the norm of what the
                  steps added; samples is [{index, value}] at (j * count) // 16, j < 16;
                  most_moved is [{index, value}] of the four that changed most (the samples of a
                  layer can all belong to units that never fire)

A few windows of i2.pool have several equal positive maxima, where neighbours in i1.pool took all
their maxima from the same pixels. The gradient ends in those pixels whichever of the maxima gets
it, so the results do not depend on how a pool breaks a tie.
"""

import json
import math
import pathlib

import numpy as np
import torch

from layers import KINDS, LOSSES, parameter_shapes

STEPS = 5
LEARNING_RATE = 0.01
MOMENTUM = 0.9


# ---------------------------------------------------------------- numbers from names

def fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def bits(name, count):
    """z(name, 0..count) as uint64, which wraps around."""
    z = np.uint64(fnv1a(name)) + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def unit(name, count):
    return (bits(name, count) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)


def signed(name, shape):
    """2u - 1 in float32."""
    return (np.float32(2) * unit(name, math.prod(shape)) - np.float32(1)).reshape(shape)


def initial(name, shape):
    if name.endswith(".bias"):
        scale = 0.1
    else:
        receptive = math.prod(shape[:-2])
        scale = math.sqrt(6 / (receptive * shape[-2] + receptive * shape[-1]))
    return signed(name, shape) * np.float32(scale)


def feed(node, step, shape, classes):
    name = f"{node}.{step}"
    if classes is None:
        return signed(name, shape)
    return (bits(name, math.prod(shape)) % np.uint64(classes)).astype(np.float32).reshape(shape)


# ---------------------------------------------------------------- networks

class Network:
    def __init__(self, name, batch):
        self.name, self.batch, self.nodes, self.classes = name, batch, [], {}

    def node(self, name, kind, *inputs, **attributes):
        self.nodes.append(
            {"name": name, "kind": kind, "inputs": list(inputs), "attributes": attributes}
        )
        return name

    def labels(self, classes):
        self.classes["label"] = classes
        return self.node("label", "target", shape=[])

    def conv(self, name, source, filters, kernel):
        """A convolution that keeps the image's size, and its ReLU."""
        self.node(name, "conv2d", source, filters=filters, kernel=kernel, padding="same")
        return self.node(f"{name}.relu", "relu", name)

    def classifier(self, source):
        self.node("logits", "dense", source, units=10)
        self.labels(10)
        self.node("loss", "softmax_cross_entropy", "logits", "label")
        return self


def inception():
    """A stem, two blocks of four branches at 14 x 14 and a third at 7 x 7."""
    net = Network("inception", 64)

    def halve(name, source):
        return net.node(name, "maxpool", source, size=2, stride=2, padding="valid")

    def block(name, source, one, reduced3, three, reduced5, five, pooled):
        ends = [net.conv(f"{name}.1x1", source, one, 1)]
        for size, reduced, filters in ((3, reduced3, three), (5, reduced5, five)):
            narrow = net.conv(f"{name}.{size}x{size}r", source, reduced, 1)
            ends.append(net.conv(f"{name}.{size}x{size}", narrow, filters, size))
        net.node(f"{name}.pool", "maxpool", source, size=3, stride=1, padding="same")
        ends.append(net.conv(f"{name}.poolp", f"{name}.pool", pooled, 1))
        return net.node(name, "concat", *ends)

    last = net.conv("stem", net.node("x", "input", shape=[28, 28, 1]), 32, 3)
    last = block("i1", halve("pool1", last), 32, 32, 48, 16, 24, 24)
    last = block("i2", last, 48, 48, 64, 16, 32, 32)
    last = block("i3", halve("pool2", last), 64, 64, 96, 24, 48, 48)
    return net.classifier(net.node("gap", "global_avg_pool", last))


def towers_small():
    """Sixteen towers of three dense layers, all on the same 64 features, concatenated."""
    net = Network("towers-small", 32)
    net.node("x", "input", shape=[64])
    ends = []
    for tower in range(16):
        last = "x"
        for depth in range(3):
            hidden = net.node(f"b{tower}.fc{depth}", "dense", last, units=64)
            last = net.node(f"b{tower}.relu{depth}", "relu", hidden)
        ends.append(last)
    return net.classifier(net.node("concat", "concat", *ends))


def several_losses():
    """Two weighted losses; "h" feeds three nodes and "logits" two, so gradients accumulate."""
    net = Network("several-losses", 7)
    net.node("x", "input", shape=[6])
    net.node("a", "dense", "x", units=5)
    net.node("h", "relu", "a")
    net.node("logits", "dense", "h", units=4)
    net.node("b", "dense", "h", units=3)
    net.node("b.relu", "relu", "b")
    net.node("joined", "concat", "h", "b.relu", "logits")
    net.node("value", "dense", "joined", units=3)
    net.labels(4)
    net.node("y", "target", shape=[3])
    net.node("loss.class", "softmax_cross_entropy", "logits", "label", weight=0.25)
    net.node("loss.value", "mean_squared_error", "value", "y", weight=0.75)
    return net


# ---------------------------------------------------------------- training

def forward(net, parameters, fed):
    """(losses by name, values by name). Makes the parameters that are missing."""
    values, losses = dict(fed), {}
    for node in net.nodes:
        name, kind = node["name"], node["kind"]
        if kind in ("input", "target"):
            continue
        inputs = [values[source] for source in node["inputs"]]
        own = {}
        for key, shape in parameter_shapes(kind, node["attributes"], inputs[0].shape).items():
            full = f"{name}.{key}"
            if full not in parameters:
                start = torch.from_numpy(initial(full, shape).astype(np.float64))
                parameters[full] = start.requires_grad_()
            own[key] = parameters[full]
        values[name] = KINDS[kind](inputs, own, **node["attributes"])
        if kind in LOSSES:
            losses[name] = values[name].squeeze()
    return losses, values


def total(array):
    return math.fsum(np.asarray(array, dtype=np.float64).ravel())


def picked(flat, index):
    return {"index": int(index), "value": float(flat[index])}


def train(net):
    parameters, starts, optimiser, steps = {}, {}, None, []
    weights = {n["name"]: n["attributes"].get("weight", 1.0) for n in net.nodes}
    feeds = [
        {
            "node": n["name"],
            "shape": [net.batch, *n["attributes"]["shape"]],
            "classes": net.classes.get(n["name"]),
        }
        for n in net.nodes
        if n["kind"] in ("input", "target")
    ]
    for step in range(STEPS):
        fed = {f["node"]: feed(f["node"], step, f["shape"], f["classes"]) for f in feeds}
        tensors = {name: torch.from_numpy(v.astype(np.float64)) for name, v in fed.items()}
        losses, _ = forward(net, parameters, tensors)
        if optimiser is None:
            starts = {name: p.detach().numpy().copy() for name, p in parameters.items()}
            optimiser = torch.optim.SGD(parameters.values(), lr=LEARNING_RATE, momentum=MOMENTUM)
        loss = sum(weights[name] * value for name, value in losses.items())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps.append({
            "step": step,
            "loss": loss.item(),
            "losses": {name: value.item() for name, value in losses.items()},
            "feeds": {name: total(v) for name, v in fed.items()},
        })
    rows = []
    for name, parameter in parameters.items():
        array = parameter.detach().numpy()
        flat, begun = array.ravel(), starts[name].ravel()
        update = flat - begun
        moved = np.argsort(-np.abs(update), kind="stable")[:4]
        rows.append({
            "name": name,
            "shape": list(array.shape),
            "initial_sum": total(begun),
            "sum": total(flat),
            "l2": math.sqrt(total(flat * flat)),
            "max_abs": float(np.abs(flat).max()),
            "update_l2": math.sqrt(total(update * update)),
            "samples": [picked(flat, (j * flat.size) // 16) for j in range(16)],
            "most_moved": [picked(flat, i) for i in sorted(moved)],
        })
    return {
        "name": net.name,
        "batch": net.batch,
        "learning_rate": LEARNING_RATE,
        "momentum": MOMENTUM,
        "nodes": net.nodes,
        "feeds": feeds,
        "steps": steps,
        "parameters": rows,
    }


def generator_row(name):
    return {
        "name": name,
        "hash": f"{fnv1a(name):016x}",
        "z": [f"{int(z):016x}" for z in bits(name, 3)],
        "u": [float(u) for u in unit(name, 3)],
    }


def dump(value, depth):
    """JSON with line breaks in the outer `depth` levels only, so that a change is easy to see."""
    if depth == 0 or not isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {dump(v, depth - 1)}" for key, v in value.items()]
        return "{\n" + ",\n".join(parts) + "\n}"
    return "[\n" + ",\n".join(dump(v, depth - 1) for v in value) + "\n]"


def main():
    torch.set_num_threads(1)  # one order of summation, so that every run gives the same file
    networks = [train(build()) for build in (inception, towers_small, several_losses)]
    result = {
        "torch": torch.__version__,
        "generator": [generator_row(n) for n in ("", "x.0", "label.4", "logits.weight", "a.bias")],
        "networks": networks,
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    parts = [
        f'"torch": {json.dumps(result["torch"])}',
        f'"generator": {dump(result["generator"], 1)}',
        f'"networks": {dump(networks, 3)}',
    ]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")
    for network in networks:
        print(network["name"], [round(step["loss"], 6) for step in network["steps"]])
    print(f"{path.name}: {path.stat().st_size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
