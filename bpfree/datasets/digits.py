# SPDX-License-Identifier: MIT
"""Handwritten digits, 8 x 8 pixels of 0 to 16: small enough to come with the package.

The test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin and
C. Kaynak, 1998, UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY
4.0), in the order of scikit-learn's `load_digits`; see LICENSE-digits.txt.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from bpfree.datasets.samples import Images, Samples, Splits, check_split, choose

SIZES = {"train": 1297, "validation": 200, "test": 300}
"""Samples of each split, in the order in which they are taken from the shuffled samples."""


class Digits(Images):
    """x (n, 64) float32, pixels / 16 and so exact; labels (n,) int64."""

    __slots__ = ()
    white = 16


def load_digits(split: str | None = None) -> Splits | Samples:
    """All three splits, or the one of this name: "train" (1297 samples), "validation" (200), "test" (300).

    The samples are scikit-learn's in a shuffled order that comes with them, so
    that it stays whatever happens to permutations; the splits follow one another
    in it. The same 13 people wrote all three, so the test accuracy is one for
    known writers.

    >>> train, validation, test = load_digits()
    >>> train.x.shape, train.pixels.dtype, len(test.labels)
    ((1297, 64), dtype('uint8'), 300)
    """
    check_split(split)
    with files("bpfree.datasets").joinpath("digits.npz").open("rb") as file, np.load(file) as stored:
        images, labels, order = (stored[name] for name in ("images", "labels", "order"))
    every, splits, start = Digits.of_pixels(images[order], labels[order]), {}, 0
    for name, size in SIZES.items():
        splits[name] = every.part(start, start + size)
        start += size
    return choose(Splits(**splits), split)
