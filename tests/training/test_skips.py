"""Steps that are skipped, for one bad sample: what is on the disk, when a run ends, what is said of its losses."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.training import files, loop

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("f4")
Y = 2 * X[:, :1]
BAD = X.copy()
BAD[5] = 1e30  # its squared error has no place in float32
SETTINGS = {"loss": "mse", "batch_size": 8, "update": bf.Adam(0.05), "max_steps": 40}


def model():
    return bf.Sequential(4, [bf.Linear(1)], seed=1)


def skipped(run) -> list:
    return [skip.step for skip in run.journal.skips]


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("cut_at", [2, 5, 9])
def test_a_run_with_skips_that_is_cut_off_in_a_validation_goes_on(tmp_path, monkeypatch, cut_at, in_file):
    settings = {**SETTINGS, "validation": (X, Y), "validate_every": 3}
    whole, looks, look = bf.train(model(), (BAD, Y), **settings), [], loop.validate
    assert len(skipped(whole)) > 1 and skipped(whole)[0] < 9

    def cut(*arguments):
        looks.append(1)
        if len(looks) == cut_at:
            raise KeyboardInterrupt
        return look(*arguments)

    settings |= {"checkpoint": tmp_path / "run.npz", "journal": tmp_path / "run.journal" if in_file else None}
    monkeypatch.setattr(loop, "validate", cut)
    with pytest.raises(KeyboardInterrupt):
        bf.train(model(), (BAD, Y), **settings)
    run = bf.train(model(), (BAD, Y), **settings, resume=True)
    assert run.model.hash == whole.model.hash and run.evaluations == whole.evaluations
    assert skipped(run) == skipped(whole) and np.array_equal(run.losses, whole.losses, equal_nan=True)
    assert bf.theta_hash(bf.replay(run.journal, model())) == whole.model.hash


@pytest.mark.parametrize("in_row", [1, 3])
def test_a_skip_jumps_over_no_checkpoint_and_no_snapshot(tmp_path, monkeypatch, in_row):
    def batches(step, rng):
        rows = rng.integers(0, 64, 8)
        bad = step in range(8 - in_row, 8) or step == 23
        return X[rows] * np.float32(1e30 if bad else 1), Y[rows]

    saved, save = [], files.Checkpoint.save
    monkeypatch.setattr(files.Checkpoint, "save", lambda self, *to: saved.append(self.steps) or save(self, *to))
    settings = {"batches": batches, "loss": "mse", "max_steps": 40, "checkpoint_every": 8, "journal_every": 8}
    run = bf.train(model(), **settings, checkpoint=tmp_path / "run.npz", journal=tmp_path / "run.journal")
    assert skipped(run) == [*range(8 - in_row, 8), 23]
    assert saved == [0, 9, 16, 25, 32, 40, 40]
    assert [s.step for s in bf.Journal.read(tmp_path / "run.journal").snapshots] == [9, 16, 25, 32, 40]


def test_losses_that_are_skipped_do_not_hide_divergence():
    bad = np.where(BAD > 1e29, np.float32(3e19), BAD)  # every fourth step cannot be made
    settings = {"loss": "mse", "batch_size": 16, "update": bf.SGD(1.0), "max_steps": 25}
    run = bf.train(model(), (bad, Y), **settings)
    made = np.array([loss for loss in run.losses if np.isfinite(loss)])
    assert len(skipped(run)) > 2 and np.isnan(run.losses[-10:]).any()
    assert run.outcome_code == "diverged" and (made[-10:] > run.bound).all() and made[-11] <= run.bound
    assert run.model.hash == model().hash


def bad_from(first: int, stop: int = 1000):
    """Batches that have a bad sample from step `first` on, before `stop`."""

    def batches(step, rng):
        rows = rng.integers(0, 64, 8)
        return X[rows] * np.float32(1e30 if first <= step < stop else 1), Y[rows]

    return batches


@pytest.mark.parametrize("n_bad", [1, 9])
@pytest.mark.parametrize(
    "budget, code",
    [({"max_steps": 30}, "done"), ({"max_evaluations": 480}, "budget"), ({"max_forwards": 3840}, "budget")],
)
def test_a_bad_batch_at_the_end_is_skipped_like_any_other(tmp_path, n_bad, budget, code):
    settings = {"loss": "mse", "update": bf.Adam(0.05), "batches": bad_from(30 - n_bad, 30)}
    files = {"checkpoint": tmp_path / "run.npz", "journal": tmp_path / "run.journal"}
    run = bf.train(model(), **settings, **budget, **files)
    assert run.outcome_code == code and run.steps == 30 and not run.went_back
    assert skipped(run) == list(range(30 - n_bad, 30)) and np.isnan(run.losses[30 - n_bad :]).all()
    before = bf.train(model(), **settings, max_steps=30 - n_bad)
    assert run.model.hash == bf.Model.load(files["checkpoint"]).hash == before.model.hash
    assert bf.theta_hash(bf.replay(files["journal"], model())) == run.model.hash
    longer = bf.train(model(), **settings, max_steps=40, **files, resume=True)
    whole = bf.train(model(), **settings, max_steps=40)
    assert longer.model.hash == whole.model.hash and skipped(longer) == skipped(whole)
    assert longer.evaluations == whole.evaluations and np.array_equal(longer.losses, whole.losses, equal_nan=True)


def test_an_iterator_that_ends_with_a_bad_batch_is_done():
    batches = (bad_from(19)(step, np.random.default_rng(step)) for step in range(20))
    run = bf.train(model(), batches=batches, loss="mse", update=bf.Adam(0.05))
    assert (run.outcome_code, run.steps, skipped(run)) == ("done", 20, [19])


def test_ten_bad_batches_in_a_row_are_a_failure_also_where_a_run_goes_on_between_them(tmp_path):
    settings = {"loss": "mse", "update": bf.Adam(0.05), "batches": bad_from(20), "checkpoint": tmp_path / "run.npz"}
    run = bf.train(model(), **settings, max_steps=26)
    assert run.outcome_code == "done" and skipped(run) == list(range(20, 26))
    longer = bf.train(model(), **settings, max_steps=100, resume=True)
    assert longer.outcome_code == "nonfinite_loss" and longer.evaluations == 30 * 16
    assert longer.model.hash == run.model.hash


def test_a_failure_leaves_the_last_whole_step_in_the_checkpoint(tmp_path):
    settings = {"loss": "mse", "update": bf.Adam(0.05), "max_steps": 100}
    files = {"checkpoint": tmp_path / "run.npz", "journal": tmp_path / "run.journal"}
    run = bf.train(model(), batches=bad_from(20), **settings, **files)
    assert run.outcome_code == "nonfinite_loss" and run.steps == 20 and skipped(run) == []
    assert bf.Model.load(files["checkpoint"]).hash == run.model.hash != model().hash
    again = bf.train(model(), batches=bad_from(20), **settings, **files, resume=True)
    assert again.outcome == run.outcome and again.evaluations == run.evaluations and again.losses == run.losses


def test_where_no_step_is_made_or_theta_is_of_no_use_the_last_steps_are_a_failure():
    settings = {"loss": "mse", "update": bf.Adam(0.05)}
    assert bf.train(model(), batches=bad_from(0), **settings, max_steps=3).outcome_code == "nonfinite_loss"
    deep = bf.Sequential(4, [bf.Linear(8), bf.ReLU(), bf.Linear(1)], seed=1)
    run = bf.train(deep, (X, Y), loss="mse", batch_size=8, update=bf.SGD(1e10), max_steps=6)
    assert run.outcome_code == "nonfinite_loss" and 0 < run.steps < 6 and run.model.hash == deep.hash


@pytest.mark.parametrize("lr, code", [(0.05, "done"), (1.0, "diverged")])
def test_texts_tell_the_losses_of_the_steps_that_were_made(lr, code):
    def batches(step, rng):
        rows = rng.integers(0, 64, 8)
        return X[rows] * np.float32(1e30 if step in (0, 1, 29) else 1), Y[rows]

    run = bf.train(model(), batches=batches, loss="mse", update=bf.SGD(lr), max_steps=30)
    assert run.outcome_code == code and skipped(run)[:2] == [0, 1] and np.isnan(run.losses[0])
    assert "nan" not in f"{run!r} {run.summary()} {run.advice}"
    made = [loss for loss in run.losses if np.isfinite(loss)]
    assert (run.course.first, run.course.recent[-1]) == (made[0], made[-1])
    if code == "done":
        assert f"loss {made[0]:.4f} -> {made[-1]:.4f}" in run.summary()


def test_a_loss_that_has_risen_since_the_first_step_that_was_made_is_told():
    def batches(step, rng):
        rows = rng.integers(0, 64, 8)
        return X[rows] * np.float32(1e30 if step == 0 else 1), Y[rows]

    run = bf.train(model(), batches=batches, loss="mse", update=bf.SGD(1.0), max_steps=9)
    made = run.losses[1:]
    assert run.course.exploded and f"the loss has risen, {made[0]:.4g} -> {made[-1]:.4g}" in run.advice


def test_losses_that_are_not_finite_before_any_step_are_not_laid_to_the_lr():
    run = bf.train(model(), (X * np.float32(1e30), Y), loss="mse", batch_size=8, max_steps=100)
    assert run.outcome_code == "nonfinite_loss" and run.steps == 0
    assert "lr" not in run.outcome and "are inputs and targets scaled? the largest |x| is " in run.outcome
    late = bf.train(model(), batches=bad_from(2), loss="mse", update=bf.SGD(0.05), max_steps=100)
    assert late.outcome_code == "nonfinite_loss" and late.outcome.endswith("try a smaller lr or mu")
