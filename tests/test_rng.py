"""Threefry2x32-20: published vectors, layouts fixed for good, and the streams made of it."""

import numpy as np
import pytest

from bpfree import native, rng
from bpfree.rng import Domain

# Random123's kat_vectors, "threefry2x32 20": (key, counter, result).
KNOWN_ANSWERS = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
SIZES = [1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 100, 1000, 4097]


def hand_signs(seed, step, stream, block, n):
    """Signs by their definition, one bit after the other."""
    bits = []
    while len(bits) < n:
        for word in rng.threefry((seed, step), (block, stream)):
            bits += [int(word) >> (31 - k) & 1 for k in range(32)]
        block += 1
    return [-1.0 if bit else 1.0 for bit in bits[:n]]


@pytest.mark.parametrize(("key", "counter", "expected"), KNOWN_ANSWERS)
@pytest.mark.parametrize("threefry", [rng.threefry, native.threefry], ids=["python", "c"])
def test_published_vectors(threefry, key, counter, expected):
    assert tuple(int(word) for word in threefry(key, counter)) == expected


def test_python_and_c_agree_on_random_keys():
    draws = np.random.default_rng(0).integers(0, 2**32, (200, 4), dtype=np.uint32).tolist()
    for k0, k1, c0, c1 in draws:
        assert tuple(map(int, rng.threefry((k0, k1), (c0, c1)))) == native.threefry((k0, k1), (c0, c1))


def test_signs_take_bits_from_the_top_and_one_is_minus():
    # The first published word is 0x6b200159 = 0110 1011 0010 ...
    signs = rng.signs(0, 0, 0, 0, 12).tolist()
    assert signs == [1, -1, -1, 1, -1, 1, -1, -1, 1, 1, -1, 1]


@pytest.mark.parametrize("n", [1, 31, 32, 33, 64, 65, 200])
@pytest.mark.parametrize(("seed", "step"), [(0, 0), (5, 1000), (2**32 - 1, 2**32 - 1)])
def test_signs_by_hand(seed, step, n):
    stream = rng.address(Domain.PROBE, query=3)
    assert rng.signs(seed, step, stream, 9, n).tolist() == hand_signs(seed, step, stream, 9, n)


def test_blocks_are_addressed_independently():
    stream = rng.address(Domain.PROBE)
    whole = rng.signs(3, 1, stream, 0, 5 * rng.BLOCK)
    for block in range(5):
        part = rng.signs(3, 1, stream, block, rng.BLOCK)
        assert np.array_equal(part, whole[block * rng.BLOCK :][: rng.BLOCK])


def test_each_part_of_the_address_matters():
    base = {"seed": 1, "step": 2, "address": rng.address(Domain.PROBE), "first_block": 0, "size": 256}
    changed = [
        base,
        base | {"seed": 0},
        base | {"step": 3},
        base | {"address": rng.address(Domain.PROBE, query=1)},
        base | {"address": rng.address(Domain.PROBE, sample=1)},
        base | {"address": rng.address(Domain.MASK)},
        base | {"first_block": 4},
    ]
    streams = {rng.signs(**address).tobytes() for address in changed}
    assert len(streams) == len(changed)


def test_stream_fields():
    assert rng.address(Domain.PROBE, 0, 0) == 0x10000000
    assert rng.address(Domain.GAUSSIAN, 4095, 65535) == 0x7FFFFFFF
    for domain, query, sample in [(0, 0, 0), (1, 5, 7), (7, 4095, 65535)]:
        assert rng.address(domain, query, sample) == native.core().lib.bpfree_address(domain, query, sample)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((16,), r"domain: expected an integer in \[0, 15\], got 16"),
        ((-1,), r"domain: expected .*got -1"),
        ((1, 4096), r"query: expected an integer in \[0, 4095\], got 4096"),
        ((1, -1), r"query: expected .*got -1"),
        ((1, 0, 65536), r"sample: expected an integer in \[0, 65535\], got 65536"),
    ],
)
def test_stream_limits(arguments, message):
    with pytest.raises(ValueError, match=message):
        rng.address(*arguments)


def test_signs_are_balanced_and_uncorrelated():
    n = 2**18
    for seed in (0, 1):  # seed 0 is a seed like any other
        signs = rng.signs(seed, 0, rng.address(Domain.PROBE), 0, n)
        assert set(np.unique(signs)) == {-1.0, 1.0}
        for lag in (1, 2, 31, 32, 33, 64):  # 5 sigma
            assert abs((signs[lag:] * signs[:-lag]).mean()) < 5 / np.sqrt(n)
        assert abs(signs.mean()) < 5 / np.sqrt(n)


def test_uniform_draws():
    n = 2**18
    draws = rng.uniform(0, 0, n)
    assert draws.dtype == np.float32 and draws.min() >= 0 and draws.max() < 1
    assert np.array_equal(draws * 2**24, np.round(draws * 2**24))
    # 5 sigma: the mean has variance 1/(12 n), the variance 1/(180 n)
    wide = draws.astype(np.float64)
    assert abs(wide.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
    assert abs(wide.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)
    assert not np.array_equal(draws[:100], rng.uniform(0, 1, 100))
    assert not np.array_equal(draws[:100], rng.uniform(1, 0, 100))


@pytest.mark.parametrize("n", SIZES)
def test_shuffle_is_a_permutation_in_both_languages(n):
    for seed, epoch in [(0, 0), (11, 5)]:
        order = rng.shuffle(seed, epoch, n, np.arange(n))
        assert sorted(order.tolist()) == list(range(n))
        some = range(n) if n <= 100 else range(0, n, 13)
        assert [native.shuffle(seed, epoch, n, i) for i in some] == [int(order[i]) for i in some]


def test_shuffle_moves_things_and_epochs_differ():
    orders = [rng.shuffle(seed, epoch, 1000, np.arange(1000)) for seed, epoch in [(0, 0), (0, 1), (1, 0)]]
    for k, order in enumerate(orders):
        # a random order has 1 fixed point on average, and as many in common with another
        assert (order == np.arange(1000)).sum() < 10
        assert (order == orders[k - 1]).sum() < 10
        # neighbours do not stay neighbours
        assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 5 / np.sqrt(1000)


def test_every_first_place_is_reached():
    first = [int(rng.shuffle(0, epoch, 5, 0)) for epoch in range(500)]
    counts = np.bincount(first, minlength=5)
    assert counts.min() > 100 - 5 * np.sqrt(500 * 0.2 * 0.8) and counts.size == 5


@pytest.mark.parametrize(("n", "batch"), [(12, 4), (13, 4), (7, 7), (5, 1), (100, 30)])
def test_minibatches_cover_an_epoch_once(n, batch):
    per_epoch = n // batch
    for epoch in range(3):
        steps = range(epoch * per_epoch, (epoch + 1) * per_epoch)
        indices = [rng.batch_indices(4, step, batch, n).tolist() for step in steps]
        assert indices == [native.batch_indices(4, step, batch, n) for step in steps]
        flat = sum(indices, [])
        assert len(set(flat)) == len(flat) == per_epoch * batch and set(flat) <= set(range(n))
        assert flat == rng.shuffle(4, epoch, n, np.arange(per_epoch * batch)).tolist()


def test_the_core_refuses_what_it_cannot_shuffle():
    for call in (
        lambda: native.shuffle(0, 0, 0, 0),
        lambda: native.shuffle(0, 0, 5, 5),
        lambda: native.batch_indices(0, 0, 5, 3),
        lambda: native.batch_indices(0, 0, 0, 3),
    ):
        with pytest.raises(ValueError, match="expected an integer in"):
            call()
