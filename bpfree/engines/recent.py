# SPDX-License-Identifier: MIT
"""What engines build from a graph or a run, built once."""

from __future__ import annotations

MOST = 8
"""Things that are kept."""


class Recent:
    """The few latest things built, by identity of what they were built from.

    Threads may share one: its table is replaced as a whole and never changed, so that a thread sees the old or
    the new. Of two that build the same at once, each has its own, and the later one is kept.
    """

    def __init__(self):
        self._entries = {}

    def get(self, source, build):
        """What was built from this very object, or build() now."""
        entry = self._entries.get(id(source)) or (source, build())
        others = [own for own in self._entries.items() if own[0] != id(source)][1 - MOST :]
        self._entries = dict([*others, (id(source), entry)])  # latest last; holding source keeps its id its own
        return entry[1]
