"""The plan of an arena is first fit, the largest block first: compared with that said as simply as it can be."""

import time

import numpy as np
import pytest
from random_graphs import random_graph, random_rows
from reference_models import reference_runs

import bpfree as bf
from bpfree.graph import arena
from bpfree.graph.arena import plan_arena
from bpfree.graph.layers import assemble


def place_slowly(blocks):
    """Try every address from 0 on, word by word, until no word of the block is another's at that time."""
    placed = []
    for block in sorted(blocks, key=lambda one: -one.size):
        others = [o for o in placed if o.size and o.first <= block.last and block.first <= o.last]
        address = 0
        while any(address < o.offset + o.size and o.offset < address + block.size for o in others):
            address += 1
        block.offset = address
        placed.append(block)


def live_slowly(blocks, n):
    return [sum(b.size for b in blocks if b.first <= k <= b.last) for k in range(n)]


def slow_plan(monkeypatch, *arguments):
    with monkeypatch.context() as patch:
        patch.setattr(arena, "_first_fit", place_slowly)
        patch.setattr(arena, "_live", live_slowly)
        return plan_arena(*arguments)


@pytest.mark.parametrize("seed", range(120))
def test_random_graphs(monkeypatch, seed):
    graph, r = random_graph(seed), np.random.default_rng(seed)
    keep = frozenset(r.choice(len(graph.tensors), 2).tolist()) - {0}
    for given in ((graph, 1), (graph, 2), (graph, 2, keep), (graph, 2, frozenset(), random_rows(graph, seed))):
        assert plan_arena(*given) == slow_plan(monkeypatch, *given)


@pytest.mark.parametrize("name", list(reference_runs()))
def test_reference_models(monkeypatch, name):
    graph = reference_runs()[name].model.graph
    assert plan_arena(graph, 2) == slow_plan(monkeypatch, graph, 2)


def test_many_blocks_of_few_sizes_and_any_lifetimes(monkeypatch):
    r = np.random.default_rng(1)
    for _ in range(60):
        first = r.integers(0, 30, 50)
        ends = np.minimum(first + r.integers(0, 12, 50), 30)
        rows = list(zip(r.integers(0, 9, 50).tolist(), first.tolist(), ends.tolist(), strict=True))
        fast, slow = ([arena._Block(*row) for row in rows] for _ in range(2))
        arena._first_fit(fast)
        place_slowly(slow)
        assert fast == slow
        assert arena._live(fast, 30) == live_slowly(slow, 30)


def chain(n):
    """Layers one behind the other, and sums that keep half of what they make alive to the end."""
    layers = [("linear", f"a{k}", [f"a{k - 1}" if k else "input"], {"outputs": 3, "bias": True}) for k in range(n)]
    sums = [("add", f"b{k}", [f"b{k - 1}" if k else f"a{n - 1}", f"a{k}"], {}) for k in range(n - 1)]
    return assemble([3], layers + sums)


def test_a_plan_of_thousands_of_nodes_takes_no_time():
    graph = chain(2000)
    begin = time.process_time()
    plan = plan_arena(graph, 2)
    assert time.process_time() - begin < 5  # it took minutes: every pair of blocks was looked at
    assert plan.per_sample == plan.lower_bound == 2 * 3 * 2000


def test_a_step_of_thousands_of_nodes_takes_no_time():
    layers = [bf.Tanh() if k % 2 else bf.Linear(3) for k in range(2000)]
    model, data = bf.Sequential(3, layers), (np.eye(3), np.arange(3))
    begin = time.process_time()
    for engine in ("compiled", "reference"):
        bf.train(model, data, estimator=bf.RGE(2), update=bf.SGD(0.1), batch_size=2, max_steps=2, engine=engine)
    assert time.process_time() - begin < 10  # it took 40 s: ripples, which these probes have none of
