"""Groups that begin and end inside slices, rows, cores, random blocks and words: all engines and C's loop agree.

No grouping of ours makes such groups; the test cuts theta by itself, in NumPy by `Graph.groups`, in C by the `group`
of an estimator's row.
"""

import numpy as np
import pytest
from helpers import ENGINES, assert_loops_agree, assert_same_bits, device_loop, floats, make_engine, show

import bpfree as bf
from bpfree import native
from bpfree.directions import RANDOM
from bpfree.engines.batch import Batch
from bpfree.graph import Graph
from bpfree.graph.layers import assemble, initial_parameters
from bpfree.native.model import NativeModel

N = 8
X, LABELS = floats(1, N, 11), np.arange(N).astype(np.uint32) % 3


def network(frozen=()):
    """Trains swept from both ends, the second kept whole; dense rows shorter and longer than a word; biases."""
    left = {"inputs": [3, 4], "outputs": [4, 5], "ranks": [1, 3, 1], "start": "left", "bias": True}
    right = {"inputs": [4, 5], "outputs": [3, 2], "ranks": [1, 2, 1], "start": "right", "bias": False}
    rows = [
        ("tt_linear", "left", ["input"], left),
        ("tanh", "act", ["left"], {}),
        ("tt_linear", "right", ["act"], right),
        ("linear", "wide", ["right"], {"outputs": 37, "bias": True}),
        ("tanh", "act2", ["wide"], {}),
        ("linear", "head", ["act2"], {"outputs": 3, "bias": True}),
    ]
    graph = assemble([11], rows, frozen=frozen)
    theta, constants = initial_parameters(graph, seed=5)
    return graph, theta + floats(9, theta.size, scale=0.1), constants


def cuts_of(d):
    """Groups of one element, of a few, over several slices; together all of theta."""
    edges = [0, 5, 17, 18, 49, 81, 164, 165, 229, 300, d - 40, d - 2, d]
    return [range(a, b) for a, b in zip(edges, edges[1:])]


@pytest.fixture
def cut(monkeypatch):
    """RGE by tensor has these groups instead, in NumPy and in C."""
    ffi, lib = native.core().ffi, native.core().lib

    @ffi.callback("int(bpfree_trainer *, uint32_t, uint32_t *, uint32_t *)")
    def group(trainer, number, first, count):
        cuts = cuts_of(trainer.model.n_theta)
        if number >= len(cuts):
            return lib.BPFREE_ERR_ARG
        first[0], count[0] = cuts[number].start, len(cuts[number])
        return 0

    made = {}

    def row(self, number):
        own = made.setdefault(number, ffi.new("bpfree_estimator *", lib.bpfree_registry_estimator(number)[0]))
        own.group = group
        return own

    monkeypatch.setattr(NativeModel, "estimator", row)
    monkeypatch.setattr(Graph, "groups", lambda self, grouping: cuts_of(self.n_theta))


@pytest.mark.parametrize("frozen", [(), ("left.core0", "wide.bias")], ids=["trained", "frozen"])
@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("q", [1, 3])
@pytest.mark.parametrize("direction", RANDOM)
def test_a_run_has_the_same_bits_everywhere(cut, direction, q, two_sided, frozen):
    graph, theta, constants = network(frozen)
    estimator = bf.RGE(q, mu=0.02, two_sided=two_sided, grouping="tensor", direction=direction)
    trainer = bf.Trainer(graph, constants, "cross_entropy", estimator, bf.SGD(0.1), batch_size=4, seed=3)
    assert trainer.record_shape == (12, q) and device_loop(trainer, X, LABELS).n_groups == 12
    assert_loops_agree(trainer, theta, X, LABELS, steps=3)


@pytest.mark.parametrize(
    "update",
    [
        bf.chain(bf.clip(0.05), bf.WeightDecay(0.01), bf.Adam(0.02)),
        bf.chain(bf.clip(0.5), bf.WindowMomentum(0.1, window=2), bf.Normalize()),
    ],
    ids=show,
)
@pytest.mark.parametrize("direction", RANDOM)
def test_updates_with_state_do_too(cut, direction, update):
    graph, theta, constants = network()
    estimator = bf.RGE(2, mu=0.02, grouping="tensor", direction=direction)
    trainer = bf.Trainer(graph, constants, "cross_entropy", estimator, update, batch_size=4, seed=3)
    loop, device = device_loop(trainer, X, LABELS), theta
    runs = {name: (make_engine(name), theta, trainer.initial_state(theta)) for name in ENGINES}
    for step in range(4):
        device = loop.step(device, step)
        batch = Batch(X, LABELS).take(trainer.indices(step, N))
        for name, (engine, at, state) in runs.items():
            record = trainer.estimate(engine, at, batch, step).coefficients
            assert_same_bits(loop.coefficients.reshape(record.shape), record)
            runs[name] = engine, *engine.apply(trainer, at, state, step, record)
            assert_same_bits(runs[name][1], device)
    assert_same_bits(loop.state, np.concatenate(runs["exact"][2]))


def test_a_group_moves_its_own_elements_and_no_others(cut):
    graph, theta, constants = network()
    estimator = bf.RGE(2, mu=0.02, grouping="tensor")
    trainer = bf.Trainer(graph, constants, "cross_entropy", estimator, bf.SGD(0.1), batch_size=N, seed=3)
    for number, group in enumerate(cuts_of(theta.size)):
        record = np.zeros((12, 2), np.float32)
        record[number] = 0.5, -0.25
        for name in ENGINES:
            moved, _ = make_engine(name).apply(trainer, theta, [], 0, record)
            assert np.flatnonzero(moved != theta).tolist() == list(group)
