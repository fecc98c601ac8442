# SPDX-License-Identifier: MIT
"""Ask and tell: training where the losses are measured elsewhere - on a board, a chip, by hand."""

from __future__ import annotations

import io
import json
from dataclasses import fields, is_dataclass
from functools import partial

import numpy as np

from bpfree.engines.probes import perturb
from bpfree.errors import FormatError, check_count, check_positive, check_seed, check_unmasked, check_version
from bpfree.estimators.divergence import Course
from bpfree.estimators.estimate import Estimate
from bpfree.estimators.lost import tell_replies
from bpfree.estimators.replies import as_losses
from bpfree.estimators.standing import LowestMean, Standing
from bpfree.estimators.step import Outcome, apply_record, check_pair, make_step, nonfinite
from bpfree.files import read_arrays, write_atomically
from bpfree.graph import Graph, layout
from bpfree.updates.adam import Adam
from bpfree.updates.table import read_only

_VERSION = 2
"""The version of the file that `save` writes."""

DEFAULT = Adam(1e-2, epsilon=1e-20)
"""The update where none is given: steps of about 0.01 in every parameter, also of losses near 1e-18."""


class AskTell:
    """Points to measure the loss at, and the step made of what was measured. Made by `estimator.start(theta0)`.

    theta0: parameters of any shape, float32 or float64 (whole numbers count as
    float64); they are one group, whatever the estimator's grouping. update:
    such as SGD(0.1), or what `calibrate` finds; default: Adam(1e-2), whose steps do not
    depend on the scale of the losses. max_steps, max_evaluations: budgets; a step
    that would go over one is not begun; default: none.

    Iterating gives the points of a step, (n_probes, *theta0.shape), until a
    budget is reached or a failure sets the outcome; `tell` takes their losses
    and moves theta. The points follow from theta, seed and step alone, so
    asking again before telling gives the same ones, here or after `restore`.

    theta: the parameters now. step: steps done, with those that were skipped;
    skipped: (step, reason) of these. evaluations: losses told; lost: those of them
    that were not finite. loss: mean of those told last. best: (step, loss, theta) of
    the lowest such mean, theta being what it was before that step; None before the
    first. outcome_code: "running", "done" (max_steps), "budget", "stalled" (no probe changes the
    loss, at its lowest), "diverged", "nonfinite_loss", "overflow" or "mu_too_small"; outcome:
    the same for people, with advice.

    >>> import bpfree as bf
    >>> ask = bf.RGE(n_queries=4).start(np.zeros((2, 3)), seed=3, update=bf.SGD(0.1), max_steps=40)
    >>> for points in ask:                                       # (8, 2, 3)
    ...     estimate = ask.tell([((point - 1) ** 2).sum() for point in points])
    >>> ask.outcome, ask.step, ask.evaluations, bool(ask.loss < 0.1)
    ('done', 40, 320, True)
    """

    def __init__(self, estimator, theta0, *, seed: int = 0, update=None, max_steps=None, max_evaluations=None):
        if not hasattr(estimator, "ask"):
            raise TypeError(f"estimator: expected one that asks for points, such as RGE(), got {estimator!r}")
        self.estimator, self.update = estimator, DEFAULT if update is None else update
        check_pair(self.estimator, self.update)
        self.seed = check_seed(seed)
        self.max_steps = None if max_steps is None else check_count("max_steps", max_steps)
        self.max_evaluations = None if max_evaluations is None else check_positive("max_evaluations", max_evaluations)
        theta = as_parameters(theta0)
        self.shape = theta.shape
        self.graph = Graph((), (), layout([("theta", theta.shape, 0, False)]))
        self._theta = theta.reshape(-1)
        groups, each = estimator.record_shape(self.graph)
        self._state = self.update.init(self._theta, groups * each)
        self.step, self.loss, self.skipped = 0, float("nan"), []
        self._standing = Standing(Course(float(np.abs(theta).max())))
        self._look_ahead()

    def __repr__(self) -> str:
        told = f"{self.outcome_code}, step {self.step}, {self.evaluations} evaluations, loss {self.loss:.6g}"
        return f"AskTell({told}, {self.estimator!r}, {self.update!r})"

    @property
    def theta(self) -> np.ndarray:
        """The parameters now, in theta0's shape; read-only, and left as they are by later steps."""
        return read_only(self._theta.reshape(self.shape))

    @property
    def evaluations(self) -> int:
        """Losses told so far."""
        return self._standing.evaluations

    @property
    def lost(self) -> int:
        """Losses told so far that were not finite."""
        return self._standing.lost

    @property
    def best(self) -> LowestMean | None:
        """(step, loss, theta) of the step with the lowest mean loss; None before the first."""
        best = self._standing.best
        return best and best._replace(theta=read_only(best.theta.reshape(self.shape)))

    @property
    def n_probes(self) -> int:
        """Points of this step."""
        return len(self._probes)

    def point(self, k: int) -> np.ndarray:
        """Point k of this step, a new array like theta0: for many parameters, one at a time."""
        return perturb(self.graph, self._theta, self._probes[k]).reshape(self.shape)

    def points(self) -> np.ndarray:
        """All points of this step, (n_probes, *theta0.shape)."""
        return np.stack([self.point(k) for k in range(self.n_probes)])

    def __iter__(self):
        return self

    def __next__(self) -> np.ndarray:
        if self.outcome_code != "running":
            raise StopIteration
        return self.points()

    def tell(self, values, step: int | None = None) -> Estimate:
        """Take the losses of this step's points and make the step; returns the gradient's coefficients.

        values: (n_probes,), or (n_probes, samples) for losses of single samples,
        the same samples at every point: differences are then taken sample by
        sample. step: the number of the step that was asked for, where replies
        can come late; one of another step raises ValueError and changes nothing.

        NaN is a reply that was lost: its direction has no part in the step, and of a
        mean over directions the others have as much more. Where the loss on one side is
        infinite, the step goes to the other side, by the largest coefficient of the
        others. Where nothing is left, nothing moves, the outcome says so and iteration
        ends; telling the same step again, measured anew, goes on. So does not a run that
        has ended otherwise: then ValueError is raised.
        """
        if step is not None and check_count("step", step, 0) != self.step:
            raise ValueError(f"step: expected losses of step {self.step}, got those of step {step}: drop late replies")
        self._check_not_ended("values")
        values = as_losses(values, self.n_probes)
        estimate = tell_replies(self.estimator, self.graph, self.seed, self.step, values)
        self.loss = self._standing.told(values, np.isfinite(values).all(axis=1))
        apply = partial(apply_record, self.estimator, self.update, self.graph, self.seed)
        made = make_step(estimate, apply, self._theta, self._state, self.step, self._standing.quiet)
        if made.failure:
            told = _where(self.step, values) if made.failure.code == "nonfinite_loss" else made.failure
            self._end(self._standing.beyond(self.step) or told)
            return estimate
        self._standing.stepped(self.step, self.loss, values, self._theta, made.quiet)
        self._theta, self._state = made.theta, made.state
        self.step += 1
        self._look_ahead()
        return estimate

    def skip(self, reason: str = "", step: int | None = None) -> None:
        """Skip this step: theta stays, its points are used up, and the next step has others.

        For losses that cannot be had, or a step whose losses are not finite
        however often they are measured. It counts as a step, not as evaluations.
        reason: for people, kept in `skipped`. step: as for `tell`.
        """
        if not isinstance(reason, str):
            raise TypeError(f"reason: expected a text, got {reason!r}")
        if step is not None and check_count("step", step, 0) != self.step:
            raise ValueError(f"step: expected to skip step {self.step}, got step {step}")
        self._check_not_ended("skip")
        self._state = self.update.skip(self._state, self.step)
        self.skipped.append((self.step, reason))
        self.step += 1
        self._look_ahead()

    def _check_not_ended(self, name: str) -> None:
        """What is not finite can be told again, or skipped; nothing comes after another end."""
        if self.outcome_code not in ("running", "nonfinite_loss", "overflow"):
            raise ValueError(f"{name}: expected none, as the run has ended ({self.outcome})")

    def _look_ahead(self) -> None:
        """The probes of the next step, and whether there is to be one."""
        self._probes = self.estimator.ask(self.graph, self.seed, self.step)
        self._end(Outcome("running", "running"))
        if end := self._standing.end(self.step, self.step - len(self.skipped), self._theta):
            self._end(end)
        elif self.max_steps is not None and self.step >= self.max_steps:
            self._end(Outcome("done", "done"))
        elif self.max_evaluations is not None and self.evaluations + self.n_probes > self.max_evaluations:
            most, left = f"max_evaluations={self.max_evaluations:,.0f}", f"{self.evaluations:,} are spent"
            self._end(Outcome("budget", f"budget: {most}, {left}, and a step needs {self.n_probes:,}"))

    def _end(self, outcome: Outcome) -> None:
        self.outcome_code, self.outcome = outcome

    def save(self, path) -> None:
        """Write theta, the update's state and the counts to one .npz, whole or not at all: no pickle."""
        counts, best = {"step": self.step, **self._standing.document()}, self._standing.best
        document = {"version": _VERSION, "settings": self._settings(), "counts": counts, "skipped": self.skipped}
        stream = io.BytesIO()
        np.savez(
            stream,
            asktell=json.dumps(document),
            theta=self._theta,
            state=np.concatenate([np.zeros(0, self._theta.dtype), *self._state]),
            loss=np.float64(self.loss),
            **({"best": best.theta} if best else {}),
        )
        write_atomically(path, stream.getvalue())

    def restore(self, path) -> AskTell:
        """Go on exactly from where `save` was called, in a run started with the same arguments; returns this run.

        Only the budgets may differ, and theta0's values, which are replaced.
        Raises ValueError naming what else differs, FormatError when the file is
        not one of `save`; the run is then as it was.
        """
        names, what = ("asktell", "theta", "state", "loss"), "saved ask-and-tell run"
        fields = read_arrays(path, names, optional=("best",), what=what)
        try:
            document = json.loads(str(fields["asktell"]))
            check_version(document["version"], _VERSION)
            theirs, counts = dict(document["settings"]), document["counts"]
            step, standing = check_seed(counts["step"], "step"), Standing.of(counts, fields.get("best"))
            skipped = [(check_seed(at, "step"), str(reason)) for at, reason in document["skipped"]]
            loss = float(fields["loss"])
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise FormatError(f"{path}: not a saved ask-and-tell run: {error}") from None
        mine = self._settings()
        names = [name for name in mine if theirs.get(name) != mine[name]]
        differ = [f"{name}: {theirs.get(name)} there, {mine[name]} here" for name in names]
        if differ:
            raise ValueError(f"restore: {path} is of another run; {'; '.join(differ)}")
        sizes = [part.size for part in self._state]
        best = [("best", self._theta.size)] if standing.best else []
        for name, size in (("theta", self._theta.size), ("state", sum(sizes)), *best):
            got = fields[name]
            if got.shape != (size,) or got.dtype != self._theta.dtype or not np.isfinite(got).all():
                expected = f"{size} finite {self._theta.dtype} numbers"
                raise FormatError(f"{path}: {name}: expected {expected}, got {got.dtype} {got.shape}")
        self._theta = fields["theta"].copy()
        self._state = [part.copy() for part in np.split(fields["state"], np.cumsum(sizes)[:-1])] if sizes else []
        self.step, self._standing, self.loss, self.skipped = step, standing, loss, skipped
        self._look_ahead()
        return self

    def _settings(self) -> dict:
        """What must be the same for a run to go on exactly."""
        return {
            "estimator": _text(self.estimator),
            "update": _text(self.update),
            "seed": self.seed,
            "shape": list(self.shape),
            "dtype": str(self._theta.dtype),
        }


def _where(step: int, values) -> Outcome:
    """Which losses of a step that was not made are to be measured again."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    first = f"at {bad.size} of {len(values)} points, first {bad[0]}" if bad.size else "in their differences"
    advice = "measure them again and tell them, or try a smaller lr or mu"
    return nonfinite(step, f"losses are not finite {first}", advice)


def _text(settings) -> str:
    """Like repr, but NumPy's numbers are the same settings as Python's of the same value."""
    if is_dataclass(settings):
        parts = (f"{f.name}={_text(getattr(settings, f.name))}" for f in fields(settings))
        return f"{type(settings).__name__}({', '.join(parts)})"
    if isinstance(settings, tuple):
        return f"({', '.join(map(_text, settings))})"
    return repr(settings.item() if isinstance(settings, np.generic) else settings)


def check_starts(estimator) -> None:
    """Raise TypeError unless this is an estimator, ready to start, or None."""
    if isinstance(estimator, type) or not (estimator is None or hasattr(estimator, "start")):
        raise TypeError(f"estimator: expected one such as RGE(n_queries=16), got {estimator!r}")


def as_parameters(theta0) -> np.ndarray:
    """A contiguous copy of theta0, float32 or float64."""
    try:
        theta = np.array(check_unmasked("theta0", theta0), order="C")
    except ValueError:
        raise TypeError("theta0: expected float32 or float64 numbers, got rows of different lengths") from None
    if theta.dtype.kind in "iu":
        theta = theta.astype(np.float64)
    if theta.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"theta0: expected float32 or float64 numbers, got dtype {theta.dtype}")
    if theta.size == 0:
        raise ValueError(f"theta0: expected at least one parameter, got shape {theta.shape}")
    if not np.isfinite(theta).all():
        raise ValueError("theta0: expected finite parameters to start from, got some that are not")
    return theta
