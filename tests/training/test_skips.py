"""Steps that are given up, for one bad sample: what is on the disk, when a run ends, what is said of its losses."""

import numpy as np
import pytest

import bpfree as bf
from bpfree.training import loop

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
