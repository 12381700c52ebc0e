"""The time from the start of a process to the end of its first training step, and of its first prediction.

Starts one process after another. Each opens or builds a network of the model files that `caudal graph MODEL --out
FILE.toml` writes (as far as model_file.py reads them) and takes a single training step, or predicts a single item.
What a system imports, traces and compiles before counts, for whoever starts it waits for that. The systems take
turns, `--rounds` times, after a round that does not count. Prints
`system,model,what,threads,seconds of the process (median),of the fastest`.

Caudal's processes are `caudal train FILE.toml --data synthetic --max-steps 1`, which makes a data set and tests the
network as well, and `caudal predict SAVED.safetensors --data ITEM.npy`. Those of the others are `bench_model.py
FRAMEWORK --first training` and `--first prediction`; torch-compile is the former with `--compile`. Its compiled
programs go into a new folder for each process, as on a machine that never ran it.

A process that fails, or takes longer than `--timeout` seconds, ends the measurement of its system for that model; a
line on standard error says which, why, and what the process wrote last. The figures of all others are printed, and
the exit code is 1.

usage:  python first_results.py --system caudal=PROGRAM --system torch=PYTHON --system torch-compile=PYTHON
        --system jax=PYTHON --system tf=PYTHON [--threads N] [--rounds N] [--warm-up N] [--timeout S] FILE.toml ...
        (PROGRAM is Caudal's, PYTHON an interpreter with the framework and numpy; any of them may be left out.
        Rounds of several calls with `--warm-up 0` belong together as those of one do, after a call that warms up.)
"""
import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))

SYSTEMS = ("caudal", "torch", "torch-compile", "jax", "tf")


class Failure(Exception):
    """A process that did not do what it was started for."""


def run(command, timeout):
    """Runs a command to its end; what it started ends with it."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache, "TF_CPP_MIN_LOG_LEVEL": "3"}
        # A session of its own: compilers start workers, which would live on.
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        try:
            _, said = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Failure(f"it took longer than {timeout:g} s (--timeout)") from None
        if process.returncode:
            last = said.decode(errors="replace").strip().splitlines()[-3:]
            raise Failure(f"exit code {process.returncode}: {' | '.join(last) or 'it wrote nothing'}")


def caudal(program, path, what, threads, folder, timeout):
    """The command, after whatever it needs has been made."""
    workers = ["--workers", str(threads)]
    train = [program, "train", path, "--data", "synthetic", "--max-steps", "1", "--quiet", *workers]
    if what == "training":
        return train
    name = os.path.splitext(os.path.basename(path))[0]
    saved, item = os.path.join(folder, f"{name}.safetensors"), os.path.join(folder, f"{name}.npy")
    if not os.path.exists(saved):
        run([*train, "--save", saved], timeout)
        with open(path, "rb") as file:
            nodes = tomllib.load(file)["node"]
        shape = next(node["shape"] for node in nodes if node["kind"] == "input")
        np.save(item, np.random.default_rng(0).standard_normal((1, *shape), dtype=np.float32))
    return [program, "predict", saved, "--data", item, *workers]


def peer(system, python, path, what, threads):
    framework, *compiled = system.split("-")
    options = ["--compile"] if compiled else []
    script = os.path.join(HERE, "bench_model.py")
    return [python, script, framework, "--threads", str(threads), "--first", what, *options, path]


def seconds(system, program, path, what, o, folder):
    if system == "caudal":
        command = caudal(program, path, what, o.threads, folder, o.timeout)
    else:
        command = peer(system, program, path, what, o.threads)
    began = time.perf_counter()
    run(command, o.timeout)
    return time.perf_counter() - began


def system(text):
    name, equals, program = text.partition("=")
    if name not in SYSTEMS or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PROGRAM with a NAME of {', '.join(SYSTEMS)}")
    return name, program


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--system", action="append", required=True, metavar="NAME=PROGRAM", type=system)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--warm-up", type=int, default=1, metavar="N", help="rounds before, which do not count")
    p.add_argument("--timeout", type=float, default=300.0, metavar="S", help="seconds that one process may take")
    p.add_argument("files", nargs="+")
    o = p.parse_args()
    times, failed = {}, set()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(o.warm_up + o.rounds):
            for path in o.files:
                for what in ("training", "prediction"):
                    for name, program in o.system:
                        if (name, path, what) in failed:
                            continue
                        try:
                            took = seconds(name, program, path, what, o, folder)
                        except (Failure, OSError) as failure:
                            failed.add((name, path, what))
                            print(f"{name}, {path}, first {what}: {failure}", file=sys.stderr, flush=True)
                            continue
                        if number >= o.warm_up:
                            times.setdefault((name, path, what), []).append(took)
    for (name, path, what), took in times.items():
        model = os.path.splitext(os.path.basename(path))[0]
        if (name, path, what) not in failed:
            print(f"{name},{model},{what},{o.threads},{statistics.median(took):.3f},{min(took):.3f}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
