# SPDX-License-Identifier: MIT
"""Settings that work for a data set: the values that `bpfree train` uses for options that are not given."""

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
"""The recipe for a user's own data, and the base of the others: chosen on the validation split of the digits."""

# Those of the bench mnist-tt: chosen on MNIST's validation split, with back-propagation, which has the same gradient.
_MNIST = {
    "model": "mnist-tt",
    "estimator": "unit_wise",
    "two_sided": False,
    "lr": 2e-2,
    "lr_schedule": "cosine_decay",
    "batch_size": 100,
    "epochs": 8,
}

RECIPES: dict[str, dict] = {"digits": {}, "mnist": _MNIST, "fashion_mnist": _MNIST, "fsdd": {}, "twristar": {}}
"""The values that differ from GENERAL, by data set."""

_BUDGETS = ("epochs", "max_steps", "max_forwards", "max_evaluations")


def recipe(name: str) -> dict:
    """Return all values for a data set, by option; a budget of its own replaces the general one."""
    own = RECIPES.get(name, {})
    general = {key: value for key, value in GENERAL.items() if key not in _BUDGETS or not set(own) & set(_BUDGETS)}
    return {**general, **own}


def as_options(values: dict) -> str:
    """Return a recipe as it would be typed on the command line."""
    flags = {"two_sided": {True: "--two-sided", False: "--one-sided"}}
    texts = (flags.get(name, {}).get(value, f"--{name.replace('_', '-')} {value}") for name, value in values.items())
    return " ".join(texts)


def help_rows() -> list[tuple[str, str]]:
    """Return (data set, options) rows for --help."""
    rows = [(name, as_options(values)) for name, values in RECIPES.items() if values]
    return [("any data", as_options(GENERAL)), *rows]
