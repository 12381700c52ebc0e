"""Check layers.json and training.json without PyTorch.

Run from the root of the repository: python tests/oracles/check.py (needs numpy, Python 3.11).

The layers are written here a second time, straight from their definitions, in NumPy. From them
    - every output in layers.json is recomputed;
    - every gradient in layers.json is compared with central finite differences;
    - the generator of training.json is repeated with Python's integers;
    - the first loss of each network is recomputed;
    - "several-losses" is trained by finite differences alone, and all its numbers compared.
"""

import json
import math
import pathlib
import tomllib

import numpy as np

HERE = pathlib.Path(__file__).parent


# ---------------------------------------------------------------- definitions

def windows(x, kernel, stride, padding, fill, dilation=(1, 1)):
    """Yield ((i, j), x under tap i, j of every window); `fill` stands outside the image."""
    (sh, sw), (dh, dw) = stride, dilation
    kh, kw = [(k - 1) * d + 1 for k, d in zip(kernel, dilation)]
    h, w = x.shape[1:3]
    if padding == "same":
        rows, columns = math.ceil(h / sh), math.ceil(w / sw)
        top = max((rows - 1) * sh + kh - h, 0) // 2
        left = max((columns - 1) * sw + kw - w, 0) // 2
    elif padding != "valid":
        top, bottom, left, right = four(padding)
        rows, columns = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
    else:
        rows, columns, top, left = (h - kh) // sh + 1, (w - kw) // sw + 1, 0, 0
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            r = np.arange(rows) * sh + i * dh - top
            c = np.arange(columns) * sw + j * dw - left
            tap = x[:, np.clip(r, 0, h - 1)][:, :, np.clip(c, 0, w - 1)]
            inside = ((r >= 0) & (r < h))[:, None] & ((c >= 0) & (c < w))[None, :]
            yield (i, j), np.where(inside[None, :, :, None], tap, fill)


def four(value):
    return value if isinstance(value, list) else [value] * 4


def two(value):
    return value if isinstance(value, list) else [value, value]


def taps_of(x, a):
    options = two(a.get("stride", 1)), a.get("padding", "valid"), 0, two(a.get("dilation", 1))
    return windows(x, two(a["kernel"]), *options)


def run(kind, xs, p, a):
    x = xs[0]
    if kind == "dense":
        return np.einsum("bi,io->bo", x, p["weight"]) + p["bias"]
    if kind == "conv2d":
        groups = a.get("groups", 1)
        return sum(
            np.concatenate([
                part @ weight for part, weight in zip(
                    np.split(tap, groups, axis=-1), np.split(p["weight"][ij], groups, axis=-1))
            ], axis=-1) for ij, tap in taps_of(x, a)) + p["bias"]
    if kind == "depthwise_conv2d":
        y = sum(tap[..., None] * p["weight"][ij] for ij, tap in taps_of(x, a))
        return y.reshape(*y.shape[:3], -1) + p["bias"]
    if kind == "conv2d_transpose":
        (kh, kw), (sh, sw) = two(a["kernel"]), two(a.get("stride", 1))
        same = a.get("padding", "valid") == "same"
        h, w = x.shape[1] * sh, x.shape[2] * sw
        y = np.zeros((len(x), h + max(kh - sh, 0), w + max(kw - sw, 0), a["filters"]))
        for i in range(kh):
            for j in range(kw):
                spread = x @ p["weight"][i, j].T
                y[:, i : i + h : sh, j : j + w : sw][:, : x.shape[1], : x.shape[2]] += spread
        if "padding" in a and not isinstance(a["padding"], str):
            top, bottom, left, right = four(a["padding"])
            more = two(a.get("output_padding", 0))
            h, w = [(n - 1) * s + k + m for n, s, k, m in zip(x.shape[1:3], (sh, sw), (kh, kw), more)]
            y = np.pad(y, ((0, 0), (0, max(h - y.shape[1], 0)), (0, max(w - y.shape[2], 0)), (0, 0)))
            y = y[:, top : h - bottom, left : w - right]
        if same:
            top, left = max(kh - sh, 0) // 2, max(kw - sw, 0) // 2
            y = y[:, top : top + h, left : left + w]
        return y + p["bias"]
    if kind == "maxpool":
        size = two(a["size"])
        stride = two(a.get("stride", size))
        taps = windows(x, size, stride, a.get("padding", "valid"), -np.inf)
        return np.max([tap for _, tap in taps], axis=0)
    if kind == "relu":
        return x * (x > 0)
    if kind == "tanh":
        return np.tanh(x)
    if kind == "sigmoid":
        return 0.5 + 0.5 * np.tanh(x / 2)
    if kind == "concat":
        axis = a.get("axis", -1)
        return np.concatenate(xs, axis if axis < 0 else axis + 1)
    if kind == "add":
        return np.sum(xs, axis=0)
    if kind == "flatten":
        return x.reshape(len(x), -1)
    if kind == "global_avg_pool":
        return x.sum(axis=(1, 2)) / (x.shape[1] * x.shape[2])
    if kind == "avgpool":
        size = two(a["size"])
        stride, padding = two(a.get("stride", size)), a.get("padding", "valid")
        taps = [tap for _, tap in windows(x, size, stride, padding, np.nan)]
        return np.nanmean(taps, axis=0)
    if kind == "global_max_pool":
        return x.reshape(len(x), -1, x.shape[-1]).max(axis=1)
    if kind == "leaky_relu":
        return np.maximum(x, 0) + np.float32(a.get("slope", 0.01)) * np.minimum(x, 0)
    if kind == "clip":
        return np.clip(x, np.float32(a.get("min", 0.0)), np.float32(a.get("max", 6.0)))
    if kind == "elu":
        return np.maximum(x, 0) + np.float32(a.get("alpha", 1.0)) * np.expm1(np.minimum(x, 0))
    if kind == "gelu":
        return x * np.vectorize(math.erfc)(-x / math.sqrt(2)) / 2
    if kind == "silu":
        return x * (0.5 + 0.5 * np.tanh(x / 2))
    if kind == "softplus":
        return np.logaddexp(0, x)
    if kind == "causal_softmax":
        ahead = np.triu(np.ones(x.shape[-2:], bool), 1)
        return run("softmax", [np.where(ahead, -np.inf, x)], p, a)
    if kind == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    if kind == "prelu":
        return np.maximum(x, 0) + p["slope"] * np.minimum(x, 0)
    if kind == "subtract":
        return 2 * x - np.sum(xs, axis=0)
    if kind == "multiply":
        return np.prod(xs, axis=0)
    if kind == "divide":
        return x / np.prod(xs[1:], axis=0)
    if kind == "reshape":
        return x.reshape(len(x), *a["shape"])
    if kind == "slice":
        axis, start = a.get("axis", -1), a.get("start", 0)
        return x.take(range(start, start + a["length"]), axis if axis < 0 else axis + 1)
    if kind == "zero_padding":
        frame = a["padding"]
        top, bottom, left, right = four(frame)
        return np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    if kind == "upsample":
        rows, columns = two(a["factor"])
        return x.repeat(rows, axis=1).repeat(columns, axis=2)
    if kind == "layer_norm":
        off = x - x.mean(axis=-1, keepdims=True)
        variance = (off**2).mean(axis=-1, keepdims=True)
        epsilon = float(np.float32(a.get("epsilon", 1e-5)))
        return off / np.sqrt(variance + epsilon) * p["weight"] + p["bias"]
    if kind == "scale":
        return np.float32(a["factor"]).astype(float) * x
    if kind == "matmul":
        second = "...nk" if a.get("transpose_second") else "...kn"
        return np.einsum(f"...mk,{second}->...mn", *xs)
    if kind == "transpose":
        return np.moveaxis(x, -1, -2)
    if kind == "fill":
        return np.full((len(x), *a["shape"]), np.float32(a["value"]).astype(float))
    if kind == "one_hot":
        return np.eye(a["classes"])[x.astype(int)]
    if kind == "stop_gradient":
        return x
    if kind == "argmax":
        return x.argmax(axis=-1).astype(float)
    if kind == "embedding":
        return p["weight"][x.astype(int)]
    if kind == "mean_squared_error":
        return np.array([np.mean((x - xs[1]) ** 2)])
    labels = xs[1].astype(int)
    if kind == "accuracy":
        return np.array([np.mean(np.argmax(x, axis=1) == labels)])
    assert kind == "softmax_cross_entropy", kind
    top = x.max(axis=1)
    log_sum = top + np.log(np.exp(x - top[:, None]).sum(axis=1))
    return np.array([np.mean(log_sum - x[np.arange(len(x)), labels])])


def differences(function, array, step=1e-5):
    """The gradient of function() with respect to the array that it reads."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = function()
        array[index] = value - step
        below = function()
        array[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient


def close(name, found, expected, absolute, relative):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, (name, found.shape, expected.shape)
    error = np.abs(found - expected)
    assert np.all(error <= absolute + relative * np.abs(expected)), (name, error.max())
    return float(error.max())


# ---------------------------------------------------------------- layers.json

def array(stored):
    return np.float32(stored["values"]).astype(np.float64).reshape(stored["shape"])


def check_layers():
    cases = json.loads((HERE / "layers.json").read_text())
    worst = compared = 0
    for case in cases:
        name, kind = case["name"], case["kind"]
        attributes = tomllib.loads(case["attributes"])
        xs = [array(x) for x in case["inputs"]]
        p = {key: array(value) for key, value in case["parameters"].items()}
        close(name, run(kind, xs, p, attributes), array(case["output"]), 1e-12, 1e-7)
        if case["output_grad"] is None:
            assert kind in ("accuracy", "one_hot", "argmax", "fill", "stop_gradient") and not case["input_grads"] and not case["parameter_grads"]
            continue
        seed = array(case["output_grad"])
        count = {"softmax_cross_entropy": 1, "embedding": 0}.get(kind, len(xs))
        assert len(case["input_grads"]) == count and case["parameter_grads"].keys() == p.keys()
        pairs = list(zip(xs, case["input_grads"]))
        pairs += [(p[key], case["parameter_grads"][key]) for key in p]
        for values, expected in pairs:
            found = differences(lambda: np.sum(seed * run(kind, xs, p, attributes)), values)
            worst = max(worst, close(name, found, array(expected), 2e-7, 1e-6))
            compared += values.size
    print(f"layers.json: {len(cases)} outputs, {compared} derivatives, worst error {worst:.1e}")


# ---------------------------------------------------------------- training.json

def z(name, i):
    mask = 2**64 - 1
    h = 14695981039346656037
    for byte in name.encode():
        h = ((h ^ byte) * 1099511628211) & mask
    v = (h + i * 0x9E3779B97F4A7C15) & mask
    v = ((v ^ (v >> 30)) * 0xBF58476D1CE4E5B9) & mask
    v = ((v ^ (v >> 27)) * 0x94D049BB133111EB) & mask
    return v ^ (v >> 31)


def drawn(name, shape, scale=1.0):
    units = [(z(name, i) >> 40) / 2**24 for i in range(math.prod(shape))]
    values = np.float32([2 * u - 1 for u in units]) * np.float32(scale)
    return values.astype(np.float64).reshape(shape)


def start(row):
    shape = row["shape"]
    if len(shape) == 1:
        return drawn(row["name"], shape, 0.1)
    *kernel, fan_in, fan_out = shape
    return drawn(row["name"], shape, math.sqrt(6 / (math.prod(kernel) * (fan_in + fan_out))))


def batch(network, step):
    fed = {}
    for f in network["feeds"]:
        name, shape, classes = f"{f['node']}.{step['step']}", f["shape"], f["classes"]
        if classes is None:
            fed[f["node"]] = drawn(name, shape)
        else:
            fed[f["node"]] = np.array([z(name, i) % classes for i in range(shape[0])], float)
        close(name, fed[f["node"]].sum(), step["feeds"][f["node"]], 1e-9, 0)
    return fed


def losses(network, p, fed):
    """(weighted sum, losses by name)"""
    values, found, weighted = dict(fed), {}, 0.0
    for node in network["nodes"]:
        name, kind, attributes = node["name"], node["kind"], node["attributes"]
        if kind in ("input", "target"):
            continue
        own = {k: p[f"{name}.{k}"] for k in ("weight", "bias") if f"{name}.{k}" in p}
        values[name] = run(kind, [values[i] for i in node["inputs"]], own, attributes)
        if kind in ("softmax_cross_entropy", "mean_squared_error"):
            found[name] = values[name][0]
            weighted += attributes.get("weight", 1.0) * found[name]
    return weighted, found


def check_training():
    data = json.loads((HERE / "training.json").read_text())
    for row in data["generator"]:
        assert [f"{z(row['name'], i):016x}" for i in range(3)] == row["z"]
        assert row["z"][0] != row["hash"]
        assert [(z(row["name"], i) >> 40) / 2**24 for i in range(3)] == row["u"]
    for network in data["networks"]:
        p = {row["name"]: start(row) for row in network["parameters"]}
        for row in network["parameters"]:
            close(row["name"], p[row["name"]].sum(), row["initial_sum"], 1e-9, 0)
        velocity = {name: 0.0 for name in p}
        whole = network["name"] == "several-losses"
        for step in network["steps"]:
            fed = batch(network, step)
            if step["step"] > 0 and not whole:
                continue
            weighted, found = losses(network, p, fed)
            close(network["name"], weighted, step["loss"], 1e-9, 0)
            for name, value in step["losses"].items():
                close(name, found[name], value, 1e-9, 0)
            if whole:
                gradients = {n: differences(lambda: losses(network, p, fed)[0], p[n]) for n in p}
                for name in p:
                    velocity[name] = network["momentum"] * velocity[name] + gradients[name]
                    p[name] -= network["learning_rate"] * velocity[name]
        if whole:
            for row in network["parameters"]:
                name, final = row["name"], p[row["name"]]
                close(name, final.sum(), row["sum"], 1e-9, 0)
                close(name, np.linalg.norm(final), row["l2"], 1e-9, 0)
                close(name, np.abs(final).max(), row["max_abs"], 1e-9, 0)
                close(name, np.linalg.norm(final - start(row)), row["update_l2"], 1e-9, 0)
                indices = [sample["index"] for sample in row["samples"]]
                assert indices == [j * final.size // 16 for j in range(16)]
                for sample in row["samples"] + row["most_moved"]:
                    close(name, final.ravel()[sample["index"]], sample["value"], 1e-9, 0)
        extent = "all five steps" if whole else "the first loss"
        print(f"training.json: {network['name']}, {len(p)} parameters, {extent}")


if __name__ == "__main__":
    check_layers()
    check_training()
