"""Rows of one's own in workers: to the bits of one process, or refused by name before the first step."""

import copy
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import own_things as own
import pytest
from helpers import floats

import bpfree as bf

X, Y = floats(1, 40, 3), floats(2, 40, 2)
MODEL_OF_THE_TABLES = bf.Sequential(3, [bf.Linear(2)], seed=1)
MODEL = bf.Sequential(3, [bf.Linear(6), own.SOFT, bf.Linear(2)], seed=1)
MINE = {"loss": own.squares, "estimator": bf.RGE(8, direction=own.SIGNS), "update": own.Plain(0.1)}


def trained(engine, y=Y, model=MODEL, **settings):
    return bf.train(model, (X, y), engine=engine, batch_size=8, max_steps=3, **{**MINE, **settings})


def pools():
    with bf.Threads(2, "reference") as engine:
        yield engine
    with bf.Processes(2, "reference") as engine:
        yield engine
    with ThreadPoolExecutor(2) as pool:
        yield bf.Futures(pool, "reference")
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        yield bf.Futures(pool, "reference")


def test_workers_have_the_bits_of_one():
    alone = trained("reference")
    for engine in pools():
        run = trained(engine)
        assert run.model.hash == alone.model.hash and run.losses == alone.losses and engine.lost == 0


def strange(outputs, targets):
    return outputs.sum(axis=1) * (targets == "up")


def test_rows_of_texts_are_shared_too():
    y = np.array(["up", "down"] * 20)
    with bf.Processes(2, "reference") as engine:
        run = trained(engine, y, loss=own.of_words)
    assert run.model.hash == trained("reference", y, loss=strange).model.hash


LAMBDA = bf.elementwise_op("fast", lambda site, a, p, inputs: inputs[0], lambda site, a, x, y: np.ones_like(x))


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"loss": lambda outputs, targets: outputs.sum(axis=1)}, "loss '.*<lambda>'"),
        ({"model": bf.Sequential(3, [LAMBDA, bf.Linear(2)])}, r"node 'fast1' \(fast\)"),
        ({"estimator": bf.RGE(8, direction=bf.Direction("aimless", lambda piece, *at: np.ones(piece.size, "f4")))},
         "direction 'aimless'"),
    ],
)  # fmt: skip
def test_what_does_not_pickle_is_refused_by_name_before_the_first_step(settings, named, tmp_path):
    with bf.Processes(2, "reference") as engine, ProcessPoolExecutor(2) as pool:
        for workers in (engine, bf.Futures(pool, "reference")):
            with pytest.raises(TypeError, match=f"^engine: expected rows that pickle, .* got {named}: .*at the top of"):
                trained(workers, **settings)
        assert engine._pool is None, "no worker was started"
    with bf.Threads(2, "reference") as engine:
        assert trained(engine, **settings).model.hash == trained("reference", **settings).model.hash


def test_functions_of_the_main_program_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(own.squares, "__module__", "__main__")
    monkeypatch.setattr("__main__.squares", own.squares, raising=False)
    with bf.Processes(2, "reference") as engine:
        with pytest.raises(TypeError, match="^engine: expected rows that pickle, .*squares' of the main program"):
            trained(engine)


def test_rows_of_python_objects_cannot_be_shared():
    y = np.array([{"k": k} for k in range(40)])
    with bf.Processes(2, "reference") as engine:
        with pytest.raises(TypeError, match="^y: expected numbers or texts, which processes can share, got object"):
            trained(engine, y, loss=own.squares)


@pytest.mark.parametrize("make", [bf.Threads, bf.Processes])
def test_workers_of_the_compiled_engine_refuse_them_by_name(make):
    pytest.importorskip("bpfree._core")
    with make(2, "compiled") as engine:
        ways = r"'reference' or 'exact', or workers of them such as bf.Threads\(2, .reference.\)"
        with pytest.raises(ValueError, match=f"^engine: expected {ways}, as .* own"):
            trained(engine)


def default_workers():
    with bf.Threads(2) as engine:
        yield engine
        yield copy.deepcopy(engine)
    with bf.Processes(2) as engine:
        yield engine
    with ThreadPoolExecutor(2) as pool:
        yield bf.Futures(pool)


def test_workers_whose_engine_nobody_chose_fall_back_as_the_default_engine_does():
    alone, plain = trained("reference"), bf.train(MODEL_OF_THE_TABLES, (X, Y), loss="mse", max_steps=2)
    for engine in default_workers():
        run = trained(engine)
        assert run.model.hash == alone.model.hash and run.losses == alone.losses
        assert run.fallback == trained(None).fallback and run.fallback in run.summary()
        after = bf.train(MODEL_OF_THE_TABLES, (X, Y), loss="mse", max_steps=2, engine=engine)
        assert after.model.hash == plain.model.hash and not after.fallback, "what C has still runs there"
        assert engine.lost == 0


def test_workers_that_they_fell_back_to_end_with_them():
    pytest.importorskip("bpfree._core")
    with bf.Processes(2) as engine:
        trained(engine)
        assert engine._pool is None and engine.in_python()._pool is not None
    assert engine.in_python()._pool is None
