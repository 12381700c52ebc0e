"""Layers of model files in JAX, images with channels last."""
import jax
import jax.numpy as jnp

from model_file import pair

gelu = lambda x: jax.nn.gelu(x, approximate=False)
silu, softplus, elu, sigmoid, tanh = jax.nn.silu, jax.nn.softplus, jax.nn.elu, jax.nn.sigmoid, jnp.tanh
softmax = lambda x: jax.nn.softmax(x, -1)
relu = lambda x: jnp.maximum(x, 0)


def dense(x, w, b, a):
    return x @ w + b


def convolution(x, w, b, a, groups):
    padding, dilation = a.get("padding", "valid").upper(), pair(a.get("dilation", 1))
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, w, pair(a.get("stride", 1)), padding, None, dilation, numbers, groups) + b


def conv2d(x, w, b, a):
    return convolution(x, w, b, a, a.get("groups", 1))


def depthwise_conv2d(x, w, b, a):
    return convolution(x, w.transpose(0, 1, 3, 2), b, a, x.shape[-1])


def conv2d_transpose(x, w, b, a):
    return jax.lax.conv_transpose(x, w.transpose(0, 1, 3, 2), pair(a.get("stride", 1)), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b


def embedding(x, w, a):
    return w[x]


def batch_norm(x, w, b, a):
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    return (x - mean) * (w * jax.lax.rsqrt(variance + 1e-5)) + b


def layer_norm(x, w, b, a):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * w + b


def lstm(x, w, v, b, a):
    def step(state, x):
        h, c = state
        i, f, g, o = jnp.split(x + h @ v, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * jnp.tanh(g)
        h = sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[0], a["units"]), x.dtype)
    return jax.lax.scan(step, (zeros, zeros), (x @ w + b).swapaxes(0, 1))[1].swapaxes(0, 1)


def gru(x, w, v, b, a):
    def step(h, x):
        (xr, xz, xn), (hr, hz, hn) = jnp.split(x, 3, -1), jnp.split(h @ v, 3, -1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        h = (1 - z) * jnp.tanh(xn + r * hn) + z * h
        return h, h

    zeros = jnp.zeros((x.shape[0], a["units"]), x.dtype)
    return jax.lax.scan(step, zeros, (x @ w + b).swapaxes(0, 1))[1].swapaxes(0, 1)


def multi_head_attention(x, wq, wk, wv, wo, bq, bk, bv, bo, a):
    rows, heads, size = x.shape[1], a["heads"], a["size"]
    q, k, v = ((x @ w + b).reshape(-1, rows, heads, size) for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    scores = jnp.einsum("bihs,bjhs->bhij", q, k) / size**0.5
    if a.get("mask") == "causal":
        scores = jnp.where(jnp.tril(jnp.ones((rows, rows), bool)), scores, -jnp.inf)
    return jnp.einsum("bhij,bjhs->bihs", softmax(scores), v).reshape(-1, rows, heads * size) @ wo + bo


def reduced(x, a, init, op):
    k, st = pair(a["size"]), pair(a.get("stride", a["size"]))
    return jax.lax.reduce_window(x, init, op, (1, *k, 1), (1, *st, 1), a.get("padding", "valid").upper())


def maxpool(x, a):
    return reduced(x, a, -jnp.inf, jax.lax.max)


def avgpool(x, a):
    return reduced(x, a, 0.0, jax.lax.add) / reduced(jnp.ones_like(x[:1]), a, 0.0, jax.lax.add)


def global_avg_pool(x):
    return x.mean(axis=(1, 2))


def global_max_pool(x):
    return x.max(axis=(1, 2))


def transpose(x):
    return x.swapaxes(-1, -2)


def concat(s):
    return jnp.concatenate(s, -1)


def reshape(x, s):
    return x.reshape(x.shape[0], *s)


def ce(x, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(x.astype(jnp.float32)), y[..., None], axis=-1).mean()
