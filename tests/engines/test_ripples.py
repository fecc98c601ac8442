"""Ripples: a probe of one entry computes what it changes, with the bits of a whole pass."""

from math import prod

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, floats

import bpfree as bf
from bpfree.arithmetic import Fast
from bpfree.engines import Batch, CompiledEngine, ReferenceEngine
from bpfree.engines.cost import graph_macs
from bpfree.engines.probes import Probes, probe_rows
from bpfree.engines.ripples import Ripples
from bpfree.engines.slabs import Slab, whole
from bpfree.engines.stage_runs import run_stages
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.losses import get_loss
from bpfree.ops.table import Parameters, elementwise_op


def tt(name, source, inputs, outputs, ranks, start, bias=True):
    attributes = {"inputs": inputs, "outputs": outputs, "ranks": ranks, "start": start, "bias": bias}
    return ("tt_linear", name, [source], attributes)


def linear(name, source, outputs, bias=True):
    return ("linear", name, [source], {"outputs": outputs, "bias": bias})


def pair(first, second, between="tanh"):
    """Two tensor trains, the second of which reads what the first one makes."""
    return [tt("a", "input", *first), (between, "h", ["a"], {}), tt("b", "h", *second)]


TRAINS = {
    "two cores": ([3, 4], [4, 2], [1, 3, 1]),
    "three cores": ([2, 3, 4], [3, 1, 2], [1, 4, 3, 1]),
    "four cores": ([2, 2, 3, 4], [3, 2, 1, 5], [1, 2, 5, 3, 1]),
    "one core": ([6], [7], [1, 1]),
}
NEXT = {
    "same factors": lambda outputs: (outputs, [2] * len(outputs)),
    "other factors": lambda outputs: ([1, prod(outputs)], [3, 2]),
    "merged": lambda outputs: ([prod(outputs[:-1]), outputs[-1]], [2, 2]),
    "padded": lambda outputs: ([2, (prod(outputs) + 2) // 2], [2, 3]),
    "padded by one factor": lambda outputs: ([*outputs[:-1], outputs[-1] + 1], [2] * len(outputs)),
}


def networks():
    """Every train, swept from either side, before layers of every shape."""
    found = {}
    for name, first in TRAINS.items():
        for start in ("left", "right"):
            for behind, then in NEXT.items():
                inputs, outputs = then(first[1])
                for other in ("left", "right"):
                    ranks = [1, *[2 + k % 2 for k in range(len(inputs) - 1)], 1]
                    rows = pair((*first, start), (inputs, outputs, ranks, other, other == "left"))
                    found[f"{name} {start}, {behind} {other}"] = prod(first[0]) - (start == "left"), rows
    return found


OTHERS = {
    "dense": (5, [linear("a", "input", 4), ("relu", "h", ["a"], {}), linear("b", "h", 6), linear("c", "b", 3, False)]),
    "scaled": (
        5, [linear("a", "input", 4), ("scale", "s", ["a"], {"factor": 0.5, "offset": -1.0}), linear("b", "s", 2)],
    ),
    "softmax between": (
        11, [tt("a", "input", *TRAINS["two cores"], "left"), ("softmax", "p", ["a"], {}), linear("b", "p", 3)],
    ),
    "skip": (
        4, [linear("a", "input", 8), tt("b", "a", [2, 4], [4, 2], [1, 2, 1], "right"), ("add", "s", ["a", "b"], {}),
            ("sin", "t", ["s"], {}), tt("c", "t", [4, 2], [3, 1], [1, 2, 1], "left")],
    ),
    "read twice": (
        4, [linear("a", "input", 6), linear("b", "a", 5), tt("c", "a", [4, 2], [5, 1], [1, 2, 1], "left"),
            ("add", "s", ["b", "c"], {}), linear("d", "s", 2)],
    ),
    "with a constant": (
        4, [("parameter", "p", [], {"shape": [4]}), ("add", "s", ["input", "p"], {}), linear("a", "s", 3)],
    ),
    "dead end": (4, [linear("a", "input", 5), linear("unread", "a", 3), linear("b", "a", 2)]),
}  # fmt: skip
NETWORKS = networks() | OTHERS


def network(name, frozen=()):
    features, rows = NETWORKS[name]
    graph = assemble([features], rows, frozen=frozen)
    theta, constants = initial_parameters(graph, 3)
    return graph, theta + floats(4, theta.size, scale=0.3), constants + floats(5, constants.size, scale=0.3)


def every_entry(graph, mu=0.25):
    """theta, and every entry up and down."""
    elements = np.arange(graph.n_theta, dtype=np.uint32)
    up = probe_rows(graph.n_theta, "coordinate", 1, 1, element=elements, mu=mu)
    down = probe_rows(graph.n_theta, "coordinate", 1, 1, element=elements, mu=-mu)
    return Probes(np.concatenate([probe_rows(1, "rademacher", 1, 1), up, down]))


# ---- Bits ----


def batch_for(graph, n):
    return Batch(floats(1, n, graph.input.size), targets=floats(2, n, graph.output.size))


@pytest.mark.parametrize("name", NETWORKS)
def test_exact_and_compiled_have_the_bits_of_whole_passes(name):
    """Every entry of every parameter, against passes that keep nothing."""
    graph, theta, constants = network(name)
    probes, loss = every_entry(graph), get_loss("mse")
    for n, engines in ((3, ENGINES), (70, ENGINES[-1:])):
        batch = batch_for(graph, n)
        expected, most = CompiledEngine("scalar", cache_bytes=0).evaluate(graph, theta, constants, batch, loss, probes)
        for engine in engines:
            own = ReferenceEngine(exact=True) if engine == "exact" else CompiledEngine(engine.removeprefix("compiled-"))
            before = theta.copy()
            values, cost = own.evaluate(graph, theta, constants, batch, loss, probes)
            assert_same_bits(values, expected)
            assert_same_bits(theta, before)
            assert own.cache.choose(graph, probes, n)[0].ripples and cost < most


@pytest.mark.parametrize("frozen", [["a.core0", "a.bias"], ["b.*"], ["a.core1", "b.core0", "b.bias"]])
def test_frozen_parameters_stay_where_they_are(frozen):
    names = ["b.core0", "b.core1", "b.bias"] if frozen == ["b.*"] else frozen
    graph, theta, constants = network("two cores left, other factors left", names)
    batch, probes, loss = batch_for(graph, 5), every_entry(graph), get_loss("mse")
    expected, _ = ReferenceEngine(exact=True, cache_bytes=0).evaluate(graph, theta, constants, batch, loss, probes)
    for engine in (ReferenceEngine(exact=True), CompiledEngine()):
        for scale in (1, 2):  # constants are read anew in every call
            values, _ = engine.evaluate(graph, theta, constants * np.float32(scale), batch, loss, probes)
            assert np.array_equal(values, expected) == (scale == 1)


@pytest.mark.parametrize("value", [np.inf, np.nan, -0.0, 0.0, 3e38])
def test_values_that_are_not_finite_and_zeros_of_either_sign(value):
    graph, theta, constants = network("two cores left, same factors right")
    theta[::7] = value
    batch, probes, loss = batch_for(graph, 5), every_entry(graph), get_loss("mse")
    with np.errstate(all="ignore"):
        expected, _ = ReferenceEngine(exact=True, cache_bytes=0).evaluate(graph, theta, constants, batch, loss, probes)
        for engine in (ReferenceEngine(exact=True), CompiledEngine()):
            values, _ = engine.evaluate(graph, theta, constants, batch, loss, probes)
            assert np.array_equal(values, expected, equal_nan=True)


MODEL = bf.Sequential(12, [bf.TTLinear((3, 4), (4, 2), rank=3), bf.ReLU(), bf.TTLinear((4, 2), (3, 1), rank=2)], seed=2)
ESTIMATORS = [
    bf.CGE(), bf.CGE(two_sided=False), bf.CGE(0.3), bf.CGE(0.3, two_sided=False, mask_refresh=2),
    bf.CGE(0.2, order="cyclic"), bf.CGE(0.4, ratios="uniform"), bf.CGE(0.4, ratios=(1, 1, 0.1, 1, 0.5, 1)),
    bf.Hybrid(40), bf.RGE(4, grouping="tensor"), bf.RGE(4, grouping="layer"), bf.CoordinateDescent(0.2),
]  # fmt: skip


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_training_ends_at_the_same_bits(estimator):
    x, y = floats(1, 40, 12), np.arange(40) % 3
    runs = [
        bf.train(MODEL, (x, y), estimator=estimator, update=bf.SGD(1.0), batch_size=20, max_steps=4, engine=engine)
        for engine in (CompiledEngine(cache_bytes=0), CompiledEngine(), ReferenceEngine(exact=True))
    ]
    assert len({run.model.hash for run in runs}) == 1
    assert runs[1].forwards == runs[2].forwards <= runs[0].forwards
    if isinstance(estimator, bf.CGE):
        assert runs[1].forwards < 0.4 * runs[0].forwards


# ---- What a ripple reaches, and what it costs ----


def reached(ripples, graph, theta, constants, element):
    """Which elements of every tensor depend on an element of theta: a NaN there spreads through all sums, zeros too."""
    moved, x = theta.astype(float), np.ones((graph.input.size, 1))
    moved[element] = np.nan
    tensors = run_stages(Fast, graph, ripples.stages, moved, constants.astype(float), x)
    return {number: np.isnan(values[:, 0]) for number, values in tensors.items()}


def slab_mask(size, slab, place):
    mask = np.zeros(size, bool)
    before, middle, after, _ = slab
    mask[: before * middle * after].reshape(before, middle, after)[:, slab.at(place)] = True
    return mask


@pytest.mark.parametrize("name", NETWORKS)
def test_a_ripple_holds_all_that_an_entry_reaches(name):
    graph, theta, constants = network(name)
    ripples = Ripples(graph)
    numbers = ripples.slices(every_entry(graph).table[1 : graph.n_theta + 1])
    needless = 0
    for element, number in enumerate(numbers.tolist()):
        if number < 0:  # an entry of a parameter that no contraction is made of
            continue
        place, found = int(ripples.packing.places[element]), reached(ripples, graph, theta, constants, element)
        held = {ripples.stages[s.stage].output: slab_mask(len(found[ripples.stages[s.stage].output]), s.slab, place)
                for s in ripples.of_slice[number].steps}  # fmt: skip
        for tensor, mask in found.items():
            assert not (mask & ~held.get(tensor, np.zeros_like(mask))).any()
            needless += int((held.get(tensor, mask) & ~mask).sum())
    if "same factors" in name or name == "dense":
        assert needless == 0


def published():
    first, second = bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6), bf.TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6)
    return bf.Sequential(784, [first, bf.ReLU(), second])


def test_the_published_network_by_hand():
    """784-1024-10, from the left and from the right: a probe of each core in multiply-accumulates, and all of them."""
    graph = published().graph
    first = [7 * 48 * 112, 8 * 24 * 24 * 28, 32 * 24 * 24 * 7, 128 * 42 * 8]  # by core, from the left
    second = [128 * 8 * 6, 32 * 24 * 12, 8 * 24 * 30 * 2, 48 * 10]  # from the right: by cores 3, 2, 1, 0
    plain = sum(first) + sum(second)
    assert plain == graph_macs(graph) == 366_048
    own = {  # an entry of a core: its row of the matrix; then a share of each of the others
        "tt_linear1.core0": 7 * 112 + sum(first[1:]) // 8 + sum(second[:3]) // 8 + 480,
        "tt_linear1.core1": 8 * 24 * 28 + (first[2] + first[3]) // 4 + (second[0] + second[1]) // 4 + second[2] + 480,
        "tt_linear1.core2": 32 * 24 * 7 + first[3] // 4 + second[0] // 4 + second[1] + second[2] + 480,
        "tt_linear1.core3": 128 * 42 + sum(second),
        "tt_linear1.bias": 42 + 8 * 6 + 24 * 12 + 24 * 30 * 2 + 480,
        "tt_linear3.core3": 128 * 8 + second[1] + second[2] + 480,
        "tt_linear3.core2": 32 * 24 + (second[2] + 480) // 2,
        "tt_linear3.core1": 8 * 24 * 2 + 480 // 5,
        "tt_linear3.core0": 480,
        "tt_linear3.bias": 48,
    }
    ripples = Ripples(graph)
    assert {graph.slices[k].name: ripple.macs for k, ripple in ripples.of_slice.items()} == own
    total = plain + sum(part.size * own[part.name] for part in graph.slices)
    assert bf.CGE(two_sided=False).forwards(graph, 100) == round(100 * total / plain) == 24_776
    assert bf.CGE().forwards(graph, 1) == round((2 * total - plain) / plain) == 495
    for engine in (ReferenceEngine(), CompiledEngine()):
        trainer = bf.Trainer(graph, np.zeros(0, np.float32), "cross_entropy", bf.CGE(), bf.SGD(), batch_size=8)
        assert trainer.cost(engine, 0) == round(8 * (2 * total - plain) / plain)


def test_slabs_by_hand():
    slab = Slab(2, 3, 4)  # elements (b, k, a) of 24
    assert [slab.at(k) for k in (0, 1, 2, 4)] == [0, 1, 2, 1]
    assert slab.quotients(2) == Slab(2, 3, 2) and slab.quotients(12)[:3] == (2, 1, 1)
    assert slab.quotients(4) == Slab(2, 3, 1) and slab.quotients(8) == whole(3)
    assert slab.remainders(12) == Slab(1, 3, 4) and slab.remainders(4) == whole(4)
    assert slab.remainders(24) == slab and slab.remainders(8) == whole(8)
    one = Slab(1, 24, 1)
    assert one.quotients(6) == Slab(1, 4, 1, 6) and one.remainders(6) == Slab(1, 6, 1)
    assert one.quotients(6).at(17) == 2 and one.remainders(6).at(17) == 5
    assert slab.within(36) == Slab(3, 3, 4) and slab.within(30) == whole(30)


def test_where_not_everything_fits_whole_nodes_run():
    graph, theta, constants = network("four cores left, same factors right")
    probes, loss, batch = every_entry(graph), get_loss("mse"), batch_for(graph, 4)
    needed = 4 * 4 * Ripples(graph).floats
    expected, most = ReferenceEngine(exact=True, cache_bytes=0).evaluate(graph, theta, constants, batch, loss, probes)
    costs = []
    for cap in (needed - 1, needed):
        engine = ReferenceEngine(exact=True, cache_bytes=cap)
        values, cost = engine.evaluate(graph, theta, constants, batch, loss, probes)
        assert_same_bits(values, expected)
        assert engine.cache.choose(graph, probes, 4)[0].ripples == (cap == needed)
        costs.append(cost)
    assert most > costs[0] > 2 * costs[1]


def test_a_single_probe_is_a_single_pass():
    graph, theta, constants = network("dense")
    engine, batch = CompiledEngine(), batch_for(graph, 4)
    one = Probes(every_entry(graph).table[1:2])
    _, cost = engine.evaluate(graph, theta, constants, batch, get_loss("mse"), one)
    assert cost == 4 and not engine.cache.choose(graph, one, 4)[0].ripples


def test_an_elementwise_op_with_parameters_runs_whole():
    """What it makes of an element may depend on where that is."""
    row = elementwise_op(
        "gains", lambda site, arithmetic, parameters, inputs: inputs[0] * parameters[0][:, None],
        derivative=lambda site, arithmetic, x, y: np.ones_like(x),
        parameters=Parameters(lambda site: [("g", site.shape)], lambda site, draw, gain: [np.ones(site.shape, "f4")]),
    )  # fmt: skip

    class Gains:
        def node(self, shape):
            return row, {}

    graph = bf.Sequential(5, [bf.Linear(4), Gains(), bf.Linear(3)]).graph
    theta = floats(3, graph.n_theta)
    values = [
        ReferenceEngine(exact=True, cache_bytes=cap).evaluate(
            graph, theta, np.zeros(0, np.float32), batch_for(graph, 4), get_loss("mse"), every_entry(graph)
        )
        for cap in (0, 2**26)
    ]
    assert_same_bits(values[0][0], values[1][0])
    assert values[1][1] < values[0][1]


def test_more_models_than_an_engine_remembers_keep_their_own_constants():
    """Tables of ripples belong to their model, which may be forgotten and made again."""
    engine, cases = CompiledEngine(), []
    for k in range(12):
        rows = [("parameter", "p", [], {"shape": [4]}), ("add", "s", ["input", "p"], {}), linear("a", "s", 2 + k)]
        graph = assemble([4], rows, frozen=["p.value"])
        cases.append((graph, floats(k, graph.n_theta), floats(k + 1, 4)))
    for scale in (1, 3):
        for graph, theta, constants in [*cases, cases[0], cases[5]]:
            given = graph, theta, constants * np.float32(scale), batch_for(graph, 3), get_loss("mse")
            given = *given, every_entry(graph)
            assert_same_bits(engine.evaluate(*given)[0], CompiledEngine(cache_bytes=0).evaluate(*given)[0])
