# SPDX-License-Identifier: MIT
"""What every loader returns: three splits of samples, each of them the pair (x, y) that `train` takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bpfree.errors import check_choice


class Samples(NamedTuple):
    """Samples with their labels: x (n, features...) float32, labels (n,) int64.

    >>> Samples(np.zeros((5, 2), np.float32), np.arange(5)).part(1, 3).labels
    array([1, 2])
    """

    x: np.ndarray
    labels: np.ndarray

    def part(self, start: int, stop: int) -> Samples:
        """Return the samples [start, stop)."""
        return type(self)(self.x[start:stop], self.labels[start:stop])


class Images(Samples):
    """Grey images, one per row: x = fl(pixel * fl(1 / white)), which a device computes to the same bits.

    >>> images = Images.of_pixels(np.array([[0, 255, 7]], np.uint8), np.array([3]))
    >>> images.x.max(), images.pixels.tolist()
    (np.float32(1.0), [[0, 255, 7]])
    """

    __slots__ = ()
    white = 255
    """The pixel value of full ink."""

    @classmethod
    def of_pixels(cls, pixels, labels) -> Images:
        """Return images from pixels (n, features) uint8 and labels (n,) of any integer type."""
        x = pixels.astype(np.float32)
        x *= np.float32(1 / cls.white)
        return cls(x, labels.astype(np.int64))

    @property
    def pixels(self) -> np.ndarray:
        """The raw pixels (n, features) uint8, a quarter of the size of x: firmware stores these (scale=1 / white)."""
        return np.rint(self.x * np.float32(self.white)).astype(np.uint8)


class Splits(NamedTuple):
    """Three splits of samples: choose settings on `validation`, and use `test` once, at the end."""

    train: Samples
    validation: Samples
    test: Samples

    @property
    def train_and_validation(self) -> Samples:
        """Both splits together, train first: for the last fit, once every setting is chosen."""
        pairs = zip(self.train, self.validation, strict=True)
        return type(self.train)(*(np.concatenate(pair) for pair in pairs))


def check_split(split) -> None:
    """Raise ValueError unless split is None or the name of a split."""
    if split is not None:
        check_choice("split", split, Splits._fields)


def choose(splits: Splits, split: str | None) -> Splits | Samples:
    """Return all three splits, or the one named."""
    return splits if split is None else getattr(splits, split)
