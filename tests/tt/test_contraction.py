"""Tensor-train layers against dense weights built by TensorLy, and their cost against loops that count."""

import tracemalloc
from itertools import product
from math import prod

import numpy as np
import pytest
from helpers import ENGINES, floats, make_engine, single_op
from tensorly.tt_matrix import TTMatrix

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.ops import OPS
from bpfree.tt.cores import squared_norm
from bpfree.tt.shapes import TTShape, plan_shape, uniform_ranks

NO_CONSTANTS = np.zeros(0, np.float32)
TT = OPS["tt_linear"]
SHAPES = [
    TTShape((5,), (3,), (1, 1)),
    TTShape((2, 3), (4, 5), (1, 3, 1)),
    TTShape((4, 1, 3), (1, 6, 2), (1, 2, 5, 1)),
    TTShape((2, 3, 2, 2), (3, 2, 2, 1), (1, 2, 4, 3, 1)),
    TTShape((1, 7, 2), (1, 1, 9), (1, 1, 2, 1)),
    TTShape((2, 2, 2, 2, 2), (2, 1, 2, 1, 2), (1, 2, 3, 2, 2, 1)),
    TTShape((2,) * 8, (2,) * 8, (1, *(2,) * 7, 1)),
    TTShape((3, 4), (2, 2), (1, 6, 1)),
]


def random_cores(shape, seed=0, dtype=np.float64):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=core).astype(dtype) for core in shape.cores]


def layer(shape, start, features=None, bias=True):
    attributes = {"inputs": list(shape.inputs), "outputs": list(shape.outputs), "ranks": list(shape.ranks)}
    attributes |= {"start": start, "bias": bias}
    return single_op("tt_linear", attributes, ((features or prod(shape.inputs),),))


def counted(shape):
    """Return the multiply-accumulates and intermediate sizes of a left-to-right sweep, by visiting every product.

    The state before core k is indexed by the outputs so far, one rank and the remaining inputs.
    """
    macs, sizes = 0, []
    for k, (r0, _, _, r1) in enumerate(shape.cores):
        outputs = [range(o) for o in shape.outputs[: k + 1]]
        rest = [range(i) for i in shape.inputs[k + 1 :]]
        results = sum(1 for _ in product(*outputs, range(r1), *rest))
        sizes.append(results)
        macs += results * sum(1 for _ in product(range(r0), range(shape.inputs[k])))
    return macs, sizes[:-1]


@pytest.mark.parametrize("start", ["left", "right"])
@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_contraction_in_float64(shape, start, missing):
    features = max(1, prod(shape.inputs) - missing)
    graph = layer(shape, start, features)
    cores, bias = random_cores(shape), floats(1, prod(shape.outputs)).astype(float)
    theta = np.concatenate([core.ravel() for core in cores] + [bias])
    x = floats(2, 9, features)
    dense = np.asarray(TTMatrix(cores).to_matrix())
    y = ReferenceEngine(dtype=np.float64).predict(graph, theta, NO_CONSTANTS, x)
    assert np.allclose(y, x @ dense[:features] + bias, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("start", ["left", "right"])
@pytest.mark.parametrize("engine", ENGINES)
def test_contraction_in_float32(engine, start):
    for shape in SHAPES:
        features = max(1, prod(shape.inputs) - 1)
        cores = random_cores(shape, dtype=np.float32)
        theta = np.concatenate([core.ravel() for core in cores])
        x = floats(2, 3, features)
        expected = x.astype(float) @ np.asarray(TTMatrix(cores).to_matrix(), float)[:features]
        y = make_engine(engine).predict(layer(shape, start, features, bias=False), theta, NO_CONSTANTS, x)
        assert np.abs(y - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("start", ["left", "right"])
def test_a_plain_pass_holds_two_intermediates_at_a_time(start):
    """Behind the first core each one has four times the elements of x: all five at once would be 20 of it."""
    shape = TTShape((4,) * 6, (4,) * 6, uniform_ranks((4,) * 6, (4,) * 6, 4))
    graph, x = layer(shape, start), np.ones((100, 4**6), np.float32)
    theta, engine = np.ones(graph.n_theta, np.float32), ReferenceEngine()
    engine.predict(graph, theta, NO_CONSTANTS, x[:1])
    tracemalloc.start()
    engine.predict(graph, theta, NO_CONSTANTS, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * x.nbytes


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_costs_are_counted_right(shape):
    for start, one in (("left", shape), ("right", shape.reversed())):
        macs, sizes = counted(one)
        assert one.sweep_macs() == macs
        assert TT.macs(layer(shape, start).nodes[0].site) == macs
        # finishing one value of the first output index at a time divides every intermediate by their number
        sliced = [size // one.outputs[0] for size in sizes]
        assert one.sweep_buffers() == (max(sliced[0::2], default=0), max(sliced[1::2], default=0))
    plan = shape.cheaper_sweep()
    assert plan.macs == min(shape.sweep_macs(), shape.reversed().sweep_macs())
    assert plan.macs == (shape if plan.start == "left" else shape.reversed()).sweep_macs()


def published(rank):
    return TTShape((7, 4, 4, 7), (8, 4, 4, 8), uniform_ranks((7, 4, 4, 7), (8, 4, 4, 8), rank))


def test_published_numbers():
    # 784 x 1024, rank 4: the order of the factors decides how much the two sweeps differ
    lopsided = TTShape((4, 7, 4, 7), (4, 4, 8, 8), (1, 4, 4, 4, 1))
    assert (lopsided.sweep_macs(), lopsided.reversed().sweep_macs()) == (148_736, 270_848)
    assert (lopsided.cheaper_sweep().start, lopsided.reversed().cheaper_sweep().start) == ("left", "right")
    assert (
        published(4).sweep_macs() == published(4).reversed().sweep_macs() == 168_448
    )  # reads the same backwards
    six = published(6)
    site = layer(six, six.cheaper_sweep().start).nodes[0].site
    first, second = (six if six.cheaper_sweep().start == "left" else six.reversed()).sweep_buffers()
    assert first + second == 1344
    assert TT.kernel.scratch(site)[1] == max(prod(core) for core in six.cores) == 6 * 4 * 4 * 6


def test_the_mnist_network():
    model = bf.Sequential(
        784,
        [
            bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6),
            bf.ReLU(),
            bf.TTLinear((8, 4, 4, 8), (1, 5, 2, 1), rank=6),
        ],
    )
    assert model.graph.n_theta == 3962
    assert bf.Sequential(784, [bf.Linear(1024), bf.ReLU(), bf.Linear(10)]).graph.n_theta == 814_090
    assert model.macs == sum(
        min(s.sweep_macs(), s.reversed().sweep_macs())
        for s in (published(6), TTShape((8, 4, 4, 8), (1, 5, 2, 1), (1, 6, 6, 6, 1)))
    )


def test_planned_layers_compute_their_weights():
    model = bf.Sequential(48, [bf.TTLinear(30, rank=3)], seed=4)
    shape = plan_shape(48, 30, 3)
    cores = [model.parameters()[f"tt_linear1.core{k}"] for k in range(len(shape.cores))]
    x = floats(0, 5, 48)
    expected = x @ np.asarray(TTMatrix(cores).to_matrix())
    assert np.allclose(model.predict(x, "exact"), expected, rtol=1e-4, atol=1e-5)
    assert squared_norm(cores) / (48 * 30) == pytest.approx(1 / 48, rel=1e-5)
