"""Layers of model files in PyTorch, images with channels first; `laid_out` gives parameters as PyTorch wants them."""
import numpy as np
import torch
import torch.nn.functional as F

from model_file import pair

relu, gelu, silu, softplus, elu = F.relu, F.gelu, F.silu, F.softplus, F.elu
tanh, sigmoid = torch.tanh, torch.sigmoid


def laid_out(kind, parameters):
    first = parameters[0]
    if kind in ("conv2d", "conv2d_transpose", "depthwise_conv2d"):
        # From [rows, columns, inputs, filters]; those of a transposed convolution are [rows, columns, filters, inputs].
        order = (2, 3, 0, 1) if kind == "depthwise_conv2d" else (3, 2, 0, 1)
        return [first.transpose(order), *parameters[1:]]
    if kind in ("dense", "lstm", "gru", "multi_head_attention"):
        return [p.T if p.ndim == 2 else p for p in parameters]
    return parameters


def padded(a, kernel):
    """Pixels on each side: PyTorch pads both alike, so that with strides and even images windows stand elsewhere."""
    if a.get("padding", "valid") == "valid":
        return 0
    return tuple((q - 1) * d // 2 for q, d in zip(pair(kernel), pair(a.get("dilation", 1))))


def dense(x, w, b, a):
    return F.linear(x, w, b)


def conv2d(x, w, b, a):
    return F.conv2d(x, w, b, pair(a.get("stride", 1)), padded(a, a["kernel"]), pair(a.get("dilation", 1)), a.get("groups", 1))


def depthwise_conv2d(x, w, b, a):
    return F.conv2d(x, w, b, pair(a.get("stride", 1)), padded(a, a["kernel"]), pair(a.get("dilation", 1)), x.shape[1])


def conv2d_transpose(x, w, b, a):
    return F.conv_transpose2d(x, w, b, pair(a.get("stride", 1)))


def embedding(x, w, a):
    return F.embedding(x, w)


def batch_norm(x, w, b, a):
    return F.batch_norm(x, None, None, w, b, True)


def layer_norm(x, w, b, a):
    return F.layer_norm(x, x.shape[-1:], w, b)


def recurrent(function, states):
    def layer(x, w, v, b, a):
        zeros = torch.zeros(1, x.shape[0], a["units"])
        state = (zeros, zeros) if states == 2 else zeros
        return function(x, state, [w, v, b, torch.zeros_like(b)], True, 1, 0.0, True, False, True)[0]

    return layer


lstm, gru = recurrent(torch.lstm, 2), recurrent(torch.gru, 1)


def multi_head_attention(x, wq, wk, wv, wo, bq, bk, bv, bo, a):
    heads = lambda w, b: F.linear(x, w, b).unflatten(-1, (a["heads"], a["size"])).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(heads(wq, bq), heads(wk, bk), heads(wv, bv), is_causal=a.get("mask") == "causal")
    return F.linear(mixed.transpose(1, 2).flatten(2), wo, bo)


def maxpool(x, a):
    return F.max_pool2d(x, pair(a["size"]), pair(a.get("stride", a["size"])), padded(a, a["size"]))


def avgpool(x, a):
    return F.avg_pool2d(x, pair(a["size"]), pair(a.get("stride", a["size"])), padded(a, a["size"]), count_include_pad=False)


def global_avg_pool(x):
    return x.mean(dim=(2, 3))


def global_max_pool(x):
    return x.amax(dim=(2, 3))


def softmax(x):
    return F.softmax(x, -1)


def transpose(x):
    return x.transpose(-1, -2)


def concat(s):
    return torch.cat(s, 1 if s[0].ndim == 4 else -1)


def reshape(x, shape):
    if x.ndim == 3 and len(shape) == 3 and shape[1] == 1:
        return x.transpose(1, 2).unsqueeze(-1)
    return x.reshape(x.shape[0], *(shape if len(shape) < 3 else (shape[2], shape[0], shape[1])))


def ce(x, y):
    if x.ndim > 2 and x.ndim != 4:
        x, y = x.flatten(0, 1), y.flatten()
    return F.cross_entropy(x, y)
