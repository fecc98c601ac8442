"""Shared-out evaluations: the bits of one worker, whatever the ranges and the order of replies."""

import copy
import os
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from executor_fakes import DATA, MODEL, BrokenPool, FailingEngine, Pool, train
from helpers import ENGINES, ESTIMATOR_SETTINGS, assert_same_bits, fitting, make_engine, show

import bpfree as bf
from bpfree.engines import CompiledEngine
from bpfree.engines.batch import make_batch
from bpfree.errors import WorkerError
from bpfree.executors.parallel import cut
from bpfree.losses import get_loss

ESTIMATORS = [bf.RGE(n_queries=10), bf.RGE(n_queries=9, two_sided=False, direction="sphere"), bf.CGE(0.3), bf.CGE()]
ALONE = {show(estimator): train("exact", estimator) for estimator in ESTIMATORS}


def assert_same_run(run, alone):
    assert run.model.hash == alone.model.hash
    assert run.losses == alone.losses and run.forwards == alone.forwards and run.evaluations == alone.evaluations


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 8, 9, 20, 41])
@pytest.mark.parametrize("parts", [1, 2, 3, 5, 100])
def test_ranges_cover_everything_once_and_keep_pairs(n, parts):
    ranges = cut(n, parts)
    assert [k for start, stop in ranges for k in range(start, stop)] == list(range(n))
    assert 1 <= len(ranges) <= parts and all(start % 2 == 0 and start < stop for start, stop in ranges)
    assert max(b - a for a, b in ranges) - min(b - a for a, b in ranges) <= 3


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=show)
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_threads_have_the_bits_of_one(workers, estimator):
    with bf.Threads(workers, "exact") as engine:
        assert_same_run(train(engine, estimator), ALONE[show(estimator)])


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("row", ESTIMATOR_SETTINGS)
def test_every_estimator_is_shared_out_to_the_same_bits(row, name):
    with bf.Threads(2, make_engine(name)) as engine:
        for estimator in ESTIMATOR_SETTINGS[row]:
            given = {"steps": 2, "update": fitting(estimator, bf.Adam(0.01))}
            shared, alone = train(engine, estimator, **given), train(make_engine(name), estimator, **given)
            assert shared.model.hash == alone.model.hash, show(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=show)
@pytest.mark.parametrize("n_ranges", [2, 3, 5])
@pytest.mark.parametrize("twice", [False, True])
def test_order_of_replies_and_duplicates_change_nothing(n_ranges, estimator, twice):
    for seed in range(2):
        pool = Pool(n_ranges, seed, twice=twice)
        engine = bf.Futures(pool, "exact", timeout=60 if seed else None, n_ranges=n_ranges)
        assert_same_run(train(engine, estimator), ALONE[show(estimator)])
        assert pool.step == 6 and engine.lost == 0


@pytest.mark.parametrize("cancellable", [True, False])
def test_replies_to_an_earlier_step_are_not_looked_at(cancellable):
    """The second range of every step comes with the next step, when it is too late."""
    lost = Pool(2, lose=lambda step, number: number == 1, silent=True)
    never = train(bf.Futures(lost, "exact", timeout=0.5, n_ranges=2), steps=4)
    pool, late = Pool(2, lose=lambda step, number: number == 1, silent=True), []
    run_others = pool.run

    def run(waiting, step):
        for future, function, arguments in late:
            if future.set_running_or_notify_cancel():
                future.set_result(function(*arguments))
        if not cancellable:
            waiting[1][0].cancel = lambda: False
        late[:] = [waiting[1]]
        run_others(waiting, step)

    pool.run = run
    assert train(bf.Futures(pool, "exact", timeout=0.5, n_ranges=2), steps=4).model.hash == never.model.hash
    assert never.model.hash != train("exact", steps=4).model.hash


def test_a_range_is_what_is_sent():
    pool = Pool(3)
    train(bf.Futures(pool, "exact", n_ranges=3), steps=1)
    assert [len(part.probes) for _, part in pool.submitted] == [6, 6, 8]
    assert len({packed for packed, _ in pool.submitted}) == 1
    assert sum(len(pickle.dumps(arguments)) for arguments in pool.submitted) < 3 * 6000


@pytest.mark.parametrize("name", ["exact", "reference", "compiled"])
def test_pools_of_concurrent_futures(name):
    alone = train(name)
    with ThreadPoolExecutor(3) as pool:
        assert_same_run(train(bf.Futures(pool, name)), alone)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert_same_run(train(bf.Futures(pool, name)), alone)


def test_validation_and_predictions_are_made_here():
    alone = train("exact", validation=0.25, validate_every=2)
    pool = Pool(3)
    shared = train(bf.Futures(pool, "exact", n_ranges=3), validation=0.25, validate_every=2)
    assert [row.value for row in shared.history] == [row.value for row in alone.history] and shared.history
    assert len(pool.submitted) == 3 * 6
    regression = bf.train(
        MODEL, (DATA[0], np.eye(3, dtype="f4")[DATA[1]]), loss="mse", validation=0.25, max_steps=2, batch_size=8,
        engine=bf.Futures(Pool(3), "exact", n_ranges=3),
    )  # fmt: skip
    assert regression.history


def test_an_engine_that_is_no_executor_shows_through():
    engine = bf.Threads(2, "compiled")
    assert engine.name == "compiled" and engine.dtype == np.float32 and engine.isa == CompiledEngine().isa
    assert not hasattr(engine, "something_else")
    assert_same_bits(MODEL.predict(DATA[0], engine), MODEL.predict(DATA[0], "compiled"))


def test_resume_with_another_number_of_workers(tmp_path):
    settings = {"checkpoint": tmp_path / "run.ckpt", "journal": tmp_path / "run.journal"}
    whole = train("exact", steps=9, journal=tmp_path / "whole.journal")
    train(bf.Threads(2, "exact"), steps=3, **settings)
    train(bf.Futures(Pool(3), "exact", n_ranges=3), steps=6, resume=True, **settings)
    run = train(bf.Threads(3, "compiled"), steps=9, resume=True, **settings)
    assert_same_run(run, whole)
    assert (tmp_path / "run.journal").read_bytes() == (tmp_path / "whole.journal").read_bytes()


def test_threads_start_anew_after_close_and_in_a_forked_process():
    engine = bf.Threads(2, "exact")
    alone = train("exact").model.hash
    assert train(engine).model.hash == alone
    engine.close()
    engine.close()
    assert train(engine).model.hash == alone
    read, write = os.pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *a, **k: None)  # Python 3.12 warns of forks with threads
        child = os.fork()
    if child == 0:
        os.write(write, train(engine).model.hash.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == alone
    assert os.waitpid(child, 0)[1] == 0
    engine.close()


def test_errors_in_a_worker_are_raised_here():
    failing = FailingEngine("seven", 3)
    with ThreadPoolExecutor(2) as pool:
        for engine in (bf.Threads(2, failing), bf.Futures(pool, failing)):
            with pytest.raises(ArithmeticError, match="^seven$"):
                train(engine)


def test_a_broken_pool_is_an_error_and_what_it_had_is_evaluated_here():
    pool = BrokenPool(4)
    graph, loss = MODEL.graph, get_loss("cross_entropy")
    batch, probes = make_batch(graph, loss, *DATA), bf.RGE(n_queries=8).ask(graph, 0, 0)
    given = (graph, MODEL.theta, MODEL.frozen, batch, loss, probes)
    engine = bf.Futures(pool, "exact", n_ranges=4)
    assert_same_bits(engine.evaluate(*given)[0], make_engine("exact").evaluate(*given)[0])
    assert engine.lost == len(probes) == 16
    with pytest.raises(WorkerError, match="pool: it takes no more work: a worker died; make a new one"):
        engine.evaluate(*given)
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(WorkerError, match="no more work"):
        train(bf.Futures(pool, "exact"))


def test_wrong_arguments():
    for executor in (bf.Threads, bf.Processes):
        with pytest.raises(ValueError, match=r"n_workers: expected an integer in \[1, 4096\], got 0"):
            executor(0)
        with pytest.raises(TypeError, match="engine: expected one that computes"):
            executor(2, executor(2))
        with pytest.raises(ValueError, match="one of"):
            executor(2, "nothing")
    for wrong in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="timeout"):
            bf.Processes(2, timeout=wrong)
    with pytest.raises(TypeError, match="pool: expected something with submit"):
        bf.Futures(3)
    with pytest.raises(ValueError, match="n_ranges"):
        bf.Futures(Pool(1), n_ranges=0)
    closure = FailingEngine("x")
    closure.function = lambda: None
    for make in (lambda: bf.Processes(2, closure), lambda: bf.Futures(Pool(1), closure)):
        with pytest.raises(TypeError, match="engine: expected one that pickles"):
            make()


def test_copies_of_a_compiled_engine_build_their_own():
    engine = CompiledEngine("scalar")
    for other in (copy.copy(engine), pickle.loads(pickle.dumps(engine))):
        assert other.isa == "scalar" and other.model(MODEL.graph, []) is not engine.model(MODEL.graph, [])


def test_joblib_s_pool():
    loky = pytest.importorskip("joblib.externals.loky")
    pool = loky.get_reusable_executor(max_workers=2)
    try:
        assert_same_run(train(bf.Futures(pool, "exact", n_ranges=4)), train("exact"))
    finally:
        pool.shutdown()


def test_copies_have_workers_of_their_own_or_the_one_pool():
    alone = train("exact").model.hash
    with ThreadPoolExecutor(2) as pool, bf.Threads(3, "exact") as threads, bf.Processes(2, "exact", 60) as processes:
        for engine in (bf.Futures(pool, "exact", timeout=60), threads, processes):
            assert train(engine).model.hash == alone
            with copy.deepcopy(engine) as other:
                assert type(other) is type(engine) and other is not engine and other.timeout == engine.timeout
                assert other.n_ranges == engine.n_ranges and getattr(other, "pool", 0) is getattr(engine, "pool", 0)
                assert train(other).model.hash == alone
            assert train(engine).model.hash == alone
