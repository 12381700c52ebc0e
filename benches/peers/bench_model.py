"""One training step of a model file in PyTorch, JAX or TensorFlow, for comparison with `caudal bench`.

Reads the model files that `caudal graph MODEL --out FILE.toml` writes, as far as they have one input, one
target and these kinds: dense, conv2d, maxpool, avgpool, global_avg_pool, relu, softmax, add, multiply, concat,
matmul, flatten, reshape, softmax_cross_entropy, and accuracy, which is left out. SGD with momentum 0.9, rate
0.01. Prints
`framework,model,threads,milliseconds per step (median),peak resident MiB`.

With `--precision bf16` products are of 16-bit numbers: in PyTorch by `autocast`, in JAX and TensorFlow all of the
network is, given weights of 32 bits that are cast, but for the loss, gradients of weights and their updates.

With `--first training` it takes a single step and ends, with `--first prediction` it predicts one item, and prints
nothing: first_results.py measures the whole process.

usage: python bench_model.py FRAMEWORK [--threads N] [--seconds S] [--compile] [--precision f32|bf16] [--first training|prediction] FILE.toml ...
"""
import argparse
import os
import resource
import statistics
import time
import tomllib

import numpy as np


def pair(v):
    """An attribute that may be one number for both axes."""
    return (v, v) if isinstance(v, int) else tuple(v)


def load(path):
    model = tomllib.load(open(path, "rb"))
    nodes, shapes, params = [], {}, {}
    rng = np.random.default_rng(0)
    for a in model["node"]:
        name, kind, ins = a["name"], a["kind"], a.get("inputs", [])
        if kind == "accuracy":
            continue  # Metrics are no part of what is measured.
        s = [shapes[i] for i in ins]
        if kind in ("input", "target"):
            shapes[name] = tuple(a.get("shape", ()))
        elif kind == "dense":
            n = s[0][-1]
            params[name] = [rng.uniform(-1, 1, (n, a["units"])) / np.sqrt(n), np.zeros(a["units"])]
            shapes[name] = s[0][:-1] + (a["units"],)
        elif kind == "conv2d":
            k, st, same = pair(a["kernel"]), pair(a.get("stride", 1)), a.get("padding", "valid") == "same"
            n = k[0] * k[1] * s[0][2]
            params[name] = [rng.uniform(-1, 1, (*k, s[0][2], a["filters"])) / np.sqrt(n), np.zeros(a["filters"])]
            hw = [-(-d // t) if same else (d - q) // t + 1 for d, q, t in zip(s[0], k, st)]
            shapes[name] = (*hw, a["filters"])
        elif kind in ("maxpool", "avgpool"):
            k, same = pair(a["size"]), a.get("padding", "valid") == "same"
            st = pair(a.get("stride", a["size"]))
            hw = [-(-d // t) if same else (d - q) // t + 1 for d, q, t in zip(s[0], k, st)]
            shapes[name] = (*hw, s[0][2])
        elif kind == "global_avg_pool":
            shapes[name] = (s[0][-1],)
        elif kind == "flatten":
            shapes[name] = (int(np.prod(s[0])),)
        elif kind == "reshape":
            shapes[name] = tuple(a["shape"])
        elif kind == "concat":
            assert a.get("axis", -1) in (-1, len(s[0]) - 1)
            shapes[name] = s[0][:-1] + (sum(t[-1] for t in s),)
        elif kind == "matmul":
            assert not a.get("transpose_second", False)
            shapes[name] = s[0][:-1] + s[1][-1:]
        elif kind in ("relu", "add", "multiply", "softmax"):
            shapes[name] = s[0]
        elif kind == "softmax_cross_entropy":
            shapes[name] = ()
        else:
            raise ValueError(kind)
        nodes.append((name, kind, ins, a))
    batch = model.get("train", {}).get("batch_size", 32)
    x = [n for n in nodes if n[1] == "input"]
    t = [n for n in nodes if n[1] == "target"]
    assert len(x) == 1 and len(t) == 1
    params = {k: [v.astype("f4") for v in p] for k, p in params.items()}
    return nodes, shapes, params, batch, x[0][0], t[0][0]


def forward(nodes, shapes, ops, params, x, y, xname, yname):
    v, loss, batch = {xname: x, yname: y}, None, None
    for name, kind, ins, a in nodes:
        if kind in ("input", "target"):
            continue
        s = [v[i] for i in ins]
        if kind == "softmax_cross_entropy":
            if y is None:
                return s[0]
            term = a.get("weight", 1.0) * ops.ce(s[0], y)
            loss = term if loss is None else loss + term
        elif kind in ("reshape", "flatten"):
            v[name] = ops.reshape(s[0], shapes[name])
        elif kind == "add":
            t = s[0]
            for u in s[1:]:
                t = t + u
            v[name] = t
        elif kind == "multiply":
            v[name] = s[0] * s[1]
        elif kind == "matmul":
            v[name] = s[0] @ s[1]
        elif kind in ("dense", "conv2d"):
            v[name] = getattr(ops, kind)(s[0], *params[name], a)
        elif kind in ("maxpool", "avgpool"):
            v[name] = getattr(ops, kind)(s[0], a)
        else:
            v[name] = getattr(ops, kind)(s if kind == "concat" else s[0])
    return loss


def run(label, step, o, name):
    if o.first:
        return step()
    for _ in range(5):
        step()
    times, end = [], time.perf_counter() + o.seconds
    while time.perf_counter() < end or len(times) < 5:
        t = time.perf_counter()
        step()
        times.append(time.perf_counter() - t)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    label += "" if o.precision == "f32" else "-" + o.precision
    print(f"{label},{name},{o.threads},{statistics.median(times)*1e3:.3f},{peak:.0f}", flush=True)


def torch_main(o):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(o.threads)

    class ops:
        dense = staticmethod(lambda x, w, b, a: F.linear(x, w, b))
        relu = staticmethod(F.relu)
        softmax = staticmethod(lambda x: F.softmax(x, -1))
        ce = staticmethod(F.cross_entropy)
        concat = staticmethod(lambda s: torch.cat(s, 1))
        global_avg_pool = staticmethod(lambda x: x.mean(dim=(2, 3)))

        def conv2d(x, w, b, a):
            return F.conv2d(x, w, b, pair(a.get("stride", 1)), tuple(k // 2 for k in pair(a["kernel"])) if a.get("padding") == "same" else 0)

        def maxpool(x, a):
            k = pair(a["size"])
            return F.max_pool2d(x, k, pair(a.get("stride", a["size"])), tuple(q // 2 for q in k) if a.get("padding") == "same" else 0)

        def avgpool(x, a):
            k = pair(a["size"])
            return F.avg_pool2d(x, k, pair(a.get("stride", a["size"])), tuple(q // 2 for q in k) if a.get("padding") == "same" else 0, count_include_pad=False)

        def reshape(x, shape):
            return x.reshape(x.shape[0], *(shape if len(shape) < 3 else (shape[2], shape[0], shape[1])))

    for path in o.files:
        nodes, shapes, params, batch, xn, yn = load(path)
        conv = {n for n, k, _, _ in nodes if k == "conv2d"}
        ps = {k: [torch.nn.Parameter(torch.tensor(p[0].transpose(3, 2, 0, 1) if k in conv else p[0].T).contiguous()), torch.nn.Parameter(torch.tensor(p[1]))] for k, p in params.items()}
        opt = torch.optim.SGD([q for p in ps.values() for q in p], lr=0.01, momentum=0.9)
        x = torch.randn(batch, *shapes[xn])
        if x.ndim == 4:
            x = x.permute(0, 3, 1, 2).contiguous()
        y = torch.randint(0, 10, (batch,))

        def f(x, y):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "bf16"):
                return forward(nodes, shapes, ops, ps, x, y, xn, yn)

        if o.compile:
            f = torch.compile(f)

        if o.first == "prediction":
            with torch.no_grad():
                f(x[:1], None).float().numpy()
            continue

        def step():
            opt.zero_grad(set_to_none=True)
            f(x, y).backward()
            opt.step()

        run("torch" + ("-compile" if o.compile else ""), step, o, os.path.basename(path)[:-5])


def jax_main(o):
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: o.threads]))
    import jax
    import jax.numpy as jnp

    def window(x, a, init, op):
        k, st = pair(a["size"]), pair(a.get("stride", a["size"]))
        return jax.lax.reduce_window(x, init, op, (1, *k, 1), (1, *st, 1), a.get("padding", "valid").upper())

    class ops:
        dense = staticmethod(lambda x, w, b, a: x @ w + b)
        relu = staticmethod(lambda x: jnp.maximum(x, 0))
        softmax = staticmethod(lambda x: jax.nn.softmax(x, -1))
        ce = staticmethod(lambda x, y: -jnp.take_along_axis(jax.nn.log_softmax(x.astype(jnp.float32)), y[:, None], axis=1).mean())
        concat = staticmethod(lambda s: jnp.concatenate(s, -1))
        global_avg_pool = staticmethod(lambda x: x.mean(axis=(1, 2)))
        conv2d = staticmethod(lambda x, w, b, a: jax.lax.conv_general_dilated(x, w, pair(a.get("stride", 1)), a.get("padding", "valid").upper(), dimension_numbers=("NHWC", "HWIO", "NHWC")) + b)
        maxpool = staticmethod(lambda x, a: window(x, a, -jnp.inf, jax.lax.max))
        avgpool = staticmethod(lambda x, a: window(x, a, 0.0, jax.lax.add) / window(jnp.ones_like(x[:1]), a, 0.0, jax.lax.add))
        reshape = staticmethod(lambda x, s: x.reshape(x.shape[0], *s))

    for path in o.files:
        nodes, shapes, params, batch, xn, yn = load(path)
        rng = np.random.default_rng(1)
        x = jnp.asarray(rng.normal(size=(batch, *shapes[xn])), jnp.float32)
        y = jnp.asarray(rng.integers(0, 10, batch))
        number = jnp.bfloat16 if o.precision == "bf16" else jnp.float32
        network = lambda p, x, y: forward(nodes, shapes, ops, jax.tree.map(lambda q: q.astype(number), p), x.astype(number), y, xn, yn)

        if o.first == "prediction":
            predict = jax.jit(lambda p, x: network(p, x, None).astype(jnp.float32))
            np.asarray(predict(params, x[:1]))
            continue

        def step_(params, velocity, x, y):
            loss, grads = jax.value_and_grad(network)(params, x, y)
            velocity = jax.tree.map(lambda m, g: 0.9 * m + g, velocity, grads)
            return jax.tree.map(lambda p, m: p - 0.01 * m, params, velocity), velocity, loss

        jitted = jax.jit(step_, donate_argnums=(0, 1))
        st = [jax.tree.map(jnp.asarray, params)]
        st.append(jax.tree.map(jnp.zeros_like, st[0]))

        def step():
            st[0], st[1], loss = jitted(st[0], st[1], x, y)
            loss.block_until_ready()

        run("jax", step, o, os.path.basename(path)[:-5])


def tf_main(o):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(o.threads)
    tf.config.threading.set_intra_op_parallelism_threads(o.threads)
    pad = lambda a: a.get("padding", "valid").upper()

    class ops:
        dense = staticmethod(lambda x, w, b, a: tf.nn.bias_add(x @ w, b))
        relu = staticmethod(tf.nn.relu)
        softmax = staticmethod(tf.nn.softmax)
        ce = staticmethod(lambda x, y: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, tf.cast(x, tf.float32))))
        concat = staticmethod(lambda s: tf.concat(s, -1))
        global_avg_pool = staticmethod(lambda x: tf.reduce_mean(x, axis=(1, 2)))
        conv2d = staticmethod(lambda x, w, b, a: tf.nn.bias_add(tf.nn.conv2d(x, w, pair(a.get("stride", 1)), pad(a)), b))
        maxpool = staticmethod(lambda x, a: tf.nn.max_pool2d(x, a["size"], a.get("stride", a["size"]), pad(a)))
        avgpool = staticmethod(lambda x, a: tf.nn.avg_pool2d(x, a["size"], a.get("stride", a["size"]), pad(a)))
        reshape = staticmethod(lambda x, s: tf.reshape(x, (x.shape[0], *s)))

    for path in o.files:
        nodes, shapes, params, batch, xn, yn = load(path)
        rng = np.random.default_rng(1)
        x = tf.constant(rng.normal(size=(batch, *shapes[xn])).astype("f4"))
        y = tf.constant(rng.integers(0, 10, batch))
        ps = {k: [tf.Variable(q) for q in p] for k, p in params.items()}
        flat = [q for p in ps.values() for q in p]
        velocity = [tf.Variable(tf.zeros_like(q)) for q in flat]

        number = tf.bfloat16 if o.precision == "bf16" else tf.float32

        def network(x, y):
            cast = {k: [tf.cast(q, number) for q in p] for k, p in ps.items()}
            return forward(nodes, shapes, ops, cast, tf.cast(x, number), y, xn, yn)

        if o.first == "prediction":
            tf.cast(tf.function(lambda x: network(x, None))(x[:1]), tf.float32).numpy()
            continue

        @tf.function(jit_compile=o.compile)
        def step_(x, y):
            with tf.GradientTape() as tape:
                loss = network(x, y)
            for w, m, g in zip(flat, velocity, tape.gradient(loss, flat)):
                m.assign(0.9 * m + g)
                w.assign_sub(0.01 * m)
            return loss

        run("tensorflow", lambda: step_(x, y).numpy(), o, os.path.basename(path)[:-5])


def main():
    p = argparse.ArgumentParser()
    p.add_argument("framework", choices=["torch", "jax", "tf"])
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--seconds", type=float, default=2.0)
    p.add_argument("--compile", action="store_true")
    p.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    p.add_argument("--first", choices=["training", "prediction"])
    p.add_argument("files", nargs="+")
    o = p.parse_args()
    {"torch": torch_main, "jax": jax_main, "tf": tf_main}[o.framework](o)


if __name__ == "__main__":
    main()
