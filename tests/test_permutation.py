"""The keyed permutation is uniform: exactly where its rounds can be followed, by chi-square over many keys elsewhere.

Every statistic is shown to reject the network of four rounds that came before.
"""

from itertools import permutations, product

import numpy as np
import pytest
from scipy.stats import chi2

import bpfree as bf
from bpfree import native, rng
from bpfree.rng import Domain

SIZES = (*range(2, 33), 64, 100)
KEYS = 5000
SURE = 1e-7
"""Of chance; 200 statistics are looked at here."""


def orders_in_c(n, keys=KEYS):
    """Place of each item (keys, n), by the C runtime: 20 times as fast."""
    permute = native.core().lib.bpfree_permute
    return np.array([[permute(Domain.MASK, 0, seed, 7, n, i) for i in range(n)] for seed in range(keys)])


def orders(n, keys):
    """The same in Python."""
    return np.array([rng.shuffle(seed, 7, n, np.arange(n), Domain.MASK) for seed in range(keys)])


@pytest.fixture
def four_rounds(monkeypatch):
    """Python's permutation as it was."""
    monkeypatch.setattr(rng, "ROUNDS", 4)


def chance(counts, freedom, scale=1.0):
    """Of counts at least as uneven as these where all are expected to be equal."""
    expected = counts.mean()
    return chi2.sf(scale * ((counts - expected) ** 2).sum() / expected, freedom)


def chance_of_places(found):
    """Of how often each item is at each place; each row and column of counts has a given sum."""
    n = found.shape[1]
    counts = np.stack([np.bincount(place, minlength=n) for place in found.T])
    return chance(counts, (n - 1) ** 2, (n - 1) / n)


def chance_of_pairs(found, other):
    """Counts (n, n) of the places that items 0 and `other` take together."""
    n = found.shape[1]
    counts = np.bincount(found[:, 0] * n + found[:, other], minlength=n * n).reshape(n, n)
    return chance(counts[~np.eye(n, dtype=bool)], n * (n - 1) - 1)


def chance_of_orders(found):
    """Chance of the counts of all orders."""
    n = found.shape[1]
    numbers = {order: k for k, order in enumerate(permutations(range(n)))}
    counts = np.bincount([numbers[tuple(order)] for order in found.tolist()], minlength=len(numbers))
    return chance(counts, len(numbers) - 1)


def chance_of_coverage(counts, share):
    """Of how often each item is among those drawn, a share of all in each draw."""
    d = len(counts)
    return chance(counts, d - 1, (d - 1) / d / (1 - share))


def far_pair(n):
    """Items that differ in the left part of their bits only: the last that a Feistel network pulls apart."""
    _, right = rng._widths(n)
    return 1 << right if 1 << right < n else 1


@pytest.mark.parametrize("n", SIZES)
def test_places_and_pairs(n):
    found = orders_in_c(n)
    assert np.array_equal(found[:4], orders(n, 4)), "one permutation in both languages"
    assert chance_of_places(found) > SURE
    for other in {1, far_pair(n)}:
        assert chance_of_pairs(found, other) > SURE


@pytest.mark.parametrize("n", [5, 6, 7, 10, 16, 64])
def test_pairs_of_four_rounds_are_not(n, four_rounds):
    found = orders(n, KEYS)
    assert min(chance_of_pairs(found, other) for other in (1, far_pair(n))) < SURE


def test_all_orders_of_six_items(monkeypatch):
    assert chance_of_orders(orders_in_c(6, keys=40 * 720)) > SURE
    monkeypatch.setattr(rng, "ROUNDS", 4)
    assert chance_of_orders(orders(6, keys=5 * 720)) < SURE


def one_round(widths, word):
    """Where a round takes every value when the right part is answered by `word`, one number or one for each."""
    left, right = widths
    words = np.broadcast_to(np.asarray(word), (1, 1 << right))
    values = np.arange(1 << left + right)
    before = values >> right, values & (1 << right) - 1
    return before[1] << left | before[0] ^ words[0][before[1]]


def pair_bias(widths, rounds, starts):
    """By how much the most unlikely or likely pair of places is off, over pairs (0, start), with ideal words.

    Words are uniform, and independent for different right parts: two values of one
    right part are moved by one word, others by two.
    """
    size, worst = 1 << sum(widths), 0.0
    for start in starts:
        chances, (left, right) = np.zeros((size, size)), widths
        chances[0, start] = 1.0
        for _ in range(rounds):
            moved = [one_round((left, right), word) for word in range(1 << left)]
            same = np.equal.outer(np.arange(size) % (1 << right), np.arange(size) % (1 << right))
            apart, together, after = chances * ~same, chances * same, np.zeros_like(chances)
            for a, b in product(range(1 << left), repeat=2):
                after[np.ix_(moved[a], moved[b])] += apart / 4**left
            for a in range(1 << left):
                after[np.ix_(moved[a], moved[a])] += together / 2**left
            chances, left, right = after, right, left
        assert np.allclose(chances.sum(axis=1), 1 / size) and np.allclose(chances.sum(axis=0), 1 / size)
        others = ~np.eye(size, dtype=bool)
        worst = max(worst, np.abs(chances[others] * size * (size - 1) - 1).max())
    return worst


def test_ideal_rounds_are_those_of_the_library():
    """With one word for every right part: twice, as the library makes an even number of rounds."""
    for widths in ((1, 1), (2, 2), (4, 3)):
        for first, second in ((0, 1), (1, 0), (1, 1)):
            words = [np.full(1 << widths[0], first), np.full(1 << widths[0], second)]
            twice = one_round(widths[::-1], second)[one_round(widths, first)]
            assert np.array_equal(rng._feistel(words, 0, widths[1], np.arange(1 << sum(widths)), False), twice)


def test_there_are_twelve_rounds():
    assert rng.ROUNDS == 12


@pytest.mark.parametrize(("rounds", "percent"), [(4, 64.1), (10, 0.977), (12, 0.244), (14, 0.061)])
def test_pairs_of_16_places_exactly(rounds, percent):
    assert rng._widths(16) == (2, 2)
    assert 100 * pair_bias((2, 2), rounds, range(1, 16)) == pytest.approx(percent, rel=0.01)


@pytest.mark.parametrize(("rounds", "percent"), [(4, 84.6), (12, 0.0206)])
def test_pairs_of_64_places_exactly(rounds, percent):
    assert rng._widths(64) == (3, 3)
    assert 100 * pair_bias((3, 3), rounds, (1, 7, 8, 9, 56, 63)) == pytest.approx(percent, rel=0.01)


def test_parts_of_unequal_width_mix_as_well_from_7_bits_on():
    """The first number of places that has them; with 3 bits, 12 rounds would leave pairs 7 % off."""
    assert [rng._widths(n) for n in (1, 2, 5, 8, 17, 65, 128, 129)] == [
        (1, 1), (1, 1), (2, 2), (2, 2), (3, 3), (4, 3), (4, 3), (4, 4),
    ]  # fmt: skip
    assert 100 * pair_bias((4, 3), 12, (1, 8, 127)) == pytest.approx(0.0452, rel=0.01)
    assert 100 * pair_bias((2, 1), 12, range(1, 8)) == pytest.approx(7.29, rel=0.01)


def order_bias(n, rounds):
    """By how much the rarest or most frequent order of n <= 4 items is off, with ideal words."""
    steps = [tuple(one_round((1, 1), np.array(words))) for words in product(range(2), repeat=2)]
    chances = {tuple(range(4)): 1.0}
    for _ in range(rounds):
        after = dict.fromkeys(permutations(range(4)), 0.0)
        for order, share in chances.items():
            for step in steps:
                after[tuple(step[place] for place in order)] += share / len(steps)
        chances = after
    found = dict.fromkeys(permutations(range(n)), 0.0)
    for order, share in chances.items():
        walked = tuple(_walked(order, n, i) for i in range(n))
        found[walked] += share / 2
        found[tuple(place ^ (place < 2) for place in walked)] += share / 2
    return np.abs(np.array(list(found.values())) * len(found) - 1).max()


def _walked(order, n, i):
    """Place of i, out of range as often as it takes."""
    i = order[i]
    while i >= n:
        i = order[i]
    return i


@pytest.mark.parametrize(
    ("n", "rounds", "percent"), [(2, 12, 0), (3, 12, 0.0244), (4, 12, 0.0977), (3, 4, 6.25), (4, 4, 25)]
)
def test_all_orders_of_a_few_items_exactly(n, rounds, percent):
    assert 100 * order_bias(n, rounds) == pytest.approx(percent, rel=0.01)


@pytest.mark.parametrize("n", [5, 15, 16, 64])
def test_even_and_odd_orders_are_equally_frequent(n):
    """The rounds alone give even permutations of 16, or 64, places, and so not one odd order of all of them."""
    odd = sum(np.linalg.det(np.eye(n)[order]) < 0 for order in orders_in_c(n, keys=2000))
    assert abs(odd - 1000) < 5.5 * np.sqrt(500)


def by_the_format(seed, step, domain, part, n, i):
    """runtime_c/FORMAT.md, "Permutations", line by line."""
    b = max(2, (n - 1).bit_length())
    b += 1 if b in (3, 5) else 0
    r = b // 2
    masks = 2 ** (b - r) - 1, 2**r - 1

    def word(number, v):
        return int(rng.threefry((seed, step), (number << 16 | v, domain << 28 | part))[0])

    value, begun = i, False
    while not begun or value >= n:
        begun, left, right = True, value >> r, value & masks[1]
        for number in range(12):
            left, right = right, left ^ (word(number, right) & masks[number % 2])
        value = left << r | right
        value ^= word(12, 0) & 1 if value < 2 else 0
    return value


def test_the_format():
    assert [by_the_format(0, 3, Domain.SHUFFLE, 0, 5, i) for i in range(5)] == [4, 2, 3, 1, 0]
    for n, domain, part in ((1, 4, 0), (2, 4, 0), (8, 5, 3), (100, 5, 65535), (5000, 4, 0)):
        for seed, i in ((0, 0), (2**32 - 1, n // 2), (5, n - 1)):
            expected = by_the_format(seed, 9, domain, part, n, i)
            assert int(rng.shuffle(seed, 9, n, i, domain, part)) == expected
            assert native.permute(domain, seed, 9, n, i, part=part) == expected


@pytest.mark.parametrize("n", [*range(1, 33), 64, 100, 4097])
def test_the_inverse_is_one(n):
    for seed, part in ((0, 0), (2**32 - 1, 65535)):
        places = rng.shuffle(seed, 3, n, np.arange(n), Domain.MASK, part)
        back = rng.shuffle(seed, 3, n, places, Domain.MASK, part, inverse=True)
        assert np.array_equal(back, np.arange(n))
        assert int(rng.shuffle(seed, 3, n, int(places[-1]), Domain.MASK, part, inverse=True)) == n - 1


def test_every_coordinate_is_probed_equally_often(monkeypatch):
    """What CGE(rescale=True) promises, E[g] = gradient: each of d = 10 is among the n = 3 in 3 of 10 steps."""
    estimator, graph, steps = bf.CGE(0.3, rescale=True), bf.Sequential(4, [bf.Linear(2)]).graph, 6000
    assert (graph.n_theta, estimator.record_shape(graph), estimator.factor(graph)) == (10, (1, 3), 10 / 3)

    def counts():
        drawn = np.concatenate([estimator.coordinates(graph, 11, step) for step in range(steps)])
        return np.bincount(drawn, minlength=10)

    assert chance_of_coverage(counts(), 0.3) > SURE
    monkeypatch.setattr(rng, "ROUNDS", 4)
    bf.estimators.cge._coordinates.cache_clear()
    assert chance_of_coverage(counts(), 0.3) < SURE
    bf.estimators.cge._coordinates.cache_clear()
