"""Writes the trees of files beside it: what Linux says below /sys and /proc on machines of several kinds.

Every line of a tree is a path, a tab and the file's text. `python make.py` writes them again.
"""

import pathlib

HERE = pathlib.Path(__file__).parent
CPU = "sys/devices/system/cpu"
NODE = "sys/devices/system/node"


def ranges(numbers):
    numbers, out = sorted(numbers), []
    for number in numbers:
        if out and out[-1][1] + 1 == number:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


class Tree:
    def __init__(self, name):
        self.name, self.files = name, {}

    def add(self, path, text):
        self.files[path] = str(text)

    def core(self, number, package, core, siblings):
        base = f"{CPU}/cpu{number}/topology"
        self.add(f"{base}/physical_package_id", package)
        self.add(f"{base}/core_id", core)
        self.add(f"{base}/thread_siblings_list", ranges(siblings))

    def cache(self, number, index, level, kind, size, shared):
        base = f"{CPU}/cpu{number}/cache/index{index}"
        for name, value in [("level", level), ("type", kind), ("size", size), ("shared_cpu_list", ranges(shared))]:
            self.add(f"{base}/{name}", value)

    def caches(self, number, siblings, level1, level2, last, shared, level2_shared=None):
        self.cache(number, 0, 1, "Data", level1, siblings)
        self.cache(number, 1, 1, "Instruction", "32K", siblings)
        self.cache(number, 2, 2, "Unified", level2, level2_shared or siblings)
        if last:
            self.cache(number, 3, 3, "Unified", last, shared)

    def online(self, online, nodes, allowed=None):
        self.add(f"{CPU}/online", ranges(online))
        self.add(f"{NODE}/online", ranges(nodes))
        for node, cores in nodes.items():
            self.add(f"{NODE}/node{node}/cpulist", ranges(cores))
        self.add("proc/thread-self/status", f"Name:\tcaudal\\nCpus_allowed:\tff\\nCpus_allowed_list:\t{ranges(allowed or online)}\\n")

    def write(self):
        lines = [f"{path}\t{text}\n" for path, text in sorted(self.files.items())]
        (HERE / f"{self.name}.txt").write_text("".join(lines))


def one_socket():
    """One socket of four cores with two threads each, numbered as Intel's: siblings are four apart."""
    tree = Tree("one-socket-smt")
    for number in range(8):
        siblings = [number % 4, number % 4 + 4]
        tree.core(number, 0, number % 4, siblings)
        tree.caches(number, siblings, "48K", "1280K", "12288K", range(8))
        tree.add(f"{CPU}/cpu{number}/cpufreq/cpuinfo_max_freq", 4_700_000)
    tree.online(range(8), {0: range(8)})
    tree.add("proc/cpuinfo", "processor\t: 0\\nmodel name\t: Intel(R) Core(TM) i7-1165G7 CPU @ 2.80GHz\\n")
    tree.add("proc/loadavg", "0.52 0.58 0.59 1/467 12345")
    return tree


def two_sockets():
    """Two sockets of four cores without SMT, a NUMA node each; even cores on the first."""
    tree = Tree("two-sockets")
    for number in range(8):
        package = number % 2
        tree.core(number, package, number // 2, [number])
        tree.caches(number, [number], "32K", "1024K", "22528K", range(package, 8, 2))
    tree.online(range(8), {0: range(0, 8, 2), 1: range(1, 8, 2)})
    return tree


def core_complexes(name="core-complexes", allowed=None):
    """An EPYC with four core complexes of four cores and SMT, of two NUMA nodes; siblings are 16 apart."""
    tree = Tree(name)
    for number in range(32):
        core = number % 16
        siblings, first = [core, core + 16], core // 4 * 4
        shared = [*range(first, first + 4), *range(first + 16, first + 20)]
        tree.core(number, 0, core, siblings)
        tree.caches(number, siblings, "32K", "1024K", "32768K", shared)
    halves = [[*range(8 * half, 8 * half + 8), *range(8 * half + 16, 8 * half + 24)] for half in range(2)]
    tree.online(range(32), dict(enumerate(halves)), allowed)
    return tree


def container():
    """The same in a container that may use a core of the first complex and parts of the others."""
    tree = core_complexes("container", [3, 5, 6, 12, 13, 14, 21, 29])
    tree.add("proc/self/cgroup", "0::/pod/box\\n")
    tree.add("sys/fs/cgroup/pod/box/cpu.max", "max 100000")
    tree.add("sys/fs/cgroup/pod/cpu.max", "250000 100000")
    return tree


def hybrid():
    """Two fast cores with SMT and four slow ones that share a level 2 cache; one level 3 cache for all, and two slowest
    cores beside it."""
    tree = Tree("hybrid")
    for number in range(10):
        fast, slowest = number < 4, number >= 8
        siblings = [number // 2 * 2, number // 2 * 2 + 1] if fast else [number]
        cluster = siblings if fast else range(8, 10) if slowest else range(4, 8)
        tree.core(number, 0, number, siblings)
        last = None if slowest else "12288K"
        tree.caches(number, siblings, "48K" if fast else "32K", "2048K", last, range(8), cluster)
        tree.add(f"{CPU}/cpu{number}/cpu_capacity", 1024 if fast else 500 if slowest else 650)
        tree.add(f"{CPU}/cpu{number}/cpufreq/cpuinfo_max_freq", 5_000_000 if fast else 3_800_000)
    tree.online(range(10), {0: range(10)})
    return tree


def offline():
    """Six cores of which two are off: their folders stay, without caches; lists of others leave them out."""
    tree = Tree("offline")
    online = [0, 1, 3, 5]
    for number in range(6):
        tree.add(f"{CPU}/cpu{number}/online", int(number in online))
        if number in online:
            tree.core(number, 0, number, [number])
            tree.caches(number, [number], "32K", "512K", "16384K", online)
    tree.online(online, {0: online})
    return tree


def bare():
    """A system that tells next to nothing: folders of cores."""
    tree = Tree("bare")
    for number in range(3):
        tree.add(f"{CPU}/cpu{number}/uevent", "")
    return tree


for make in (one_socket, two_sockets, core_complexes, container, hybrid, offline, bare):
    make().write()
