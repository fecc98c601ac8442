# SPDX-License-Identifier: MIT
"""--calibrate: mu and lr by measurement."""

from __future__ import annotations

import click

from bpfree.cli.commands import Failure, usage


def calibrated(given: dict, data, prepared):
    """The Calibration of a run that is planned; when it is resumed, the same is found again."""
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
    """What was found, for people."""
    if found is None:
        return []
    advice = [f"advice   {found.advice}"] if found.advice else []
    return [f"measured mu {found.mu:g}, lr {found.lr:g}, from {found.forwards:,} forwards", *advice]


def document(found) -> dict | None:
    """The same for programs."""
    names = ("mu", "lr", "forwards", "advice")
    return found and {name: getattr(found, name) for name in names}
