# SPDX-License-Identifier: MIT
"""Which options of config.h a model and its trainer want: what the others stand for is not compiled."""

from __future__ import annotations

from bpfree.estimators.device import OPTIONS as OF_ESTIMATORS
from bpfree.graph.c_tables import ModelTables

OPTIONS = (
    *OF_ESTIMATORS, "BPFREE_GAPS", "BPFREE_WEIGHTS", "BPFREE_ONE_SIDED", "BPFREE_TWO_SIDED", "BPFREE_PAIRED",
    "BPFREE_IN_TURN", "BPFREE_GRADIENTS", "BPFREE_STATE", "BPFREE_WINDOWS",
)  # fmt: skip
"""Options of config.h, 1 by default, that only some models and trainers want."""

_BY_SIGNS = ("bpfree_est_rge", ["bpfree_upd_sgd"])
"""The estimator whose directions are signs of their own and the links that take signs as they are."""


def wanted(tables: ModelTables, trainer=None) -> set[str]:
    """Return the names in OPTIONS that a model's tables want, and its trainer where there is one."""
    gaps = {"BPFREE_GAPS"} if any(tensor.row != tensor.size for tensor in tables.tensors) else set()
    return gaps if trainer is None else gaps | _of_trainer(trainer, any(tensor.side for tensor in tables.tensors))


def _of_trainer(trainer, paired: bool) -> set[str]:
    estimator, links = trainer.rows["estimator"], trainer.update.links
    names = set(estimator.device.wants(trainer.estimator))
    names.add("BPFREE_TWO_SIDED" if trainer.estimator.two_sided else "BPFREE_ONE_SIDED")
    by_signs = (estimator.c, [row.c for row in trainer.rows["links"]]) == _BY_SIGNS
    conditions = {
        "BPFREE_PAIRED": paired,
        "BPFREE_IN_TURN": trainer.estimator.two_sided and not paired,
        "BPFREE_WEIGHTS": trainer.weighted,
        "BPFREE_GRADIENTS": not by_signs or trainer.record_shape[1] > 1,
        "BPFREE_STATE": any(link.n_vectors or link.n_scalars or link.window for link in links),
        "BPFREE_WINDOWS": any(link.window for link in links),
    }
    return names | {name for name, holds in conditions.items() if holds}


def set_options(config: str, wanted_names: set[str]) -> str:
    """Return the text of config.h with 0 as the default of every option that is not wanted."""
    for name in OPTIONS:
        if name not in wanted_names:
            config = config.replace(f"#define {name} 1\n", f"#define {name} 0\n")
    return config
