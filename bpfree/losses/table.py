# SPDX-License-Identifier: MIT
"""What a loss is: one row of the table, or one of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from bpfree.errors import check_unmasked
from bpfree.registry import OWN, HostOnly, check_callables, check_name, qualified_name


@dataclass(frozen=True)
class Loss:
    """One loss, per sample: a row of the table, or one of your own, which needs a name and `values`.

    name: what journals and messages call it.
    values: a function (arithmetic, y, target) of scores y (outputs, n) to (n,) losses; target is labels
        (n,) or, if not `labels`, targets (outputs, n). arithmetic has sum, exp, log and the like in a fixed order
        where the engine is exact; NumPy's own functions do as well.
    labels: whether the target is classes, integers (n,) in [0, outputs).
    gradient: a function (arithmetic, y, target) to dL/dy of every sample, (outputs, n), in closed form.
    change: a function (arithmetic, y, target, columns, s) to L(y + s w_j) - L(y), (m, n), for each column w_j of
        columns (outputs, m), which all samples share.
    differences: a function (arithmetic, y, target) to the function that gives L(y + dy) - L(y), (m, n), of moves
        dy (outputs, m, n).
    takes_rows: whether the target is the rows of the data's y, unchanged, (n, ...) of any type; `of` makes such a
        loss of a function.
    number, c, closed: of a row of the table, in C; one of your own has none, and runs in Python.

    What is None is measured from `values` where an estimator wants it. Raises TypeError for what is no function.

    >>> import bpfree as bf
    >>> absolute = bf.Loss("absolute", lambda arithmetic, y, t: arithmetic.sum(abs(y - t), axis=0))
    >>> x, y = np.eye(4, dtype="f4"), np.eye(4, dtype="f4")[:, :2]
    >>> run = bf.train(bf.Sequential(4, [bf.Linear(2)]), (x, y), loss=absolute, max_steps=2, batch_size=4)
    >>> run.trainer.loss.name, run.metric
    ('absolute', 'loss')
    """

    name: str
    values: Callable = field(repr=False)
    labels: bool = False
    gradient: Callable | None = field(default=None, repr=False)
    change: Callable | None = field(default=None, repr=False)
    differences: Callable | None = field(default=None, repr=False)
    takes_rows: bool = False
    number: int | None = None
    c: str | HostOnly = field(default=OWN, repr=False)
    closed: str | None = field(default=None, repr=False)

    def __post_init__(self):
        check_name("Loss", self.name)
        check_callables("Loss", self, ("values",), ("gradient", "change", "differences"))
        if self.labels and self.takes_rows:
            raise ValueError(f"Loss {self.name!r}: expected labels or takes_rows, got both")

    @classmethod
    def of(cls, function: Callable, name: str | None = None) -> Loss:
        """Return the loss of a function (outputs, targets) -> (n,), as `loss=function` does.

        outputs: (n, features...), what `predict` gives, to keep or to change. targets: the rows of y, unchanged and
        read-only. The result is cast to the engine's dtype. name: default is the function's qualified name.

        >>> import bpfree as bf
        >>> bf.Loss.of(lambda outputs, targets: abs(outputs[:, 0] - targets), name="absolute")
        Loss(name='absolute', labels=False, takes_rows=True, number=None)
        """
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"loss: expected a function (outputs, targets) -> (n,), got {function!r}")
        name = qualified_name(function) if name is None else name
        return cls(name, _OfRows(name, function), takes_rows=True)

    def target(self, batch, dtype):
        """The target of a batch as `values` reads it."""
        if self.labels:
            return batch.labels
        return batch.targets if self.takes_rows else np.ascontiguousarray(batch.targets.T, dtype)

    def repeated(self, target, copies: int):
        """The target of so many copies of a batch, one after the other."""
        return np.concatenate([target] * copies) if self.takes_rows else np.tile(target, _last(target, copies))

    def losses(self, arithmetic, y, target):
        """(n,) from scores y (outputs, n). Raises ValueError where `values` gives anything else."""
        return _checked(self, "values", self.values(arithmetic, y, target), y.shape[1:], y.dtype)

    def slopes(self, arithmetic, y, target):
        """dL/dy (outputs, n), in closed form. Raises ValueError where `gradient` gives anything else."""
        return _checked(self, "gradient", self.gradient(arithmetic, y, target), y.shape, y.dtype)

    def changes_along(self, arithmetic, y, target, columns):
        """The function s -> L(y + s w_j) - L(y), (m, n), for each column w_j of columns (outputs, m)."""
        if self.change is not None:
            return lambda s: self.change(arithmetic, y, target, columns, s)
        by = self.changes_by(arithmetic, y, target)
        return lambda s: by(np.broadcast_to((s * columns)[:, :, None], (*columns.shape, y.shape[1])))

    def changes_by(self, arithmetic, y, target):
        """The function of moves dy (outputs, m, n) -> L(y + dy) - L(y), (m, n)."""
        if self.differences is not None:
            return self.differences(arithmetic, y, target)
        at_rest = self.losses(arithmetic, y, target)

        def measured(moves):
            m = moves.shape[1]
            moved = np.ascontiguousarray(y[:, None] + moves).reshape(len(y), -1)
            return self.losses(arithmetic, moved, self.repeated(target, m)).reshape(m, -1) - at_rest

        return measured


def _last(target, copies: int) -> tuple[int, ...]:
    return (*[1] * (target.ndim - 1), copies)


def _checked(loss: Loss, what: str, found, shape, dtype):
    """The numbers that a function of a loss gives, in the engine's precision."""
    array = np.asarray(check_unmasked(f"loss: {what} of {loss.name!r}", found))
    if array.shape != shape or array.dtype.kind not in "biuf":
        expected = f"expected `{what}` of {loss.name!r} to give real numbers of shape {shape}"
        raise ValueError(f"loss: {expected}, got {array.dtype} of shape {array.shape}")
    with np.errstate(over="ignore"):  # what the precision has no room for is infinite: a result
        return array.astype(dtype, copy=False)


@dataclass(frozen=True)
class _OfRows:
    """A user's function of samples in rows, as a function of samples in columns."""

    name: str
    function: Callable

    def __call__(self, arithmetic, y, target):
        outputs, n = np.array(y.T, order="C"), y.shape[1]  # a copy: it may be changed, y may not
        rows = target.view()
        rows.flags.writeable = False
        expected = f"expected {self.name!r} of (outputs {outputs.shape}, targets {rows.shape}) to give ({n},)"
        try:
            found = self.function(outputs, rows)
        except Exception as error:
            raise ValueError(f"loss: {expected} numbers, got {type(error).__name__}: {error}") from error
        found = np.asarray(check_unmasked(f"loss: {self.name!r}", found))
        if found.shape != (n,) or found.dtype.kind not in "biuf":
            raise ValueError(f"loss: {expected} real numbers, got {found.dtype} of shape {found.shape}")
        return found
