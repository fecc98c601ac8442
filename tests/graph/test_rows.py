"""Tensors in rows with gaps between them: the same bits wherever the gaps are, in every kernel, and nothing in them."""

import numpy as np
import pytest
from helpers import ISAS, assert_same_bits, device_loop, floats
from random_graphs import random_graph, random_rows

import bpfree as bf
from bpfree.engines import CompiledEngine, ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import pack
from bpfree.graph.arena import plan_arena
from bpfree.graph.c_tables import model_tables
from bpfree.graph.layers import initial_parameters
from bpfree.losses import get_loss
from bpfree.native.model import NativeModel
from bpfree.native.pde import NativeJets
from bpfree.pde.network import Network
from bpfree.pde.rules.table import Stencil
from bpfree.pde.wanted import First, Laplacian, Layout
from bpfree.trainer import Trainer

SEEDS = range(60)


def case(seed, n=21):
    graph = random_graph(seed)
    theta, frozen = initial_parameters(graph, seed)
    return graph, theta + floats(1, theta.size, scale=0.1), frozen, floats(2, n, graph.input.size)


def gaps_of(graphs):
    """How many tensors of these really have gaps."""
    return sum(row != stride for graph, seed in graphs for row, stride in random_rows(graph, seed).values())


def test_there_are_gaps():
    assert gaps_of((random_graph(seed), seed) for seed in SEEDS) > 50


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_have_the_same_bits(seed, isa):
    graph, theta, frozen, x = case(seed)
    model = NativeModel(model_tables(graph, rows=random_rows(graph, seed)), isa)
    model.frozen[:] = frozen
    assert_same_bits(model.predict(theta, x), ReferenceEngine(exact=True).predict(graph, theta, frozen, x))


@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("seed", [seed for seed in SEEDS if random_graph(seed).n_theta])
def test_a_device_steps_to_the_same_bits(seed, two_sided):
    """Both sides of a pair, perturbed on read: a gap that is counted twice or not at all shows."""
    graph, theta, frozen, x = case(seed, 4)
    targets = floats(3, 4, graph.output.size)
    estimator = bf.RGE(n_queries=2, two_sided=two_sided, grouping="layer")
    trainer = Trainer(graph, frozen, "mse", estimator, bf.SGD(0.01), batch_size=4)
    loop = device_loop(trainer, x, targets=targets, rows=random_rows(graph, seed))
    after = loop.step(theta, 3)
    batch = Batch(x, targets=targets).take(trainer.indices(3, 4))
    exact = ReferenceEngine(exact=True)
    estimate = trainer.estimate(exact, theta, batch, 3)
    assert_same_bits(loop.coefficients.reshape(estimate.coefficients.shape), estimate.coefficients)
    assert_same_bits(after, exact.apply(trainer, theta, [], 3, estimate.coefficients)[0])


@pytest.mark.parametrize("isa", ["scalar", ISAS[-1]])
@pytest.mark.parametrize("seed", [seed for seed in SEEDS if random_graph(seed).n_theta])
def test_what_is_kept_is_kept_with_its_gaps(seed, isa):
    graph, theta, frozen, x = case(seed)
    targets = floats(3, len(x), graph.output.size)
    trainer = Trainer(graph, frozen, "mse", bf.CGE(0.3), bf.SGD(), batch_size=1)
    probes = trainer.estimator.ask(graph, 0, 0)
    model = NativeModel(model_tables(graph, rows=random_rows(graph, seed)), isa)
    model.frozen[:] = frozen
    model.keep([node.output for node in graph.nodes], 1 << 26)
    found = model.evaluate(theta, x, None, targets, get_loss("mse").number, pack(probes))
    given = (graph, theta, frozen, Batch(x, targets=targets), get_loss("mse"), probes)
    assert_same_bits(found, ReferenceEngine(exact=True, cache_bytes=0).evaluate(*given)[0])


@pytest.mark.parametrize("isa", ["scalar", ISAS[-1]])
@pytest.mark.parametrize("seed", [seed for seed in SEEDS if random_graph(seed).input.size > 1])
def test_jets_have_the_same_bits(seed, isa):
    graph, theta, frozen, x = case(seed, 5)
    dim = graph.input.size
    layout = Layout([First(0), First(dim - 1), Laplacian((0, dim - 1))], dim)
    model = NativeModel(model_tables(graph, rows=random_rows(graph, seed)), isa)
    model.frozen[:] = frozen
    found = NativeJets(model, layout.streams)(theta, x)
    expected = Network(graph, frozen, ReferenceEngine(exact=True)).jets(theta, x, Stencil(layout))
    for part, wanted in zip(found, expected):
        assert_same_bits(part, wanted.astype(np.float32))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_lies_in_the_gaps_is_not_read(seed):
    """An arena of NaNs gives the results of any other."""
    graph, theta, frozen, x = case(seed, 1)
    model = NativeModel(model_tables(graph, rows=random_rows(graph, seed)), "scalar")
    model.frozen[:] = frozen
    model.predict(theta, x)
    model._workspace[:] = np.float32(np.nan)
    assert_same_bits(model.predict(theta, x), ReferenceEngine(exact=True).predict(graph, theta, frozen, x))


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_plan_has_room_for_the_gaps(seed, sides):
    graph = random_graph(seed)
    rows = random_rows(graph, seed)
    plan, tables = plan_arena(graph, sides, rows=rows), model_tables(graph, sides, rows=rows)
    assert plan.per_sample >= plan.lower_bound
    for number, tensor in enumerate(graph.tensors):
        row, stride = rows.get(number, (tensor.size, tensor.size))
        assert plan.rows[number] == (row, stride) == tables.tensors[number][3:5]
        last = (tensor.size // row - 1) * stride + row
        assert tables.words_of(number) == last and plan.sides[number] in (0, last)
    for node, row in zip(graph.nodes, tables.nodes):
        sizes = [plan.rows[tensor][0] for tensor in (*node.inputs, node.output)]
        assert all(size % row.piece == 0 for size in sizes)


def test_a_tensor_is_not_put_in_place_of_one_with_other_gaps():
    graph = bf.Sequential(6, [bf.Linear(12), bf.ReLU(), bf.Tanh(), bf.Linear(2)]).graph
    plan = plan_arena(graph, rows={1: (4, 5), 2: (4, 5)})
    assert plan.offsets[1] == plan.offsets[2] != plan.offsets[3]


WRONG = [
    ({0: (2, 3)}, "rows: expected tensors between two nodes that no pass has to keep, got 'input'"),
    ({4: (1, 3)}, "got 'linear4'"),
    ({2: (2, 3)}, "got 'relu2'"),
    ({1: (5, 6)}, r"rows: expected rows that divide 12 elements and do not overlap, got \(5, 6\)"),
    ({1: (4, 3)}, r"got \(4, 3\)"),
    ({1: (0, 3)}, r"got \(0, 3\)"),
]


@pytest.mark.parametrize(("rows", "message"), WRONG, ids=range(len(WRONG)))
def test_rows_that_cannot_be(rows, message):
    graph = bf.Sequential(6, [bf.Linear(12), bf.ReLU(), bf.Tanh(), bf.Linear(2)]).graph
    with pytest.raises(ValueError, match=message):
        plan_arena(graph, keep=frozenset({2}), rows=rows)


def test_tables_have_gaps_only_where_they_are_asked_for():
    graph, _, frozen, _ = case(7)
    assert all(row.row == row.stride == row.size for row in CompiledEngine().model(graph, frozen).tables.tensors)
