"""Messages and records as TensorBoard's own classes write them, and what TensorBoard reads.

Without an argument: makes `event_files.json`, the bytes of a few events in hexadecimal digits.

With the folder of `caudal train --log-dir`: reads it as TensorBoard does, says what is in it, and ends with an error if a
record is damaged, or if scalars, histograms of weights or gradients, or the graph are missing.

    python3 -m venv venv && venv/bin/pip install tensorboard
    venv/bin/python tests/oracles/event_files.py
    cargo run --release -- train --epochs 3 --validation 0.1 --log-dir runs/a
    venv/bin/python tests/oracles/event_files.py runs/a
"""

import io
import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto import event_pb2, graph_pb2
from tensorboard.summary.writer.record_writer import RecordWriter


class Kept(io.BytesIO):
    """Bytes that stay when a writer closes them."""

    def close(self):
        pass


def cases():
    version = event_pb2.Event(wall_time=1.5, file_version="brain.Event:2")

    scalars = event_pb2.Event(wall_time=2.5, step=300)
    scalars.summary.value.add(tag="loss", simple_value=0.25)
    scalars.summary.value.add(tag="n\u00e4h/b", simple_value=-1e-3)

    histogram = event_pb2.Event(wall_time=3.0, step=7)
    spread = histogram.summary.value.add(tag="w").histo
    # Of -1, 0, 0.5 and 3 in four ranges of width 1.
    spread.min, spread.max, spread.num, spread.sum, spread.sum_squares = -1, 3, 4, 2.5, 10.25
    spread.bucket_limit.extend([0, 1, 2, 3])
    spread.bucket.extend([1, 2, 0, 1])

    start = event_pb2.Event(wall_time=4.0, step=9)
    start.session_log.status = event_pb2.SessionLog.START

    graph = graph_pb2.GraphDef()
    for name, kind, inputs in [("x", "input", []), ("a/b", "relu", ["x"])]:
        node = graph.node.add(name=name, op=kind, input=inputs)
        shape = node.attr["_output_shapes"].list.shape.add()
        for size in [-1, 2, 3]:
            shape.dim.add(size=size)
    graph.versions.producer = 22

    stream = Kept()
    RecordWriter(stream).write(scalars.SerializeToString())
    messages = {"file_version": version, "scalars": scalars, "histogram": histogram, "start": start, "graph": graph}
    made = {name: message.SerializeToString(deterministic=True).hex() for name, message in messages.items()}
    made["record"] = stream.getvalue().hex()
    return made


def read(folder):
    complete = True
    for run in sorted(path for path in folder.iterdir() if path.is_dir()):
        # A damaged record ends this with an error.
        events = sum(1 for file in sorted(run.iterdir()) for _ in EventFileLoader(str(file)).Load())
        found = EventAccumulator(str(run), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
        found.Reload()
        tags = found.Tags()
        print(f"{run.name}: {events} events, graph: {tags['graph']}")
        for tag in tags["scalars"]:
            values = found.Scalars(tag)
            first, last = values[0], values[-1]
            print(f"  {tag}: {len(values)} values, step {first.step}: {first.value:.6g} to step {last.step}: {last.value:.6g}")
        for tag in tags["histograms"]:
            last = found.Histograms(tag)[-1]
            spread = last.histogram_value
            print(f"  {tag}: step {last.step}, {spread.num:.0f} numbers from {spread.min:.4g} to {spread.max:.4g}")
            complete &= sum(spread.bucket) == spread.num
        complete &= "loss" in tags["scalars"]
        if run.name == "train":
            nodes = found.Graph().node
            print(f"  the graph: {', '.join(f'{node.name} ({node.op})' for node in nodes)}")
            weights, gradients = (
                {tag.removeprefix(kind) for tag in tags["histograms"] if tag.startswith(kind)} for kind in ("weights/", "gradients/")
            )
            # Statistics and frozen parameters have no gradient.
            complete &= bool(nodes) and bool(gradients) and gradients <= weights and "step/loss" in tags["scalars"]
    return complete


if __name__ == "__main__":
    if len(sys.argv) == 1:
        path = pathlib.Path(__file__).with_suffix(".json")
        path.write_text(json.dumps(cases(), indent=1) + "\n")
    elif not read(pathlib.Path(sys.argv[1])):
        sys.exit("something is missing")
