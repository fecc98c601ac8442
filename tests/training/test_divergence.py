"""A run that has diverged says so, and gives back a model that is of use; its files agree with that."""

import json

import native_journal
import numpy as np
import pytest
from helpers import assert_same_bits, floats

import bpfree as bf
from bpfree.estimators.divergence import loss_bound
from bpfree.estimators.step import FAILURES
from bpfree.graph.c_tables import model_tables
from bpfree.journal import Journal, replay
from bpfree.journal.format import Code
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer

X, Y = floats(0, 60, 5), (floats(0, 60, 5)[:, 0] > 0).astype(int)
MODEL = bf.Sequential(5, [bf.Linear(7), bf.ReLU(), bf.Linear(2)], seed=3)
TURN = 40


def run(model=MODEL, data=(X, Y), **changed):
    settings = {"max_steps": 90, "batch_size": 12, "engine": "exact", "update": bf.SGD(1e5)}
    return bf.train(model, data, estimator=changed.pop("estimator", bf.RGE(4)), **{**settings, **changed})


def turning(step, chance):
    """Batches that can be learnt from, and after a while are noise, a million times as large."""
    rows = chance.integers(0, len(X), 12)
    return (X[rows], Y[rows]) if step < TURN else (1e6 * X[rows], chance.integers(0, 2, 12))


def turned(**changed):
    settings = {"batches": turning, "validation": (X, Y), "validate_every": 10, "update": bf.Adam(0.05)}
    return run(data=None, batch_size=None, **{**settings, **changed})


def events(journal):
    return [(event.step, event.code, event.text) for event in journal.events[-2:]]


# ---- What it says ----


def test_unscaled_data_with_a_usual_lr():
    """scikit-learn's breast cancer as it comes: the loss went to 1e15, and the advice was a larger mu."""
    datasets = pytest.importorskip("sklearn.datasets", reason='scikit-learn missing: pip install "bpfree[sklearn]"')
    x, y = datasets.load_breast_cancer(return_X_y=True)
    model = bf.Sequential(30, [bf.Linear(16), bf.ReLU(), bf.Linear(2)], seed=0)
    found = bf.train(model, (x, y), update=bf.SGD(0.05), epochs=30)
    assert found.outcome_code == "diverged" and found.losses[-1] > 1e12 and found.steps < 30
    assert "try a smaller lr; are the inputs scaled? the largest |x| is 4254; run.model is " in found.outcome
    assert "larger mu" not in found.summary() and "the one that the run began with" in found.summary()
    assert found.model.hash == model.hash and found.model.accuracy(x, y) == model.accuracy(x, y)


def test_the_rule_is_ten_steps_above_the_bound():
    found = run()
    above = [loss > found.bound for loss in found.losses]
    assert found.outcome_code == "diverged" and sum(above[-10:]) == 10
    assert not any(all(above[k : k + 10]) for k in range(len(above) - 10)), "not later than it could be"
    losses = [found.trainer.estimate(bf.ReferenceEngine(exact=True), MODEL.theta, first_batch(found), 0).losses]
    assert found.bound == loss_bound(losses)


def first_batch(found):
    from bpfree.engines.batch import make_batch

    rows = found.trainer.indices(0, len(X))
    return make_batch(MODEL.graph, found.trainer.loss, X[rows], Y[rows])


def test_targets_are_asked_for_too():
    found = run(bf.Sequential(5, [bf.Linear(1)], seed=0), (X, 1e3 * X[:, :1]), loss="mse", update=bf.SGD(3.0))
    assert found.outcome_code == "diverged"
    largest = f"the largest |x| is {np.abs(X).max():.4g}, the largest |y| is {1e3 * np.abs(X[:, 0]).max():.4g}"
    assert f"are inputs and targets scaled? {largest}; " in found.outcome


def test_a_large_loss_that_falls_is_no_divergence():
    found = run(bf.Sequential(5, [bf.Linear(1)], seed=0), (X, 1e3 * X[:, :1]), loss="mse", update=bf.SGD(0.05))
    assert found.outcome_code == "done" and found.losses[-1] < found.losses[0] and np.isfinite(found.bound)


def test_standing_still_where_theta_has_exploded_is_divergence():
    """Far out this loss is 1, whatever a probe moves, and a larger mu would not help."""

    def bounded(outputs, targets):
        squares = np.square(outputs[:, 0] - targets)
        return squares / (1 + squares)

    model = bf.Sequential(5, [bf.Linear(1)], seed=0)
    found = run(model, (X, X[:, 0]), loss=bounded, engine="reference", update=bf.SGD(1e7))
    assert found.losses[-1] == 1 < found.bound and found.quiet == found.steps - 1 == 10
    assert found.outcome_code == "diverged" and "smaller lr" in found.outcome and found.model.hash == model.hash
    far = bf.chain(bf.Normalize(), bf.SGD(5.0))
    found = run(model, (1e3 * X, X[:, 0]), loss=bounded, engine="reference", update=far)
    assert found.outcome_code == "mu_too_small" and found.losses[-1] == 1 and not found.went_back
    assert found.outcome.endswith(f"; or a smaller lr, as the loss has risen, {found.losses[0]:.4g} -> 1")
    there = run(model, (X, X[:, 0]), loss=lambda outputs, targets: np.ones(len(targets)), engine="reference")
    assert there.outcome_code == "mu_too_small", "where theta has gone nowhere, mu may be to blame"


# ---- The model that is given back, and its files ----


@pytest.mark.parametrize("update", [bf.SGD(1e5), bf.Adam(1e9)], ids=repr)
@pytest.mark.parametrize("estimator", [bf.RGE(4), bf.CGE(0.5)], ids=["scalars", "snapshots"])
def test_without_a_validation_it_is_the_start(tmp_path, estimator, update):
    every = None if isinstance(estimator, bf.RGE) else 4
    found = run(estimator=estimator, update=update, journal=tmp_path / "j", journal_every=every)
    assert found.outcome_code == "diverged" and found.outcome.endswith("run.model is the one that the run began with")
    assert_same_bits(found.model.theta, MODEL.theta)
    assert not any(part.any() for part in found.state[:2]), "and no update's state of the way to nowhere"
    read = Journal.read(tmp_path / "j")
    for journal in (found.journal, read, tmp_path / "j"):
        assert_same_bits(replay(journal, MODEL), found.model.theta)
    (step, code, text), (_, end, last) = events(read)
    assert (step, code, text) == (found.steps, Code.WENT_BACK, "0: the one that the run began with")
    assert end == Code.END and last == f"diverged: {found.outcome}"
    if every is None:
        assert read.model_step == 0 and read.next_step == found.steps
        far = bf.Model(MODEL.graph, replay(read, MODEL, to_step=found.steps))
        assert np.abs(far.theta).max() > 100, "the way there can still be looked at"


def test_it_is_the_best_validated_where_that_is_better(tmp_path):
    thetas = {}
    keep = lambda step, run: thetas.update({step + 1: run.model.theta.copy()})
    found = turned(callbacks=keep, journal=tmp_path / "j")
    assert found.outcome_code == "diverged" and found.best.value > MODEL.accuracy(X, Y) and found.best.step <= TURN
    assert_same_bits(found.model.theta, found.best.model.theta)
    assert_same_bits(found.model.theta, thetas[found.best.step])
    assert f"run.model is the best validated, accuracy {found.best.value:.4g} after step" in found.outcome
    journal = Journal.read(tmp_path / "j")
    assert journal.model_step == found.best.step < journal.next_step
    for given in (journal, found.journal):
        assert_same_bits(replay(given, MODEL), found.model.theta)
        assert_same_bits(replay(given, MODEL, to_step=found.steps), thetas[found.steps])


def test_a_validation_that_is_worse_than_the_start_is_not_given_back():
    targets = X[:, :1]
    model = bf.Sequential(5, [bf.Linear(1)], seed=0)
    found = run(
        model, (X, targets), loss="mse", update=bf.SGD(3.0), validation=(X, targets), validate_every=2,
    )  # fmt: skip
    assert found.outcome_code == "diverged" and found.best is not None
    assert found.model.hash == model.hash != found.best.model.hash


def test_a_validation_among_the_steps_that_exploded_is_not_given_back():
    """By accuracy alone the best was met by chance, where the loss was 700 times what it was at the start."""
    x, y = floats(0, 40, 5), np.arange(40) % 3
    model = bf.Sequential(5, [bf.Linear(7), bf.ReLU(), bf.Linear(3)], seed=0)
    watched = {"validation": (x, y), "validate_every": 4, "batch_size": 10}
    found = run(model, (x, y), estimator=bf.RGE(2), update=bf.SGD(0.3), **watched)
    assert found.outcome_code == "diverged" and found.losses[found.best.step - 1] > found.bound
    assert found.best.value > model.accuracy(x, y) and found.model.hash == model.hash


def test_a_model_given_back_is_the_users_own(tmp_path):
    found = run()
    found.model.theta += 1
    assert_same_bits(MODEL.theta, bf.Sequential(5, [bf.Linear(7), bf.ReLU(), bf.Linear(2)], seed=3).theta)


@pytest.mark.parametrize("estimator", [bf.RGE(4), bf.CGE(0.5)], ids=["scalars", "snapshots"])
@pytest.mark.parametrize("cut", [TURN - 7, TURN + 4, None])
def test_a_run_that_is_cut_off_and_goes_on_diverges_alike(tmp_path, estimator, cut):
    every = None if isinstance(estimator, bf.RGE) else 7
    whole = turned(estimator=estimator, journal=tmp_path / "a", checkpoint=tmp_path / "ca", journal_every=every)
    files = {"journal": tmp_path / "b", "checkpoint": tmp_path / "cb", "journal_every": every}

    def interrupt(step, run):
        if step == cut:
            raise KeyboardInterrupt

    if cut is None:
        turned(estimator=estimator, **files)
    else:
        with pytest.raises(KeyboardInterrupt):
            turned(estimator=estimator, callbacks=interrupt, **files)
    again = turned(estimator=estimator, resume=True, **files)
    assert (again.outcome_code, again.outcome, again.model.hash) == ("diverged", whole.outcome, whole.model.hash)
    assert (again.bound, again.losses) == (whole.bound, whole.losses)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_a_checkpoint_from_before_there_was_a_bound(tmp_path):
    settings = {"checkpoint": tmp_path / "c", "update": bf.SGD(0.05)}
    run(**settings, max_steps=20)
    with np.load(tmp_path / "c") as archive:
        fields = dict(archive)
    document = json.loads(str(fields["checkpoint"]))
    del document["crc"]
    assert document.pop("bound") == run(update=bf.SGD(0.05), max_steps=1).bound
    np.savez(tmp_path / "old.npz", **{**fields, "checkpoint": json.dumps(document)})
    settings["checkpoint"] = tmp_path / "old.npz"
    again = run(**settings, max_steps=30, resume=True)
    assert again.model.hash == run(update=bf.SGD(0.05), max_steps=30).model.hash
    np.savez(tmp_path / "bad.npz", **{**fields, "checkpoint": json.dumps({**document, "bound": "x"})})
    with pytest.raises(bf.errors.FormatError, match="not a bpfree checkpoint"):
        run(**{**settings, "checkpoint": tmp_path / "bad.npz"}, resume=True)


@pytest.mark.parametrize("estimator", [bf.RGE(4), bf.CGE(0.5)], ids=["scalars", "snapshots"])
def test_c_reads_such_a_journal(tmp_path, estimator):
    every = None if isinstance(estimator, bf.RGE) else 4
    found = run(estimator=estimator, update=bf.Adam(1e9), journal=tmp_path / "j", journal_every=every)
    data, text = (tmp_path / "j").read_bytes(), found.trainer.settings()
    records, at = native_journal.read(data)
    assert at == len(data) and [record.payload[:1] for record in records[-3:-1]] == [b"\3", b"\1"]
    trainer = NativeTrainer(NativeModel(model_tables(MODEL.graph), "baseline"), **found.trainer.native_settings())
    step = native_journal.model_step(data)
    assert step == (native_journal.ALL if every else found.journal.model_step)
    assert_same_bits(native_journal.replay(trainer, MODEL.theta, text, data, step), found.model.theta)


def test_going_on_from_what_is_given_back():
    found = turned()
    more = run(found.model, update=bf.Adam(0.01), state=found.state, first_step=found.next_step, max_steps=5)
    assert more.outcome_code == "done" and more.journal.base_hash == found.model.hash


@pytest.mark.parametrize("text", ["", "7", "x: it", "-1: it", "91: it", "99999999999: it", "²: it", "\u0663: it"])
def test_an_event_that_names_no_step_of_the_journal_is_refused(tmp_path, text):
    found = run(update=bf.SGD(0.01))
    found.journal.event(90, Code.WENT_BACK, text)
    found.journal.write(tmp_path / "j")
    data = (tmp_path / "j").read_bytes()
    if text == "7":
        assert found.journal.model_step == native_journal.model_step(data) == 7
        return
    with pytest.raises(ValueError, match="journal"):
        native_journal.model_step(data)
    with pytest.raises(bf.errors.FormatError, match="the run went back to a step that it does not have"):
        replay(found.journal, MODEL)


# ---- Losses that are not finite ----


def test_a_step_into_infinity_gives_the_start_back():
    model = bf.Sequential(5, [bf.Linear(7), bf.ReLU(), bf.Linear(1)], seed=0)
    found = run(model, (X, X[:, :1]), loss="mse", update=bf.SGD(1e15))
    assert found.outcome_code == "nonfinite_loss" and 0 < found.steps < 10
    assert found.model.hash == model.hash and found.outcome.endswith("run.model is the one that the run began with")
    assert_same_bits(replay(found.journal, model), model.theta)


def test_a_single_loss_that_is_lost_costs_nothing():
    """Not the model is to blame for it, which stays the last."""
    thetas = []

    def reply(outputs, targets):
        losses = np.square(outputs[:, 0] - targets)
        return np.full(len(losses), np.nan) if len(thetas) >= 20 and len(losses) == 12 else losses

    model = bf.Sequential(5, [bf.Linear(1)], seed=0)
    found = run(
        model, (X, X[:, 0]), loss=reply, update=bf.SGD(0.05), engine="reference",
        callbacks=lambda step, run: thetas.append(run.model.theta),
    )  # fmt: skip
    assert found.outcome_code == "nonfinite_loss" and found.steps == 20
    assert_same_bits(found.model.theta, thetas[-1])
    assert_same_bits(replay(found.journal, model, rows=[reply]), thetas[-1])


def test_divergence_is_a_failure_everywhere():
    assert "diverged" in FAILURES
    phases = (bf.Phase(bf.RGE(4), bf.SGD(1e5), {"max_steps": 90}), bf.Phase(bf.RGE(4), bf.SGD(0.1), {"max_steps": 9}))
    runs = bf.train_phases(MODEL, (X, Y), phases, batch_size=12)
    assert [one.outcome_code for one in runs] == ["diverged"] and runs[-1].model.hash == MODEL.hash
