"""A run that goes on with the state of another one: 10 steps and 10 more are 20 steps, bit for bit."""

import native_journal
import numpy as np
import pytest
from helpers import CHAINS, assert_same_bits, fits, floats, probing, show
from update_oracles import UPDATE_SETTINGS

import bpfree as bf
from bpfree.graph.c_tables import model_tables
from bpfree.native.model import NativeModel
from bpfree.native.trainer import NativeTrainer
from bpfree.training.checkpoint import flat

MODEL = bf.Sequential(6, [bf.Linear(5), bf.Tanh(), bf.Linear(3)], seed=2)
X, Y = floats(1, 40, 6), np.random.default_rng(0).integers(0, 3, 40)
UPDATES = [*(settings for row in UPDATE_SETTINGS.values() for settings in row), *CHAINS]
SETTINGS = {"batch_size": 8, "seed": 3}


def train(model, update, steps, engine="exact", **more):
    settings = {**SETTINGS, "estimator": probing(update, bf.RGE(2)), "update": update, "engine": engine, **more}
    return bf.train(model, (X, Y), max_steps=steps, **settings)


def halves(update, engine="exact", **more):
    """Ten steps, and ten more that go on from them."""
    first = train(MODEL, update, 10, engine)
    going_on = {"state": first.state, "first_step": first.next_step}
    return first, train(first.model, update, 10, engine, **going_on, **more)


@pytest.mark.parametrize("engine", ["exact", "compiled", "reference"])
@pytest.mark.parametrize("update", UPDATES, ids=show)
def test_ten_and_ten_are_twenty(update, engine):
    whole = train(MODEL, update, 20, engine)
    first, second = halves(update, engine)
    assert second.model.hash == whole.model.hash != MODEL.hash
    assert first.losses + second.losses == whole.losses
    assert_same_bits(flat(second.state), flat(whole.state))
    assert (second.first_step, second.steps, second.next_step) == (10, 10, 20)


@pytest.mark.parametrize("update", [bf.Adam(0.02), bf.WindowMomentum(0.02, window=4), CHAINS[3]], ids=show)
def test_without_the_state_it_is_another_run(update):
    whole, (first, _) = train(MODEL, update, 20), halves(update)
    assert train(first.model, update, 10, first_step=10).model.hash != whole.model.hash
    if not update.links[0].window:
        assert train(first.model, update, 10, state=first.state).model.hash != whole.model.hash


@pytest.mark.parametrize("update", [update for update in UPDATES if fits(bf.RGE(2), update)], ids=show)
def test_its_journal_replays(update, tmp_path):
    """From the model it began with: in memory, from a file, half of the way, and as a device reads it."""
    first, second = halves(update, journal=tmp_path / "second.journal")
    between = train(first.model, update, 4, state=first.state, first_step=10)
    for journal in (second.journal, tmp_path / "second.journal"):
        assert_same_bits(bf.replay(journal, first.model), second.model.theta)
        assert_same_bits(bf.replay(journal, first.model, engine="compiled", to_step=14), between.model.theta)
    trainer, data = second.trainer, (tmp_path / "second.journal").read_bytes()
    native = NativeTrainer(NativeModel(model_tables(MODEL.graph)), **trainer.native_settings())
    in_c = native_journal.replay(native, first.model.theta, trainer.settings(), data)
    assert_same_bits(in_c, second.model.theta)
    (snapshot,) = bf.Journal.read(tmp_path / "second.journal").snapshots
    assert snapshot.step == 10
    assert_same_bits(snapshot.theta, first.model.theta)
    assert_same_bits(snapshot.state, flat(first.state))


def test_a_journal_of_snapshots_begins_with_one_too(tmp_path):
    settings = {"estimator": bf.UnitWise(), "journal_every": 4}
    first = train(MODEL, bf.Adam(0.02), 10, estimator=bf.UnitWise())
    path, going_on = tmp_path / "run.journal", {"state": first.state, "first_step": 10}
    second = train(first.model, bf.Adam(0.02), 10, journal=path, **settings, **going_on)
    assert [snapshot.step for snapshot in bf.Journal.read(path).snapshots] == [10, 12, 16, 20]
    assert_same_bits(bf.replay(path, first.model), second.model.theta)


def test_it_resumes_from_its_checkpoint(tmp_path):
    update, files = bf.Adam(0.02), {"checkpoint": tmp_path / "run.npz", "journal": tmp_path / "run.journal"}
    first, whole = train(MODEL, update, 10), train(MODEL, update, 20)
    going_on = {"state": first.state, "first_step": 10, **files}
    train(first.model, update, 4, **going_on)
    resumed = train(first.model, update, 10, resume=True, **going_on)
    assert resumed.model.hash == whole.model.hash
    for journal in (files["journal"], resumed.journal):
        assert_same_bits(bf.replay(journal, first.model), resumed.model.theta)
    for what, other in (("first_step", {"first_step": 11}), ("state", {"state": [part * 2 for part in first.state]})):
        with pytest.raises(ValueError, match=f"of another run; .*{what}: "):
            train(first.model, update, 10, resume=True, **{**going_on, **other})


@pytest.mark.parametrize("length", [100, 400])
def test_a_journal_cut_off_at_its_beginning_is_begun_again(tmp_path, length):
    """The first snapshot, or a part of it, is all that there is, and no checkpoint yet."""
    first = train(MODEL, bf.Adam(0.02), 10)
    going_on = {"state": first.state, "first_step": 10}
    train(first.model, bf.Adam(0.02), 3, journal=tmp_path / "whole", **going_on)
    bytes_of = (tmp_path / "whole").read_bytes()
    (tmp_path / "run").write_bytes(bytes_of[: len(bf.Journal.read(tmp_path / "whole").header.data) + length])
    files = {"journal": tmp_path / "run", "checkpoint": tmp_path / "run.npz", "resume": True}
    train(first.model, bf.Adam(0.02), 3, **files, **going_on)
    assert (tmp_path / "run").read_bytes() == bytes_of


def test_steps_are_counted_from_the_first():
    seen = []
    run = train(
        MODEL, bf.SGD(0.1), 4, first_step=100, callbacks=lambda step, run: seen.append(step),
        validation=0.25, validate_every=2,
    )  # fmt: skip
    assert seen == [100, 101, 102, 103] and [row.step for row in run.history] == [102, 104]
    assert "steps 4 from step 100 on" in run.summary() and run.journal.events[-1].step == 104


def test_arrays_of_ones_own_go_on_too():
    """What was saved as plain arrays is taken as it is: only its kinds can be looked at."""
    first, second = halves(bf.Adam(0.02))
    again = train(first.model, bf.Adam(0.02), 10, state=[np.array(part) for part in first.state], first_step=10)
    assert again.model.hash == second.model.hash


WRONG = [
    (bf.Momentum(0.1), "state: expected that of the update momentum, got that of adam"),
    (bf.chain(bf.Adam(), bf.WeightDecay()), "of the update adam and weight_decay, got that of adam"),
]


@pytest.mark.parametrize(("update", "message"), WRONG, ids=["momentum", "chain"])
def test_a_state_of_another_update_is_refused(update, message):
    first = train(MODEL, bf.Adam(0.02), 2)
    with pytest.raises(ValueError, match=message):
        train(MODEL, update, 2, state=first.state, first_step=2)


def test_a_state_of_another_number_of_parameters_is_refused():
    first = train(MODEL, bf.Adam(0.02), 2)
    other = bf.Sequential(6, [bf.Linear(3)])
    with pytest.raises(ValueError, match="state: expected that of the number of parameters 21, got that of 53"):
        train(other, bf.Adam(0.02), 2, state=first.state)
    with pytest.raises(ValueError, match=r"state: expected 3 arrays: float32 \(21,\).*got 3 arrays: float32 \(53,\)"):
        train(other, bf.Adam(0.02), 2, state=list(first.state))
    with pytest.raises(ValueError, match=r"state: expected no arrays, got 3 arrays"):
        train(MODEL, bf.SGD(0.02), 2, state=list(first.state))
    with pytest.raises(ValueError, match="state: expected finite numbers"):
        train(MODEL, bf.Adam(0.02), 2, state=[part + np.float32(np.nan) for part in first.state])
    with pytest.raises(TypeError, match="state: expected the state of a run, such as run.state, got Run"):
        train(MODEL, bf.Adam(0.02), 2, state=first)


def test_a_window_goes_on_only_where_its_steps_were():
    """Its gradients are rebuilt from seed, step and estimator: others would be other gradients, silently."""
    update = bf.WindowMomentum(0.02, window=4)
    first = train(MODEL, update, 10)
    for wrong, message in (
        ({"first_step": 9}, "first_step: expected 10, that of the state, as window_momentum rebuilds .*, got 9"),
        ({"seed": 4}, "seed: expected 3, that of the state"),
        ({"estimator": bf.RGE(2, mu=0.5)}, "estimator: expected .*, that of the state"),
    ):
        with pytest.raises(ValueError, match=message):
            train(first.model, update, 2, **{"state": first.state, "first_step": 10, **wrong})


@pytest.mark.parametrize("wrong", [-1, 2**32, 1.5, "3"])
def test_first_step_is_a_step(wrong):
    with pytest.raises((TypeError, ValueError), match="first_step: expected an integer in"):
        train(MODEL, bf.SGD(0.1), 1, first_step=wrong)


def test_a_state_of_other_parameters_of_the_same_number_is_refused():
    model, update = bf.Sequential(6, [bf.Linear(6), bf.Tanh(), bf.Linear(6)]), bf.Adam(0.02)
    first = train(model, update, 3, trainable="linear1.*")
    going_on = {"first_step": 3, "trainable": "linear3.*"}
    message = "^state: expected that of the parameters linear3.weight, linear3.bias, got that of linear1.weight, "
    with pytest.raises(ValueError, match=message):
        train(first.model, update, 3, state=first.state, **going_on)
    assert train(first.model, update, 3, state=list(first.state), **going_on).steps == 3


def test_steps_that_have_no_number_are_refused_before_the_first(tmp_path):
    last, files = 2**32 - 1, {"journal": tmp_path / "run.journal", "checkpoint": tmp_path / "run.npz"}
    with pytest.raises(ValueError, match="^first_step: expected at most 4294967295 less the 4 steps that max_steps"):
        train(MODEL, bf.SGD(0.1), 4, first_step=last - 3, **files)
    assert not any(tmp_path.iterdir())
    assert train(MODEL, bf.SGD(0.1), 4, first_step=last - 4, **files).next_step == last
