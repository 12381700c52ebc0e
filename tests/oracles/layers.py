"""Reference results of single layers, losses and metrics, computed by PyTorch.

Run from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install torch numpy
    .venv/bin/python tests/oracles/layers.py

It writes layers.json beside itself: a list of cases, one per line, each an object with
    name             unique
    kind             the node kind
    attributes       the attributes of the node as lines of TOML, "" when there are none
    inputs           [{shape, values}], the batch axis first, channels last
    parameters       {weight: {shape, values}, bias: {shape, values}} or {}
    output           {shape, values}
    output_grad      the gradient that backward starts from; null for a metric, one_hot, argmax
                     and stop_gradient
    input_grads      one per differentiable input (labels and indices have none); [] without a gradient
    parameter_grads  like parameters

Dense weights are [in, out], convolution weights [kh, kw, in, out]; everything is row-major.
A loss or a metric has an output of shape [1]. The losses are means, so they get output_grad 1.

Inputs, parameters and output gradients are drawn at random, rounded to three decimals and then to
float32. PyTorch computes in float64 from those float32 numbers, and each result is rounded to
float32 at the end, so a stored result is off by half a unit in the last place and no more.
"""

import json
import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F


# ---------------------------------------------------------------- the layers, channels last

def pair(value):
    """n or [n, m] as a tuple of two."""
    return (value, value) if isinstance(value, int) else tuple(value)


def single(number):
    """An attribute as a float32."""
    return float(np.float32(number))


def same_padding(size, kernel, stride):
    """(before, after) by TensorFlow's rule: ceil(size / stride) outputs, the odd one after."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def padded(x, kernel, stride, padding, fill):
    """x as [batch, c, h, w], padded as asked."""
    x = x.permute(0, 3, 1, 2)
    if padding == "valid":
        return x
    if padding != "same":
        top, bottom, left, right = sides(padding)
        return F.pad(x, (left, right, top, bottom), value=fill)
    top, bottom = same_padding(x.shape[2], kernel[0], stride[0])
    left, right = same_padding(x.shape[3], kernel[1], stride[1])
    return F.pad(x, (left, right, top, bottom), value=fill)


def sides(padding):
    """One width or four as a list of four."""
    return [padding] * 4 if isinstance(padding, int) else padding


def dense(xs, p, units):
    return xs[0] @ p["weight"] + p["bias"]


def conv2d(xs, p, filters, kernel, stride=1, padding="valid", dilation=1, groups=1):
    kernel, stride, dilation = pair(kernel), pair(stride), pair(dilation)
    extent = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    x = padded(xs[0], extent, stride, padding, 0.0)
    y = F.conv2d(x, p["weight"].permute(3, 2, 0, 1), p["bias"], stride, 0, dilation, groups)
    return y.permute(0, 2, 3, 1)


def depthwise_conv2d(xs, p, kernel, multiplier=1, **options):
    channels = xs[0].shape[-1]
    weight = p["weight"].reshape(*pair(kernel), 1, channels * multiplier)
    parameters = {"weight": weight, "bias": p["bias"]}
    return conv2d(xs, parameters, channels * multiplier, kernel, groups=channels, **options)


def conv2d_transpose(xs, p, filters, kernel, stride=1, padding="valid", output_padding=0):
    """Keras's sizes: in * stride, and where it is valid, what the kernel exceeds the stride by."""
    kernel, stride = pair(kernel), pair(stride)
    more = pair(output_padding)
    y = F.conv_transpose2d(xs[0].permute(0, 3, 1, 2), p["weight"].permute(3, 2, 0, 1),
                           stride=stride, output_padding=more)
    if padding not in ("valid", "same"):
        top, bottom, left, right = sides(padding)
        y = y[:, :, top : y.shape[2] - bottom, left : y.shape[3] - right]
        return y.permute(0, 2, 3, 1) + p["bias"]
    for axis in (0, 1):
        size = xs[0].shape[1 + axis] * stride[axis]
        excess = max(kernel[axis] - stride[axis], 0)
        if padding == "valid":
            start, size = 0, size + excess
        else:
            start = excess // 2
        short = max(start + size - y.shape[2 + axis], 0)
        y = F.pad(y, (0, 0, 0, short) if axis == 0 else (0, short))
        y = y.narrow(2 + axis, start, size)
    return y.permute(0, 2, 3, 1) + p["bias"]


def maxpool(xs, p, size, stride=None, padding="valid"):
    size, stride = pair(size), pair(size if stride is None else stride)
    x = padded(xs[0], size, stride, padding, float("-inf"))
    return F.max_pool2d(x, size, stride).permute(0, 2, 3, 1)


def avgpool(xs, p, size, stride=None, padding="valid"):
    """The padding does not count: the sum over each window, over the sum of ones."""
    size, stride = pair(size), pair(size if stride is None else stride)
    mean = lambda x: F.avg_pool2d(padded(x, size, stride, padding, 0.0), size, stride)
    return (mean(xs[0]) / mean(torch.ones_like(xs[0]))).permute(0, 2, 3, 1)


def prelu(xs, p, shared=False, initial=0.25):
    return torch.where(xs[0] > 0, xs[0], p["slope"] * xs[0])


def zero_padding(xs, p, padding):
    top, bottom, left, right = sides(padding)
    return F.pad(xs[0], (0, 0, left, right, top, bottom))


def upsample(xs, p, factor):
    rows, columns = pair(factor)
    return xs[0].repeat_interleave(rows, dim=1).repeat_interleave(columns, dim=2)


def slice_(xs, p, length, axis=-1, start=0):
    return xs[0].narrow(axis if axis < 0 else axis + 1, start, length)


def divide(xs, p):
    y = xs[0]
    for x in xs[1:]:
        y = y / x
    return y


def concat(xs, p, axis=-1):
    return torch.cat(xs, dim=axis if axis < 0 else axis + 1)  # the axis does not count the batch


def causal_softmax(xs, p):
    ahead = torch.ones(xs[0].shape[-2:], dtype=torch.bool).triu(1)
    return F.softmax(xs[0].masked_fill(ahead, -torch.inf), dim=-1)


def softmax_cross_entropy(xs, p, weight=1.0):
    return F.cross_entropy(xs[0], xs[1].long()).reshape(1)


def mean_squared_error(xs, p, weight=1.0):
    return F.mse_loss(xs[0], xs[1]).reshape(1)


def accuracy(xs, p):
    return (xs[0].argmax(dim=1) == xs[1].long()).double().mean().reshape(1)


KINDS = {
    "dense": dense,
    "conv2d": conv2d,
    "depthwise_conv2d": depthwise_conv2d,
    "conv2d_transpose": conv2d_transpose,
    "maxpool": maxpool,
    "concat": concat,
    "softmax_cross_entropy": softmax_cross_entropy,
    "mean_squared_error": mean_squared_error,
    "accuracy": accuracy,
    "relu": lambda xs, p: torch.relu(xs[0]),
    "tanh": lambda xs, p: torch.tanh(xs[0]),
    "sigmoid": lambda xs, p: torch.sigmoid(xs[0]),
    "add": lambda xs, p: sum(xs[1:], xs[0]),
    "flatten": lambda xs, p: xs[0].flatten(1),
    "global_avg_pool": lambda xs, p: xs[0].mean(dim=(1, 2)),
    "avgpool": avgpool,
    "global_max_pool": lambda xs, p: xs[0].amax(dim=(1, 2)),
    "leaky_relu": lambda xs, p, slope=0.01: F.leaky_relu(xs[0], single(slope)),
    "clip": lambda xs, p, min=0.0, max=6.0: F.hardtanh(xs[0], single(min), single(max)),
    "elu": lambda xs, p, alpha=1.0: F.elu(xs[0], single(alpha)),
    "gelu": lambda xs, p: F.gelu(xs[0]),
    "silu": lambda xs, p: F.silu(xs[0]),
    "softplus": lambda xs, p: F.softplus(xs[0], threshold=1000.0),
    "softmax": lambda xs, p: F.softmax(xs[0], dim=-1),
    "causal_softmax": causal_softmax,
    "prelu": prelu,
    "subtract": lambda xs, p: xs[0] - sum(xs[1:]),
    "multiply": lambda xs, p: torch.stack(xs).prod(dim=0),
    "divide": divide,
    "scale": lambda xs, p, factor: single(factor) * xs[0],
    "matmul": lambda xs, p, transpose_second=False: xs[0] @ (xs[1].mT if transpose_second else xs[1]),
    "transpose": lambda xs, p: xs[0].mT,
    "fill": lambda xs, p, shape, value=0.0: torch.full((len(xs[0]), *shape), single(value)),
    "reshape": lambda xs, p, shape: xs[0].reshape(len(xs[0]), *shape),
    "slice": slice_,
    "zero_padding": zero_padding,
    "upsample": upsample,
    "layer_norm": lambda xs, p, epsilon=1e-5: F.layer_norm(
        xs[0], xs[0].shape[-1:], p["weight"], p["bias"], single(epsilon)),
    "one_hot": lambda xs, p, classes: F.one_hot(xs[0].long(), classes).double(),
    "argmax": lambda xs, p: xs[0].argmax(dim=-1).double(),
    "stop_gradient": lambda xs, p: xs[0].detach(),
    "embedding": lambda xs, p, entries, features: F.embedding(xs[0].long(), p["weight"]),
}

INDEXED = {"one_hot": "classes", "embedding": "entries"}  # the attribute that bounds their input
WITHOUT_GRADIENT = ("accuracy", "one_hot", "argmax", "fill", "stop_gradient")
LABELLED = ("softmax_cross_entropy", "accuracy")
LOSSES = ("softmax_cross_entropy", "mean_squared_error")


def parameter_shapes(kind, attributes, shape):
    """The parameters of a node whose input has this shape (the batch axis is not looked at)."""
    if kind == "dense":
        units = attributes["units"]
        return {"weight": (shape[-1], units), "bias": (units,)}
    if kind == "conv2d":
        filters, channels = attributes["filters"], shape[-1] // attributes.get("groups", 1)
        return {"weight": (*pair(attributes["kernel"]), channels, filters), "bias": (filters,)}
    if kind == "depthwise_conv2d":
        times = attributes.get("multiplier", 1)
        window = (*pair(attributes["kernel"]), shape[-1], times)
        return {"weight": window, "bias": (shape[-1] * times,)}
    if kind == "conv2d_transpose":
        filters = attributes["filters"]
        return {"weight": (*pair(attributes["kernel"]), filters, shape[-1]), "bias": (filters,)}
    if kind == "prelu":
        return {"slope": (1 if attributes.get("shared") else shape[-1],)}
    if kind == "layer_norm":
        return {"weight": (shape[-1],), "bias": (shape[-1],)}
    if kind == "embedding":
        return {"weight": (attributes["entries"], attributes["features"])}
    return {}


# ---------------------------------------------------------------- cases

def stored(tensor):
    """{shape, values}: the shortest decimals that read back as the same float32 numbers."""
    array = np.asarray(tensor.detach().numpy() if torch.is_tensor(tensor) else tensor)
    single = array.astype(np.float32) + np.float32(0)  # no negative zeros
    values = [float(str(v)) for v in single.ravel()]
    assert np.array_equal(np.array(values).astype(np.float32), single.ravel())
    return {"shape": list(array.shape), "values": values}


def toml(attributes):
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in attributes.items())


def normals(rng, shape):
    """Random normals with three decimals, none of them zero (ReLU has no derivative there)."""
    values = np.round(rng.standard_normal(shape), 3)
    return np.where(values == 0, 0.001, values)


def distinct(rng, shape):
    """Numbers with three decimals in [-3, 3], no two of them equal, so that a maximum is unique."""
    return rng.permutation(6001)[: int(np.prod(shape))].reshape(shape) / 1000 - 3


def exact(array):
    return torch.from_numpy(np.asarray(array).astype(np.float32).astype(np.float64))


def case(name, kind, shapes, attributes=None, values=None):
    """Draw a case from its name, so that a new case leaves the others as they are."""
    attributes = attributes or {}
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    if values is None:
        draw = distinct if kind in ("maxpool", "global_max_pool", "argmax") else normals
        values = [draw(rng, shape) for shape in shapes]
        if kind in LABELLED:
            values[1] = rng.randint(0, shapes[0][1], shapes[1])
        if kind in INDEXED:
            values[0] = rng.randint(0, attributes[INDEXED[kind]], shapes[0])
        if kind == "divide":
            values[1:] = [np.where(v < 0, v - 0.5, v + 0.5) for v in values[1:]]
    inputs = [exact(v) for v in values]
    parameters = {
        key: exact(normals(rng, shape))
        for key, shape in parameter_shapes(kind, attributes, inputs[0].shape).items()
    }
    learnt = inputs[:1] if kind in LABELLED else [] if kind in INDEXED else inputs
    gradient = None
    if kind not in WITHOUT_GRADIENT:
        for tensor in [*learnt, *parameters.values()]:
            tensor.requires_grad_()
    output = KINDS[kind](inputs, parameters, **attributes)
    if kind not in WITHOUT_GRADIENT:
        gradient = torch.ones(1) if kind in LOSSES else exact(normals(rng, output.shape))
        output.backward(gradient)
    return {
        "name": name,
        "kind": kind,
        "attributes": toml(attributes),
        "inputs": [stored(x) for x in inputs],
        "parameters": {key: stored(p) for key, p in parameters.items()},
        "output": stored(output),
        "output_grad": None if gradient is None else stored(gradient),
        "input_grads": [] if gradient is None else [stored(x.grad) for x in learnt],
        "parameter_grads": {key: stored(p.grad) for key, p in parameters.items()},
    }


def cases():
    def conv(name, shape, filters, kernel, stride=None, padding=None):
        options = {"stride": stride, "padding": padding}
        given = {key: value for key, value in options.items() if value is not None}
        required = {"filters": filters, "kernel": kernel}
        return case(f"conv2d {name}", "conv2d", [shape], {**required, **given})

    def pool(name, shape, size, stride=None, padding=None, values=None):
        options = {"stride": stride, "padding": padding}
        given = {key: value for key, value in options.items() if value is not None}
        return case(f"maxpool {name}", "maxpool", [shape], {"size": size, **given}, values)

    yield case("dense 1 to 1", "dense", [(1, 1)], {"units": 1})
    yield case("dense 3 to 4", "dense", [(2, 3)], {"units": 4})
    yield case("dense 7 to 1", "dense", [(5, 7)], {"units": 1})
    yield case("dense 1 to 5", "dense", [(3, 1)], {"units": 5})
    yield case("dense batch 1", "dense", [(1, 9)], {"units": 6})
    yield case("dense 17 to 19", "dense", [(11, 17)], {"units": 19})
    yield case("dense 33 to 18", "dense", [(7, 33)], {"units": 18})

    for kind in ("relu", "tanh", "sigmoid"):
        yield case(f"{kind} one axis", kind, [(3, 7)])
        yield case(f"{kind} three axes", kind, [(2, 3, 5, 3)])
        yield case(f"{kind} single value", kind, [(1, 1)])
    large = [[[-100, -30, -9, -1e-3, 1e-3, 9, 30, 100]]]
    yield case("tanh large values", "tanh", None, values=large)
    yield case("sigmoid large values", "sigmoid", None, values=large)

    yield case("concat two vectors", "concat", [(3, 2), (3, 5)])
    yield case("concat three vectors", "concat", [(2, 1), (2, 4), (2, 3)])
    yield case("concat vectors batch 1", "concat", [(1, 3), (1, 1)])
    yield case("concat vectors axis 0", "concat", [(3, 2), (3, 4)], {"axis": 0})
    yield case("concat two images", "concat", [(2, 3, 2, 1), (2, 3, 2, 4)])
    yield case("concat three images", "concat", [(2, 2, 3, 2), (2, 2, 3, 3), (2, 2, 3, 1)])
    yield case("concat images axis -1", "concat", [(1, 2, 2, 3), (1, 2, 2, 2)], {"axis": -1})
    yield case("concat images axis 2", "concat", [(2, 2, 3, 1), (2, 2, 3, 2)], {"axis": 2})
    yield case("concat images axis 0", "concat", [(2, 1, 3, 2), (2, 4, 3, 2)], {"axis": 0})
    yield case("concat three images axis 0", "concat",
               [(2, 2, 2, 3), (2, 1, 2, 3), (2, 3, 2, 3)], {"axis": 0})
    yield case("concat images axis 1", "concat", [(2, 3, 2, 2), (2, 3, 1, 2)], {"axis": 1})
    yield case("concat three images axis 1", "concat",
               [(3, 2, 1, 2), (3, 2, 3, 2), (3, 2, 2, 2)], {"axis": 1})

    yield case("add two vectors", "add", [(3, 5)] * 2)
    yield case("add three vectors", "add", [(2, 7)] * 3)
    yield case("add two images", "add", [(2, 3, 2, 3)] * 2)
    yield case("add three images", "add", [(1, 2, 3, 5)] * 3)

    yield case("flatten image", "flatten", [(2, 3, 4, 2)])
    yield case("flatten one channel", "flatten", [(3, 5, 3, 1)])
    yield case("flatten single pixel", "flatten", [(1, 1, 1, 7)])

    yield conv("1x1", (2, 3, 4, 3), 5, 1)
    yield conv("1x1 one channel", (1, 3, 3, 1), 1, 1)
    yield conv("1x1 stride 2", (2, 5, 4, 3), 2, 1, 2)
    yield conv("1x1 stride 3 same", (2, 6, 7, 2), 3, 1, 3, "same")
    yield conv("3x3 valid", (2, 5, 6, 2), 3, 3, None, "valid")
    yield conv("3x3 default padding", (1, 4, 5, 1), 2, [3, 3])
    yield conv("3x3 valid single output", (2, 3, 3, 2), 4, 3)
    yield conv("3x3 same", (2, 5, 4, 3), 4, 3, 1, "same")
    yield conv("3x3 same one channel", (3, 6, 5, 1), 3, 3, None, "same")
    yield conv("3x3 same 16 filters", (2, 5, 4, 4), 16, 3, None, "same")
    yield conv("3x3 same 17 filters", (1, 4, 5, 3), 17, 3, None, "same")
    yield conv("5x5 same", (2, 7, 6, 2), 3, 5, None, "same")
    yield conv("5x5 same larger than image", (2, 3, 2, 2), 2, 5, None, "same")
    yield conv("2x2 same", (2, 4, 5, 2), 3, 2, None, "same")
    yield conv("4x4 same", (1, 5, 6, 2), 2, 4, None, "same")
    yield conv("2x2 same stride 2 odd", (2, 5, 7, 2), 3, 2, 2, "same")
    yield conv("rectangular valid", (2, 7, 5, 2), 3, [3, 2], [2, 1])
    yield conv("rectangular same", (2, 6, 5, 2), 3, [3, 2], [2, 1], "same")
    yield conv("1x7 then wide stride same", (1, 3, 9, 2), 2, [1, 7], [1, 2], "same")
    yield conv("3x3 same stride 2 odd", (2, 7, 5, 2), 3, 3, 2, "same")
    yield conv("3x3 same stride 2 even", (2, 6, 4, 2), 3, 3, 2, "same")
    yield conv("3x3 valid stride 2", (2, 7, 6, 3), 2, 3, 2)
    yield conv("3x3 valid stride 3 leftover", (2, 8, 7, 2), 3, 3, 3)
    yield conv("2x2 valid stride 3 leftover", (2, 7, 6, 2), 3, 2, 3)
    yield conv("3x3 same height 1", (2, 1, 6, 2), 3, 3, None, "same")
    yield conv("3x3 same width 1", (2, 5, 1, 2), 3, 3, None, "same")
    yield conv("3x3 same height 1 batch 1", (1, 1, 6, 2), 3, 3, None, "same")
    yield conv("3x3 same width 1 batch 1", (1, 5, 1, 2), 3, 3, None, "same")
    yield conv("5x5 same single pixel", (3, 1, 1, 2), 3, 5, None, "same")
    yield conv("3x3 same height 1 stride 2", (2, 1, 5, 3), 2, 3, 2, "same")

    def options(name, kind, shape, **attributes):
        return case(f"{kind} {name}", kind, [shape], attributes)

    for name, shape, more in [
        ("dilated 2 valid", (2, 6, 7, 2), {"dilation": 2}),
        ("dilated 2 same", (2, 5, 4, 3), {"dilation": 2, "padding": "same"}),
        ("dilated one way", (1, 4, 9, 2), {"dilation": [1, 3], "padding": "same"}),
        ("dilated with stride", (2, 9, 8, 2), {"dilation": [3, 2], "stride": [2, 3]}),
        ("dilated with stride same", (2, 7, 7, 2), {"dilation": 2, "stride": 2, "padding": "same"}),
        ("two groups", (2, 4, 3, 4), {"groups": 2}),
        ("groups dilated same", (1, 5, 5, 6), {"groups": 3, "dilation": 2, "padding": "same"}),
    ]:
        yield options(name, "conv2d", shape, filters=6, kernel=3, **more)
    yield options("groups of pixels", "conv2d", (2, 3, 2, 4), filters=6, kernel=1, groups=2)
    yield options("wide groups", "conv2d", (1, 3, 3, 4), filters=70, kernel=2, groups=2)
    for name, shape, more in [
        ("valid", (2, 5, 4, 3), {}),
        ("same", (2, 4, 3, 17), {"padding": "same"}),
        ("stride 2 same", (2, 6, 5, 3), {"stride": 2, "padding": "same"}),
        ("multiplier", (2, 4, 4, 3), {"multiplier": 2}),
        ("dilated same", (1, 6, 7, 2), {"dilation": [2, 3], "padding": "same", "multiplier": 3}),
        ("dilated with stride", (2, 8, 9, 2), {"dilation": 2, "stride": [3, 2]}),
    ]:
        yield options(name, "depthwise_conv2d", shape, kernel=3, **more)
    for name, shape, more in [
        ("3x3 valid", (2, 3, 2, 3), {"kernel": 3}),
        ("3x3 same", (2, 3, 4, 2), {"kernel": 3, "padding": "same"}),
        ("3x3 stride 2 valid", (2, 2, 3, 2), {"kernel": 3, "stride": 2}),
        ("3x3 stride 2 same", (2, 2, 3, 2), {"kernel": 3, "stride": 2, "padding": "same"}),
        ("4x4 stride 2 same", (1, 3, 2, 2), {"kernel": 4, "stride": 2, "padding": "same"}),
        ("gaps valid", (2, 2, 3, 2), {"kernel": [2, 1], "stride": 3}),
        ("gaps same", (2, 3, 2, 2), {"kernel": [1, 2], "stride": [2, 3], "padding": "same"}),
        ("pixels", (2, 2, 2, 3), {"kernel": 1}),
    ]:
        yield options(name, "conv2d_transpose", shape, filters=4, **more)

    yield pool("2/2 valid", (2, 6, 4, 3), 2, 2, "valid")
    yield pool("2 default stride", (2, 4, 6, 1), 2)
    yield pool("2/2 valid leftover", (2, 5, 7, 2), 2, 2)
    yield pool("2/2 same odd", (2, 5, 7, 2), 2, 2, "same")
    yield pool("3/1 same", (2, 5, 4, 3), 3, 1, "same")
    yield pool("3/1 same 17 channels", (1, 4, 4, 17), 3, 1, "same")
    yield pool("3/2 same odd", (2, 7, 5, 2), 3, 2, "same")
    yield pool("3/2 same even", (1, 6, 8, 3), 3, 2, "same")
    yield pool("3/2 valid overlapping", (2, 7, 8, 2), 3, 2)
    yield pool("2/1 valid overlapping", (2, 5, 4, 3), 2, 1, "valid")
    yield pool("rectangular", (2, 6, 7, 2), [3, 2], [1, 2])
    yield pool("rectangular same", (2, 4, 5, 2), [3, 2], [1, 2], "same")
    yield pool("rectangular default stride", (2, 6, 5, 2), [3, 2])
    yield pool("2/3 valid gaps", (2, 8, 7, 2), 2, 3)
    yield pool("2/3 same gaps", (2, 6, 7, 2), 2, 3, "same")
    yield pool("3/1 same single pixel", (2, 1, 1, 3), 3, 1, "same")
    negative = distinct(np.random.RandomState(7), (2, 5, 5, 2)) - 3.5
    yield pool("3/2 same all negative", None, 3, 2, "same", [negative])
    yield pool("3/1 same all negative", None, 3, 1, "same", [negative])

    yield case("global_avg_pool", "global_avg_pool", [(2, 3, 5, 3)])
    yield case("global_avg_pool one channel", "global_avg_pool", [(3, 4, 2, 1)])
    yield case("global_avg_pool single pixel", "global_avg_pool", [(1, 1, 1, 5)])

    for kind in ("leaky_relu", "elu", "gelu", "silu", "softplus", "softmax"):
        yield case(f"{kind} one axis", kind, [(3, 7)])
        yield case(f"{kind} three axes", kind, [(2, 3, 2, 3)])
        yield case(f"{kind} large values", kind, None, values=large)
    yield case("leaky_relu slope", "leaky_relu", [(3, 7)], {"slope": 0.3})
    yield case("elu alpha", "elu", [(3, 7)], {"alpha": 0.4})
    yield case("clip large values", "clip", None, values=large)
    yield case("clip bounds", "clip", [(2, 3, 2, 3)], {"min": -0.3333, "max": 0.7777})
    yield case("prelu", "prelu", [(4, 5)])
    yield case("prelu image", "prelu", [(2, 3, 2, 3)])
    yield case("prelu shared", "prelu", [(2, 3, 2, 3)], {"shared": True})
    for kind in ("subtract", "multiply", "divide"):
        yield case(f"{kind} two vectors", kind, [(3, 5)] * 2)
        yield case(f"{kind} three images", kind, [(2, 2, 1, 3)] * 3)

    def average(name, shape, size, **options):
        return case(f"avgpool {name}", "avgpool", [shape], {"size": size, **options})

    yield average("2/2", (2, 4, 4, 3), 2)
    yield average("2/1 overlapping", (2, 3, 4, 2), 2, stride=1)
    yield average("3/1 same", (2, 4, 3, 2), 3, stride=1, padding="same")
    yield average("3/2 same odd", (2, 5, 3, 2), 3, stride=2, padding="same")
    yield average("3/2 same even", (1, 4, 6, 2), 3, stride=2, padding="same")
    yield average("rectangular same", (2, 4, 5, 2), [3, 2], stride=[1, 2], padding="same")
    yield average("2/3 gaps", (2, 5, 6, 2), 2, stride=3)
    yield conv("3/2 width 1", (2, 6, 5, 2), 3, 3, 2, 1)
    yield conv("3/1 four widths", (1, 4, 3, 2), 2, 3, 1, [2, 0, 1, 2])
    yield case("depthwise_conv2d four widths", "depthwise_conv2d", [(2, 5, 4, 3)],
               {"kernel": 3, "stride": 2, "padding": [1, 0, 2, 1]})
    yield case("conv2d_transpose width", "conv2d_transpose", [(2, 3, 2, 2)],
               {"filters": 3, "kernel": 3, "stride": 2, "padding": 1, "output_padding": 1})
    yield case("conv2d_transpose four widths", "conv2d_transpose", [(1, 3, 2, 2)],
               {"filters": 2, "kernel": 3, "stride": [1, 3], "padding": [0, 2, 1, 0],
                "output_padding": [0, 2]})
    yield pool("3/2 width 1", (2, 6, 5, 3), 3, 2, 1)
    yield pool("rectangular four widths", (1, 5, 4, 2), [3, 2], 2, [0, 2, 1, 1])
    yield average("3/2 width 1", (2, 6, 5, 3), 3, stride=2, padding=1)
    yield average("rectangular four widths", (1, 5, 4, 2), [3, 2], stride=2, padding=[0, 2, 1, 1])
    yield case("global_max_pool", "global_max_pool", [(2, 3, 4, 3)])
    yield case("global_max_pool single pixel", "global_max_pool", [(1, 1, 1, 5)])

    yield case("reshape image", "reshape", [(2, 3, 4)], {"shape": [2, 3, 2]})
    yield case("slice last axis", "slice", [(2, 3, 5)], {"start": 1, "length": 3})
    yield case("slice rows", "slice", [(2, 4, 3, 2)], {"axis": 0, "start": 1, "length": 2})
    yield case("slice columns", "slice", [(2, 2, 4, 2)], {"axis": -2, "length": 3})
    yield case("zero_padding all sides", "zero_padding", [(2, 2, 3, 2)], {"padding": 1})
    yield case("zero_padding sides", "zero_padding", [(1, 2, 2, 3)], {"padding": [0, 2, 1, 0]})
    yield case("upsample 2", "upsample", [(2, 2, 3, 2)], {"factor": 2})
    yield case("upsample rectangular", "upsample", [(1, 2, 2, 3)], {"factor": [1, 3]})
    yield case("layer_norm vectors", "layer_norm", [(4, 7)])
    yield case("layer_norm images", "layer_norm", [(2, 2, 3, 5)], {"epsilon": 0.25})
    yield case("scale", "scale", [(2, 3, 2)], {"factor": -0.3})
    yield case("matmul", "matmul", [(2, 3, 4), (2, 4, 5)])
    yield case("matmul transposed", "matmul", [(2, 3, 4), (2, 5, 4)], {"transpose_second": True})
    yield case("matmul stacks", "matmul", [(2, 2, 3, 2), (2, 2, 2, 17)])
    yield case("matmul stacks transposed", "matmul", [(1, 3, 2, 4), (1, 3, 1, 4)],
               {"transpose_second": True})
    yield case("causal_softmax", "causal_softmax", [(2, 5, 5)])
    yield case("causal_softmax of stacks", "causal_softmax", [(1, 2, 3, 18)])
    yield case("causal_softmax of fewer numbers than rows", "causal_softmax", [(3, 4, 2)])
    yield case("transpose", "transpose", [(2, 3, 5)])
    yield case("transpose stacks", "transpose", [(2, 2, 1, 3)])
    yield case("fill", "fill", [(3, 2)], {"shape": [2, 2], "value": 0.3})
    yield case("one_hot scalars", "one_hot", [(5,)], {"classes": 3})
    yield case("one_hot rows", "one_hot", [(2, 3)], {"classes": 4})
    yield case("argmax vectors", "argmax", [(4, 6)])
    yield case("argmax rows", "argmax", [(2, 3, 5)])
    yield case("stop_gradient rows", "stop_gradient", [(2, 3, 5)])
    yield case("embedding scalars", "embedding", [(6,)], {"entries": 4, "features": 3})
    yield case("embedding rows", "embedding", [(2, 4)], {"entries": 5, "features": 2})

    extreme = [[80, -80, 0], [-80, 80, 79.5], [80, 80, 80], [-80, -80, -80], [0.5, -80, 80]]
    for kind in ("softmax_cross_entropy", "accuracy"):
        yield case(f"{kind} 5 classes", kind, [(7, 5), (7,)])
        yield case(f"{kind} 2 classes", kind, [(4, 2), (4,)])
        yield case(f"{kind} batch 1", kind, [(1, 3), (1,)])
        yield case(f"{kind} 10 classes", kind, [(33, 10), (33,)])
    yield case("softmax_cross_entropy single class", "softmax_cross_entropy", [(3, 1), (3,)])
    yield case("softmax_cross_entropy large right", "softmax_cross_entropy", None,
               values=[extreme, [0, 1, 2, 0, 2]])
    yield case("softmax_cross_entropy large wrong", "softmax_cross_entropy", None,
               values=[extreme, [1, 0, 1, 1, 0]])
    yield case("accuracy none", "accuracy", None, values=[[[2, 1, 0], [0, 3, 1]], [1, 0]])
    yield case("accuracy all", "accuracy", None, values=[[[80, -80, 0], [0, 3, 1]], [0, 1]])
    yield case("mean_squared_error vectors", "mean_squared_error", [(5, 3)] * 2)
    yield case("mean_squared_error batch 1", "mean_squared_error", [(1, 1)] * 2)
    yield case("mean_squared_error images", "mean_squared_error", [(2, 3, 4, 2)] * 2)


def main():
    rows = list(cases())
    assert len({row["name"] for row in rows}) == len(rows)
    path = pathlib.Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{path.name}: {len(rows)} cases, {path.stat().st_size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
