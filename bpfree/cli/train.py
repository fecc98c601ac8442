# SPDX-License-Identifier: MIT
"""`bpfree train DATA`: train a network, report its accuracy and cost, and save it."""

from __future__ import annotations

import shlex
import sys
from contextlib import contextmanager
from pathlib import Path

import click

from bpfree.cli import calibration, train_advice
from bpfree.cli.commands import Command, option, usage
from bpfree.cli.interrupt import asked_to_stop
from bpfree.cli.networks import NETWORKS, freezing_options
from bpfree.cli.output import NewFile, NewPicture, Screen, facts, json_option, replace_file
from bpfree.cli.own_rows import LossName, check_model_place, current, load_model, loss_name, loss_option, rows_option
from bpfree.cli.places import check_places
from bpfree.cli.recipes import help_rows, recipe
from bpfree.cli.rescue import save_or_rescue
from bpfree.cli.training_options import build, training_options
from bpfree.errors import check_seed
from bpfree.estimators.step import FAILURES

SNAPSHOTS = 500
"""Steps between the snapshots of a journal where the estimator needs them and --journal-every is not given."""

_NETWORK, _DATA, _BUDGET, _RUN = "Network", "Data", "Budget (the first limit reached ends the run)", "Run"
_DISK = "Files that protect against interruption"
_BUDGETS = ("epochs", "max_steps", "max_forwards", "max_evaluations")


@click.command(
    cls=Command,
    sections={
        "Built-in networks, in the language of --layers": list(NETWORKS.items()),
        "Defaults of options that are not given": help_rows(),
    },
    examples=(
        ("bpfree train digits", "train the handwritten digits in the package, in about 5 seconds"),
        ('bpfree train digits --layers "tt(32,rank=6) tanh linear(outputs)" --out tt.npz', "train your own network"),
        ('bpfree train digits --model tt.npz --trainable "linear3.*" --out more.npz --lr 0.01 --max-steps 500 --seed 1',
         "continue to train that network: here only its last layer"),
        ("bpfree train digits --checkpoint run.ckpt --resume --journal run.journal",
         "train a run that the same command continues after a crash"),
        ("bpfree train digits --estimator cge --fraction 0.05 --max-forwards 1e6 --lr-schedule cosine_decay",
         "use another method, and limit the cost"),
    ),
    after="`bpfree evaluate MODEL DATA` measures the model, `bpfree info MODEL` shows it, `bpfree export` exports it.",
)
@click.argument("data")
@option("--model", group=_NETWORK, metavar="NAME|FILE",
        help=f"A built-in network ({', '.join(NETWORKS)}), or a saved model to continue from.")
@option("--layers", group=_NETWORK, metavar="TEXT",
        help='Layers in a small language: "tt(1024,rank=6) relu linear(outputs)"; names and arguments are those of '
             "bpfree's layers, outputs is the number of classes or targets.")
@freezing_options(_NETWORK)
@option("--validation", type=click.FloatRange(0, 0.9), default=0.1, show_default=True, group=_DATA, metavar="SHARE",
        help="Share of the training samples to validate on where the data has no validation split.")
@option("--batch-size", type=int, metavar="N", group=_DATA, help="Samples per step.")
@option("--epochs", type=int, metavar="N", group=_BUDGET, help="Number of passes over the training samples.")
@option("--max-steps", type=int, metavar="N", group=_BUDGET, help="Number of steps.")
@option("--max-forwards", type=float, metavar="N", group=_BUDGET, help="Number of passes of one sample.")
@option("--max-evaluations", type=float, metavar="N", group=_BUDGET, help="Number of losses of a minibatch.")
@option("--patience", type=int, metavar="N", group=_BUDGET, help="Validations in a row without improvement.")
@option("--loss", type=LossName(), group="Estimator: how losses become a direction",
        help="The loss; default: cross_entropy where y holds classes, mse where it holds targets.")
@training_options
@option("--calibrate", is_flag=True, default=False, group="Update: how the parameters move",
        help="Measure mu and lr with a few forward passes, instead of using the defaults.")
@option("--validate-every", type=int, default=500, show_default=True, group=_RUN, metavar="N",
        help="Steps between two validations.")
@option("--engine", type=click.Choice(["compiled", "reference", "exact"]), group=_RUN,
        help="The engine that computes the losses; default: compiled where it is installed.")
@option("--workers", type=click.IntRange(1, 4096), default=1, show_default=True, metavar="N", group=_RUN,
        help="Threads (compiled engine) or processes that share the probes of a step; the result has the same bits.")
@option("--seed", type=int, default=0, show_default=True, metavar="N", group=_RUN,
        help="Seed of first weights, batches and directions.")
@option("--progress/--no-progress", default=None, group=_RUN, help="Show a live bar; default: on a terminal.")
@option("--checkpoint", type=NewFile(), metavar="FILE", group=_DISK,
        help="File with everything that --resume needs, which the run replaces atomically.")
@option("--checkpoint-every", type=int, default=500, show_default=True, metavar="N", group=_DISK,
        help="Steps between two checkpoints.")
@option("--resume", is_flag=True, default=False, group=_DISK,
        help="Continue from the checkpoint, to the same bits as without interruption; start anew where there is none.")
@option("--journal", type=NewFile(), metavar="FILE", group=_DISK,
        help="File of a few bytes per step for `bpfree replay`; FILE.start.npz holds the first model.")
@option("--journal-every", type=int, metavar="N", group=_DISK,
        help=f"Steps between snapshots of the parameters in the journal; default: none, for cge {SNAPSHOTS}.")
@option("--out", type=NewFile(), group="Output", metavar="FILE", help="File for the model; default: bpfree-DATA.npz.")
@option("--plot", type=NewPicture(), group="Output", metavar="FILE", help="File for a picture of the run.")
@option("--floor/--no-floor", default=True, show_default=True, group="Output",
        help="Print what the same network reaches untrained: random features and a ridge regression on top.")
@rows_option
@json_option
def train(**given) -> None:  # fmt: skip
    """Train a network on DATA with forward passes only, and save it.

    DATA is the name of a data set (digits, mnist, fashion_mnist, fsdd,
    twristar), found on disk or downloaded, or an .npz file with arrays x (n,
    features...) and y (n,), which holds classes 0, 1, ... or, as floats,
    targets. The file may also hold x_validation, y_validation, x_test and
    y_test. The test split is used once, at the end.

    Ctrl-C or SIGTERM ends the run after the current step, and saves the model.
    With --checkpoint, the same command with --resume continues the run.
    """
    from bpfree.cli import data as data_sets

    screen = Screen(given["json_file"])
    data = data_sets.load(given["data"]).with_validation(given["validation"])
    prepared = _Prepared(given, data)
    prepared.check_output()
    screen.say(prepared.describe())
    with asked_to_stop() as stop, prepared.says_how_to_resume():
        run = prepared.run(stop)
        interrupted, stop.task = run.outcome_code == "callback", "ending after the report"
        if interrupted:
            run.outcome = f"interrupted by {stop.name} after step {len(run.losses)}"
        document = prepared.report(screen, run, interrupted)
        screen.result("train", document)
    if interrupted:
        sys.exit(stop.exit_code)
    if run.outcome_code in FAILURES:
        sys.exit(1)


class _Prepared:
    """A run whose settings have been checked, so that it can start."""

    start: Path | None = None
    """The file of the model that the journal begins with; None without a journal."""

    def __init__(self, given: dict, data):
        from bpfree.cli import networks
        from bpfree.engines import fallback

        self.given, self.data = given, data
        self.network_option = "layers" if given["layers"] else "model"
        _refuse_pairs(given, ("model", "layers"))
        defaults = recipe(data.name)
        with usage():
            check_seed(given["seed"])
        model = networks.build(data, given["model"] or defaults["model"], given["layers"], given["seed"], given["loss"])
        self.model = networks.split(model, given)
        self.loss = data.loss_unless(given["loss"])
        n = len(data.splits["train"][0])
        self.batch_size = given["batch_size"] if given["batch_size"] is not None else min(defaults["batch_size"], n)
        self.budget = {name: given[name] for name in _BUDGETS if given[name] is not None}
        self.budget = self.budget or {name: defaults[name] for name in _BUDGETS if name in defaults}
        self.estimator, self.update = build(given, defaults, self.plan_steps, self.layer_shares)
        self.found = calibration.calibrated(given, data, self) if given["calibrate"] else None
        self.estimator, self.update = (self.found or self).estimator, (self.found or self).update
        self.own = self.trainer(self.estimator, self.update).own
        self.fallback = fallback(given["engine"], self.own)
        self.out = given["out"] or Path(f"bpfree-{data.name}.npz")
        self.journal_every = given["journal_every"]
        if given["journal"] is not None and self.journal_every is None and self.estimator.row.journal == "SNAPSHOT":
            self.journal_every = SNAPSHOTS
        if given["patience"] is not None and "validation" not in data.splits:
            raise click.UsageError("--patience: expected a validation split, or --validation above 0, got neither")

    def trainer(self, estimator, update):
        """Return the Trainer of a run by this method."""
        from bpfree.trainer import Trainer

        with usage(model=self.network_option):
            return Trainer(self.model.graph, self.model.frozen, self.loss, estimator, update, self.batch_size)

    def plan_steps(self, estimator, update) -> int:
        """Return the number of steps that the budget allows."""
        from bpfree.training.plan import count_steps

        n = len(self.data.splits["train"][0])
        budget = {**dict.fromkeys(_BUDGETS), **self.budget}
        with usage():
            return max(1, count_steps(self.trainer(estimator, update), n, **budget).total)

    def layer_shares(self, method: str, fraction: float) -> tuple[float, ...]:
        """Return the ratios that are computed from the model and the training samples."""
        from bpfree.study.layer_ratios import layer_ratios

        with usage(x="data", y="data"):
            return layer_ratios(
                method, self.model, self.data.splits["train"], fraction=fraction, loss=self.loss,
                seed=self.given["seed"], engine=self.given["engine"],
            )  # fmt: skip

    def check_output(self) -> None:
        """Raise where a file would be lost, or where writing would fail after minutes of training."""
        check_model_place(self.out)
        resumable = self.given["checkpoint"] is not None
        if resumable and self.given["model"] and self.out.resolve() == Path(self.given["model"]).resolve():
            raise click.UsageError("--out: expected another file than --model's, which --resume starts from")
        if self.given["journal"] is not None:
            self.start = Path(f"{self.given['journal']}.start.npz")
            check_model_place(self.start, "--journal")
        started = [("--journal's first model", self.start)] if self.start else []
        check_places(click.get_current_context(), [("--out", self.out), *started])

    def save_start(self) -> None:
        """Save the model that the journal begins with, which replay needs; never replace that of another run."""
        if self.start is None:
            return
        if not self.start.is_file():
            replace_file(self.start, self.model.save)
            click.get_current_context().call_on_close(self.drop_start)
        elif load_model(self.start).hash != self.model.hash:
            raise click.BadParameter(
                f"{self.start} exists and is the first model of another run: choose another name",
                param_hint="--journal",
            )

    def drop_start(self) -> None:
        """Remove the first model again if the run ended before it wrote its journal."""
        if not self.given["journal"].is_file():
            self.start.unlink(missing_ok=True)

    def describe(self) -> str:
        """Return the lines that tell the user about data, network, method and run."""
        sizes = ", ".join(f"{len(x):,} {split}" for split, (x, _) in self.data.splits.items())
        budget = ", ".join(f"{name} {value:,.15g}" for name, value in self.budget.items())
        return "\n".join(
            [
                f"data     {self.data.name}: {sizes}{self.data.tested and f' ({self.data.tested})'}",
                f"network  {self.model!r}",
                f"method   {self.estimator} ({self.estimator.row.tier}), {self.update}",
                *calibration.lines(self.found),
                *([f"engine   {self.fallback}"] if self.fallback else []),
                f"run      {loss_name(self.loss)}, batch_size {self.batch_size}, {budget}, seed {self.given['seed']}",
            ]
        )

    def run(self, stop):
        """Train until the budget is spent or `stop` is asked for; return the Run."""
        from bpfree.cli.workers import engine_with_workers
        from bpfree.training.loop import train as train_model

        self.save_start()
        keep = {name: self.given[name] for name in ("checkpoint", "checkpoint_every", "resume", "journal", "patience")}
        workers = engine_with_workers(self.given["engine"], self.given["workers"], self.own)
        named = usage(x="data", y="data", model=self.network_option)
        with named, workers as engine:
            run = train_model(
                self.model, self.data.splits["train"], loss=self.loss, estimator=self.estimator, update=self.update,
                batch_size=self.batch_size, validation=self.data.splits.get("validation"),
                validate_every=self.given["validate_every"], engine=engine,
                seed=self.given["seed"], progress=self.given["progress"], callbacks=lambda step, run: not stop.asked,
                journal_every=self.journal_every, **keep, **self.budget,
            )  # fmt: skip
        return run

    @contextmanager
    def says_how_to_resume(self):
        """Print how to continue when a second Ctrl-C or a full disk ends the run: the checkpoint is intact."""
        try:
            yield
        except (KeyboardInterrupt, OSError) as error:
            if self.given["checkpoint"] is not None:
                click.echo(f"continue with: {self.how_to_go_on('', '')}", err=True)
            elif isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
                click.echo("nothing is left to continue from: a run with --checkpoint FILE can be continued", err=True)
            raise

    def report(self, screen: Screen, run, interrupted: bool) -> dict:
        """Save the model, measure it and print the report; return the JSON document."""
        from bpfree.cli.metrics import floor_of

        peak = run.memory["process_peak"] or None
        untrained = not interrupted and run.model.hash == self.model.hash
        kept = untrained and self.out.exists()
        replaced = not kept and save_or_rescue(self.out, run.model.save, "the model")
        if self.given["plot"] is not None:
            replace_file(self.given["plot"], run.plot)
        measured = {} if interrupted else self.measure(run)
        floor = {"reason": "not asked for"}
        if self.given["floor"] and not interrupted:
            floor = floor_of(self.model.graph, self.data, self.given["seed"])
        advice = train_advice.advice(run, measured, floor)
        document = {
            "data": self.data.describe(),
            "settings": self.settings(),
            "outcome": train_advice.in_words(run.outcome),
            "outcome_code": "interrupted" if interrupted else run.outcome_code,
            "advice": advice,
            "steps": len(run.losses),
            "loss": run.course.recent[-1] if run.course.recent else None,
            "validation": measured["validation"].document() if "validation" in measured else None,
            "test": measured["test"].document() if "test" in measured else None,
            "floor": floor,
            "history": {"metric": run.metric, "validation": [row._asdict() for row in run.history]},
            "best": run.best and {"step": run.best.step, "value": run.best.value},
            "parameters": run.model.graph.n_theta,
            "frozen": run.model.graph.n_frozen,
            "forwards": run.forwards,
            "evaluations": run.evaluations,
            "macs": run.macs,
            "seconds": run.seconds,
            "peak_ram_bytes": peak,
            "hash": run.model.hash,
            "files": {name: self.given[name] for name in ("plot", "checkpoint", "journal")}
            | {"model": None if kept else self.out},
        }
        floor_row = f"{floor['accuracy']:.2%} on {floor['split']}" if "accuracy" in floor else floor["reason"]
        screen.show(
            facts(
                [
                    ("test", measured.get("test")),
                    ("validation", measured.get("validation")),
                    ("floor: untrained features + ridge", floor_row if self.data.labels and not interrupted else None),
                    ("parameters", f"{run.model.graph.n_theta:,}"),
                    ("frozen", f"{run.model.graph.n_frozen:,}" if run.model.graph.n_frozen else None),
                    ("steps", f"{len(run.losses):,}"),
                    ("forwards (passes of one sample)", f"{run.forwards:,}"),
                    ("loss evaluations", f"{run.evaluations:,}"),
                    ("MACs", f"{run.macs:,}"),
                    ("seconds", f"{run.seconds:.1f}"),
                    ("peak RAM of this process", None if peak is None else f"{peak / 2**20:,.0f} MiB"),
                    ("theta", run.model.hash),
                    ("outcome", document["outcome"]),
                    ("advice", advice or None),
                    ("model", train_advice.saved(self.out, untrained, kept, replaced)),
                    ("best validation", run.best and f"{run.best.value:.4f} after step {run.best.step:,}"),
                    ("checkpoint", self.given["checkpoint"]),
                    ("journal", self.given["journal"] and f"{self.given['journal']}, starts from {self.start}"),
                    ("picture", self.given["plot"]),
                ]
            )
        )
        screen.say(self.next_steps(run, interrupted, advice, untrained))
        return document

    def settings(self) -> dict:
        """Return the settings of the run for the JSON document."""
        return {
            "model": self.given["layers"] or self.given["model"] or recipe(self.data.name)["model"],
            "loss": loss_name(self.loss),
            **{what: repr(getattr(self, what)) for what in ("estimator", "update")},
            "calibration": calibration.document(self.found),
            "batch_size": self.batch_size,
            **dict.fromkeys(_BUDGETS),
            **self.budget,
            "seed": self.given["seed"],
        }

    def measure(self, run) -> dict:
        """Return the measurements on validation and test splits, where the data has them."""
        from bpfree.cli.metrics import measure
        from bpfree.engines import get_engine

        engine = get_engine(self.given["engine"], self.own)
        return {
            split: measure(run.model, self.data.splits[split], self.loss, engine, split)
            for split in ("validation", "test")
            if split in self.data.splits
        }

    def next_steps(self, run, interrupted: bool, advice: str, untrained: bool) -> str:
        """Return the commands to run next, which work when pasted; none for a model that is the one it began with."""
        from bpfree.losses import get_loss, own_words

        model, source = shlex.quote(str(self.out)), shlex.quote(self.given["data"])
        folder = shlex.quote(f"{self.out.with_suffix('')}-firmware")
        loss = loss_option(self.loss, self.data.loss)
        lines = [f"bpfree evaluate {model} {source}{loss}", f"bpfree info {model}"]
        unusable, own = train_advice.is_unusable(run), self.model.graph.own + own_words(get_loss(self.loss))
        if not unusable and not own:  # which no device has
            lines.append(f"bpfree export firmware {model} {folder} --data {source}{loss}")
        if untrained:
            lines = []
        if self.given["journal"] is not None:
            lines.append(f"bpfree replay {shlex.quote(str(self.given['journal']))}")
        if interrupted:
            lines.insert(0, self.how_to_go_on(model, source))
        elif unusable or advice:
            typed = click.get_current_context().obj or []
            lines[:0] = filter(None, [train_advice.next_try(typed, run, self.found, self.estimator)])
        rows = current().as_typed
        listed = "\n".join(f"  {line}{'' if rows in line else rows}" for line in lines)
        return listed and f"\nnext\n{listed}"

    def how_to_go_on(self, model: str, source: str) -> str:
        """Return the command that continues this run: exactly from a checkpoint, else from the saved model."""
        if self.given["checkpoint"] is None:
            loss = loss_option(self.loss, self.data.loss)
            return f"bpfree train {source} --model {model} --seed {self.given['seed'] + 1}{loss} --out {model}"
        typed = click.get_current_context().obj or []
        return shlex.join(["bpfree", *typed, *([] if "--resume" in typed else ["--resume"])])


def _refuse_pairs(given: dict, *pairs) -> None:
    for pair in pairs:
        if all(given[name] is not None for name in pair):
            one, other = (f"--{name.replace('_', '-')}" for name in pair)
            raise click.UsageError(f"{one}, {other}: expected one of them, got both")
