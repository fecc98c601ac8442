"""Jets through every operation, through whole networks and through formulas, against automatic differentiation."""

from functools import partial
from math import prod

import autograd.numpy as anp
import graph_oracle
import numpy as np
import pytest
from autograd.scipy.stats import norm
from helpers import assert_same_bits, floats
from jet_oracle import streams_of
from random_graphs import random_graph
from scipy.special import ndtr

import bpfree as bf
from bpfree.arithmetic import Exact, Fast
from bpfree.engines import ReferenceEngine
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.ops import OPS
from bpfree.pde import Box, Differences, Taylor
from bpfree.pde import network as network_module
from bpfree.pde.jet import FUNCTIONS, Jet
from bpfree.pde.network import Network, start
from bpfree.pde.rules.table import Stencil
from bpfree.pde.streams import Streams
from bpfree.pde.wanted import First, GradSquare, Laplacian, Layout, Second

N = 3
WITH_JETS = [op for op in OPS if op.has_jet]
EXAMPLES = [(op.name, k) for op in WITH_JETS for k in range(len(op.examples))]


def general_streams(dim, seed=0):
    """Return streams with random directions, and forms of some of them: a square, a mixed one, a weighted sum."""
    directions = np.random.default_rng(seed).standard_normal((3, dim))
    return Streams(directions, [[(1, 1, 1.0)], [(0, 2, 1.0)], [(2, 2, 0.5), (0, 0, -1.5), (0, 1, 2.0)]])


def jets_of(graph, theta, frozen, x, streams, engine=None):
    """Return the value (n, m) and the streams (m, count - 1, n)."""
    layout = Layout([], graph.input.size)
    layout.streams = streams
    value, rest = Network(graph, frozen, engine).jets(theta, x, Stencil(layout))
    return value.T, rest


def assert_jets_are_exact(graph, theta, frozen, x, streams):
    f = partial(graph_oracle.outputs, graph, theta.astype(float), frozen.astype(float))
    value, rest = jets_of(graph, theta, frozen, x, streams)
    np.testing.assert_allclose(value, f(x), rtol=1e-12, atol=1e-12)
    expected = streams_of(f, x, streams)
    assert rest.dtype == np.float64 and rest.shape == expected.shape
    np.testing.assert_allclose(rest, expected, rtol=1e-12, atol=1e-12 * max(1, np.abs(expected).max()))
    return expected


def between_curves(name, k):
    """Return a graph of sin, the op and tanh: the op gets second derivatives, and tanh needs those of its output."""
    op = OPS[name]
    attributes, shapes = op.examples[k]
    rows = [("sin", "a", ["input"], {}), ("scale", "b", ["a"], {"factor": 0.7, "offset": -0.2})]
    rows += [(name, "c", ["a", "b"][: op.arity], dict(attributes)), ("tanh", "d", ["c"], {})]
    if not op.arity:  # what reads nothing is the same everywhere: it is added to something that is not
        rows.insert(3, ("linear", "wide", ["b"], {"outputs": prod(attributes["shape"]), "bias": False}))
        rows.insert(4, ("flatten", "flat", ["c"], {}))
        rows[5:] = [("add", "sum", ["wide", "flat"], {}), ("tanh", "d", ["sum"], {})]
    graph = assemble(shapes[0] if shapes else (3,), rows)
    theta, frozen = initial_parameters(graph, 3)
    return graph, theta + floats(4, theta.size, scale=0.2), frozen


@pytest.mark.parametrize(("name", "k"), EXAMPLES, ids=[f"{name}-{k}" for name, k in EXAMPLES])
def test_every_op(name, k):
    graph, theta, frozen = between_curves(name, k)
    x = floats(5, N, graph.input.size).astype(float)
    expected = assert_jets_are_exact(graph, theta, frozen, x, general_streams(graph.input.size))
    first, second = np.abs(expected[:, :3]).max(), np.abs(expected[:, 3:]).max()
    lone = name == "softmax" and graph.input.size == 1  # softmax of a single input is constant
    assert lone or (first > 1e-3 and second > 1e-3)


@pytest.mark.parametrize("op", WITH_JETS, ids=lambda op: op.name)
def test_every_op_has_one_way(op):
    """Every op has a Taylor rule, a tangent, or a derivative, with a curvature where that is not 0."""
    assert (op.elementwise is not None or op.jet.taylor is not None) or op.is_affine
    assert op.jet is None or (op.jet.taylor is None) != (op.jet.tangent is None)
    if op.elementwise and not op.is_affine and not op.elementwise.curvature:
        x, site = np.linspace(-2, 2, 40)[None], op.site(*op.examples[0])
        slope = op.elementwise.derivative(site, Fast, x, op.forward(site, Fast, [], (x,)))
        assert len(np.unique(slope)) <= 2  # piecewise linear


@pytest.mark.parametrize("sweep", ["left", "right"])
@pytest.mark.parametrize("bias", [True, False])
def test_tensor_trains_and_skips(sweep, bias):
    tt = {"inputs": [2, 2, 2], "outputs": [3, 1, 2], "ranks": [1, 3, 2, 1], "start": sweep, "bias": bias}
    back = {"inputs": [2, 3], "outputs": [3, 2], "ranks": [1, 2, 1], "start": sweep, "bias": bias}
    rows = [
        ("tt_linear", "a", ["input"], tt),  # 7 inputs: one is padded
        ("sin", "b", ["a"], {}),
        ("tt_linear", "c", ["b"], back),
        ("add", "d", ["c", "a"], {}),
        ("sigmoid", "e", ["d"], {}),
        ("add", "f", ["e", "b"], {}),
        ("linear", "g", ["f"], {"outputs": 2, "bias": True}),
    ]
    graph = assemble([7], rows)
    theta, frozen = initial_parameters(graph, 1)
    theta = theta + floats(2, theta.size, scale=0.3)
    assert_jets_are_exact(graph, theta, frozen, floats(3, N, 7).astype(float), general_streams(7))


@pytest.mark.parametrize("seed", range(24))
def test_graphs_nobody_would_write(seed):
    graph = random_graph(seed)
    theta, frozen = initial_parameters(graph, seed)
    theta = theta + floats(seed + 1, theta.size, scale=0.2)
    x = floats(seed + 2, N, graph.input.size).astype(float)
    assert_jets_are_exact(graph, theta, frozen, x, general_streams(graph.input.size, seed))


def wave_network(dim=5, outputs=2):
    layers = [bf.Linear(16), bf.Sin(), bf.Residual(bf.Linear(16), bf.Tanh()), bf.Linear(outputs)]
    model = bf.Sequential(dim, layers, seed=1)
    return model.graph, model.theta, model.frozen


def test_quantities_are_read_off_the_streams():
    graph, theta, frozen = wave_network()
    x, domain = floats(2, 4, 5).astype(float), Box(x=(0, 1, 3), y=(0, 1), t=(0, 1))
    wanted = [First(4), Second(3, 3), Second(0, 3), Laplacian((0, 1, 2)), GradSquare((1, 2)), First(4)]
    stencil = Taylor().stencil(wanted, domain, "f8")
    assert stencil.passes == stencil.layout.streams.count == 1 + 5 + 3
    _, rest = Network(graph, frozen).jets(theta, x, stencil)
    f = partial(graph_oracle.outputs, graph, theta.astype(float), frozen)
    eye = np.eye(5)
    forms = [[(3, 3, 1.0)], [(0, 3, 1.0)], [(i, i, 1.0) for i in range(3)]]
    expected = streams_of(f, x, Streams(eye, forms))
    found = [stencil.layout.read(q, rest) for q in wanted[:5]]
    for ours, theirs in zip(found, [expected[:, 4], *expected[:, 5:].transpose(1, 0, 2)]):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found[4], (expected[:, 1:3] ** 2).sum(axis=1), rtol=1e-12)
    with pytest.raises(KeyError, match=r"quantity: expected one of .*, got First\(i=1\)"):
        stencil.layout.read(First(1), rest)
    with pytest.raises(TypeError, match="quantity: expected a quantity that is linear in u, got GradSquare"):
        stencil.layout.matrix(GradSquare((1, 2)))
    assert stencil.noise_gain(wanted[0]) == 1


def test_exact_mode_runs_the_same_streams_in_float32():
    """The value has the bits of a plain pass, and the streams agree with float64 within rounding."""
    engine = ReferenceEngine(exact=True)
    for name, k in EXAMPLES:
        graph, theta, frozen = between_curves(name, k)
        x, streams = floats(5, N, graph.input.size), general_streams(graph.input.size)
        value, rest = jets_of(graph, theta, frozen, x, streams, engine)
        wide = jets_of(graph, theta, frozen, x.astype(float), streams)[1]
        assert value.dtype == rest.dtype == np.float32, name
        assert_same_bits(np.ascontiguousarray(value), engine.predict(graph, theta, frozen, x))
        np.testing.assert_allclose(rest, wide, rtol=2e-5, atol=2e-5 * max(1, np.abs(wide).max()), err_msg=name)


@pytest.mark.parametrize("rule", [Taylor(), Differences(step=0.1)], ids=repr)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_pieces_make_the_whole(rule, dtype, monkeypatch):
    """The results do not depend on the number of columns that go through the network at a time."""
    graph, theta, frozen = wave_network()
    network = Network(graph, frozen, ReferenceEngine(dtype=dtype))
    points, stencil = floats(1, 23, 5), rule.stencil([Laplacian((0, 1, 2))], Box(x=(0, 1, 5)), dtype)
    whole, seen = network.jets(theta, points, stencil), []
    method = "_streams" if stencil.offsets is None else "_shifted"
    inner = getattr(network, method)
    monkeypatch.setattr(network, method, lambda t, part, p: seen.append(len(part)) or inner(t, part, p))
    for columns, largest in ((4 * stencil.passes, 4), (stencil.passes - 1, 1), (1 << 13, 23)):
        seen.clear()
        monkeypatch.setattr(network_module, "COLUMNS", columns)
        pieces = network.jets(theta, points, stencil)
        assert max(seen) <= largest and min(seen) >= 1 and sum(seen) == 23
        for ours, theirs in zip(pieces, whole):
            assert ours.dtype == np.dtype(dtype) and ours.shape == theirs.shape
            tolerance = 1e-5 if dtype == "f4" else 1e-13
            gain = 1 if stencil.offsets is None else np.abs(stencil.weights).sum(axis=1).max()
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * gain)


def test_streams_know_what_they_are():
    streams = general_streams(4)
    assert (streams.n_first, streams.count) == (3, 7)
    a, b = np.random.default_rng(0).standard_normal((2, 5, 6, N))
    expected = [a[:, 1] * b[:, 1], a[:, 0] * b[:, 2]]
    expected += [0.5 * a[:, 2] * b[:, 2] - 1.5 * a[:, 0] * b[:, 0] + 2 * a[:, 0] * b[:, 1]]
    for arithmetic, dtype, tolerance in ((Fast, "f8", 1e-14), (Fast, "f4", 1e-6), (Exact, "f4", 1e-6)):
        found = streams.squares(arithmetic, a.astype(dtype), b.astype(dtype))
        assert found.dtype == np.dtype(dtype)
        np.testing.assert_allclose(found, np.stack(expected, axis=1), rtol=tolerance, atol=10 * tolerance)
    plain = Streams(np.eye(2))
    assert plain.squares(Fast, a[:, :2]).shape == (5, 0, N)
    value, rest = start(np.ones((N, 2), np.float32), plain)
    assert rest.dtype == np.float32 and (rest[:, :, 0] == np.eye(2)).all() and (value == 1).all()


# Formulas: NumPy's functions applied to jets.

X = np.random.default_rng(4).uniform(0.3, 1.2, (6, 3))
STREAMS = general_streams(3)


def jets_at(x, streams=STREAMS):
    """Return jets of the columns."""
    value, rest = start(x, streams)
    return Jet(value, rest, streams)


CALLED = ("square", "sqrt", "exp", "log", "sin", "cos", "tanh")
UNARY = {
    "negative": lambda m, u: -u,
    "positive": lambda m, u: +u if m is np else u,  # autograd has no unary plus
    "ndtr": lambda m, u: ndtr(u) if m is np else norm.cdf(u),
    **{name: (lambda m, u, name=name: getattr(m, name)(u)) for name in CALLED},
}
BINARY = {
    "add": [lambda m, u, v: u + v, lambda m, u, v: 2.5 + u, lambda m, u, v: u + m.arange(6.0)],
    "subtract": [lambda m, u, v: u - v, lambda m, u, v: 2.5 - u, lambda m, u, v: u - m.arange(6.0)],
    "multiply": [lambda m, u, v: u * v, lambda m, u, v: 2.5 * u, lambda m, u, v: m.arange(6.0) * u],
    "divide": [lambda m, u, v: u / v, lambda m, u, v: 2.5 / u, lambda m, u, v: u / (1 + m.arange(6.0))],
    "power": [
        lambda m, u, v: u**v,
        lambda m, u, v: 2.5**u,
        lambda m, u, v: u**3,
        lambda m, u, v: u**-1.5,
        lambda m, u, v: u**2,
        lambda m, u, v: u**1 + u**0,
    ],
}
FORMULAS = [(name, lambda m, u, v, f=f: f(m, u * v + u)) for name, f in UNARY.items()]
FORMULAS += [(name, f) for name, several in BINARY.items() for f in several]
FORMULAS += [
    ("ansatz", lambda m, u, v: m.exp(-u) * (1 - u) * m.sin(3 * v) + m.sqrt(u * u + v**2) / (2 - m.tanh(u * v)) - 1 / v)
]


def test_every_function_has_a_formula():
    assert set(FUNCTIONS) == {*UNARY, *BINARY}


@pytest.mark.parametrize("formula", [f for _, f in FORMULAS], ids=[name for name, _ in FORMULAS])
def test_formulas(formula):
    jet = jets_at(X)
    ours = formula(np, jet[0], jet[1] * jet[2])
    expected = streams_of(lambda x: formula(anp, x[:, 0], x[:, 1] * x[:, 2])[:, None], X, STREAMS)[0]
    np.testing.assert_allclose(ours.value, formula(np, X[:, 0], X[:, 1] * X[:, 2]), rtol=1e-13)
    np.testing.assert_allclose(ours.rest, expected, rtol=1e-12, atol=1e-12)


def test_components():
    """Coordinates of several dimensions: sums, single components, and broadcasting against one component."""
    jet = jets_at(X)
    u = jet[0]
    assert len(jet) == 3 and "7 streams" not in repr(jet) and "6 streams" in repr(jet)
    cases = {
        "sum": ((jet * jet).sum(axis=0), lambda x: anp.sum(x * x, axis=1)),
        "jet times components": ((u * jet).sum(), lambda x: anp.sum(x[:, :1] * x, axis=1)),
        "components plus jet": (((jet + u) * (u + jet)).sum(), lambda x: anp.sum((x + x[:, :1]) ** 2, axis=1)),
        "array of components": ((jet * X.T).sum(), lambda x: anp.sum(x * X, axis=1)),
        "jet times array of components": ((u * X.T + X.T).sum(), lambda x: anp.sum(x[:, :1] * X, axis=1) + X.sum(1)),
        "chained": (
            np.exp(-(jet**2).sum() / 2) / (1 + jet[2]),
            lambda x: anp.exp(-anp.sum(x**2, axis=1) / 2) / (1 + x[:, 2]),
        ),
    }
    for name, (ours, f) in cases.items():
        expected = streams_of(lambda x, f=f: f(x)[:, None], X, STREAMS)[0]
        np.testing.assert_allclose(ours.value, f(X), rtol=1e-13, err_msg=name)
        np.testing.assert_allclose(ours.rest, expected, rtol=1e-12, atol=1e-12, err_msg=name)


def test_powers_at_zero():
    jet = jets_at(np.zeros((2, 3)))
    assert np.isfinite((jet[0] ** 1).rest).all() and (jet[0] ** 1).rest[0, 0] == STREAMS.directions[0, 0]
    assert (jet[0] ** 0).rest.tolist() == np.zeros((6, 2)).tolist()
    assert not (jet[0] ** 3).rest.any()


def test_float32_stays_float32():
    u = jets_at(X.astype("f4"))[0]
    for found in (
        np.float64(2) + u, u * np.pi, u / np.arange(1.0, 7), u ** np.float64(3), np.arange(6.0) - u, np.tanh(2.0**u)
    ):  # fmt: skip
        assert found.value.dtype == found.rest.dtype == np.float32
    for name, formula in FORMULAS:
        if name in UNARY:
            found = formula(np, u, u)
            assert found.value.dtype == found.rest.dtype == np.float32, name


def test_what_jets_refuse():
    jet = jets_at(X)
    for wrong, error, message in (
        (lambda: np.abs(jet[0]), TypeError, "formula: expected one of add, cos, .* without options, got absolute"),
        (lambda: np.add.reduce(jet[0]), TypeError, r"got add.reduce"),
        (lambda: np.exp(jet[0], where=X[:, 0] > 0), TypeError, "without options, got exp"),
        (lambda: jet[0] > 0, TypeError, "got greater"),
        (lambda: jet[0] ** np.arange(6.0), TypeError, r"power: expected a number as the exponent, got an array of .*6"),
        (lambda: jet[0].sum(), ValueError, r"sum: expected axis 0 of a jet of several components, got 0 of \(6,\)"),
        (lambda: jet.sum(axis=1), ValueError, "sum: expected axis 0"),
        (lambda: jet[0][0], IndexError, r"component: expected a jet of several, got a value of shape \(6,\)"),
        (lambda: len(jet[0]), TypeError, "a jet of one component has no length"),
    ):
        with pytest.raises(error, match=message):
            wrong()
