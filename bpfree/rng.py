# SPDX-License-Identifier: MIT
"""Counter-based random numbers: the same bits here, in C and on every machine.

Threefry2x32-20 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy
as 1, 2, 3", SC 2011) with key = (seed, step) and counter = (block,
domain:4 | query:12 | sample:16). There is no generator state, so a direction
is an address, not an array: it is regenerated wherever it is needed.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

import numpy as np

from bpfree.errors import check_count

__all__ = [
    "Domain",
    "address",
    "batch_indices",
    "sample_signs",
    "shuffle",
    "signs",
    "threefry",
    "uniform",
    "words",
]

BLOCK = 64
"""Signs in one random block: two words of 32 bits."""

ROUNDS = 12
"""Feistel rounds of a permutation. With ideal words pairs of 16 places are off by 64 % after 4 rounds, 0.98 % after 10,
0.24 % after 12 and 0.06 % after 14, of larger sets by less."""

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


class Domain(IntEnum):
    """What a random number is for; keeps numbers apart. ROUNDING, POINTS and the last three are reserved."""

    INIT = 0
    PROBE = 1
    NODE = 2
    ROUNDING = 3
    SHUFFLE = 4
    MASK = 5
    POINTS = 6
    GAUSSIAN = 7
    SPACE = 8
    CERTIFICATE = 9
    ATTACK = 10
    SKETCH = 11


def threefry(key, counter):
    """Threefry2x32-20 of key (2 words) and counter (2 words, each a scalar or array).

    Returns two uint32 arrays of the broadcast shape of the counter words.

    >>> [hex(int(word)) for word in threefry((0, 0), (0, 0))]
    ['0x6b200159', '0x99ba4efe']
    """
    k0, k1 = (np.uint32(word) for word in key)
    keys = (k0, k1, _PARITY ^ k0 ^ k1)
    x0, x1 = (np.array(word, np.uint32) for word in np.broadcast_arrays(*counter))
    with np.errstate(over="ignore"):
        x0, x1 = x0 + k0, x1 + k1
        for group in range(5):
            for rotation in _ROTATIONS[group % 2]:
                x0 = x0 + x1
                x1 = (x1 << np.uint32(rotation)) | (x1 >> np.uint32(32 - rotation))
                x1 = x1 ^ x0
            x0 = x0 + keys[(group + 1) % 3]
            x1 = x1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


def address(domain: int, query: int = 0, sample: int = 0) -> int:
    """The second counter word: domain:4 | query:12 | sample:16."""
    check_count("domain", domain, 0, 15)
    check_count("query", query, 0, 4095)
    check_count("sample", sample, 0, 65535)
    return int(domain) << 28 | query << 16 | sample


def words(seed: int, step: int, address: int, first_block: int, n_words: int) -> np.ndarray:
    """n_words consecutive uint32 words from first_block on, two to a block."""
    blocks = np.arange(first_block, first_block + (n_words + 1) // 2, dtype=np.uint32)
    return np.stack(threefry((seed, step), (blocks, np.uint32(address))), axis=-1).reshape(-1)[:n_words]


def signs(seed: int, step: int, address: int, first_block: int, size: int) -> np.ndarray:
    """Rademacher signs (size,) float32: element j is bit j, most significant first, 1 = minus.

    >>> signs(seed=0, step=0, address=address(Domain.PROBE), first_block=0, size=4).dtype
    dtype('float32')
    """
    packed = words(seed, step, address, first_block, (size + 31) // 32)
    bits = np.unpackbits(packed.astype(">u4").view(np.uint8), count=size)
    return np.float32(1) - np.float32(2) * bits.astype(np.float32)


def sample_signs(seed: int, step: int, domain: int, query: int, first_block: int, size: int, n: int) -> np.ndarray:
    """Signs (size, n) float32 of n samples, each from the address of its own number: column s is `signs` of it.

    >>> one = signs(3, 0, address(Domain.NODE, query=1, sample=2), first_block=4, size=70)
    >>> bool((sample_signs(3, 0, Domain.NODE, 1, 4, 70, n=5)[:, 2] == one).all())
    True
    """
    check_count("n", n, 1, 65536)
    blocks = np.arange(first_block, first_block + -(-size // BLOCK), dtype=np.uint32)[None, :, None]
    addresses = np.uint32(address(domain, query)) + np.arange(n, dtype=np.uint32)[:, None, None]
    packed = np.concatenate(threefry((seed, step), (blocks, addresses)), axis=-1).reshape(n, -1)
    bits = np.unpackbits(packed.astype(">u4").view(np.uint8), axis=1, count=size)
    return np.ascontiguousarray((np.float32(1) - np.float32(2) * bits.astype(np.float32)).T)


def uniform(seed: int, number: int, size: int) -> np.ndarray:
    """Initialisation draws in [0, 1): (size,) float32, multiples of 2^-24; number is the slice's."""
    high_bits = words(seed, number, address(Domain.INIT), 0, size) >> np.uint32(8)
    return high_bits.astype(np.float32) * np.float32(2.0**-24)


def shuffle(
    seed: int, epoch: int, n: int, i, domain: Domain = Domain.SHUFFLE, part: int = 0, inverse: bool = False
) -> np.ndarray:
    """Position(s) i of the shuffled order of n items: a keyed permutation P of [0, n), of which no table is kept.

    P(i), or with `inverse` the k with P(k) = i: m places cost O(m + sqrt(n)).
    Each domain, and each part of one, has permutations of its own. They are a
    Feistel network of 12 rounds over [0, 2^b), behind which a bit of the key says
    whether 0 and 1 change places, as the rounds alone make even permutations: half
    of all orders. It is walked until it falls back into range.

    >>> sorted(shuffle(seed=0, epoch=3, n=5, i=range(5)).tolist())
    [0, 1, 2, 3, 4]
    >>> shuffle(seed=0, epoch=3, n=5, i=shuffle(seed=0, epoch=3, n=5, i=range(5)), inverse=True).tolist()
    [0, 1, 2, 3, 4]
    """
    widths = _widths(n)
    *words, last = _round_words((seed, epoch), address(domain, sample=part), widths)
    odd, value = last[0] & 1, np.array(i, np.intp)
    todo = np.ones(value.shape, bool)
    while todo.any():
        value[todo] = _feistel(words, odd, widths[1], value[todo], inverse)
        todo[todo] = value[todo] >= n
    return value.astype(np.uint32)


def _widths(n: int) -> tuple[int, int]:
    """Bits of the left and of the right part of a value below n.

    One more on the left where they are odd in number. Below 7 bits that would mix
    too slowly (pairs on 8 places 7.3 % off), and both parts have the larger number.
    """
    bits = max(2, (n - 1).bit_length())
    bits += bits % 2 if bits < 7 else 0
    return bits - bits // 2, bits // 2


def _round_words(key, address: int, widths) -> np.ndarray:
    """What each round adds to one part of a value, by the other part; and a row more: (ROUNDS + 1, 2^left)."""
    rounds, parts = np.arange(ROUNDS + 1, dtype=np.uint32)[:, None], np.arange(1 << widths[0], dtype=np.uint32)
    first, _ = threefry(key, (rounds << np.uint32(16) | parts, np.uint32(address)))
    masks = np.array([(1 << width) - 1 for width in widths], np.uint32)  # the parts change places every round
    return (first & masks[rounds % 2]).astype(np.intp)


def _feistel(words, odd: int, right_width: int, value, inverse: bool):
    """A round for each row of words, an even number, then 0 and 1 change places or do not; or all back."""
    if inverse:
        value = value ^ odd * (value < 2)
    left, right = value >> right_width, value & ((1 << right_width) - 1)
    for word in reversed(words) if inverse else words:
        left, right = (right ^ word[left], left) if inverse else (right, left ^ word[right])
    value = left << right_width | right
    return value if inverse else value ^ odd * (value < 2)


def batch_indices(seed: int, step: int, batch: int, n: int) -> np.ndarray:
    """Indices (batch,) of the minibatch at this step: shuffled epochs of n // batch full minibatches."""
    per_epoch = n // batch
    start = step % per_epoch * batch
    return _epoch_order(seed, step // per_epoch, n)[start : start + batch]


@lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    # A device asks for one position at a time in O(1) memory; a host remembers the epoch's order.
    order = shuffle(seed, epoch, n, np.arange(n))
    order.flags.writeable = False
    return order
