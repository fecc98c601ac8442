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

# Chosen on MNIST's validation split, with back-propagation, which has the same gradient (bpfree/bench/contest.py).
_MNIST = {
    "model": "mnist-tt",
    "estimator": "unit_wise",
    "lr": 2e-2,
    "lr_schedule": "cosine_decay",
    "batch_size": 100,
    "epochs": 8,
}

RECIPES: dict[str, dict] = {"digits": {}, "mnist": _MNIST, "fashion_mnist": _MNIST, "fsdd": {}, "twristar": {}}
"""What differs, by data set."""

_BUDGETS = ("epochs", "max_steps", "max_forwards", "max_evaluations")


def recipe(name: str) -> dict:
    """All values for a data set, by option; a budget of its own replaces the general one."""
    own = RECIPES.get(name, {})
    general = {key: value for key, value in GENERAL.items() if key not in _BUDGETS or not set(own) & set(_BUDGETS)}
    return {**general, **own}


def as_options(values: dict) -> str:
    """A recipe as it would be typed."""
    flags = {"two_sided": {True: "--two-sided", False: "--one-sided"}}
    texts = (flags.get(name, {}).get(value, f"--{name.replace('_', '-')} {value}") for name, value in values.items())
    return " ".join(texts)


def help_rows() -> list[tuple[str, str]]:
    """For --help: what is taken by data set."""
    rows = [(name, as_options(values)) for name, values in RECIPES.items() if values]
    return [("any data", as_options(GENERAL)), *rows]
