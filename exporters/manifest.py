# SPDX-License-Identifier: MIT
"""The manifest of an exported folder: which models are in it, and what each of them wants of what they share."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from bpfree import __version__
from bpfree.exporters.folder import is_marked, marked
from bpfree.exporters.names import Names, check_apart, check_name

FILE = "manifest.txt"
SCHEMA = 1

_TRAINS = "training"
_PREDICTS = "inference"


@dataclass(frozen=True)
class Entry:
    """What a folder knows of one of its models.

    does: "training" or "inference". buffers: what of "state" and "work" its run needs. journal: what its journal
    consists of, "SCALARS" or "SNAPSHOT"; "" where it writes none. labels: whether its samples in flash have labels.
    sources: files of the runtime's src/. options: those of config.h that it wants to be 1.
    """

    does: str = _TRAINS
    buffers: tuple[str, ...] = ()
    journal: str = ""
    labels: bool = False
    sources: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether the program trains the model; else it predicts."""
        return self.does == _TRAINS


@dataclass(frozen=True)
class Manifest:
    """Target and port of a folder, the version of bpfree that wrote it, and its models by name."""

    target: str
    port: str
    version: str = __version__
    models: dict[str, Entry] = field(default_factory=dict)

    def text(self) -> bytes:
        """The bytes of the manifest's file."""
        models = {name: asdict(entry) for name, entry in sorted(self.models.items())}
        document = {"schema": SCHEMA, "bpfree": self.version, "target": self.target, "port": self.port}
        document["models"] = models
        return marked(json.dumps(document, indent=1) + "\n", "# {}")

    def having(self, name: str, entry: Entry) -> Manifest:
        """The manifest in which the model `name` has this entry."""
        return replace(self, models=dict(sorted({**self.models, name: entry}.items())))


def is_exported(folder: Path) -> bool:
    """Return whether a folder is an export: of this version, or of one that knew no manifest."""
    header = folder / "model.h"
    old = header.is_file() and header.read_text("utf-8", "replace").startswith("/* Written by bpfree")
    return (folder / FILE).is_file() or old


def join(folder: Path, name: str, target: str, port: str) -> tuple[Manifest, list[str]]:
    """Return the manifest of a folder to which the model `name` comes, still without it, and the models that are gone.

    A model is gone once somebody has deleted its header. Raises ValueError where the manifest is damaged or of
    another version, where target or port are not those of the other models, and where names clash.
    """
    own = Manifest(target, port)
    found = _read(folder)
    if found is None:
        if name != Names().name and is_exported(folder):
            way = "export that model again first, or to another folder"
            raise ValueError(f"folder: expected one of this version of bpfree, got {folder} without {FILE}: {way}")
        return own, []
    gone = [other for other in found.models if not (folder / Names(other).files["header"]).exists()]
    others = {other: entry for other, entry in found.models.items() if other not in (name, *gone)}
    if not others:
        return own, gone
    beside = f"as {', '.join(others)} in {folder} {'have' if len(others) > 1 else 'has'}"
    for what, wanted, given in (("target", found.target, target), ("port", found.port, port)):
        if given != wanted:
            raise ValueError(f"{what}: expected {wanted!r}, {beside}, got {given!r}: export to another folder")
    if found.version != __version__:
        told = f"models that bpfree {__version__} wrote, got {', '.join(others)} of {found.version} in {folder}"
        raise ValueError(f"folder: expected {told}: export all of them to another folder")
    check_apart(name, others)
    return replace(own, models=others), gone


def _read(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, None where there is none; raise ValueError for what no export has written."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        data = path.read_bytes()
        if not is_marked(data):
            raise ValueError("its hash is another")
        document = json.loads(data.split(b"\n", 1)[1])
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']}")
        models = {check_name(name).name: _entry(entry) for name, entry in document["models"].items()}
        return Manifest(str(document["target"]), str(document["port"]), str(document["bpfree"]), models)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        way = "bring back the one that was there, or export to another folder"
        told = f"{FILE} as an export left it, got another in {folder}: {error}"
        raise ValueError(f"folder: expected {told}: {way}") from None


def _entry(document: dict) -> Entry:
    """An entry from its JSON, of which only words that `Entry` knows become C, and only file names are looked for."""
    if sorted(document) != sorted(part.name for part in fields(Entry)):
        raise ValueError("a model has other fields")
    entry = Entry(**{name: tuple(value) if isinstance(value, list) else value for name, value in document.items()})
    known = (
        entry.does in (_TRAINS, _PREDICTS) and entry.journal in ("", "SCALARS", "SNAPSHOT"),
        entry.labels in (True, False) and set(entry.buffers) <= {"state", "work"},
        all(re.fullmatch(r"\w+\.c", name, re.ASCII) for name in entry.sources),
        all(re.fullmatch(r"\w+", name, re.ASCII) for name in entry.options),
    )
    if not all(known):
        raise ValueError("a model has other words")
    return entry
