# SPDX-License-Identifier: MIT
"""What RAM and flash does training take on a Cortex-M4F, by estimator and update?

Every pair, such as `RGE+SGD@cortex-m4f`, is a firmware of its own that trains 64-32-10 by one sample a step, compiled and run.
RAM is that of variables and stack. docs/memory.md shows the rows as a table.
"""

from __future__ import annotations

import shutil

import bpfree as bf
from bpfree.bench.device import measure
from bpfree.bench.device_cases import BUILDS, TARGET, Case, mlp
from bpfree.bench.rows import row
from bpfree.emulate.compilers import GNU

ESTIMATORS = {
    "RGE": bf.RGE(),
    "RGE, one-sided": bf.RGE(two_sided=False),
    "RGE, 16 queries": bf.RGE(n_queries=16),
    "RGE, Gaussian": bf.RGE(direction="gaussian"),
    "CGE, 1 %": bf.CGE(fraction=0.01),
    "UnitWise": bf.UnitWise(),
}
UPDATES = {"SGD": bf.SGD(0.01), "SignSGD": bf.SignSGD(0.01), "Momentum": bf.Momentum(0.01), "Adam": bf.Adam(0.01)}
METRICS = ("total_ram_bytes", "flash_bytes")


def run(quick: bool = False) -> list[dict]:
    """Return the bytes of every pair. quick: of the first two estimators and updates."""
    build = BUILDS["" if shutil.which(GNU) else "zig"]
    rows = []
    for estimator in list(ESTIMATORS)[: 2 if quick else None]:
        for update in list(UPDATES)[: 2 if quick else None]:
            found, text = measure(Case(mlp, ESTIMATORS[estimator], UPDATES[update]), build)
            name = f"{estimator}+{update}@{TARGET}"
            rows += [row("memory", name, metric, found[metric], "B", text) for metric in METRICS]
    return rows
