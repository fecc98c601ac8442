# SPDX-License-Identifier: MIT
"""Handwritten digits of 8 x 8 pixels with values 0 to 16: small enough to come with the package.

They are the test set of "Optical Recognition of Handwritten Digits" (E. Alpaydin
and C. Kaynak, 1998, UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY
4.0), stored in the order of scikit-learn's `load_digits`; see LICENSE-digits.txt.
"""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from bpfree.datasets.samples import Images, Samples, Splits, check_split, choose

SIZES = {"train": 1297, "validation": 200, "test": 300}
"""Number of samples in each split; the splits follow one another in the shuffled samples in this order."""


class Digits(Images):
    """Handwritten digits: x (n, 64) float32 is pixels / 16, which is exact; labels (n,) int64."""

    __slots__ = ()
    white = 16


def load_digits(split: str | None = None) -> Splits | Samples:
    """Return all three splits, or the one named: "train" (1297 samples), "validation" (200) or "test" (300).

    The samples are those of scikit-learn's `load_digits` in a shuffled order that
    is stored with them; the splits are consecutive ranges of it. The same 13 people
    wrote all three splits, so the test accuracy holds for known writers only.

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
