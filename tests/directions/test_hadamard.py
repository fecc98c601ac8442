"""Hadamard directions: SciPy's matrix, orthogonality, and exactness once every row has been used."""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats, make_engine
from oracle import Network
from scipy import linalg

import bpfree as bf
from bpfree.directions import DIRECTIONS, hadamard
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import Probe, pack, perturb
from bpfree.estimators.rge import GROUPINGS
from bpfree.graph import Graph, layout
from bpfree.graph.c_tables import model_tables
from bpfree.native.model import NativeModel
from bpfree.trainer import Trainer

MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
THETA = MODEL.theta + floats(7, D, scale=0.2)
X, LABELS = floats(6, 8, 6), np.arange(8).astype(np.uint32) % 2


def directions(graph, q, step=0, seed=1):
    """Return U (q, d) of a step, with every probe as the reference engine sees it."""
    probes = bf.RGE(q, mu=1.0, direction="hadamard").ask(graph, seed, step)[::2]
    return np.stack([perturb(graph, np.zeros(graph.n_theta), probe) for probe in probes])


@pytest.mark.parametrize("row", [0, 1, 2, 17, 31, 32, 33, 200, 255])
@pytest.mark.parametrize(("first", "size"), [(0, 256), (1, 100), (31, 2), (37, 90), (64, 64)])
def test_the_matrix_is_sylvesters(row, first, size):
    expected = linalg.hadamard(256)[row, first : first + size]
    np.testing.assert_array_equal(hadamard.walsh(row, first, size), expected)


def test_far_columns_are_a_kronecker_product():
    """H of order 2^31 is the Kronecker product of H(2^16) and H(2^15)."""
    row, first = 0x5A5A1234, 0x6789ABC0
    low = linalg.hadamard(64)[row & 63, :64]
    expected = low * (-1) ** bin(row & first).count("1")
    np.testing.assert_array_equal(hadamard.walsh(row, first, 64), expected)


def test_rows_of_a_step_differ_and_steps_do_too():
    first, second = (hadamard.rows(40, 3, step, range(64)) for step in (0, 1))
    assert sorted(first) == sorted(second) == list(range(64)) and not np.array_equal(first, second)
    np.testing.assert_array_equal(hadamard.rows(40, 3, 0, range(100)), [*first, *first[:36]])
    assert [hadamard.order(d) for d in (1, 2, 3, 4, 5, 3962)] == [1, 2, 4, 4, 8, 4096]


@pytest.mark.parametrize(("sizes", "q"), [((64,), 64), ((33, 31), 64), ((5, 2, 1), 8), ((128,), 20)])
def test_directions_of_a_step_are_orthogonal(sizes, q):
    """Directions are exactly orthogonal if d is a power of two, however theta is cut into slices."""
    graph = Graph((), (), layout([(f"p{k}", (n,), k, False) for k, n in enumerate(sizes)]))
    u = directions(graph, q)
    np.testing.assert_array_equal(u @ u.T, sum(sizes) * np.eye(q))


def test_elsewhere_they_nearly_are():
    """The product of two rows is at most D - d, the number of missing columns."""
    u = directions(GRAPH, 64)
    products = u @ u.T
    np.testing.assert_array_equal(np.diag(products), D)
    assert 0 < np.abs(products - np.diag(np.diag(products))).max() <= 64 - D
    np.testing.assert_array_equal(u.T @ u, 64 * np.eye(D))  # all 64 rows leave no noise


def test_a_single_direction_is_white():
    draws = np.concatenate([directions(GRAPH, 8, step) for step in range(500)])
    products = draws.T @ draws / len(draws)
    assert np.abs(products - np.eye(D)).max() < 5.5 / np.sqrt(len(draws))
    assert np.abs(draws.mean(axis=0)).max() < 5 / np.sqrt(len(draws))


@pytest.mark.parametrize("grouping", GROUPINGS)
@pytest.mark.parametrize("two_sided", [True, False], ids=["two-sided", "one-sided"])
def test_with_every_row_it_is_the_gradient(grouping, two_sided):
    """The gradient is exact up to O(mu^2), or O(mu) one-sided, as with CGE: the draw adds no noise."""
    true = Network().gradient(THETA, X, labels=LABELS)
    engine, theta = ReferenceEngine(dtype=np.float64), THETA.astype(np.float64)
    for step in range(3):
        for q in (64, 128):
            estimator = bf.RGE(q, mu=1e-4 if two_sided else 1e-7, two_sided=two_sided, grouping=grouping,
                               direction="hadamard")  # fmt: skip
            trainer = Trainer(GRAPH, MODEL.frozen, "cross_entropy", estimator, bf.SGD(), 8, seed=5)
            estimate = trainer.estimate(engine, theta, Batch(X, LABELS), step)
            np.testing.assert_allclose(trainer.gradient(step, estimate.coefficients), true, atol=1e-5)
    signs = bf.RGE(64, mu=1e-4, grouping=grouping)
    trainer = Trainer(GRAPH, MODEL.frozen, "cross_entropy", signs, bf.SGD(), 8, seed=5)
    estimate = trainer.estimate(engine, theta, Batch(X, LABELS), 0)
    assert np.linalg.norm(trainer.gradient(0, estimate.coefficients) - true) > 0.2 * np.linalg.norm(true)


def test_probes_have_the_same_bits_in_c():
    """The rows have low and high bits, and the slices begin anywhere in a word."""
    tables = NativeModel(model_tables(GRAPH))
    for row in (0, 1, 5, 30, 32, 63, 2**31 - 1):
        for first, count in ((0, D), (1, 1), (3, 20), (D - 13, 13)):
            probe = Probe(4, 5, 6, -0.03, first, count, "hadamard", row)
            out = perturb(GRAPH, THETA, probe)
            assert_same_bits(tables.perturb(THETA, pack([probe])), out)
            moved = np.arange(first, first + count)
            signs = np.sign(THETA - out)[moved]  # the signs of -mu u
            own = [DIRECTIONS["rademacher"].draw(piece, 4, 5, 6) for piece in GRAPH.pieces(0, D)]
            own = np.concatenate(own)[moved]
            np.testing.assert_array_equal(signs * own, [(-1) ** bin(row & int(k)).count("1") for k in moved])


@pytest.mark.parametrize("name", ENGINES)
def test_a_run_replays(name):
    x, y = floats(1, 40, 6), np.arange(40) % 2
    estimator = bf.RGE(6, direction="hadamard", grouping="layer")
    run = bf.train(MODEL, (x, y), estimator=estimator, update=bf.Adam(0.01), batch_size=8, max_steps=7,
                   engine=make_engine(name))  # fmt: skip
    assert run.losses[-1] < run.losses[0]
    for other in ENGINES:
        assert_same_bits(bf.replay(run.journal, MODEL, engine=make_engine(other)), run.model.theta)
