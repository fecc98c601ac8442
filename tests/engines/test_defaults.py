"""Which engine computes where nobody chose one, and that a run says whose bits it has."""

import numpy as np
import pytest

import bpfree as bf
from bpfree import native
from bpfree.engines import fallback

MODEL, DATA = bf.Sequential(4, [bf.Linear(2)]), (np.eye(4), np.arange(4) % 2)


def test_without_the_compiled_core_a_run_says_whose_bits_it_has(monkeypatch):
    monkeypatch.setattr(native, "available", lambda: False)
    run = bf.train(MODEL, DATA, batch_size=2, max_steps=2)
    assert run.fallback.startswith("reference, as there is no compiled core: bits are those of NumPy's BLAS")
    assert run.fallback in run.summary()
    assert bf.train(MODEL, DATA, batch_size=2, max_steps=2, engine=bf.Threads(2)).fallback == run.fallback
    for named in ("reference", "exact"):
        assert not bf.train(MODEL, DATA, batch_size=2, max_steps=2, engine=named).fallback


@pytest.mark.parametrize("engine", [None, "reference", "exact", "compiled"])
def test_with_it_there_is_nothing_to_say(engine):
    assert fallback(engine, ()) == ""
