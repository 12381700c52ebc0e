"""METG of every library that compare.py builds: the smallest grain at which it is efficient.

README.md says how it is defined; `caudal metg` is the same for Caudal's executors alone.
"""
import collections
import json
import math
import statistics
import subprocess
import time

LARGEST = 1 << 15
SOUGHT = 0.5


def crossing(rows, peak):
    """The grain at which the efficiency falls below what is sought and stays there in the next row; largest first."""
    shares = [row["rate"] / peak for row in rows]
    low = [share < SOUGHT for share in shares] + [True]
    for place in range(len(rows)):
        if low[place] and low[place + 1]:
            if place == 0:
                return None
            share = (shares[place - 1] - SOUGHT) / (shares[place - 1] - shares[place])
            above, below = (math.log(rows[at]["grain_ns"]) for at in (place - 1, place))
            return math.exp((1 - share) * above + share * below)
    return None


def curve(run, command, case, seconds, kernel, imbalance):
    """Rows of one library, with the highest rate of iterations and the grain of empty nodes; or why there are none."""
    shape, nodes, threads = case
    threads_used = lambda line: 1 if line["library"] == "loop" else line["threads"]

    def measure(shape, iterations, imbalance):
        more = ["--kernel", kernel, "--iterations", iterations, "--imbalance", imbalance]
        return run(command, (shape, nodes, 0, threads), seconds, more)

    peak, problem = measure("trivial", LARGEST, 0)
    if not peak:
        return None, problem
    peak = peak["all_iterations"] / peak["run"]["makespan_ns"]["best"]
    rows, iterations = [], LARGEST // 2
    while iterations >= 1:
        line, problem = measure(shape, iterations, imbalance)
        if not line:
            return None, problem
        took = line["run"]["makespan_ns"]["median"]
        rows.append({"iterations": iterations, "grain_ns": took * threads_used(line) / line["nodes"],
                     "rate": line["all_iterations"] / took})
        if len(rows) > 1 and all(row["rate"] < peak * SOUGHT / 2 for row in rows[-2:]):
            break
        iterations //= 2
    line, problem = measure(shape, 0, 0)
    if not line:
        return None, problem
    empty = line["run"]["makespan_ns"]["median"] * threads_used(line) / line["nodes"]
    found = {"rows": rows, "empty_ns": empty, "graph": line["graph"], "version": line["version"], "peak": peak}
    return found, None


def handover(program):
    """Nanoseconds from core to core, by `caudal topology`; none if nobody knows."""
    done = subprocess.run([program, "topology", "--json"], capture_output=True, text=True)
    told = (json.loads(done.stdout)["handover_within_groups"] or [None])[0] if done.returncode == 0 else None
    return told["median_ns"] if told else None


def in_state(measure, a):
    """Measures, again if the cores were not as near as wanted before and after, up to six times; with both handovers."""
    if not a.topology:
        return measure(), None
    for _ in range(6):
        before = handover(a.topology)
        if not before or before > a.near_ns:
            time.sleep(1)
            continue
        result, after = measure(), handover(a.topology)
        if after and after <= a.near_ns:
            return result, [before, after]
    return (None, f"the cores were not within {a.near_ns:g} ns six times"), None


def compare(commands, run, quiet, a):
    """Measures all in turn, prints a table for each number of threads, and returns what it found."""
    found, missing = collections.defaultdict(list), {}
    cases = [(shape, nodes, threads) for nodes in a.nodes for threads in a.threads for shape in a.shapes]
    for number in range(a.rounds):
        for case in cases:
            got = quiet(a.wait_for, a.patience)
            order = list(commands.items())
            for name, command in order[number % len(order):] + order[:number % len(order)]:
                if (case, name) in missing:
                    continue
                measure = lambda: curve(run, command, case, a.seconds, a.kernel, a.imbalance)
                (result, problem), state = in_state(measure, a)
                if result:
                    found[case, name].append(result | {"library": name, "case": case, "cores": got, "handover_ns": state})
                elif problem:
                    missing[case, name] = problem
    every = [one for rounds in found.values() for one in rounds]
    every = judge(every)
    table(every, list(commands), a)
    for (case, name), problem in missing.items():
        print(f"- {name}, {case}: {problem}")
    return every


def judge(every):
    """What was measured while the cores were free, with METG, by the highest rate that a library reached on so many
    threads in any round; curves with less than nine tenths of that are left out."""
    peaks = {}
    for one in every:
        key = one["library"], one["case"][2]
        peaks[key] = max(peaks.get(key, 0), one["peak"])
    peak = lambda one: peaks[one["library"], one["case"][2]]
    free = [one for one in every if one["peak"] >= 0.9 * peak(one)]
    if len(free) < len(every):
        print(f"left out: {len(every) - len(free)} of {len(every)} curves, for which the cores were not free")
    for one in free:
        one["metg_ns"] = crossing(one["rows"], peak(one))
    return free


def table(every, names, a):
    """Prints medians over rounds."""
    us = lambda values: " ".join("-" if value is None else f"{value / 1000:.3f}" for value in values)
    for nodes in a.nodes:
        for threads in a.threads:
            print(f"\n## METG(50 %) in microseconds, {a.kernel}, imbalance {a.imbalance:g}, {threads}"
                  f" thread{'s' * (threads > 1)}, {nodes} nodes: the median (the rounds), empty nodes\n")
            print("| pattern | " + " | ".join(names) + " |")
            print("| --- |" + " --- |" * len(names))
            for shape in a.shapes:
                cells = []
                for name in names:
                    rounds = [one for one in every if one["library"] == name and tuple(one["case"]) == (shape, nodes, threads)]
                    graphs = {one["graph"] for one in every if tuple(one["case"]) == (shape, nodes, threads)}
                    if len(graphs) > 1:
                        raise SystemExit(f"{shape}: the programs ran different graphs: {graphs}")
                    values = [one["metg_ns"] for one in rounds]
                    known = [value for value in values if value is not None]
                    middle = statistics.median(known) if known else None
                    empty = statistics.median([one["empty_ns"] for one in rounds]) if rounds else None
                    cells.append(f"{us([middle])} ({us(values)}), {us([empty])}" if rounds else "")
                print(f"| {shape} | " + " | ".join(cells) + " |")
