"""A computation written down instead of run: what a fitted part does to rows, in the operators of ONNX.

A part runs the same arithmetic on a `Symbol` as on an array, and what it did stands in the symbol's `Graph`, plain data
that `chiasm.export` turns into an ONNX file. Nothing of ONNX is imported here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Graph", "Node", "Symbol", "SymbolOps", "join"]

_TINY = 1e-30
"""What a length is at least before it divides: rows of zeros stay zeros."""


class Node(NamedTuple):
    """One operator: of some named values it makes others."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


class Graph:
    """Operators in the order in which they run, and the arrays that they hold.

    >>> graph = Graph()
    >>> rows = graph.input("rows")
    >>> scaled = (rows - np.ones(3)) @ np.eye(3)
    >>> [node.operator for node in graph.nodes], sorted(array.shape for array in graph.arrays.values())
    (['Sub', 'MatMul'], [(3,), (3, 3)])
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.inputs: list[str] = []
        self._held: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def input(self, name: str) -> Symbol:
        """Rows `(n, d)` float32 that the graph is given, n left open."""
        self.inputs.append(name)
        return Symbol(self, name)

    def add(self, operator: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> list[Symbol]:
        """What an operator makes of symbols and arrays; an array that stands there already is not held twice."""
        names = tuple(one.name if isinstance(one, Symbol) else self._hold(one) for one in inputs)
        made = tuple(f"v{len(self.nodes)}_{i}" for i in range(outputs))
        self.nodes.append(Node(operator, names, made, attributes))
        dtype = next((one.dtype for one in inputs if isinstance(one, Symbol)), np.float32)
        return [Symbol(self, name, dtype) for name in made]

    def _hold(self, value: Any) -> str:
        array = np.ascontiguousarray(value)
        key = (str(array.dtype), np.shape(value), array.tobytes())
        if key not in self._held:
            self._held[key] = f"c{len(self.arrays)}"
            self.arrays[self._held[key]] = array.reshape(np.shape(value))
        return self._held[key]


class Symbol:
    """A value of a graph, rows `(n, w)` of float32 or float64: what an array would be if the computation ran.

    Arithmetic with arrays and numbers takes them as of the symbol's own precision.
    """

    __array_ufunc__ = None
    """NumPy leaves `array * symbol` to the symbol."""

    def __init__(self, graph: Graph, name: str, dtype: Any = np.float32):
        self.graph = graph
        self.name = name
        self.dtype = dtype

    def _do(self, operator: str, *inputs: Any, **attributes: Any) -> Symbol:
        taken = (one if isinstance(one, Symbol) else np.asarray(one, self.dtype) for one in inputs)
        (made,) = self.graph.add(operator, *taken, **attributes)
        return made

    def wide(self) -> Symbol:
        """The same in float64."""
        return self._cast("float64")

    def narrow(self) -> Symbol:
        """The same in float32."""
        return self._cast("float32")

    def _cast(self, to: str) -> Symbol:
        (made,) = self.graph.add("Cast", self, to=to)
        return Symbol(self.graph, made.name, np.dtype(to).type)

    def __add__(self, other: Any) -> Symbol:
        return self._do("Add", self, other)

    def __radd__(self, other: Any) -> Symbol:
        return self._do("Add", other, self)

    def __sub__(self, other: Any) -> Symbol:
        return self._do("Sub", self, other)

    def __rsub__(self, other: Any) -> Symbol:
        return self._do("Sub", other, self)

    def __mul__(self, other: Any) -> Symbol:
        return self._do("Mul", self, other)

    def __rmul__(self, other: Any) -> Symbol:
        return self._do("Mul", other, self)

    def __truediv__(self, other: Any) -> Symbol:
        return self._do("Div", self, other)

    def __pow__(self, power: Any) -> Symbol:
        return self._do("Pow", self, power)

    def __matmul__(self, matrix: Any) -> Symbol:
        return self._do("MatMul", self, matrix)

    def exp(self) -> Symbol:
        """e to the power of each number."""
        return self._do("Exp", self)

    def log(self) -> Symbol:
        """The natural logarithm."""
        return self._do("Log", self)

    def sqrt(self) -> Symbol:
        """The square root."""
        return self._do("Sqrt", self)

    def abs(self) -> Symbol:
        """Numbers without their sign."""
        return self._do("Abs", self)

    def sign(self) -> Symbol:
        """-1, 0 or 1."""
        return self._do("Sign", self)

    def erf(self) -> Symbol:
        """The error function."""
        return self._do("Erf", self)

    def tanh(self) -> Symbol:
        """The hyperbolic tangent."""
        return self._do("Tanh", self)

    def sigmoid(self) -> Symbol:
        """1 / (1 + exp(-x))."""
        return self._do("Sigmoid", self)

    def softmax(self) -> Symbol:
        """Rows of positive numbers that sum to 1."""
        return self._do("Softmax", self, axis=-1)

    def clip(self, low: float, high: float) -> Symbol:
        """Numbers cut to low..high."""
        return self._do("Clip", self, low, high)

    def at_least(self, low: float) -> Symbol:
        """Numbers cut from below."""
        return self._do("Max", self, low)

    def _reduced(self, operator: str) -> Symbol:
        (made,) = self.graph.add(operator, self, np.array([-1], np.int64), keepdims=1)
        return made

    def sum(self) -> Symbol:
        """`(n, 1)` of each row."""
        return self._reduced("ReduceSum")

    def mean(self) -> Symbol:
        """`(n, 1)` of each row."""
        return self._reduced("ReduceMean")

    def max(self) -> Symbol:
        """`(n, 1)` of each row."""
        return self._reduced("ReduceMax")

    def min(self) -> Symbol:
        """`(n, 1)` of each row."""
        return self._reduced("ReduceMin")

    def top(self, k: int) -> Symbol:
        """`(n, k)` the largest of each row, falling."""
        values, _ = self.graph.add("TopK", self, np.array([k], np.int64), outputs=2, axis=-1)
        return values

    def kept(self, least: Symbol) -> Symbol:
        """What is below `least` `(n, 1)` becomes 0."""
        (mask,) = self.graph.add("GreaterOrEqual", self, least)
        (made,) = self.graph.add("Where", mask, self, self.dtype(0))
        return made

    def unit(self) -> Symbol:
        """Rows of length 1; a row of zeros stays one."""
        return self / self._reduced("ReduceL2").at_least(_TINY)

    def centered(self, mean: np.ndarray) -> Symbol:
        """Rows less a mean `(w,)`, taken off in float64: an offset far beyond the spread costs no digits."""
        return (self.wide() - mean).narrow()

    def constant(self, values: Any) -> Symbol:
        """`(n, w)` rows that are all `values` `(w,)`, as many as these."""
        return self.max() * 0.0 + np.reshape(values, (1, -1))


class SymbolOps:
    """The functions that heads ask for (`chiasm.nn.blocks.Ops`), on symbols; of arrays, numbers that are known now."""

    def gelu(self, x: Symbol) -> Symbol:
        """x times the normal distribution function of x."""
        return 0.5 * x * (1 + (x * np.sqrt(0.5)).erf())

    def relu6(self, x: Symbol) -> Symbol:
        """x cut to 0..6."""
        return x.clip(0, 6)

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        return x.sigmoid() if isinstance(x, Symbol) else 1 / (1 + np.exp(-np.asarray(x, np.float64)))

    def standardize(self, x: Symbol) -> Symbol:
        """Each row less its mean, over its standard deviation."""
        apart = x - x.mean()
        return apart / ((apart * apart).mean() + 1e-5).sqrt()

    def dropout(self, x: Symbol, rate: float) -> Symbol:
        """X, as it is."""
        return x


def join(parts: Sequence[Symbol]) -> Symbol:
    """Symbols of the same rows side by side."""
    if len(parts) == 1:
        return parts[0]
    (made,) = parts[0].graph.add("Concat", *parts, axis=-1)
    return made
