"""Every operation: the compiled kernel gives the bits of the exact reference, and BLAS nearly the same."""

import numpy as np
import pytest
from helpers import ENGINES, assert_same_bits, device_loop, floats, make_engine, single_op

import bpfree as bf
from bpfree.engines import ReferenceEngine
from bpfree.ops import OPS
from bpfree.trainer import Trainer

NO_CONSTANTS = np.zeros(0, np.float32)
EXAMPLES = [(row.name, *example) for row in OPS for example in row.examples]
IDS = [f"{name}{number}" for row in OPS for number, name in enumerate([row.name] * len(row.examples))]
SIZES = [1, 3, 16, 100]

op_examples = pytest.mark.parametrize(("op", "attributes", "shapes"), EXAMPLES, ids=IDS)
sizes = pytest.mark.parametrize("n", SIZES)


def case(op, attributes, shapes, n):
    graph = single_op(op, attributes, shapes)
    return graph, floats(1, graph.n_theta), floats(2, n, graph.input.size, scale=3)


@op_examples
@sizes
def test_compiled_equals_exact(compiled, op, attributes, shapes, n):
    graph, theta, x = case(op, attributes, shapes, n)
    expected = ReferenceEngine(exact=True).predict(graph, theta, NO_CONSTANTS, x)
    assert expected.shape == (n, graph.output.size)
    assert_same_bits(compiled.predict(graph, theta, NO_CONSTANTS, x), expected)


@op_examples
@sizes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fast_agrees_within_rounding(op, attributes, shapes, n, dtype):
    graph, theta, x = case(op, attributes, shapes, n)
    expected = ReferenceEngine(exact=True).predict(graph, theta, NO_CONSTANTS, x)
    result = ReferenceEngine(dtype=dtype).predict(graph, theta, NO_CONSTANTS, x)
    # 3 sigma inputs times at most 4 factors of size 1: a few units of rounding of the largest result
    assert result.dtype == dtype
    assert np.abs(result - expected).max() <= 2e-6 * max(1.0, np.abs(expected).max())


@op_examples
def test_samples_do_not_see_each_other(compiled, op, attributes, shapes):
    graph, theta, x = case(op, attributes, shapes, 70)
    whole = compiled.predict(graph, theta, NO_CONSTANTS, x)
    for k in (0, 33, 69):
        assert_same_bits(compiled.predict(graph, theta, NO_CONSTANTS, x[k : k + 1]), whole[k : k + 1])


@pytest.mark.parametrize(
    ("op", "attributes", "shapes"), [case for case in EXAMPLES if single_op(*case).n_theta]
)
@pytest.mark.parametrize("two_sided", [True, False])
def test_probes_read_on_the_fly_equal_a_perturbed_copy(op, attributes, shapes, two_sided):
    """The device perturbs weights as it reads them; the reference evaluates at a copy."""
    graph, theta, x = case(op, attributes, shapes, 5)
    targets = floats(3, 5, graph.output.size)
    estimator = bf.RGE(n_queries=3, mu=0.013, two_sided=two_sided, grouping="tensor")
    trainer = Trainer(graph, NO_CONSTANTS, "mse", estimator, bf.SGD(), batch_size=5, seed=4)
    loop = device_loop(trainer, x, targets=targets)
    after = loop.step(theta, 6)
    batch = bf.engines.Batch(x, targets=targets).take(trainer.indices(6, 5))
    estimate = trainer.estimate(make_engine("exact"), theta, batch, 6)
    assert_same_bits(loop.coefficients.reshape(estimate.coefficients.shape), estimate.coefficients)
    assert_same_bits(after, make_engine("exact").apply(trainer, theta, [], 6, estimate.coefficients)[0])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("op", [row.name for row in OPS if row.kernel.in_place])
@pytest.mark.filterwarnings("ignore:(invalid value|overflow) encountered:RuntimeWarning")
def test_elementwise_special_values(op, engine):
    special = np.array(
        [0.0, -0.0, 1e-45, -1e-45, 1e-38, 3e38, -3e38, np.inf, -np.inf, 88.0, -104.0], np.float32
    )
    graph = single_op(op, OPS[op].examples[0][0], ((len(special),),) * OPS[op].arity)
    expected = ReferenceEngine(exact=True).predict(graph, NO_CONSTANTS, NO_CONSTANTS, special[None])
    result = make_engine(engine).predict(graph, NO_CONSTANTS, NO_CONSTANTS, special[None])
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))  # of a NaN only that it is one
    assert_same_bits(np.nan_to_num(result), np.nan_to_num(expected))
    of_zeros = {"relu": np.zeros(2, np.float32), "tanh": special[:2], "sin": special[:2], "flatten": special[:2]}
    assert_same_bits(expected[0, :2], of_zeros.get(op, expected[0, :2]))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_term_with_a_zero_is_as_none(engine):
    """Sums start at fl(bias + 0): without that a bias of -0 would stay -0, and become +0 by w * 0."""
    engine, minus = make_engine(engine), np.float32(-0.0)
    tt = {"inputs": [2, 2], "outputs": [2, 1], "ranks": [1, 1, 1], "start": "left", "bias": True}
    trains = [("tt_linear", tt | {"start": start}, 4) for start in ("left", "right")]
    cases = [("linear", {"outputs": 2, "bias": True}, 2), *trains]
    for op, attributes, features in cases:
        graph = single_op(op, attributes, ((features,),))
        for zero in (0.0, -0.0):
            for sign in (1, -1):
                theta = np.full(graph.n_theta, sign, np.float32)
                theta[-2:] = minus
                x = np.full((1, features), zero, np.float32)
                assert_same_bits(engine.predict(graph, theta, NO_CONSTANTS, x), np.zeros((1, 2), np.float32))


@pytest.mark.parametrize("n", [63, 64, 65, 129])
def test_batches_around_the_tile_size(compiled, n):
    graph, theta, x = case("linear", {"outputs": 3, "bias": True}, ((5,),), n)
    expected = ReferenceEngine(exact=True).predict(graph, theta, NO_CONSTANTS, x)
    assert_same_bits(compiled.predict(graph, theta, NO_CONSTANTS, x), expected)


def test_linear_by_hand():
    graph = single_op("linear", {"outputs": 2, "bias": True}, ((3,),))
    theta = np.array([1, 2, 3, 4, 5, 6, 10, 20], np.float32)  # weight rows, then bias
    for engine in ENGINES:
        y = make_engine(engine).predict(
            graph, theta, NO_CONSTANTS, np.array([[1, 0, -1], [0, 1, 0]], np.float32)
        )
        assert y.tolist() == [[8.0, 18.0], [12.0, 25.0]]
