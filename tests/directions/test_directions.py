"""Directions: known numbers, moments, lengths, and the same bits in C."""

import numpy as np
import pytest
from helpers import ENGINES, ISAS, assert_same_bits, device_loop, floats, make_engine
from scipy import stats

import bpfree as bf
from bpfree import rng
from bpfree.directions import DIRECTIONS, RANDOM, gaussian, sphere
from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import Probe, Probes, pack, perturb, probe_rows
from bpfree.estimators.rge import GROUPINGS
from bpfree.graph import Piece
from bpfree.graph.c_tables import model_tables
from bpfree.native.model import NativeModel
from bpfree.trainer import Trainer

NET = bf.Sequential(6, [bf.TTLinear((2, 3), (3, 2), rank=2), bf.Tanh(), bf.Linear(9), bf.Tanh(), bf.Linear(9)], seed=3)
GRAPH, D = NET.graph, NET.graph.n_theta


def part(size, first_block=0, skip=0):
    """Return a piece of this size, from element `skip` of a random block on."""
    return Piece(0, size, first_block, skip)


def scaled(name, pieces, seed, step, query):
    """Return u over all pieces, in float64."""
    row = DIRECTIONS[name]
    whole = np.concatenate([row.draw(piece, seed, step, query) for piece in pieces])
    return float(row.scale(pieces, seed, step, query)) * whole.astype(np.float64)


def test_normal_numbers_are_those_of_the_format():
    """The formulas are those of FORMAT.md: the words are Threefry's, the rest is written again in float64."""
    words = rng.words(0, 0, rng.address(rng.Domain.GAUSSIAN), 0, 2)
    assert [f"{w:08x}" for w in words] == ["ef923472", "470316b4"]
    u = gaussian.draw(part(2), 0, 0, 0)
    assert [f"{w:08x}" for w in u.view(np.uint32)] == ["bd7f7b53", "3eb7b971"]


@pytest.mark.parametrize(
    ("seed", "step", "query", "first_block"), [(0, 0, 0, 0), (7, 3, 4095, 5), (2**32 - 1, 9, 1, 2)]
)
def test_normal_numbers_are_box_and_mullers(seed, step, query, first_block):
    size = 1001
    words = rng.words(seed, step, rng.address(rng.Domain.GAUSSIAN, query), first_block * 32, size + 1).astype(float)
    share, angle = (words[::2] // 256 + 1) / 2**24, words[1::2] // 256 * (2 * np.pi / 2**24)
    radius = np.sqrt(-2 * np.log(share))
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()[:size]
    u = gaussian.draw(part(size, first_block), seed, step, query)
    assert u.dtype == np.float32
    np.testing.assert_allclose(u, expected, rtol=0, atol=3e-6)  # an angle is at most 4e-7 off, times a radius below 5.8


def test_a_shorter_slice_draws_the_beginning_of_a_longer_one():
    whole = gaussian.draw(part(200), 1, 2, 3)
    for size in (1, 2, 3, 63, 64, 65, 127, 199):
        assert_same_bits(gaussian.draw(part(size), 1, 2, 3), whole[:size])
        assert_same_bits(gaussian.draw(part(200 - size, size // 64, size % 64), 1, 2, 3), whole[size:])
    assert_same_bits(gaussian.draw(part(64, first_block=1), 1, 2, 3), whole[64:128])


@pytest.mark.parametrize("name", RANDOM)
def test_each_part_of_the_address_matters(name):
    row, slot, next_slot = DIRECTIONS[name], part(64), part(64, first_block=1)
    addresses = [(slot, 0, 0, 0), (slot, 1, 0, 0), (slot, 0, 1, 0), (slot, 0, 0, 1), (next_slot, 0, 0, 0)]
    assert len({row.draw(*address).tobytes() for address in addresses}) == len(addresses)


def test_normal_numbers_pass_for_normal():
    """Kolmogorov-Smirnov test over 2^17 draws, moments up to the fourth, and no correlation of neighbours."""
    n = 2**17
    for seed in (0, 1):  # seed 0 is a seed like any other
        u = gaussian.draw(part(n), seed, 0, 0).astype(np.float64)
        assert stats.kstest(u, "norm").pvalue > 0.001
        assert abs(u.mean()) < 4.5 / np.sqrt(n)
        assert abs(u.var() - 1) < 4.5 * np.sqrt(2 / n)
        assert abs(stats.skew(u)) < 4.5 * np.sqrt(6 / n) and abs(stats.kurtosis(u)) < 4.5 * np.sqrt(24 / n)
        assert 4 < np.abs(u).max() < 5.78
        for lag in (1, 2, 63, 64):
            assert abs((u[lag:] * u[:-lag]).mean()) < 4.5 / np.sqrt(n)
            squares = u * u - 1
            assert abs((squares[lag:] * squares[:-lag]).mean()) < 4.5 * 2 / np.sqrt(n)


@pytest.mark.parametrize("name", RANDOM)
def test_directions_are_white(name):
    """E[u u^T] = I for each: means of products have variance 1/n, those of squares at most 2/n; 5.5 sigma."""
    pieces = [Piece(0, 30, 0), Piece(30, 7, 1)]
    draws = np.stack([scaled(name, pieces, 1, step, query) for step in range(40) for query in range(50)])
    n = len(draws)
    products = draws.T @ draws / n
    assert np.abs(products - np.diag(np.diag(products))).max() < 5.5 / np.sqrt(n)
    assert np.abs(np.diag(products) - 1).max() < 5.5 * np.sqrt(2 / n)
    assert np.abs(draws.mean(axis=0)).max() < 5 / np.sqrt(n)


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_the_sphere_has_radius_sqrt_d_in_every_group(grouping):
    """The length is right to rounding: d products and d - 1 sums in chunks of 64, and four more operations."""
    for group in GRAPH.groups(grouping):
        pieces, d = GRAPH.pieces(group.start, len(group)), len(group)
        for query in range(50):
            squared = (scaled("sphere", pieces, 5, 1, query) ** 2).sum()
            assert abs(squared / d - 1) < (64 + d / 64 + 8) * 2.0**-24
    # the Gaussian direction that it is made of has another length
    lengths = [(scaled("gaussian", GRAPH.pieces(0, D), 5, 1, query) ** 2).sum() for query in range(50)]
    assert np.std(lengths) > 0.5 * np.sqrt(2 * D)


def test_a_sphere_of_one_dimension_is_a_sign():
    values = [scaled("sphere", [part(1)], 0, step, 0)[0] for step in range(200)]
    assert np.allclose(np.abs(values), 1, rtol=3e-7) and 60 < np.sum(np.array(values) > 0) < 140


NOTHING = 488385
"""A seed whose first pair is (0, 0): the upper 24 bits of its first word are all ones, so that the radius is 0."""


def test_a_draw_of_nothing_moves_nothing():
    """With one parameter and g = 0, sqrt(1 / 0) times 0 would be NaN."""
    assert gaussian.draw(part(2), NOTHING, 0, 0).tolist() == [0, 0]
    assert sphere.scale([part(1)], NOTHING, 0, 0) == 0 == sphere.scale([part(2)], NOTHING, 0, 0)
    model = bf.Sequential(1, [bf.Linear(1, bias=False)])
    x = y = np.ones((1, 1), np.float32)
    trainer = Trainer(model.graph, model.frozen, "mse", bf.RGE(direction="sphere"), bf.SGD(), 1, seed=NOTHING)
    for name in ENGINES:
        estimate = trainer.estimate(make_engine(name), model.theta, Batch(x, targets=y), 0)
        assert estimate.coefficients.tolist() == [[0]]
        assert_same_bits(make_engine(name).apply(trainer, model.theta, [], 0, estimate.coefficients)[0], model.theta)
    assert_same_bits(device_loop(trainer, x, targets=y).step(model.theta, 0), model.theta)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize(("first", "count"), [(0, D), (12, 24), (2, 0), (5, 90), (17, 1), (D - 70, 66), (50, D - 50)])
def test_perturb_is_theta_plus_radius_times_u(name, first, count):
    """The result is within two roundings of float64, as for a sum of two rounded products."""
    probe = Probe(seed=4, step=5, query=6, mu=-0.03, first=first, count=count, direction=name)
    expected = NET.theta.astype(np.float64)
    if count:
        expected[first : first + count] += -0.03 * scaled(name, GRAPH.pieces(first, count), 4, 5, 6)
    out = perturb(GRAPH, NET.theta, probe)
    np.testing.assert_allclose(out, expected, rtol=0, atol=2e-7)
    assert_same_bits(NativeModel(model_tables(GRAPH)).perturb(NET.theta, pack([probe])), out)


def test_a_coordinate_moves_one_element_and_keeps_every_other_bit():
    theta = NET.theta.copy()
    theta[3] = np.float32(-0.0)  # which adding 0 would change
    for element in (0, 3, D - 1):
        probe = Probe(0, 0, 0, 0.25, 0, 0, "coordinate", element)
        expected = theta.copy()
        expected[element] += np.float32(0.25)
        assert_same_bits(perturb(GRAPH, theta, probe), expected)
        assert_same_bits(NativeModel(model_tables(GRAPH)).perturb(theta, pack([probe])), expected)


@pytest.mark.parametrize("isa", ISAS)
def test_probes_of_all_kinds_in_one_call(isa):
    """The compiled engine keeps one copy of theta from probe to probe: no earlier probe may change the losses."""
    last = D
    kinds = [
        Probe(0, 0, 0, 0.5, 0, 0, "coordinate", 3),
        Probe(0, 0, 0, -0.5, 0, 0, "coordinate", 3),
        Probe(1, 2, 3, 0.1, 0, last, "gaussian"),
        Probe(0, 0, 0, 0.5, 0, 0, "coordinate", 9),
        Probe(0, 0, 0, 0.0, 0, 0, "coordinate", 8),
        Probe(0, 0, 0, 0.5, 0, 0, "coordinate", 4),
        Probe(1, 2, 3, 0.1, 20, 33, "sphere"),
        Probe(0, 0, 0, 0.5, 0, 0, "coordinate", 4),
        Probe(1, 2, 3, 0.1, 0, last),
        Probe(1, 2, 3, 0.1, 7, 40, "hadamard", 5),
        Probe(1, 2, 3, 0.1, 90, 70),
        Probe(0, 0, 0, 0.0, 0, 0),
    ]
    x, labels = floats(0, 5, 6), np.arange(5, dtype=np.uint32)
    trainer = Trainer(GRAPH, NET.frozen, "cross_entropy", bf.RGE(), bf.SGD(), 5)
    arguments = (GRAPH, NET.theta, NET.frozen, Batch(x, labels), trainer.loss)
    values = make_engine(f"compiled-{isa}").evaluate(*arguments, kinds)[0]
    assert_same_bits(values, ReferenceEngine(exact=True).evaluate(*arguments, kinds)[0])
    assert len(np.unique(values[:, 0])) == 10  # two pairs are the same probe


@pytest.mark.parametrize(
    ("direction", "element"), [(5, 0), (2**32 - 1, 0), (3, D), (3, 2**32 - 1)], ids=["five", "all", "end", "far"]
)
def test_what_is_out_of_range_is_refused(direction, element):
    native, table = NativeModel(model_tables(GRAPH)), probe_rows(1, "coordinate", 0, 0, mu=0.1)
    table["direction"], table["element"] = direction, element
    with pytest.raises(ValueError, match="perturb: an argument is out of range"):
        native.perturb(NET.theta, table)


def test_probes_are_a_sequence_of_probe():
    estimator = bf.RGE(3, mu=0.5, two_sided=False, grouping="layer", direction="sphere")
    probes = estimator.ask(GRAPH, seed=9, step=4)
    assert len(probes) == 10 and probes[-1] == list(probes)[-1] == Probe(9, 4, 2, 0.5, D - 90, 90, "sphere")
    assert isinstance(probes[2:5], Probes) and list(probes[2:5]) == list(probes)[2:5]
    assert np.array_equal(pack(list(probes)), pack(probes))
    with pytest.raises(IndexError):
        probes[10]


def test_other_directions_have_no_name():
    with pytest.raises(ValueError, match="one of rademacher, gaussian, sphere, coordinate, hadamard; got 'up'"):
        DIRECTIONS["up"]
    with pytest.raises(ValueError, match="one of 'rademacher', 'gaussian', 'sphere', 'hadamard', got 'coordinate'"):
        bf.RGE(direction="coordinate")
