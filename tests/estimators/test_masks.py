"""Masks of sparse CGE: how long they last, where in the network they lie, and what that makes of the gradient."""

import re

import numpy as np
import pytest
from helpers import assert_loops_agree, assert_same_bits, device_loop, floats

import bpfree as bf
from bpfree import native, rng
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.estimators.masks import apportion, counts
from bpfree.exporters import trainer_source
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.trainer import Trainer

N = 8
MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(2)], seed=3)
GRAPH, D = MODEL.graph, MODEL.graph.n_theta
SIZES = [part.size for part in GRAPH.slices]
THETA = MODEL.theta + floats(7, D, scale=0.2)
LABELS = np.arange(N).astype(np.uint32) % 2
X = floats(6, N, 6)
COMPILED = bf.CompiledEngine()
RATIOS = ("uniform", "erk", (0.0, 1.0, 0.3, 0.7, 1.0), (0.2, 0.2, 0.2, 0.2, 0.2))
ratios = pytest.mark.parametrize("ratios", RATIOS, ids=str)


def trainer_of(estimator, graph=GRAPH, frozen=MODEL.frozen, seed=0):
    return Trainer(graph, frozen, "cross_entropy", estimator, bf.SGD(1.0), batch_size=N, seed=seed)


def gradient(estimator, step=0, seed=0, engine=COMPILED):
    trainer = trainer_of(estimator, seed=seed)
    estimate = trainer.estimate(engine, THETA.astype(engine.dtype), Batch(X, labels=LABELS), step)
    return trainer.gradient(step, estimate.coefficients)


def mask(estimator, step, seed=0):
    return sorted(estimator.coordinates(GRAPH, seed, step).tolist())


def test_a_mask_lasts_and_is_the_one_of_its_number():
    """Key (seed, step // R): the masks of R = 5 are those of R = 1, each for five steps."""
    for shares in (None, *RATIOS):
        every = bf.CGE(0.3, ratios=shares)
        lasting = bf.CGE(0.3, ratios=shares, mask_refresh=5)
        masks = [mask(lasting, step) for step in range(20)]
        assert masks == [mask(every, step // 5) for step in range(20)]
        assert len({tuple(each) for each in masks}) == 4
        assert masks[0] != mask(lasting, 0, seed=1)


@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_steps_of_one_mask_move_the_same_parameters(engine):
    estimator = bf.CGE(0.2, mask_refresh=4, ratios="uniform")
    for steps, masks in ((4, 1), (5, 2)):
        run = bf.train(bf.Model(GRAPH, THETA), (X, LABELS), estimator=estimator, batch_size=N, max_steps=steps,
                       engine=engine, update=bf.SGD(0.1))  # fmt: skip
        touched = {k for draw in range(masks) for k in mask(estimator, 4 * draw)}
        assert set(np.flatnonzero(run.model.theta != THETA)) == touched
    assert len(touched) > round(0.2 * D)


@ratios
def test_each_tensor_has_its_count_and_a_permutation_of_its_own(ratios):
    estimator, seed, step = bf.CGE(0.4, ratios=ratios), 2**32 - 1, 9
    own = counts(ratios, GRAPH.slices, round(0.4 * D))
    assert sum(own) == round(0.4 * D) == estimator.record_shape(GRAPH)[1]
    expected = []
    for number, (part, n) in enumerate(zip(GRAPH.slices, own, strict=True)):
        assert n <= part.size and (n > 0) == (ratios in ("uniform", "erk") or ratios[number] > 0)
        places = [native.permute(rng.Domain.MASK, seed, step, part.size, k, part=number) for k in range(part.size)]
        chosen = list(range(n)) if n == part.size else [places.index(i) for i in range(n)]
        expected += [part.offset + k for k in chosen]
    assert estimator.coordinates(GRAPH, seed, step).tolist() == expected
    assert [probe.element for probe in estimator.ask(GRAPH, seed, step)[::2]] == expected


def test_tensors_of_one_size_have_different_masks():
    """Slices 0, 1 and 3 have 12 elements each: were their permutations the same, so would be their masks."""
    assert SIZES == [12, 12, 6, 12, 2]
    estimator, equal = bf.CGE(0.5, ratios=(1.0, 1.0, 0.0, 1.0, 0.0)), 0
    for step in range(20):
        elements = np.array(mask(estimator, step))
        masks = [tuple(elements[(elements >= at) & (elements < at + 12)] - at) for at in (0, 12, 30)]
        assert {len(each) for each in masks} <= {7, 8}
        equal += len(set(masks)) < 3
    assert equal <= 1


@ratios
@pytest.mark.parametrize("rescale", [False, True])
def test_the_mean_is_the_share_of_each_tensor_times_the_gradient(ratios, rescale):
    """E[g] = n_s / d_s grad in tensor s; with rescale it is grad, but where nothing is probed. 5 sigma."""
    steps, estimator = 250, bf.CGE(0.4, ratios=ratios, rescale=rescale)
    dense = gradient(bf.CGE()).astype(np.float64)
    own = counts(ratios, GRAPH.slices, round(0.4 * D))
    p = np.repeat(np.array(own) / SIZES, SIZES)
    mean = np.mean([gradient(estimator, step) for step in range(steps)], axis=0, dtype=np.float64)
    expected = np.where(p > 0, dense, 0) if rescale else p * dense
    bound = 5 * np.sqrt(p * (1 - p) / steps) * np.abs(dense) / np.where(rescale & (p > 0), p, 1) + 1e-5
    assert np.all(np.abs(mean - expected) < bound)
    whole = round(0.4 * D) / D
    wrong = dense if not rescale else p * dense / whole  # one factor for all tensors
    if ratios == RATIOS[2]:
        assert not np.all(np.abs(mean - wrong) < bound)


@ratios
@pytest.mark.parametrize("two_sided", [True, False])
def test_the_same_bits_in_every_engine_and_in_the_device_loop(ratios, two_sided):
    estimator = bf.CGE(0.4, ratios=ratios, two_sided=two_sided, rescale=two_sided, mask_refresh=2)
    assert_loops_agree(trainer_of(estimator, seed=7), THETA, X, LABELS, steps=5)


def test_frozen_slices_have_no_share():
    rows = [
        ("linear", "a", ["input"], {"outputs": 4, "bias": True}),
        ("tanh", "b", ["a"], {}),
        ("linear", "c", ["b"], {"outputs": 2, "bias": True}),
    ]
    graph = assemble([6], rows, frozen=["a.bias", "c.weight"])
    theta, frozen = initial_parameters(graph, 1)
    trainer = trainer_of(bf.CGE(0.5, ratios=(1.0, 3.0)), graph, frozen)
    assert [part.number for part in trainer.estimator.parts(graph)] == [0, 3]
    batch = Batch(X, labels=LABELS).take(trainer.indices(2, N))
    expected = trainer.estimate(ReferenceEngine(exact=True), theta, batch, 2)
    loop = device_loop(trainer, X, LABELS)
    loop.step(theta, 2)
    assert_same_bits(loop.coefficients, expected.coefficients[0])


def test_one_tensor_with_ratios_is_as_without():
    """A black box has one group: its masks are the same either way."""
    runs = [bf.CGE(0.4, ratios=shares).start(np.ones(10), seed=4) for shares in (None, "uniform", (0.5,))]
    points = [run.points() for run in runs]
    assert (points[0] == points[1]).all() and (points[0] == points[2]).all()


@pytest.mark.parametrize("engine", ["exact", "compiled"])
def test_a_journal_brings_it_back(engine, tmp_path):
    estimator = bf.CGE(0.3, ratios="erk", mask_refresh=3)
    run = bf.train(bf.Model(GRAPH, THETA), (X, LABELS), estimator=estimator, batch_size=N, max_steps=7, engine=engine,
                   update=bf.Adam(0.01))  # fmt: skip
    assert_same_bits(bf.replay(run.journal, run.trainer, THETA, "exact"), run.model.theta)


def test_firmware_carries_the_masks():
    text = trainer_source.source(trainer_of(bf.CGE(0.4, ratios=RATIOS[2], mask_refresh=9, rescale=True)))
    own = counts(RATIOS[2], GRAPH.slices, round(0.4 * D))
    for part, n in zip(GRAPH.slices, own, strict=True):
        scale = np.float32(part.size / n).item() if n else 1.0
        written = [line for line in text.splitlines() if line.endswith(f"/* {part.name} */")]
        (found,) = re.findall(r"{.count = (\d+), .scale = (.*)f}", written[0])
        assert len(written) == 1 and int(found[0]) == n and float.fromhex(found[1]) == scale
    assert "static const bpfree_cge cge = {.masks = cge_masks, .mask_refresh = 9, .cycle = 0};" in text
    assert "  .settings = &cge,\n" in text
    assert "  .settings" not in trainer_source.source(trainer_of(bf.CGE(0.4))), "all of theta, in every step anew"


@pytest.mark.parametrize(
    ("shares", "sizes", "n", "expected"),
    [
        ((1.0, 1.0), (100, 50), 30, (20, 10)),
        ((1.0, 4.0), (100, 50), 30, (10, 20)),
        ((1.0, 1e9), (100, 50), 60, (10, 50)),
        ((1e-9, 1.0), (100, 50), 30, (1, 29)),
        ((0.0, 1.0), (100, 50), 50, (0, 50)),
        ((1.0, 1.0, 1.0), (10, 10, 10), 4, (2, 1, 1)),
        ((1.0, 1.0, 1.0), (10, 10, 10), 5, (2, 2, 1)),
        ((1.0, 1.0), (1000, 2), 5, (4, 1)),
        ((3.0,), (7,), 7, (7,)),
        ((2e-38, 3e38), (10, 10), 12, (2, 10)),
    ],
)
def test_apportion(shares, sizes, n, expected):
    assert apportion(shares, sizes, n) == expected
    assert apportion(tuple(share * 0.75 for share in shares), sizes, n) == expected, "ratios are ratios"


def test_apportion_against_its_definition():
    """Within one of c ratio size, cut to [1, size], for one c; and all of n is used."""
    draws = np.random.default_rng(0)
    for _ in range(200):
        k = int(draws.integers(1, 8))
        sizes = tuple(int(v) for v in draws.integers(1, 3000, k))
        shares = tuple(float(v) for v in np.exp(draws.normal(size=k) * 2))
        n = int(draws.integers(k, sum(sizes) + 1))
        found = np.array(apportion(shares, sizes, n))
        assert found.sum() == n and (found >= 1).all() and (found <= sizes).all()
        free = (found > 1) & (found < sizes)
        density = found / np.array(sizes) / np.array(shares)
        slack = 1.001 / np.array(sizes) / np.array(shares)
        if free.any():
            low, high = (density - slack)[free].max(), (density + slack)[free].min()
            assert low <= high * (1 + 1e-9)


def test_erk_is_the_formula():
    """Evci et al., section 3: the density of a linear layer goes with (in + out) / (in out); vectors are dense."""
    graph = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)]).graph
    parts = bf.CGE(0.1, ratios="erk").parts(graph)
    density = [part.count / part.size for part in parts]
    assert density[1] == density[3] == 1
    assert density[2] / density[0] == pytest.approx((42 / 320) / (96 / 2048), rel=0.02)


BAD = [
    (lambda: bf.CGE(0.5, mask_refresh=0), r"mask_refresh: expected an integer in \[1, 4294967295\], got 0"),
    (lambda: bf.CGE(0.5, mask_refresh=1.5), r"mask_refresh: expected an integer"),
    (lambda: bf.CGE(0.5, ratios="all"), r"ratios: expected None, 'uniform', 'erk' or numbers >= 0, .*, got 'all'"),
    (lambda: bf.CGE(0.5, ratios="grasp"), r"ratios: expected numbers, such as layer_ratios\('grasp', ...\) gives"),
    (lambda: bf.CGE(0.5, ratios=0.5), r"ratios: expected None, 'uniform', 'erk' or numbers >= 0, .*, got 0.5"),
    (lambda: bf.CGE(0.5, ratios=()), r"ratios: expected .* not all 0, got \(\)"),
    (lambda: bf.CGE(0.5, ratios=(0, 0)), r"ratios: expected .* not all 0, got \(0, 0\)"),
    (lambda: bf.CGE(0.5, ratios=(1, 1e-39)), r"ratios: expected a normal float32 number, got 1e-39"),
    (lambda: bf.CGE(0.5, ratios=(1, -0.1)), r"ratios: expected .*, got \(1, -0.1\)"),
    (lambda: bf.CGE(0.5, ratios=(1, np.nan)), r"ratios: expected a finite float32 number, got nan"),
    (lambda: bf.CGE(0.5, ratios=(1, "a")), r"ratios: expected a number, got 'a'"),
    (lambda: bf.CGE(0.5, ratios={"linear3.bias": 1}), r"ratios: expected None"),
    (lambda: bf.CGE(ratios="erk"), r"fraction: expected less than 1 with ratios, .*, got 1"),
    (lambda: bf.CGE(0.5, ratios=(1, 1)).ask(GRAPH, 0, 0), r"ratios: expected 5 numbers, for tt_.*bias, got 2"),
    (lambda: bf.CGE(0.05, ratios="erk").ask(GRAPH, 0, 0), r"fraction: expected 5 to 44 of 44 elements, .*, got 2"),
    (lambda: bf.CGE(0.5, ratios=(0, 1, 0, 0, 0)).evaluations(GRAPH), r"fraction: expected 1 to 12 of 44 elements"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=range(len(BAD)))
def test_wrong_use_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_a_run_with_ratios_of_another_network_does_not_start():
    with pytest.raises(ValueError, match="ratios: expected 5 numbers"):
        bf.train(bf.Model(GRAPH, THETA), (X, LABELS), estimator=bf.CGE(0.5, ratios=(1, 1)), batch_size=N, max_steps=1)


def test_numbers_of_numpy_are_the_same_setting():
    one, other = bf.CGE(0.5, ratios=[1, 2, 1, 1, 1]), bf.CGE(np.float64(0.5), ratios=np.array([1.0, 2, 1, 1, 1]))
    assert one == other and hash(one) == hash(other)
    assert trainer_of(one).settings() == trainer_of(other).settings()
    for different in (bf.CGE(0.5, ratios=[1, 2, 1, 1, 2]), bf.CGE(0.5, ratios=one.ratios, mask_refresh=2)):
        assert trainer_of(one).fingerprint() != trainer_of(different).fingerprint()


def test_tensors_that_are_never_probed_cost_nothing():
    """Ratio 0 for the first tensor too: only the entries that are probed count, of each what it changes."""
    graph = bf.Sequential(6, [bf.Linear(5), bf.ReLU(), bf.Linear(4)]).graph
    estimator = bf.CGE(0.2, ratios=(0, 0, 1, 1), two_sided=False)
    counts = {graph.slices[part.number].name: part.count for part in estimator.parts(graph)}
    entries = counts["linear3.weight"] + counts["linear3.bias"]
    assert counts["linear1.weight"] == counts["linear1.bias"] == 0 < entries
    assert estimator.forwards(graph, 10) == round(10 * (30 + 20 + 5 * entries) / 50)
