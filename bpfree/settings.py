# SPDX-License-Identifier: MIT
"""The settings of a run as text: JSON that people read, journals carry and fingerprints are taken of."""

from __future__ import annotations

import json
import operator
from dataclasses import fields

import numpy as np

from bpfree.directions import DIRECTIONS
from bpfree.directions.table import Direction
from bpfree.errors import FormatError, RowsMissingError, check_count, check_seed, check_version, one_line
from bpfree.estimators import ESTIMATORS
from bpfree.estimators.table import Estimator, EstimatorRow
from bpfree.losses import LOSSES
from bpfree.losses.table import Loss
from bpfree.ops.table import Op
from bpfree.registry import check_rows
from bpfree.schedules import SCHEDULES
from bpfree.schedules.table import Schedule, ScheduleRow
from bpfree.updates import UPDATES
from bpfree.updates.chain import chain, clip
from bpfree.updates.table import Update, UpdateRow

SCHEMA = 2
"""Version of the settings' JSON, and of the bits that a run of them has; part of every fingerprint."""


def to_text(trainer) -> str:
    """Canonical JSON (sorted keys, no spaces, ASCII) of all that a record of a Trainer depends on besides theta."""
    links = zip(trainer.rows["links"], trainer.update.links, strict=True)
    document = {
        "schema": SCHEMA,
        "model": f"{trainer.graph.hash():016x}",
        "loss": trainer.loss.name,
        "estimator": _describe(trainer.rows["estimator"], trainer.estimator),
        "update": {"clip": float(trainer.update.clip), "links": [_describe(row, link) for row, link in links]},
        "batch_size": operator.index(trainer.batch_size),
        "seed": operator.index(trainer.seed),
        "journal": trainer.rows["estimator"].journal,
        "record": [operator.index(size) for size in trainer.record_shape],
        "n_theta": operator.index(trainer.graph.n_theta),
        "n_state": operator.index(trainer.n_state),
    }
    if trainer.weighted:
        document["weighted"] = True
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str, rows=()) -> dict:
    """loss, estimator, update, batch_size, seed and weighted, the arguments of a Trainer, from what to_text wrote.

    The text is data: names are looked up in the tables, and among `rows` of one's
    own; nothing is evaluated. Raises FormatError on anything else.
    """
    document, own = load(text), own_rows(rows)
    try:
        update = document["update"]
        missing = [name for table, name in _named(document) if table.lacks(name, own)]
        if missing:
            raise RowsMissingError.of("settings", missing)
        links = [_build(UPDATES, link, own) for link in update["links"]]
        if not links:
            raise ValueError("update: expected one or more links, got none")
        if update["clip"]:
            links.insert(0, clip(update["clip"]))
        return {
            "loss": LOSSES.find(document["loss"], own),
            "estimator": _build(ESTIMATORS, document["estimator"], own),
            "update": links[0] if len(links) == 1 else chain(*links),
            "batch_size": check_count("batch_size", document["batch_size"], 1, 2**24),
            "seed": check_seed(document["seed"]),
            "weighted": document.get("weighted", False),
        }
    except RowsMissingError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise FormatError(f"settings: not those of a run: {error}") from None


def _named(document: dict):
    """(table, name) of every row that settings name."""
    yield LOSSES, document["loss"]
    links = document["update"]["links"]
    for table, settings in ((ESTIMATORS, document["estimator"]), *((UPDATES, link) for link in links)):
        yield table, settings["name"]
        for inner in (value for value in settings.values() if isinstance(value, dict)):
            yield (DIRECTIONS, inner["direction"]) if set(inner) == {"direction"} else (SCHEDULES, inner["name"])


def load(text: str) -> dict:
    """Return the JSON object in a text. Raises FormatError."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise FormatError(f"settings: expected the text that Trainer.settings() gives: {error}") from None
    if not isinstance(document, dict) or "schema" not in document:
        raise FormatError(f"settings: expected a JSON object of schema {SCHEMA}, got {str(text)[:60]!r}")
    check_version(document["schema"], SCHEMA, "settings: schema")
    return document


def differences(theirs: dict, mine: dict, where: str) -> str:
    """What differs between two documents, for a message: "seed: 1 in the journal, 2 here; ..."."""
    old, new = dict(_leaves(theirs)), dict(_leaves(mine))
    names = [name for name in [*old, *(name for name in new if name not in old)] if old.get(name) != new.get(name)]
    return one_line("; ".join(f"{name}: {old.get(name)} in {where}, {new.get(name)} here" for name in names))


def _leaves(value, name=""):
    """(dotted name, value) of everything in a JSON document that is not a container."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        path = f"{name}.{key}" if name else str(key)
        if isinstance(inner, dict | list):
            yield from _leaves(inner, path)
        else:
            yield path, inner


def _describe(row, settings) -> dict:
    """Return a settings object as its row's name and its fields."""
    document = {"name": row.name}
    for own in (f for f in fields(settings) if f.init):
        value = getattr(settings, own.name)
        try:
            document[own.name] = _plain(own, value)
        except (TypeError, ValueError):
            expected = "a number, a text, None, a truth value, a tuple of numbers or a schedule"
            raise TypeError(f"{row.name}: expected {own.name} to be {expected}, got {value!r}") from None
    return document


def _plain(field, value):
    """A number of NumPy, or an int where a float is meant, is the same setting as Python's own."""
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, tuple):
        return [float(number) for number in value]
    if isinstance(value, Direction):
        return {"direction": value.name}
    if isinstance(value, Schedule):
        return _describe(SCHEDULES.of(value), value)
    if field.type in ("bool", bool):
        return bool(value)
    real = "float" in str(field.type) or isinstance(value, float | np.floating)
    return float(value) if real else operator.index(value)


def _build(table, document, own):
    """The settings object that _describe described; an object among its fields is a schedule, or a direction."""
    rest = {k: _inner(v, own) if isinstance(v, dict) else v for k, v in document.items()}
    return table.find(rest.pop("name"), own).settings(**rest)


def _inner(document, own):
    if set(document) == {"direction"}:
        return DIRECTIONS.find(document["direction"], own)
    return _build(SCHEDULES, document, own)


CARRIERS = Estimator, Update, Schedule
"""Classes of settings, which carry their rows."""

ROW_TYPES = Loss, Op, Direction, EstimatorRow, UpdateRow, ScheduleRow
"""Rows as they are."""


def own_rows(rows) -> tuple:
    """Rows of one's own from what users give as rows=[...]: rows, functions that are losses, classes of settings."""
    check_rows(rows)
    return tuple(map(_own_row, rows))


def _own_row(given):
    if isinstance(given, ROW_TYPES):
        return given
    if isinstance(given, type) and issubclass(given, CARRIERS):
        return given.row
    if callable(given) and not isinstance(given, type):
        return Loss.of(given)
    expected = "a function (outputs, targets) -> (n,), an Op, Loss or Direction, or a class of your own"
    raise TypeError(f"rows: expected {expected}, an Estimator, Update or Schedule, got {given!r}")


def check_named(text: str, what: str) -> None:
    """Raise where settings name something that another program could not find: a lambda, a class in a function."""
    for key, value in _leaves(load(text)):
        if isinstance(value, str) and "<" in value:
            ways = "move it to the top of a module, or give it a name: bpfree.Loss.of(function, name=...)"
            raise ValueError(f"{what}: expected rows that can be found by their names, got {key} {value!r}: {ways}")
