# SPDX-License-Identifier: MIT
"""What an engine keeps of a pass, within its memory, and what its probes cost."""

from __future__ import annotations

from collections.abc import Callable

from bpfree.engines.probes import pack
from bpfree.engines.recent import Recent
from bpfree.engines.reuse import Flow, Kept
from bpfree.errors import check_count

CACHE_BYTES = 64 * 2**20
"""Most memory for kept activations, unless an engine is told otherwise."""


class Cache:
    """What one engine keeps of a pass for the probes of a call.

    cache_bytes: most memory for kept activations; 0: nothing is kept. float_bytes(n): bytes that a float a
    sample takes in a batch of n.
    """

    def __init__(self, cache_bytes: int, float_bytes: Callable[[int], int]):
        self.cache_bytes = check_count("cache_bytes", cache_bytes, 0)
        self._float_bytes, self._flows = float_bytes, Recent()

    def __reduce__(self):
        return type(self), (self.cache_bytes, self._float_bytes)  # what it has chosen is chosen again where it is sent

    def flow(self, graph) -> Flow:
        """What depends on what in a graph."""
        return self._flows.get(graph, lambda: Flow(graph))

    def choose(self, graph, probes, n: int) -> tuple[Kept, int]:
        """What to keep for these probes of n samples, and what they cost then.

        The cost is all multiply-accumulates in passes of one sample, rounded.
        """
        flow = self.flow(graph)
        counts = flow.count(pack(probes))
        kept = flow.choose(counts, self.cache_bytes // self._float_bytes(n))
        return kept, flow.forwards(counts, kept, n)
