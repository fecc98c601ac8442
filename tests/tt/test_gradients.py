"""Gradients of tensor-train cores by partial sweeps: against numeric derivatives and a dense W, and their memory."""

import tracemalloc
from math import prod

import numpy as np
import pytest
from helpers import ISAS, assert_same_bits, floats
from tensorly.tt_matrix import TTMatrix

import bpfree as bf
from bpfree.arithmetic import Exact, Fast
from bpfree.engines import Batch, CompiledEngine, ReferenceEngine
from bpfree.ops import OPS
from bpfree.tt.shapes import TTShape

TT = OPS["tt_linear"]
SHAPES = [
    TTShape((5,), (3,), (1, 1)),
    TTShape((2, 3), (4, 5), (1, 3, 1)),
    TTShape((4, 1, 3), (1, 6, 2), (1, 2, 5, 1)),
    TTShape((2, 3, 2, 2), (3, 2, 2, 1), (1, 2, 4, 3, 1)),
    TTShape((2,) * 8, (2,) * 8, (1, *(2,) * 7, 1)),
]
N = 6


def case(shape, start, missing=0, bias=True, dtype=float):
    attributes = {"inputs": list(shape.inputs), "outputs": list(shape.outputs), "ranks": list(shape.ranks)}
    site = TT.site(attributes | {"start": start, "bias": bias}, [(max(1, prod(shape.inputs) - missing),)])
    parameters = [floats(k, *size).astype(dtype) for k, (_, size) in enumerate(TT.parameters.rows(site))]
    return site, parameters, floats(8, site.features, N).astype(dtype), floats(9, site.outputs, N).astype(dtype)


def gradients(site, arithmetic, parameters, x, delta):
    _, met = TT.layer.partials(site, arithmetic, parameters, (x,))
    return TT.layer.project(site, arithmetic, parameters, met, delta)


@pytest.mark.parametrize("start", ["left", "right"])
@pytest.mark.parametrize("missing", [0, 1])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_against_the_gradient_of_a_dense_w(shape, start, missing):
    """dL/dG_k, element by element: W's derivative by it is W with that core replaced by a unit, from TensorLy."""
    site, parameters, x, delta = case(shape, start, missing)
    of_w, cores = x @ delta.T, parameters[:-1]
    found = gradients(site, Fast, parameters, x, delta)
    np.testing.assert_allclose(found[-1], delta.sum(axis=1), rtol=1e-12)
    for k, core in enumerate(cores):
        assert found[k].shape == core.shape
        for element in np.random.default_rng(k).choice(core.size, min(core.size, 12), replace=False):
            unit = np.zeros(core.size)
            unit[element] = 1.0
            moved = np.asarray(TTMatrix([*cores[:k], unit.reshape(core.shape), *cores[k + 1 :]]).to_matrix())
            assert found[k].flat[element] == pytest.approx((moved[: len(of_w)] * of_w).sum(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("start", ["left", "right"])
@pytest.mark.parametrize("bias", [True, False])
def test_against_numeric_derivatives(start, bias):
    site, parameters, x, delta = case(SHAPES[3], start, 1, bias)
    found = gradients(site, Fast, parameters, x, delta)
    for parameter, gradient in zip(parameters, found, strict=True):
        for element in range(parameter.size):
            kept, values = parameter.flat[element], []
            for step in (0.5, -0.5):  # y is linear in each element: the difference is exact
                parameter.flat[element] = kept + step
                values.append((TT.forward(site, Fast, parameters, (x,)) * delta).sum())
            parameter.flat[element] = kept
            assert gradient.flat[element] == pytest.approx(values[0] - values[1], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("start", ["left", "right"])
@pytest.mark.parametrize("isa", ISAS)
def test_exact_and_compiled_have_the_same_bits(isa, start):
    arithmetic = CompiledEngine(isa).arithmetic
    for shape in SHAPES:
        site, parameters, x, delta = case(shape, start, 1, dtype=np.float32)
        expected = gradients(site, Exact, parameters, x, delta)
        for own, other in zip(gradients(site, arithmetic, parameters, x, delta), expected, strict=True):
            assert_same_bits(own, other)


LARGE = bf.Sequential(
    10_000,
    [bf.TTLinear((10,) * 4, (10,) * 4, rank=2), bf.Tanh(), bf.TTLinear((10,) * 4, (1, 5, 2, 1), rank=2)],
)


@pytest.mark.parametrize("estimator", [bf.UnitWise(), bf.NodePerturbation()], ids=lambda e: e.row.name)
@pytest.mark.parametrize("engine", [CompiledEngine, ReferenceEngine])
def test_ten_thousand_by_ten_thousand_needs_no_dense_matrix(estimator, engine):
    """W would take 400 MB; a pass that keeps its partial contractions takes some 8 MB for 8 samples."""
    n, own = 8, engine()
    assert LARGE.graph.n_theta == 11_530
    trainer = bf.Trainer(LARGE.graph, LARGE.frozen, "cross_entropy", estimator, bf.SGD(), batch_size=n)
    batch = Batch(floats(1, n, 10_000), labels=np.arange(n, dtype=np.uint32))
    tracemalloc.start()
    estimate = trainer.estimate(own, LARGE.theta, batch, step=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert estimate.finite and peak < 40e6
    assert estimate.forwards / n < 5


def test_the_cost_by_hand():
    """784-1024 from the left: a core's products in the pass, in the gradient, and but for the first on the way back."""
    graph = bf.Sequential(784, [bf.TTLinear((7, 4, 4, 7), (8, 4, 4, 8), rank=6)]).graph
    macs = [7 * 48 * 112, 8 * 24 * 24 * 28, 32 * 24 * 24 * 7, 128 * 42 * 8]
    assert TT.layer.project_macs(graph.nodes[0].site) == (sum(macs) + sum(macs[1:]), 0)
    spent = 2 * sum(macs) + sum(macs[1:])
    assert bf.UnitWise().forwards(graph, 100) == -(-100 * spent // sum(macs)) == 289
