"""Reference results of recurrent and attention blocks, computed by PyTorch.

Run from the root of the repository: .venv/bin/python tests/oracles/blocks.py (see layers.py)

It writes blocks.json beside itself: a list of cases, one per line, each an object with
    name             unique
    kind, attributes the block of Caudal
    inputs           [{shape, values}], the batch axis first
    parameters       {node.parameter: {shape, values}} as Caudal names and stores them
    outputs          [{shape, values}]
    output_grads     the gradients that backward starts from, one per output
    input_grads      one per input
    parameter_grads  like parameters

The modules are those of torch.nn: LSTMCell, GRUCell, MultiheadAttention, whose parameters are drawn
at random, rounded to three decimals and then to float32. PyTorch computes in float64.

Where PyTorch adds two biases, Caudal has one: their sum, whose gradient is that of each. Where PyTorch
multiplies input and state with a matrix each, [units, features] and [units, units], Caudal has one
weight, [features + units, units], for both.
"""

import json
import pathlib
import zlib

import numpy as np
import torch
import torch.nn.functional as F

from layers import exact, normals, stored, toml


def module(kind, rng, *sizes, **options):
    """A torch module with exact random parameters."""
    made = kind(*sizes, **options).double()
    for parameter in made.parameters():
        parameter.data = exact(normals(rng, tuple(parameter.shape)))
    return made


def joined(cell, gate, units):
    """Weight and bias of a gate as functions of the module's tensors, or of their gradients."""
    rows = slice(gate * units, (gate + 1) * units)
    weight = lambda of: torch.cat([of(cell.weight_ih)[rows].T, of(cell.weight_hh)[rows].T])
    # The gradient of a sum is that of each of its terms.
    bias = lambda of: (of(cell.bias_ih)[rows] + of(cell.bias_hh)[rows]) / (
        1 if of is value else 2)
    return {"weight": weight, "bias": bias}


def value(parameter):
    return parameter.detach()


def gradient(parameter):
    return parameter.grad


def named(parts):
    return {f"{node}.{key}": get for node, own in parts.items() for key, get in own.items()}


def lstm_parameters(cell, units, prefix=""):
    gates = ["input", "forget", "candidate", "output"]
    return named({prefix + gate: joined(cell, at, units) for at, gate in enumerate(gates)})


def gru_parameters(cell, units, prefix=""):
    rows = slice(2 * units, None)
    return named({
        prefix + "reset": joined(cell, 0, units),
        prefix + "update": joined(cell, 1, units),
        prefix + "candidate": {"weight": lambda of: of(cell.weight_ih)[rows].T,
                               "bias": lambda of: of(cell.bias_ih)[rows]},
        prefix + "candidate.state": {"weight": lambda of: of(cell.weight_hh)[rows].T,
                                     "bias": lambda of: of(cell.bias_hh)[rows]},
    })


def attention_parameters(attention, heads, size):
    """Queries, keys and values have a projection each, of which every head has its rows."""
    parts = {}
    for at, node in enumerate(["query", "key", "value"]):
        for head in range(heads):
            rows = slice(head * size, (head + 1) * size)
            biases = slice((at * heads + head) * size, (at * heads + head + 1) * size)
            if attention.in_proj_weight is not None:
                weight = lambda of, rows=biases: of(attention.in_proj_weight)[rows].T
            else:
                own = [attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight]
                weight = lambda of, own=own[at], rows=rows: of(own)[rows].T
            parts[f"head{head}/{node}"] = {
                "weight": weight,
                "bias": lambda of, rows=biases: of(attention.in_proj_bias)[rows],
            }
    parts["output"] = {"weight": lambda of: of(attention.out_proj.weight).T,
                       "bias": lambda of: of(attention.out_proj.bias)}
    return named(parts)


def case(name, kind, attributes, rng, inputs, parameters, outputs):
    gradients = [exact(normals(rng, tuple(output.shape))) for output in outputs]
    torch.autograd.backward(outputs, gradients)
    return {
        "name": name,
        "kind": kind,
        "attributes": toml(attributes),
        "inputs": [stored(x) for x in inputs],
        "parameters": {key: stored(get(value)) for key, get in parameters.items()},
        "outputs": [stored(output) for output in outputs],
        "output_grads": [stored(g) for g in gradients],
        "input_grads": [stored(x.grad) for x in inputs],
        "parameter_grads": {key: stored(get(gradient)) for key, get in parameters.items()},
    }


def drawn(rng, *shapes):
    return [exact(normals(rng, shape)).requires_grad_() for shape in shapes]


def generator(name):
    return np.random.RandomState(zlib.crc32(name.encode()))


def recurrent(name, kind, batch, features, units, length=None):
    rng = generator(name)
    lstm = kind.startswith("lstm")
    cell = module(torch.nn.LSTMCell if lstm else torch.nn.GRUCell, rng, features, units)
    table = lstm_parameters if lstm else gru_parameters
    states = 2 if lstm else 1
    if length is None:
        inputs = drawn(rng, (batch, features), *[(batch, units)] * states)
        out = cell(inputs[0], tuple(inputs[1:]) if lstm else inputs[1])
        outputs, parameters = list(out) if lstm else [out], table(cell, units)
    else:
        inputs = drawn(rng, *[(batch, features)] * length)
        state, outputs = None, []
        for x in inputs:
            state = cell(x, state)
            outputs.append(state[0] if lstm else state)
        parameters = table(cell, units, "step0/")
    return case(name, kind, {"units": units}, rng, inputs, parameters, outputs)


def causal_attention(name, batch, heads, size, places):
    """Self-attention with PyTorch's own causal mask."""
    rng = generator(name)
    features = heads * size
    made = module(torch.nn.MultiheadAttention, rng, features, heads, batch_first=True)
    inputs = drawn(rng, (batch, places, features))
    projected = F.linear(inputs[0], made.in_proj_weight, made.in_proj_bias).chunk(3, dim=-1)
    split = [part.unflatten(-1, (heads, size)).transpose(1, 2) for part in projected]
    mixed = F.scaled_dot_product_attention(*split, is_causal=True)
    output = made.out_proj(mixed.transpose(1, 2).flatten(2))
    attributes = {"heads": heads, "size": size, "features": features, "mask": "causal"}
    parameters = attention_parameters(made, heads, size)
    return case(name, "multi_head_attention", attributes, rng, inputs, parameters, [output])


def attention(name, batch, heads, size, queries, keys=None, key_features=None, value_features=None):
    rng = generator(name)
    features = heads * size
    made = module(torch.nn.MultiheadAttention, rng, features, heads, batch_first=True,
                  kdim=key_features, vdim=value_features)
    if keys is None:
        inputs = drawn(rng, (batch, queries, features))
        output, _ = made(inputs[0], inputs[0], inputs[0])
    else:
        inputs = drawn(rng, (batch, queries, features), (batch, keys, key_features or features),
                       (batch, keys, value_features or features))
        output, _ = made(*inputs)
    attributes = {"heads": heads, "size": size, "features": features}
    parameters = attention_parameters(made, heads, size)
    return case(name, "multi_head_attention", attributes, rng, inputs, parameters, [output])


def cases():
    yield recurrent("lstm_cell", "lstm_cell", 3, 4, 5)
    yield recurrent("lstm_cell batch 1", "lstm_cell", 1, 1, 1)
    yield recurrent("lstm", "lstm", 2, 3, 4, length=5)
    yield recurrent("gru_cell", "gru_cell", 3, 4, 5)
    yield recurrent("gru_cell batch 1", "gru_cell", 1, 2, 1)
    yield recurrent("gru", "gru", 2, 3, 4, length=5)
    yield attention("self-attention", 2, 3, 2, 5)
    yield attention("self-attention of one head", 3, 1, 4, 2)
    yield attention("attention to others", 2, 2, 3, 4, keys=7)
    yield attention("attention to others of other sizes", 2, 2, 2, 3, 5, 3, 6)
    yield causal_attention("causal attention", 2, 3, 2, 6)
    yield causal_attention("causal attention to one place", 2, 2, 2, 1)


def main():
    rows = list(cases())
    assert len({row["name"] for row in rows}) == len(rows)
    path = pathlib.Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f"[\n{lines}\n]\n")
    print(f"{path.name}: {len(rows)} cases, {path.stat().st_size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
