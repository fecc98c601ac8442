# SPDX-License-Identifier: MIT
"""What engines build from a graph or a run, built once."""

from __future__ import annotations


class Recent:
    """The few latest things built, by identity of what they were built from."""

    def __init__(self, most: int = 8):
        self._most, self._entries = most, {}

    def get(self, source, build):
        """What was built from this very object, or build() now."""
        entry = self._entries.pop(id(source), None) or (source, build())
        self._entries[id(source)] = entry  # latest last; holding source keeps its id its own
        if len(self._entries) > self._most:
            del self._entries[next(iter(self._entries))]
        return entry[1]
