# SPDX-License-Identifier: MIT
"""What an operation is: one row of the table, everything Python knows about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from bpfree.errors import check_count
from bpfree.ops.declared import checked_shape
from bpfree.ops.onnx_rows import elementwise
from bpfree.registry import OWN, HostOnly, check_callables, check_name


@dataclass(frozen=True)
class Site:
    """Where an operation stands in a graph: what each function of a row looks at first.

    attributes: those of the node. shapes: the per-sample shape of each input. output_shape: what `infer` made of
    them. strided: does one of its tensors lie in rows with gaps between them? Only tables for C have such sites,
    and only the functions of a :class:`Kernel` need to ask.
    """

    attributes: dict = field(hash=False)
    shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    strided: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first input."""
        return self.shapes[0]

    @property
    def features(self) -> int:
        """Elements of the first input, for one sample."""
        return prod(self.shapes[0])

    @property
    def outputs(self) -> int:
        """Elements of the output, for one sample."""
        return prod(self.output_shape)


def free(site) -> int:
    """Nothing, where a cost is asked for."""
    return 0


def _no_rows(site):
    return []


def _no_arrays(site, draw, gain):
    return []


def _no_words(site):
    return ()


def _no_scratch(site):
    return 0, 0


@dataclass(frozen=True)
class Parameters:
    """What an operation learns.

    rows(site): [(name, shape), ...] in slice order; names are unique and have no dot.
    initialise(site, draw, gain): arrays for them, from draw(k, size) in [0, 1) and the layer's gain.
    The docstrings of both are what FORMAT.md says of the op.

    >>> import numpy as np
    >>> import bpfree as bf
    >>> slopes = Parameters(lambda site: [("slope", (1,))], lambda site, draw, gain: [np.full(1, 0.25, "f4")])
    >>> def leaky(site, arithmetic, parameters, inputs):
    ...     return np.where(inputs[0] > 0, inputs[0], parameters[0] * inputs[0])
    >>> prelu = bf.Op("prelu", infer=lambda attributes, shapes: shapes[0], forward=leaky, parameters=slopes)
    >>> bf.Sequential(2, [prelu]).predict([[-1.0, 2.0]]).tolist()
    [[-0.25, 2.0]]
    """

    rows: Callable = _no_rows
    initialise: Callable = _no_arrays


@dataclass(frozen=True)
class Elementwise:
    """What is known of y = f(x), element by element; x and y have any shape.

    derivative(site, arithmetic, x, y): dy/dx. Its docstring is what FORMAT.md says of the slope.
    curvature(site, arithmetic, x, y): the second derivative; None: it is 0 where it exists.
    slope, reads: the C function that multiplies by dy/dx, None where there is none, and which of "x" and "y" it
    reads ("": neither).
    """

    derivative: Callable
    curvature: Callable | None = None
    slope: str | None = None
    reads: str = ""


@dataclass(frozen=True)
class LayerOnDevice:
    """What C has for a layer whose parameters are not W and b themselves: the symbol of its `bpfree_layer`.

    project(site), column(site): floats that the gradient of its parameters, and columns of its W, are made in.
    """

    c: str
    project: Callable
    column: Callable


@dataclass(frozen=True)
class Layer:
    """What layer access needs of an operation with parameters, linear in each of them; inputs are (features, n).

    project(site, arithmetic, parameters, inputs, delta, out): gradients of the parameters, in slice order, summed
    over samples: of sum_n delta . y for delta (outputs, n). out: room for the first of them, which an op may use;
    or None. project_macs(site): what that costs, (for each sample, once a batch).
    partials(site, arithmetic, parameters, inputs): y as `forward` has it, and what `project` is given in place of the
    inputs, and may write on; None: it is given the inputs.
    moves(site, arithmetic, parameters, inputs): y, and how it moves with each parameter, in slice order:
    v (before, after, s, t, n), n = 1 where that is the same for every sample. Parameter as (s, outputs, t), y as
    (before, outputs, after): as element (s, o, t) grows by one, y[b, o, a] does by v[b, a, s, t].
    moves_cost(site): its multiply-accumulates per sample, and [(before, after, s, t), ...].
    added(site): how many parameters, the last ones, are added to y as they are: its derivatives by the input do not
    depend on them.
    matrix(site, arithmetic, parameters): W (outputs, inputs) of y = W x + b, x the only input; None: there is no
    such W. matrix_macs(site): what making W costs.
    dense: are the parameters W itself, and b? Then a device adds its gradient up sample by sample. device: what it
    has for the others; None: it cannot look into them.
    train(site): the shape of the tensor train that W is kept as; None: of an op that is none.
    contractions(site): the products that y is made of, in order, each (outputs, n) the x of the next, bit for bit;
    None: it is made of others, and a probe of its parameters runs all of it.
    """

    project: Callable
    project_macs: Callable
    moves: Callable
    moves_cost: Callable
    added: Callable
    matrix: Callable | None = None
    matrix_macs: Callable = free
    dense: bool = False
    device: LayerOnDevice | None = None
    train: Callable | None = None
    contractions: Callable | None = None
    partials: Callable | None = None


@dataclass(frozen=True)
class Jet:
    """How derivatives by the model's inputs go through an op; one of the two. Elementwise ops need neither.

    tangent(site, arithmetic, parameters, inputs): the linear part of an affine op, y without what is constant.
    taylor(site, arithmetic, parameters, inputs, rests, streams): value (features, n) and streams (features,
    count - 1, n) through an op that is neither elementwise nor affine, from those of each input.

    Reserved: with derivatives of any order `taylor` becomes `series(order)`.
    """

    tangent: Callable | None = None
    taylor: Callable | None = None


@dataclass(frozen=True)
class Kernel:
    """What the tables of C need to know.

    words(site): the kernel's attributes. scratch(site): floats (per sample, fixed) that it works in.
    in_place: may its output lie over its first input?
    """

    words: Callable = _no_words
    scratch: Callable = _no_scratch
    in_place: bool = False


@dataclass(frozen=True)
class Onnx:
    """to_onnx(site, parameters): its nodes in ONNX, rows as bpfree.ops.onnx_rows has them."""

    to_onnx: Callable


@dataclass(frozen=True, eq=False)
class Op:
    """One operation. Functions take the Site first; a node of a graph holds the row itself.

    number, name: the row; number None: of one's own, which runs in Python only.
    c: the C kernel's symbol, or why there is none.
    attributes: the names it has, all of them required. arity: how many inputs; they may have any shapes.
    infer(attributes, shapes): output shape per sample, which makes a Site; raises ValueError on what does not fit.
    forward(site, arithmetic, parameters, inputs): y (features, n) from a tuple of as many inputs as `arity` says,
    each (features, n); to read only. Without inputs y is (features, 1), the same for every sample. Its docstring is
    what FORMAT.md says of the order of operations.
    macs(site): multiply-accumulates per sample.
    parameters, elementwise, layer, jet, kernel, onnx: more about it, by who asks; None: nobody can.
    examples: attributes and input shapes for the tests that run over the table.

    One of your own has no number and stands in the list of layers as it is, where it
    has no attributes; else in a layer of your own: a class whose node(shape) gives the Op
    and its attributes. It runs in Python. Raises TypeError for what is no function.

    >>> import bpfree as bf
    >>> def gated(site, arithmetic, parameters, inputs):
    ...     return inputs[0][: site.outputs] * inputs[0][site.outputs :]
    >>> gate = bf.Op("gate", infer=lambda attributes, shapes: (shapes[0][0] // 2,), forward=gated)
    >>> bf.Sequential(4, [gate]).predict([[1.0, 2.0, 3.0, 4.0]]).tolist()
    [[3.0, 8.0]]
    """

    name: str
    infer: Callable
    forward: Callable
    macs: Callable = free
    number: int | None = None
    c: str | HostOnly = OWN
    attributes: tuple[str, ...] = ()
    arity: int = 1
    parameters: Parameters = Parameters()
    elementwise: Elementwise | None = None
    layer: Layer | None = None
    jet: Jet | None = None
    kernel: Kernel = Kernel()
    onnx: Onnx | None = None
    examples: tuple = ()

    def __post_init__(self):
        check_name("Op", self.name)
        check_callables("Op", self, ("infer", "forward", "macs"))
        if not isinstance(self.parameters, Parameters):
            expected = "expected Parameters(rows, initialise) as `parameters`"
            raise TypeError(f"Op {self.name!r}: {expected}, got {self.parameters!r}")
        check_count(f"Op {self.name!r}: arity", self.arity, 0)

    def site(self, attributes: dict, shapes) -> Site:
        """The Site of these attributes and input shapes."""
        shapes = tuple(map(tuple, shapes))
        return Site(attributes, shapes, checked_shape(f"{self.name}: infer", self.infer(attributes, shapes)))

    @property
    def has_jet(self) -> bool:
        """Whether derivatives by the model's inputs go through the op."""
        return self.elementwise is not None or self.jet is not None

    @property
    def is_affine(self) -> bool:
        """Whether the op is linear in its inputs but for a constant."""
        return self.jet is not None and self.jet.tangent is not None

    def __repr__(self) -> str:
        return f"Op({self.name!r})"


def same_shape(attributes, shapes):
    """The `infer` of an op whose output has its input's shape."""
    return shapes[0]


def elementwise_op(name: str, forward, derivative, *, curvature=None, reads="", onnx=None, number=None, **others) -> Op:
    """An Op y = f(x), element by element, with what all of these have in common filled in.

    forward, derivative: functions (site, arithmetic, parameters, inputs) -> y and
    (site, arithmetic, x, y) -> dy/dx. curvature: likewise the second derivative,
    None where it is 0. onnx: the ONNX operator of one input that computes it, or a
    `to_onnx`. others: fields of the Op. One of your own needs the first three, and
    goes with all estimators and PDEs as an op of the table does.

    >>> import bpfree as bf
    >>> def forward(site, arithmetic, parameters, inputs):
    ...     return arithmetic.log1p(arithmetic.exp(inputs[0]))
    >>> softplus = elementwise_op("softplus", forward, lambda site, arithmetic, x, y: arithmetic.sigmoid(x))
    >>> bf.Sequential(2, [softplus]).predict([[0.0, 1.0]]).astype(float).round(4).tolist()
    [[0.6931, 1.3133]]
    """
    slope = None if number is None else f"bpfree_slope_{name}"
    common = {
        "infer": same_shape,
        "macs": free,
        "kernel": Kernel(in_place=True),
        "elementwise": Elementwise(derivative, curvature, slope, reads),
        "onnx": onnx and Onnx(elementwise(onnx) if isinstance(onnx, str) else onnx),
        "examples": (({}, ((9,),)), ({}, ((2, 3),))),
    }
    if number is not None:
        common |= {"number": number, "c": f"bpfree_op_{name}"}
    return Op(name=name, forward=forward, **common | others)
