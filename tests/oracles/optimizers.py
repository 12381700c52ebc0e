"""Reference runs of optimizers, computed by PyTorch.

Run from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install torch numpy
    .venv/bin/python tests/oracles/optimizers.py

It writes optimizers.json beside itself, an object with
    torch      the version that computed it
    weights    the weights before the first step
    gradients  the gradient of each of the 20 steps, the same for every run
    runs       [{kind, attributes, steps}]: the attributes as lines of TOML, and the weights after
               steps 1, 2, 5, 10 and 20 as [{step, weights}]

Weights and gradients are drawn at random and rounded to float32; all arithmetic is float64. The
first gradient is large, and the last weight's gradient is zero until step 5. PyTorch has no Lion:
that is algorithm 2 of Chen et al. 2023, in PyTorch's tensors.
"""

import json
import math
import pathlib

import numpy as np
import torch

STEPS = 20
KEPT = [1, 2, 5, 10, 20]


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, beta1=0.9, beta2=0.99, weight_decay=0.0):
        super().__init__(params, dict(lr=lr))
        self.beta1, self.beta2, self.decay, self.mean = beta1, beta2, weight_decay, None

    @torch.no_grad()
    def step(self):
        (group,) = self.param_groups
        (w,) = group["params"]
        if self.mean is None:
            self.mean = torch.zeros_like(w)
        direction = torch.sign(self.beta1 * self.mean + (1 - self.beta1) * w.grad)
        w.sub_(group["lr"] * (direction + self.decay * w))
        self.mean = self.beta2 * self.mean + (1 - self.beta2) * w.grad


def sgd(w, momentum=0.0, nesterov=False, **_):
    return torch.optim.SGD([w], lr=1.0, momentum=momentum, nesterov=nesterov)


def adagrad(w, epsilon=1e-10, **_):
    return torch.optim.Adagrad([w], lr=1.0, eps=epsilon)


def rmsprop(w, alpha=0.99, epsilon=1e-8, momentum=0.0, centered=False, **_):
    return torch.optim.RMSprop(
        [w], lr=1.0, alpha=alpha, eps=epsilon, momentum=momentum, centered=centered)


def adam(w, beta1=0.9, beta2=0.999, epsilon=1e-8, **_):
    return torch.optim.Adam([w], lr=1.0, betas=(beta1, beta2), eps=epsilon)


def adamw(w, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.01, **_):
    return torch.optim.AdamW(
        [w], lr=1.0, betas=(beta1, beta2), eps=epsilon, weight_decay=weight_decay)


def lion(w, beta1=0.9, beta2=0.99, weight_decay=0.0, **_):
    return Lion([w], 1.0, beta1, beta2, weight_decay)


def factor(schedule, step):
    """By what the learning rate is multiplied; steps count from 0, and anew after the warm-up."""
    if schedule is None:
        return 1.0
    warm_up = schedule.get("warm_up", 0)
    if step < warm_up:
        return (step + 1) / (warm_up + 1)
    step -= warm_up
    match schedule["kind"]:
        case "constant":
            return 1.0
        case "inverse_time":
            return 1 / (1 + schedule["decay"] * step)
        case "step":
            return schedule["factor"] ** (step // schedule["every"])
        case "exponential":
            return schedule["factor"] ** (step / schedule.get("steps", 1))
        case "cosine":
            end = schedule.get("end", 0.0)
            done = min(step / schedule["steps"], 1)
            return end + (1 - end) * (1 + math.cos(math.pi * done)) / 2


RUNS = [
    (sgd, dict(learning_rate=0.1)),
    (sgd, dict(learning_rate=0.1, momentum=0.9)),
    (sgd, dict(learning_rate=0.1, momentum=0.9, nesterov=True)),
    (sgd, dict(learning_rate=0.1, momentum=0.5, nesterov=True, clip_value=0.5)),
    (sgd, dict(learning_rate=0.1, schedule=dict(kind="inverse_time", decay=0.3))),
    (adagrad, dict(learning_rate=0.1)),
    (adagrad, dict(learning_rate=0.1, epsilon=0.01, clip_value=0.5)),
    (rmsprop, dict(learning_rate=0.01)),
    (rmsprop, dict(learning_rate=0.01, alpha=0.9, momentum=0.9)),
    (rmsprop, dict(learning_rate=0.01, epsilon=0.001, centered=True)),
    (rmsprop, dict(learning_rate=0.01, alpha=0.8, epsilon=0.001, momentum=0.5, centered=True)),
    (adam, dict(learning_rate=0.01)),
    (adam, dict(learning_rate=0.01, beta1=0.5, beta2=0.9, epsilon=0.1, clip_value=0.5)),
    (adam, dict(learning_rate=0.01, schedule=dict(kind="cosine", steps=12, end=0.1, warm_up=4))),
    (adam, dict(learning_rate=0.01, schedule=dict(kind="step", every=3, factor=0.5, warm_up=2))),
    (adamw, dict(learning_rate=0.01)),
    (adamw, dict(learning_rate=0.01, weight_decay=0.5,
                 schedule=dict(kind="exponential", factor=0.5, steps=8))),
    (lion, dict(learning_rate=0.01)),
    (lion, dict(learning_rate=0.01, beta1=0.8, beta2=0.9, weight_decay=0.5)),
]


def toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def run(make, attributes, weights, gradients):
    w = torch.tensor(weights, dtype=torch.float64, requires_grad=True)
    optimizer = make(w, **attributes)
    clip = attributes.get("clip_value")
    kept = []
    for step, gradient in enumerate(gradients):
        rate = attributes["learning_rate"] * factor(attributes.get("schedule"), step)
        optimizer.param_groups[0]["lr"] = rate
        w.grad = torch.tensor(gradient, dtype=torch.float64)
        if clip is not None:
            torch.nn.utils.clip_grad_value_([w], clip)
        optimizer.step()
        if step + 1 in KEPT:
            numbers = [float(f"{x:.9g}") for x in w.tolist()]
            kept.append(dict(step=step + 1, weights=numbers))
    lines = "\n".join(f"{key} = {toml(value)}" for key, value in attributes.items())
    return dict(kind=make.__name__, attributes=lines, steps=kept)


def main():
    rng = np.random.default_rng(20180521)
    count = 6
    draw = lambda size: [float(x) for x in rng.normal(size=count).round(3).astype(np.float32) * np.float32(size)]
    weights = draw(1)
    gradients = [draw(4 if step == 0 else 1) for step in range(STEPS)]
    for gradient in gradients[:5]:
        gradient[-1] = 0.0
    runs = [run(make, attributes, weights, gradients) for make, attributes in RUNS]
    head = dict(torch=torch.__version__, weights=weights, gradients=gradients)
    text = json.dumps(head)[:-1] + ', "runs": [\n' + ",\n".join(map(json.dumps, runs)) + "\n]}\n"
    json.loads(text)
    pathlib.Path(__file__).with_suffix(".json").write_text(text)


if __name__ == "__main__":
    main()
