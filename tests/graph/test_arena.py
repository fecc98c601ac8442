"""The arena plan: nothing alive overlaps, nothing is wasted, and C stays inside it to the last float."""

import numpy as np
import pytest
from helpers import NativeTrainer, assert_same_bits, device_loop, floats
from random_graphs import random_graph, random_rows
from reference_models import reference_runs

import bpfree as bf
from bpfree import native
from bpfree.engines import Batch, CompiledEngine, ReferenceEngine
from bpfree.graph.arena import plan_arena
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.trainer import Trainer

PATTERN = np.uint32(0x7FC0DEAD)  # a NaN no computation makes
GUARD = 4096
MODELS = {name: run.model.graph for name, run in reference_runs().items()}
MODELS["mnist"] = bf.Sequential(
    784,
    [
        bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6),
        bf.ReLU(),
        bf.TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6),
    ],
).graph

sides = pytest.mark.parametrize("sides", [1, 2])


def live_blocks(graph, plan, k):
    """(name, start, stop) of everything node k may touch or must leave alone."""
    reads = {}
    for number, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            reads[tensor] = number
    reads[graph.nodes[-1].output] = len(graph.nodes)
    made = {node.output: number for number, node in enumerate(graph.nodes)}
    blocks = []
    for tensor, first in made.items():
        if first <= k <= reads.get(tensor, first):
            size, side = graph.tensors[tensor].size, plan.sides[tensor]
            assert side in (0, size)
            blocks.append((tensor, plan.offsets[tensor], plan.offsets[tensor] + size + side))
    node = graph.nodes[k]
    floats_needed, _ = node.op.kernel.scratch(node.site)
    blocks.append(("scratch", plan.scratch[k], plan.scratch[k] + floats_needed))
    return blocks


def assert_plan(graph, plan):
    in_place = 0
    for k, node in enumerate(graph.nodes):
        blocks = live_blocks(graph, plan, k)
        for i, (a, start_a, stop_a) in enumerate(blocks):
            assert stop_a <= plan.per_sample
            for b, start_b, stop_b in blocks[:i]:
                if {a, b} == {*node.inputs[:1], node.output} and node.op.kernel.in_place and start_a == start_b:
                    in_place += 1
                    continue
                assert stop_a <= start_b or stop_b <= start_a or start_a == stop_a or start_b == stop_b, (
                    k,
                    a,
                    b,
                )
    return in_place


@sides
@pytest.mark.parametrize("seed", range(150))
def test_live_blocks_never_overlap(seed, sides):
    graph = random_graph(seed)
    plan = plan_arena(graph, sides)
    assert_plan(graph, plan)
    assert plan.per_sample >= plan.lower_bound
    assert plan.floats(7) == 7 * plan.per_sample + plan.fixed


@sides
@pytest.mark.parametrize("name", MODELS)
def test_reference_models_reach_the_lower_bound(name, sides):
    plan = plan_arena(MODELS[name], sides)
    elementwise = sum(node.op.kernel.in_place for node in MODELS[name].nodes)
    assert assert_plan(MODELS[name], plan) == elementwise > 0
    assert plan.per_sample == plan.lower_bound


def test_plan_by_hand():
    plain, paired = (
        plan_arena(bf.Sequential(9, [bf.Linear(20), bf.ReLU(), bf.Linear(5)]).graph, s) for s in (1, 2)
    )
    assert (plain.per_sample, plain.fixed, plain.sides) == (25, 0, (0, 0, 0, 0))
    assert (paired.per_sample, paired.sides) == (50, (0, 20, 20, 5))
    assert plain.offsets[1] == plain.offsets[2]  # ReLU in place


def test_sides_are_shared_where_no_trained_parameter_precedes():
    rows = [("linear", "a", ["input"], {"outputs": 8, "bias": False}), ("relu", "b", ["a"], {})]
    rows += [("linear", "c", ["b"], {"outputs": 3, "bias": True})]
    plan = plan_arena(assemble([4], rows, frozen=["a.weight"]), sides=2)
    assert plan.sides == (0, 0, 0, 3) and plan.per_sample == 8 + 2 * 3


def canary(graph, theta, frozen, estimator, rows=None):
    """Run one step in C in an arena of a known pattern: floats of it that were written, and the plan."""
    inputs, outputs = graph.input.size, graph.output.size
    trainer = Trainer(graph, frozen, "mse", estimator, bf.SGD(), batch_size=2, seed=0)
    loop = device_loop(trainer, floats(1, 4, inputs), targets=floats(2, 4, outputs), rows=rows)
    planned = loop.model.tables.arena.floats(1)
    size = max(planned, 64)  # the gradient's chunk of one random block fits, too
    assert size == native.core().lib.bpfree_train_arena_size(loop.model.c) == len(loop.arena)
    room = np.full(size + GUARD, PATTERN, np.uint32)
    start = np.ascontiguousarray(np.full(size + GUARD + 16, PATTERN, np.uint32))
    skip = (-start.ctypes.data % 64) // 4
    room = start[skip : skip + size + GUARD]
    ffi = native.core().ffi
    loop.context.arena = ffi.from_buffer("float *", room)
    loop.theta[:] = theta
    status = loop.c.estimator.estimate(loop.c, loop.context)  # probes only, no update
    assert status == 0 and np.array_equal(loop.theta, theta)
    written = np.flatnonzero(room[:size] != PATTERN)
    high_water = int(written[-1]) + 1
    loop.step(theta, 0)
    assert (room[size:] == PATTERN).all(), "C wrote behind its arena"
    return high_water, planned


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_the_high_water_mark_is_the_plan(name, two_sided):
    graph = MODELS[name]
    theta, frozen = initial_parameters(graph, 0)
    high_water, planned = canary(graph, theta, frozen, bf.RGE(2, two_sided=two_sided))
    assert high_water <= planned
    if two_sided:
        assert high_water == planned


TRAINABLE = [seed for seed in range(0, 200, 3) if random_graph(seed).n_theta]


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("seed", TRAINABLE)
def test_random_graphs_stay_inside(seed, gaps):
    graph = random_graph(seed)
    theta, frozen = initial_parameters(graph, 0)
    high_water, planned = canary(graph, theta, frozen, bf.RGE(1), random_rows(graph, seed) if gaps else None)
    assert high_water <= planned


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("seed", TRAINABLE)
def test_random_graphs_step_to_the_bits_of_the_reference(seed, two_sided):
    """A plan that lays one live tensor over another shows as other bits."""
    graph = random_graph(seed)
    theta, frozen = initial_parameters(graph, 1)
    x, targets = floats(2, 4, graph.input.size), floats(3, 4, graph.output.size)
    estimator = bf.RGE(n_queries=2, two_sided=two_sided, grouping="layer")
    trainer = Trainer(graph, frozen, "mse", estimator, bf.SGD(0.01), batch_size=4)
    loop = device_loop(trainer, x, targets=targets)
    after = loop.step(theta, 0)
    batch = Batch(x, targets=targets).take(trainer.indices(0, 4))
    for engine in (ReferenceEngine(exact=True), CompiledEngine()):
        estimate = trainer.estimate(engine, theta, batch, 0)
        assert_same_bits(loop.coefficients.reshape(estimate.coefficients.shape), estimate.coefficients)
    assert_same_bits(after, engine.apply(trainer, theta, [], 0, estimate.coefficients)[0])


def test_training_memory_is_what_c_says():
    graph = MODELS["mlp"]
    trainer = Trainer(graph, np.zeros(0, np.float32), "mse", bf.RGE(4, grouping="layer"), bf.SGD(), 2)
    loop = device_loop(trainer, floats(1, 4, 12), targets=floats(2, 4, 5))
    assert isinstance(loop, NativeTrainer)
    context = native.core().ffi.sizeof("bpfree_context")
    arena = max(64, loop.model.tables.arena.floats(1))
    assert loop.train_bytes() == 4 * (graph.n_theta + 12 + arena + 2 * 4) + context
    assert context <= 128
