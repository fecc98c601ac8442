"""Phases: one run after the other, each from where the last ended; the two hybrids of the literature."""

import pytest
from helpers import assert_same_bits, floats

import bpfree as bf
from bpfree.journal import Journal
from bpfree.training.phases import Phase

MODEL = bf.Sequential(6, [bf.Linear(5), bf.Tanh(), bf.Linear(3)], seed=1)
X = floats(0, 90, 6)
Y = (X[:, :3] + 0.3 * floats(1, 90, 3)).argmax(axis=1)
DATA, HELD_OUT = (X[:60], Y[:60]), (X[60:], Y[60:])
TWO = (Phase(bf.RGE(4), bf.SGD(0.1), {"max_steps": 5}), Phase(bf.CGE(0.5), bf.Adam(0.05), {"max_steps": 3}))


def test_phases_are_runs_one_after_the_other():
    runs = bf.train_phases(MODEL, DATA, TWO, batch_size=20, seed=7)
    first = bf.train(MODEL, DATA, estimator=bf.RGE(4), update=bf.SGD(0.1), batch_size=20, max_steps=5, seed=7)
    settings = {"estimator": bf.CGE(0.5), "update": bf.Adam(0.05), "batch_size": 20, "max_steps": 3}
    second = bf.train(first.model, DATA, seed=8, **settings)
    assert [run.model.hash for run in runs] == [first.model.hash, second.model.hash]
    assert_same_bits(bf.replay(runs[0].journal, MODEL), first.model.theta)


def test_hybrid_switch_changes_after_a_quarter_of_the_epochs():
    runs = bf.train_phases(MODEL, DATA, bf.hybrid_switch(8, steps_per_epoch=3, move=0.01), batch_size=20)
    assert [run.steps for run in runs] == [6, 18]
    rge, descent = (run.trainer for run in runs)
    assert (rge.estimator, type(rge.update)) == (bf.RGE(10, mu=0.1, two_sided=False), bf.SignSGD)
    # lr 5e-3, 0.8 times that from epoch to epoch; every parameter moves by lr or not at all
    factors = [rge.update.lr.factor(step) for step in range(6)]
    assert factors == pytest.approx([1, 1, 1, 0.8, 0.8, 0.8]) and rge.update.lr.start == 5e-3
    assert (descent.estimator, descent.update) == (bf.CoordinateDescent(0.5, mu=0.01), bf.SGD(1.0))
    assert runs[1].losses[-1] < runs[0].losses[0]


def test_hybrid_plateau_changes_where_validation_stops_improving(tmp_path):
    phases = bf.hybrid_plateau(30, steps_per_epoch=3, patience=2, lr=0.02)
    path = tmp_path / "journal"
    runs = bf.train_phases(MODEL, DATA, phases, validation=HELD_OUT, batch_size=20, journal=path, journal_every=10)
    first, second = runs
    assert first.outcome_code == "early_stop" and first.steps < 90
    values = [value for _, value in first.validation]
    assert max(values[-2:]) <= max(values[:-2])  # two looks without a better one
    last = Journal.read(f"{path}.0").events[-1]
    assert last.step == first.steps and "early stop" in last.text
    assert (second.trainer.estimator, second.trainer.update) == (bf.CGE(mu=0.1, two_sided=False), bf.Momentum(0.02))
    assert second.losses[-1] < first.losses[-1]
    assert_same_bits(bf.replay(f"{path}.0", MODEL), first.model.theta)
    assert_same_bits(bf.replay(f"{path}.1", first.model), second.model.theta)


@pytest.mark.parametrize("stop", [2, 6])
def test_resume_goes_on_in_the_phase_that_was_cut_off(tmp_path, stop):
    """Ctrl-C after so many steps of both together."""
    settings = {"batch_size": 20, "checkpoint": tmp_path / "c", "journal": tmp_path / "j", "journal_every": 2}
    whole = bf.train_phases(MODEL, DATA, TWO, batch_size=20)
    seen = []

    def interrupt(step, run):
        seen.append(step)
        if len(seen) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bf.train_phases(MODEL, DATA, TWO, callbacks=interrupt, **settings)
    runs = bf.train_phases(MODEL, DATA, TWO, resume=True, **settings)
    assert [run.model.hash for run in runs] == [run.model.hash for run in whole]
    assert_same_bits(bf.replay(tmp_path / "j.1", runs[0].model), whole[1].model.theta)


def test_budgets_are_of_all_phases_together():
    runs = bf.train_phases(MODEL, DATA, TWO, batch_size=20, max_evaluations=5 * 8 + 2 * 54)
    assert [run.steps for run in runs] == [5, 2] and runs[1].outcome_code == "budget"
    assert len(bf.train_phases(MODEL, DATA, TWO, batch_size=20, max_forwards=5 * 8 * 20)) == 1


def test_a_failure_ends_it():
    phases = (Phase(bf.RGE(4, mu=2.0**-60), bf.SGD(0.1), {"max_steps": 50}), TWO[1])
    runs = bf.train_phases(MODEL, DATA, phases, batch_size=20)
    assert [run.outcome_code for run in runs] == ["mu_too_small"]


def test_wrong_use_is_named():
    for phases in ((), [bf.RGE()]):
        with pytest.raises(TypeError, match="phases: expected at least one Phase"):
            bf.train_phases(MODEL, DATA, phases)
    with pytest.raises(TypeError, match=r"validation: expected samples \(x, y\), as each phase"):
        bf.train_phases(MODEL, DATA, TWO, validation=0.2)
    with pytest.raises(ValueError, match="epochs: "):
        bf.hybrid_switch(1, 10)
    with pytest.raises(ValueError, match="patience: "):
        bf.hybrid_plateau(10, 10, patience=0)
