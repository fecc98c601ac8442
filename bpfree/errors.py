# SPDX-License-Identifier: MIT
"""Errors that name the argument, what was expected and what was given."""

from __future__ import annotations

import operator
import sys
from os import PathLike, fspath

__all__ = [
    "BpfreeError",
    "CoreMissingError",
    "DataMissingError",
    "FormatError",
    "NumericError",
    "RowsMissingError",
    "WorkerError",
    "check_choice",
    "check_count",
    "check_finite",
    "check_functions",
    "check_normal",
    "check_path",
    "check_positive",
    "check_seed",
    "check_share",
    "check_share_of_all",
    "check_unmasked",
    "check_version",
]


class BpfreeError(Exception):
    """Base of the errors that bpfree defines itself."""


class CoreMissingError(BpfreeError, ImportError):
    """The compiled core is asked for and cannot be had; the message says why, and how to build it.

    built: True where it is there and does not load.
    """

    def __init__(self, message: str, built: bool = False):
        super().__init__(message)
        self.built = built


class NumericError(BpfreeError, ArithmeticError):
    """A loss is not finite, or the thread does not compute as equal bits need; nothing was updated."""


NOT_STRICT = (
    "another library changed the arithmetic of this thread (a rounding mode, or flush-to-zero), so bits would differ: "
    "set it back to rounding to nearest with subnormal numbers"
)
"""What is said where a thread does not compute as equal bits need."""


class WorkerError(BpfreeError, RuntimeError):
    """The workers of an executor cannot be had; the run is whole up to its last step."""


class FormatError(BpfreeError, ValueError):
    """A file is not what it claims to be; nothing was loaded. Its text is one line, whatever it quotes of the file."""

    def __init__(self, text: str):
        super().__init__(one_line(text))


class RowsMissingError(FormatError):
    """A file names rows of one's own that were not given; the message says which, and how to give them."""

    @classmethod
    def of(cls, where, names) -> RowsMissingError:
        """The error of a file, or of what else `where` says, that needs rows of these names."""
        named, ways = ", ".join(dict.fromkeys(names)), "give them in rows=[...], on the command line by --rows FILE.py"
        return cls(f"{where}: needs rows that are not given: {named}: {ways}")


class DataMissingError(BpfreeError, FileNotFoundError):
    """A data set is not on this machine and could not be fetched; the message says where to put it."""


_MOST_TEXT = 1000
"""Characters of a message, of which the first and the last are kept."""


def one_line(text: str) -> str:
    """A text with what cannot be printed escaped (line ends, halves of characters), and cut in the middle."""
    if len(text) > _MOST_TEXT:
        text = f"{text[: _MOST_TEXT - 300]} ... {text[-300:]}"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def check_count(name: str, value, low: int = 1, high: int | None = None) -> int:
    """Return value as an int in [low, high], or raise naming the argument."""
    limits = f"an integer >= {low}" if high is None else f"an integer in [{low}, {high}]"
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected {limits}, got {value!r}") from None
    if isinstance(value, bool):
        raise TypeError(f"{name}: expected {limits}, got {value!r}")
    if number < low or (high is not None and number > high):
        raise ValueError(f"{name}: expected {limits}, got {number}")
    return number


def check_version(got, expected: int, what: str = "version") -> None:
    """Raise FormatError unless a file is of this version."""
    if got != expected:
        older = isinstance(got, int) and got < expected
        way = "read it with the bpfree that wrote it, whose bits were others" if older else "update bpfree"
        raise FormatError(f"{what}: expected {expected}, got {got}: {way}")


def check_seed(value, name: str = "seed") -> int:
    """Return seed as an int in [0, 2^32), or raise; 0 is a seed like any other."""
    return check_count(name, value, 0, 2**32 - 1)


def _number(name: str, value, expected: str) -> float:
    """value as a float; texts and truth values are none, though float() takes them."""
    try:
        if not isinstance(value, str | bytes | bool):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise TypeError(f"{name}: expected {expected}, got {value!r}")


def check_finite(name: str, value) -> float:
    """Return value as a finite float32-sized float, or raise naming the argument."""
    number = _number(name, value, "a number")
    if not abs(number) < 2.0**128 - 2.0**103:
        raise ValueError(f"{name}: expected a finite float32 number, got {value!r}")
    return number


def check_positive(name: str, value) -> float:
    """Return value as a finite float > 0, or raise naming the argument."""
    number = _number(name, value, "a number > 0")
    if not 0.0 < number < float("inf"):
        raise ValueError(f"{name}: expected a finite number > 0, got {value!r}")
    return number


def check_normal(name: str, value) -> float:
    """Return value as a float > 0 that is a normal float32 number, or raise naming the argument."""
    number = check_positive(name, value)
    if not 2.0**-126 <= number < 2.0**128 - 2.0**103:
        raise ValueError(f"{name}: expected a normal float32 number, got {value!r}")
    return number


def check_share(name: str, value) -> float:
    """Return value as a float in [0, 1), or raise naming the argument."""
    number = check_finite(name, value)
    if not 0.0 <= number < 1.0 - 2.0**-25:  # which float32 would round to 1
        raise ValueError(f"{name}: expected a number in [0, 1), got {value!r}")
    return number


def check_share_of_all(name: str, value) -> float:
    """Return value as a float in (0, 1], or raise naming the argument."""
    number = check_finite(name, value)
    if not 0.0 < number <= 1.0:
        raise ValueError(f"{name}: expected a number in (0, 1], got {value!r}")
    return number


def check_choice(name: str, value, choices):
    """Return value if it is one of the choices, or raise listing them."""
    if getattr(value, "shape", ()) or value not in choices:  # an array is never equal as a whole
        raise ValueError(f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def check_unmasked(name: str, value):
    """Return value unless it is a masked array, or a sequence of some, whose masks NumPy would drop without a word."""
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())  # without NumPy, which is slow to load
    parts = (value, *value) if isinstance(value, list | tuple) else (value,)
    if any(isinstance(part, masked) for part in parts):
        ways = f"leave these samples out, or give {name}.filled(number)"
        raise TypeError(f"{name}: expected numbers without a mask, got a masked array: {ways}")
    return value


def check_functions(name: str, value, arguments: str) -> tuple:
    """A function of these arguments, or a sequence of them, as a tuple; or raise naming the argument."""
    functions = (value,) if callable(value) else value
    if not isinstance(functions, tuple | list) or not all(map(callable, functions)):
        raise TypeError(f"{name}: expected a function of {arguments} or a sequence of them, got {value!r}")
    return tuple(functions)


def check_path(name: str, value) -> None:
    """Raise unless this is the path of a file. (An int would be a file descriptor to `open`.)"""
    if not isinstance(value, str | PathLike) or not fspath(value):
        raise TypeError(f"{name}: expected a path, got {value!r}")
