# SPDX-License-Identifier: MIT
"""The settings of a run, which steps, replays and exports all read."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np

from bpfree import rng, settings
from bpfree.directions import DIRECTIONS
from bpfree.directions.table import Direction
from bpfree.errors import check_choice, check_count, check_seed, check_unmasked
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.step import apply_record, check_pair
from bpfree.graph import Graph, fnv1a64
from bpfree.losses import LOSSES, get_loss
from bpfree.registry import IN_PYTHON, OWN, HostOnly
from bpfree.schedules import SCHEDULES
from bpfree.schedules.table import Schedule, start_of
from bpfree.updates import UPDATES
from bpfree.updates.table import read_only


@dataclass(frozen=True, eq=False)
class Trainer:
    """Graph, constants, loss, estimator, update, seed and batch size of a run; weighted: whether samples have weights.

    What replays a journal and what is exported: `run.trainer`, or made by hand. Where
    the loss has no gradient in closed form, an estimator's head is "probe".

    >>> import bpfree as bf
    >>> model = bf.Sequential(4, [bf.Linear(2)])
    >>> trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(), bf.SGD(0.1), batch_size=2)
    >>> trainer.indices(step=0, n_samples=4).shape
    (2,)
    """

    graph: Graph
    frozen: np.ndarray
    loss: object
    estimator: object
    update: object
    batch_size: int
    seed: int = 0
    weighted: bool = False
    rows: dict = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "loss", get_loss(self.loss))
        check_count("batch_size", self.batch_size, 1, 2**24)
        check_seed(self.seed)
        check_choice("weighted", self.weighted, (True, False))
        row = ESTIMATORS.of(self.estimator)
        check_pair(self.estimator, self.update)
        rows = {"estimator": row, "links": tuple(UPDATES.of(link) for link in self.update.links), "loss": self.loss}
        rows["schedules"] = {name: schedule and SCHEDULES.of(schedule) for name, schedule in self.schedules.items()}
        object.__setattr__(self, "rows", rows)
        self._check_own_names()
        if self.loss.gradient is None and any(f.name == "head" for f in fields(self.estimator)):
            object.__setattr__(self, "estimator", replace(self.estimator, head="probe"))  # what has no closed form
        if self.graph.n_theta == 0:
            frozen = f" beside {self.graph.n_frozen} frozen ones: unfreeze some" if self.graph.n_frozen else ""
            raise ValueError(f"model: expected trainable parameters, got none{frozen}")

    def __repr__(self) -> str:
        parts = f"{self.graph!r}, loss {self.loss.name!r}, {self.estimator!r}, {self.update!r}"
        return f"Trainer({parts}, batch_size={self.batch_size}, seed={self.seed})"

    @classmethod
    def from_settings(cls, model, text: str, rows=()) -> Trainer:
        """The Trainer that wrote this text, for a model of the same graph.

        rows: losses, estimators, updates and the like of your own that it names, as `bpfree.replay` takes them.

        Raises FormatError when the text is no such thing, ValueError when it belongs to another model.

        >>> import bpfree as bf
        >>> model = bf.Sequential(4, [bf.Linear(2)])
        >>> trainer = bf.Trainer(model.graph, model.frozen, "cross_entropy", bf.RGE(), bf.SGD(0.1), batch_size=2)
        >>> bf.Trainer.from_settings(model, trainer.settings()).update
        SGD(lr=0.1)
        """
        trainer = cls(model.graph, model.frozen, **settings.parse(text, rows))
        if trainer.settings() != text:
            differ = settings.differences(settings.load(text), settings.load(trainer.settings()), "the settings")
            split = f"; a model's hash covers what is frozen, here {trainer.graph.n_frozen} of its parameters"
            raise ValueError(f"model: expected the one that the settings are for; {differ}{split}")
        return trainer

    @property
    def record_shape(self) -> tuple[int, int]:
        """(groups, coefficients of a group): the shape of a step's record."""
        return self.estimator.record_shape(self.graph)

    @property
    def n_record(self) -> int:
        """Coefficients of a step."""
        groups, each = self.record_shape
        return groups * each

    @property
    def device_record_shape(self) -> tuple[int, int]:
        """The shape of a step's record on a device, which of some estimators has other words than `record_shape`."""
        device = self.rows["estimator"].device
        return self.record_shape[0], device.record(self.estimator, self.graph, self.batch_size)

    @property
    def evaluations(self) -> int:
        """Loss evaluations of one step, each of batch_size samples."""
        return self.estimator.evaluations(self.graph)

    @property
    def forwards(self) -> int:
        """What one step costs on average, in passes of one sample."""
        return self.estimator.forwards(self.graph, self.batch_size)

    def cost(self, engine, step: int) -> int:
        """What a step costs with this engine, in passes of one sample."""
        return self.estimator.cost(self, engine, step)

    @property
    def n_state(self) -> int:
        """Floats of the update's state."""
        return self.update.n_state(self.graph.n_theta, self.n_record)

    @property
    def n_work(self) -> int:
        """Floats a device works in, as `bpfree_work_size` says; weights of a window's records are among them."""
        device = self.rows["estimator"].device
        own = device.work(self.estimator, self.graph, self.batch_size)
        return own and own + self.update.links[0].window * device.weights(self.estimator, self.graph)

    @property
    def schedules(self) -> dict:
        """Schedule, or None for a plain number, of "mu_schedule" and "lr_schedule"."""
        mu = self.estimator.mu
        return {"mu_schedule": mu if isinstance(mu, Schedule) else None, "lr_schedule": self.update.schedule}

    def estimate(self, engine, theta, batch, step: int):
        """One step's Estimate at theta on a batch; an estimator of one's own sees a theta that is read-only."""
        own = not ESTIMATORS.has(self.rows["estimator"])
        estimate = self.estimator.estimate(self, engine, read_only(theta) if own else theta, batch, step)
        if not isinstance(estimate, Estimate):
            expected = f"estimate of {self.rows['estimator'].name!r} to give a bpfree.Estimate"
            raise TypeError(f"estimator: expected {expected}, got {type(estimate).__name__}")
        for what in ("coefficients", "losses") if own else ():
            check_unmasked(f"estimator: {what}", getattr(estimate, what))
        return estimate

    def gradient(self, step: int, coefficients) -> np.ndarray:
        """The gradient estimate (n_theta,) that coefficients stand for, once they are clipped."""
        self._check_record(coefficients)
        return self.estimator.gradient(self.graph, self.seed, step, self.update.cut(coefficients))

    def _check_record(self, coefficients) -> None:
        if coefficients.shape != self.record_shape:
            expected = f"shape {self.record_shape} of this estimator"
            raise ValueError(f"coefficients: expected {expected}, got {coefficients.shape}")

    def initial_state(self, theta) -> list:
        """The update's state before the first step."""
        return self.update.init(theta, self.n_record)

    def apply(self, theta, state, step: int, coefficients) -> tuple:
        """The next theta and state from the record of a step, in theta's precision."""
        self._check_record(coefficients)
        return apply_record(self.estimator, self.update, self.graph, self.seed, theta, state, step, coefficients)

    def skip(self, state, step: int) -> list:
        """The update's state after a step that moved nothing."""
        return self.update.skip(state, step)

    def indices(self, step: int, n_samples: int) -> np.ndarray:
        """Indices of the minibatch at a step, of n samples in shuffled epochs."""
        return rng.batch_indices(self.seed, step, self.batch_size, n_samples)

    def settings(self) -> str:
        """All that a record depends on besides theta, as JSON text; from_settings reads it."""
        return settings.to_text(self)

    def fingerprint(self) -> str:
        """FNV-1a-64 of settings(), 16 hex digits."""
        return f"{fnv1a64(self.settings().encode()):016x}"

    def _placed_rows(self):
        """(table, row, what messages call it) of each row besides those of the graph."""
        yield ESTIMATORS, self.rows["estimator"], "estimator"
        yield LOSSES, self.loss, "loss"
        yield from ((UPDATES, row, "update") for row in self.rows["links"])
        yield from ((SCHEDULES, row, "schedule") for row in self.rows["schedules"].values() if row)
        if isinstance(self.estimator.direction, Direction):
            yield DIRECTIONS, self.estimator.direction, "direction"

    def _check_own_names(self) -> None:
        for table, row, _ in self._placed_rows():
            table.check_own_name(row)

    @property
    def own(self) -> tuple[str, ...]:
        """What of its losses is of one's own and must run in Python, in words; of a step's update see `own_links`."""
        rows = [row for row in self._placed_rows() if row[0] is not ESTIMATORS and row[0] is not UPDATES]
        return self.graph.own + tuple(f"{what} {row.name!r}" for table, row, what in rows if not table.has(row))

    @property
    def own_links(self) -> tuple[str, ...]:
        """The updates of one's own, in words: their arithmetic is Python's with every engine."""
        return tuple(f"update {row.name!r}" for row in self.rows["links"] if not UPDATES.has(row))

    @property
    def in_c(self) -> bool:
        """Whether the C runtime has this estimator."""
        row = self.rows["estimator"]
        return row.device is not None and ESTIMATORS.has(row)

    @property
    def refusal(self) -> str | None:
        """Why no device can train by this, in words; None where one can."""
        row = self.rows["estimator"]
        if own := self.own + self.own_links:
            return f"{own[0]}: {OWN.reason}"
        if self.in_c:
            return row.device.refusal(self.estimator, self.graph, self.batch_size)
        if ESTIMATORS.has(row) and isinstance(row.c, HostOnly):
            return f"{row.name}: {row.c.reason}"
        return f"{row.name}: of one's own, whose arithmetic is Python's"

    def native_settings(self) -> dict:
        """The run in the numbers of `bpfree_trainer`; of an estimator that C lacks, its gradient is given.

        Raises ValueError for rows of one's own.
        """
        if own := self.own + self.own_links:
            expected = "rows of the tables, as C has those only"
            raise ValueError(f"trainer: expected {expected}, got {own[0]}: {IN_PYTHON}")
        e, row, schedules = self.estimator, self.rows["estimator"], self.rows["schedules"]
        of_estimator = {"estimator": None, "clip": 0.0, "n_queries": self.graph.n_theta}
        if self.in_c:
            of_estimator = {
                "estimator": ESTIMATORS.number(row),
                "clip": self.update.clip,
                "n_queries": self.record_shape[1],
                "scale": row.device.scale(e, self.graph),
                "settings": row.device.settings(e, self.graph, self.loss),
                "kept": frozenset() if self.refusal else row.device.kept(self.graph),
            }
        return {
            **of_estimator,
            "loss": LOSSES.number(self.loss),
            "links": [
                (UPDATES.number(row), link.settings) for row, link in zip(self.rows["links"], self.update.links)
            ],
            "seed": self.seed,
            "batch": self.batch_size,
            "weighted": self.weighted,
            "two_sided": e.two_sided,
            "mu": start_of(e.mu),
            **{name: (SCHEDULES.number(row), self.schedules[name].settings) for name, row in schedules.items() if row},
        }

    def device_settings(self) -> dict:
        """Likewise for a device, where a step's record may have other words."""
        return {**self.native_settings(), "n_queries": self.device_record_shape[1]}
