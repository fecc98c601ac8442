# SPDX-License-Identifier: MIT
"""Live progress on stderr, for anything longer than a second."""

from __future__ import annotations

import sys
from contextlib import contextmanager


@contextmanager
def live_bar(total: int, description: str, show: bool | None = None):
    """Yield update(done, text); a bar with rate and time left when shown.

    show: None means when stderr is a terminal.
    """
    if show is False or (show is None and not sys.stderr.isatty()):
        yield lambda done, text="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, text="")
        yield lambda done, text="": progress.update(task, completed=done, text=text)


@contextmanager
def training_bar(show: bool | None, total: int):
    """Yield update(run): loss, validation accuracy and forwards beside the bar."""
    with live_bar(total, "training", show) as update:

        def report(run):
            accuracy = f"  val {run.metric} {run.validation[-1][1]:.3f}" if run.validation else ""
            recent = run.losses[-50:]
            update(len(run.losses), f"loss {sum(recent) / len(recent):.4f}{accuracy}  {run.forwards:,} forwards")

        yield report
