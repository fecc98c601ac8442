"""Feature reuse: the bits of the plain evaluation whatever is kept, and a cost that is what was really spent."""

import pickle
from collections import Counter
from functools import cache

import numpy as np
import pytest
from helpers import ENGINES, ESTIMATOR_SETTINGS, ISAS, assert_same_bits, floats, show
from random_graphs import random_graph

import bpfree as bf
from bpfree.arithmetic import Fast
from bpfree.directions import DIRECTIONS, RANDOM
from bpfree.engines import Batch, CompiledEngine, ReferenceEngine, reference, stage_runs
from bpfree.engines.cost import cost_of, graph_macs, node_macs
from bpfree.engines.probes import Probe, Probes, pack, probe_rows
from bpfree.engines.reuse import Flow, Moved, members
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.losses import get_loss

TRAINABLE = [seed for seed in range(150) if random_graph(seed).n_theta]
CAPS = (0, 300, 3000, 20_000, 64 * 2**20)
"""Bytes: of nothing, of a few tensors of a few samples, of everything."""


def make(name, cache_bytes):
    if name in ("exact", "reference"):
        return ReferenceEngine(exact=name == "exact", cache_bytes=cache_bytes)
    return CompiledEngine(name.removeprefix("compiled-"), cache_bytes=cache_bytes)


def probes_of(graph, seed=3):
    """theta itself, coordinates up and down in a mixed order, and directions over ranges of slices and any others."""
    r = np.random.default_rng(seed)
    elements = r.integers(0, graph.n_theta, 12)
    coordinates = probe_rows(12, "coordinate", seed, 1, element=elements, mu=r.choice([0.25, -0.25], 12))
    edges = np.cumsum([0, *(part.size for part in graph.slices if not part.frozen)])
    ranges = [(a, b - a) for a in edges for b in edges if a < b]
    ranges = [ranges[k] for k in r.permutation(len(ranges))[:8]]
    ranges += [(a, int(r.integers(1, graph.n_theta - a + 1))) for a in r.integers(0, graph.n_theta, 4).tolist()]
    columns = {"first": [a for a, _ in ranges], "count": [n for _, n in ranges], "mu": 0.125}
    directions = [probe_rows(len(ranges), d, seed, 2, np.arange(len(ranges)), **columns) for d in RANDOM]
    table = np.concatenate([probe_rows(2, "rademacher", seed, 0), coordinates, *directions])
    return Probes(table[r.permutation(len(table))])


def linear(name, source, outputs):
    return ("linear", name, [source], {"outputs": outputs, "bias": True})


BY_HAND = {
    "second input changes": [
        linear("a", "input", 6), linear("b", "a", 6), ("add", "c", ["a", "b"], {}), linear("d", "c", 2),
    ],
    "diamond": [
        linear("a", "input", 5), ("tanh", "t", ["a"], {}), linear("b", "t", 4), linear("c", "t", 4),
        ("add", "d", ["b", "c"], {}), ("add", "e", ["d", "b"], {}), linear("f", "e", 3),
    ],
    "dead end": [linear("a", "input", 5), linear("b", "a", 4), linear("unread", "a", 3), linear("c", "a", 2)],
}  # fmt: skip
GRAPHS = {f"random{seed}": random_graph(seed) for seed in TRAINABLE}
GRAPHS |= {name: assemble([6], rows) for name, rows in BY_HAND.items()}
NAMES = list(GRAPHS)


@cache
def case(name, n):
    graph, seed = GRAPHS[name], NAMES.index(name)
    theta, frozen = initial_parameters(graph, seed)
    theta = theta + floats(seed, graph.n_theta, scale=0.1)  # biases that are not zero
    batch = Batch(floats(seed + 1, n, graph.input.size), targets=floats(seed + 2, n, graph.output.size))
    return graph, theta, frozen, batch


@cache
def expected_of(name, n, k, engine):
    """Losses of a case from a plain evaluation, which all engines are compared with."""
    graph, *given = case(name, n)
    return plain(make(engine, 0), graph, *given, probes_of(graph, k))


def plain(engine, graph, theta, frozen, batch, probes):
    """Losses of every probe from a call of its own."""
    loss = get_loss("mse")
    return np.concatenate([engine.evaluate(graph, theta, frozen, batch, loss, [probe])[0] for probe in probes])


@pytest.mark.parametrize("k", [*range(0, len(TRAINABLE), 3), *range(len(TRAINABLE), len(NAMES))], ids=NAMES.__getitem__)
@pytest.mark.parametrize("name", ENGINES)
def test_bits_of_the_plain_evaluation_on_any_graph(name, k):
    graph, theta, frozen, batch = case(NAMES[k], n := (1, 5, 40, 130)[k % 4])
    probes = probes_of(graph, k)
    expected = expected_of(NAMES[k], n, k, "exact" if n == 1 else "compiled-scalar")
    before = theta.copy()
    for cap in CAPS:
        values, _ = make(name, cap).evaluate(graph, theta, frozen, batch, get_loss("mse"), probes)
        assert_same_bits(values, expected)
    assert_same_bits(theta, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*NAMES[1::10], *BY_HAND])
def test_the_fast_reference_differs_by_what_blas_rounds(dtype, name):
    """Directions run whole nodes: the same bits. Of a part of a product BLAS may add in another order."""
    graph, theta, frozen, batch = case(name, 33)
    probes, loss = probes_of(graph), get_loss("mse")
    expected = plain(ReferenceEngine(dtype=dtype, cache_bytes=0), graph, theta, frozen, batch, probes)
    for cap in CAPS:
        values, _ = ReferenceEngine(dtype=dtype, cache_bytes=cap).evaluate(graph, theta, frozen, batch, loss, probes)
        assert values.dtype == dtype
        whole = probes.table["direction"] != DIRECTIONS["coordinate"].number
        assert np.array_equal(values[whole], expected[whole])
        np.testing.assert_allclose(values, expected, rtol=64 * np.finfo(dtype).eps)


# ---- What it costs ----


@pytest.fixture
def spent(monkeypatch):
    """Counts the multiply-accumulates that the reference engine really makes, for all samples.

    Of a node all of them by its own count, in proportion where it computes a part; of a
    contraction outside of a node those of the products that it asks the arithmetic for.
    """
    made, inside = Counter(), []
    run, contract = reference.run_node, Fast.contract

    def running(arithmetic, node, parameters, look_up, n):
        inside.append(node)
        y = run(arithmetic, node, parameters, look_up, n)
        inside.pop()
        made["macs"] += node.op.macs(node.site) * y.size / node.site.outputs
        return y

    def contracting(a, x, *others, **more):
        made["macs"] += 0 if inside else a.size * x.shape[0] * x.shape[2]
        return contract(a, x, *others, **more)

    def of(graph, call):
        made.clear()
        call()
        return made["macs"]

    monkeypatch.setattr(reference, "run_node", running)
    monkeypatch.setattr(stage_runs, "run_node", running)
    monkeypatch.setattr(Fast, "contract", contracting)
    return of


@pytest.mark.parametrize("cap", CAPS)
@pytest.mark.parametrize("name", [*NAMES[::4], *BY_HAND])
def test_forwards_are_the_macs_that_were_made(spent, name, cap):
    graph, theta, frozen, batch = case(name, 7)
    probes, engine = probes_of(graph), make("reference", cap)
    told = []
    macs = spent(graph, lambda: told.append(engine.evaluate(graph, theta, frozen, batch, get_loss("mse"), probes)[1]))
    (told,) = told
    assert told == (round(macs / graph_macs(graph)) if any(node_macs(graph)) else 7 * len(probes))
    assert told <= 7 * len(probes)
    other = make("reference", cap)
    assert cost_of(other, graph, probes, 7) == told, "what is said before is what is spent"
    _, listed = other.evaluate(graph, theta, frozen, batch, get_loss("mse"), list(probes))
    assert listed == told, "Probes and a list of Probe are the same to an engine"


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=NAMES)
def test_what_a_probe_changes_is_what_it_moves_and_what_that_feeds(graph):
    flow = Flow(graph)
    for probe in probes_of(graph):
        moved = range(probe.first, probe.first + probe.count)
        moved = {probe.element} if probe.direction == "coordinate" else set(moved)
        trained = [(k, s) for k, s in enumerate(graph.slices) if not s.frozen]
        own = [k for k, s in trained if moved & set(range(graph.n_theta)[s.range])]
        reached, changed = set(), set()
        for k, node in enumerate(graph.nodes):
            if probe.mu and (reached & set(node.inputs) or set(own) & set(node.slices)):
                reached.add(node.output)
                changed.add(k)
        (own,) = flow.moves(pack([probe]))
        assert members(own.changed) == sorted(changed)
        assert flow.count(Probes(pack([probe])).table) == {own: 1}


def cheapest(flow, counts, room):
    """The least cost over every set of tensors that fits."""
    return min(flow.cost(counts, kept) for kept in range(1 << len(flow.sizes)) if flow.floats(kept) <= room)


def of_nodes(counts):
    """The same probes without their ripples."""
    found = Counter()
    for moved, n in counts.items():
        found[Moved(moved.changed)] += n
    return found


def test_cut_points_cost_the_least_that_fits():
    """Against every choice for whole nodes: the best where all fits, nearly always with less room."""
    worse = []
    for graph in GRAPHS.values():
        flow, counts = Flow(graph), of_nodes(Flow(graph).count(probes_of(graph).table))
        everything = sum(flow.sizes)
        assert flow.choose(counts, everything).macs == cheapest(flow, counts, everything)
        for share in (0.1, 0.3, 0.6):
            room = int(share * everything)
            kept = flow.choose(counts, room)
            assert flow.floats(kept.tensors) <= room and kept.macs == flow.cost(counts, kept.tensors)
            best = cheapest(flow, counts, room)
            assert best <= kept.macs <= flow.cost(counts, 0) and kept.macs <= 1.1 * best
            worse.append(kept.macs > best)
    assert np.mean(worse) < 0.02


def test_cut_points_of_a_chain_by_hand():
    """Four equal layers, probes in the last three: one tensor is best kept in the middle, weighed by the probes."""
    model = bf.Sequential(8, [bf.Linear(8, bias=False) for _ in range(4)])
    flow = Flow(model.graph)
    for probes, tensors, macs in (
        ({2: 10, 3: 10, 4: 10}, 0b010, 2 + 10 * (4 + 2 + 2)),
        ({2: 1, 3: 1, 4: 10}, 0b100, 3 + 4 + 4 + 10 * 1),
        ({2: 10, 3: 1, 4: 1}, 0b001, 1 + 10 * 3 + 3 + 3),
    ):
        counts = {Moved(flow.changed(64 * (layer - 1), 64)): n for layer, n in probes.items()}
        kept = flow.choose(counts, 8)
        assert (kept.tensors, kept.macs) == (tensors, 64 * macs)
    assert flow.choose(counts, 7).tensors == 0 and flow.choose(counts, 24).tensors == 0b111
    assert flow.choose({Moved(flow.changed(192, 64)): 1}, 24).tensors == 0, "one probe alone has nothing to share"


# ---- Training with it ----

MODELS = {
    "chain": bf.Sequential(9, [bf.Linear(7), bf.Tanh(), bf.TTLinear((2, 4), (3, 2), rank=2), bf.ReLU(), bf.Linear(3)]),
    "skips": bf.Sequential(9, [bf.Linear(6), bf.Residual(bf.Linear(6), bf.Sin(), bf.Linear(6)), bf.Linear(3)]),
}
ROWS = ("rge", "rge_gaussian", "rge_sphere", "rge_hadamard", "cge", "hybrid")
SETTINGS = [s for row in ROWS for s in ESTIMATOR_SETTINGS[row]]


@pytest.mark.parametrize("settings", SETTINGS, ids=show)
@pytest.mark.parametrize("name", MODELS)
def test_every_estimator_steps_to_the_same_bits(name, settings):
    model, x, y = MODELS[name], floats(1, 40, 9), np.arange(40) % 3
    widest, runs = f"compiled-{ISAS[-1]}", {}
    for engine, cap in ((widest, 0), (widest, 2000), (widest, 2**26), ("exact", 2**26)):
        given = {"estimator": settings, "update": bf.SGD(0.05), "batch_size": 20, "max_steps": 2}
        runs[engine, cap] = bf.train(model, (x, y), **given, engine=make(engine, cap))
    assert len({run.model.hash for run in runs.values()}) == 1
    plain, some, kept, exact = (run.forwards for run in runs.values())
    assert plain == runs["exact", 2**26].evaluations * 20 and plain >= some >= kept == exact
    if name == "chain" and getattr(settings, "grouping", "tensor") != "joint":
        assert kept < 0.95 * plain


@pytest.mark.parametrize("settings", SETTINGS, ids=show)
@pytest.mark.parametrize("name", MODELS)
def test_the_plan_is_what_is_spent_on_average(name, settings):
    graph = MODELS[name].graph
    trainer = bf.Trainer(graph, np.zeros(0, np.float32), "cross_entropy", settings, bf.SGD(), batch_size=20)
    engine = ReferenceEngine()
    costs = [trainer.cost(engine, step) for step in range(60)]
    if isinstance(settings, bf.CGE) and settings.fraction < 1:
        assert abs(np.mean(costs) - trainer.forwards) < 0.02 * trainer.forwards + 1
    else:
        assert set(costs) == {trainer.forwards}
    assert max(costs) <= trainer.evaluations * 20


def test_two_layers_by_hand():
    """64-32-10: an entry of the first layer has one unit of 64 MACs, and 320 behind it; of the second one of 32."""
    graph = bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)]).graph
    first, second = 64 * 32 + 32, 32 * 10 + 10
    macs = first * (64 + 320) + second * 32
    assert bf.CGE().forwards(graph, 32) == round((2368 + 2 * macs) * 32 / 2368)
    assert bf.CGE(two_sided=False).forwards(graph, 32) == round((2368 + macs) * 32 / 2368)
    assert bf.RGE(4, grouping="layer").forwards(graph, 1) == round((2048 + 8 * 2368 + 8 * 320) / 2368)
    assert bf.RGE(4).forwards(graph, 32) == 8 * 32


@pytest.mark.parametrize("most", [700, 5000.5, 20_000])
def test_a_budget_of_forwards_holds_where_steps_differ(most, tmp_path):
    """Never gone over, and not left before the next step would; resuming ends at the same step."""
    data, settings = (floats(1, 40, 9), np.arange(40) % 3), {"estimator": bf.CGE(0.07), "batch_size": 10, "seed": 4}
    run = bf.train(MODELS["chain"], data, **settings, max_forwards=most)
    costs = [run.trainer.cost(ReferenceEngine(), step) for step in range(run.steps + 1)]
    assert run.outcome_code == "budget" and len(set(costs)) > 1 or run.steps < 3
    assert run.forwards == sum(costs[:-1]) <= most < sum(costs)
    if run.steps > 1:
        again = {**settings, "checkpoint": tmp_path / "run.npz"}
        bf.train(MODELS["chain"], data, **again, max_steps=run.steps // 2)
        resumed = bf.train(MODELS["chain"], data, **again, max_forwards=most, resume=True)
        assert (resumed.model.hash, resumed.forwards, resumed.steps) == (run.model.hash, run.forwards, run.steps)


@pytest.mark.parametrize("n", [1, 20, 64, 300])
@pytest.mark.parametrize("isa", ISAS)
def test_the_cap_holds(isa, n):
    """The workspace grows by no more than the cap, and by something where a tile of something fits."""
    graph, theta, frozen, batch = case("diamond", n)
    sizes = []
    for cap in (0, 100, 1000, 5000, 30_000, 2**26):
        engine = CompiledEngine(isa, cache_bytes=cap)
        engine.evaluate(graph, theta, frozen, batch, get_loss("mse"), probes_of(graph))
        sizes.append(engine.model(graph, frozen).workspace_bytes)
        assert sizes[-1] - sizes[0] <= cap + 64  # to the end of a cache line
    # with room for ripples, which hold one tile, fewer tensors are kept for probes of whole nodes, which hold many
    assert sizes[-1] > sizes[0] and sizes[:4] == sorted(sizes[:4])
    tensors = sum(t.size for t in graph.tensors[1:])
    assert sizes[-1] - sizes[0] <= 4 * tensors * (n + 63)


@pytest.mark.parametrize("engine", [ReferenceEngine, CompiledEngine])
def test_the_cap_is_checked(engine):
    with pytest.raises(ValueError, match=r"cache_bytes: expected an integer >= 0, got -1"):
        engine(cache_bytes=-1)
    with pytest.raises(TypeError, match=r"cache_bytes: expected an integer >= 0, got 1.5"):
        engine(cache_bytes=1.5)


def test_a_probe_out_of_range_is_refused():
    graph, theta, frozen, batch = case("diamond", 5)
    bad = [Probe(0, 0, 0, 0.5, 0, 0, "coordinate", graph.n_theta)] * 2
    with pytest.raises(ValueError, match="out of range"):
        CompiledEngine().evaluate(graph, theta, frozen, batch, get_loss("mse"), bad)


@pytest.mark.parametrize("engine", ["exact", f"compiled-{ISAS[0]}"])
def test_a_used_engine_is_copied_with_its_cap(engine):
    graph, theta, frozen, batch = case("diamond", 20)
    used, probes = make(engine, 1000), probes_of(graph)
    engines = used, pickle.loads(pickle.dumps(used)), make(engine, 0)
    found = [one.evaluate(graph, theta, frozen, batch, get_loss("mse"), probes) for one in engines]
    (values, cost), (others, same), (_, most) = found
    assert cost == same < most
    assert_same_bits(others, values)
