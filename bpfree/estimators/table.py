# SPDX-License-Identifier: MIT
"""What an estimator is, and its row of the table."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from bpfree.estimators.device import Device
from bpfree.estimators.estimate import Estimate
from bpfree.registry import OWN, HostOnly, qualified_name, undefined

COEFFICIENTS = {
    "slopes": "slopes of the loss along random directions, whose mean is taken",
    "partials": "partial derivatives, of the elements of theta that `coordinates` names",
    "scaled": "those, multiplied by a factor",
    "mixed": "slopes and partial derivatives, parts of several means",
    "moves": "moves of single parameters that were tried and kept, with the opposite sign",
    "gradient": "the gradient, element by element",
}
"""What the coefficients of a step can be: what updates and studies ask before they make something of them."""


@dataclass(frozen=True)
class EstimatorRow:
    """One row of the table, or one of a user's own, which has no number.

    settings: the class of its settings; direction: of its probes, where rows share a class. tier: what it
    looks at, "black-box" (losses alone) or "layer-access". journal: how its steps are remembered, "SCALARS"
    (coefficients) or "SNAPSHOT" (theta). c: the C symbol, or why there is none. device: what a device has to
    know, None where it is host-only.
    """

    name: str
    settings: type
    direction: str = "rademacher"
    tier: str = "black-box"
    journal: str = "SCALARS"
    number: int | None = None
    c: str | HostOnly = OWN
    device: Device | None = None

    def defaults(self) -> Estimator:
        """An estimator of this row with its class's defaults."""
        chosen = any(field.init and field.name == "direction" for field in fields(self.settings))
        return self.settings(direction=self.direction) if chosen else self.settings()


def _is_row(value) -> bool:
    return isinstance(value, EstimatorRow)


class Estimator:
    """Makes a gradient out of forward passes: a record of a few coefficients, from which it can be rebuilt.

    Everything is a pure function of its arguments. Subclasses are frozen dataclasses of their settings, `mu`
    among them, and have a `row`; they define `record_shape`, `gradient`, `estimate`, `evaluations` and `forwards`.
    Those that need nothing but losses at points around theta are :class:`bpfree.estimators.differences.Differences`.

    A class of your own is a row without a number; its name is the class's qualified name, or
    class Mine(bpfree.Estimator, name="mine"). Its arithmetic is Python's; its losses are the engine's, compiled or not.

    >>> import bpfree as bf
    >>> issubclass(bf.RGE, Estimator), bf.UnitWise().row.tier
    (True, 'layer-access')
    """

    row: EstimatorRow
    """The row of the table; of a class of your own, one without a number that is made when the class is."""

    tier = "layer-access"
    """What it looks at, in the row of a class of your own: "black-box" (losses alone) or "layer-access"."""

    mu = 2.0**-7
    two_sided = True
    direction = "rademacher"

    coefficients_are = "slopes"
    """A key of COEFFICIENTS."""

    averaged = 1
    """How many coefficients of a group the mean is taken of."""

    needs = "which looks at more than losses"
    """Why it cannot ask for points, for a message."""

    def __init_subclass__(cls, name: str | None = None, **others):
        super().__init_subclass__(**others)
        if "row" in vars(cls):  # it chooses among several
            return
        above = next((own for own in (getattr(base, "row", None) for base in cls.__mro__) if _is_row(own)), None)
        journal = "SNAPSHOT" if cls.coefficients_are == "gradient" else above.journal if above else "SCALARS"
        name = qualified_name(cls) if name is None else name
        cls.row = EstimatorRow(name, cls, cls.direction, tier=cls.tier, journal=journal)

    def record_shape(self, graph) -> tuple[int, int]:
        """Shape of the coefficients of a step: (groups, coefficients of a group)."""
        raise undefined("estimator", self, "record_shape(graph)")

    def estimate(self, trainer, engine, theta, batch, step: int) -> Estimate:
        """One step's Estimate at theta on a batch. trainer: graph, frozen, loss and seed of the run."""
        raise undefined("estimator", self, "estimate(trainer, engine, theta, batch, step)")

    def gradient(self, graph, seed: int, step: int, coefficients) -> np.ndarray:
        """g (n_theta,) of a step from its coefficients, in their precision."""
        raise undefined("estimator", self, "gradient(graph, seed, step, coefficients)")

    def coordinates(self, graph, seed: int, step: int) -> np.ndarray | None:
        """Elements of theta that a step's coefficients are of, in their order; None where they are of directions."""
        return None

    def evaluations(self, graph) -> int:
        """Loss evaluations of one step."""
        raise undefined("estimator", self, "evaluations(graph)")

    def forwards(self, graph, batch_size: int) -> int:
        """What a step costs on average, in passes of one sample."""
        raise undefined("estimator", self, "forwards(graph, batch_size)")

    def cost(self, trainer, engine, step: int) -> int:
        """The forwards that `estimate` will spend at a step; here every step costs the same."""
        return self.forwards(trainer.graph, trainer.batch_size)

    def start(self, theta0, **settings):
        """Refused, as this one needs more than losses at points that are known in advance: raises TypeError."""
        name, instead = type(self).__name__, "for losses measured elsewhere take RGE, CGE or Hybrid"
        raise TypeError(f"estimator: expected one that asks for points, got {name}, {self.needs}: {instead}")
