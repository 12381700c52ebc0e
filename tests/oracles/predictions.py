"""Check that NumPy reads what `caudal predict` writes.

Run from the root of the repository, with a network and data of your own or as here:

    caudal train digits --save saved.safetensors
    for ending in csv npz; do caudal predict saved.safetensors --out out.$ending; done
    .venv/bin/python tests/oracles/predictions.py out.csv out.npz

It compares the numbers, bit by bit, and the classes of every output.
"""

import csv
import sys

import numpy as np

with open(sys.argv[1], newline="") as file:
    names, *rows = csv.reader(file)
arrays = np.load(sys.argv[2], allow_pickle=False)
compared = 0
for name in arrays.files:
    if name.endswith(".words"):
        continue
    if name.endswith(".class"):
        found, column = arrays[name], [row[names.index(name)] for row in rows]
        assert found.dtype == np.int64, found.dtype
        words = f"{name.removesuffix('.class')}.words"
        shown = arrays[words][found] if words in arrays.files else found
        assert [str(it) for it in shown] == column, name
    else:
        found = arrays[name].reshape(len(rows), -1)
        assert found.dtype == np.float32, found.dtype
        first = names.index(f"{name}.0")
        column = np.array([row[first:first + found.shape[1]] for row in rows], dtype=np.float32)
        assert found.tobytes() == column.tobytes(), name
    compared += 1
assert compared > 0
print(f"NumPy reads {compared} arrays of {len(rows)} items")
