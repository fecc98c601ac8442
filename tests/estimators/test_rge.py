"""RGE against gradients by automatic differentiation: direction and norm, one draw and the mean of many."""

import numpy as np
import pytest
from helpers import floats, make_engine
from oracle import Network
from scipy import linalg

import bpfree as bf
from bpfree import rng
from bpfree.directions import DIRECTIONS, RANDOM, hadamard
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.estimators.rge import GROUPINGS
from bpfree.trainer import Trainer

N = 8
NETWORK = Network()
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
THETA = MODEL.theta + floats(7, D, scale=0.2)
LABELS = {"labels": np.arange(N).astype(np.uint32) % 2}
TARGETS = {"targets": floats(8, N, 2)}
X = floats(6, N, 6)
LOSSES = {"cross_entropy": LABELS, "mse": TARGETS}

groupings = pytest.mark.parametrize("grouping", GROUPINGS)
directions = pytest.mark.parametrize("direction", RANDOM)
sides = pytest.mark.parametrize("two_sided", [True, False], ids=["two-sided", "one-sided"])


def draw(direction, group, seed, step, query):
    """u (d,) of a probe in float64: its numbers on the group's elements of theta, 0 elsewhere."""
    row, u, columns = DIRECTIONS[direction], np.zeros(D), np.ones(D)
    if direction == "hadamard":  # SciPy's matrix; element k of theta has column k
        columns = linalg.hadamard(64)[hadamard.rows(len(group), seed, step, query), :D]
        query = 0
    for piece in GRAPH.pieces(0, D):
        u[piece.range] = row.draw(piece, seed, step, query)
    own = GRAPH.pieces(group.start, len(group))
    return u * columns * np.isin(np.arange(D), group) * float(row.scale(own, seed, step, query))


def trainer_of(estimator, loss="cross_entropy", lr=1.0):
    return Trainer(GRAPH, MODEL.frozen, loss, estimator, bf.SGD(lr), batch_size=N, seed=0)


def mean_estimate(estimator, steps, loss="cross_entropy"):
    """The mean over steps of the gradient estimate, and the mean of its squared length."""
    trainer, engine = trainer_of(estimator, loss), make_engine("compiled-" + bf.native.isa_names()[-1])
    batch, zero = Batch(X, **LOSSES[loss]), np.zeros(D, np.float32)
    total, squares = np.zeros(D), []
    for step in range(steps):
        estimate = trainer.estimate(engine, THETA, batch, step)
        # one update of lr 1 from zero is minus the gradient, exactly
        gradient = -engine.apply(trainer, zero, [], step, estimate.coefficients)[0].astype(np.float64)
        total += gradient
        squares.append(gradient @ gradient)
    return total / steps, np.array(squares)


def assert_gradient(estimate, gradient):
    """The two statements an estimator of a gradient has to satisfy on average."""
    norm, true = np.linalg.norm(estimate), np.linalg.norm(gradient)
    assert estimate @ gradient / (norm * true) >= 0.99
    assert abs(norm / true - 1) <= 0.02


def test_the_oracle_computes_the_same_network():
    assert D == 44 <= 50
    y = ReferenceEngine(dtype=np.float64).predict(GRAPH, THETA.astype(float), MODEL.frozen, X)
    assert np.allclose(y, NETWORK.outputs(THETA.astype(float), X.astype(float)), rtol=1e-12, atol=1e-12)


@groupings
@sides
@directions
@pytest.mark.parametrize("loss", LOSSES)
def test_every_draw_is_the_derivative_along_its_direction(loss, direction, grouping, two_sided):
    """In float64 with a small mu a coefficient is u.g / q to six digits: no statistics needed."""
    engine, q, mu = ReferenceEngine(dtype=np.float64), 4, 1e-4 if two_sided else 1e-7
    estimator = bf.RGE(q, mu=mu, two_sided=two_sided, grouping=grouping, direction=direction)
    trainer = trainer_of(estimator, loss)
    true = NETWORK.gradient(THETA, X, **LOSSES[loss])
    for step in range(4):
        estimate = trainer.estimate(engine, THETA.astype(float), Batch(X, **LOSSES[loss]), step)
        groups = GRAPH.groups(grouping)
        assert estimate.coefficients.shape == (len(groups), q)
        assert estimate.n_evaluations == len(groups) * q * (1 + two_sided) + (not two_sided)
        expected = np.zeros(D)
        for group, row in zip(groups, estimate.coefficients):
            for query, coefficient in enumerate(row):
                u = draw(direction, group, 0, step, query)
                # one-sided, mu/2 u.H u remains, of the size of mu |u|^2: a normal u may be twice as long as a sign's
                assert coefficient == pytest.approx(u @ true / q, abs=1e-5 * np.linalg.norm(true))
                expected += coefficient * u
        gradient = trainer.gradient(step, estimate.coefficients)
        assert np.allclose(gradient, expected, rtol=1e-13, atol=1e-13)


def draws_needed(gradient, grouping, direction):
    """Draws after which 2 % of the gradient's length are more than 4 sigma.

    The mean of N draws is the gradient g plus noise. Along g, one draw of a group's part h is
    (u.h)^2 / |h| long, of variance 2 (|h|^4 - sum h_i^4) / |h|^2; groups are independent. Across g, the
    noise has relative size sqrt((d-1)/N): about 0.03, a quarter of the 0.142 that a cosine of 0.99 allows;
    it lengthens the mean by (d-1)/(2N) < 0.0005, for which 0.0195 stands instead of 0.02. One-sided
    differences add (mu/2 u.H u) u, of mean zero and below 1 % of the noise at this mu; float32 losses
    add 1e-4 of it. For normal directions the variance is 2 |h|^2, for the sphere it is less.
    """
    variance = 0.0
    for group in GRAPH.groups(grouping):
        h = gradient[group.start : group.stop]
        variance += 2 * ((h @ h) ** 2 - (direction == "rademacher") * (h**4).sum())
    return (4.1 / 0.0195) ** 2 * variance / (gradient @ gradient) ** 2


@groupings
@sides
@directions
def test_the_mean_is_the_gradient(direction, grouping, two_sided):
    mu = 2.0**-9 if two_sided else 2.0**-10
    estimator = bf.RGE(4096, mu=mu, two_sided=two_sided, grouping=grouping, direction=direction)
    true = NETWORK.gradient(THETA, X, **LABELS)
    steps = int(np.ceil(draws_needed(true, grouping, direction) / 4096))
    assert np.sqrt((D - 1) / (steps * 4096)) < 0.035
    mean, _ = mean_estimate(estimator, steps)
    assert_gradient(mean, true)
    for broken in (-mean, 2 * mean, mean / 2, 1.05 * mean, mean[::-1]):
        with pytest.raises(AssertionError):
            assert_gradient(broken, true)


@directions
@pytest.mark.parametrize("q", [1, 8])
def test_length_of_one_draw(direction, q):
    """E |g|^2 = (q + d - 1) / q |grad|^2 where |u|^2 = d, and (q + d + 1) / q for normal u, of fourth moment 3.

    Rows of a Hadamard matrix of order 64 that are drawn without being put back leave (64 - q) / (64 - 1) of the noise.
    """
    steps = 3000
    _, squares = mean_estimate(bf.RGE(q, direction=direction), steps)
    true = NETWORK.gradient(THETA, X, **LABELS)
    noise = (D + (1 if direction == "gaussian" else -1)) / q * ((64 - q) / 63 if direction == "hadamard" else 1)
    expected = (1 + noise) * (true @ true)
    error = squares.std() / np.sqrt(steps)
    assert error < 0.03 * expected
    assert abs(squares.mean() - expected) < 5 * error


@sides
@directions
@pytest.mark.parametrize("q", [1, 5])
def test_scale_dim_multiplies_by_its_factor(direction, q, two_sided):
    """q / (q + d - 1), rounded to float32, once in the product that turns sums into coefficients.

    For rows of a Hadamard matrix (order 64): 1 / (1 + (d - 1) / q (64 - q) / 63).
    """
    engine, batch = make_engine("exact"), Batch(X, **LABELS)
    estimators = [bf.RGE(q, two_sided=two_sided, direction=direction, scale=scale) for scale in (1, "dim")]
    plain, scaled = (trainer_of(estimator).estimate(engine, THETA, batch, 2) for estimator in estimators)
    left = (64 - q) / 63 if direction == "hadamard" else 1
    expected = plain.coefficients.astype(float) / (1 + (D - 1) / q * left)
    np.testing.assert_allclose(scaled.coefficients, expected, rtol=4 * 2.0**-24)


def test_slices_of_equal_size_get_different_signs():
    twin = bf.Sequential(4, [bf.Linear(4, bias=False), bf.Linear(4, bias=False)]).graph
    first, second = (DIRECTIONS["rademacher"].draw(piece, 0, 0, 0) for piece in twin.pieces(0, 32))
    assert not np.array_equal(first, second)
    assert np.array_equal(second, rng.signs(0, 0, rng.address(rng.Domain.PROBE), 1, 16))


@groupings
@sides
@directions
def test_probes_asked_for(direction, grouping, two_sided):
    estimator = bf.RGE(3, mu=0.5, two_sided=two_sided, grouping=grouping, direction=direction)
    probes = estimator.ask(GRAPH, seed=9, step=4)
    sizes = [part.size for part in GRAPH.slices]
    sizes = {"joint": [D], "layer": [sum(sizes[:3]), sum(sizes[3:])], "tensor": sizes}[grouping]
    groups = zip(np.cumsum([0, *sizes]), sizes)
    expected = [] if two_sided else [(0.0, 0, 0, 0)]
    for first, count in groups:
        for query in range(3):
            stream = 0 if direction == "hadamard" else query  # its queries differ in `element`, the row
            expected += [(mu, stream, first, count) for mu in ((0.5, -0.5) if two_sided else (0.5,))]
    assert [(p.mu, p.query, p.first, p.count) for p in probes] == expected
    assert {(p.seed, p.step, p.direction) for p in probes} == {(9, 4, direction)}
    assert len(probes) == estimator.evaluations(GRAPH)


def test_differences_are_taken_per_sample():
    """Losses of 1e4 that differ by 1e-3: a difference of float32 means would see nothing of it."""
    values = np.full((2, 1000), 1e4, np.float32)
    values[0] += np.float32(2.0**-10)
    values[0, ::2] -= np.float32(2.0**-9)  # half of them differ the other way: the sum is zero, exactly
    values[0, 0] = np.float32(1e4) + np.float32(2.0**-10)
    estimate = bf.RGE(1, mu=0.5).tell(GRAPH, 0, 0, values)
    assert estimate.coefficients.tolist() == [[np.float32(2.0**-9) * np.float32(1 / 1000)]]
