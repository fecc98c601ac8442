# SPDX-License-Identifier: MIT
"""Reads what an exported folder says of itself: its target, and the sizes and results of its models."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from bpfree.exporters import manifest

_MACRO = re.compile(r"^#define (\w+) (\w+)\b", re.MULTILINE)


@dataclass(frozen=True)
class Exported:
    """One model of a folder; sizes are in floats, and None where its header does not have them.

    arena is the name of the array that main.c has for activations, theta that of the parameters.
    """

    name: str
    parameters: int
    features: int
    arena: str
    arena_floats: int | None
    ram_floats: int  # all of its arrays in main.c
    theta: str
    steps: int | None  # that main.c trains
    hash: int | None  # of the result, as the computer that exported it has it


def read_models(folder: str | os.PathLike[str]) -> list[Exported]:
    """Return the models of a folder by the headers that `bpfree export firmware` writes; none for other folders."""
    found = []
    for header in sorted(Path(folder).glob("*.h")):
        macros = dict(_MACRO.findall(header.read_text("utf-8", "replace")))
        if f"{header.stem.upper()}_THETA" in macros:
            found.append(_model(header.stem, macros))
    return found


def _model(name: str, macros: dict[str, str]) -> Exported:
    of_model, of_trainer = f"{name.upper()}_", "TRAINER_" if name == "model" else f"{name.upper()}_TRAINER_"
    ram = "" if name == "model" else f"{name}_ram_"

    def number(key: str) -> int | None:
        text = macros.get(key)
        return None if text is None else int(text.rstrip("uUlL"), 0)

    training = [number(f"{of_trainer}{part}") for part in ("ARENA", "RECORD", "STATE", "WORK")]
    trains = training[0] is not None
    parameters, features = number(f"{of_model}THETA"), number(f"{of_model}FEATURES")
    own = (*training, parameters) if trains else (number(f"{of_model}ARENA"), number(f"{of_model}OUTPUTS"))
    return Exported(
        name=name, parameters=parameters, features=features, arena=f"{ram}arena",
        arena_floats=training[0] if trains else number(f"{of_model}ARENA"),
        ram_floats=features + sum(size for size in own if size is not None), theta=f"{ram}theta",
        steps=number(f"{of_model}STEPS"), hash=number(f"{of_model}HASH") or None,
    )  # fmt: skip


def target_of(folder: str | os.PathLike[str]) -> str | None:
    """Return the name of the target a folder was exported for; None where there is no manifest.

    Raises ValueError for a manifest that no export has written.
    """
    found = manifest.read(Path(folder))
    return None if found is None else found.target
