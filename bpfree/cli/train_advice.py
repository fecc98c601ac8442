# SPDX-License-Identifier: MIT
"""What `bpfree train` says of a model that is worth little, and the command that tries again."""

from __future__ import annotations

import shlex

from bpfree.estimators.step import FAILURES
from bpfree.training.run import below_floor

_OF_THE_OLD_RUN = ("--lr", "--mu", "--journal", "--journal-every", "--checkpoint", "--checkpoint-every", "--json")
"""Options with a value that another try does without: what it is to find, and files that are there already."""

_SWITCHES = ("--calibrate", "--resume")


def advice(run, measured: dict, floor: dict) -> str:
    """What is wrong with the model of a run, "" where nothing stands out; of the floor too, where one was computed."""
    found = [run.advice]
    if not is_lost(run) and "accuracy" in floor and floor["split"] in measured:
        name = f"{floor['split']} accuracy"
        found.append(below_floor(name, measured[floor["split"]].accuracy, floor["accuracy"]))
    return "; ".join(filter(None, found))


def is_lost(run) -> bool:
    """Return whether the run failed or its loss exploded, so that nobody should carry its model to a device."""
    return run.outcome_code in FAILURES or (run.steps > 0 and run.losses[-1] > run.bound)


def another_try(typed: list[str], calibration, estimator) -> str | None:
    """The command as it was typed with mu and lr measured, or a smaller lr where they were; None where none are."""
    if estimator.coefficients_are == "moves":
        return None
    kept, words = [], iter(typed)
    for word in words:
        name, equals, _ = word.partition("=")
        if name in _OF_THE_OLD_RUN:
            if not equals:
                next(words)
        elif word not in _SWITCHES:
            kept.append(word)
    other = ["--calibrate"]
    if calibration is not None:
        other = ["--mu", f"{calibration.mu:g}", "--lr", f"{calibration.lr / 4:g}"]
    return shlex.join(["bpfree", *kept, *other])
