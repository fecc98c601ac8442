"""A run skips a step whose losses are not finite, and goes on: one bad batch does not strand it."""

import numpy as np
import pytest

import bpfree as bf

MODEL = bf.Sequential(4, [bf.Linear(5), bf.ReLU(), bf.Linear(2)])


def squares(outputs, targets):
    return ((outputs - targets) ** 2).sum(axis=1)


def batches_with(*bad):
    def batches(step, rng):
        y = rng.normal(size=(8, 2))
        y[3, 1] = np.nan if step in bad else y[3, 1]
        return rng.normal(size=(8, 4)), y

    return batches


def train(folder, *bad, steps=12, update=None, name="run", **settings):
    settings = {"journal": folder / f"{name}.journal", **settings}
    return bf.train(MODEL, batches=batches_with(*bad), loss=squares, estimator=bf.RGE(2), seed=3, max_steps=steps,
                    update=bf.WindowMomentum(0.02, window=3) if update is None else update, **settings)  # fmt: skip


@pytest.mark.parametrize("update", [bf.SGD(0.02), bf.Momentum(0.02), bf.WindowMomentum(0.02, window=3)], ids=repr)
@pytest.mark.parametrize("bad", [(4,), (0, 1), (3, 4, 5, 9)])
def test_bad_batches_are_skipped_and_a_replay_goes_the_same_way(tmp_path, bad, update):
    run = train(tmp_path, *bad, update=update)
    assert run.outcome_code == "done" and run.steps == 12 and run.next_step == 12
    assert np.flatnonzero(np.isnan(run.losses)).tolist() == list(bad)
    written = bf.Journal.read(tmp_path / "run.journal")
    assert [(skip.step, skip.code) for skip in written.skips] == [(step, 3) for step in bad]
    assert all("a loss is not finite" in skip.text for skip in written.skips) and len(written) == 12 - len(bad)
    assert (bf.replay(written, MODEL, rows=[squares]) == run.model.theta).all()
    assert f"skipped {len(bad)} steps" in run.summary()


def test_a_run_that_only_fails_ends_where_it_failed_first(tmp_path):
    run = train(tmp_path, *range(5, 99), steps=40)
    assert run.outcome_code == "nonfinite_loss" and run.outcome.startswith("step 5:") and run.steps == 5
    assert not bf.Journal.read(tmp_path / "run.journal").skips
    assert run.evaluations == (5 + 10) * 4, "ten in a row are tried"


def test_no_step_is_tried_beyond_the_last(tmp_path):
    run = train(tmp_path, 11)
    assert run.outcome_code == "nonfinite_loss" and run.steps == 11


def test_a_run_is_the_same_without_a_journal(tmp_path):
    runs = [train(tmp_path, 4, 7, **settings) for settings in ({"journal": None}, {})]
    assert runs[0].model.hash == runs[1].model.hash and runs[0].journal.skips == runs[1].journal.skips


@pytest.mark.parametrize("journal", ["run.journal", None])
@pytest.mark.parametrize("cut", [3, 6, 8])
def test_a_run_that_was_cut_off_goes_on(tmp_path, cut, journal):
    whole = train(tmp_path, 2, 5, 6, name="whole")

    def stop(step, run):
        if step >= cut:
            raise KeyboardInterrupt

    kept = {"checkpoint": tmp_path / "run.ckpt", "checkpoint_every": 2, "journal": journal and tmp_path / journal}
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, 2, 5, 6, callbacks=stop, **kept)
    run = train(tmp_path, 2, 5, 6, resume=True, **kept)
    assert run.model.hash == whole.model.hash and run.steps == 12
    np.testing.assert_array_equal(run.losses, whole.losses)
    assert [s.step for s in run.journal.skips] == [2, 5, 6] and run.evaluations == whole.evaluations


def test_a_look_that_was_due_in_a_skipped_step_is_made_behind_it(tmp_path):
    x, y = batches_with()(0, np.random.default_rng(1))
    run = train(tmp_path, 3, 4, validation=(x, y), validate_every=4)
    assert [look.step for look in run.history] == [6, 8, 12]


def test_pictures_leave_the_steps_out_that_were_not_made():
    pytest.importorskip("matplotlib")
    from bpfree.screen.plots import smooth

    values, nan = [3.0, np.nan, 5.0, 1.0, np.nan, np.nan], np.nan
    np.testing.assert_allclose(smooth(values, 2), [3.0, 3.0, 5.0, 3.0, 1.0, nan])
