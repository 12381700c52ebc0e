"""What the scripts that make networks for the tests of ONNX share."""

import numpy as np
import onnx


def stored(name, array):
    return {"name": name, "shape": list(array.shape), "values": [float(str(v)) for v in array.astype(np.float32).ravel()]}


def bare(path):
    """Takes away what exporters note of themselves."""
    model = onnx.load(str(path))
    del model.metadata_props[:]
    graph = model.graph
    graph.ClearField("doc_string")
    del graph.metadata_props[:], graph.value_info[:]
    for it in [*graph.node, *graph.initializer, *graph.input, *graph.output]:
        it.ClearField("doc_string")
        it.ClearField("metadata_props")
    onnx.save(model, str(path))
