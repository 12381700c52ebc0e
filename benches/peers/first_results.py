"""The time from the start of a process to the end of its first training step, and of its first prediction.

Starts one process after another. Each opens or builds a network of the model files that `caudal graph MODEL --out
FILE.toml` writes (as far as bench_model.py reads them) and takes a single training step, or predicts a single item.
What a system imports, traces and compiles before counts, for whoever starts it waits for that. The systems take
turns, `--rounds` times, after a round that does not count. Prints
`system,model,what,threads,seconds of the process (median),of the fastest`.

Caudal's processes are `caudal train FILE.toml --data synthetic --max-steps 1`, which makes a data set and tests the
network as well, and `caudal predict SAVED.safetensors --data ITEM.npy`. Those of the others are `bench_model.py
FRAMEWORK --first training` and `--first prediction`; torch-compile is the former with `--compile`. Its compiled
programs go into a new folder for each process, as on a machine that never ran it.

usage:  python first_results.py --system caudal=PROGRAM --system torch=PYTHON --system torch-compile=PYTHON
        --system jax=PYTHON --system tf=PYTHON [--threads N] [--rounds N] FILE.toml ...
        (PROGRAM is Caudal's, PYTHON an interpreter with the framework and numpy; any of them may be left out)
"""
import argparse
import os
import statistics
import subprocess
import tempfile
import time
import tomllib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def caudal(program, path, what, threads, folder):
    """The command, after whatever it needs has been made."""
    workers = ["--workers", str(threads)]
    train = [program, "train", path, "--data", "synthetic", "--max-steps", "1", "--quiet", *workers]
    if what == "training":
        return train
    name = os.path.splitext(os.path.basename(path))[0]
    saved, item = os.path.join(folder, f"{name}.safetensors"), os.path.join(folder, f"{name}.npy")
    if not os.path.exists(saved):
        subprocess.run([*train, "--save", saved], check=True, capture_output=True)
        nodes = tomllib.load(open(path, "rb"))["node"]
        shape = next(node["shape"] for node in nodes if node["kind"] == "input")
        np.save(item, np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32))
    return [program, "predict", saved, "--data", item, *workers]


def peer(system, python, path, what, threads):
    framework, *compiled = system.split("-")
    options = ["--compile"] if compiled else []
    script = os.path.join(HERE, "bench_model.py")
    return [python, script, framework, "--threads", str(threads), "--first", what, *options, path]


def seconds(command):
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "TF_CPP_MIN_LOG_LEVEL": "3"}
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return time.perf_counter() - began


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--system", action="append", required=True, metavar="NAME=PROGRAM")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("files", nargs="+")
    o = p.parse_args()
    systems = dict(system.split("=", 1) for system in o.system)
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        for counted in range(o.rounds + 1):
            for path in o.files:
                for what in ("training", "prediction"):
                    for system, program in systems.items():
                        if system == "caudal":
                            command = caudal(program, path, what, o.threads, folder)
                        else:
                            command = peer(system, program, path, what, o.threads)
                        took = seconds(command)
                        if counted:
                            times.setdefault((system, path, what), []).append(took)
    for (system, path, what), took in times.items():
        name = os.path.splitext(os.path.basename(path))[0]
        print(f"{system},{name},{what},{o.threads},{statistics.median(took):.3f},{min(took):.3f}", flush=True)


if __name__ == "__main__":
    main()
