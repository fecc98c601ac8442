# SPDX-License-Identifier: MIT
"""Settings that train a data set to something sensible: what `bpfree train` takes for options left out."""

from __future__ import annotations

GENERAL = {
    "model": "mlp",
    "estimator": "rge",
    "n_queries": 32,
    "update": "adam",
    "lr": 5e-3,
    "batch_size": 32,
    "epochs": 50,
}
"""For data of one's own, and the base of the others. Chosen on the validation split of the digits."""

RECIPES: dict[str, dict] = {"digits": {}}
"""What differs, by data set."""


def recipe(name: str) -> dict:
    """All values for a data set, by option."""
    return {**GENERAL, **RECIPES.get(name, {})}


def as_options(values: dict) -> str:
    """A recipe as it would be typed."""
    return " ".join(f"--{name.replace('_', '-')} {value}" for name, value in values.items())


def help_rows() -> list[tuple[str, str]]:
    """For --help: what is taken by data set."""
    rows = [(name, as_options(values)) for name, values in RECIPES.items() if values]
    return [("any data", as_options(GENERAL)), *rows]
