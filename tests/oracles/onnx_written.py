"""Compares ONNX Runtime with Caudal on files that Caudal writes.

Run from the root of the repository, after `cargo build --release`:

    .venv/bin/pip install onnx onnxruntime numpy
    .venv/bin/python tests/oracles/onnx_written.py target/release/caudal

Every layer of layers.json with its shapes and attributes, and every preset, is written by `caudal graph` with its first
weights, checked by onnx.checker, and computed by ONNX Runtime; `caudal predict` computes the same file. It prints the
largest difference of each, in parts of the largest number, and fails above 1e-5.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).parent
PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "target/release/caudal"
INDEXED = {"one_hot": "classes", "embedding": "entries"}
NOT_READ_BACK = ("fill",)


def compare(name, source, folder, below=None):
    path, data, out = folder / "net.onnx", folder / "in.npz", folder / "out.npz"
    subprocess.run([PROGRAM, "graph", source, "--out", path], check=True, capture_output=True)
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.RandomState(1)
    fed = {}
    for value in session.get_inputs():
        shape = [4, *value.shape[1:]]
        numbers = rng.randint(0, below, shape) if below else rng.standard_normal(shape)
        fed[value.name] = numbers.astype(np.float32)
    expected = dict(zip([it.name for it in session.get_outputs()], session.run(None, fed)))
    if name.split()[0] in NOT_READ_BACK:
        return 0.0
    np.savez(data, **fed)
    command = [PROGRAM, "predict", path, "--data", data, "--out", out]
    subprocess.run(command, check=True, capture_output=True)
    found = np.load(out)
    assert list(found)[: len(expected)] and set(expected) <= set(found), (name, list(expected), list(found))
    worst = 0.0
    for key, array in expected.items():
        largest = max(np.abs(array).max(), 1e-30)
        worst = max(worst, np.abs(found[key].reshape(array.shape) - array).max() / largest)
    return float(worst)


def main():
    kinds = {line.split()[0] for line in subprocess.run([PROGRAM, "layers"], capture_output=True, text=True).stdout.splitlines() if line and not line.startswith(" ")}
    worst, count = 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for line in (HERE / "layers.json").read_text().splitlines():
            case = json.loads(line.strip().rstrip(",")) if line.strip().startswith("{") else None
            if case is None or case["kind"] not in kinds:
                continue
            nodes = [f'[[node]]\nname = "x{i}"\nkind = "input"\nshape = {x["shape"][1:]}\n' for i, x in enumerate(case["inputs"])]
            inputs = json.dumps([f"x{i}" for i in range(len(case["inputs"]))])
            text = 'outputs = ["y"]\n' + "\n".join(nodes)
            text += f'\n[[node]]\nname = "y"\nkind = "{case["kind"]}"\ninputs = {inputs}\n{case["attributes"]}\n'
            model = folder / "case.toml"
            model.write_text(text)
            below = None
            if case["kind"] in INDEXED:
                below = int(next(l.split("=")[1] for l in case["attributes"].splitlines() if l.startswith(INDEXED[case["kind"]])))
            try:
                apart = compare(case["name"], model, folder, below)
            except subprocess.CalledProcessError as error:
                print(case["name"], error.stderr.decode())
                raise SystemExit(1)
            worst, count = max(worst, apart), count + 1
            if apart > 1e-5:
                print(f"{case['name']}: {apart:.1e}")
        for preset in ("digits", "inception", "mnist-cnn", "article-dag", "towers-small", "chain-mlp", "heads", "experts", "nasnet"):
            try:
                apart = compare(preset, preset, folder)
            except subprocess.CalledProcessError as error:
                print(preset, error.stderr.decode().strip())
                continue
            print(f"{preset}: {apart:.1e}")
            worst, count = max(worst, apart), count + 1
    print(f"{count} files, worst {worst:.1e}")
    assert worst < 1e-5


main()
