"""StructuredCGE: the numbers of CGE, from partial contractions, on any graph; what it costs; equal bits."""

import numpy as np
import pytest
from helpers import ENGINES, Counting, assert_same_bits, floats, make_engine
from random_graphs import random_graph

import bpfree as bf
from bpfree.arithmetic import Exact, Fast
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.cost import graph_macs, node_macs
from bpfree.estimators import ESTIMATORS, changes, structured
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.ops import OPS
from bpfree.trainer import Trainer
from bpfree.tt.shapes import TTShape

N = 7
WIDE = ReferenceEngine(dtype=np.float64)


def tt(inputs, outputs, rank, start="left", bias=True):
    """Attributes of a tensor-train node."""
    ranks = [1, *[rank] * (len(inputs) - 1), 1]
    return {"inputs": list(inputs), "outputs": list(outputs), "ranks": ranks, "start": start, "bias": bias}


def linear(outputs, bias=True):
    return {"outputs": outputs, "bias": bias}


GRAPHS = {
    "one layer": ([5], [("linear", "a", ["input"], linear(3))]),
    "one unit": ([5], [("tt_linear", "a", ["input"], tt((5,), (1,), 1))]),
    **{
        f"tt {kind}": (
            [11],
            [
                ("tt_linear", "a", ["input"], tt((2, 3, 2), (3, 2, 2), 3, "left")),
                *[(kind, "b", ["a"], {"factor": -0.7, "offset": 0.3} if kind == "scale" else {})],
                ("tt_linear", "c", ["b"], tt((3, 4), (1, 3), 2, "right", bias=False)),
            ],
        )
        for kind in ("relu", "tanh", "sin", "sigmoid", "square", "scale", "flatten", "softmax")
    },
    "long trains": (
        [29],
        [
            ("tt_linear", "a", ["input"], tt((2, 3, 1, 5), (2, 2, 3, 1), 2, "right")),
            ("relu", "b", ["a"], {}),
            ("tt_linear", "c", ["b"], tt((2, 2, 2, 2), (1, 2, 1, 2), 3, "left", bias=False)),
        ],
    ),
    "deep": (
        [6],
        [
            ("linear", "a", ["input"], linear(9)),
            ("scale", "b", ["a"], {"factor": 1.5, "offset": -0.2}),
            ("tanh", "c", ["b"], {}),
            ("tt_linear", "d", ["c"], tt((3, 3), (2, 4), 2)),
            ("relu", "e", ["d"], {}),
            ("linear", "f", ["e"], linear(5, bias=False)),
            ("sin", "g", ["f"], {}),
            ("linear", "h", ["g"], linear(4)),
        ],
    ),
    "residual": (
        [6],
        [
            ("linear", "a", ["input"], linear(6)),
            ("tanh", "b", ["a"], {}),
            ("linear", "c", ["b"], linear(6)),
            ("add", "d", ["b", "c"], {}),
            ("relu", "e", ["d"], {}),
            ("linear", "f", ["e"], linear(3)),
            ("add", "g", ["f", "f"], {}),
        ],
    ),
    "activation at the end": (
        [4],
        [
            ("linear", "a", ["input"], linear(5)),
            ("relu", "b", ["a"], {}),
            ("linear", "c", ["b"], linear(3)),
            ("sigmoid", "d", ["c"], {}),
        ],
    ),
    "softmax at the end": ([4], [("linear", "a", ["input"], linear(3)), ("softmax", "b", ["a"], {})]),
    "two readers": (
        [4],
        [
            ("linear", "a", ["input"], linear(4)),
            ("tanh", "b", ["a"], {}),
            ("linear", "c", ["b"], linear(4)),
            ("linear", "d", ["b"], linear(4)),
            ("add", "e", ["c", "d"], {}),
        ],
    ),
    "a branch that leads nowhere": (
        [4],
        [
            ("linear", "a", ["input"], linear(4)),
            ("linear", "b", ["a"], linear(2)),
            ("linear", "c", ["input"], linear(3)),
        ],
    ),
}  # fmt: skip


def build(name, frozen=()):
    """(graph, theta, constants), float32, biases not zero."""
    graph = assemble(*GRAPHS[name], frozen=list(frozen))
    theta, constants = initial_parameters(graph, 2)
    return graph, theta + floats(3, theta.size, scale=0.3), constants


def batch_of(graph, loss, n=N):
    x, r = floats(5, n, graph.input.size), np.random.default_rng(6)
    if loss == "mse":
        return Batch(x, targets=floats(7, n, graph.output.size))
    return Batch(x, labels=r.integers(0, graph.output.size, n).astype(np.uint32))


def estimate(estimator, graph, theta, constants, engine=WIDE, loss="cross_entropy", n=N, step=1):
    trainer = Trainer(graph, constants, loss, estimator, bf.SGD(1.0), batch_size=n, seed=4)
    return trainer.estimate(engine, theta.astype(engine.dtype), batch_of(graph, loss, n), step)


def agree(graph, theta, constants, loss, two_sided, mu=2.0**-7):
    """Largest difference from CGE over CGE's largest number."""
    ours = estimate(bf.StructuredCGE(mu, two_sided), graph, theta, constants, loss=loss)
    naive = estimate(bf.CGE(mu=mu, two_sided=two_sided), graph, theta, constants, loss=loss)
    np.testing.assert_allclose(ours.losses[0], estimate(bf.CGE(1e-9, two_sided=False), graph, theta, constants,
                                                        loss=loss).losses[0], rtol=1e-13)  # fmt: skip
    a, b = ours.coefficients[0], naive.coefficients[0]
    assert ours.coefficients.shape == (1, graph.n_theta) and a.dtype == np.float64
    assert ours.finite and np.abs(b).max() > 0
    return np.abs(a - b).max() / np.abs(b).max()


sides = pytest.mark.parametrize("two_sided", [True, False], ids=["two-sided", "one-sided"])
losses = pytest.mark.parametrize("loss", ["cross_entropy", "mse"])


@sides
@losses
@pytest.mark.parametrize("name", GRAPHS)
def test_the_numbers_of_cge(name, loss, two_sided):
    if loss == "cross_entropy" and name == "one unit":
        pytest.skip("the cross-entropy of one class is 0")
    for mu in (2.0**-7, 0.25, 3.0):
        assert agree(*build(name), loss, two_sided, mu) < 1e-11


@pytest.mark.parametrize("seed", range(60))
def test_the_numbers_of_cge_on_random_graphs(seed):
    graph = random_graph(seed)
    if not 0 < graph.n_theta < 2000:
        pytest.skip("nothing to train, or too much for the naive loop")
    theta, constants = initial_parameters(graph, seed)
    loss = ("cross_entropy", "mse")[seed % 2 or graph.output.size == 1]
    estimates = [
        estimate(kind(mu=2.0**-5, two_sided=seed % 3 > 0), graph, theta, constants, loss=loss).coefficients[0]
        for kind in (bf.StructuredCGE, bf.CGE)
    ]
    np.testing.assert_allclose(*estimates, rtol=0, atol=1e-11 * max(1.0, np.abs(estimates[1]).max()))


@sides
@pytest.mark.parametrize("frozen", [["a.core1"], ["a.bias", "c.core0"], ["a.core0", "a.core1", "a.core2", "a.bias"]])
def test_frozen_parameters_are_left_out(frozen, two_sided):
    whole, theta, constants = build("tt tanh")
    graph, own, kept = build("tt tanh", frozen)
    parts = dict(zip((s.name for s in whole.slices), (theta[s.range] for s in whole.slices)))
    for part in graph.slices:
        (kept if part.frozen else own)[part.range] = parts[part.name]
    g = estimate(bf.StructuredCGE(two_sided=two_sided), whole, theta, constants).coefficients[0]
    expected = np.concatenate([g[s.range] for s in whole.slices if s.name not in frozen])
    found = estimate(bf.StructuredCGE(two_sided=two_sided), graph, own, kept).coefficients[0]
    np.testing.assert_array_equal(found, expected)


@losses
@pytest.mark.parametrize("name", GRAPHS)
def test_equal_bits(name, loss):
    graph, theta, constants = build(name)
    for two_sided in (True, False):
        estimator = bf.StructuredCGE(two_sided=two_sided)
        expected = estimate(estimator, graph, theta, constants, make_engine("exact"), loss)
        assert_same_bits(expected.losses[0], estimate(bf.CGE(1e-9, two_sided=False), graph, theta, constants,
                                                      make_engine("exact"), loss).losses[0])  # fmt: skip
        for engine in ENGINES[1:]:
            found = estimate(estimator, graph, theta, constants, make_engine(engine), loss)
            assert_same_bits(found.coefficients, expected.coefficients)
            assert_same_bits(found.losses, expected.losses)


@pytest.mark.parametrize("name", ["tt relu", "deep", "residual"])
@pytest.mark.parametrize(("kept", "moved"), [(1, 1), (100, 300), (30, 1 << 16), (1 << 22, 97)])
def test_blocks_change_no_bit(name, kept, moved, monkeypatch):
    """Samples and parameters in blocks of any size: sums run over samples in order."""
    settings = (bf.StructuredCGE(), *build(name), make_engine("exact"))
    expected = estimate(*settings)
    monkeypatch.setattr(structured, "MOST_KEPT", kept)
    monkeypatch.setattr(structured, "MOST_CHANGED", moved)
    monkeypatch.setattr(changes, "MOST_MOVED", moved // 3)
    found = estimate(*settings)
    assert_same_bits(found.coefficients, expected.coefficients)
    assert_same_bits(found.losses, expected.losses)


@losses
@pytest.mark.parametrize("engine", ["reference", "exact", "compiled"])
@pytest.mark.parametrize("name", ["tt relu", "tt tanh", "activation at the end", "deep"])
def test_float32_is_nearer_to_float64_than_the_naive_loop(name, engine, loss):
    graph, theta, constants = build(name)
    engine = bf.CompiledEngine() if engine == "compiled" else ReferenceEngine(exact=engine == "exact")
    mu = 2.0**-7
    true = estimate(bf.CGE(mu=mu), graph, theta, constants, loss=loss).coefficients[0]
    errors = [
        np.abs(estimate(kind(mu=mu), graph, theta, constants, engine, loss).coefficients[0] - true).max()
        for kind in (bf.StructuredCGE, bf.CGE)
    ] / np.abs(true).max()
    assert errors[0] < 2e-4 and errors[0] < errors[1]
    if name.startswith("tt"):  # changes of the scores in closed form
        assert errors[0] < 1e-5


@sides
@pytest.mark.parametrize("scale", [30.0, 3000.0])
def test_moves_beyond_the_range_of_exp(scale, two_sided):
    """exp of such a change of scores overflows float32, or all weight leaves a class: the losses are finite."""
    graph, theta, constants = build("tt relu")
    exact = make_engine("exact")
    estimators = [kind(mu=scale, two_sided=two_sided) for kind in (bf.StructuredCGE, bf.CGE)]
    ours, naive = (estimate(e, graph, theta, constants, exact).coefficients[0] for e in estimators)
    assert np.isfinite(ours).all()
    for engine in map(make_engine, ENGINES[1:]):
        assert_same_bits(estimate(estimators[0], graph, theta, constants, engine).coefficients[0], ours)
    np.testing.assert_allclose(ours, naive, rtol=1e-4, atol=1e-5 * np.abs(naive).max())


def test_not_finite_is_a_result():
    graph, theta, constants = build("tt relu")
    theta[graph.slices[-1].range] = 3e38  # the scores overflow
    for engine in ("exact", ENGINES[-1]):
        assert not estimate(bf.StructuredCGE(), graph, theta, constants, make_engine(engine)).finite


def counted(estimator, graph, theta, constants, n):
    engine = ReferenceEngine(dtype=np.float64)
    engine.arithmetic = Counting()
    found = estimate(estimator, graph, theta, constants, engine, n=n)
    return engine.arithmetic.macs, found.forwards


@sides
@pytest.mark.parametrize("n", [1, N])
def test_the_cost_is_what_is_spent(two_sided, n):
    """Contractions are counted as they run; what is elementwise is added here, parameter by parameter."""
    graph, theta, constants = build("tt relu")
    contractions, forwards = counted(bf.StructuredCGE(two_sided=two_sided), graph, theta, constants, n)
    elementwise, outputs = 0, graph.output.size
    for part in graph.slices:
        core = len(part.shape) == 4
        layer = graph.nodes[part.layer]
        of_layer = graph.tensors[layer.output].size
        moved = of_layer // part.shape[2] if core else 1  # outputs that one element moves
        shared = part.size // part.shape[2] if core else 1  # elements that move them differently: mu v each
        elementwise += moved * shared
        elementwise += part.size * (1 + two_sided) * outputs  # the loss
        if moved == 1 and layer.name == "a":  # one column, times a number
            elementwise += part.size * (1 + two_sided) * outputs
    assert forwards == -(-(contractions + n * elementwise) // graph_macs(graph))
    trainer = Trainer(graph, constants, "cross_entropy", bf.StructuredCGE(two_sided=two_sided), bf.SGD(1.0), n)
    assert trainer.forwards == forwards and trainer.evaluations == 1


def test_the_cost_of_a_deep_network_has_what_follows_each_parameter():
    graph, theta, constants = build("residual")
    macs = dict(zip("abcdefg", node_macs(graph)))
    sizes = {layer: sum(s.size for s in graph.slices if graph.nodes[s.layer].name == layer) for layer in "acf"}
    contractions, forwards = counted(bf.StructuredCGE(), graph, theta, constants, N)
    after = {"a": macs["c"] + macs["f"], "c": macs["f"], "f": 0}
    expected = sum(macs.values()) + sum(2 * sizes[layer] * after[layer] for layer in "acf")
    assert contractions == N * expected
    shared = 3 * 6 + 3  # mu x of three weights; mu of their biases
    assert forwards == -(-N * (expected + shared + 2 * graph.n_theta * 3) // graph_macs(graph))


@pytest.mark.parametrize("op", [row for row in OPS if row.layer], ids=lambda row: row.name)
def test_every_layer_knows_how_it_moves(op):
    """y as forward has it, bit for bit; each element's move against a forward pass with that element changed."""
    for example in op.examples:
        r, n, site = np.random.default_rng(1), 3, op.site(*example)
        parameters = [r.normal(size=size) for _, size in op.parameters.rows(site)]
        inputs = tuple(r.normal(size=(int(np.prod(shape)), n)) for shape in site.shapes)
        arithmetic = Counting()
        y, moves = op.layer.moves(site, arithmetic, parameters, inputs)
        y = y.copy()  # it may be the parameter itself
        macs, sizes = op.layer.moves_cost(site)
        assert arithmetic.macs == n * macs
        added = len(parameters) - op.layer.added(site)
        lengths = [n if k < added else 1 for k in range(len(parameters))]
        assert [v.shape for v in moves] == [(*size, k) for size, k in zip(sizes, lengths, strict=True)]
        narrow = [p.astype(np.float32) for p in parameters]
        small = tuple(x.astype(np.float32) for x in inputs)
        assert_same_bits(op.layer.moves(site, Exact, narrow, small)[0], op.forward(site, Exact, narrow, small))
        for parameter, v in zip(parameters, moves):
            before, after, s, t, _ = v.shape
            o = parameter.size // (s * t)
            for element in r.choice(parameter.size, min(9, parameter.size), replace=False):
                expected = np.zeros((before, o, after, n if inputs else 1))
                row, column, behind = np.unravel_index(element, (s, o, t))
                expected[:, column] = v[:, :, row, behind]
                kept = parameter.flat[element]
                parameter.flat[element] += 1.0
                moved = op.forward(site, Fast, parameters, inputs) - y
                parameter.flat[element] = kept
                np.testing.assert_allclose(moved, expected.reshape(len(y), -1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("start", ["left", "right"])
def test_the_cut_is_the_cheapest_and_any_would_do(start, monkeypatch):
    attributes = tt((2, 3, 1, 4), (3, 1, 2, 2), 3, start)
    shape = TTShape(*(tuple(attributes[key]) for key in ("inputs", "outputs", "ranks")))
    op, r = OPS["tt_linear"], np.random.default_rng(0)
    site = op.site(attributes, [(23,)])
    parameters, x = [r.normal(size=size) for _, size in op.parameters.rows(site)], r.normal(size=(23, 4))
    expected = op.layer.moves(site, Fast, parameters, (x,))
    for cut in range(5):
        monkeypatch.setattr(TTShape, "cheapest_cut", lambda self, cut=cut: (cut, self.moves_macs(cut)))
        arithmetic = Counting()
        y, moves = op.layer.moves(site, arithmetic, parameters, (x,))
        assert arithmetic.macs == 4 * op.layer.moves_cost(site)[0]
        np.testing.assert_allclose(y, expected[0], rtol=1e-12)
        for found, wanted in zip(moves, expected[1], strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    monkeypatch.undo()
    assert shape.cheapest_cut()[1] == min(shape.moves_macs(cut) for cut in range(5))


@pytest.mark.parametrize("update", [bf.SGD(0.5), bf.Adam(0.05)], ids=["sgd", "adam"])
def test_training(update):
    """The same theta on both engines, from the journal's snapshots too; it learns."""
    x = floats(1, 40, 11)
    y = (x[:, 0] > 0) * 2 + (x[:, 1] > 0)
    runs = []
    for engine in ("exact", "compiled"):
        model = bf.Sequential(11, [bf.TTLinear((2, 3, 2), (3, 2, 2), rank=3), bf.Tanh(), bf.Linear(4)], seed=0)
        runs.append(bf.train(model, (x, y), estimator=bf.StructuredCGE(), update=update, batch_size=20, max_steps=40,
                             engine=engine, seed=2))  # fmt: skip
    assert_same_bits(runs[1].model.theta, runs[0].model.theta)
    assert runs[0].losses[-1] < 0.5 * runs[0].losses[0]
    assert runs[0].forwards == 40 * runs[0].trainer.forwards and runs[0].evaluations == 40
    assert_same_bits(bf.replay(runs[0].journal, runs[0].trainer, model.theta, "exact"), runs[0].model.theta)


def test_its_row():
    row = ESTIMATORS.of(bf.StructuredCGE())
    assert (row.name, row.journal, row.tier) == ("structured_cge", "SNAPSHOT", "layer-access")


class Outside:
    """An engine that only has losses."""

    dtype = np.dtype(np.float32)


BAD = [
    (lambda: bf.StructuredCGE(mu=0), "mu: expected a finite number > 0, got 0"),
    (lambda: bf.StructuredCGE(two_sided=1.5), r"two_sided: expected one of True, False, got 1.5"),
    (lambda: bf.StructuredCGE().start(np.zeros(3, np.float32)).ask(), "got StructuredCGE, which moves activations"),
    (lambda: estimate(bf.StructuredCGE(), *build("deep"), Outside()), "engine: expected reference, .* structured_cge"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
