# SPDX-License-Identifier: MIT
"""The option --calibrate, which measures mu and lr before training."""

from __future__ import annotations

import click

from bpfree.cli.commands import Failure, usage


def calibrated(given: dict, data, prepared):
    """Return the Calibration of a prepared run; a resumed run finds the same one again."""
    from bpfree.errors import NumericError
    from bpfree.study.calibration import calibrate

    for name in ("mu", "lr"):
        if given[name] is not None:
            raise click.UsageError(f"--{name}, --calibrate: expected one of them, got both")
    try:
        with usage(x="data", y="data"):
            return calibrate(
                prepared.model, data.splits["train"], loss=prepared.loss,
                estimator=prepared.estimator, update=prepared.update, batch_size=prepared.batch_size,
                engine=given["engine"], seed=given["seed"],
            )  # fmt: skip
    except NumericError as error:
        raise Failure(str(error)) from None


def lines(found) -> list[str]:
    """Return the lines that tell the user what was found."""
    if found is None:
        return []
    advice = [f"advice   {found.advice}"] if found.advice else []
    return [f"measured mu {found.mu:g}, lr {found.lr:g}, from {found.forwards:,} forwards", *advice]


def document(found) -> dict | None:
    """Return what was found as an entry of the JSON document."""
    names = ("mu", "lr", "forwards", "advice")
    return found and {name: getattr(found, name) for name in names}
