# SPDX-License-Identifier: MIT
"""The training loop: probe, evaluate, estimate, update, and write the scalars down."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from bpfree.blas import threads_for
from bpfree.engines import fallback, get_engine
from bpfree.engines.batch import make_batch
from bpfree.engines.classes import NONE, predicted
from bpfree.engines.cost import largest_product
from bpfree.engines.probes import AT_THETA
from bpfree.errors import check_count, check_functions
from bpfree.estimators.rge import RGE
from bpfree.estimators.step import SKIPPABLE, Outcome, make_step
from bpfree.journal import Journal
from bpfree.journal.format import Code
from bpfree.losses import get_loss
from bpfree.model import Model
from bpfree.screen.progress import training_bar
from bpfree.trainer import Trainer
from bpfree.training import plan as planning
from bpfree.training.checkpoint import fingerprint, identify
from bpfree.training.divergence import is_broken, safe_model, scaling
from bpfree.training.files import RunFiles, look_text
from bpfree.training.plan import Plan
from bpfree.training.run import Best, Run, Validation
from bpfree.training.state import State, names_of, take_up
from bpfree.training.verdict import advice, at_a_minimum
from bpfree.updates.sgd import SGD


def train(
    model: Model,
    data=None,
    *,
    batches=None,
    loss="cross_entropy",
    estimator=None,
    update=None,
    trainable=None,
    batch_size: int | None = None,
    epochs: int | None = None,
    max_steps: int | None = None,
    max_forwards: float | None = None,
    max_evaluations: float | None = None,
    validation=None,
    validate_every: int = 500,
    patience: int | None = None,
    callbacks=(),
    checkpoint=None,
    checkpoint_every: int = 500,
    resume: bool = False,
    journal=None,
    journal_every: int | None = None,
    engine=None,
    seed: int = 0,
    state=None,
    first_step: int = 0,
    progress: bool | None = None,
) -> Run:
    """Train with forward passes only; the model given is left as it is, the trained one is `run.model`.

    One step: the estimator asks for the losses of a minibatch at a few points
    around theta, makes a gradient of them, the update moves theta.

    What to learn, and how:
        data: (x, y), x (n, features...), y integer labels (n,) or targets (n, outputs);
            or (x, y, w), w (n,) >= 0: divided by their mean, once, they are what the
            loss of each sample is multiplied by.
        batches: instead of data, for what does not fit in memory, is augmented or made
            anew: a function of (step, rng) that returns the batch (x, y) or (x, y, w)
            of a step, rng = np.random.Generator(np.random.Philox(key=(seed, step)));
            or an iterator of batches, which ends the run where it ends, and
            cannot be resumed. All are of one size; weights are taken as they are. The first batch is
            looked at before the run begins.
        loss: "cross_entropy" for labels, "mse" for targets; or a function (outputs,
            targets) -> (n,) of what `predict` gives and the rows of y, unchanged; or a `Loss`.
        estimator, update: such as RGE(n_queries=8) and SGD(lr=0.05), the defaults
            but for the lr; or chain(clip(1.0), Adam(5e-3)).
        trainable: patterns of the parameter tensors to train, such as "linear3.*" or
            ("*.bias", "linear3.weight"); all others are frozen, as by `Model.train_only`,
            and `run.model` keeps them so. Default: what the model has not frozen.
        batch_size: samples a step, 32 unless said; `batches` have their own.
        seed: of everything random; nothing else is.
        engine: "compiled", "reference", "exact"; default: compiled where it is there and
            has all rows that losses need; reference where one is of your own, as the summary says.

    How long - at least one, and the first that is reached ends the run; a step
    that would go over it is not begun:
        epochs, max_steps: passes over the data, steps; `batches` have no epochs.
        max_forwards: samples passed through the network; a pass of some layers counts
            by its share of the multiply-accumulates. max_evaluations: losses
            of a minibatch; RGE needs 2 n_queries a step, or n_queries + 1 one-sided.

    What to watch:
        validation: (x, y) or (x, y, w), or a share of the data in (0, 1), drawn by the
            seed and not trained on; looked at every `validate_every` steps and at the end.
        patience: stop after so many validations without a better one. `run.best`
            is the best one's (step, value, model), with or without it.
        callbacks: a function of (step, run) or a sequence of them, called after
            every step, counted from 0; returning False stops the run.
        progress: a live bar on stderr with rate, time left, loss, validation and
            forwards; default: when that is a terminal.

    What to keep on the disk:
        checkpoint: a file that is replaced every `checkpoint_every` steps and at
            the end, whole or not at all. After a crash, a power cut or Ctrl-C the
            same call with resume=True goes on as if nothing had happened: same
            theta, losses, counts, same bytes of journal. It starts anew where there
            is no checkpoint yet, and goes further where a budget has grown.
        journal: a file of a few bytes a step, from which `bf.replay` rebuilds theta
            without data, here or in C. journal_every: steps between snapshots of
            theta in it; estimators without a short record of a step need them.
        A file that is there already is never overwritten: it is gone on with
        (resume=True) or refused.

    Numeric failure is a result: the run ends, `run.outcome` says what to try and
    `run.outcome_code` which it was: "diverged" (L > L0 + 100 max(|L0|, spread) for 10
    steps, L the mean loss of a step, L0 and the spread, largest less smallest, of the
    losses of the first), "nonfinite_loss", "overflow", "mu_too_small"; else
    "stalled" (no probe changes the loss any more, at a minimum), "done"
    (epochs or max_steps), "budget", "early_stop" or "callback". `run.model` is the last
    one, but of a run that has diverged, or whose last theta is as bad, it is the best
    validated or the one it began with. A step whose losses or update are not finite is
    skipped first, as on a device, and noted (`run.journal.skips`, NaN in `run.losses`),
    up to ten in a row. An exception, Ctrl-C among
    them, is raised on, after checkpoint and journal have been brought to the last
    whole step. Wrong arguments raise TypeError or ValueError before the first step.

    How to go on from another run, with other data or another lr, say:
        state: its `run.state`, of the same update and parameters; or such arrays
            as a list.
        first_step: its `run.next_step`. Steps are counted from there: minibatches,
            directions and schedules go on where they were, so that 10 steps and 10 more
            are 20 steps, bit for bit. Without it, give another seed: with the
            same one a run would walk the same minibatches and directions again.

    >>> import bpfree as bf
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(64, 2)).astype("f4")
    >>> y = (x[:, 0] > 0).astype(int)
    >>> run = bf.train(
    ...     bf.Sequential(2, [bf.Linear(2)]), (x, y), update=bf.SGD(0.5), max_evaluations=800, batch_size=16,
    ...     validation=0.25, validate_every=10, engine="reference",
    ... )
    >>> run.outcome_code, run.steps, run.evaluations, run.best.value > 0.9
    ('budget', 50, 800, True)
    """
    if data is None and batches is None:
        raise TypeError("data: expected a pair (x, y), or (x, y, w), or batches= in its place, got neither")
    planning.check_start(model, data, validation, batches)
    model = model if trainable is None else model.train_only(trainable)
    patience = planning.check_patience(patience, validation)
    callbacks = check_functions("callbacks", callbacks, "(step, run)")
    validate_every = check_count("validate_every", validate_every)
    files = RunFiles(checkpoint, checkpoint_every, journal, journal_every, resume)
    estimator, update = RGE(n_queries=8) if estimator is None else estimator, SGD() if update is None else update
    loss, first_step = get_loss(loss), check_count("first_step", first_step, 0, 2**32 - 1)
    feed, held_out = planning.open_feed(model.graph, loss, data, batches, validation, batch_size, seed, first_step)
    planning.check_feed(feed, checkpoint)
    trainer = Trainer(model.graph, model.frozen, loss, estimator, update, feed.batch_size, seed, feed.weighted)
    files.check_recoverable(trainer)
    reason, engine = fallback(engine, trainer.own), get_engine(engine, trainer.own)
    planning.check_weighs(engine, feed.held, held_out)
    if hasattr(engine, "check_sent"):
        engine.check_sent(trainer, feed.held)
    budget = planning.count_steps(
        trainer, feed.epoch, endless=feed.endless,
        epochs=epochs, max_steps=max_steps, max_forwards=max_forwards, max_evaluations=max_evaluations,
    )  # fmt: skip
    planning.check_last_step(first_step, budget)
    plan = Plan(model, trainer, engine, feed, held_out, budget, validate_every, patience, callbacks)

    run = _new_run(model, trainer, state, first_step)
    run.fallback, run.batches = reason, feed.told
    run.data_bytes = feed.held.nbytes + (held_out.nbytes if held_out else 0)
    try:
        files.begin(run, _identity(run, plan, data, validation, files) if files.checkpoint else {})
        with threads_for(largest_product(model.graph, trainer.batch_size)):
            with training_bar(progress, run, budget.total) as show:
                end = _take_steps(plan, run, files, show)
            return _finish(plan, run, files, end)
    except BaseException as error:
        files.interrupted(run, error)
        raise


def _new_run(model, trainer: Trainer, state, first_step: int) -> Run:
    """A run that has done nothing yet; where it goes on from another, its journal begins with a snapshot."""
    run = Run(
        Model(model.graph, model.theta, model.frozen), trainer, Journal(model.hash, trainer.settings(), first_step)
    )
    begun = take_up(trainer, model.theta, state, first_step)
    run.state = State(begun, run.journal.settings, first_step, names_of(model.graph))
    if state is not None or first_step:
        run.journal.snapshot(first_step, run.model.theta, run.state)
    return run


def _identity(run, plan, data, validation, files) -> dict:
    """What a checkpoint is for: anything else and its run would not be gone on with exactly."""
    engine = getattr(plan.engine, "name", type(plan.engine).__name__)
    whole = plan.feed.held if data is None else make_batch(plan.trainer.graph, plan.trainer.loss, *data)
    return identify(
        run,
        plan.held_out if isinstance(validation, tuple | list) else validation and float(validation),
        data=", ".join(filter(None, (plan.feed.source, fingerprint(whole)))),
        validate_every=plan.validate_every if plan.held_out else None,
        journal_file=files.journal is not None,
        journal_every=files.journal_every,
        engine="same bits" if engine in ("exact", "compiled") else f"{engine} {getattr(plan.engine, 'dtype', '')}",
    )


def _take_steps(plan: Plan, run: Run, files: RunFiles, show) -> Outcome:
    """Step by step until something ends the run."""
    trainer, engine, began = plan.trainer, plan.engine, time.perf_counter() - run.seconds
    apply, state, skipped = partial(engine.apply, trainer), run.state, []
    while not (end := plan.ended(run)):
        done, step = run.next_step, run.next_step + len(skipped)
        samples = plan.feed.at(step)
        if samples is None:
            end = Outcome("done", f"done: there are no more batches after {run.steps:,} steps")
            break
        estimate = trainer.estimate(engine, run.model.theta, samples, step)
        run.evaluations += estimate.n_evaluations
        run.forwards += estimate.forwards
        made = make_step(estimate, apply, run.model.theta, state, step, run.quiet)
        if made.failure:
            skipped.append((step, made.failure))
            if not plan.may_skip(run, len(skipped)):
                break
            state = trainer.skip(state, step)
            continue
        files.steps_skipped(run, skipped)
        run.model.theta, run.coefficients, run.quiet = made.theta, made.record, made.quiet
        run.losses.append(estimate.loss)
        run.course.stepped(estimate.losses, estimate.loss)
        state = run.state = State(made.state, run.journal.settings, run.next_step, run.state.trained)
        run.seconds = time.perf_counter() - began
        files.step_done(run, made.record)
        if plan.held_out and run.next_step // plan.validate_every > done // plan.validate_every:
            _look(plan, run)
        files.note(run)
        if files.due(run):
            files.save()
        show(run)
        answers = [callback(step, run) for callback in plan.callbacks]
        if any(answer is False for answer in answers):
            return Outcome("callback", f"stopped by the callback after step {step}")
    return skipped[0][1] if skipped else end


def _look(plan: Plan, run: Run) -> None:
    """Validate, and remember the model when it is the best so far."""
    value = validate(run.model, run.trainer.loss, plan.engine, plan.held_out)
    run.history.append(Validation(run.next_step, value, run.forwards, run.evaluations, run.seconds))
    run.journal.event(run.next_step, Code.VALIDATION, look_text(run, value))
    if run.improves(value):
        run.best = Best(run.next_step, value, Model(run.model.graph, run.model.theta, run.model.frozen))


def _finish(plan: Plan, run: Run, files: RunFiles, end: Outcome) -> Run:
    """The last look and the last words. The checkpoint comes first: a longer run would not have stopped here."""
    if end.code not in SKIPPABLE:  # else resuming would fail again, and count the step twice
        files.save()
    if is_broken(plan, run, end):
        end = _go_back(plan, run, files, end)
    else:
        files.last_snapshot(run)
        if plan.held_out and run.steps and (not run.history or run.history[-1].step < run.next_step):
            _look(plan, run)
        end = at_a_minimum(plan, run, end)
        run.advice = advice(plan, run, end)
    run.outcome_code, run.outcome = end
    files.end(run, end)
    return run


def _go_back(plan: Plan, run: Run, files: RunFiles, end: Outcome) -> Outcome:
    """Give back a model that is of use, with the state of an update that has made no step, and write that down."""

    def value_of(model):
        return validate(model, run.trainer.loss, plan.engine, plan.held_out)

    step, name, model = safe_model(plan, run, value_of)
    run.model = Model(model.graph, model.theta, model.frozen)
    fresh = run.trainer.initial_state(run.model.theta)
    run.state = State(fresh, run.journal.settings, run.next_step, run.state.trained)
    files.went_back(run, step, name)
    return Outcome(end.code, f"{end.text}; {scaling(plan.feed.held)}; run.model is {name}")


def validate(model: Model, loss, engine, batch) -> float:
    """The metric on a batch, weighted as it is: accuracy, or the mean loss where there are no labels.

    NaN where an output is NaN.
    """
    graph, theta, frozen = model.graph, model.theta, model.frozen
    if loss.labels:
        outputs = engine.predict(graph, theta, frozen, batch.x)
        classes = predicted(outputs)
        if (classes == NONE).any():
            return float("nan")
        right = classes == batch.labels
        return float(right.mean() if batch.weights is None else np.average(right, weights=batch.weights))
    values, _ = engine.evaluate(graph, theta, frozen, batch, loss, [AT_THETA])
    return float(values.mean())
