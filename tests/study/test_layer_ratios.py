"""Shares of layers: by definition, against automatic differentiation, and against noise."""

import numpy as np
import pytest
from helpers import floats
from oracle import Network

import bpfree as bf
from bpfree.datasets import load_digits
from bpfree.errors import NumericError
from bpfree.study.layer_ratios import _grasp_scores, _kept

DIGITS = load_digits()
FRACTION = 0.1
DEEP = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(16), bf.ReLU(), bf.Linear(24), bf.ReLU(),
                          bf.Linear(16), bf.ReLU(), bf.Linear(10)], seed=0)  # fmt: skip
TENSORS = np.array([part.size for part in DEEP.graph.slices])
LAYERWISE, JOINT = bf.RGE(64, grouping="layer"), bf.RGE(64)


def grasp(estimator=LAYERWISE, seed=0, y=DIGITS.train.labels, model=DEEP):
    """Return the shares of the tensors."""
    settings = {"fraction": FRACTION, "estimator": estimator, "seed": seed, "n_samples": 64}
    return np.array(bf.layer_ratios("grasp", model, (DIGITS.train.x, y), **settings))


def by_layer(shares):
    """Return one share per layer, that of its weight."""
    return np.asarray(shares)[::2]


def noise(model=DEEP, seed=0):
    """Return the shares for scores of theta times noise, without data or losses."""
    scores = model.theta * np.random.default_rng(seed).normal(size=model.theta.size)
    return by_layer(_kept(model.graph, scores, round(FRACTION * model.theta.size)))


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def test_shares_add_up_to_the_fraction():
    for method in ("uniform", "erk", "magnitude", "grasp"):
        shares = np.array(bf.layer_ratios(method, DEEP, DIGITS.train, fraction=FRACTION))
        counts = shares * TENSORS
        assert np.abs(counts - np.round(counts)).max() < 1e-9
        assert np.round(counts).sum() == round(FRACTION * DEEP.graph.n_theta)
        assert (counts > 0.5).all()
        parts = bf.CGE(FRACTION, ratios=shares).parts(DEEP.graph)
        assert [part.count for part in parts] == np.round(counts).astype(int).tolist(), "CGE probes just those"


@pytest.mark.parametrize("method", ["uniform", "erk"])
def test_by_size_is_what_the_name_means_to_cge(method):
    shares = bf.layer_ratios(method, DEEP, fraction=FRACTION)
    named, given = bf.CGE(FRACTION, ratios=method), bf.CGE(FRACTION, ratios=shares)
    assert named.parts(DEEP.graph) == given.parts(DEEP.graph)


def test_magnitude_counts_the_largest_weights():
    model = bf.Model(DEEP.graph, DEEP.theta.copy())
    second = model.graph.slices[2]
    model.theta[:] = 0.1 * np.sign(floats(1, model.theta.size))
    model.theta[second.range] *= 5  # the largest are all in layer 2, which has 512 weights and so more than 359
    shares = bf.layer_ratios("magnitude", model, fraction=FRACTION)
    counts = np.round(np.array(shares) * TENSORS).astype(int)
    assert counts[2] + counts[3] == 359 - 8 and (counts[[0, 1, 4, 5, 6, 7, 8, 9]] == 1).all()
    assert shares[2] == pytest.approx(shares[3], abs=1 / 16), "the bias has its layer's share"


NETWORK = Network()
TT = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
X, Y = floats(6, 64, 6), np.arange(64) % 2


def true_scores(theta):
    """Return theta (H g) by automatic differentiation, with H g as a fine difference of true gradients."""
    g = NETWORK.gradient(theta, X, labels=Y)
    h = 1e-5 / np.linalg.norm(g)
    higher, lower = (NETWORK.gradient(theta + s * h * g, X, labels=Y) for s in (1, -1))
    return theta * (higher - lower) / (2 * h)


def test_scores_are_theta_times_hessian_times_gradient():
    model = bf.Model(TT.graph, TT.theta + floats(7, TT.theta.size, scale=0.2))
    exact = bf.CGE(mu=2.0**-6)
    found = _grasp_scores(model, (X, Y), "cross_entropy", exact, 64, 0, bf.ReferenceEngine(dtype=np.float64))
    true = true_scores(model.theta.astype(np.float64))
    assert correlation(found, true) > 0.9999
    assert np.linalg.norm(found) / np.linalg.norm(true) == pytest.approx(1, abs=0.02)
    for wrong in (-true, true / model.theta, model.theta * NETWORK.gradient(model.theta, X, labels=Y)):
        assert correlation(found, wrong) < 0.95


def test_what_is_kept_is_what_gradient_flow_would_miss():
    """Wang et al.: removing weight k changes |g|^2 by 2 S_k, S = -theta (H g); the lowest S are kept."""
    model = bf.Model(TT.graph, TT.theta + floats(7, TT.theta.size, scale=0.2))
    theta = model.theta.astype(np.float64)
    scores = true_scores(theta)

    def flow(theta):
        return (NETWORK.gradient(theta, X, labels=Y) ** 2).sum()

    steps = np.zeros(theta.size)
    for k in range(theta.size):  # remove a thousandth of the weight
        moved = theta.copy()
        moved[k] *= 1 - 1e-3
        steps[k] = (flow(moved) - flow(theta)) / 1e-3
    assert np.abs(steps - -2 * scores).max() < 0.01 * np.abs(steps).max()
    kept = _kept(TT.graph, scores, 10)
    lowest = np.argsort(steps)[:10]
    sizes = [sum(part.size for part in TT.graph.slices[:3]), sum(part.size for part in TT.graph.slices[3:])]
    inside = [(lowest < sizes[0]).sum(), (lowest >= sizes[0]).sum()]
    assert [kept[0], kept[3]] == pytest.approx([n / size for n, size in zip(inside, sizes, strict=True)])


def test_directions_of_each_layer_do_what_a_shared_one_cannot():
    """With one loss difference for all layers the shares are those of theta times noise (released code: 0.999)."""
    data_free = np.mean([noise(seed=k) for k in range(100)], axis=0)
    joint, layerwise = ([by_layer(grasp(e, seed)) for seed in range(12)] for e in (JOINT, LAYERWISE))
    others = [noise(seed=1000 + k) for k in range(5)]

    def off(shares):
        """Return the distance from data-free shares, summed over the layers."""
        return np.mean([np.abs(own - data_free).sum() for own in shares])

    def agreement(shares):
        """Return the correlation, between two seeds, of the differences from data-free shares."""
        parts = [own - data_free for own in shares]
        return np.mean([correlation(a, b) for k, a in enumerate(parts) for b in parts[:k]])

    assert np.mean([correlation(own, data_free) for own in joint]) > 0.85
    assert off(joint) < 1.6 * off(others) and off(layerwise) > 2 * off(others)
    assert agreement(joint) < 0.35 and agreement(layerwise) > 0.45


def test_a_layer_that_the_loss_hardly_depends_on():
    """A layer's output is scaled by 1/1000: its own directions detect this, shared ones cannot."""
    def block():
        return bf.Residual(bf.Linear(16), bf.ReLU(), bf.Scale(1e-3))

    layers = [bf.Linear(16), bf.ReLU(), block(), bf.Linear(10)]
    model = bf.Sequential(64, layers, seed=1)
    found = [by_layer(grasp(e, model=model))[1] for e in (JOINT, LAYERWISE, bf.CGE())]
    assert found[0] > 0.1 and found[1] < 0.02 and found[2] < 0.02
    assert noise(model)[1] > 0.1


def test_labels_matter():
    """With exact gradients, other labels give other shares; the seed is the only source of randomness."""
    model = bf.Sequential(64, [bf.Linear(12), bf.ReLU(), bf.Linear(10)], seed=0)
    orders = [np.random.default_rng(k).permutation(len(DIGITS.train.labels)) for k in range(3)]
    labels = [DIGITS.train.labels, *(DIGITS.train.labels[order] for order in orders)]
    one, *others = (by_layer(grasp(bf.CGE(), y=y, model=model)) for y in labels)
    assert np.mean([np.abs(one - other).sum() for other in others]) > 0.02
    assert (grasp(seed=3) == grasp(seed=3)).all()
    assert not (grasp(seed=3) == grasp(seed=4)).all()


@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_engines_agree_to_the_bit(engine):
    model = bf.Model(TT.graph, TT.theta + floats(7, TT.theta.size, scale=0.2))
    scores = [_grasp_scores(model, (X, Y), "cross_entropy", bf.RGE(4, grouping="layer"), 32, 0, name)
              for name in (engine, "exact")]  # fmt: skip
    assert (scores[0] == scores[1]).all()


def test_the_model_is_left_as_it_is():
    before = DEEP.theta.copy()
    grasp()
    assert (DEEP.theta == before).all()


def call(method="grasp", model=TT, data=(X, Y), fraction=0.5, **more):
    return bf.layer_ratios(method, model, data, fraction=fraction, **more)


BAD = [
    (lambda: call("snip"), ValueError, "method: expected one of 'uniform', 'erk', 'magnitude', 'grasp', got 'snip'"),
    (lambda: call(fraction=1), ValueError, r"fraction: expected a number in \(0, 1\), got 1"),
    (lambda: call(fraction="a"), TypeError, "fraction: expected a number, got 'a'"),
    (lambda: call("erk", model=TT.graph), TypeError, "model: expected a Model, got Graph"),
    (lambda: call(data=None), TypeError, r"data: expected a pair \(x, y\), or \(x, y, w\), got NoneType"),
    (lambda: call(data=(X[:, :5], Y)), ValueError, "x: expected shape"),
    (lambda: call(data=(X, Y + 5)), ValueError, "y: expected labels"),
    (lambda: call(n_samples=0), ValueError, "n_samples: expected an integer >= 1, got 0"),
    (lambda: call(loss="mae"), ValueError, "loss"),
    (lambda: call(estimator="rge"), TypeError, "estimators: expected one of"),
    (lambda: call(engine="gpu"), ValueError, "engine: expected one of"),
    (lambda: call(seed=-1), ValueError, "seed: expected"),
    (lambda: call(fraction=0.05), ValueError, "fraction: expected 5 to 44 of 44 elements, as ratios allow, got 2"),
    (lambda: call(estimator=bf.CGE(mu=1e-30)), NumericError, "grasp: no probe changed the loss: try a larger mu"),
]


@pytest.mark.parametrize(("use", "error", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(use, error, message):
    with pytest.raises(error, match=message):
        use()


def test_a_loss_that_is_not_finite():
    model = bf.Model(TT.graph, TT.theta.copy())
    model.theta[TT.graph.slices[3].range] = 3e38
    with pytest.raises(NumericError, match="grasp: the loss is not finite"):
        call(model=model)
