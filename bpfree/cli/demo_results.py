# SPDX-License-Identifier: MIT
"""What `bpfree demo` shows at its end: accuracies before and after the world changed, and what the device needs."""

from __future__ import annotations

from typing import NamedTuple

from rich.table import Table

import bpfree as bf
from bpfree.study.floors import random_features_floor

CLOCK = 100_000_000
"""Instructions that the device is taken to do in a second: one a cycle at 100 MHz."""


class Accuracies(NamedTuple):
    """Accuracies on test samples, which took part in no choice and no training, as shares of 1."""

    before: float  #: of the computer's model in the world that it was trained in
    changed: float  #: of the same model once the world has changed
    adapted: dict[str, float]  #: of the device's models in the changed world, by the way it trains
    floor: float  #: of the network with random features and a ridge head, in the changed world
    linear: float  #: of a linear ridge on the pixels, in the changed world

    def way_back(self, name: str) -> float:
        """Return the share of what the change took that the device has got back."""
        return (self.adapted[name] - self.changed) / (self.before - self.changed)


def accuracies(model, adapted, untrained, test, world) -> Accuracies:
    """Return the accuracies of the computer's model and of the adapted ones, which are given by name.

    test: samples of the old world. world: samples of the changed one, by split; the floors are fitted to its `train`.
    """
    return Accuracies(
        model.accuracy(*test),
        model.accuracy(*world["test"]),
        {name: own.accuracy(*world["test"]) for name, own in adapted.items()},
        random_features_floor(untrained, **world).accuracy,
        random_features_floor(bf.Sequential(64, [bf.Linear(10)]), **world).accuracy,
    )


def results(runs, devices, steps: int, found: Accuracies) -> Table:
    """Return the table of the last screen, with a column for each way in which the device trained.

    runs: those on the computer. devices: what trained for so many steps, by the name of the way.
    """
    each = list(devices.values())
    one = each[0]
    rows = [
        ("test accuracy, trained on the computer", f"{found.before:.1%}"),
        ("  once the pictures have moved and paled", f"{found.changed:.1%}"),
        (f"  once the device has learned from {len(one.samples.rows)}", *(f"{a:.1%}" for a in found.adapted.values())),
        ("  floor: same network, random features + ridge", f"{found.floor:.1%}"),
        ("  for comparison: linear ridge on the pixels", f"{found.linear:.1%}"),
        ("computer: parameters", f"{one.trainer.graph.n_theta:,}"),
        ("  forwards (passes of one sample)", f"{sum(run.forwards for run in runs):,}"),
        ("  MACs", f"{sum(run.macs for run in runs):,}"),
        ("  seconds", f"{sum(run.seconds for run in runs):.1f}"),
        (f"device: Cortex-M4F, {one.flags}",),
        ("  RAM (theta, record, arena, sample, context)", *(f"{own.sizes.ram_bytes:,} B" for own in each)),
        ("  stack", *(f"{own.result.stack_bytes:,} B" for own in each)),
        ("  flash, code", *(f"{own.sizes.flash_bytes:,} B" for own in each)),
        ("  flash, initial weights + samples", f"{one.sizes.weights_bytes + one.sizes.data_bytes:,} B"),
        ("  instructions per step", *(f"{own.result.instructions:,}" for own in each)),
        (
            f"  {steps} steps at {CLOCK // 1_000_000} MHz, one instruction a cycle",
            *(f"{steps * own.result.instructions / CLOCK:.2g} s" for own in each),
        ),
    ]
    table = Table("results", *devices, title_justify="left")
    for row in rows:
        table.add_row(*row, style=None if row[1:] else "dim")
    return table
