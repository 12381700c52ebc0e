"""Files of arrays, written by NumPy, with what they hold or why they must be refused.

Run from the root of the repository:

    python3 -m venv .venv
    .venv/bin/pip install numpy
    .venv/bin/python tests/oracles/arrays.py

It writes arrays.json beside itself, an object with
    numpy    the version that wrote the files
    read     [{name, file, bytes, array, shape, values}]: a file by its ending, its bytes in hexadecimal, the name of an
             array in it, and that array's shape and numbers, row-major
    refused  [{name, file, bytes, item, says}]: a file that must be refused by a node `x` for items of this shape, and
             what the message must contain

Safetensors files are written here by their definition: the length of a header, the header, the tensors.
"""

import io
import json
import pathlib
import struct
import warnings

import numpy as np
from numpy.lib import format as npy

KINDS = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]
SHAPE = (3, 2, 2)

read, refused = [], []


def bytes_of(array, version=None):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        npy.write_array(file, array, version=version)
    return file.getvalue()


def reads(name, file, data, array, values):
    values = np.asarray(values)
    read.append(dict(
        name=name, file=file, bytes=data.hex(), array=array, shape=list(values.shape),
        values=[float(value) for value in values.ravel(order="C")],
    ))


def refuses(name, file, data, says, item=SHAPE[1:]):
    refused.append(dict(name=name, file=file, bytes=data.hex(), item=list(item), says=says))


def numbers(kind):
    """Twelve different numbers that the type holds exactly."""
    base = np.arange(12).reshape(SHAPE)
    if kind == "b1":
        return base % 3 == 0
    if kind[0] == "u":
        return (base * 21).astype(kind)
    if kind[0] == "i":
        return (base * 21 - 120).astype(kind)
    return ((base - 5) * 0.375).astype(kind)


for kind in KINDS:
    for order in "<>":
        if order == ">" and kind in ("b1", "i1", "u1"):
            continue
        for axes in "CF":
            array = np.array(numbers(kind), dtype=order + kind, order=axes)
            reads(f"{order}{kind} {axes}", "npy", bytes_of(array), "x", array)

half = np.array([[65504.0, 6.1e-05, 6e-08, -0.0]], dtype="<f2")
reads("float16 at its ends", "npy", bytes_of(half), "x", half)
for version in [(1, 0), (2, 0), (3, 0)]:
    array = numbers("f4")
    reads(f"version {version[0]}", "npy", bytes_of(array, version), "x", array)
row = np.array([[1.5, -2.0, 3.25]], order="F")
reads("one item in Fortran order", "npy", bytes_of(row), "x", row)

for pack in (np.savez, np.savez_compressed):
    file = io.BytesIO()
    x, y = numbers("f8"), numbers("i4")[:, 0, 0] + 120
    pack(file, x=np.asfortranarray(x), y=y, text=np.array(["a"]))
    reads(f"{pack.__name__} x", "npz", file.getvalue(), "x", x)
    reads(f"{pack.__name__} y", "npz", file.getvalue(), "y", y)
    if pack is np.savez:
        damaged = bytearray(file.getvalue())
        damaged[damaged.index(x[1, 0, 0].tobytes())] ^= 1
        refuses("a wrong checksum", "npz", bytes(damaged), "expected a whole member")
    refuses(f"{pack.__name__} cut short", "npz", file.getvalue()[:-40], "expected a whole .npz file")


def safetensors(tensors):
    header, data = {"__metadata__": {"about": "a test"}}, b""
    for name, (kind, shape, content) in tensors.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = dict(dtype=kind, shape=list(shape), data_offsets=offsets)
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


TYPES = dict(b1="BOOL", i1="I8", i2="I16", i4="I32", i8="I64", u1="U8", u2="U16", u4="U32", u8="U64", f2="F16",
             f4="F32", f8="F64")
for kind, name in TYPES.items():
    array = numbers(kind)
    data = safetensors({"w": ("U8", (1,), b"\x07"), "x": (name, SHAPE, array.tobytes())})
    reads(name, "safetensors", data, "x", array)
brain = numbers("f4")
upper = (brain.view("<u4") >> 16).astype("<u2").tobytes()
reads("BF16", "safetensors", safetensors({"x": ("BF16", SHAPE, upper)}), "x", brain)
whole = safetensors({"x": ("F32", SHAPE, numbers("f4").tobytes())})
refuses("tensors cut short", "safetensors", whole[:-1], "47 follow the header")
refuses("a header that goes on", "safetensors", struct.pack("<Q", 10**15) + whole[8:], "1000000000000000 bytes long")
refuses("nothing", "safetensors", b"", "found 0 bytes")
refuses("F8", "safetensors", safetensors({"x": ("F8_E4M3", SHAPE, bytes(12))}), "F8_E4M3")

objects = io.BytesIO()
np.save(objects, np.array([1, "a", None], dtype=object), allow_pickle=True)
for name, data, says, *item in [
    ("structured", bytes_of(np.zeros(3, dtype=[("a", "<i4"), ("b", "<f4")])), "a structured type"),
    ("objects", objects.getvalue(), "objects of Python (`|O`)"),
    ("texts", bytes_of(np.array(["a", "bc"])), "texts (`<U2`)"),
    ("bytes", bytes_of(np.array([b"a", b"bc"])), "texts (`|S2`)"),
    ("complex", bytes_of(np.zeros(3, dtype="<c8")), "complex numbers (`<c8`)"),
    ("times", bytes_of(np.zeros(3, dtype="<M8[ns]")), "times (`<M8[ns]`)"),
    ("durations", bytes_of(np.zeros(3, dtype="<m8[s]")), "times (`<m8[s]`)"),
    ("raw", bytes_of(np.zeros(3, dtype="V4")), "raw bytes"),
    ("long floats", bytes_of(np.zeros(3, dtype=np.longdouble)), "a type that is not read (`<f16`)"),
    ("a single number", bytes_of(np.float32(3.0)), "it is a single number"),
    ("no items", bytes_of(np.zeros((0, 2, 2))), "holds no items"),
    ("NaN", bytes_of(np.array([[1.0, 2.0], [3.0, np.nan]])), "item 1: expected a finite 32-bit float, found NaN", [2]),
    ("infinite", bytes_of(np.array([[1.0, 2.0], [-np.inf, 0.0]], dtype=">f4")), "item 1: expected a finite", [2]),
    ("NaN in Fortran order", bytes_of(np.array([[1, 2, np.nan], [3, 4, 5]], order="F")), "item 0: expected a finite", [3]),
    ("too precise", bytes_of(np.array([0, 1, 2**24 + 1])), "item 2: expected an integer that a 32-bit float holds exactly", []),
]:
    refuses(name, "npy", data, says, *item)


def header(text, version=b"\x01\x00"):
    text = text.encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


plain = bytes_of(numbers("f4"))
says_f4 = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
for name, data, says in [
    ("cut short", plain[:-1], "expected 48 bytes after the header, for 3 x 2 x 2 of float32, found 47"),
    ("more follows", plain + b"\x00", "found 49"),
    ("cut within the header", plain[:40], "ends within it"),
    ("nothing", b"", "ends within it"),
    ("no magic", b"\x94" + plain[1:], "begins with \\x93NUMPY"),
    ("version 9", plain[:6] + b"\x09" + plain[7:], "version 1, 2 or 3 of the format, found 9"),
    ("10^18 items", header(says_f4 % "(1000000000000000000,)"), "expected at most"),
    ("an overflow", header(says_f4 % "(4294967296, 4294967296, 4294967296)"), "expected at most"),
    ("an overflow beside 0", header(says_f4 % "(0, 18446744073709551615)"), "expected at most"),
    ("10^9 items", header(says_f4 % "(1000000000,)"), "expected 4000000000 bytes"),
    ("a negative axis", header(says_f4 % "(-1,)"), "its header can't be read"),
    ("a shape of words", header(says_f4 % "('a',)"), "has no shape"),
    ("no type", header("{'fortran_order': False, 'shape': (1,)}"), "found no type"),
    ("no order", header("{'descr': '<f4', 'shape': (1,)}"), "Fortran order"),
    ("no literal", header("import os"), "its header can't be read"),
    ("a huge header", b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31), "expected a header of at most"),
]:
    refuses(name, "npy", data, says)

here = pathlib.Path(__file__).parent
with open(here / "arrays.json", "w") as file:
    json.dump(dict(numpy=np.__version__, read=read, refused=refused), file, indent=1)
    file.write("\n")
