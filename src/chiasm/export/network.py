"""A `Graph` as an ONNX file, checked, and run."""

from __future__ import annotations

from typing import Any

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.graph import Graph, Symbol

__all__ = ["OPSET", "onnx_bytes", "run"]

OPSET = 18
"""ONNX Runtime 1.14 (2023) and later read it."""
_IR = 8
_MOST = 2 << 30
"""Bytes of a protobuf message."""


def onnx_bytes(graph: Graph, output: Symbol, widths: dict[str, int]) -> bytes:
    """The model: inputs `(n, width)` float32 by name, n left open, and one output `(n, k)`, named "mapped".

    Raises a ChiasmError where it would be larger than 2 GiB, the most that such a file holds.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if sum(array.nbytes for array in graph.arrays.values()) > _MOST - (1 << 20):
        raise ChiasmError("wanted a map of less than 2 GiB, the most an ONNX file holds: fit with fewer anchors.")
    types = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
    nodes = []
    for node in graph.nodes:
        told = {name: types.get(value, value) if name == "to" else value for name, value in node.attributes.items()}
        nodes.append(helper.make_node(node.operator, list(node.inputs), list(node.outputs), **told))
    nodes.append(helper.make_node("Identity", [output.name], ["mapped"]))
    made = helper.make_graph(
        nodes,
        "chiasm",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", widths[name]]) for name in graph.inputs],
        [helper.make_tensor_value_info("mapped", TensorProto.FLOAT, ["n", None])],
        [numpy_helper.from_array(array, name) for name, array in graph.arrays.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="chiasm")
    model.ir_version = _IR
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def run(model: bytes, **rows: np.ndarray) -> np.ndarray:
    """What a model makes of its inputs, by their names."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, rows)[0]
    return found
