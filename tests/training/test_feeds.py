"""Batches that the user makes: a function of the step resumes, an iterator ends a run; what does not fit is named."""

import functools

import numpy as np
import pytest
from helpers import assert_same_bits, floats

import bpfree as bf

MODEL = bf.Sequential(6, [bf.Linear(5), bf.Tanh(), bf.Linear(3)], seed=2)
X, Y = floats(1, 60, 6), np.random.default_rng(0).integers(0, 3, 60)
SETTINGS = {"update": bf.Adam(0.02), "estimator": bf.RGE(4), "engine": "exact", "seed": 3}


def noisy(step, rng):
    """Eight samples with fresh noise."""
    chosen = rng.integers(0, len(X), 8)
    return X[chosen] + rng.normal(0, 0.1, (8, 6)), Y[chosen]


def listed(steps, first=0, seed=3):
    """The same batches one after the other, made without the package."""
    for step in range(first, first + steps):
        yield noisy(step, np.random.Generator(np.random.Philox(key=np.array([seed, step], np.uint64))))


def train(batches, steps=None, model=MODEL, **more):
    return bf.train(model, batches=batches, max_steps=steps, **{**SETTINGS, **more})


def test_a_function_and_an_iterator_of_the_same_batches():
    function, iterator = train(noisy, 12), train(listed(12))
    assert function.model.hash == iterator.model.hash and function.losses == iterator.losses
    assert len({tuple(x.ravel()) for x, _ in listed(12)}) == 12, "fresh noise every step"
    assert function.trainer.batch_size == 8 and function.outcome_code == iterator.outcome_code == "done"
    assert iterator.outcome == "done: there are no more batches after 12 steps"


def test_batches_are_those_of_the_data_where_they_are_drawn_alike():
    """The step itself is the same, wherever its batch comes from."""
    in_memory = bf.train(MODEL, (X, Y), batch_size=10, max_steps=9, **SETTINGS)
    shuffled = in_memory.trainer.indices

    def drawn(step, rng):
        own = shuffled(step, len(X))
        return X[own], Y[own]

    assert train(drawn, 9).model.hash == in_memory.model.hash


def test_the_seed_is_in_the_key():
    assert train(noisy, 5, seed=4).model.hash == train(listed(5, seed=4), seed=4).model.hash
    assert train(noisy, 5, seed=4).model.hash != train(noisy, 5).model.hash


def test_ten_and_ten_are_twenty():
    whole, first = train(noisy, 20), train(noisy, 10)
    for batches in (noisy, listed(10, first=10)):
        second = train(batches, 10, first.model, state=first.state, first_step=10)
        assert second.model.hash == whole.model.hash
        assert_same_bits(bf.replay(second.journal, first.model), whole.model.theta)


def test_a_function_resumes(tmp_path):
    files = {"checkpoint": tmp_path / "run.npz", "journal": tmp_path / "run.journal"}
    whole = train(noisy, 20, journal=tmp_path / "whole.journal")
    train(noisy, 7, **files)
    resumed = train(noisy, 20, resume=True, **files)
    assert resumed.model.hash == whole.model.hash and resumed.losses == whole.losses
    assert_same_bits(bf.replay(files["journal"], MODEL), whole.model.theta)

    def other(step, rng):
        x, y = noisy(step, rng)
        return x + 1, y

    with pytest.raises(ValueError, match="of another run; data: function .*noisy"):
        train(other, 30, resume=True, **files)


def test_a_checkpoint_refuses_a_function_without_a_name(tmp_path):
    with pytest.raises(ValueError, match="^checkpoint: expected batches of a function that has a name, .*<lambda>"):
        train(lambda step, rng: noisy(step, rng), 3, checkpoint=tmp_path / "run.npz")
    assert train(lambda step, rng: noisy(step, rng), 3).model.hash == train(noisy, 3).model.hash
    assert not list(tmp_path.iterdir())


def test_an_iterator_cannot_be_resumed(tmp_path):
    with pytest.raises(ValueError, match="checkpoint: expected None with an iterator.*give a function of"):
        train(listed(3), checkpoint=tmp_path / "run.npz")
    assert not list(tmp_path.iterdir())
    run = train(listed(5), journal=tmp_path / "run.journal")
    assert_same_bits(bf.replay(tmp_path / "run.journal", MODEL), run.model.theta)


def test_no_more_is_taken_than_is_needed():
    batches = listed(9)
    train(batches, 4)
    assert_same_bits(next(batches)[0].astype(np.float32), list(listed(9))[4][0].astype(np.float32))
    asked = []

    def watched(step, rng):
        asked.append(step)
        return noisy(step, rng)

    train(watched, 4, first_step=6)
    assert asked == [6, 7, 8, 9]


@pytest.mark.parametrize("engine", ["reference", "compiled", bf.Threads(2)])
def test_in_other_engines(engine):
    run = train(noisy, 6, engine=engine)
    assert np.allclose(run.losses, train(noisy, 6).losses, rtol=1e-4)


def test_processes_are_sent_the_weights():
    def weighted(step, rng):
        return *noisy(step, rng), rng.exponential(size=8)

    with bf.Processes(2, "exact") as engine:
        run = train(weighted, 3, engine=engine)
    assert run.model.hash == train(weighted, 3).model.hash != train(noisy, 3).model.hash


def test_layer_access_and_lists_of_batches():
    run = train(list(listed(4)), estimator=bf.UnitWise())
    assert run.steps == 4 and "batches of 8 from a list_iterator" in run.summary()


def test_the_summary_says_where_samples_came_from():
    assert f"batches of 8 from the function {__name__}.noisy" in train(noisy, 2).summary()
    assert "batches of 8 from a generator" in train(listed(2)).summary()
    assert "from the function" in train(functools.partial(noisy), 2).summary()
    assert "batches" not in bf.train(MODEL, (X, Y), max_steps=2, **SETTINGS).summary()


def test_weights_of_batches_are_taken_as_they_are():
    def fourfold(step, rng):
        return *noisy(step, rng), np.full(8, 4.0)

    once, more = (train(batches, 1, update=bf.SGD(0.1)) for batches in (noisy, fourfold))
    assert_same_bits(more.coefficients, 4 * once.coefficients)
    assert more.trainer.weighted and not once.trainer.weighted


def test_validation_is_explicit():
    run = train(noisy, 4, validation=(X, Y), validate_every=2)
    assert [row.step for row in run.history] == [2, 4]
    assert run.history[-1].value == run.model.accuracy(X, Y, "exact")
    with pytest.raises(TypeError, match=r"validation: expected samples \(x, y\) with batches=.*got 0.2"):
        train(noisy, 4, validation=0.2)


def bad(**changes):
    """Batches of which the third is changed."""

    def batches(step, rng):
        x, y = noisy(step, rng)
        given = {"x": x, "y": y}
        if step == 2:
            given |= {name: change(given[name]) for name, change in changes.items()}
        return given["x"], given["y"]

    return batches


WRONG = [
    (bad(x=lambda x: x[:, :5]), r"batches: step 2: x: expected shape \(n, 6\)"),
    (bad(x=lambda x: x * np.nan), "batches: step 2: x: expected finite"),
    (bad(y=lambda y: y + 3), r"batches: step 2: y: expected labels in \[0, 2\]"),
    (bad(y=lambda y: y * 1.0), "batches: step 2: y: expected integer labels .n,. for loss cross_entropy"),
    (bad(y=lambda y: y[:7]), "batches: step 2: y: expected one row a sample"),
    (bad(x=lambda x: x[:5], y=lambda y: y[:5]), "batches: step 2: expected 8 samples as in the first batch, got 5: "),
    (lambda step, rng: None, r"batches: step 0: expected \(x, y\) or \(x, y, w\), got NoneType"),
    (lambda step, rng: listed(1), "batches: step 0: expected .* got generator"),
    (iter([]), "batches: expected at least one batch, got none"),
    (listed, "batches: expected a generator, got the function listed that makes one: call it"),
    (7, r"batches: expected a function of \(step, rng\) or an iterator.*got int"),
    ((X, Y), r"batches: step 0: expected \(x, y\)"),
]


@pytest.mark.parametrize(("batches", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_batch_is_named(batches, message):
    with pytest.raises((TypeError, ValueError), match=message):
        train(batches, 5)


def test_a_wrong_batch_leaves_the_steps_before_it(tmp_path):
    files = {"checkpoint": tmp_path / "run.npz", "journal": tmp_path / "run.journal"}
    with pytest.raises(ValueError, match="step 2"):
        train(bad(x=lambda x: x * np.inf), 5, **files)
    assert_same_bits(bf.replay(files["journal"], MODEL), train(noisy, 2).model.theta)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data": (X, Y)}, "data: expected None with batches="),
        ({"batch_size": 8}, "batch_size: expected None with batches=, which have their own, got 8"),
        ({"epochs": 2}, "epochs: expected None with batches=, which have none: give max_steps, got 2"),
        ({"max_steps": None}, "^max_steps, max_forwards, max_evaluations: expected at least one"),
    ],
)
def test_what_does_not_go_with_batches(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        bf.train(MODEL, batches=noisy, **{"max_steps": 3, **SETTINGS, **settings})


def test_neither_data_nor_batches():
    with pytest.raises(TypeError, match=r"data: expected a pair .*or batches= in its place, got neither"):
        bf.train(MODEL, max_steps=3)


def test_weights_in_all_batches_or_in_none():
    def sometimes(step, rng):
        return noisy(step, rng) if step else (*noisy(step, rng), np.ones(8))

    with pytest.raises(ValueError, match="batches: step 1: expected weights in all batches or in none"):
        train(sometimes, 3)


def test_other_budgets_end_a_run_of_batches():
    assert train(noisy, max_evaluations=8 * 7).steps == 7
    assert train(listed(20), max_forwards=8 * 8 * 5).outcome_code == "budget"


def test_phases_of_batches():
    phases = [bf.Phase(bf.RGE(2), bf.SGD(0.1), {"max_steps": 3}), bf.Phase(bf.CGE(), bf.SGD(0.1), {"max_steps": 2})]
    first, second = bf.train_phases(MODEL, None, phases, batches=noisy, engine="exact", seed=5)
    alone = train(noisy, 2, first.model, estimator=bf.CGE(), update=bf.SGD(0.1), seed=6)
    assert second.model.hash == alone.model.hash


def test_a_function_that_raises_stop_iteration_is_named():
    batches = listed(2)
    with pytest.raises(ValueError, match="^batches: step 2: expected a batch, got StopIteration: an iterator that"):
        train(lambda step, rng: next(batches), 5)
