"""Writes model files of small networks of many kinds, to be measured by `caudal bench FILE.toml` and bench_model.py.

usage: python networks.py FOLDER
"""
import os
import sys

FOLDER = sys.argv[1] if len(sys.argv) > 1 else "."
os.makedirs(FOLDER, exist_ok=True)


class Net:
    """Nodes in order; calling it adds one and gives its name."""

    def __init__(self, shape, batch, target=()):
        self.nodes = [("x", "input", [], {"shape": list(shape)}), ("y", "target", [], {"shape": list(target)})]
        self.batch = batch

    def __call__(self, kind, *inputs, **attributes):
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append((name, kind, list(inputs), attributes))
        return name

    def save(self, name, logits):
        self.nodes.append(("loss", "softmax_cross_entropy", [logits, "y"], {}))
        with open(os.path.join(FOLDER, name + ".toml"), "w") as file:
            file.write(f"[train]\nbatch_size = {self.batch}\n")
            for node, kind, inputs, attributes in self.nodes:
                file.write(f'\n[[node]]\nname = "{node}"\nkind = "{kind}"\n')
                if inputs:
                    file.write("inputs = [{}]\n".format(", ".join(f'"{it}"' for it in inputs)))
                for key, value in attributes.items():
                    file.write(f"{key} = " + (f'"{value}"' if isinstance(value, str) else str(value)) + "\n")


def conv(net, x, filters, kernel=3, norm=True, act="relu", **attributes):
    x = net("conv2d", x, filters=filters, kernel=kernel, padding="same", **attributes)
    x = net("batch_norm", x) if norm else x
    return net(act, x) if act else x


def depthwise(net, x, filters, **attributes):
    x = net("depthwise_conv2d", x, kernel=3, padding="same", **attributes)
    return conv(net, net("relu", net("batch_norm", x)), filters, 1)


def head(net, name, x, classes=10):
    net.save(name, net("dense", net("global_avg_pool", x), units=classes))


def images():
    n = Net((32, 32, 3), 32)
    x = conv(n, "x", 32)
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1)):
        x = depthwise(n, x, filters, stride=stride)
    head(n, "mobilenet", x)

    n = Net((32, 32, 3), 64)
    x, channels = conv(n, "x", 16), 16
    for filters, stride in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        h = conv(n, conv(n, x, filters, stride=stride), filters, act=None)
        if filters != channels:
            x = conv(n, x, filters, 1, act=None, stride=stride)
        x, channels = n("relu", n("add", h, x)), filters
    head(n, "resnet", x)

    n = Net((32, 32, 3), 32)
    x = conv(n, "x", 64)
    for stride in (1, 2, 1):
        h = conv(n, conv(n, conv(n, x, 64, 1), 64, stride=stride, groups=8), 64, 1, act=None)
        x = n("relu", n("add", h, x) if stride == 1 else h)
    head(n, "resnext", x)

    n = Net((32, 32, 3), 32)
    x = conv(n, "x", 12, norm=False)
    for step in range(10):
        x = n("concat", x, conv(n, x, 12, norm=False))
        x = n("avgpool", x, size=2) if step == 5 else x
    head(n, "densenet", x)

    n = Net((28, 28, 64), 8)
    x = conv(n, "x", 256, 1)
    for _ in range(2):
        x = n("relu", n("add", conv(n, conv(n, conv(n, x, 64, 1), 64), 256, 1, act=None), x))
    head(n, "bottleneck", x)

    n = Net((64, 64, 3), 16)
    x = n("maxpool", conv(n, "x", 32, 7, norm=False, stride=2), size=3, stride=2, padding="same")
    head(n, "strided", conv(n, conv(n, x, 64, norm=False, stride=2), 128, 5, norm=False, stride=2))

    n = Net((32, 32, 3), 16, (32, 32))
    double = lambda x, filters: conv(n, conv(n, x, filters, norm=False), filters, norm=False)
    a = double("x", 16)
    b = double(n("maxpool", a, size=2), 32)
    c = double(n("maxpool", b, size=2), 64)
    b = double(n("concat", b, n("conv2d_transpose", c, filters=32, kernel=2, stride=2)), 32)
    a = double(n("concat", a, n("conv2d_transpose", b, filters=16, kernel=2, stride=2)), 16)
    n.save("unet", n("conv2d", a, filters=10, kernel=1))


def sequences():
    n = Net((64,), 8, (64,))
    x = n("embedding", "x", entries=1000, features=128)
    for _ in range(2):
        x = n("add", x, n("multi_head_attention", n("layer_norm", x), heads=4, size=32, features=128, mask="causal"))
        x = n("add", x, n("dense", n("gelu", n("dense", n("layer_norm", x), units=512)), units=128))
    n.save("transformer", n("dense", n("layer_norm", x), units=1000))

    for name, kind, length, units, batch in (("lstm", "lstm", 32, 128, 32), ("lstm-long", "lstm", 128, 256, 16), ("gru", "gru", 32, 128, 32)):
        n = Net((length,), batch)
        x = n("steps", n("embedding", "x", entries=1000, features=64), length=length)
        n.save(name, n("dense", n(kind, x, units=units) + "[-1]", units=10))

    n = Net((64,), 32)
    x = n("reshape", n("embedding", "x", entries=5000, features=64), shape=[64, 1, 64])
    windows = [n("global_max_pool", n("relu", n("conv2d", x, filters=64, kernel=[k, 1]))) for k in (3, 4, 5)]
    n.save("text-cnn", n("dense", n("concat", *windows), units=10))

    n = Net((64, 48), 16, (64,))
    x = n("dense", "x", units=128)
    for _ in range(3):
        t = n("gelu", n("dense", n("transpose", n("layer_norm", x)), units=128))
        x = n("add", x, n("transpose", n("dense", t, units=64)))
        x = n("add", x, n("dense", n("gelu", n("dense", n("layer_norm", x), units=256)), units=128))
    n.save("mixer", n("dense", x, units=10))


def tables():
    n = Net((26,), 128)
    x = n("flatten", n("embedding", "x", entries=20000, features=32))
    for units in (512, 256):
        x = n("relu", n("dense", x, units=units))
    n.save("embedding-mlp", n("dense", x, units=10))

    n = Net((256,), 128)
    x = "x"
    for _ in range(4):
        x = n("relu", n("batch_norm", n("dense", x, units=256)))
    n.save("normalized-mlp", n("dense", x, units=10))

    n = Net((256,), 256)
    x = "x"
    for kind in ("tanh", "sigmoid", "silu", "softplus", "elu", "gelu"):
        x = n(kind, n("dense", x, units=256))
    n.save("activations", n("dense", x, units=10))

    n = Net((128,), 64)
    n.save("wide-head", n("dense", n("relu", n("dense", "x", units=128)), units=30000))


images()
sequences()
tables()
