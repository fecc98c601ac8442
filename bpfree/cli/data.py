# SPDX-License-Identifier: MIT
"""Loads the argument DATA of a command: a data set by name, or an .npz file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from bpfree import rng
from bpfree.engines.given import check_finite_rows, how_to_number_classes, to_float32
from bpfree.files import read_arrays

SPLITS = {"train": ("x", "y"), "validation": ("x_validation", "y_validation"), "test": ("x_test", "y_test")}
"""Names of the arrays x and y of each split in an .npz file."""

_MOST_CLASSES = 20
"""Different whole numbers in a y of floats up to which they may be meant as classes."""


@dataclass(frozen=True)
class Data:
    """Samples (x, y) by split: "train" and optionally "validation" and "test"; `name` is for messages and files.

    tested: whom the test split is of, where that is known.
    """

    name: str
    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    tested: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.splits["train"][0].shape[1:]

    @property
    def labels(self) -> bool:
        """Whether y holds classes (one integer per sample) instead of targets."""
        y = self.splits["train"][1]
        return y.ndim == 1 and np.issubdtype(y.dtype, np.integer)

    @property
    def outputs(self) -> int:
        """Number of outputs that a network needs: one per class, counted over all splits, or one per target."""
        if self.labels:
            return int(max(y.max() for _, y in self.splits.values() if y.size)) + 1
        return int(np.prod(self.splits["train"][1].shape[1:], dtype=int))

    @property
    def loss(self) -> str:
        """The default loss: cross_entropy for classes, mse for targets."""
        return "cross_entropy" if self.labels else "mse"

    def loss_unless(self, given) -> str:
        """Return the loss that is given, else the default one; raise where it is not clear what y holds."""
        y = self.splits["train"][1]
        found = np.unique(y) if not given and y.size == len(y) and y.dtype.kind == "f" else ()
        if 2 <= len(found) <= _MOST_CLASSES < len(y) and (found == np.floor(found)).all():
            got = f"floats that are whole numbers, {', '.join(f'{value:g}' for value in found[:3])}, ..."
            ways = "save y.astype(int) for classes, numbered from 0, or say --loss mse"
            _refuse(self.name, f"y: expected classes or targets, got {got}: {ways}")
        return given or self.loss

    def check_classes(self) -> None:
        """Raise where classes are not numbered from 0, or most numbers are of none: outputs would be for nothing."""
        if self.labels:
            found = np.unique(np.concatenate([y for _, y in self.splits.values()]))
            if found[0] > 0 or 2 * len(found) < self.outputs:
                some = ", ".join(map(str, found[:4].tolist())) + (", ..." if len(found) > 4 else "")
                told = f"y: expected classes 0 to {len(found) - 1}, got {some}"
                _refuse(self.name, f"{told}: {how_to_number_classes('y')}")

    def describe(self) -> dict:
        """Return name, shapes and sizes for the JSON document."""
        return {
            "name": self.name,
            "inputs": list(self.shape),
            "outputs": self.outputs,
            "samples": {split: len(x) for split, (x, _) in self.splits.items()},
        }

    def with_validation(self, share: float) -> Data:
        """Return Data with this share of the training samples as the validation split, unless there is one already.

        The choice depends on the number of samples alone, not on the seed of a run.
        """
        x, y = self.splits["train"]
        count = round(share * len(x))
        if "validation" in self.splits or count == 0:
            return self
        order = rng.shuffle(seed=0, epoch=0, n=len(x), i=np.arange(len(x)))
        kept, aside = order[count:], order[:count]
        splits = {**self.splits, "train": (x[kept], y[kept]), "validation": (x[aside], y[aside])}
        return replace(self, splits=splits)


def load(text: str) -> Data:
    """Load a data set by its name (found on disk or downloaded), or an .npz file by its path."""
    from bpfree.datasets import DATASETS

    if text in DATASETS:
        row = DATASETS[text]
        splits = row.load()
        return Data(text, {split: tuple(getattr(splits, split)) for split in SPLITS}, row.tested)
    if not Path(text).is_file():
        wanted = f"{', '.join(DATASETS)}, or an .npz file with arrays x and y"
        raise click.BadParameter(f"expected one of {wanted}; got {text!r}, which is neither", param_hint="DATA")
    return _from_file(Path(text))


def _from_file(path: Path) -> Data:
    optional = [name for split in ("validation", "test") for name in SPLITS[split]]
    arrays = read_arrays(path, SPLITS["train"], optional=optional, what="data file (an .npz with arrays x and y)")
    splits = {}
    for split, (x, y) in SPLITS.items():
        if (x in arrays) != (y in arrays):
            there, lacks = (x, y) if x in arrays else (y, x)
            _refuse(path, f"expected {lacks} as well as {there}, got none")
        if x in arrays:
            splits[split] = _checked(path, x, arrays[x], y, arrays[y])
    shapes = {part[0].shape[1:] for part in splits.values()}
    if len(shapes) > 1:
        _refuse(path, f"expected samples of one shape in all splits, got {sorted(shapes)}")
    return Data(path.stem, splits)


def _refuse(path, complaint: str):
    raise click.BadParameter(f"{path}: {complaint}", param_hint="DATA")


def _checked(path, x_name, x, y_name, y):
    if x.ndim < 2 or not len(x):
        _refuse(path, f"{x_name}: expected shape (n, features...) with n >= 1, got {x.shape}")
    if y.ndim < 1 or len(y) != len(x):
        _refuse(path, f"{y_name}: expected one row per sample ({len(x)}), got shape {y.shape}")
    for name, values in ((x_name, x), (y_name, y)):
        if values.dtype.kind not in "biuf":
            ways = f": {how_to_number_classes('y')}" if name == y_name else ""
            _refuse(path, f"{name}: expected real numbers, got {values.dtype}{ways}")
        try:  # here, where rows are those of the file
            check_finite_rows(name, to_float32(values).reshape(len(values), -1))
        except ValueError as error:
            _refuse(path, error)
    if y.ndim > 1 and y.size == len(y) and y.dtype.kind in "biu":
        ways = "save y.ravel() for classes, y.astype(float) for targets"
        _refuse(path, f"{y_name}: expected classes (n,), or targets as floats, got {y.dtype} {y.shape}: {ways}")
    if y.ndim == 1 and y.dtype.kind in "biu":
        y = y.astype(np.int64)
        if y.min() < 0 or y.max() >= max(1000, 2 * len(y)):
            _refuse(
                path,
                f"{y_name}: expected classes 0, 1, 2, ..., as y holds integers, got {y.min()} to {y.max()}: "
                "number the classes from 0, or save targets as floats",
            )
    return x, y
