"""Reference learning rates, computed by PyTorch's schedulers.

Run from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install torch numpy
    .venv/bin/python tests/oracles/schedules.py

It writes schedules.json beside itself, an object with
    torch     the version that computed it
    by_step   [{schedule, factors}]: the schedule as an inline table of TOML, and by what the rate is multiplied in
              each step from the first on
    plateaus  [{schedule, higher_is_better, values, factors}]: the value that each epoch ended with (null where it
              was no number), and by what the rate is multiplied after each

A rate of 1 makes rates and factors the same.
"""

import json
import pathlib

import numpy as np
import torch
from torch.optim import lr_scheduler

from optimizers import toml

STEPS = 40


def optimizer():
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)


def one_cycle(o, steps, rise=0.3, start=0.04, end=4e-6):
    return lr_scheduler.OneCycleLR(
        o, max_lr=1.0, total_steps=steps, pct_start=rise, div_factor=1 / start,
        final_div_factor=start / end, cycle_momentum=False)


MAKE = dict(
    polynomial=lambda o, steps, power=1.0: lr_scheduler.PolynomialLR(o, steps, power),
    cosine=lambda o, steps, end=0.0: lr_scheduler.CosineAnnealingLR(o, steps, end),
    cosine_restarts=lambda o, steps, growth=1, end=0.0:
        lr_scheduler.CosineAnnealingWarmRestarts(o, steps, growth, end),
    one_cycle=one_cycle,
    exponential=lambda o, factor: lr_scheduler.ExponentialLR(o, factor),
    step=lambda o, every, factor: lr_scheduler.StepLR(o, every, factor),
)

RUNS = [
    ("polynomial", dict(steps=25)),
    ("polynomial", dict(steps=25, power=2.0)),
    ("polynomial", dict(steps=60, power=0.5)),
    ("cosine", dict(steps=39, end=0.1)),
    ("cosine_restarts", dict(steps=7)),
    ("cosine_restarts", dict(steps=3, growth=2, end=0.05)),
    ("cosine_restarts", dict(steps=1, growth=3)),
    ("one_cycle", dict(steps=40)),
    ("one_cycle", dict(steps=40, rise=0.45, start=0.1, end=0.01)),
    ("one_cycle", dict(steps=23, rise=0.5)),
    ("exponential", dict(factor=0.9)),
    ("step", dict(every=6, factor=0.5)),
]

PLATEAUS = [
    (dict(), False),
    (dict(factor=0.5, patience=2), False),
    (dict(factor=0.5, patience=0, threshold=0.05), False),
    (dict(factor=0.3, patience=1, cooldown=3, threshold=0.01), False),
    (dict(factor=0.2, patience=1, min=0.01), False),
    (dict(watch="accuracy", factor=0.5, patience=1, threshold=0.02, cooldown=1), True),
]


def by_step(kind, attributes):
    o = optimizer()
    schedule = MAKE[kind](o, **attributes)
    factors = []
    for _ in range(min(STEPS, attributes["steps"]) if kind == "one_cycle" else STEPS):
        factors.append(o.param_groups[0]["lr"])
        o.step()
        schedule.step()
        # PyTorch's one cycle refuses steps beyond its end.
        if kind == "one_cycle" and len(factors) == attributes["steps"] - 1:
            factors.append(o.param_groups[0]["lr"])
            break
    return dict(schedule=toml(dict(kind=kind, **attributes)), factors=factors)


def plateau(attributes, higher, rng):
    o = optimizer()
    settings = {key: value for key, value in attributes.items() if key != "watch"}
    settings["min_lr"] = settings.pop("min", 0.0)
    schedule = lr_scheduler.ReduceLROnPlateau(
        o, mode="max" if higher else "min", **{"factor": 0.1, "patience": 10, **settings}, eps=0.0)
    falling = 2.0 * np.exp(-np.arange(60) / 8) + 0.3 + rng.normal(size=60) * 0.02
    values = [round(float(value), 4) for value in (1 - falling / 3 if higher else falling)]
    values[20] = float("nan")
    factors = []
    for value in values:
        o.step()
        schedule.step(value)
        factors.append(o.param_groups[0]["lr"])
    values = [None if value != value else value for value in values]
    return dict(schedule=toml(dict(kind="plateau", **attributes)), higher_is_better=higher,
                values=values, factors=factors)


def main():
    rng = np.random.default_rng(20261130)
    whole = dict(
        torch=torch.__version__,
        by_step=[by_step(*run) for run in RUNS],
        plateaus=[plateau(*run, rng) for run in PLATEAUS],
    )
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(whole, indent=0) + "\n")


if __name__ == "__main__":
    main()
