"""Layers of model files in TensorFlow, images with channels last."""
import tensorflow as tf

from model_file import pair

relu, silu, softplus, elu, softmax = tf.nn.relu, tf.nn.silu, tf.nn.softplus, tf.nn.elu, tf.nn.softmax
sigmoid, tanh = tf.sigmoid, tf.tanh
gelu = lambda x: tf.nn.gelu(x)
padding = lambda a: a.get("padding", "valid").upper()


def dense(x, w, b, a):
    return tf.nn.bias_add(x @ w if x.shape.rank == 2 else tf.tensordot(x, w, 1), b)


def conv2d(x, w, b, a):
    return tf.nn.bias_add(tf.nn.conv2d(x, w, pair(a.get("stride", 1)), padding(a), dilations=pair(a.get("dilation", 1))), b)


def depthwise_conv2d(x, w, b, a):
    rows, columns = pair(a.get("stride", 1))
    return tf.nn.bias_add(tf.nn.depthwise_conv2d(x, w, (1, rows, columns, 1), padding(a)), b)


def conv2d_transpose(x, w, b, a):
    rows, columns = pair(a.get("stride", 1))
    shape = (x.shape[0], x.shape[1] * rows, x.shape[2] * columns, w.shape[2])
    return tf.nn.bias_add(tf.nn.conv2d_transpose(x, w, shape, (rows, columns), "VALID"), b)


def embedding(x, w, a):
    return tf.gather(w, x)


def batch_norm(x, w, b, a):
    if x.shape.rank == 4:
        return tf.compat.v1.nn.fused_batch_norm(x, w, b, epsilon=1e-5)[0]
    mean, variance = tf.nn.moments(x, tuple(range(x.shape.rank - 1)))
    return tf.nn.batch_normalization(x, mean, variance, b, w, 1e-5)


def layer_norm(x, w, b, a):
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, b, w, 1e-5)


def lstm(x, w, v, b, a):
    h = c = tf.zeros((x.shape[0], a["units"]), x.dtype)
    states = []
    for step in tf.unstack(tf.tensordot(x, w, 1) + b, axis=1):
        i, f, g, o = tf.split(step + h @ v, 4, -1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        states.append(h)
    return tf.stack(states, 1)


def gru(x, w, v, b, a):
    h = tf.zeros((x.shape[0], a["units"]), x.dtype)
    states = []
    for step in tf.unstack(tf.tensordot(x, w, 1) + b, axis=1):
        (xr, xz, xn), (hr, hz, hn) = tf.split(step, 3, -1), tf.split(h @ v, 3, -1)
        r, z = tf.sigmoid(xr + hr), tf.sigmoid(xz + hz)
        h = (1 - z) * tf.tanh(xn + r * hn) + z * h
        states.append(h)
    return tf.stack(states, 1)


def multi_head_attention(x, wq, wk, wv, wo, bq, bk, bv, bo, a):
    rows, heads, size = x.shape[1], a["heads"], a["size"]
    q, k, v = (tf.transpose(tf.reshape(dense(x, w, b, a), (-1, rows, heads, size)), (0, 2, 1, 3)) for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    scores = tf.matmul(q, k, transpose_b=True) / size**0.5
    if a.get("mask") == "causal":
        scores = tf.where(tf.linalg.band_part(tf.ones((rows, rows), tf.bool), -1, 0), scores, scores.dtype.min)
    mixed = tf.transpose(softmax(scores) @ v, (0, 2, 1, 3))
    return dense(tf.reshape(mixed, (-1, rows, heads * size)), wo, bo, a)


def maxpool(x, a):
    return tf.nn.max_pool2d(x, a["size"], a.get("stride", a["size"]), padding(a))


def avgpool(x, a):
    return tf.nn.avg_pool2d(x, a["size"], a.get("stride", a["size"]), padding(a))


def global_avg_pool(x):
    return tf.reduce_mean(x, axis=(1, 2))


def global_max_pool(x):
    return tf.reduce_max(x, axis=(1, 2))


def transpose(x):
    return tf.linalg.matrix_transpose(x)


def concat(s):
    return tf.concat(s, -1)


def reshape(x, s):
    return tf.reshape(x, (x.shape[0], *s))


def ce(x, y):
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, tf.cast(x, tf.float32)))
