# SPDX-License-Identifier: MIT
"""Shows live progress on stderr, for anything that takes longer than a second."""

from __future__ import annotations

import sys
from contextlib import contextmanager


@contextmanager
def live_bar(total: int, description: str, show: bool | None = None, done: int = 0):
    """Show a bar with the rate and the time left; yield its function update(done, text).

    show: whether to show the bar; None shows it if stderr is a terminal.
    done: the number of items done at the start, out of `total`.
    """
    if show is False or (show is None and not sys.stderr.isatty()):
        yield lambda done, text="": None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """A column with the steps per second."""

        def render(self, task):
            return Text(f"{task.speed:.3g}/s" if task.speed else "-/s")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=done, text="")
        yield lambda done, text="": progress.update(task, completed=done, text=text)


@contextmanager
def training_bar(show: bool | None, run, total: int):
    """Show a bar with loss, validation and forwards, from the step that the run has reached; yield update(run)."""
    with live_bar(total, "training", show, run.steps) as update:

        def report(run):
            looked = f"  val {run.metric} {run.history[-1].value:.3f}" if run.history else ""
            recent = [loss for loss in run.losses[-50:] if loss == loss]  # NaN: a step that was skipped
            update(run.steps, f"loss {sum(recent) / len(recent):.4f}{looked}  {run.forwards:,} forwards")

        yield report
