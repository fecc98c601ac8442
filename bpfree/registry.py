# SPDX-License-Identifier: MIT
"""Tables whose rows join a number, a name, a Python object and a C symbol; and rows of one's own, which have no number.

C is asked only about rows that *are* rows of a table, by identity: a number from outside means nothing.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True)
class HostOnly:
    """Stands in a row for the C side of what makes no sense in C, and says why."""

    reason: str


def host_only(reason: str) -> HostOnly:
    """Mark a row as having no C counterpart."""
    return HostOnly(reason)


IN_PYTHON = 'it runs on the "reference" or "exact" engine'
"""What to do with a row of one's own that C is asked about."""

OWN = host_only(f"of one's own, and so not in C: {IN_PYTHON}")
"""The C side of a row of one's own."""


def qualified_name(thing) -> str:
    """`module.name` of a function or a class, for journals; of the main program, the module of its file.

    What has no name that another program could find it by, such as a lambda, has `<` in its name.
    """
    name, module = getattr(thing, "__qualname__", None), getattr(thing, "__module__", None)
    if name is None:
        return f"<{type(thing).__qualname__}>"
    if module == "__main__":
        main = sys.modules["__main__"]
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        module = spec.name if spec else Path(file).stem if file else module
    return f"{module}.{name}"


@dataclass(frozen=True)
class SettingsRow:
    """A row whose objects are settings: its name, their class, and what C knows it by, which one's own has not."""

    name: str
    settings: type
    number: int | None = None
    c: str | HostOnly = OWN


class Carrier:
    """Classes of settings that carry their row. The base of a kind says of which class rows are: `rows=UpdateRow`."""

    row: SettingsRow
    """The row of the table; of a class of your own, one that is made when the class is."""

    def __init_subclass__(cls, name: str | None = None, rows: type | None = None, **others):
        super().__init_subclass__(**others)
        if rows is not None:
            cls._rows = rows
        else:
            cls.row = cls._rows(qualified_name(cls) if name is None else name, cls)


def _check_declared(what: str, kind: type) -> None:
    """Raise where a class gives fields that it has no @dataclass of its own for: its objects would not have them."""
    names = {field.name for field in fields(kind)}
    for cls in kind.__mro__:
        if "__dataclass_fields__" in vars(cls):
            return
        given = sorted(names & {*vars(cls), *vars(cls).get("__annotations__", ())})
        if given:
            ways = "put @dataclass(frozen=True) above it, and annotate its fields"
            expected = f"a dataclass, as {cls.__name__} gives {', '.join(given)}"
            raise TypeError(f"{what}: expected {expected}, got a class without @dataclass: {ways}")


def check_name(what: str, name) -> None:
    """Raise unless it is a text that files can hold and screens can show."""
    if not isinstance(name, str) or not name:
        raise TypeError(f"{what}: expected a name, got {name!r}")
    check_printable(what, name)


def check_printable(what: str, name) -> None:
    """Raise unless it is a text without control characters, which steer a terminal, and halves of characters."""
    if not isinstance(name, str):
        raise TypeError(f"{what}: expected a text, got {name!r}")
    if not name.isprintable():
        raise ValueError(f"{what}: expected characters that can be printed, got {name!r}")


def undefined(name: str, thing, method: str) -> NotImplementedError:
    """What to raise where a class of one's own lacks a method, which is given with its arguments."""
    return NotImplementedError(f"{name}: expected {type(thing).__name__} to define {method}")


def check_rows(rows) -> None:
    """Raise unless rows are a list, or the like, of what is one's own."""
    if isinstance(rows, str | type) or not isinstance(rows, Iterable):
        raise TypeError(f"rows: expected a list of rows, functions and classes of your own, got {rows!r}")


def check_callables(what: str, row, needed: tuple, optional: tuple = ()) -> None:
    """Raise unless fields of a row are functions; optional ones may be None."""
    for name in (*needed, *optional):
        value = getattr(row, name)
        if not callable(value) and not (value is None and name in optional):
            raise TypeError(f"{what} {row.name!r}: expected a function as `{name}`, got {value!r}")


def travel_by_name(table: Table, home: str, name: str) -> None:
    """Copies of a table's rows, here or in another process, are the rows themselves; others are made anew.

    home, name: the module that has the table, and its name there.
    """

    def reduce(row):
        return (_looked_up, (home, name, row.name)) if table.has(row) else object.__reduce_ex__(row, 2)

    for kind in {type(row) for row in table}:
        copyreg.pickle(kind, reduce)


def _looked_up(home: str, name: str, row: str):
    return getattr(import_module(home), name)[row]


class Table:
    """Rows by name and by number. Every row has `.name`, `.number` and `.c` (symbol or HostOnly)."""

    def __init__(self, name: str, rows):
        self.name = name
        self.rows = tuple(sorted(rows, key=lambda row: row.number))
        self._by_name = {row.name: row for row in self.rows}
        self._known = frozenset(map(id, self.rows))  # asked for at every run of an op
        if len(self._by_name) != len(self.rows) or [r.number for r in self.rows] != list(range(len(self.rows))):
            raise ValueError(f"table {name}: numbers must be 0, 1, 2, ... and names unique")

    def __iter__(self):
        return iter(self.rows)

    def __contains__(self, name) -> bool:
        return isinstance(name, str) and name in self._by_name

    def __getitem__(self, name: str):
        try:
            return self._by_name[name]
        except (KeyError, TypeError):
            known = ", ".join(self._by_name)
            raise ValueError(f"{self.name}: expected one of {known}; got {name!r}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its rows."""
        return tuple(self._by_name)

    def has(self, row) -> bool:
        """Return whether it is a row of this table, and not one that looks like it."""
        return id(row) in self._known

    def number(self, row) -> int:
        """The number that C knows a row by. Raises ValueError for a row of one's own, which C knows nothing of."""
        if not self.has(row):
            expected = "a row of the table, as C has those only"
            raise ValueError(f"{self.name}: expected {expected}, got {row.name!r}: {IN_PYTHON}")
        return row.number

    def find(self, name: str, own=()):
        """A row by its name: of the table, or among rows of one's own."""
        found = self._named(name, own)
        if name in self or not found:
            try:
                return self[name]
            except ValueError as error:
                ways = "one of your own is given in rows=[...], on the command line by --rows FILE.py"
                raise ValueError(f"{error}; {ways}") from None
        if any(row != found[0] for row in found):  # a function given twice is the same loss
            raise ValueError(f"rows: expected one {self.name} row of the name {name!r}, got {len(found)}")
        return found[0]

    def lacks(self, name, own=()) -> bool:
        """Return whether it names a row that is neither in the table nor among those of one's own."""
        return isinstance(name, str) and name not in self and not self._named(name, own)

    def _named(self, name, own) -> list:
        return [row for row in own if isinstance(row, type(self.rows[0])) and row.name == name]

    def check_own_name(self, row) -> None:
        """Raise where a row of one's own has the name of a row of the table: a file would be read as that one's."""
        if row.name in self and not self.has(row):
            expected = "a name that the table does not have"
            raise ValueError(f"{self.name}: expected {expected}, got {row.name!r} for one's own")

    def of(self, settings):
        """Return the row of an object of settings: that of its class in the table, or the one it carries (`.row`)."""
        own = getattr(settings, "row", None)
        if isinstance(settings, type) and own is not None:
            name = settings.__name__
            raise TypeError(f"{self.name}: expected an object of settings, got the class {name}: call it, {name}(...)")
        if isinstance(own, type(self.rows[0])) and own.settings is type(settings):
            if not is_dataclass(settings):
                ways = "put @dataclass(frozen=True) above its class"
                name = type(settings).__name__
                raise TypeError(f"{self.name}: expected a dataclass of its settings, got {name}: {ways}")
            _check_declared(self.name, type(settings))
            return own
        for row in self.rows:
            if type(settings) is row.settings:
                return row
        known = ", ".join(dict.fromkeys(f"{row.settings.__name__}(...)" for row in self.rows))
        raise TypeError(f"{self.name}: expected one of {known}; got {settings!r}")
