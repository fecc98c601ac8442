# SPDX-License-Identifier: MIT
"""What a device needs to know of an estimator, besides what every `bpfree_trainer` says."""

from __future__ import annotations

from bpfree.native.structs import Struct

OPTIONS = ("BPFREE_PROBE_ON_READ", "BPFREE_HADAMARD_ROWS", "BPFREE_GROUPS", "BPFREE_CUT_SLICES")
"""Options of config.h, 1 by default, that only some estimators want."""


class Device:
    """One row's facet for devices: here, of an estimator that keeps nothing and has no settings of its own."""

    def wants(self, estimator) -> frozenset[str]:
        """The names in OPTIONS that its C needs; firmware leaves the others out."""
        return frozenset()

    def sides(self, estimator) -> int:
        """Copies of the activations that are kept: 2 where a forward pass computes both sides at once."""
        return 1

    def scale(self, estimator, graph) -> float:
        """Factor that every coefficient is multiplied by."""
        return 1.0

    def record(self, estimator, graph, batch_size: int) -> int:
        """Floats of a group in a step's record, where it is in other words than the computer's."""
        return estimator.record_shape(graph)[1]

    def work(self, estimator, graph, batch_size: int) -> int:
        """Floats of working memory, as `bpfree_work_size` says."""
        return 0

    def weights(self, estimator, graph) -> int:
        """Floats that are made of a group's coefficients before their gradient, where that needs `work`."""
        return estimator.record_shape(graph)[1]

    def kept(self, graph) -> frozenset[int]:
        """Tensors that a pass leaves in the arena for the estimator."""
        return frozenset()

    def refusal(self, estimator, graph, batch_size: int = 1) -> str | None:
        """What it cannot train this graph for by so many samples a step, in words; None where it can."""
        return None

    def settings(self, estimator, graph, loss) -> Struct | None:
        """The estimator's own struct of estimators.h; None where it has none, or the defaults."""
        return None
