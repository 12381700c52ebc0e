"""One training step of a model file in PyTorch, JAX or TensorFlow, for comparison with `caudal bench`.

Reads model files as far as model_file.py does. SGD with momentum 0.9, rate 0.01. Prints
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

import numpy as np

from model_file import forward, load, random_batch


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

    import layers_torch as ops

    torch.set_num_threads(o.threads)

    for path in o.files:
        nodes, shapes, params, batch, xn, yn = load(path)
        kinds = {n: k for n, k, _, _ in nodes}
        ps = {n: [torch.nn.Parameter(torch.tensor(q).contiguous()) for q in ops.laid_out(kinds[n], p)] for n, p in params.items()}
        opt = torch.optim.SGD([q for p in ps.values() for q in p], lr=0.01, momentum=0.9)
        x, y = (torch.tensor(values) for values in random_batch(path))
        if x.ndim == 4:
            x = x.permute(0, 3, 1, 2).contiguous()

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

    import layers_jax as ops

    for path in o.files:
        nodes, shapes, params, batch, xn, yn = load(path)
        x, y = (jnp.asarray(values) for values in random_batch(path))
        number = jnp.bfloat16 if o.precision == "bf16" else jnp.float32
        cast = lambda x, number: x.astype(number) if x.dtype == jnp.float32 else x
        network = lambda p, x, y: forward(nodes, shapes, ops, jax.tree.map(lambda q: q.astype(number), p), cast(x, number), y, xn, yn)

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
    import layers_tensorflow as ops

    for path in o.files:
        nodes, shapes, params, batch, xn, yn = load(path)
        x, y = (tf.constant(values) for values in random_batch(path))
        ps = {k: [tf.Variable(q) for q in p] for k, p in params.items()}
        flat = [q for p in ps.values() for q in p]
        velocity = [tf.Variable(tf.zeros_like(q)) for q in flat]

        number = tf.bfloat16 if o.precision == "bf16" else tf.float32

        def network(x, y):
            cast = {k: [tf.cast(q, number) for q in p] for k, p in ps.items()}
            return forward(nodes, shapes, ops, cast, tf.cast(x, number) if x.dtype == tf.float32 else x, y, xn, yn)

        if o.first == "prediction":
            tf.cast(tf.function(lambda x: network(x, None))(x[:1]), tf.float32).numpy()
            continue

        @tf.function(jit_compile=o.compile)
        def step_(x, y):
            with tf.GradientTape() as tape:
                loss = network(x, y)
            for w, m, g in zip(flat, velocity, tape.gradient(loss, flat)):
                m.assign(0.9 * m + tf.convert_to_tensor(g))
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
