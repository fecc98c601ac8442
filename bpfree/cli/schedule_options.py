# SPDX-License-Identifier: MIT
"""Options for a learning rate or a mu that changes with the step, generated from the table of schedules."""

from __future__ import annotations

from dataclasses import fields, replace

import click

from bpfree.cli.commands import option, usage
from bpfree.schedules import SCHEDULES

CONSTANT = "constant"
"""The name that means no schedule, which overrides a recipe's schedule."""

_KINDS = {
    "steps": (int, "N", "Length of cosine_decay and linear_decay in steps; default: the steps of the run."),
    "rate": (float, "X", "Factor of exponential_decay."),
    "power": (float, "X", "Exponent of power_decay; default: 0.602 for lr, 0.101 for mu (Spall)."),
    "stability": (int, "N", "Offset of power_decay in steps, which slows its first steps; default: 0 for mu, a tenth "
                  "of the run for lr."),
    "every": (int, "N", "Steps between two multiplications of exponential_decay.  [default: 1]"),
    "end": (float, "X", "Value at which the schedule stops falling.  [default: 0]"),
    "warmup": (int, "N", "Number of first steps, over which the value grows linearly.  [default: 0]"),
}  # fmt: skip
"""Type, metavar and help by field of the schedules; a test requires an entry for every field."""


def schedule_options(what: str, group: str) -> list:
    """Return the options --WHAT-schedule and --WHAT-SETTING, for what = "lr" or "mu"."""
    names = [*(row.name for row in SCHEDULES), CONSTANT]
    made = [
        option(f"--{what}-schedule", type=click.Choice(names), group=group,
               help=f"Schedule by which {what} changes with the step, starting at --{what}.")
    ]  # fmt: skip
    for name, (kind, metavar, text) in _KINDS.items():
        made.append(option(f"--{what}-{name}", type=kind, metavar=metavar, group=group, help=text))
    return made


def schedule_values(what: str, given: dict, recipe: dict, owner: str) -> dict:
    """Return the settings of a schedule and its name as `schedule`; {} for none.

    owner: "estimator" or "update", whose setting `what` is. The schedule of a
    recipe applies only to the recipe's own estimator or update.
    """
    same = given[owner] in (None, recipe[owner])
    typed = {name: given[f"{what}_{name}"] for name in ("schedule", *_KINDS) if given[f"{what}_{name}"] is not None}
    taken = {name: recipe[f"{what}_{name}"] for name in ("schedule", *_KINDS) if same and f"{what}_{name}" in recipe}
    if typed.get("schedule", taken.get("schedule")) != taken.get("schedule"):
        taken = {}  # the recipe's settings are for another schedule
    values = {**taken, **typed}
    name = values.get("schedule", CONSTANT)
    own = {field.name for field in fields(SCHEDULES[name].settings)} if name != CONSTANT else set()
    for setting in typed:
        if setting != "schedule" and setting not in own:
            owners = [row.name for row in SCHEDULES if setting in {field.name for field in fields(row.settings)}]
            raise click.UsageError(
                f"--{what}-{setting}: expected --{what}-schedule {' or '.join(owners)}, got {name}"
            )
    return values if name != CONSTANT else {}


def with_schedule(settings, what: str, values: dict, steps: int):
    """Return settings (an estimator or an update) with a schedule instead of the number `what`."""
    if not values:
        return settings
    row = SCHEDULES[values["schedule"]]
    own_power = {"power": 0.602, "stability": steps // 10} if what == "lr" else {"power": 0.101, "stability": 0}
    defaults = {"start": getattr(settings, what), "end": 0.0, "warmup": 0, "steps": steps, "every": 1, **own_power}
    chosen = {**defaults, **{name: value for name, value in values.items() if name != "schedule"}}
    own = [field.name for field in fields(row.settings)]
    if "rate" in own and "rate" not in chosen:
        raise click.UsageError(f"--{what}-rate: expected a number in (0, 1] as well, for {row.name}")
    with usage(start=what, **{name: f"{what}_{name}" for name in _KINDS}):
        schedule = row.settings(**{name: chosen[name] for name in own})
    with usage(mu="mu_schedule"):
        return replace(settings, **{what: schedule})
