"""Makes keras-*.onnx in the folder `onnx`: networks that Keras exports, and what ONNX Runtime computes with them.

Run from the root of the repository:

    .venv/bin/pip install tensorflow tf2onnx onnx onnxruntime
    .venv/bin/python tests/oracles/onnx_keras.py

Every network is small, with random weights, and is exported by `model.export(format="onnx")`, which tf2onnx does for
TensorFlow. keras.json has a line for each file, as networks.json has.
"""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import onnxruntime
from keras import layers

from onnx_files import bare, stored

FOLDER = pathlib.Path(__file__).parent / "onnx"


def mlp():
    x = keras.Input((6,), name="x")
    y = layers.Dense(7, "selu")(layers.Dropout(0.2)(layers.Dense(8, "relu")(x)))
    return keras.Model(x, layers.Dense(3, "softmax")(y))


def cnn():
    """Normalisation, pooling, a flatten of several pixels."""
    x = keras.Input((9, 8, 2), name="x")
    y = layers.Conv2D(5, 3, padding="same", use_bias=False)(x)
    y = layers.MaxPooling2D(2)(layers.ReLU()(layers.BatchNormalization()(y)))
    y = layers.Conv2D(4, 3, strides=2, padding="same", activation="elu")(layers.AveragePooling2D(2, 1)(y))
    y = layers.BatchNormalization()(y)
    return keras.Model(x, layers.Dense(3)(layers.Dense(6, "tanh")(layers.Flatten()(y))))


def inception():
    x = keras.Input((7, 8, 3), name="x")
    pooled = layers.Conv2D(2, 1)(layers.MaxPooling2D(3, 1, padding="same")(x))
    three = layers.Conv2D(4, 3, padding="same")(layers.Conv2D(2, 1, activation="relu")(x))
    each = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.ReLU()(layers.Concatenate()([layers.Conv2D(3, 1)(x), three, each, pooled]))
    return keras.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(y)))


def two_inputs():
    image, table = keras.Input((6, 6, 1), name="image"), keras.Input((4,), name="table")
    y = layers.Flatten()(layers.Conv2DTranspose(3, 3, strides=2, padding="same")(image))
    z = layers.BatchNormalization()(layers.Dense(5, "silu")(table))
    both = layers.Concatenate()([y, z])
    return keras.Model([image, table], [layers.Dense(3, name="kind")(both), layers.Dense(1, name="price")(z)])


def lstm():
    """There and back, and a second layer over its steps."""
    x = keras.Input((4, 3), name="x")
    y = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    return keras.Model(x, layers.Dense(2)(layers.LSTM(3)(y)))


def gru():
    """Without `unroll`, tf2onnx makes a loop of it."""
    x = keras.Input((3, 2), name="x")
    return keras.Model(x, layers.Dense(2)(layers.GRU(3, unroll=True)(x)))


NETWORKS = {"mlp": mlp, "cnn": cnn, "inception": inception, "two-inputs": two_inputs, "lstm": lstm, "gru": gru}


def main():
    FOLDER.mkdir(exist_ok=True)
    lines = []
    for number, (name, make) in enumerate(NETWORKS.items()):
        keras.utils.set_random_seed(number)
        random = np.random.default_rng(number)
        model = make()
        # First weights of norms and biases would hide what becomes of them.
        model.set_weights([it + 0.3 * random.random(it.shape).astype(it.dtype) for it in model.get_weights()])
        zeros = [np.zeros((1, *it.shape[1:]), np.float32) for it in model.inputs]
        model(zeros if len(zeros) > 1 else zeros[0])
        file = FOLDER / f"keras-{name}.onnx"
        model.export(str(file), format="onnx", verbose=False)
        bare(file)
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        shapes = [[2, *value.shape[1:]] for value in session.get_inputs()]
        fed = {
            value.name: random.standard_normal(shape).astype(np.float32)
            for value, shape in zip(session.get_inputs(), shapes)
        }
        found = session.run(None, fed)
        lines.append(json.dumps({
            "file": file.name,
            "inputs": [stored(key, array) for key, array in fed.items()],
            "outputs": [stored(v.name, a) for v, a in zip(session.get_outputs(), found)],
        }))
        print(file.name, file.stat().st_size)
    (FOLDER / "keras.json").write_text("\n".join(lines) + "\n")


main()
