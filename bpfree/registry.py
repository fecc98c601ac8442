# SPDX-License-Identifier: MIT
"""Tables whose rows join a number, a name, a Python object and a C symbol."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HostOnly:
    """Stands in a row for the C side of what makes no sense in C, and says why."""

    reason: str


def host_only(reason: str) -> HostOnly:
    """Mark a row as having no C counterpart."""
    return HostOnly(reason)


class Table:
    """Rows by name and by number. Every row has `.name`, `.number` and `.c` (symbol or HostOnly)."""

    def __init__(self, name: str, rows):
        self.name = name
        self.rows = tuple(sorted(rows, key=lambda row: row.number))
        self._by_name = {row.name: row for row in self.rows}
        if len(self._by_name) != len(self.rows) or [r.number for r in self.rows] != list(range(len(self.rows))):
            raise ValueError(f"table {name}: numbers must be 0, 1, 2, ... and names unique")

    def __iter__(self):
        return iter(self.rows)

    def __contains__(self, name) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str):
        try:
            return self._by_name[name]
        except (KeyError, TypeError):
            known = ", ".join(self._by_name)
            raise ValueError(f"{self.name}: expected one of {known}; got {name!r}") from None

    def of(self, settings):
        """Return the row that this object carries (`.row`), or that of its class."""
        own = getattr(settings, "row", None)
        if isinstance(own, type(self.rows[0])) and own.settings is type(settings):
            return own
        for row in self.rows:
            if type(settings) is row.settings:
                return row
        known = ", ".join(dict.fromkeys(f"{row.settings.__name__}(...)" for row in self.rows))
        raise TypeError(f"{self.name}: expected one of {known}; got {settings!r}")
