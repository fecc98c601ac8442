"""A hundred steps give the same parameters, bit for bit, on every engine and by every way to replay them."""

import numpy as np
import pytest
import reference_models
from helpers import ENGINES, Recorder, assert_same_bits, device_loop, make_engine
from reference_models import GOLDEN_STEPS, STEPS, golden_hashes, reference_runs

from bpfree.graph import theta_hash
from bpfree.journal import Journal, replay

RUNS = reference_runs()
HELP = f"where a change of results is meant: python {reference_models.__file__} --write"


@pytest.fixture(scope="module")
def trained():
    """trained(name, engine): the Run, its golden hashes and the coefficients of its steps, computed once."""
    done = {}

    def get(name, engine="exact"):
        if (name, engine) not in done:
            records = Recorder()
            done[name, engine] = (*RUNS[name].train(make_engine(engine), records=records), records)
        return done[name, engine]

    return get


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", RUNS)
def test_golden_hashes(trained, name, engine):
    run, hashes, _ = trained(name, engine)
    assert run.outcome == "done" and run.steps == STEPS
    assert hashes == golden_hashes()[name], HELP


@pytest.mark.parametrize("name", RUNS)
def test_device_loop(trained, name):
    """bpfree_step: samples streamed one by one, both sides of a probe in one pass."""
    case, (reference, _, records) = RUNS[name], trained(name)
    loop = device_loop(reference.trainer, case.x, case.labels, case.targets)
    theta, hashes = case.model.theta, {}
    assert len(records) == STEPS
    for step, record in enumerate(records):
        theta = loop.step(theta, step)
        assert_same_bits(loop.coefficients.reshape(record.shape), record)
        if step + 1 in GOLDEN_STEPS:
            hashes[step + 1] = theta_hash(theta)
    assert hashes == golden_hashes()[name], HELP


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", RUNS)
def test_replay_needs_no_data(trained, name, engine):
    run, *_ = trained(name)
    theta = replay(run.journal, run.trainer, RUNS[name].model.theta, make_engine(engine))
    assert_same_bits(theta, run.model.theta)


@pytest.mark.parametrize("name", RUNS)
def test_the_runs_learn(trained, name):
    losses = trained(name)[0].losses
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:10])


def test_replay_in_two_parts(trained):
    run, *_ = trained("mlp")
    base, middle = RUNS["mlp"].model.theta, 37
    head = Journal(run.journal.base_hash, run.journal.settings, 0, run.journal.records[:middle])
    engine = make_engine(ENGINES[-1])
    theta = replay(head, run.trainer, base, engine)
    tail = Journal(theta_hash(theta), run.journal.settings, middle, run.journal.records[middle:])
    assert_same_bits(replay(tail, run.trainer, theta, engine), run.model.theta)
    # The step is part of a record's address: the same records counted from 0 lead elsewhere.
    misplaced = Journal(theta_hash(theta), run.journal.settings, 0, run.journal.records[middle:])
    assert theta_hash(replay(misplaced, run.trainer, theta, engine)) != run.model.hash


def test_replay_refuses_another_base(trained):
    run, *_ = trained("mlp")
    other = RUNS["mlp"].model.theta.copy()
    other[3] = np.nextafter(other[3], np.float32(9))
    with pytest.raises(ValueError, match=rf"theta: .*{run.journal.base_hash}.*got {theta_hash(other)}"):
        replay(run.journal, run.trainer, other, make_engine("exact"))


def test_replay_refuses_other_settings(trained):
    import bpfree as bf
    from bpfree.trainer import Trainer

    run, *_ = trained("mlp")
    t, base = run.trainer, RUNS["mlp"].model.theta
    same = (t.graph, t.frozen, t.loss, t.estimator, t.update, t.batch_size, t.seed)
    assert_same_bits(replay(run.journal, Trainer(*same), base, "compiled"), run.model.theta)
    for place, other in ((3, bf.RGE(n_queries=7)), (4, bf.Adam(0.1)), (5, t.batch_size + 1), (6, t.seed + 1)):
        changed = (*same[:place], other, *same[place + 1 :])
        with pytest.raises(ValueError, match="trainer: expected the one the journal was written with"):
            replay(run.journal, Trainer(*changed), base)


def test_replay_of_a_stateful_update_starts_at_the_first_step():
    import bpfree as bf

    x, y = np.eye(4, dtype=np.float32), np.arange(4) % 2
    model = bf.Sequential(4, [bf.Linear(2)])
    run = bf.train(model, (x, y), max_steps=6, batch_size=2, update=bf.chain(bf.clip(0.1), bf.Adam(0.1)))
    for engine in ("exact", "compiled", None):
        assert_same_bits(replay(run.journal, run.trainer, model.theta, engine), run.model.theta)
    tail = Journal(run.model.hash, run.journal.settings, 3, run.journal.records[3:])
    with pytest.raises(ValueError, match="journal: expected the run's first step, as the update has state"):
        replay(tail, run.trainer, run.model.theta)


def test_training_leaves_the_model_given_alone(trained):
    run, *_ = trained("mlp")
    fresh = reference_runs()["mlp"].model
    assert_same_bits(RUNS["mlp"].model.theta, fresh.theta)
    assert run.model is not RUNS["mlp"].model and run.journal.base_hash == fresh.hash != run.model.hash


@pytest.mark.parametrize("setting", ["seed", "estimator", "batch_size", "update"])
def test_every_setting_counts(setting):
    """Or equal hashes would say little."""
    import bpfree as bf

    case = RUNS["mlp"]
    other = {"seed": 1, "estimator": bf.RGE(n_queries=4, mu=0.01), "batch_size": 23, "update": bf.SGD(0.021)}[
        setting
    ]
    changed = reference_models.ReferenceRun(**{**vars(case), setting: other})
    _, hashes = changed.train(make_engine(ENGINES[-1]), steps=1)
    assert hashes[1] != golden_hashes()["mlp"][1]
