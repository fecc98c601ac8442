# SPDX-License-Identifier: MIT
"""`bpfree train DATA`: train a network, say what it reached and cost, and save it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from bpfree.cli.commands import INTERRUPTED, Command, Failure, option, usage
from bpfree.cli.networks import NETWORKS
from bpfree.cli.recipes import help_rows, recipe
from bpfree.cli.screen import NewFile, Screen, facts, json_option, replace_file
from bpfree.cli.training_options import build, training_options
from bpfree.errors import check_seed

_LOSSES = ("cross_entropy", "mse")
_NETWORK, _BUDGET, _RUN = "Network", "Data and budget", "Run"


@click.command(
    cls=Command,
    sections={
        "Built-in networks, in the language of --layers": list(NETWORKS.items()),
        "What is taken for options left out": help_rows(),
    },
    examples=(
        ("bpfree train digits", "the handwritten digits in the package, about 5 seconds"),
        ('bpfree train digits --layers "tt(32,rank=6) tanh linear(outputs)" --out tt.npz', "a network of your own"),
        ("bpfree train digits --model tt.npz --out more.npz --lr 0.001 --max-steps 500 --seed 1", "go on from it"),
        ("bpfree train digits --estimator rge --n-queries 8 --update sgd --lr 0.01 --json -", "for a program"),
    ),
    after="`bpfree evaluate MODEL DATA`, `bpfree info MODEL`, `bpfree export firmware MODEL FOLDER --data DATA`.",
)
@click.argument("data")
@option("--model", group=_NETWORK, metavar="NAME|FILE",
        help=f"A built-in network ({', '.join(NETWORKS)}), or a saved model to go on from.")
@option("--layers", group=_NETWORK, metavar="TEXT",
        help='Layers in a small language: "tt(1024,rank=6) relu linear(outputs)"; names and arguments are those of '
             "bpfree's layers, outputs is what the data needs.")
@option("--validation", type=click.FloatRange(0, 0.9), default=0.1, show_default=True, group=_BUDGET, metavar="SHARE",
        help="Put aside from training where the data has no validation split.")
@option("--batch-size", type=int, group=_BUDGET, help="Samples a step.")
@option("--epochs", type=int, group=_BUDGET, help="Walks through the training samples.")
@option("--max-steps", type=int, group=_BUDGET, help="Steps, instead of epochs.")
@option("--loss", type=click.Choice(_LOSSES), group="Estimator: how losses become a direction",
        help="Default: cross_entropy where y holds classes, mse where it holds targets.")
@training_options
@option("--validate-every", type=int, default=500, show_default=True, group=_RUN, metavar="STEPS",
        help="How often to look at the validation split.")
@option("--engine", type=click.Choice(["compiled", "reference", "exact"]), group=_RUN,
        help="What computes the losses; default: compiled where it is installed.")
@option("--seed", type=int, default=0, show_default=True, group=_RUN, help="Of first weights, batches and directions.")
@option("--progress/--no-progress", default=None, group=_RUN, help="A live bar; default: on a terminal.")
@option("--out", type=NewFile(), group="Output", metavar="FILE", help="The trained model; default: bpfree-DATA.npz.")
@option("--plot", type=NewFile(), group="Output", metavar="FILE", help="A picture of loss and validation.")
@option("--floor/--no-floor", default=True, show_default=True, group="Output",
        help="What the same network reaches untrained: random features and a ridge regression on top.")
@json_option
def train(**given) -> None:  # fmt: skip
    """Train a network on DATA with forward passes only, and save it.

    DATA is the name of a data set (digits) or an .npz file with arrays x (n,
    features...) and y (n,): classes 0, 1, ... or, as floats, targets. The file
    may hold x_validation, y_validation, x_test and y_test too. The test split
    is looked at once, at the end.

    Ctrl-C ends the run after its step and saves what was trained.
    """
    from bpfree.cli import data as data_sets

    screen = Screen(given["json_file"])
    data = data_sets.load(given["data"]).with_validation(given["validation"])
    plan = _Plan(given, data)
    plan.check_output()
    screen.say(plan.describe())
    run, interrupted = plan.run()
    document = plan.report(screen, run, interrupted)
    screen.result("train", document)
    if interrupted:
        sys.exit(INTERRUPTED)
    if run.outcome != "done":
        sys.exit(1)


class _Plan:
    """A run that has been checked and can start."""

    def __init__(self, given: dict, data):
        from bpfree.cli import networks

        self.given, self.data = given, data
        _refuse_pairs(given, ("model", "layers"), ("epochs", "max_steps"))
        defaults = recipe(data.name)
        with usage():
            check_seed(given["seed"])
        self.model = networks.build(data, given["model"] or defaults["model"], given["layers"], given["seed"])
        self.estimator, self.update = build(given, defaults)
        self.loss = given["loss"] or data.loss
        n = len(data.splits["train"][0])
        self.batch_size = given["batch_size"] if given["batch_size"] is not None else min(defaults["batch_size"], n)
        self.budget = {name: given[name] for name in ("epochs", "max_steps") if given[name] is not None}
        self.budget = self.budget or {"epochs": defaults["epochs"]}
        self.out = given["out"] or Path(f"bpfree-{data.name}.npz")

    def check_output(self) -> None:
        """Nothing that would be lost, and nothing that would fail after minutes."""
        if self.given["plot"] is not None:
            from importlib.util import find_spec

            if find_spec("matplotlib") is None:
                raise Failure('--plot needs matplotlib: pip install "bpfree[plot]"')
        check_model_place(self.out)

    def describe(self) -> str:
        """What is about to happen."""
        sizes = ", ".join(f"{len(x):,} {split}" for split, (x, _) in self.data.splits.items())
        budget = ", ".join(f"{name} {value:,}" for name, value in self.budget.items())
        return "\n".join(
            [
                f"data     {self.data.name}: {sizes}",
                f"network  {self.model!r}",
                f"method   {self.estimator}, {self.update}",
                f"run      {self.loss}, batch_size {self.batch_size}, {budget}, seed {self.given['seed']}",
            ]
        )

    def run(self):
        """(Run, was it interrupted?)"""
        from bpfree.cli.interrupt import asked_to_stop
        from bpfree.engines import get_engine
        from bpfree.training import train as train_model

        network = "layers" if self.given["layers"] else "model"
        with asked_to_stop() as stop, usage(x="data", y="data", model=network):
            run = train_model(
                self.model, self.data.splits["train"], loss=self.loss, estimator=self.estimator, update=self.update,
                batch_size=self.batch_size, validation=self.data.splits.get("validation"),
                validate_every=self.given["validate_every"], engine=get_engine(self.given["engine"]),
                seed=self.given["seed"], progress=self.given["progress"], callback=lambda step, run: not stop.asked,
                **self.budget,
            )  # fmt: skip
        return run, stop.asked

    def report(self, screen: Screen, run, interrupted: bool) -> dict:
        """Save, measure, say; returns what goes into the JSON."""
        from bpfree.cli.peak import peak_ram_bytes

        peak = peak_ram_bytes()
        if interrupted:
            run.outcome = f"interrupted after step {len(run.losses)}"
        replaced = replace_file(self.out, run.model.save)
        if self.given["plot"] is not None:
            replace_file(self.given["plot"], run.plot)
        measured = {} if interrupted else self.measure(run)
        floor = self.floor() if self.given["floor"] and not interrupted else {"reason": "not asked for"}
        document = {
            "data": self.data.describe(),
            "settings": self.settings(),
            "outcome": run.outcome,
            "steps": len(run.losses),
            "loss": run.losses[-1] if run.losses else None,
            "validation": measured["validation"].document() if "validation" in measured else None,
            "test": measured["test"].document() if "test" in measured else None,
            "floor": floor,
            "history": {"metric": run.metric, "validation": run.validation},
            "parameters": run.model.graph.n_theta,
            "forwards": run.forwards,
            "evaluations": run.evaluations,
            "macs": run.macs,
            "seconds": run.seconds,
            "peak_ram_bytes": peak,
            "hash": run.model.hash,
            "files": {"model": self.out, "plot": self.given["plot"]},
        }
        floor_row = f"{floor['accuracy']:.2%} on {floor['split']}" if "accuracy" in floor else floor["reason"]
        screen.show(
            facts(
                [
                    ("test", measured.get("test")),
                    ("validation", measured.get("validation")),
                    ("floor: untrained features + ridge", floor_row if not interrupted else None),
                    ("parameters", f"{run.model.graph.n_theta:,}"),
                    ("steps", f"{len(run.losses):,}"),
                    ("forwards (samples passed through)", f"{run.forwards:,}"),
                    ("loss evaluations", f"{run.evaluations:,}"),
                    ("MACs", f"{run.macs:,}"),
                    ("seconds", f"{run.seconds:.1f}"),
                    ("peak RAM of this process", None if peak is None else f"{peak / 2**20:,.0f} MiB"),
                    ("theta", run.model.hash),
                    ("outcome", run.outcome),
                    ("model", f"{self.out}{' (replaced)' if replaced else ''}"),
                    ("picture", self.given["plot"]),
                ]
            )
        )
        screen.say(self.next_steps(interrupted))
        return document

    def settings(self) -> dict:
        """As they were taken."""
        return {
            "model": self.given["layers"] or self.given["model"] or recipe(self.data.name)["model"],
            "loss": self.loss,
            "estimator": repr(self.estimator),
            "update": repr(self.update),
            "batch_size": self.batch_size,
            **{"epochs": None, "max_steps": None, **self.budget},
            "seed": self.given["seed"],
        }

    def measure(self, run) -> dict:
        """Measured on validation and test, those that are there."""
        from bpfree.cli.metrics import measure
        from bpfree.engines import get_engine

        engine = get_engine(self.given["engine"])
        return {
            split: measure(run.model, self.data.splits[split], self.loss, engine, split)
            for split in ("validation", "test")
            if split in self.data.splits
        }

    def floor(self) -> dict:
        """{accuracy, split}, or the reason why there is none."""
        from bpfree.floors import random_features_floor
        from bpfree.layers import initial_parameters
        from bpfree.model import Model

        splits = self.data.splits
        if not self.data.labels:
            return {"reason": "for classes only"}
        if "validation" not in splits:
            return {"reason": "needs a validation split"}
        graph = self.model.graph
        untrained = Model(graph, *initial_parameters(graph, self.given["seed"]))
        split = "test" if "test" in splits else "validation"
        try:
            found = random_features_floor(untrained, splits["train"], splits[split], validation=splits["validation"])
        except ValueError as error:
            return {"reason": f"none for this network: {error}"}
        return {"accuracy": found.accuracy, "split": split}

    def next_steps(self, interrupted: bool) -> str:
        """Commands that work when pasted."""
        model, source = shlex.quote(str(self.out)), shlex.quote(self.given["data"])
        folder = shlex.quote(f"{self.out.with_suffix('')}-firmware")
        on = f"bpfree train {source} --model {model} --seed {self.given['seed'] + 1} --out {model}"
        lines = [
            f"bpfree evaluate {model} {source}",
            f"bpfree info {model}",
            f"bpfree export firmware {model} {folder} --data {source}",
        ]
        return "\nnext\n" + "\n".join(f"  {line}" for line in ([on, *lines] if interrupted else lines))


def _refuse_pairs(given: dict, *pairs) -> None:
    for pair in pairs:
        if all(given[name] is not None for name in pair):
            one, other = (f"--{name.replace('_', '-')}" for name in pair)
            raise click.UsageError(f"{one}, {other}: expected one of them, got both")


def check_model_place(path: Path) -> None:
    """A model may take the place of a model, of nothing else."""
    from bpfree.errors import FormatError
    from bpfree.model import Model

    if not path.is_file():
        return
    try:
        Model.load(path)
    except FormatError:
        raise click.BadParameter(
            f"{path} is there and is not a bpfree model: choose another name", param_hint="--out"
        ) from None
