# SPDX-License-Identifier: MIT
"""Where the minibatches of a run come from: samples in memory, a function of the step, or an iterator."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from bpfree import rng
from bpfree.engines.batch import Batch, make_batch
from bpfree.registry import qualified_name

_END = object()
"""Stands for the end of an iterator."""


class Feed:
    """What all feeds have, besides `batch_size`.

    held: the batch that is in memory: all samples, or the first minibatch. epoch: samples
    of a pass over the data, None where there is no such thing. resumes: whether the
    minibatch of a step can be had again. endless: whether nothing but a budget ends it.
    source: what a checkpoint calls the place that batches come from, and told what
    people read; "" for samples in memory.
    """

    held: Batch
    epoch: int | None = None
    resumes = True
    endless = True
    source = ""
    told = ""

    @property
    def weighted(self) -> bool:
        """Whether samples have weights."""
        return self.held.weights is not None

    def at(self, step: int) -> Batch | None:
        """Return the minibatch of a step; None where there are no more."""
        raise NotImplementedError


@dataclass(frozen=True)
class InMemory(Feed):
    """Samples in memory: minibatches in shuffled epochs, drawn by the seed."""

    held: Batch
    batch_size: int
    seed: int

    @property
    def epoch(self) -> int:
        """Samples of an epoch."""
        return len(self.held)

    def at(self, step: int) -> Batch:
        """The minibatch of a step."""
        return self.held.take(rng.batch_indices(self.seed, step, self.batch_size, len(self.held)))


@dataclass
class Batches(Feed):
    """Batches that the user makes, all of one size; the first one is made at once, so that it can be looked at.

    checked(step, batch): what the user gave, as a Batch. held: the first one.
    """

    checked: Callable
    first_step: int
    held: Batch = field(init=False)

    def __post_init__(self):
        self.held = self._make(self.first_step)
        if self.held is None:
            raise ValueError("batches: expected at least one batch, got none")

    @property
    def batch_size(self) -> int:
        """Samples of a batch."""
        return len(self.held)

    def at(self, step: int) -> Batch | None:
        """Return the batch of a step; None where there are no more."""
        batch = self.held if step == self.first_step else self._make(step)
        if batch is None:
            return None
        if len(batch) != self.batch_size:
            ways = "leave the last samples out where they are fewer, or fill them up"
            expected = f"{self.batch_size} samples as in the first batch"
            raise ValueError(f"batches: step {step}: expected {expected}, got {len(batch)}: {ways}")
        if (batch.weights is not None) != self.weighted:
            raise ValueError(f"batches: step {step}: expected weights in all batches or in none")
        return batch

    def _make(self, step: int) -> Batch | None:
        raise NotImplementedError


@dataclass
class FromFunction(Batches):
    """Batches of function(step, rng), rng = Generator(Philox(key=(seed, step))): the same at every call."""

    function: Callable
    seed: int

    def _make(self, step: int) -> Batch:
        chance = np.random.Generator(np.random.Philox(key=(self.seed, step)))
        try:
            given = self.function(step, chance)
        except StopIteration:
            ways = "an iterator that ends is given as it is, batches=iterator"
            raise ValueError(f"batches: step {step}: expected a batch, got StopIteration: {ways}") from None
        return self.checked(step, given)

    @property
    def source(self) -> str:
        """The function's name, by which another program finds it."""
        return f"function {qualified_name(self.function)}"

    @property
    def told(self) -> str:
        """Where batches come from, for people."""
        return f"batches of {self.batch_size:,} from the {self.source}"


@dataclass
class FromIterator(Batches):
    """Batches of an iterator, one after the other: what it has given it never gives again."""

    iterator: Iterator

    resumes = False
    endless = False

    def _make(self, step: int) -> Batch | None:
        given = next(self.iterator, _END)
        return None if given is _END else self.checked(step, given)

    @property
    def told(self) -> str:
        """Where batches come from, for people."""
        return f"batches of {self.batch_size:,} from a {type(self.iterator).__name__}"


def make_feed(graph, loss, batches, seed: int, first_step: int) -> Batches:
    """The feed of what a user gives as `batches`. Raises TypeError when it is neither a function nor an iterator."""

    def checked(step, given):
        if not isinstance(given, tuple | list) or len(given) not in (2, 3):
            raise TypeError(f"batches: step {step}: expected (x, y) or (x, y, w), got {type(given).__name__}")
        try:
            return make_batch(graph, loss, *given).with_weights_as_given()
        except (TypeError, ValueError) as error:
            raise type(error)(f"batches: step {step}: {error}") from None

    if inspect.isgeneratorfunction(batches):
        raise TypeError(f"batches: expected a generator, got the function {batches.__name__} that makes one: call it")
    if callable(batches):
        return FromFunction(checked, first_step, batches, seed)
    if isinstance(batches, Iterable) and not isinstance(batches, str | bytes | dict | np.ndarray):
        return FromIterator(checked, first_step, iter(batches))
    expected = "a function of (step, rng) or an iterator, of batches (x, y)"
    raise TypeError(f"batches: expected {expected}, got {type(batches).__name__}")
