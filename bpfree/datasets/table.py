# SPDX-License-Identifier: MIT
"""The table of data sets: what `bpfree train NAME` offers and `bpfree doctor` looks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bpfree.datasets import fsdd, mnist, twristar
from bpfree.datasets.digits import load_digits
from bpfree.datasets.fsdd import load_fsdd
from bpfree.datasets.mnist import load_fashion_mnist, load_mnist
from bpfree.datasets.twristar import load_twristar

_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Dataset:
    """One data set: load(split=None) returns its Splits; missing() returns the names of the files to download.

    tested: whom the test split is of, where that changes what an accuracy says.
    """

    name: str
    description: str
    classes: tuple[str, ...]
    load: Callable
    missing: Callable[[], list[str]]
    tested: str = ""


DATASETS = {
    row.name: row
    for row in (
        Dataset(
            "digits",
            "1,797 handwritten digits, 8 x 8, in the package; accuracy is for known writers",
            _DIGITS, load_digits, list, "the same writers",
        ),
        Dataset(
            "mnist",
            "70,000 handwritten digits, 28 x 28; 12 MB to download",
            _DIGITS, load_mnist, mnist.MNIST.missing,
        ),
        Dataset(
            "fashion_mnist",
            "70,000 pictures of clothes, 28 x 28; 31 MB to download",
            mnist.FASHION_CLASSES, load_fashion_mnist, mnist.FASHION_MNIST.missing,
        ),
        Dataset(
            "fsdd",
            "3,000 spoken digits of six speakers, as 16 x 16 log-mel pictures; 16 MB to download",
            _DIGITS, load_fsdd, fsdd.missing, "the same speakers",
        ),
        Dataset(
            "twristar",
            "six activities by wrist accelerometer, tested on a new wearer; 7 MB to download",
            twristar.CLASSES, load_twristar, twristar.SOURCE.missing, "another wearer",
        ),
    )
}  # fmt: skip
"""The data sets by name."""
