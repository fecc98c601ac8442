# SPDX-License-Identifier: MIT
"""`bpfree evaluate MODEL DATA`: print accuracy, loss and confusion."""

from __future__ import annotations

from pathlib import Path

import click

from bpfree.cli.commands import Command, option, usage
from bpfree.cli.output import Grid, Screen, json_option
from bpfree.cli.own_rows import LossName, load_model, loss_name, rows_option

_SPLITS = ("train", "validation", "test")
_WIDEST = 20
"""Number of classes up to which a confusion matrix fits a terminal."""


@click.command(
    cls=Command,
    examples=(
        ("bpfree train digits --out digits.npz", "make a model to evaluate"),
        ("bpfree evaluate digits.npz digits", "evaluate every split, and show which classes are confused"),
        ("bpfree evaluate digits.npz digits --split test --engine exact --json -",
         "evaluate one split in NumPy, and print JSON"),
    ),
    after="`bpfree train DATA --model MODEL --seed 1` continues to train it; `bpfree export` takes it to a device.",
)
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data")
@option("--split", type=click.Choice(_SPLITS), multiple=True, group="What",
        help="Evaluate this split only; may be repeated.")
@option("--loss", type=LossName(), group="What",
        help="The loss; default: cross_entropy where y holds classes, mse where it holds targets.")
@option("--engine", type=click.Choice(["compiled", "reference", "exact"]), group="What",
        help="The engine that computes; default: compiled where it is installed. All agree, and exact and compiled "
        "agree to the bit.")
@rows_option
@json_option
def evaluate(model: Path, data: str, split, loss, engine, json_file) -> None:  # fmt: skip
    """Print accuracy and loss of MODEL, a saved one, on every split of DATA.

    DATA is the name of a data set or an .npz file, as for `bpfree train`. For
    the last split, a table shows which classes are predicted for which.
    """
    from bpfree.cli import data as data_sets
    from bpfree.cli import info_runs, networks
    from bpfree.cli.metrics import measure
    from bpfree.engines import get_engine
    from bpfree.losses import get_loss, own_words

    screen = Screen(json_file)
    network, samples = load_model(model), data_sets.load(data)
    networks.check_fits(network, samples, "MODEL", loss)
    wanted = [name for name in _SPLITS if name in (split or samples.splits)]
    missing = [name for name in wanted if name not in samples.splits]
    if missing:
        raise click.BadParameter(
            f"expected one of {', '.join(samples.splits)} of {data}, got {missing[0]}", param_hint="--split"
        )
    loss = samples.loss_unless(loss)
    with usage():
        engine = get_engine(engine, network.graph.own + own_words(get_loss(loss)))
    found = {name: measure(network, samples.splits[name], loss, engine, name) for name in wanted}
    if told := info_runs.of_a_diverged_run(model):
        screen.say(told)
    screen.say(f"{model} on {samples.name}, loss {loss_name(loss)}, theta {network.hash}")
    table = Grid("split", "samples", "accuracy", "loss", right=(1, 2, 3))
    for name, row in found.items():
        accuracy = "" if row.accuracy is None or row.unknown else f"{row.accuracy:.2%}"
        table.row(name, f"{row.samples:,}", accuracy, f"{row.loss:.4f}")
    screen.show(table)
    for name, row in found.items():
        if row.unknown:
            screen.say(f"{name}: {row.unknown:,} of {row.samples:,} samples have outputs that are NaN: no accuracy")
    confusion = found[wanted[-1]].confusion
    if confusion is not None:
        screen.show(_confusion(confusion, wanted[-1]))
    document = {
        "model": model,
        "hash": network.hash,
        "data": samples.describe(),
        "loss": loss_name(loss),
        "splits": {name: {**row.document(), "confusion": row.confusion} for name, row in found.items()},
        **({"diverged": True} if told else {}),
    }
    screen.result("evaluate", document)


def _confusion(counts, split: str):
    """Return a table of predicted by true classes, or, for more than _WIDEST classes, of the share of right ones."""
    classes = [str(number) for number in range(len(counts))]
    title = f"{split}: a row for each class, a column for each predicted class"
    if len(counts) > _WIDEST:
        table = Grid("class", "samples", "right", title=f"{split}, by class", right=(1, 2))
        for number, row in enumerate(counts):
            table.row(str(number), f"{row.sum():,}", f"{row[number] / max(1, row.sum()):.1%}")
        return table
    table = Grid("", *classes, "right", title=title, right=range(1, len(classes) + 2))
    for number, row in enumerate(counts):
        cells = [str(count) if count else "." for count in row]
        table.row(str(number), *cells, f"{row[number] / max(1, row.sum()):.1%}")
    return table
