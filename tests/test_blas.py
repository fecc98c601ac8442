"""BLAS has one thread where products are small, and afterwards as many as before, whoever ends last."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

import bpfree as bf
from bpfree import blas
from bpfree.blas import SMALL, threads_for


def numbers():
    """The threads that every BLAS library of the process has, numpy's and scipy's."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    """However the tests are run, the process begins with two threads, and must end with them."""
    with threadpool_limits(2, user_api="blas"):
        if numbers() != {2}:
            pytest.skip("threadpoolctl cannot set the threads of this BLAS")
        yield
        assert numbers() == {2}


@pytest.fixture
def passes(monkeypatch):
    """Notes the threads at every pass of a network that is solved for."""
    seen, trace = [], bf.pde.Network.trace
    monkeypatch.setattr(bf.pde.Network, "trace", lambda *given, **more: seen.append(numbers()) or trace(*given, **more))
    return seen


def small_solve(**settings):
    return bf.pde.solve(bf.pde.Poisson(dim=1), points=20, max_steps=2, progress=False, **settings)


@pytest.mark.parametrize(
    "method",
    [
        bf.LevenbergMarquardt(),
        bf.GaussNewton(),
        bf.LeastSquaresHead(),
        bf.Alternate(bf.LeastSquaresHead(), bf.GaussNewton()),
        bf.StructuredGradient(),
    ],
    ids=lambda method: type(method).__name__,
)
def test_a_small_solve_takes_one_thread(passes, method):
    small_solve(method=method)
    assert len(passes) > 3 and set().union(*passes) == {1}


def test_a_large_solve_keeps_its_threads(passes, monkeypatch):
    monkeypatch.setattr(blas, "SMALL", 1000)
    solution = small_solve(method=bf.LevenbergMarquardt(), test_points=[[0.5]])
    assert {2} in passes and solution.steps == 2


def test_what_a_solution_computes_later_takes_one_thread(passes):
    solution = small_solve()
    passes.clear()
    solution.predict([[0.5]])
    solution.evaluate(lambda u, c: u.xx, [[0.5]])
    solution.error("residual_rms")
    assert len(passes) >= 3 and set().union(*passes) == {1}


MODEL = bf.Sequential(6, [bf.TTLinear((2, 3), (2, 2), rank=2), bf.ReLU(), bf.Linear(2)])
X, Y = np.random.default_rng(0).normal(size=(20, 6)).astype("f4"), np.arange(20) % 2


def noting(seen):
    """A loss that notes the threads."""

    def loss(outputs, targets):
        seen.append(numbers())
        return (outputs**2).sum(axis=1)

    return loss


@pytest.mark.parametrize(
    "work",
    [
        lambda loss: bf.train(MODEL, (X, Y), loss=loss, engine="reference", max_steps=2, batch_size=4, validation=0.2),
        lambda loss: bf.calibrate(MODEL, (X, Y), loss=loss, engine="reference", batch_size=8),
        lambda loss: bf.diagnose(MODEL, (X, Y), bf.RGE(), loss=loss, engine="reference", steps=2, batch_size=8),
        lambda loss: bf.layer_ratios("grasp", MODEL, (X, Y), fraction=0.5, loss=loss, engine="reference", n_samples=8),
    ],
    ids=["train", "calibrate", "diagnose", "layer_ratios"],
)
def test_whatever_evaluates_losses_takes_one_thread(work):
    seen = []
    work(noting(seen))
    assert len(seen) > 3 and set().union(*seen) == {1}


def test_a_large_training_keeps_its_threads(monkeypatch):
    monkeypatch.setattr(blas, "SMALL", 10)
    seen = []
    bf.train(MODEL, (X, Y), loss=noting(seen), engine="reference", max_steps=2, batch_size=4)
    assert set().union(*seen) == {2}


def test_prediction_by_blas_takes_one_thread(monkeypatch):
    seen, forward = [], bf.ReferenceEngine._forward
    monkeypatch.setattr(bf.ReferenceEngine, "_forward", lambda *given: seen.append(numbers()) or forward(*given))
    MODEL.predict(X, "reference")
    assert seen == [{1}]


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("eigh", lambda: bf.fit_head(MODEL, (X, Y), ridge=1e-3)),
        ("eigh", lambda: bf.random_features_floor(MODEL, (X, Y), (X, Y), ridge=1e-3)),
        (
            "cholesky",
            lambda: bf.minimize(
                lambda theta: (theta**2).sum(), np.ones(9),
                estimator=bf.RGE(n_queries=4, combine="least_squares"), max_steps=2,
            ),
        ),
    ],
    ids=["fit_head", "random_features_floor", "minimize"],
)  # fmt: skip
def test_least_squares_take_one_thread(monkeypatch, name, work):
    seen, solve = [], getattr(scipy.linalg, name)
    monkeypatch.setattr(scipy.linalg, name, lambda *given, **more: seen.append(numbers()) or solve(*given, **more))
    work()
    assert seen and set().union(*seen) == {1}


def test_the_function_to_minimise_has_the_threads_of_the_process():
    seen = []
    bf.minimize(lambda theta: seen.append(numbers()) or (theta**2).sum(), np.ones(3), max_steps=1)
    assert set().union(*seen) == {2}


def test_blocks_may_end_in_any_order():
    first, second = threads_for(1), threads_for(1)
    first.__enter__()
    second.__enter__()
    assert numbers() == {1}
    first.__exit__(None, None, None)
    assert numbers() == {1}
    second.__exit__(None, None, None)
    assert numbers() == {2}


def test_a_block_may_be_the_last_on_another_thread():
    """threadpoolctl obeys the thread that set a number first, and silently no other: one thread would stay for good."""
    inside, leave = threading.Event(), threading.Event()

    def work():
        with threads_for(1):
            inside.set()
            leave.wait()

    worker = threading.Thread(target=work)
    with threads_for(1):
        worker.start()
        inside.wait()
    assert numbers() == {1}
    leave.set()
    worker.join()
    assert numbers() == {2}


class OpenMP:
    """Stands in for an OpenBLAS of OpenMP, which has a number for each thread."""

    internal_api, threading_layer, filepath = "openblas", "openmp", "libopenblas.so"

    def __init__(self):
        self.own = threading.local()

    def get_num_threads(self):
        return getattr(self.own, "number", 4)

    def set_num_threads(self, number):
        self.own.number = number


def test_a_library_with_a_number_for_each_thread_is_limited_in_each(monkeypatch):
    library, found = OpenMP(), []
    monkeypatch.setattr(blas._BLAS, "loaded", lambda: [library])

    def work():
        with threads_for(1):
            found.append(library.get_num_threads())
        found.append(library.get_num_threads())

    with threads_for(1):
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        found.append(library.get_num_threads())
    assert [*found, library.get_num_threads()] == [1, 4, 1, 4]


def test_large_and_small_may_be_nested():
    with threads_for(SMALL):
        assert numbers() == {2}
        with threads_for(SMALL - 1):
            assert numbers() == {1}
        assert numbers() == {2}


def test_an_exception_restores_too():
    with pytest.raises(ZeroDivisionError), threads_for(1):
        raise ZeroDivisionError
    assert numbers() == {2}


def test_many_threads_at_once_end_with_the_number_of_before():
    wrong, start = [], threading.Barrier(8)

    def work(seed):
        random = np.random.default_rng(seed)
        start.wait()
        for _ in range(40):
            with threads_for(1):
                for _ in range(random.integers(3)):
                    with threads_for(1):
                        wrong.extend(numbers() - {1})

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == [] and numbers() == {2}


def test_solves_in_several_threads_restore():
    workers = [threading.Thread(target=small_solve) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert numbers() == {2}


def test_a_number_that_somebody_sets_meanwhile_stays():
    with threads_for(1):
        threadpool_limits(3, user_api="blas")
    try:
        assert numbers() == {3}
    finally:
        threadpool_limits(2, user_api="blas")


LATER = """
from threadpoolctl import threadpool_info
from bpfree.blas import threads_for
import numpy
def numbers():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
with threads_for(1):
    import scipy.linalg
    with threads_for(1):
        inside = numbers()
print(inside, numbers())
"""


def test_libraries_that_are_loaded_meanwhile_are_limited_too():
    """scipy's wheels have an OpenBLAS of their own, which is loaded by whoever first needs it."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    told = subprocess.run([sys.executable, "-c", LATER], env=environment, check=True, capture_output=True, text=True)
    n = len(threadpool_info_of_blas())
    assert told.stdout.strip() == f"{[1] * n} {[2] * n}"


def threadpool_info_of_blas():
    return [library for library in threadpool_info() if library["user_api"] == "blas"]
