"""A builder of ONNX graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onnx import helper, numpy_helper

if TYPE_CHECKING:
    import numpy as np
    import onnx
    from numpy.typing import NDArray


class Graph:
    """Nodes and initializers in the order they are added."""

    def __init__(self) -> None:
        """Start with an empty graph."""
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add an initializer; returns its name."""
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def op(self, kind: str, inputs: list[str], name: str, *, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one output, called ``name``; returns that name."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"{name}_{kind}", domain=domain, **attributes))
        return name

    def split(self, given: str, names: list[str], *, axis: int) -> None:
        """Add an operator that splits a tensor into equal parts along ``axis``, called ``names``."""
        self.nodes.append(helper.make_node("Split", [given], names, name=f"{names[0]}_Split", axis=axis))

    def hand_out(self, made: str, name: str) -> None:
        """Rename the tensor ``made`` to ``name``, under which it leaves the graph."""
        for node in self.nodes:
            for side in (node.input, node.output):
                side[:] = [name if one == made else one for one in side]
