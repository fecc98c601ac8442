"""One test for each known way to get zeroth-order training wrong: the trap in a sentence, and that we are not in it.

Most were found in released code. Details are tested elsewhere; here each trap is sprung once, where that can be done,
so that a test that could not tell right from wrong would show.
"""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, device_loop, floats, make_engine
from oracle import Network

import bpfree as bf
from bpfree.directions import RANDOM
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import Probe
from bpfree.losses import LOSSES
from bpfree.trainer import Trainer
from bpfree.tt.cores import to_dense

N = 8
NETWORK = Network()
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
THETA = MODEL.theta + floats(7, D, scale=0.2)
X, LABELS = floats(6, N, 6), np.arange(N).astype(np.uint32) % 2
BATCH = Batch(X, LABELS)
TRUE = NETWORK.gradient(THETA, X, labels=LABELS)
LENGTH = np.linalg.norm(TRUE)
COMPILED, WIDE = bf.CompiledEngine(), ReferenceEngine(dtype=np.float64)
EVERY = [*(bf.RGE(4, direction=d, grouping=g) for d in RANDOM for g in ("joint", "layer")), bf.CGE(), bf.CGE(0.3)]


def name(estimator):
    """A short test id."""
    return f"{estimator.direction}-{getattr(estimator, 'fraction', '') or estimator.grouping}"


DIRECTIONS = pytest.mark.parametrize("direction", RANDOM)


def trainer_of(estimator, seed=0):
    return Trainer(GRAPH, MODEL.frozen, "cross_entropy", estimator, bf.SGD(1.0), batch_size=N, seed=seed)


def estimates(estimator, steps, seed=0):
    """Gradient estimates (steps, d): one step of SGD with lr 1 from zero is minus the gradient, exactly."""
    trainer, rows, zero = trainer_of(estimator, seed), [], np.zeros(D, np.float32)
    for step in range(steps):
        estimate = trainer.estimate(COMPILED, THETA, BATCH, step)
        rows.append(-COMPILED.apply(trainer, zero, [], step, estimate.coefficients)[0])
    return np.array(rows, np.float64)


def cosine_and_ratio(g, true=TRUE):
    """Of an estimate and the gradient."""
    return g @ true / np.linalg.norm(g) / np.linalg.norm(true), np.linalg.norm(g) / np.linalg.norm(true)


def mean_of_many(estimator):
    """The mean of q = 102,400 directions: cosine 0.99 takes 49 (d - 1) = 2,107, a norm within 1 % more."""
    return estimates(estimator, 25).mean(axis=0)


# ----- the estimate -----


@pytest.mark.parametrize("estimator", EVERY, ids=name)
def test_restore(estimator):
    """Adding mu u and taking it off again leaves other parameters behind: a probe never writes theta."""
    step = np.float32(2.0**-7) * np.float32(1.1)
    back = (THETA + step) - step
    assert 0.01 < np.mean(back != THETA), "float32 would have moved some"
    theta = THETA.copy()
    theta.setflags(write=False)
    for engine in map(make_engine, ENGINES):
        estimate = trainer_of(estimator).estimate(engine, theta, BATCH, 0)
        assert estimate.finite
        assert_same_bits(theta, THETA)
    loop = device_loop(trainer_of(estimator), X, LABELS)
    loop._enter(0)
    loop.theta[:] = THETA
    assert loop.c.estimator.estimate(loop.c, loop.context) == 0  # on the device CGE moves one element of theta itself
    assert_same_bits(loop.theta, THETA)


@DIRECTIONS
def test_scale(direction):
    """Released code is right in direction and wrong in length: the mean has cosine 1 *and* norm ratio 1."""
    cosine, ratio = cosine_and_ratio(mean_of_many(bf.RGE(4096, direction=direction)))
    assert cosine > 0.995
    # noise along the gradient: sqrt(2 / 102,400) = 0.0044, a fifth of what a missing 1/2 or 1/q would be at the least
    assert abs(ratio - 1) < 0.02


@DIRECTIONS
@pytest.mark.parametrize("two_sided", [True, False])
def test_factor_two_of_the_second_side(direction, two_sided):
    """One-sided differences are over mu, two-sided over 2 mu: on a linear function both are exact, draw by draw."""
    model = bf.Sequential(3, [bf.Linear(1, bias=False)])
    x, targets = floats(1, 1, 3), np.zeros((1, 1), np.float32)
    estimator = bf.RGE(1, mu=2.0**-10, two_sided=two_sided, direction=direction)
    trainer = Trainer(model.graph, model.frozen, "mse", estimator, bf.SGD(), 1)
    theta = np.array([3.0, -2.0, 1.0])
    true = 2 * (x[0] @ theta) * x[0].astype(float)  # of the square (x . theta)^2
    for step in range(5):
        estimate = trainer.estimate(WIDE, theta, Batch(x, targets=targets), step)
        g = trainer.gradient(step, estimate.coefficients)
        u = g / estimate.coefficients[0, 0]
        slope = u @ true + (0 if two_sided else 2.0**-10 * (x[0] @ u) ** 2)
        assert estimate.coefficients[0, 0] == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("estimator", EVERY, ids=name)
def test_sign(estimator):
    """Ascent instead of descent, or plus and minus swapped in one of two places: a step lowers the loss."""
    run = bf.train(
        bf.Model(GRAPH, THETA), (X, LABELS), estimator=estimator, update=bf.SGD(0.02), batch_size=N, max_steps=40,
        engine=COMPILED,
    )  # fmt: skip
    before, after = (NETWORK.loss(theta.astype(float), X, labels=LABELS) for theta in (THETA, run.model.theta))
    assert after < before - 0.01


def test_sphere_radius():
    """Directions of length 1 give a gradient d times too short: the radius is sqrt(d)."""
    g = mean_of_many(bf.RGE(4096, direction="sphere"))
    assert abs(cosine_and_ratio(g)[1] - 1) < 0.02
    assert abs(cosine_and_ratio(g / D)[1] - 1) > 0.9, "what radius 1 would give"


def test_coordinate_factor():
    """A random coordinate direction e_k carries the factor d; all coordinates together carry none."""
    assert abs(cosine_and_ratio(estimates(bf.CGE(), 1)[0])[1] - 1) < 2e-3
    one = estimates(bf.CGE(1 / D, rescale=True), 400)  # one coordinate a step, drawn anew
    dense = estimates(bf.CGE(), 1)[0]
    k = one.nonzero()[1]
    assert len(k) == 400 and len(set(k)) > D * 0.95
    np.testing.assert_allclose(one[np.arange(400), k], D * dense[k], rtol=1e-5)


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.9])
def test_mask_probability(fraction):
    """`fraction` is the share that is probed, not the share that is dropped: at 0.5 the two look the same."""
    rows = estimates(bf.CGE(fraction), 300)
    share = np.count_nonzero(rows) / rows.size
    assert share == pytest.approx(fraction, abs=0.5 / D)
    slope = rows.mean(axis=0) @ TRUE / (TRUE @ TRUE)
    assert slope == pytest.approx(fraction, abs=0.05)
    slope = estimates(bf.CGE(fraction, rescale=True), 300).mean(axis=0) @ TRUE / (TRUE @ TRUE)
    assert slope == pytest.approx(1, abs=0.3)


def test_difference_of_means():
    """Losses of several units, averaged first and subtracted then, lose what the difference is made of."""
    estimator, engine = bf.RGE(16, mu=2.0**-9), ReferenceEngine(exact=True)
    rough = Trainer(GRAPH, MODEL.frozen, "mse", estimator, bf.SGD(), 512)
    x, targets = floats(3, 512, 6), floats(4, 512, 2, scale=0.3) + np.float32(30.0)
    errors = {"ours": [], "means": []}
    for step in range(20):
        batch = Batch(x, targets=targets)
        estimate = rough.estimate(engine, THETA, batch, step)
        values = estimate.losses
        exact = rough.estimate(WIDE, THETA.astype(float), batch, step).losses
        width = 2 * estimator.mu * estimator.n_queries
        true = (exact[0::2] - exact[1::2]).mean(axis=1) / width
        means = values.mean(axis=1, dtype=np.float32)
        errors["ours"].append(estimate.coefficients[0] - true)
        errors["means"].append((means[0::2] - means[1::2]) / width - true)
    ours, means = (np.sqrt(np.mean(np.square(errors[name]))) for name in ("ours", "means"))
    assert means > 3 * ours


@pytest.mark.parametrize("estimator", EVERY, ids=name)
def test_common_random_numbers(estimator):
    """Another minibatch for the other side adds noise of 1/mu: all losses of a step are taken on one."""
    seen = []

    class Spy:
        dtype = COMPILED.dtype

        def evaluate(self, graph, theta, frozen, batch, loss, probes):
            seen.append(batch)
            return COMPILED.evaluate(graph, theta, frozen, batch, loss, probes)

    trainer_of(estimator).estimate(Spy(), THETA, BATCH, 0)
    assert len(seen) == 1 and seen[0] is BATCH


def test_what_other_samples_for_the_other_side_would_cost():
    """The noise of common random numbers does not depend on mu; without them it is 16 times larger at mu / 16."""
    loss, every, rms = LOSSES["softmax_cross_entropy"], GRAPH.n_theta, {}
    for mu in (2.0**-4, 2.0**-8):
        common, apart = [], []
        for step in range(40):
            order = np.random.default_rng(step).permutation(N)
            plus, minus = (Probe(0, step, 0, sign * mu, 0, every) for sign in (1, -1))
            left, right = (
                COMPILED.evaluate(GRAPH, THETA, MODEL.frozen, BATCH.take(half), loss, [plus, minus])[0]
                for half in (order[:4], order[4:])
            )
            common.append((left[0] - left[1]).mean() / (2 * mu))
            apart.append((left[0].mean() - right[1].mean()) / (2 * mu))
        rms[mu] = [np.sqrt(np.mean(np.square(values))) for values in (common, apart)]
    (common, apart), (finer, noisy) = rms.values()
    assert finer == pytest.approx(common, rel=0.05)
    assert noisy == pytest.approx(16 * apart, rel=0.3) and noisy > 20 * finer


@DIRECTIONS
def test_layers_that_share_one_loss_difference_look_alike(direction):
    """With one difference for all, |g| of every layer is one number times sqrt(d): data-free. Layer-wise it is not."""
    layers = GRAPH.groups("layer")
    sizes = np.array([len(layer) for layer in layers])
    ranges = np.split(np.arange(D), np.cumsum(sizes)[:-1])
    true = [TRUE[own] @ TRUE[own] for own in ranges]

    def shares(grouping, steps=400):
        rows = estimates(bf.RGE(1, grouping=grouping, direction=direction), steps)
        return rows, np.array([(rows[:, own] ** 2).sum(axis=1).mean() for own in ranges])

    joint_rows, joint = shares("joint")
    if direction == "rademacher":  # exactly, draw by draw
        ratio = (joint_rows[:, ranges[0]] ** 2).sum(axis=1) / (joint_rows[:, ranges[1]] ** 2).sum(axis=1)
        np.testing.assert_allclose(ratio, sizes[0] / sizes[1], rtol=1e-5)
    assert joint[0] / joint[1] == pytest.approx(sizes[0] / sizes[1], rel=0.3), "what the gradient is does not show"
    rows, own = shares("layer")
    longer = 2 if direction == "gaussian" else 0
    expected = [(d + longer) * g for d, g in zip(sizes, true)]  # E |g|^2 of a layer: its own gradient, no other
    assert own == pytest.approx(expected, rel=0.35)
    assert abs(own[0] / own[1] / (joint[0] / joint[1]) - 1) > 0.3, "the two differ here, or this would show nothing"
    for part in ranges:  # a coefficient is u.g of its own layer, so (u.g) c is a square, but for rounding
        products = rows[:, part] @ TRUE[part]
        assert products.min() > -1e-4 * products.mean()


@DIRECTIONS
@pytest.mark.parametrize("q", [1, 4, 16])
def test_length_and_angle_of_one_estimate(direction, q):
    """An estimate of q directions is sqrt((q + d - 1) / q) times too long and points sqrt(q / (q + d - 1)) our way.

    Of q different rows of a Hadamard matrix of order n the noise is (n - q) / (n - 1) of that.
    """
    rows, order = estimates(bf.RGE(q, direction=direction), 1500), 1 << (D - 1).bit_length()
    noise = (D - 1) / q * ((order - q) / (order - 1) if direction == "hadamard" else 1)
    squares, more = (rows**2).sum(axis=1), 2 / q if direction == "gaussian" else 0
    error = squares.std() / LENGTH**2 / np.sqrt(len(rows))
    assert squares.mean() / LENGTH**2 == pytest.approx(1 + noise + more, abs=5 * error)
    cosine = rows @ TRUE / np.sqrt(squares) / LENGTH
    assert np.sqrt(np.mean(cosine**2)) == pytest.approx(np.sqrt(1 / (1 + noise)), rel=0.1)
    shorter = estimates(bf.RGE(q, direction=direction, scale="dim"), 50)
    np.testing.assert_allclose(shorter, rows[:50] / (1 + noise), rtol=0, atol=1e-6 * np.abs(rows).max())


def test_mu_below_float_resolution():
    """A radius that float32 rounds away gives differences of 0 and training that does nothing, silently."""
    run = bf.train(bf.Model(GRAPH, THETA), (X, LABELS), estimator=bf.CGE(mu=1e-30), batch_size=N, max_steps=50)
    assert "no probe changed the loss" in run.outcome and "larger mu" in run.outcome


# ----- random numbers -----


@pytest.mark.parametrize("estimator", [e for e in EVERY if e != bf.CGE()], ids=name)
def test_seed_zero_is_a_seed(estimator):
    """Code that takes 0 for "no seed" draws from the clock: 0 repeats, and differs from 1."""
    first, again, other = (estimates(estimator, 3, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.any(np.all(first == other, axis=1))
    assert not np.array_equal(first[0], first[1]), "steps differ"


@DIRECTIONS
def test_the_same_direction_for_equal_layers(direction):
    """A generator seeded anew for every tensor gives tensors of one shape one direction."""
    twin = bf.Sequential(4, [bf.Linear(4, bias=False), bf.Linear(4, bias=False)]).graph
    coefficients = np.ones((2, 1), np.float32)
    g = bf.RGE(grouping="tensor", direction=direction).gradient(twin, 0, 0, coefficients)
    assert abs(np.corrcoef(np.abs(g[:16]) * np.sign(g[:16]), g[16:])[0, 1]) < 0.9
    assert not np.array_equal(g[:16], g[16:])


# ----- tensor trains -----


@pytest.mark.parametrize("rank", [2, 6])
@pytest.mark.parametrize("padded", [0, 5])
def test_tensor_train_initialisation(rank, padded):
    """Formulas in circulation miss the ranks' product, or the padding, by orders of magnitude: Var W = 1 / features."""
    model = bf.Sequential(64 - padded, [bf.TTLinear((4, 4, 4), (4, 4, 2), rank=rank)], seed=0)
    cores = [value.astype(float) for name, value in model.parameters().items() if "core" in name]
    variance = (to_dense(cores) ** 2).mean()
    assert variance == pytest.approx(1 / (64 - padded), rel=1e-5)
    ranks = rank * rank
    for wrong in (variance * ranks, variance / ranks, variance * np.sqrt(ranks)):
        assert wrong != pytest.approx(1 / (64 - padded), rel=0.3)
    y = model.predict(floats(1, 4000, 64 - padded))
    assert y.std() == pytest.approx(1, rel=0.2), "activations keep their size"
