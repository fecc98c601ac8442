# SPDX-License-Identifier: MIT
"""What `bpfree train` says of a model that is worth little, and the command that tries again."""

from __future__ import annotations

import shlex

from bpfree.estimators.step import FAILURES
from bpfree.training.run import below_floor
from bpfree.training.verdict import MORE_STEPS

_OF_ANOTHER_RUN = ("--journal", "--journal-every", "--checkpoint", "--checkpoint-every", "--json")
"""Options with a value that another try does without: files that are there already."""

_RESUME = ("--resume",)
"""The switch that it does without, as there is no such file."""

_TO_FIND = ("--lr", "--mu")
"""Options that it is to find."""

_BUDGETS = ("--epochs", "--max-steps", "--max-forwards", "--max-evaluations", "--patience")
"""Options that make a run short."""


def advice(run, measured: dict, floor: dict) -> str:
    """What is wrong with the model of a run, "" where nothing stands out; of the floor too, where one was computed."""
    found = [run.advice]
    if not is_unusable(run) and "accuracy" in floor and floor["split"] in measured:
        name = f"{floor['split']} accuracy"
        found.append(below_floor(name, measured[floor["split"]].accuracy, floor["accuracy"]))
    return "; ".join(filter(None, found))


def is_unusable(run) -> bool:
    """True where the run failed, or ended with its loss exploded: nobody should carry its model to a device."""
    return run.outcome_code in FAILURES or run.course.exploded


def in_words(outcome: str) -> str:
    """A run's outcome in the words of the command line, where nobody sees a `run.model`."""
    return outcome.replace("run.model is ", "the model given back is ")


def saved(out, untrained: bool, kept: bool, replaced: bool) -> str:
    """What became of the model's file; an untrained model never takes the place of one that is there."""
    if kept:
        return f"{out} (left as it was, as this run has nothing better than the model that it began with)"
    return f"{out}{' (replaced)' if replaced else ''}{' (the model that the run began with)' if untrained else ''}"


def next_try(typed: list[str], run, calibration, estimator) -> str | None:
    """The command as it was typed with ten times the steps where the run was merely short, else `another_try`."""
    if MORE_STEPS not in run.advice:
        return another_try(typed, calibration, estimator)
    kept = _without(typed, (*_BUDGETS, *_OF_ANOTHER_RUN), _RESUME)
    return shlex.join(["bpfree", *kept, "--max-steps", str(10 * run.steps)])


def another_try(typed: list[str], calibration, estimator) -> str | None:
    """The command as it was typed with mu and lr measured, or a smaller lr where they were; None where none are."""
    if estimator.coefficients_are == "moves":
        return None
    kept = _without(typed, (*_TO_FIND, *_OF_ANOTHER_RUN), ("--calibrate", *_RESUME))
    other = ["--calibrate"]
    if calibration is not None:
        other = ["--mu", f"{calibration.mu:g}", "--lr", f"{calibration.lr / 4:g}"]
    return shlex.join(["bpfree", *kept, *other])


def _without(typed: list[str], options: tuple, switches: tuple) -> list[str]:
    """The words that were typed, without these options, their values, and these switches."""
    kept, words = [], iter(typed)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in options:
            if not equals:
                next(words)
        elif word not in switches:
            kept.append(word)
    return kept
