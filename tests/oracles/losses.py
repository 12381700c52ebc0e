"""Reference losses with class weights, label smoothing and weights of items, and focal losses, computed by PyTorch.

Run from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install torch numpy
    .venv/bin/python tests/oracles/losses.py

It writes losses.json beside itself, an object with
    torch   the version that computed it
    cases   [{kind, attributes, shapes, prediction, target, weights, losses, gradient}]: the attributes as lines of TOML,
            the shapes of one item of prediction and target, their numbers for all items, the weight of each item or
            null, the loss of each item, and the gradient of the mean over all items with respect to the prediction

The focal losses are written as torchvision has them (`sigmoid_focal_loss`), with the softmax in place of the sigmoid
for several classes, and differentiated by PyTorch. All arithmetic is float64.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

from optimizers import toml

ITEMS = 6


def softmax_cross_entropy(x, t, class_weights=None, label_smoothing=0.0):
    weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
    return F.cross_entropy(x, t, weight=weight, label_smoothing=label_smoothing, reduction="none")


def cross_entropy(p, t, class_weights=None, label_smoothing=0.0):
    # PyTorch's takes logits: this is its formula without the softmax, which would normalise.
    shares = F.one_hot(t, p.shape[1]).double() if t.dtype == torch.int64 else t
    shares = shares * (1 - label_smoothing) + label_smoothing / p.shape[1]
    weight = torch.ones(p.shape[1]) if class_weights is None else torch.tensor(class_weights)
    return -(weight.double() * shares * torch.log(p)).sum(dim=1)


def softmax_focal(x, t, gamma=2.0, class_weights=None):
    p = F.softmax(x, dim=1)
    shares = F.one_hot(t, x.shape[1]).double() if t.dtype == torch.int64 else t
    weight = torch.ones(x.shape[1]) if class_weights is None else torch.tensor(class_weights)
    return -(weight.double() * shares * (1 - p) ** gamma * torch.log(p)).sum(dim=1)


def binary_cross_entropy(x, t, label_smoothing=0.0):
    t = t * (1 - label_smoothing) + label_smoothing / 2
    return F.binary_cross_entropy_with_logits(x, t, reduction="none").mean(dim=1)


def binary_focal(x, t, gamma=2.0, alpha=None):
    p = torch.sigmoid(x)
    ce = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    loss = ce * (1 - (p * t + (1 - p) * (1 - t))) ** gamma
    if alpha is not None:
        loss = (alpha * t + (1 - alpha) * (1 - t)) * loss
    return loss.mean(dim=1)


def mean_squared_error(x, t):
    return F.mse_loss(x, t, reduction="none").mean(dim=1)


WEIGHTS = [0.5, 2.0, 1.25, 0.0]
CASES = [
    (softmax_cross_entropy, dict(class_weights=WEIGHTS), "classes", False),
    (softmax_cross_entropy, dict(label_smoothing=0.1), "classes", False),
    (softmax_cross_entropy, dict(label_smoothing=0.3, class_weights=WEIGHTS), "classes", False),
    (softmax_cross_entropy, dict(label_smoothing=0.2, class_weights=WEIGHTS), "shares", False),
    (softmax_cross_entropy, dict(), "classes", True),
    (softmax_cross_entropy, dict(label_smoothing=0.1, class_weights=WEIGHTS), "classes", True),
    (cross_entropy, dict(label_smoothing=0.1, class_weights=WEIGHTS), "classes", False),
    (cross_entropy, dict(class_weights=WEIGHTS), "shares", True),
    (softmax_focal, dict(), "classes", False),
    (softmax_focal, dict(gamma=0.5, class_weights=WEIGHTS), "classes", True),
    (softmax_focal, dict(gamma=3.0), "shares", False),
    (softmax_focal, dict(gamma=0.0), "classes", False),
    (binary_cross_entropy, dict(label_smoothing=0.2), "binary", False),
    (binary_cross_entropy, dict(), "binary", True),
    (binary_focal, dict(), "binary", False),
    (binary_focal, dict(gamma=1.5, alpha=0.25), "binary", True),
    (binary_focal, dict(gamma=0.0, alpha=0.75), "binary", False),
    (mean_squared_error, dict(), "numbers", True),
]


def case(make, attributes, form, weighted, rng):
    draw = lambda *shape: rng.normal(size=shape).round(3).astype(np.float32).astype(np.float64)
    x = 2 * draw(ITEMS, 4)
    if make is cross_entropy:
        # Numbers of float32 that are probabilities, in float64.
        x = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        x = (x * 2**20).round() / 2**20
        x[:, 3] = 1 - x[:, :3].sum(axis=1)
    match form:
        case "classes":
            t = rng.integers(0, 4, size=ITEMS)
        case "shares":
            t = rng.random((ITEMS, 4)).round(2)
            t = (t / t.sum(axis=1, keepdims=True) * 2**20).round() / 2**20
        case "binary":
            t = rng.integers(0, 2, size=(ITEMS, 4)).astype(float)
        case "numbers":
            t = draw(ITEMS, 4)
    weights = (rng.random(ITEMS) * 3).round(2) * (np.arange(ITEMS) != 2) if weighted else None
    x_ = torch.tensor(x, requires_grad=True)
    losses = make(x_, torch.tensor(t), **attributes)
    if weighted:
        losses = losses * torch.tensor(weights)
    losses.mean().backward()
    lines = "\n".join(f"{key} = {toml(value)}" for key, value in attributes.items())
    short = lambda numbers: [float(f"{number:.9g}") for number in numbers]
    return dict(
        kind=make.__name__, attributes=lines,
        shapes=[[4], [] if form == "classes" else [4]],
        prediction=x.flatten().tolist(), target=t.flatten().tolist(),
        weights=None if weights is None else weights.tolist(),
        losses=short(losses.tolist()), gradient=short(x_.grad.flatten().tolist()),
    )


def main():
    rng = np.random.default_rng(20171007)
    whole = dict(torch=torch.__version__, cases=[case(*settings, rng) for settings in CASES])
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(whole) + "\n")


if __name__ == "__main__":
    main()
