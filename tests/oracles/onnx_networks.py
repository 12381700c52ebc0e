"""Makes the folder `onnx`: networks that PyTorch exports, and what ONNX Runtime computes with them.

Run from the root of the repository:

    .venv/bin/pip install torch onnx onnxscript onnxruntime
    .venv/bin/python tests/oracles/onnx_networks.py

Every network is small, with random weights, and is exported by both exporters: NAME-script.onnx by TorchScript (opset
13), NAME-dynamo.onnx by torch.export (opset 20), some with an open batch axis. networks.json has a line for each file:
its name, and inputs and outputs as [{name, shape, values}], in ONNX's layout.

With names of networks as arguments it makes only these, and keeps the lines of all others.
"""

import json
import pathlib
import sys
import warnings

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import nn

from onnx_files import bare, stored

FOLDER = pathlib.Path(__file__).parent / "onnx"


def conv(inner, outer, size=3, stride=1, groups=1):
    layer = nn.Conv2d(inner, outer, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outer))


class Mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(7, 9), nn.ReLU(), nn.Dropout(0.3), nn.Linear(9, 8), nn.GELU(), nn.Linear(8, 4),
                         nn.Softmax(dim=1))


class Cnn(nn.Module):
    """Dense rows after a flatten of several pixels."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 5, 3, padding=1), nn.Conv2d(5, 6, 3, stride=2)
        self.hidden, self.last = nn.Linear(6 * 2 * 3, 10), nn.Linear(10, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.first(x)), 2)
        x = F.leaky_relu(self.second(x), 0.2)
        return self.last(torch.tanh(self.hidden(x.view(x.size(0), -1))))


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.three, self.five = conv(3, 4, 1), conv(3, 5, 3), conv(3, 2, 5)
        self.pooled, self.head = conv(3, 3, 1), nn.Linear(14, 5)

    def forward(self, x):
        pooled = self.pooled(F.max_pool2d(x, 3, 1, 1))
        x = F.relu(torch.cat([self.one(x), self.three(x), self.five(x), pooled], 1))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.image, self.table = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(5, 6)
        self.head, self.price = nn.Linear(4 * 3 * 4 + 6, 3), nn.Linear(6, 1)

    def forward(self, image, table):
        image = torch.flatten(F.avg_pool2d(F.silu(self.image(image)), 2), 1)
        table = F.elu(self.table(table))
        return self.head(torch.cat([image, table], 1)), self.price(table)


class Residual(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.first, self.second = conv(inner, outer, 3, stride), conv(outer, outer)
        same = stride == 1 and inner == outer
        self.shortcut = nn.Identity() if same else conv(inner, outer, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = conv(3, 4, 7, 2)
        widths = [(4, 4, 1), (4, 4, 1), (4, 5, 2), (5, 5, 1), (5, 6, 2), (6, 6, 1), (6, 8, 2), (8, 8, 1)]
        self.blocks = nn.Sequential(*[Residual(*it) for it in widths])
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.stem(x)), 3, 2, 1)
        return self.head(torch.flatten(F.adaptive_avg_pool2d(self.blocks(x), (1, 1)), 1))


class Inverted(nn.Module):
    def __init__(self, inner, outer, stride):
        super().__init__()
        self.same = stride == 1 and inner == outer
        self.layers = nn.Sequential(conv(inner, 3 * inner, 1), nn.ReLU6(),
                                    conv(3 * inner, 3 * inner, 3, stride, 3 * inner), nn.ReLU6(),
                                    conv(3 * inner, outer, 1))

    def forward(self, x):
        return x + self.layers(x) if self.same else self.layers(x)


class MobileNetV2(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(conv(3, 4, 3, 2), nn.ReLU6(), Inverted(4, 4, 1), Inverted(4, 6, 2),
                                    Inverted(6, 6, 1), conv(6, 10, 1), nn.ReLU6())
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(10, 4))

    def forward(self, x):
        return self.head(self.layers(x).mean([2, 3]))


class Squeeze(nn.Module):
    """Squeeze and excitation with hard activations, as in MobileNetV3."""

    def __init__(self):
        super().__init__()
        self.stem, self.down, self.up = conv(3, 8, 3, 2), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        x = F.hardswish(self.stem(x))
        gate = F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        return self.head((x * gate).amax(dim=(2, 3)))


class DenseNet(nn.Module):
    def __init__(self):
        super().__init__()
        widths = [4, 7, 10]
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths)
        self.convs = nn.ModuleList(nn.Conv2d(width, 3, 3, padding=1, bias=False) for width in widths)
        self.norm, self.squeeze = nn.BatchNorm2d(13), nn.Conv2d(13, 6, 1)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        features = [self.stem(x)]
        for norm, layer in zip(self.norms, self.convs):
            features.append(layer(F.relu(norm(torch.cat(features, 1)))))
        x = F.avg_pool2d(self.squeeze(F.relu(self.norm(torch.cat(features, 1)))), 2, 2)
        return self.head(x.mean(dim=(2, 3)))


class UNet(nn.Module):
    """An image comes out, and pictures do not have even sizes all the way down."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.bottom = conv(2, 4), conv(4, 6), conv(6, 8)
        self.up, self.upper = nn.ConvTranspose2d(8, 6, 2, 2), conv(12, 6)
        self.top, self.last = nn.ConvTranspose2d(6, 4, 3, 2, 1, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x):
        a = F.relu(self.first(x))
        b = F.relu(self.second(F.max_pool2d(a, 2)))
        c = F.relu(self.bottom(F.max_pool2d(b, 2)))
        b = F.relu(self.upper(torch.cat([self.up(c), b], 1)))
        return torch.sigmoid(self.last(torch.cat([self.top(b), a], 1)))


class Upsampled(nn.Module):
    """Windows and borders of all kinds."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 4, 3, stride=2, padding=(2, 0), dilation=(2, 1))
        self.b = nn.Conv2d(4, 6, 3, padding=1, groups=2)
        self.slopes = nn.PReLU(6)

    def forward(self, x):
        x = self.b(F.pad(self.a(x), (1, 2, 0, 1)))
        x = self.slopes(F.interpolate(x, scale_factor=2, mode="nearest"))
        x = F.avg_pool2d(F.max_pool2d(x, 3, 2, 1, ceil_mode=True), 3, 2, 1, count_include_pad=True)
        return F.pixel_shuffle(x[:, 1:5], 2).clamp(-0.3, 0.6)


class Sequence(nn.Module):
    """Words through an embedding and convolutions over a sequence."""

    def __init__(self):
        super().__init__()
        self.words, self.conv = nn.Embedding(11, 6), nn.Conv1d(6, 8, 3, padding=1)
        self.head = nn.Linear(8 * 3, 2)

    def forward(self, x):
        x = F.relu(self.conv(self.words(x).transpose(1, 2)))
        return self.head(F.max_pool1d(x, 2).flatten(1))


class Transformer(nn.Module):
    """Attention of two heads as people write it, a causal mask, layer normalisation, positions."""

    def __init__(self):
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.norm, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.qkv, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.up, self.down, self.head = nn.Linear(8, 12), nn.Linear(12, 8), nn.Linear(8, 3)
        self.register_buffer("mask", torch.full((5, 5), float("-inf")).triu(1))

    def forward(self, x):
        x = x + self.positions
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (t.reshape(-1, 5, 2, 4).transpose(1, 2) for t in (q, k, v))
        weights = torch.softmax(q @ k.transpose(-2, -1) / 2.0 + self.mask, dim=-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(-1, 5, 8))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(x[:, -1])


class Shared(nn.Module):
    """One tower for two inputs."""

    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))

    def forward(self, a, b):
        a, b = self.tower(a), self.tower(b)
        return (a - b).abs(), torch.maximum(a, b) / (2 + a * a)


class Words(nn.Module):
    """Words through two layers of a long short-term memory; the last state decides."""

    def __init__(self):
        super().__init__()
        self.words, self.lstm = nn.Embedding(9, 4), nn.LSTM(4, 5, 2, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.lstm(self.words(x))[0][:, -1])


class BothWays(nn.Module):
    """There and back over steps that come before the batch, with all that comes of it."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, bidirectional=True)

    def forward(self, x):
        states, (state, memory) = self.lstm(x)
        return states, state, memory


class Gated(nn.Module):
    """Two layers of gated units, there and back, and the mean of their steps."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(3, 4, 2, batch_first=True, bidirectional=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.gru(x)[0].mean(1))


class Stateful(nn.Module):
    """A state that comes in and goes out."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(3, 4), nn.Linear(4, 2)

    def forward(self, x, state):
        states, state = self.gru(x, state)
        return torch.tanh(self.head(states)), state


class Recurrent(nn.Module):
    """The plain recurrence."""

    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.RNN(3, 4, nonlinearity="relu", batch_first=True), nn.Linear(8, 2)

    def forward(self, x):
        states, state = self.rnn(x)
        return self.head(states[:, 1:3].flatten(1)), state[-1]


class Grouped(nn.Module):
    """Transposed convolutions in groups, with and without bias."""

    def __init__(self):
        super().__init__()
        self.two = nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2)
        self.each = nn.ConvTranspose2d(6, 6, 2, 2, groups=6, bias=False)

    def forward(self, x):
        return self.each(F.relu(self.two(x)))


NETWORKS = {
    "mlp": (Mlp, [(7,)]),
    "cnn": (Cnn, [(2, 10, 14)]),
    "inception": (Inception, [(3, 8, 7)]),
    "two-inputs": (TwoInputs, [(1, 6, 8), (5,)]),
    "resnet18": (ResNet18, [(3, 32, 32)]),
    "mobilenet-v2": (MobileNetV2, [(3, 14, 14)]),
    "squeeze": (Squeeze, [(3, 9, 9)]),
    "densenet": (DenseNet, [(3, 8, 8)]),
    "u-net": (UNet, [(2, 8, 12)]),
    "windows": (Upsampled, [(2, 11, 12)]),
    "sequence": (Sequence, [(6,)]),
    "transformer": (Transformer, [(5, 8)]),
    "shared": (Shared, [(4,), (4,)]),
    "words": (Words, [(6,)]),
    "both-ways": (BothWays, [(5, 3)]),
    "gated": (Gated, [(4, 3)]),
    "stateful": (Stateful, [(4, 3), (1, 4)]),
    "recurrent": (Recurrent, [(4, 3)]),
    "grouped": (Grouped, [(4, 3, 4)]),
}

# Where the batch is another axis than the first, of inputs and of outputs.
BATCH_AXES = {"both-ways": ([1], [1, 1, 1]), "stateful": ([1, 1], [1, 1])}

# Networks that take whole numbers, below this one.
INDICES = {"sequence": 11, "words": 9}


def main():
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or list(NETWORKS)
    path = FOLDER / "networks.json"
    before = path.read_text().splitlines() if path.exists() else []
    kept = {json.loads(line)["file"]: line for line in before}
    lines = []
    for number, (name, (kind, shapes)) in enumerate(NETWORKS.items()):
        if name not in wanted:
            lines += [kept[f"{name}-{exporter}.onnx"] for exporter in ("script", "dynamo")]
            continue
        torch.manual_seed(number)
        model = kind()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.5, 1.5)
                module.weight.data.uniform_(0.5, 1.5)
                module.bias.data.uniform_(-0.2, 0.2)
        model.eval()
        places, of_outputs = BATCH_AXES.get(name, ([0] * len(shapes), [0] * 9))
        whole = [(*shape[:at], 2, *shape[at:]) for shape, at in zip(shapes, places)]
        if name in INDICES:
            data = tuple(torch.randint(0, INDICES[name], shape) for shape in whole)
        else:
            data = tuple(torch.randn(shape) for shape in whole)
        names = [f"in{i}" for i in range(len(data))] if len(data) > 1 else ["input"]
        outputs = model(*data)
        count = len(outputs) if isinstance(outputs, tuple) else 1
        results = [f"out{i}" for i in range(count)] if count > 1 else ["output"]
        opened = number % 2 == 0
        for exporter in ("script", "dynamo"):
            file = FOLDER / f"{name}-{exporter}.onnx"
            options = {"input_names": names, "output_names": results}
            if exporter == "script":
                ends = zip([*names, *results], [*places, *of_outputs])
                axes = {it: {at: "batch"} for it, at in ends} if opened else None
                torch.onnx.export(model, data, str(file), opset_version=13, dynamic_axes=axes, dynamo=False, **options)
            else:
                batch = torch.export.Dim("batch")
                axes = tuple({at: batch} for at in places) if opened else None
                program = torch.onnx.export(model, data, dynamo=True, opset_version=20, dynamic_shapes=axes,
                                            verbose=False, **options)
                program.save(str(file), external_data=False)
            bare(file)
            session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            fed = {value.name: array.numpy() for value, array in zip(session.get_inputs(), data)}
            found = session.run(None, fed)
            lines.append(json.dumps({
                "file": file.name,
                "inputs": [stored(key, array) for key, array in fed.items()],
                "outputs": [stored(v.name, a) for v, a in zip(session.get_outputs(), found)],
            }))
            print(file.name, file.stat().st_size)
    path.write_text("\n".join(lines) + "\n")


main()
