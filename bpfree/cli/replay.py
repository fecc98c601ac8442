# SPDX-License-Identifier: MIT
"""`bpfree replay JOURNAL`: rebuild a model from the journal of its run."""

from __future__ import annotations

from pathlib import Path

import click

from bpfree.cli.commands import Command, option, usage
from bpfree.cli.output import NewFile, Screen, facts, json_option, replace_file
from bpfree.cli.own_rows import check_model_place, current, load_model, rows_option
from bpfree.cli.places import check_places


@click.command(
    cls=Command,
    examples=(
        ("bpfree train digits --journal run.journal", "write a journal, and its first model to run.journal.start.npz"),
        ("bpfree replay run.journal", "rebuild the same model, without the data"),
        ("bpfree replay run.journal --to-step 20 --out early.npz", "rebuild the model as it was after 20 steps"),
    ),
    after="`bpfree info JOURNAL` shows the contents of a journal, `bpfree evaluate MODEL DATA` how good the model is.",
)
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("start", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@option("--to-step", type=int, metavar="N", group="What",
        help="Stop after this many steps; default: where the run's model is.")
@option("--up-to-damage", is_flag=True, group="What",
        help="Of a damaged journal, replay what is before the damage, which is else refused.")
@option("--engine", type=click.Choice(["compiled", "reference", "exact"]), group="What",
        help="The engine that computes; default: compiled where it is installed. All give the same bits.")
@option("--out", type=NewFile(), metavar="FILE", group="Output", help="File for the model; default: JOURNAL.npz.")
@rows_option
@json_option
def replay(journal: Path, start: Path | None, to_step, up_to_damage, engine, out, json_file) -> None:  # fmt: skip
    """Rebuild the model of a run from JOURNAL, bit for bit, without data.

    START is the model that the run began with; default: JOURNAL.start.npz, the
    file that `bpfree train --journal JOURNAL` wrote beside the journal.
    """
    from bpfree.journal import Journal
    from bpfree.journal import replay as walk
    from bpfree.model import Model

    out = out or Path(f"{journal}.npz")
    check_model_place(out)
    begin = start or Path(f"{journal}.start.npz")
    check_places(click.get_current_context(), written=[("--out", out)], read=[("START", begin)])
    screen, written = Screen(json_file), Journal.read(journal, up_to_damage)
    if not begin.is_file():
        raise click.UsageError(f"START: expected the model that the run began with, got none: {begin} does not exist")
    model = load_model(begin)
    with usage(theta="start", trainer="start", model="start"):
        theta = walk(written, model, engine=engine, to_step=to_step, rows=current().rows)
    result = Model(model.graph, theta, model.frozen)
    replaced = replace_file(out, result.save)
    steps = _steps(written) if to_step is None else to_step
    left_out = f"{written.torn} bytes of an interrupted write are ignored" if written.torn else None
    if written.damage:
        left_out = f"{written.damage}; the {written.torn:,} bytes from there on are left out"
    rows = [
        ("steps", f"{steps:,}"),
        ("went back", _back(written) if to_step is None else None),
        ("journal", left_out),
        ("theta", result.hash),
        ("model", f"{out}{' (replaced)' if replaced else ''}"),
    ]
    screen.show(facts(rows))
    document = {"journal": journal, "start": begin, "steps": steps, "torn_bytes": 0 if written.damage else written.torn}
    document |= {"damage": written.damage or None, "damaged_bytes": written.torn if written.damage else 0}
    screen.result("replay", {**document, "hash": result.hash, "files": {"model": out}})


def _steps(journal) -> int:
    """Return the step of the model at the end of the journal."""
    last = max((snapshot.step for snapshot in journal.snapshots), default=journal.first_step)
    return journal.model_step if journal.kind == "SCALARS" else last


def _back(journal) -> str | None:
    """Return what the journal says of a run that went back to an earlier model, the one that is rebuilt."""
    from bpfree.journal.format import Code

    return next((f"to step {event.text}" for event in journal.events if event.code == Code.WENT_BACK), None)
