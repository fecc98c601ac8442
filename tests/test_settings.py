"""The settings of a run as text: enough to make its Trainer again, readable, canonical, never evaluated."""

import json

import numpy as np
import pytest
from helpers import CHAINS, ESTIMATOR_SETTINGS, SCHEDULE_SETTINGS, fitting, probing, show
from update_oracles import UPDATE_SETTINGS

import bpfree as bf
from bpfree.errors import FormatError
from bpfree.graph import fnv1a64
from bpfree.settings import differences, load, parse

MODEL = bf.Sequential(5, [bf.Linear(4), bf.Tanh(), bf.Linear(3)], seed=0)
ALL_ESTIMATORS = [settings for row in ESTIMATOR_SETTINGS.values() for settings in row]
ALL_SCHEDULES = [settings for row in SCHEDULE_SETTINGS.values() for settings in row]
ALL_UPDATES = [settings for row in UPDATE_SETTINGS.values() for settings in row] + CHAINS


def trainer(estimator=None, update=None, model=MODEL, **changed):
    settings = {"loss": "cross_entropy", "batch_size": 4, "seed": 9, **changed}
    return bf.Trainer(
        model.graph, model.frozen, estimator=estimator or bf.RGE(2), update=update or bf.SGD(0.1), **settings
    )


@pytest.mark.parametrize("estimator", ALL_ESTIMATORS, ids=show)
def test_every_estimator_survives_the_round_trip(estimator):
    one = trainer(estimator, fitting(estimator, bf.SGD(0.1)))
    again = bf.Trainer.from_settings(MODEL, one.settings())
    assert again.estimator == estimator and again.settings() == one.settings()
    assert again.native_settings() == one.native_settings()


@pytest.mark.parametrize("update", ALL_UPDATES, ids=show)
def test_every_update_survives_the_round_trip(update):
    one = trainer(probing(update, bf.RGE(2)), update)
    again = bf.Trainer.from_settings(MODEL, one.settings())
    assert again.update == update and again.fingerprint() == one.fingerprint()
    assert (again.loss, again.batch_size, again.seed) == (one.loss, 4, 9)
    assert one.n_state == sum(part.size for part in one.initial_state(MODEL.theta))


@pytest.mark.parametrize("schedule", ALL_SCHEDULES, ids=show)
def test_every_schedule_survives_the_round_trip(schedule):
    one = trainer(bf.CGE(0.5, mu=ALL_SCHEDULES[1]), bf.chain(bf.WeightDecay(0.1), bf.Adam(schedule)))
    again = bf.Trainer.from_settings(MODEL, one.settings())
    assert again.update == one.update and again.estimator == one.estimator and again.settings() == one.settings()
    assert again.native_settings() == one.native_settings()


def test_the_text_is_canonical_json_for_people():
    text = trainer(bf.RGE(2, mu=0.5), bf.chain(bf.clip(1), bf.Momentum(0.1))).settings()
    document = json.loads(text)
    assert text == json.dumps(document, sort_keys=True, separators=(",", ":")) and text.isascii()
    assert document["estimator"]["name"] == "rge" and document["estimator"]["mu"] == 0.5
    assert document["update"] == {"clip": 1.0, "links": [{"name": "momentum", "lr": 0.1, "beta": 0.9}]}
    assert document["model"] == f"{MODEL.graph.hash():016x}" and document["loss"] == "softmax_cross_entropy"
    assert (document["n_theta"], document["n_state"], document["record"]) == (39, 39, [1, 2])


def test_the_fingerprint_is_a_hash_of_the_text():
    one = trainer()
    assert one.fingerprint() == f"{fnv1a64(one.settings().encode()):016x}"


def test_equal_settings_have_one_text():
    """NumPy's numbers are numbers, 1 is 1.0 where a float is meant, a chain of one link is that link."""
    plain = trainer(bf.RGE(2, mu=0.5), bf.SGD(1.0))
    numbers = {"batch_size": np.int32(4), "seed": np.uint8(9)}
    same = trainer(bf.RGE(np.int64(2), mu=np.float32(0.5)), bf.chain(bf.SGD(1)), **numbers)
    assert same.settings() == plain.settings()


def test_numbers_of_numpy_give_the_same_run_as_the_text_gives_back():
    """0.3 as float32, times d or over a float64, is not what the text's float64 gives."""
    third, pairs = np.float32(0.3), [(0.1, np.float32(0.003)), (np.float32(0.1), 0.003)]
    for schedule in [bf.linear_decay(start, 10, end=end) for start, end in pairs]:
        again = bf.Trainer.from_settings(MODEL, trainer(update=bf.SGD(schedule)).settings()).update.schedule
        assert [again.factor(step) for step in range(12)] == [schedule.factor(step) for step in range(12)]
        assert again.settings == schedule.settings
    for d in range(1, 400):
        graph = bf.Sequential(d, [bf.Linear(1, bias=False)]).graph
        assert bf.CGE(third).record_shape(graph) == bf.CGE(float(third)).record_shape(graph), d


def test_another_model_is_refused():
    text = trainer().settings()
    other = bf.Sequential(5, [bf.Linear(6), bf.Tanh(), bf.Linear(3)], seed=0)
    with pytest.raises(ValueError, match=r"^model: expected the one .*; model: \w+ in the settings, \w+ here; n_theta"):
        bf.Trainer.from_settings(other, text)


def changed(**parts):
    return json.dumps({**json.loads(trainer().settings()), **parts})


FOREIGN = [
    "",
    "{",
    "3",
    "[" * 100_000,
    "{}",
    '{"schema":2}',
    changed(loss="__import__('os')"),
    changed(estimator={"name": "rge", "nothing": 1}),
    changed(estimator={"name": "rge", "n_queries": -1}),
    changed(estimator={"name": "rge", "n_queries": "2"}),
    changed(estimator={"n_queries": 2}),
    changed(estimator=[]),
    changed(estimator={"name": ["rge"]}),
    changed(estimator={"name": "rge", "mu": {"name": "rge"}}),
    changed(estimator={"name": "rge", "mu": {"name": "linear_decay", "start": "a", "end": 0, "warmup": 0, "steps": 1}}),
    changed(estimator={"name": "rge", "n_queries": {"name": "linear_decay"}}),
    changed(update={"clip": 0.0, "links": []}),
    changed(update={"clip": -1.0, "links": [{"name": "sgd", "lr": 0.1}]}),
    changed(update={"clip": "a", "links": [{"name": "sgd", "lr": 0.1}]}),
    changed(update={"clip": 0.0, "links": [{"name": "sgd", "lr": 1e400}]}),
    changed(update=None),
    changed(batch_size="4"),
    changed(batch_size=0),
    changed(seed=None),
    changed(seed=2**32),
]


@pytest.mark.parametrize("text", FOREIGN, ids=range(len(FOREIGN)))
def test_anything_else_is_refused(text):
    with pytest.raises(FormatError, match=r"^settings: "):
        parse(text)


@pytest.mark.parametrize(
    "text", [changed(batch_size=0), changed(seed=-1), changed(batch_size="4"), changed(n_theta=38), changed(extra=1)]
)
def test_what_no_trainer_writes_is_refused(text):
    with pytest.raises(ValueError):
        bf.Trainer.from_settings(MODEL, text)


def test_differences_are_named():
    one, other = load(trainer().settings()), load(trainer(bf.RGE(3), seed=10).settings())
    text = differences(one, other, "the journal")
    assert text == "estimator.n_queries: 2 in the journal, 3 here; record.1: 2 in the journal, 3 here; " \
        "seed: 9 in the journal, 10 here"  # fmt: skip
    assert differences(one, one, "x") == ""
