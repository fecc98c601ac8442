# SPDX-License-Identifier: MIT
"""What every loader gives: three splits of samples, each the (x, y) that `train` takes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bpfree.errors import check_choice


class Samples(NamedTuple):
    """x (n, features...) float32 and labels (n,) int64.

    >>> Samples(np.zeros((5, 2), np.float32), np.arange(5)).part(1, 3).labels
    array([1, 2])
    """

    x: np.ndarray
    labels: np.ndarray

    def part(self, start: int, stop: int) -> Samples:
        """The samples [start, stop)."""
        return type(self)(self.x[start:stop], self.labels[start:stop])


class Images(Samples):
    """Grey images, one a row: x = fl(pixel * fl(1 / white)), which a device computes to the same bits.

    >>> images = Images.of_pixels(np.array([[0, 255, 7]], np.uint8), np.array([3]))
    >>> images.x.max(), images.pixels.tolist()
    (np.float32(1.0), [[0, 255, 7]])
    """

    __slots__ = ()
    white = 255
    """The pixel value of full ink."""

    @classmethod
    def of_pixels(cls, pixels, labels) -> Images:
        """From pixels (n, features) uint8 and labels (n,) of any integer type."""
        x = pixels.astype(np.float32)
        x *= np.float32(1 / cls.white)
        return cls(x, labels.astype(np.int64))

    @property
    def pixels(self) -> np.ndarray:
        """The raw pixels (n, features) uint8: a quarter of the bytes, for firmware (scale=1 / white)."""
        return np.rint(self.x * np.float32(self.white)).astype(np.uint8)


class Splits(NamedTuple):
    """Choose settings on `validation`; look at `test` once, at the end."""

    train: Samples
    validation: Samples
    test: Samples

    @property
    def train_and_validation(self) -> Samples:
        """Both together, train first: for the last fit, when every setting is chosen."""
        pairs = zip(self.train, self.validation, strict=True)
        return type(self.train)(*(np.concatenate(pair) for pair in pairs))


def check_split(split) -> None:
    """Raise unless split is None or the name of one."""
    if split is not None:
        check_choice("split", split, Splits._fields)


def choose(splits: Splits, split: str | None) -> Splits | Samples:
    """All three splits, or the one of this name."""
    return splits if split is None else getattr(splits, split)
