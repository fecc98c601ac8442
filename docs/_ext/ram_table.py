# SPDX-License-Identifier: MIT
"""The directive `{ram-table}`: bytes of RAM of training on a 32-bit device, counted when the pages are built."""

from __future__ import annotations

from sphinx.util.docutils import SphinxDirective

import bpfree as bf
from bpfree.exporters.trainer_source import trainer_sizes
from bpfree.graph.c_tables import device_tables

MODELS = {
    "MLP 64-32-10, 2,410 parameters": [bf.Linear(32), bf.ReLU(), bf.Linear(10)],
    "TT layer and 10 outputs, 714 parameters": [
        bf.TTLinear((4, 4, 4), (4, 4, 2), rank=4), bf.Tanh(), bf.Linear(10),
    ],
}  # fmt: skip
ESTIMATORS = {
    "RGE, 1 query": bf.RGE(n_queries=1),
    "RGE, 1 query, one-sided": bf.RGE(n_queries=1, two_sided=False),
    "RGE, 16 queries": bf.RGE(n_queries=16),
    "RGE, 16 queries per layer": bf.RGE(n_queries=16, grouping="layer"),
    "RGE, 16 queries, Gaussian or sphere": bf.RGE(n_queries=16, direction="gaussian"),
    "CGE, 1 % of the coordinates": bf.CGE(fraction=0.01),
    "CGE, all coordinates": bf.CGE(),
    "UnitWise": bf.UnitWise(),
}
UPDATES = {
    "SGD": bf.SGD(0.1),
    "SignSGD": bf.SignSGD(0.1),
    "Momentum": bf.Momentum(0.1),
    "WindowMomentum, 16 steps": bf.WindowMomentum(0.1, window=16),
    "Adam": bf.Adam(0.1),
    "Normalize, SGD": bf.chain(bf.Normalize(), bf.SGD(0.1)),
    "clip, WeightDecay, Adam": bf.chain(bf.clip(1.0), bf.WeightDecay(1e-4), bf.Adam(0.1)),
}
CONTEXT = 17 * 4
"""Bytes of bpfree_context: six pointers, their sizes, the step and four more numbers, 32 bits each."""


def train_bytes(trainer) -> int:
    """Return `bpfree_train_size` for pointers of 4 bytes: theta, x, arena, coefficients, state, work, context."""
    tables = device_tables(trainer)
    sizes = {name: value for name, value, _ in trainer_sizes(tables, trainer)}
    parts = sum(sizes[f"TRAINER_{part}"] for part in ("ARENA", "RECORD", "STATE", "WORK"))
    floats = tables.n_theta + tables.features + parts
    return 4 * floats + CONTEXT


def make_trainer(layers, estimator, update) -> bf.Trainer:
    """Return the Trainer of a run on 64 features."""
    model = bf.Sequential(64, layers)
    return bf.Trainer(model.graph, model.frozen, "cross_entropy", estimator, update, batch_size=1)


def table() -> list[str]:
    """Return the lines of MyST tables, one per model."""
    lines = []
    for title, layers in MODELS.items():
        lines += [f"**{title}**", "", f"| | {' | '.join(UPDATES)} |", "|---|" + "--:|" * len(UPDATES)]
        for name, estimator in ESTIMATORS.items():
            cells = (_cell(layers, estimator, update) for update in UPDATES.values())
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    return lines


def fits(layers, estimator, update) -> bool:
    """Return whether estimator and update fit: some need dense layers, differences of losses or short records."""
    try:
        return not make_trainer(layers, estimator, update).refusal
    except ValueError:
        return False


def _cell(layers, estimator, update) -> str:
    return f"{train_bytes(make_trainer(layers, estimator, update)):,}" if fits(layers, estimator, update) else "-"


class _RamTable(SphinxDirective):
    def run(self):
        return self.parse_text_to_nodes("\n".join(table()))


def setup(app):
    """Add the directive."""
    app.add_directive("ram-table", _RamTable)
    return {"parallel_read_safe": True}
