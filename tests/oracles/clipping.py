"""Reference trainings with clipped gradients, regularizers, frozen and slower layers, and groups of parameters, by
PyTorch.

Run from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install torch numpy
    .venv/bin/python tests/oracles/clipping.py

It writes clipping.json beside itself, an object with
    torch    the version that computed it
    x        a batch of 8 items of 4 numbers, the same in every step
    label    their classes, of 3
    weights  {name: values} before the first step of a network of two dense layers, `first` of 6 units
             with tanh, and `second` of 3 units with softmax cross entropy
    runs     [{optimizer, first, second, losses, weights}]: the optimizer as an inline table of TOML
             and the settings of both layers as lines of TOML, the loss before each of 20 steps, with
             the costs of all regularizers, and the weights after the last; with `ema_decay` also their
             averages, and the loss with these as `evaluation`

Clipping is that of torch.nn.utils.clip_grad_norm_, over all parameters or over each. It divides by
the norm plus 1e-6, where Caudal divides by the norm, which makes up to 2.5e-5 in these weights. All
arithmetic is float64; PyTorch in float32 comes to within 1.5e-5.
"""

import fnmatch
import json
import pathlib

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from optimizers import adagrad, adam, adamw, factor, lion, sgd, toml

STEPS = 20

DECAY = dict(kind="inverse_time", decay=0.3)
RUNS = [
    (sgd, dict(learning_rate=0.1, momentum=0.9, nesterov=True, clip_norm=0.1, schedule=DECAY), {}, {}),
    (sgd, dict(learning_rate=0.5, clip_global_norm=0.2), {}, {}),
    (sgd, dict(learning_rate=0.5, momentum=0.5, clip_global_norm=0.2, clip_value=0.1), {}, {}),
    (adagrad, dict(learning_rate=0.1, clip_norm=0.05, schedule=DECAY), {}, {}),
    (adam, dict(learning_rate=0.02, clip_global_norm=0.1), {}, {}),
    (sgd, dict(learning_rate=0.2),
     dict(weight_regularizer=dict(kind="l2", rate=0.05), bias_regularizer=dict(kind="l1", rate=0.01)),
     dict(weight_regularizer=dict(kind="l1_l2", l1=0.02, l2=0.03))),
    (sgd, dict(learning_rate=0.2, clip_norm=0.3),
     dict(weight_regularizer=dict(kind="l2", rate=0.5)), dict(learning_rate_factor=0.25)),
    (sgd, dict(learning_rate=0.2, momentum=0.9, clip_global_norm=0.1),
     dict(trainable=False), dict(weight_regularizer=dict(kind="l2", rate=0.1))),
    (sgd, dict(learning_rate=0.1, momentum=0.5),
     dict(learning_rate_factor=3.0), dict(learning_rate_factor=0.5)),
    (adam, dict(learning_rate=0.002), dict(learning_rate_factor=3.0), dict(learning_rate_factor=0.5)),
    (adamw, dict(learning_rate=0.02, weight_decay=0.5, decays="weights"), {}, {}),
    (adamw, dict(learning_rate=0.02, weight_decay=0.5,
                 group=[dict(pattern="*.bias", weight_decay=0.0),
                        dict(pattern="first.*", learning_rate_factor=0.25),
                        dict(pattern="*", weight_decay=2.0)]), {}, {}),
    (lion, dict(learning_rate=0.002, weight_decay=0.5, decays="weights",
                group=[dict(pattern="first.b*", weight_decay=1.0, learning_rate_factor=2.0)]),
     {}, dict(learning_rate_factor=0.5)),
    (sgd, dict(learning_rate=0.1, momentum=0.9, clip_global_norm=0.2,
               group=[dict(pattern="sec?nd.*", learning_rate_factor=0.1)]),
     {}, dict(learning_rate_factor=3.0)),
    (sgd, dict(learning_rate=0.2, momentum=0.9, ema_decay=0.5), {}, {}),
    (adam, dict(learning_rate=0.02, ema_decay=0.99), dict(trainable=False), {}),
]


def group_of(attributes, name):
    """The first group whose pattern fits; these patterns mean the same to fnmatch."""
    groups = attributes.get("group", [])
    return next((it for it in groups if fnmatch.fnmatchcase(name, it["pattern"])), {})


def decay_of(attributes, name, axes):
    own = attributes.get("weight_decay", 0.0)
    if attributes.get("decays") == "weights" and axes < 2:
        own = 0.0
    return group_of(attributes, name).get("weight_decay", own)


def cost(settings, weights):
    match settings["kind"]:
        case "l1":
            return settings["rate"] * weights.abs().sum()
        case "l2":
            return settings["rate"] * weights.square().sum()
        case "l1_l2":
            return settings["l1"] * weights.abs().sum() + settings["l2"] * weights.square().sum()


def run(make, attributes, first, second, x, label, start):
    layers = dict(first=first, second=second)
    p = {name: torch.tensor(values, dtype=torch.float64) for name, values in start.items()}
    moving = {}
    for name, values in p.items():
        if layers[name.split(".")[0]].get("trainable", True):
            moving[name] = values.requires_grad_()
    optimizers = {}
    for name, values in moving.items():
        settings = dict(attributes)
        if "weight_decay" in attributes:
            settings["weight_decay"] = decay_of(attributes, name, values.ndim)
        optimizers[name] = make(values, **settings)
    losses = []
    averages = {name: values.detach().clone() for name, values in p.items()}
    for step in range(STEPS):
        hidden = torch.tanh(x @ p["first.weight"] + p["first.bias"])
        loss = cross_entropy(hidden @ p["second.weight"] + p["second.bias"], label)
        for name, values in p.items():
            layer, parameter = name.split(".")
            regularizer = layers[layer].get(f"{parameter}_regularizer")
            if regularizer is not None:
                loss = loss + cost(regularizer, values)
        losses.append(loss.item())
        for values in moving.values():
            values.grad = None
        loss.backward()
        if "clip_norm" in attributes:
            for values in moving.values():
                clip_grad_norm_([values], attributes["clip_norm"])
        if "clip_global_norm" in attributes:
            clip_grad_norm_(list(moving.values()), attributes["clip_global_norm"])
        if "clip_value" in attributes:
            torch.nn.utils.clip_grad_value_(list(moving.values()), attributes["clip_value"])
        for name, optimizer in optimizers.items():
            rate = attributes["learning_rate"] * factor(attributes.get("schedule"), step)
            rate *= layers[name.split(".")[0]].get("learning_rate_factor", 1.0)
            rate *= group_of(attributes, name).get("learning_rate_factor", 1.0)
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
        if "ema_decay" in attributes:
            keep = min(attributes["ema_decay"], (1 + step) / (10 + step))
            for name, values in averages.items():
                values.mul_(keep).add_(p[name].detach(), alpha=1 - keep)
    lines = lambda settings: "\n".join(f"{key} = {toml(value)}" for key, value in settings.items())
    short = lambda numbers: [float(f"{number:.9g}") for number in numbers]
    averaged = {}
    if "ema_decay" in attributes:
        hidden = torch.tanh(x @ averages["first.weight"] + averages["first.bias"])
        loss = cross_entropy(hidden @ averages["second.weight"] + averages["second.bias"], label)
        averaged = dict(
            evaluation=float(f"{loss.item():.9g}"),
            averages={name: short(values.flatten().tolist()) for name, values in averages.items()})
    return dict(
        optimizer=toml(dict(kind=make.__name__, **attributes)),
        first=lines(first),
        second=lines(second),
        losses=short(losses),
        weights={name: short(values.flatten().tolist()) for name, values in p.items()},
        **averaged,
    )


def main():
    rng = np.random.default_rng(20180521)
    draw = lambda *shape: rng.normal(size=shape).round(3).astype(np.float32).astype(np.float64)
    x, label = draw(8, 4), rng.integers(0, 3, size=8)
    shapes = {"first.weight": (4, 6), "first.bias": (6,), "second.weight": (6, 3), "second.bias": (3,)}
    start = {name: draw(*shape) for name, shape in shapes.items()}
    x_, label_ = torch.tensor(x), torch.tensor(label)
    runs = [run(*settings, x_, label_, start) for settings in RUNS]
    head = dict(
        torch=torch.__version__,
        x=x.flatten().tolist(),
        label=label.tolist(),
        weights={name: values.flatten().tolist() for name, values in start.items()},
    )
    text = json.dumps(head)[:-1] + ', "runs": [\n' + ",\n".join(map(json.dumps, runs)) + "\n]}\n"
    json.loads(text)
    pathlib.Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
