"""Five training steps of batch normalisation, computed by PyTorch.

Run from the root of the repository, as layers.py. It writes batch_norm.json beside itself: a list of
cases, each an object with
    name            unique
    attributes      the attributes of the node as lines of TOML
    learning_rate   of plain gradient descent on weight and bias
    parameters      {weight, bias, running_mean, running_variance} before the first step
    steps           five objects with
        input         {shape, values}, the batch axis first, channels last
        factors       the loss is the sum of output times factors
        losses        that sum for each item of the batch
        input_grad, weight_grad, bias_grad
    trained         the parameters after the last step
    evaluated       the output for the last input, with the running averages

Numbers are drawn from the names and rounded as in layers.py; PyTorch computes in float64.
"""

import json
import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F

from layers import exact, normals, single, stored, toml

STEPS = 5
LEARNING_RATE = 0.1


def normalise(x, parameters, training, momentum, epsilon):
    """Batch normalisation over the last axis; in training the averages move."""
    y = F.batch_norm(
        x.movedim(-1, 1), parameters["running_mean"], parameters["running_variance"],
        parameters["weight"], parameters["bias"], training, momentum, epsilon)
    return y.movedim(1, -1)


def case(name, shape, offset=0.0, **attributes):
    rng = np.random.RandomState(zlib.crc32(name.encode()))
    momentum = single(attributes.get("momentum", 0.1))
    epsilon = single(attributes.get("epsilon", 1e-5))
    channels = shape[-1]
    parameters = {
        "weight": exact(normals(rng, channels)),
        "bias": exact(normals(rng, channels)),
        "running_mean": exact(normals(rng, channels)),
        "running_variance": exact(np.round(rng.uniform(0.5, 2.0, channels), 3)),
    }
    first = {key: stored(values) for key, values in parameters.items()}
    steps = []
    for _ in range(STEPS):
        x = exact(normals(rng, shape) * 2 + offset).requires_grad_()
        factors = exact(normals(rng, shape))
        learnt = [parameters[key].requires_grad_() for key in ("weight", "bias")]
        losses = (normalise(x, parameters, True, momentum, epsilon) * factors).flatten(1).sum(1)
        x_grad, *grads = torch.autograd.grad(losses.sum(), [x, *learnt])
        steps.append({
            "input": stored(x), "factors": stored(factors), "losses": stored(losses),
            "input_grad": stored(x_grad), "weight_grad": stored(grads[0]),
            "bias_grad": stored(grads[1]),
        })
        rate = single(LEARNING_RATE)
        for key, grad in zip(("weight", "bias"), grads):
            parameters[key] = (parameters[key] - rate * grad).detach()
    return {
        "name": name,
        "attributes": toml(attributes),
        "learning_rate": LEARNING_RATE,
        "parameters": first,
        "steps": steps,
        "trained": {key: stored(values) for key, values in parameters.items()},
        "evaluated": stored(normalise(x, parameters, False, momentum, epsilon)),
    }


def main():
    rows = [
        case("vectors", (6, 5)),
        case("images", (3, 4, 3, 5), momentum=0.25, epsilon=0.125),
        case("one item", (1, 3, 4, 17)),
        case("off centre", (8, 2, 2, 3), offset=3.0, momentum=1.0),
        case("still", (4, 2, 3), momentum=0.0),
    ]
    path = pathlib.Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{path.name}: {len(rows)} cases, {path.stat().st_size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
