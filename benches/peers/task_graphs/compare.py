"""Runs the same graphs of tasks in every library that can be built here, in turn, and compares them.

README.md states the shapes and what a line of the programs holds. Rounds are interleaved, so that what disturbs
the machine disturbs all; a figure is the median over the rounds of each round's median. Beside it stands how
much of two cores two busy processes got before each round; `--wait-for` waits for as much before it goes on.

usage: python3 compare.py [--caudal PROGRAM] [--taskflow FOLDER] [--json FILE] [--shapes A,B] [--nodes N,M]
           [--work-ns 0,1000] [--threads 1,2] [--libraries A,B] [--rounds 3] [--seconds 0.3]
           [--wait-for CORES] [--patience SECONDS] [--metg] [--kernel compute|memory] [--imbalance X]
           [--topology CAUDAL] [--near-ns 80]
"""
import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time

import metg

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "..", "..", "..", "target", "peers")
SHAPES = ["chain", "fan", "layered", "wavefront", "random"]
PATTERNS = ["trivial", "no-communication", "stencil", "stencil-periodic", "dom", "tree", "fft", "all-to-all", "nearest",
            "spread", "random-nearest"]
RUST = ["loop", "rayon-scope", "rayon-inline", "rayon-join", "dagx", "dagrs"]
# Not what a library does for any graph, with the reason.
SPECIAL = {
    "loop": "no graph: the nodes in order, on one thread whatever the number of threads",
    "rayon-inline": "written by hand", "rayon-join": "no graph: the code is the shape",
    "onetbb-lightweight": "runs nodes in the call that made them ready, all on one thread"}
# These take microseconds a node: pointless and long beyond this many.
SLOW = {"dagx": 100_000, "dagrs": 10_000}


def build(taskflow):
    """Builds what can be built here; returns each library's command."""
    os.makedirs(TARGET, exist_ok=True)
    commands = {}
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    for name, more in [("onetbb", ["-ltbb"]), ("taskflow", ["-pthread"] + (["-I" + taskflow] if taskflow else []))]:
        program = os.path.join(TARGET, name)
        if not compiler:
            print(f"{name}: left out, there is no C++ compiler", file=sys.stderr)
            continue
        # One that runs and is no older than its sources stays.
        sources = [os.path.join(HERE, file) for file in (name + ".cpp", "graphs.hpp", "kernel.hpp", "patterns.hpp")]
        if not (os.path.exists(program) and os.path.getmtime(program) > max(map(os.path.getmtime, sources))
                and subprocess.run([program, "--seconds", "0"], capture_output=True).returncode == 0):
            line = [compiler, "-std=c++20", "-O3", "-march=native", sources[0], "-o", program]
            done = subprocess.run(line + more, capture_output=True, text=True)
            if done.returncode != 0:
                # Without the library, for the program's own message.
                done = subprocess.run(line, capture_output=True, text=True)
            if done.returncode != 0:
                print(f"{name}: left out, {(done.stderr.strip().splitlines() or ['no message'])[-1]}", file=sys.stderr)
                continue
        # It says itself what was missing when it was built.
        done = subprocess.run([program, "--seconds", "0"], capture_output=True, text=True)
        if done.returncode == 0:
            commands[name] = [program]
        else:
            problem = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"{name}: left out, {problem}", file=sys.stderr)
    if "onetbb" in commands:
        commands["onetbb-lightweight"] = commands["onetbb"] + ["--lightweight"]
    folder = os.path.join(TARGET, "rust")
    line = ["cargo", "build", "--release", "--quiet", "-j1", "--target-dir", folder]
    try:
        built = subprocess.run(line, cwd=os.path.join(HERE, "rust")).returncode == 0
    except FileNotFoundError:
        built = False
    if built:
        for name in RUST:
            commands[name] = [os.path.join(folder, "release", "task-graphs"), "--library", name]
    else:
        print("rayon, dagx, dagrs: left out, cargo could not build them", file=sys.stderr)
    return commands


def busy(answers):
    start, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - start < 0.1:
        pass
    answers.put((time.process_time() - used) / (time.perf_counter() - start))


def cores():
    """How much of two cores two busy processes get, of 2."""
    answers = multiprocessing.Queue()
    processes = [multiprocessing.Process(target=busy, args=(answers,)) for _ in range(2)]
    for process in processes:
        process.start()
    got = sum(answers.get() for _ in processes)
    for process in processes:
        process.join()
    return got


def quiet(least, patience):
    """Waits until as much of two cores is to be had, or patience is at its end; returns how much was."""
    start = time.perf_counter()
    while True:
        got = cores()
        if got >= least or time.perf_counter() - start > patience:
            return got
        time.sleep(1)


def run(command, case, seconds, more=()):
    """One line of one program, or why there is none."""
    shape, nodes, work, threads = case
    flags = ["--shape", shape, "--nodes", nodes, "--work-ns", work, "--threads", threads, "--seconds", seconds, *more]
    try:
        done = subprocess.run(command + [str(flag) for flag in flags], capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return None, "took more than 300 s"
    if done.returncode == 0:
        return json.loads(done.stdout.strip().splitlines()[-1]), None
    if done.returncode < 0:
        return None, f"killed by signal {-done.returncode}"
    return None, (done.stderr.strip().splitlines() or ["no message"])[-1]


def ideal(line):
    """The least nanoseconds a node that its work allows."""
    return line["work_ns"] * max(line["nodes"] / line["threads"], line["depth"]) / line["nodes"]


def table(case, lines):
    """Prints a case's table, the least first, and returns its rows."""
    shape, nodes, work, threads = case
    some = next(iter(lines.values()))[0]
    print(f"\n## {shape}, {some['nodes']} nodes of {work} ns, {threads} thread{'s' * (threads > 1)}"
          f" (depth {some['depth']}, {some['edges']} edges)\n")
    print("| library | ns a node | quartiles | best | least possible | build and run | rounds |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    rows = []
    for name, rounds in lines.items():
        each = [line["run"]["ns_per_node"] for line in rounds]
        rows.append({
            "library": name, "version": rounds[0]["version"], "shape": shape, "nodes": some["nodes"],
            "work_ns": work, "threads": threads, "reuses": rounds[0]["reuses"], "least_possible": ideal(rounds[0]),
            "median": statistics.median(one["median"] for one in each),
            "q1": statistics.median(one["q1"] for one in each), "q3": statistics.median(one["q3"] for one in each),
            "best": min(one["best"] for one in each),
            "build_and_run": statistics.median(
                line["build_and_run"]["ns_per_node"]["median"] for line in rounds),
            "medians": [one["median"] for one in each]})
    rows.sort(key=lambda row: row["median"])
    for row in rows:
        mark = " (special)" if row["library"] in SPECIAL else "" if row["reuses"] else " (runs once)"
        print(f"| {row['library']}{mark} | {row['median']:.1f} | {row['q1']:.1f} to {row['q3']:.1f} |"
              f" {row['best']:.1f} | {row['least_possible']:.0f} | {row['build_and_run']:.1f} |"
              f" {' '.join(f'{median:.1f}' for median in row['medians'])} |")
    caudal = next((row for row in rows if row["library"] == "caudal"), None)
    others = [row for row in rows if row["library"] not in ("caudal", "loop")]
    graphs = [row for row in others if row["library"] not in SPECIAL]
    for kind, peers in [("the best library", graphs), ("the best with the special ones", others)]:
        if caudal and peers:
            for figure in ["median", "best"]:
                best = min(peers, key=lambda row: row[figure])
                print(f"\nCaudal / {kind} ({best['library']}), {figure}: {caudal[figure] / best[figure]:.2f}", end="")
    print(flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    listed = lambda kind: lambda text: [kind(part) for part in text.split(",")]
    parser.add_argument("--caudal", help="Caudal's program, with the same flags")
    parser.add_argument("--taskflow", help="folder that holds taskflow/taskflow.hpp")
    parser.add_argument("--json", help="write every line, and what the tables hold, to this file")
    parser.add_argument("--shapes", type=listed(str), help=f"default {','.join(SHAPES)}; with --metg, the patterns")
    parser.add_argument("--metg", action="store_true", help="the smallest grain that is efficient, in place of times a node")
    parser.add_argument("--kernel", choices=["compute", "memory"], default="compute", help="what nodes do, with --metg")
    parser.add_argument("--topology", metavar="CAUDAL", help="Caudal's command line, with --metg: only what was measured while "
                        "the handover that it tells was at most --near-ns before and after counts")
    parser.add_argument("--near-ns", type=float, default=80, help="default 80")
    parser.add_argument("--imbalance", type=float, default=0.0, help="by how much they differ, 0 to 2, with --metg")
    parser.add_argument("--nodes", type=listed(int), default=[1000])
    parser.add_argument("--work-ns", type=listed(int), default=[0, 1000, 10_000, 100_000])
    parser.add_argument("--threads", type=listed(int), default=[1, 2])
    parser.add_argument("--libraries", type=listed(str), help="only these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each run")
    parser.add_argument("--wait-for", type=float, default=0, help="how much of two cores to wait for before each case")
    parser.add_argument("--patience", type=float, default=60, help="for how long to wait, in seconds")
    a = parser.parse_args()

    commands = build(a.taskflow)
    if a.caudal:
        commands["caudal"] = [os.path.abspath(a.caudal)]
    if a.libraries:
        commands = {name: command for name, command in commands.items() if name in a.libraries}
    if not commands:
        sys.exit("nothing to run")
    a.shapes = a.shapes or (PATTERNS if a.metg else SHAPES)
    if a.metg:
        rows = metg.compare(commands, run, quiet, a)
        if a.json:
            with open(a.json, "w") as file:
                json.dump(rows, file, indent=1)
        return
    cases = [(shape, nodes, work, threads) for nodes in a.nodes for work in a.work_ns for threads in a.threads
             for shape in a.shapes if nodes * work <= 2_000_000_000]
    lines, missing, free = {case: {} for case in cases}, {}, {case: [] for case in cases}

    def one_round(case, number):
        free[case].append(quiet(a.wait_for, a.patience))
        # Each round begins with another library.
        order = list(commands.items())
        for name, command in order[number % len(order):] + order[:number % len(order)]:
            if (case, name) in missing:
                continue
            if case[1] > SLOW.get(name, case[1]):
                line, problem = None, "takes too long"
            else:
                line, problem = run(command, case, a.seconds)
            if line:
                lines[case].setdefault(name, []).append(line)
            else:
                missing[case, name] = problem
        print(f"round {number + 1}: {case}, {free[case][-1]:.2f} cores to be had", file=sys.stderr)

    try:
        for number in range(a.rounds):
            for case in cases:
                one_round(case, number)
    except KeyboardInterrupt:
        print("interrupted: what there is", file=sys.stderr)

    rows = []
    for case in cases:
        graphs = {(line["graph"], line["nodes"]) for rounds in lines[case].values() for line in rounds}
        if len(graphs) > 1:
            sys.exit(f"{case}: the programs ran different graphs: {graphs}")
        if lines[case]:
            rows += table(case, lines[case])
            print(f"\nCores to be had before each round: {' '.join(f'{got:.2f}' for got in free[case])}")
    special = [name for name in commands if name in SPECIAL]
    if special:
        print("\n## Special\n")
    for name in special:
        print(f"- {name}: {SPECIAL[name]}")
    said = {}
    for (case, name), problem in missing.items():
        said.setdefault((name, problem), []).append(case)
    if said:
        print("\n## Left out\n")
    for (name, problem), where in said.items():
        shapes, sizes = sorted({case[0] for case in where}), sorted({case[1] for case in where})
        print(f"- {name}, {', '.join(shapes)} of {', '.join(map(str, sizes))}: {problem}")
    if a.json:
        with open(a.json, "w") as file:
            every = [line for rounds in lines.values() for those in rounds.values() for line in those]
            json.dump({"rows": rows, "lines": every,
                       "cores": [{"case": case, "rounds": free[case]} for case in cases]}, file, indent=1)


if __name__ == "__main__":
    main()
