"""Ask and tell: saving and going on, exactly or not at all."""

import json

import numpy as np
import pytest
from helpers import show
from quadratic import measured, run

import bpfree as bf
from bpfree.errors import FormatError


@pytest.mark.parametrize("update", [bf.SGD(0.1), bf.Momentum(0.05), bf.chain(bf.clip(0.5), bf.Adam(0.1))], ids=show)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_saved_and_gone_on_is_the_same(tmp_path, update, dtype):
    settings = {"update": update, "seed": 4, "theta0": np.zeros((1, 3), dtype)}
    undisturbed = run(max_steps=12, **settings)
    first = run(max_steps=5, **settings)
    first.save(tmp_path / "run.npz")
    second = bf.RGE(n_queries=4).start(**{**settings, "theta0": np.ones((1, 3), dtype)}, max_steps=12)
    assert second.restore(tmp_path / "run.npz") is second and second.loss == first.loss
    assert second.step == 5 and second.evaluations == 40 and np.array_equal(second.theta, first.theta)
    for points in second:
        second.tell(measured(second, points))
    assert second.theta.dtype == dtype and second.theta.tobytes() == undisturbed.theta.tobytes()
    assert second.evaluations == undisturbed.evaluations


def test_the_quiet_count_is_saved(tmp_path):
    ask = run(measure=lambda ask, points: np.ones(len(points)), max_steps=9)
    ask.save(tmp_path / "quiet.npz")
    again = bf.RGE(n_queries=4).start(np.zeros(3)).restore(tmp_path / "quiet.npz")
    again.tell(np.ones(8))
    assert again.outcome_code == "mu_too_small"


OTHER_RUNS = [
    ({"seed": 1}, "seed: 0 there, 1 here"),
    ({"update": bf.SGD(0.2)}, r"update: Adam\(lr=0.01, .* there, SGD\(lr=0.2\) here"),
    ({"theta0": np.zeros((3, 1))}, r"shape: \[3\] there, \[3, 1\] here"),
    ({"theta0": np.zeros(3, np.float32)}, "dtype: float64 there, float32 here"),
    ({"estimator": bf.RGE(n_queries=5)}, r"estimator: RGE\(n_queries=4, .* there, RGE\(n_queries=5, .* here"),
]


@pytest.mark.parametrize(("changed", "message"), OTHER_RUNS, ids=range(len(OTHER_RUNS)))
def test_another_run_is_not_gone_on_with(tmp_path, changed, message):
    run(max_steps=3).save(tmp_path / "run.npz")
    settings = {"estimator": bf.RGE(n_queries=4), "theta0": np.zeros(3), **changed}
    ask = settings.pop("estimator").start(**settings)
    with pytest.raises(ValueError, match=f"restore: .*run.npz is of another run; {message}"):
        ask.restore(tmp_path / "run.npz")
    assert ask.step == 0 and np.array_equal(ask.theta, np.zeros(ask.shape))


def rewritten(path, **changed):
    """The saved file with some arrays replaced."""
    with np.load(path) as saved:
        np.savez(path, **{**dict(saved), **changed})


def test_files_that_are_not_saved_runs(tmp_path):
    path = tmp_path / "run.npz"
    run(max_steps=3, update=bf.Adam(0.1)).save(path)
    whole = path.read_bytes()
    ask = bf.RGE(n_queries=4).start(np.zeros(3), update=bf.Adam(0.1))

    def refused(match="not a saved ask-and-tell run"):
        with pytest.raises(FormatError, match=f"run.npz: .*{match}"):
            ask.restore(path)
        assert ask.step == 0 and np.array_equal(ask.theta, np.zeros(3))

    for cut in range(0, len(whole), 97):
        path.write_bytes(whole[:cut])
        refused()
    for data in (b"not a file of ours", bytes(1000)):
        path.write_bytes(data)
        refused()
    bf.Sequential(3, [bf.Linear(1)]).save(path)
    refused()
    changes = [
        ({"theta": np.zeros(4)}, r"theta: expected 3 finite float64 numbers, got float64 \(4,\)"),
        ({"theta": np.zeros(3, np.float32)}, "theta: expected 3 finite float64"),
        ({"theta": np.full(3, np.nan)}, "theta: expected 3 finite"),
        ({"state": np.zeros(2)}, r"state: expected 8 finite float64 numbers"),
        ({"asktell": "{}"}, "not a saved"),
        ({"asktell": "[" * 10000}, "not a saved"),
        ({"asktell": json.dumps({"version": 3})}, "version: expected 2, got 3: update bpfree"),
        ({"asktell": json.dumps({"version": 1})}, "version: expected 2, got 1: read it with the bpfree that wrote it"),
        ({"loss": np.zeros(2)}, "not a saved"),
    ]
    for changed, message in changes:
        path.write_bytes(whole)
        rewritten(path, **changed)
        refused(message)
    for name, value in (("step", -1), ("evaluations", 1.5), ("quiet", None)):
        path.write_bytes(whole)
        with np.load(path) as saved:
            document = json.loads(str(saved["asktell"]))
        document["counts"][name] = value
        rewritten(path, asktell=json.dumps(document))
        refused()
    path.write_bytes(whole)
    assert ask.restore(path).step == 3
    with pytest.raises(FileNotFoundError):
        ask.restore(tmp_path / "nothing.npz")


def test_saving_never_leaves_half_a_file(tmp_path, monkeypatch):
    import os

    ask = run(max_steps=3)
    ask.save(tmp_path / "run.npz")
    before = (tmp_path / "run.npz").read_bytes()
    ask.restore(tmp_path / "run.npz")

    def no_space(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        run(max_steps=5).save(tmp_path / "run.npz")
    assert (tmp_path / "run.npz").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_numbers_of_numpy_are_the_same_settings(tmp_path):
    """A chain of one or of two, a schedule: each by value."""
    for lr in (0.25, bf.cosine_decay(0.25, 8)):
        first = bf.RGE(n_queries=2, mu=0.5).start(np.zeros(3), update=bf.chain(bf.WeightDecay(0.5), bf.Adam(lr)))
        first.save(tmp_path / "run.npz")
        same = bf.cosine_decay(np.float64(0.25), np.int64(8)) if lr != 0.25 else np.float64(0.25)
        chain = bf.chain(bf.WeightDecay(np.float32(0.5)), bf.Adam(same))
        again = bf.RGE(n_queries=np.int64(2), mu=np.float32(0.5)).start(np.zeros(3), update=chain)
        assert again.restore(tmp_path / "run.npz") is again


SKIPPING = [bf.SGD(0.1), bf.Adam(0.1), bf.chain(bf.WindowMomentum(0.05, window=3), bf.Normalize())]


@pytest.mark.parametrize("update", SKIPPING, ids=lambda update: type(update.links[0]).__name__)
def test_a_step_that_is_skipped_is_a_step(update, tmp_path):
    """It moves nothing, uses its points up, counts; the next step is what it would have been anyway."""
    ask = bf.RGE(n_queries=4).start(np.zeros(3), update=update, max_steps=6)
    for points in ask:
        if ask.step not in (2, 4):
            ask.tell(measured(ask, points))
            continue
        theta, spent = ask.theta, ask.evaluations
        ask.skip("no reading" if ask.step == 2 else "")
        assert np.array_equal(ask.theta, theta) and ask.evaluations == spent
        assert ask.outcome_code != "running" or not np.array_equal(ask.points(), points)
    assert (ask.step, ask.evaluations, ask.outcome_code) == (6, 4 * 8, "done")
    assert ask.skipped == [(2, "no reading"), (4, "")]
    ask.save(tmp_path / "run.npz")
    again = bf.RGE(n_queries=4).start(np.zeros(3), update=update, max_steps=6).restore(tmp_path / "run.npz")
    assert again.skipped == ask.skipped and again.step == 6 and np.array_equal(again.theta, ask.theta)
    with pytest.raises(ValueError, match=r"skip: expected none, as the run has ended \(done\)"):
        ask.skip()


def test_a_skipped_step_has_a_gradient_of_zeros_in_a_window():
    """v of later steps: theta moves as with a record of zeros told by hand."""
    update = bf.WindowMomentum(0.05, beta=0.5, window=3)
    skipping, telling = (bf.RGE(n_queries=4).start(np.zeros(3), update=update, max_steps=7) for _ in range(2))
    for points in skipping:
        skipping.skip() if skipping.step == 3 else skipping.tell(measured(skipping, points))
    for points in telling:
        theta = telling.theta
        telling.tell(np.zeros(8) if telling.step == 3 else measured(telling, points))
        if telling.step == 4:  # a gradient of zeros leaves the velocity of the steps before, which moves theta
            telling._theta = theta.copy()
    assert np.array_equal(skipping.theta, telling.theta)


def test_what_is_not_finite_can_be_skipped():
    ask = bf.RGE(n_queries=4).start(np.zeros(3), update=bf.SGD(0.1), max_steps=3)
    ask.tell(np.full(8, np.nan))
    assert ask.outcome_code == "nonfinite_loss"
    with pytest.raises(ValueError, match="step: expected to skip step 0, got step 1"):
        ask.skip(step=1)
    with pytest.raises(TypeError, match="reason: expected a text, got 3"):
        ask.skip(3)
    ask.skip("not finite", step=0)
    assert (ask.outcome_code, ask.step) == ("running", 1)
