# SPDX-License-Identifier: MIT
"""What an update is: links that turn a gradient into the step theta is moved back by."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bpfree.registry import Carrier, SettingsRow, undefined
from bpfree.schedules.table import Schedule, start_of

_BLOCK = 1 << 14
"""Elements updated at a time: what is between two links stays in cache."""


class Record(NamedTuple):
    """The record of a step, for links that look at more than its gradient.

    coefficients (groups, queries), as a journal has them. averaged: the mean of
    so many directions is the gradient. gradient(step, coefficients): g of any
    step, from its coefficients (which are cut, where the update says so).
    coordinates(step): the elements of theta whose partial derivatives they are, or None.
    """

    coefficients: np.ndarray
    averaged: int
    gradient: Callable
    coordinates: Callable


class UpdateRow(SettingsRow):
    """One row of the table of updates, or one of a user's own."""


class Update(Carrier, rows=UpdateRow):
    """One link, and the update made of it alone: theta <- theta - transform(g).

    Pure: init(theta, n_record) -> state, update(gradient, state, theta, step,
    record) -> (theta, state), arguments left alone. State is a flat list of
    arrays: of each link n_vectors like theta, which start at 0, then one of
    n_scalars, which start at 1; at the end one of the last `window` records, which
    start at 0. `settings` are the floats the C side reads.

    One of your own is a frozen dataclass of its settings that defines `transform`,
    which is called block by block, so that it must work element by element; what
    it wants to know of the whole step it sees in `look`. What it is given is read-only.
    It steps by `start_lr`, which is a number where lr is a schedule, too. It runs in Python.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Root(Update, name="root"):
    ...     lr: float | Schedule = 0.1
    ...     def transform(self, gradient, state, theta):
    ...         return theta.dtype.type(self.start_lr) * np.sign(gradient) * np.sqrt(abs(gradient)), state
    >>> Root().update(np.array([4.0, -9.0]), [], np.zeros(2), step=0)[0].round(6).tolist()
    [-0.2, 0.3]
    """

    n_vectors = 0
    n_scalars = 0
    window = 0
    """Records kept by a first link, which makes its gradient of them in `gather`."""

    sees_record = False
    """Whether `look` or `gather` wants the record of the step."""

    comes_first = False
    """Whether it takes the place of the estimator's gradient, so that no link can stand before it."""

    steps_by_lr = False
    """Whether each element moves by about lr, however long the gradient is."""

    clip = 0.0
    """Bound of the coefficients' size before the gradient is made of them; 0: there is none."""

    settings: tuple[float, ...] = ()
    lr: float | Schedule = 1.0
    """Learning rate, where a link has one."""

    @property
    def start_lr(self) -> float:
        """Return lr, or the number that its schedule starts from: the schedule's factor multiplies the whole step."""
        return start_of(self.lr)

    @property
    def schedule(self) -> Schedule | None:
        """Return the schedule that the whole step is multiplied by; None: there is none."""
        return self.lr if isinstance(self.lr, Schedule) else None

    @property
    def links(self) -> tuple:
        """Return the links in the order in which they act."""
        return (self,)

    def cut(self, coefficients) -> np.ndarray:
        """Return the coefficients cut to [-clip, clip], as the gradient is made of them."""
        limit = coefficients.dtype.type(self.clip)
        return np.clip(coefficients, -limit, limit) if self.clip else coefficients

    def n_state(self, n_theta: int, n_record: int) -> int:
        """Return the number of floats of state."""
        return sum(link.n_vectors * n_theta + link.n_scalars + link.window * n_record for link in self.links)

    def init(self, theta, n_record: int = 0) -> list:
        """Return the state before the first step. n_record: floats of a step's record."""
        state = []
        for link in self.links:
            state += [np.zeros_like(theta) for _ in range(link.n_vectors)]
            state += [np.ones(link.n_scalars, theta.dtype)] * (link.n_scalars > 0)
        window = self.links[0].window
        return [*state, np.zeros(window * n_record, theta.dtype)] if window else state

    def update(self, gradient, state, theta, step, record: Record | None = None):
        """Return the next theta, in theta's precision, and the state after it. record: for links that see it."""
        if self.sees_record:
            if record is None:
                raise TypeError(f"record: expected that of the step, which {self!r} looks at")
            record = record._replace(coefficients=self.cut(record.coefficients))
        theta, gradient, state = read_only(theta), read_only(gradient), [read_only(part) for part in state]
        kept, first, own = [], 0, []
        if self.links[0].window:
            gradient, kept = self.links[0].gather(gradient, state[-1], step, record)
        for link in self.links:
            stop = first + link.n_vectors + (link.n_scalars > 0)
            own.append(link.look(state[first:stop], step, record))
            first = stop
        factor = self.schedule and gradient.dtype.type(self.schedule.factor(step))
        moved, after = np.empty_like(theta), [[np.empty_like(part) for part in parts] for parts in own]
        for start in range(0, theta.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            g = gradient[block]
            for link, before, behind in zip(self.links, own, after, strict=True):
                n = link.n_vectors
                own_state = [part[block] for part in before[:n]] + before[n:]
                g, parts = _transformed(link, g, own_state, theta[block])
                for k, part in enumerate(parts):
                    behind[k][block if k < n else slice(None)] = part
            np.subtract(theta[block], factor * g if factor is not None else g, out=moved[block])
        return moved, [part for parts in after for part in parts] + kept

    def skip(self, state, step) -> list:
        """Return the state after a step that moved nothing: as it was, but a window keeps zeros for its record."""
        window = self.links[0].window
        if not window:
            return state
        rows = state[-1].reshape(window, -1).copy()
        rows[step % window] = 0
        return [*state[:-1], rows.reshape(-1)]

    def look(self, state, step, record: Record):
        """Return the state of this link after a look at the step's record, whose coefficients are cut."""
        return state

    def gather(self, gradient, rows, step, record: Record):
        """Return the gradient made of the records in `rows` (flat) and of this one, and [rows] with it."""
        raise NotImplementedError

    def transform(self, gradient, state, theta):
        """Return what this link alone makes of the gradient, and its state after that."""
        raise undefined("update", self, "transform(gradient, state, theta)")

    def largest(self, size: float, limit: float, n_record: int) -> float:
        """Return the largest number that this link computes, its state included; infinity: that is not known.

        size: of the largest element of its gradient. limit: coefficients are smaller. n_record: a step has so many.
        Firmware compares coefficients with what follows from it (`coefficient_limit`), or tries every step.
        """
        return math.inf

    def check_estimator(self, estimator) -> None:
        """Raise unless this link can work with what the estimator's coefficients are."""


def read_only(array) -> np.ndarray:
    """The array, read-only: a link that wrote into it would change a run's last whole step, and a caller's theta."""
    view = array.view()
    view.flags.writeable = False
    return view


def _transformed(link, gradient, state, theta) -> tuple:
    """What a link makes of the gradient, and its state after that; raises where it is something else."""
    try:
        made = link.transform(gradient, state, theta)
    except TypeError as error:
        if link.schedule:
            error.add_note("lr is a schedule: self.start_lr is the number to step by in transform")
        raise
    expected = f"update: expected transform of {link.row.name!r} to give"
    if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[1], list | tuple):
        raise TypeError(f"{expected} a pair (step, [arrays of state]), got {_described(made)}")
    step, parts = made
    if any(np.iscomplexobj(part) for part in (step, *parts)):
        raise TypeError(f"{expected} real numbers, got complex ones")
    shapes = [part.shape for part in state]
    if np.shape(step) != theta.shape or [np.shape(part) for part in parts] != shapes:
        got = f"{np.shape(step)} and {len(parts)} of {[np.shape(part) for part in parts]}"
        raise ValueError(f"{expected} a step of {theta.shape} and {len(shapes)} arrays of state of {shapes}, got {got}")
    return step, parts


def _described(made) -> str:
    """What was given in the place of a pair, in few words."""
    kinds = ", ".join(type(part).__name__ for part in made) if isinstance(made, tuple) else ""
    return f"({kinds})" if kinds else type(made).__name__
