# SPDX-License-Identifier: MIT
"""What an engine keeps of a pass, within its memory, and what its probes cost."""

from __future__ import annotations

import weakref

from bpfree.engines.probes import Probes, pack
from bpfree.engines.recent import Recent
from bpfree.engines.reuse import Flow, Kept
from bpfree.errors import check_count

CACHE_BYTES = 64 * 2**20
"""Most memory for kept activations, unless an engine is told otherwise."""


class Cache:
    """What one engine keeps for probes. cache_bytes: most memory for kept activations; 0: nothing is kept."""

    def __init__(self, cache_bytes: int):
        self.cache_bytes = check_count("cache_bytes", cache_bytes, 0)
        self._flows, self._last = Recent(), (None, None, None, None)

    def __reduce__(self):
        return type(self), (self.cache_bytes,)  # what it has chosen is chosen again where it is sent

    def flow(self, graph) -> Flow:
        """What depends on what in a graph."""
        return self._flows.get(graph, lambda: Flow(graph))

    def choose(self, graph, probes, float_bytes: int) -> Kept:
        """What to keep for these probes, where every float a sample that is kept takes so many bytes."""
        return self._choose(graph, probes, float_bytes)[1]

    def forwards(self, graph, batch_size: int, probes, float_bytes: int) -> int:
        """Multiply-accumulates of all that, in passes of one sample, rounded."""
        return self.flow(graph).forwards(*self._choose(graph, probes, float_bytes), batch_size)

    def _choose(self, graph, probes, float_bytes):
        known, *same = self._last
        if known is not None and known() is probes and same[0] is graph and same[1] == float_bytes:
            return same[2]
        flow = self.flow(graph)
        counts = flow.count(pack(probes))
        found = counts, flow.choose(counts, self.cache_bytes // float_bytes)
        if isinstance(probes, Probes):  # evaluated, and then asked for what that cost
            self._last = weakref.ref(probes), graph, float_bytes, found
        return found
