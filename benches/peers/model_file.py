"""Model files of Caudal, as far as the benchmarks of other systems build them: shapes, parameters, the forward pass.

One input, one target and one kind of loss, softmax_cross_entropy. Blocks (`steps`, `lstm`, `gru`, `multi_head_attention`) stand
for what each system has of its own for them, so measure them with files that hold blocks, as users write them, and not with
those of `caudal graph`, which holds their layers one by one.
"""
import tomllib

import numpy as np

# One input, the same shape after as before, no parameters.
PLAIN = ("relu", "gelu", "silu", "tanh", "sigmoid", "softplus", "elu", "softmax")
# What `forward` computes with operators alone.
JOINING = ("add", "multiply", "subtract")


def pair(v):
    """An attribute that may be one number for both axes."""
    return (v, v) if isinstance(v, int) else tuple(v)


def window(size, kernel, a):
    """Rows and columns after a window has slid over an image."""
    stride, dilation = pair(a.get("stride", kernel if "size" in a else 1)), pair(a.get("dilation", 1))
    if a.get("padding", "valid") == "same":
        return [-(-d // t) for d, t in zip(size, stride)]
    return [(d - (q - 1) * e - 1) // t + 1 for d, q, t, e in zip(size, kernel, stride, dilation)]


def shape_and_parameters(kind, s, a, rng):
    """The item shape of a node's output, and its parameters."""
    one = s[0]

    def weight(*shape, fan_in):
        return rng.uniform(-1, 1, shape) / np.sqrt(fan_in)

    if kind in PLAIN or kind in JOINING:
        return one, []
    if kind == "dense":
        n, u = one[-1], a["units"]
        return one[:-1] + (u,), [weight(n, u, fan_in=n), np.zeros(u)]
    if kind == "conv2d":
        k, g, f = pair(a["kernel"]), a.get("groups", 1), a["filters"]
        n = one[2] // g
        return (*window(one, k, a), f), [weight(*k, n, f, fan_in=k[0] * k[1] * n), np.zeros(f)]
    if kind == "depthwise_conv2d":
        k, n = pair(a["kernel"]), one[2]
        return (*window(one, k, a), n), [weight(*k, n, 1, fan_in=k[0] * k[1]), np.zeros(n)]
    if kind == "conv2d_transpose":
        k, t, f = pair(a["kernel"]), pair(a.get("stride", 1)), a["filters"]
        assert k == t, "other windows than strides are padded in other ways elsewhere"
        return (one[0] * t[0], one[1] * t[1], f), [weight(*k, f, one[2], fan_in=one[2]), np.zeros(f)]
    if kind == "embedding":
        return one + (a["features"],), [weight(a["entries"], a["features"], fan_in=a["features"])]
    if kind in ("batch_norm", "layer_norm"):
        return one, [np.ones(one[-1]), np.zeros(one[-1])]
    if kind in ("lstm", "gru"):
        n, u, gates = one[-1], a["units"], 4 if kind == "lstm" else 3
        return one[:-1] + (u,), [weight(n, gates * u, fan_in=u), weight(u, gates * u, fan_in=u), np.zeros(gates * u)]
    if kind == "multi_head_attention":
        n, inner, f = one[-1], a["heads"] * a["size"], a["features"]
        projections = [weight(n, inner, fan_in=n) for _ in range(3)]
        return one[:-1] + (f,), [*projections, weight(inner, f, fan_in=inner), *(np.zeros(m) for m in (inner, inner, inner, f))]
    if kind in ("maxpool", "avgpool"):
        return (*window(one, pair(a["size"]), a), one[2]), []
    if kind in ("global_avg_pool", "global_max_pool"):
        return (one[-1],), []
    if kind == "steps":
        return one, []
    if kind == "flatten":
        return (int(np.prod(one)),), []
    if kind == "reshape":
        return tuple(a["shape"]), []
    if kind == "transpose":
        return one[:-2] + (one[-1], one[-2]), []
    if kind == "concat":
        assert a.get("axis", -1) in (-1, len(one) - 1)
        return one[:-1] + (sum(t[-1] for t in s),), []
    if kind == "matmul":
        assert not a.get("transpose_second", False)
        return one[:-1] + s[1][-1:], []
    raise ValueError(kind)


def load(path):
    """Nodes in order, item shapes and parameters by node, the batch size, the names of the input and of the target."""
    model = tomllib.load(open(path, "rb"))
    nodes, shapes, params = [], {}, {}
    rng = np.random.default_rng(0)
    for a in model["node"]:
        name, kind, ins = a["name"], a["kind"], a.get("inputs", [])
        if kind == "accuracy":
            continue  # Metrics are no part of what is measured.
        if kind in ("input", "target"):
            shapes[name] = tuple(a.get("shape", ()))
        elif kind == "softmax_cross_entropy":
            shapes[name] = ()
        else:
            shapes[name], params[name] = shape_and_parameters(kind, [item_shape(shapes, i) for i in ins], a, rng)
        nodes.append((name, kind, ins, a))
    batch = model.get("train", {}).get("batch_size", 32)
    x = [n for n in nodes if n[1] == "input"]
    t = [n for n in nodes if n[1] == "target"]
    assert len(x) == 1 and len(t) == 1
    params = {k: [v.astype("f4") for v in p] for k, p in params.items() if p}
    return nodes, shapes, params, batch, x[0][0], t[0][0]


def item_shape(shapes, name):
    """The shape of what `name` stands for, which may be the last step of a sequence."""
    return shapes[name[:-4]][1:] if name.endswith("[-1]") else shapes[name]


def random_batch(path):
    """An input and a target that fit: indices where an embedding takes them."""
    nodes, shapes, params, batch, xn, yn = load(path)
    rng = np.random.default_rng(1)
    entries = [a["entries"] for _, kind, ins, a in nodes if kind == "embedding" and ins == [xn]]
    x = rng.integers(0, min(entries), (batch, *shapes[xn])) if entries else rng.normal(size=(batch, *shapes[xn])).astype("f4")
    classes = min(item_shape(shapes, ins[0])[-1] for _, kind, ins, _ in nodes if kind == "softmax_cross_entropy")
    return x, rng.integers(0, classes, (batch, *shapes[yn]))


def forward(nodes, shapes, ops, params, x, y, xname, yname):
    """The loss, or without a target the scores. `ops` computes a node from its inputs, its parameters and its attributes."""
    v, loss = {xname: x, yname: y}, None
    for name, kind, ins, a in nodes:
        if kind in ("input", "target"):
            continue
        s = [v[i[:-4]][:, -1] if i.endswith("[-1]") else v[i] for i in ins]
        if kind == "softmax_cross_entropy":
            if y is None:
                return s[0]
            term = a.get("weight", 1.0) * ops.ce(s[0], y)
            loss = term if loss is None else loss + term
        elif kind in ("reshape", "flatten"):
            v[name] = ops.reshape(s[0], shapes[name])
        elif kind == "steps":
            v[name] = s[0]
        elif kind == "add":
            t = s[0]
            for u in s[1:]:
                t = t + u
            v[name] = t
        elif kind == "subtract":
            v[name] = s[0] - s[1]
        elif kind == "multiply":
            v[name] = s[0] * s[1]
        elif kind == "matmul":
            v[name] = s[0] @ s[1]
        elif kind == "concat":
            v[name] = ops.concat(s)
        elif kind in PLAIN or kind in ("transpose", "global_avg_pool", "global_max_pool"):
            v[name] = getattr(ops, kind)(s[0])
        elif kind in ("maxpool", "avgpool"):
            v[name] = getattr(ops, kind)(s[0], a)
        else:
            v[name] = getattr(ops, kind)(s[0], *params[name], a)
    return loss
