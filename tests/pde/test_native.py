"""Derivatives and residuals of PDEs in C: the bits of the exact reference on every processor, and close to float64."""

import numpy as np
import pytest
from helpers import ISAS, assert_same_bits, floats, single_op
from native_pde import NativePde

import bpfree as bf
from bpfree import native
from bpfree.engines import CompiledEngine, ReferenceEngine
from bpfree.graph.c_tables import model_tables
from bpfree.native.model import NativeModel
from bpfree.ops import OPS
from bpfree.pde.domain import Box
from bpfree.pde.network import Network
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.residuals import TermRows
from bpfree.pde.rules import RULES
from bpfree.pde.rules.table import Stencil
from bpfree.pde.streams import Streams
from bpfree.pde.wanted import First, GradSquare, Laplacian, Layout, Second

NO_CONSTANTS = np.zeros(0, np.float32)
WITH_JETS = [row for row in OPS if row.has_jet]
EXAMPLES = [(row.name, *example) for row in WITH_JETS for example in row.examples]
IDS = [f"{row.name}{number}" for row in WITH_JETS for number in range(len(row.examples))]
EPS = float(np.finfo(np.float32).eps)


def layouts(dim):
    """Return layouts by coordinates, along weighted directions, for one first derivative, and for the value alone."""
    columns = tuple(range(dim))
    vectors = np.random.default_rng(dim).normal(size=(3, dim)) * 1.5
    first = [First(i) for i in range(dim)]
    return [
        Layout([*first, Laplacian(columns), Second(0, dim - 1)], dim),
        Layout([First(dim - 1), Laplacian(columns), Second(0, 0)], dim, {columns: vectors}),
        Layout([First(0)], dim),
        Layout([], dim),
    ]


def both(layout, graph, theta, frozen, x, compiled, engine):
    """Return the jets of the compiled engine and of another."""
    found = compiled.jets(graph, theta, frozen, x, layout.streams)
    theta, x = theta.astype(engine.dtype), x.astype(engine.dtype)
    return found, Network(graph, frozen, engine).jets(theta, x, Stencil(layout))


# ---- jets ----


@pytest.mark.parametrize("op", ["relu", "tanh", "sigmoid", "sin", "square", "softmax"])
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_derivatives_at_nan_are_nan(compiled, op):
    """In every engine: a residual that has no u in it is not finite either."""
    graph, x = single_op(op, {}, ((9,),)), floats(2, 1, 9)
    x[0, 4] = np.nan
    layout = Layout([First(4)], 9)
    for engine in (ReferenceEngine(exact=True), ReferenceEngine()):
        for value, rest in both(layout, graph, np.zeros(0, np.float32), NO_CONSTANTS, x, compiled, engine):
            assert np.isnan(value[4, 0]) and np.isnan(rest[4, 0, 0])


@pytest.mark.parametrize(("op", "attributes", "shapes"), EXAMPLES, ids=IDS)
@pytest.mark.parametrize("n", [1, 3, 100])
def test_jets_through_every_op_equal_exact(compiled, op, attributes, shapes, n):
    graph = single_op(op, attributes, shapes)
    theta, x = floats(1, graph.n_theta), floats(2, n, graph.input.size)
    for layout in layouts(graph.input.size):
        found, expected = both(layout, graph, theta, NO_CONSTANTS, x, compiled, ReferenceEngine(exact=True))
        assert found[1].shape == (graph.output.size, layout.streams.count - 1, n)
        assert_same_bits(found[0], expected[0])
        assert_same_bits(found[1], expected[1].astype(np.float32))


NETWORKS = {
    "dense": lambda: bf.Sequential(3, [bf.Linear(20), bf.Tanh(), bf.Linear(17), bf.Sin(), bf.Linear(2)], seed=1),
    "tt": lambda: bf.Sequential(
        21,
        [bf.TTLinear(64, rank=2), bf.Sin(), bf.TTLinear((4, 4, 4), (4, 4, 4), rank=3), bf.Sin(), bf.Linear(1)],
        seed=2,
    ),
    "residual": lambda: bf.Sequential(
        4,
        [
            *(bf.Scale(2.0, -1.0), bf.Linear(12), bf.Sigmoid()),
            bf.Residual(bf.Linear(12), bf.Tanh(), bf.TTLinear(12, rank=2)),
            *(bf.Linear(6), bf.Softmax(), bf.Linear(1, bias=False)),
        ],
        seed=3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_jets_of_networks_equal_exact_and_are_near_float64(compiled, name):
    model = NETWORKS[name]()
    graph, theta, x = model.graph, model.theta, floats(4, 70, model.graph.input.size, scale=0.5)
    for layout in layouts(graph.input.size):
        found, expected = both(layout, graph, theta, model.frozen, x, compiled, ReferenceEngine(exact=True))
        _, fine = both(layout, graph, theta, model.frozen, x, compiled, ReferenceEngine(dtype=np.float64))
        for part, same, near in zip(found, expected, fine):
            assert_same_bits(part, same.astype(np.float32))
            if part.size:
                # sums have up to 64 terms in at most 4 layers; the error of a stream is relative to its own scale
                scale = np.abs(near).max(axis=-1, keepdims=True) + 1e-3 * np.abs(fine[0]).max()
                assert np.max(np.abs(part - near) / scale) < 200 * EPS


def test_frozen_layers_and_a_second_model_of_the_same_streams():
    model, streams = NETWORKS["dense"](), Streams(np.eye(3), [[(0, 0, 1.0)]])
    x, engine = floats(5, 9, 3), CompiledEngine()
    first = engine.jets(model.graph, model.theta, model.frozen, x, streams)
    other = bf.Sequential(3, [bf.Linear(5), bf.Tanh(), bf.Linear(2)], seed=7)
    engine.jets(other.graph, other.theta, other.frozen, x, streams)
    again = engine.jets(model.graph, model.theta, model.frozen, x, streams)
    assert_same_bits(again[1], first[1])


def test_network_uses_the_engine_and_takes_float64_parameters():
    model, box = NETWORKS["dense"](), Box(x=(0, 1, 2), t=(0, 1))
    x, stencil = floats(6, 50, 3), bf.pde.Taylor().stencil([First(2), Laplacian((0, 1))], box, "f4")
    network = Network(model.graph, model.frozen, CompiledEngine())
    value, rest = network.jets(model.theta.astype(np.float64), x, stencil)
    assert_same_bits(value, np.ascontiguousarray(network.values(model.theta.astype(np.float64), x)))
    expected = Network(model.graph, model.frozen).jets(model.theta.astype(np.float64), x, stencil)[1]
    np.testing.assert_allclose(rest, expected, rtol=0, atol=1e-5)


def test_long_tiles_of_small_networks_are_cut_right():
    model = bf.Sequential(2, [bf.Linear(3), bf.Tanh(), bf.Linear(1)], seed=0)
    x, streams = floats(7, 20_001, 2), Streams(np.eye(2), [[(0, 0, 1.0), (1, 1, 1.0)]])
    engine = CompiledEngine()
    whole = engine.jets(model.graph, model.theta, model.frozen, x, streams)[1]
    for at in (0, 8_191, 16_384, 20_000):
        part = engine.jets(model.graph, model.theta, model.frozen, x[at : at + 1], streams)[1]
        assert_same_bits(part[..., 0], np.ascontiguousarray(whole[..., at]))


def test_what_does_not_fit_is_refused():
    model = NETWORKS["dense"]()
    with pytest.raises(ValueError, match=r"directions: expected shape \(2, 3\), got \(2, 2\)"):
        CompiledEngine().jets(model.graph, model.theta, model.frozen, floats(0, 4, 3), Streams(np.eye(2)))
    with pytest.raises(ValueError, match=r"theta: expected shape"):
        CompiledEngine().jets(model.graph, model.theta[1:], model.frozen, floats(0, 4, 3), Streams(np.eye(3)))
    with pytest.raises(ValueError, match=r"streams: an argument is out of range"):
        bad = Streams(np.eye(3), [[(0, 3, 1.0)]])
        CompiledEngine().jets(model.graph, model.theta, model.frozen, floats(0, 4, 3), bad)


# ---- rules ----


class Mirror:
    """Return the weights by the arithmetic of rule_differences.c and rule_sparse_grid.c, in the order they state."""

    def __init__(self, u, x, layout):
        self.u, self.x, self.forms = u, x, [form[1:] for form in layout.streams.form_rows()]
        self.centre = u(x)
        self.rows = np.zeros((layout.streams.count, *self.centre.shape), np.float32)
        self.rows[0], self.n = self.centre, layout.streams.n_first

    def pair(self, *steps):
        plus, minus = self.x.copy(), self.x.copy()
        for i, step in steps:
            plus[:, i] = self.x[:, i] + np.float32(step)
            minus[:, i] = self.x[:, i] + np.float32(-step)
        plus, minus = self.u(plus), self.u(minus)
        return plus - minus, (plus - self.centre) + (minus - self.centre)

    def holding(self, i):
        return [self.n + 1 + k for k, (first, count) in enumerate(self.forms) if first <= i < first + count]


def differences(u, x, layout, order, h, h1):
    mirror, f = Mirror(u, x, layout), np.float32
    shares = {2: [(f(1), f(1))], 4: [(f(8), f(16)), (f(-1), f(-1))]}[order]
    for i in range(mirror.n):
        step = f(h) if mirror.holding(i) else f(h1)
        for ring, (first, second) in enumerate(shares):
            odd, even = mirror.pair((i, step + step if ring else step))
            mirror.rows[1 + i] += first * odd
            for row in mirror.holding(i):
                mirror.rows[row] += second * even
        mirror.rows[1 + i] *= f(1) / (f({2: 2, 4: 12}[order]) * step)
    mirror.rows[1 + mirror.n :] *= f(1) / (f({2: 1, 4: 12}[order]) * (f(h) * f(h)))
    return mirror.rows


def sparse_grid(u, x, layout, family, sigma, smoothed):
    mirror, f, d = Mirror(u, x, layout), np.float32, x.shape[1]
    root = f(np.sqrt(3.0))
    ring, corner = (f(1) / f(6), f(0.25)) if family == 0 else ((f(4) - f(d)) / f(18), f(1) / f(36))
    nodes = []
    for i in range(d):
        if family == 0:
            nodes.append(([(i, f(1))], f(1), (f(d) - f(1)) * f(-0.5)))
        nodes.append(([(i, f(1))], f(3), ring))
    for i in range(d):
        for j in range(i + 1, d):
            nodes += [([(i, f(1)), (j, f(sign))], f(1) if family == 0 else f(3), corner) for sign in (1, -1)]
    for signs, square, weight in nodes:
        rho = root if square == 3 else f(1)
        odd, even = mirror.pair(*((i, sign * (f(sigma) * rho)) for i, sign in signs))
        for i, sign in signs:
            if i < mirror.n:
                mirror.rows[1 + i] += sign * (weight * rho) * odd
        for k, (first, count) in enumerate(mirror.forms):
            inside = sum(first <= i < first + count for i, _ in signs)
            mirror.rows[1 + mirror.n + k] += weight * (square * f(inside) - f(count)) * even
        if smoothed:
            mirror.rows[0] += weight * even
    mirror.rows[1 : 1 + mirror.n] *= f(1) / f(sigma)
    mirror.rows[1 + mirror.n :] *= f(1) / (f(sigma) * f(sigma))
    return mirror.rows


MIRRORS = {"differences": differences, "sparse_grid": sparse_grid}
SETTINGS = [
    ("differences", (2, 0.0625, 0.015625)),
    ("differences", (4, 0.125, 0.0625)),
    *(("sparse_grid", (family, sigma, smoothed)) for family in (0, 1) for sigma in (0.1, 0.25) for smoothed in (0, 1)),
]


def c_rows(isa, model, layout, rule, settings, x, tile=None):
    """Return the jet (count, outputs, n) that a rule computes in C."""
    native_model = NativeModel(model_tables(model.graph), isa)
    native_model.frozen[:] = model.frozen
    pde = NativePde(native_model, layout.streams, RULES[rule].number, settings, 1, (1.0, 0.0, 1.0))
    lib, ffi = native.core().lib, native.core().ffi
    n, outputs, own = len(x), model.graph.output.size, lib.bpfree_registry_rule(RULES[rule].number)
    tile = tile or n
    jet = np.empty((layout.streams.count, outputs, n), np.float32)
    for at in range(0, n, tile):
        columns = np.ascontiguousarray(x[at : at + tile].T)
        width = columns.shape[1]
        work, part = native.arrays.aligned(own.work(pde.c, width)), np.empty((*jet.shape[:2], width), np.float32)
        pointers = [ffi.from_buffer("float *", array) for array in (model.theta, columns, work, part)]
        own.jet(pde.c, *pointers[:2], width, *pointers[2:])
        jet[..., at : at + tile] = part
    return jet


def space_time(dim):
    """Return what the residuals in C read."""
    return Layout([*map(First, range(dim)), Laplacian(tuple(range(dim - 1)))], dim)


POINTWISE = {
    "dense": lambda: space_time(3),
    "residual": lambda: Layout([First(0), First(1), Laplacian((0,)), Laplacian((0, 1))], 4),
}


@pytest.mark.parametrize(("rule", "settings"), SETTINGS, ids=str)
@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("isa", ISAS)
def test_rules_at_points_equal_their_mirror(isa, name, rule, settings):
    model, layout = NETWORKS[name](), POINTWISE[name]()
    x, engine = floats(8, 5, model.graph.input.size, scale=0.5), ReferenceEngine(exact=True)

    def u(at):
        return engine.predict(model.graph, model.theta, model.frozen, at).T

    expected = MIRRORS[rule](u, x, layout, *settings)
    assert_same_bits(c_rows(isa, model, layout, rule, settings, x, 1 if isa == "scalar" else None), expected)


PLANS = [
    (("differences", (2, 0.0625, 0.0625)), lambda: bf.pde.Differences(order=2, step=0.0625)),
    (("differences", (4, 0.125, 0.125)), lambda: bf.pde.Differences(order=4, step=0.125)),
    *(
        (("sparse_grid", (k, 0.25, smoothed)), lambda family=family, of=of: bf.pde.SparseGrid(3, 0.25, family, of=of))
        for k, family in enumerate(("gauss_hermite", "genz_keister"))
        for smoothed, of in enumerate(("u", "smoothed"))
    ),
]


@pytest.mark.parametrize(("case", "python"), PLANS, ids=[str(case) for case, _ in PLANS])
def test_rules_at_points_agree_with_the_plans_of_python(case, python):
    """The difference is at most that of float32 rounding: eps |u| times the noise gain of the stencil."""
    model, layout = NETWORKS["dense"](), space_time(3)
    x = floats(9, 40, 3, scale=0.5)
    stencil = python().along(layout, np.dtype(np.float64))
    value, rest = Network(model.graph, model.frozen).jets(model.theta.astype(np.float64), x.astype(np.float64), stencil)
    expected = np.concatenate([value[:, None], rest], axis=1).transpose(1, 0, 2)
    found = c_rows(ISAS[-1], model, layout, *case, x)
    gains = np.linalg.norm(stencil.weights, axis=1) + 1
    assert np.all(np.abs(found - expected).max(axis=(1, 2)) <= 4 * EPS * np.abs(value).max() * gains)


def test_every_rule_in_c_has_settings_and_a_mirror():
    """Streams go through nodes, whose jets are compared one by one; all others are written again above."""
    in_c = {row.name for row in RULES if isinstance(row.c, str)}
    assert {RULES.of(rule).name for rule, _ in RULES_IN_C} == {"taylor", *MIRRORS} == in_c
    assert {rule for rule, _ in SETTINGS} == {rule for (rule, _), _ in PLANS} == set(MIRRORS)


# ---- residuals ----

PROBLEMS_IN_C = [bf.pde.BlackScholes(), bf.pde.BlackScholes(50.0, 0.1, 0.4), bf.pde.HJBLIN(4), bf.pde.HJBLQG(3, m=0.5)]
RULES_IN_C = [
    (bf.pde.Taylor(), ()),
    (bf.pde.Differences(step=0.0625), (2, 0.0625, 0.0625)),
    (bf.pde.Differences(order=4, step=0.125), (4, 0.125, 0.125)),
    (bf.pde.SparseGrid(sigma=0.25), (0, 0.25, 0)),
]


@pytest.mark.parametrize(("rule", "settings"), RULES_IN_C, ids=str)
@pytest.mark.parametrize("problem", PROBLEMS_IN_C, ids=lambda problem: problem.name)
def test_residuals_agree_with_the_formulas_of_the_problems(compiled, problem, rule, settings):
    dim, number = problem.domain.dim, PROBLEMS[problem_row(problem)].number
    model = bf.Sequential(dim, [bf.Linear(16), bf.Tanh(), bf.Linear(1)], seed=5)
    points = np.random.default_rng(6).random((37, dim)).astype(np.float32)
    part = TermRows(problem, problem.terms()[0], points, np.float64)
    stencil = rule.along(Layout(part.wanted, dim), np.dtype(np.float64))
    jets = Network(model.graph, model.frozen).jets(model.theta.astype(np.float64), part.all_points(), stencil)
    expected = part.values(problem, *jets, stencil)[0]

    coefficients = PROBLEMS[problem_row(problem)].coefficients(problem)
    pde = NativePde(compiled.model(model.graph, model.frozen), space_time(dim).streams, RULES.of(rule).number, settings,
                    number, coefficients)  # fmt: skip
    r, loss = pde.residuals(model.theta, points)
    gain = max((stencil.noise_gain(q) for q in part.wanted if not isinstance(q, GradSquare)), default=1.0)
    assert np.abs(expected).max() > 0.1  # so errors would be visible
    assert np.abs(r - expected).max() <= 50 * EPS * max(1.0, np.abs(jets[0]).max()) * gain
    assert loss == np.add.accumulate(r * r)[-1]
    assert_same_bits(pde.residuals(model.theta, points, 1 if compiled.isa == "scalar" else 5)[0], r)


def problem_row(problem):
    return next(row.name for row in PROBLEMS if row.settings is type(problem))


def test_a_residual_refuses_streams_that_it_does_not_read():
    model = bf.Sequential(3, [bf.Linear(1)], seed=0)
    pde = NativePde(CompiledEngine().model(model.graph, model.frozen), Streams(np.eye(3)), 0, (), 0, (0.05, 0.2))
    with pytest.raises(ValueError, match="residuals: an argument is out of range"):
        pde.residuals(model.theta, floats(0, 4, 3))


def test_a_rule_refuses_streams_and_settings_that_it_cannot_work_with():
    model = bf.Sequential(2, [bf.Linear(1)], seed=0)
    own = CompiledEngine().model(model.graph, model.frozen)
    for streams, settings in ((Streams(np.eye(2) * 2), (2, 0.1, 0.1)), (Streams(np.eye(2)), (3, 0.1, 0.1))):
        with pytest.raises(ValueError, match="pde: an argument is out of range"):
            NativePde(own, streams, RULES["differences"].number, settings, 0, (0.05, 0.2))
