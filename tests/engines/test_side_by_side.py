"""Threads that share one engine get the bits that each would get alone."""

import copy
import gc
import pickle
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import ENGINES, make_engine

import bpfree as bf
from bpfree.engines import ReferenceEngine, get_engine
from bpfree.engines.recent import MOST

N_THREADS = 4
RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((400, 12)).astype(np.float32), RNG.integers(0, 5, 400)
WIDE = bf.Sequential(12, [bf.Linear(150), bf.Tanh(), bf.Linear(5)], seed=0)
MODELS = [bf.Sequential(12, [bf.Linear(16 + k), bf.Tanh(), bf.Linear(5)], seed=k) for k in range(MOST + 3)]
RUNS = [  # a probe that is not reused, ripples, layers seen into, an update with a state
    {"estimator": bf.RGE(n_queries=4), "update": bf.SGD(0.05)},
    {"estimator": bf.CGE(0.3), "update": bf.Adam(0.01)},
    {"estimator": bf.UnitWise(), "update": bf.Momentum(0.05)},
    {"estimator": bf.RGE(n_queries=2, direction="gaussian"), "update": bf.Adam(0.01)},
]


@pytest.fixture(autouse=True)
def switching_often():
    """Threads take turns every 10 microseconds instead of every 5 milliseconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def side_by_side(work):
    """work(k) of every thread, all begun at the same moment; what one raises is raised."""
    together = threading.Barrier(N_THREADS)

    def begin(k):
        together.wait()
        return work(k)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(begin, range(N_THREADS)))


def train(k, engine):
    """A short run of one model, each thread with settings of its own."""
    given = {"batch_size": 100, "max_steps": 12, "seed": k, "engine": engine}
    return bf.train(WIDE, (X, LABELS), **RUNS[k], **given).model.hash


RUNS_ALONE = [train(k, "exact") for k in range(N_THREADS)]


def wrong_predictions(engine):
    """How many predictions of each thread, on samples of its own, differ from those of the exact engine alone."""
    models = [WIDE, *MODELS] * 2 + [WIDE] * 30
    alone = [{id(model): model.predict(X[k:], "exact") for model in models} for k in range(N_THREADS)]

    def predict(k):
        return sum(not np.array_equal(model.predict(X[k:], engine), alone[k][id(model)]) for model in models)

    return side_by_side(predict)


@pytest.mark.parametrize("name", ENGINES)
def test_predictions_of_threads_that_share_an_engine(name):
    assert wrong_predictions(make_engine(name)) == [0] * N_THREADS


@pytest.mark.parametrize("name", ENGINES)
def test_runs_of_threads_that_share_an_engine(name):
    engine = make_engine(name)
    assert side_by_side(lambda k: train(k, engine)) == RUNS_ALONE


def test_the_default_engine_is_one_for_all_threads():
    default = get_engine(None)
    assert all(engine is default for engine in side_by_side(lambda k: get_engine(None)))
    assert wrong_predictions(None) == [0] * N_THREADS
    assert side_by_side(lambda k: train(k, None)) == RUNS_ALONE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_reference_engine_too(dtype):
    engine = ReferenceEngine(dtype=dtype)
    alone = [train(k, ReferenceEngine(dtype=dtype)) for k in range(N_THREADS)]
    assert side_by_side(lambda k: train(k, engine)) == alone


def test_one_model_with_two_sets_of_constants():
    # both are the same graph, whose tables in C hold the constants of the call
    shapes = [bf.Linear(99), bf.Tanh(), bf.Linear(5)]
    one = bf.Sequential(12, shapes, seed=1).freeze("linear1.*")
    other = bf.Model(one.graph, one.theta, -one.frozen)
    models, engine = (one, other), bf.engines.CompiledEngine()
    alone = [model.predict(X, "exact") for model in models]

    def predict(k):
        return sum(not np.array_equal(models[k % 2].predict(X, engine), alone[k % 2]) for _ in range(60))

    assert side_by_side(predict) == [0] * N_THREADS


@pytest.mark.parametrize("around", [bf.Threads, bf.Processes])
def test_workers_that_threads_share(around):
    with around(2, "exact") as engine:
        assert side_by_side(lambda k: train(k, engine)) == RUNS_ALONE


def test_a_copy_builds_its_own(strict_engine):
    for other in (copy.copy(strict_engine), copy.deepcopy(strict_engine), pickle.loads(pickle.dumps(strict_engine))):
        assert np.array_equal(WIDE.predict(X, other), WIDE.predict(X, "exact"))


def test_what_a_thread_built_goes_with_it():
    engine = bf.engines.CompiledEngine()

    def built():
        model = engine.model(WIDE.graph, WIDE.frozen)
        assert engine.model(WIDE.graph, WIDE.frozen) is model
        return weakref.ref(model)

    with ThreadPoolExecutor(1) as pool:
        own = pool.submit(built).result()
        assert own() is not None and own() is not built()()
    gc.collect()
    assert own() is None
