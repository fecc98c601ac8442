"""Tensor-train cores and shapes: initialisation, norms, TT-SVD, planning."""

from math import prod

import numpy as np
import pytest
from tensorly.tt_matrix import TTMatrix, tt_matrix_to_matrix

import bpfree as bf
from bpfree.tt import shapes
from bpfree.tt.cores import from_dense, squared_norm, to_dense
from bpfree.tt.shapes import TTShape, factorisations, plan_shape, uniform_ranks


def train_shape(inputs, outputs, rank):
    return TTShape(inputs, outputs, uniform_ranks(inputs, outputs, rank))


SHAPES = [
    train_shape((6,), (7,), 1),
    train_shape((2, 3), (3, 2), 2),
    train_shape((2, 3), (3, 2), 6),
    train_shape((4, 4, 8), (8, 4, 4), 2),
    train_shape((7, 4, 4, 7), (8, 4, 4, 8), 6),
    train_shape((8, 4, 4, 8), (1, 5, 2, 1), 6),
    train_shape((2,) * 7, (3,) * 7, 10),
]


def initial(shape, seed, gain=1.0, features=None):
    """Return the cores of a fresh TTLinear."""
    layer = bf.TTLinear(shape.inputs, shape.outputs, rank=shape.ranks[1:-1], gain=gain)
    model = bf.Sequential(features or prod(shape.inputs), [layer], seed=seed)
    parameters = model.parameters()
    assert not parameters["tt_linear1.bias"].any()
    return [parameters[f"tt_linear1.core{k}"] for k in range(len(shape.cores))]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("gain", [1.0, 1.7])
def test_initial_weights_have_exactly_the_mean_square_asked_for(shape, gain):
    for seed in range(5):
        dense = np.asarray(tt_matrix_to_matrix(initial(shape, seed, gain))).astype(float)
        assert (dense**2).mean() == pytest.approx(gain**2 / prod(shape.inputs), rel=1e-5)


def test_padded_inputs_count_as_the_features_there_are():
    shape = train_shape((2, 5), (3, 2), 2)
    dense = to_dense(initial(shape, 0, features=9)).astype(float)
    assert (dense**2).mean() == pytest.approx(1 / 9, rel=1e-5)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_initial_cores_share_the_spread(shape):
    """The cores are uniform with sigma^(2d) prod(r) = Var W; only the last core is rescaled, by a factor near 1."""
    d, variance = len(shape.cores), 1 / prod(shape.inputs)
    sigma = (variance / prod(shape.ranks)) ** (1 / (2 * d))
    factors, offsets = [], []
    for seed in range(20):
        *cores, last = initial(shape, seed)
        for core in cores:
            assert 0.5 * np.sqrt(3) * sigma < np.abs(core).max() <= np.sqrt(3) * sigma * (1 + 2**-12)
        factors.append(np.sqrt((last.astype(float) ** 2).mean()) / sigma)
        offsets.append(to_dense([*cores, last]).mean() / np.sqrt(variance))
    assert 0.5 < np.median(factors) < 2
    # the weights are centred: seeds share no offset as large as the weights themselves
    assert abs(np.mean(offsets)) < 0.35


def test_seeds_and_layers_differ_and_repeat():
    shape = SHAPES[3]
    first, again, other = initial(shape, 0), initial(shape, 0), initial(shape, 1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other))
    twins = bf.Sequential(6, [bf.Linear(6), bf.Linear(6)]).parameters()
    assert not np.array_equal(twins["linear1.weight"], twins["linear2.weight"])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_squared_norm_is_that_of_the_dense_matrix(shape):
    generator = np.random.default_rng(0)
    cores = [generator.normal(size=core) for core in shape.cores]
    expected = np.linalg.norm(np.asarray(TTMatrix(cores).to_matrix())) ** 2
    assert squared_norm(cores) == pytest.approx(expected, rel=1e-12)


def test_linear_layers_start_with_variance_gain_squared_over_inputs():
    weight = (
        bf.Sequential(400, [bf.Linear(300, gain=2.0)], seed=0).parameters()["linear1.weight"].astype(float)
    )
    n = weight.size  # the square of a uniform number has variance 0.8 of its squared mean; 5 sigma
    assert abs((weight**2).mean() / (4 / 400) - 1) < 5 * np.sqrt(0.8 / n)
    assert abs(weight.mean()) < 5 * np.sqrt(4 / 400 / n)
    assert np.abs(weight).max() <= np.sqrt(12) / 2 * 2 / 20 * (1 + 1e-6)


@pytest.mark.parametrize(("inputs", "outputs"), [((2, 3), (4, 2)), ((2, 3, 2), (2, 2, 3))])
def test_tt_svd_of_full_rank_is_exact(inputs, outputs):
    full = train_shape(inputs, outputs, 10_000)
    dense = np.random.default_rng(1).normal(size=(prod(inputs), prod(outputs)))
    cores, error = from_dense(dense, full)
    assert [core.shape for core in cores] == full.cores
    assert error < 1e-13 and np.allclose(to_dense(cores), dense, atol=1e-12)


def test_tt_svd_recovers_a_train_and_reports_what_it_cuts_off():
    shape = train_shape((2, 3, 2), (2, 2, 3), 3)
    generator = np.random.default_rng(2)
    dense = np.asarray(TTMatrix([generator.normal(size=core) for core in shape.cores]).to_matrix())
    assert from_dense(dense, shape)[1] < 1e-13
    cores, error = from_dense(dense, train_shape(shape.inputs, shape.outputs, 2))
    difference = np.asarray(tt_matrix_to_matrix(cores)) - dense
    assert error == pytest.approx(np.linalg.norm(difference) / np.linalg.norm(dense), rel=1e-12)
    assert 0.01 < error < 1
    # a train of two cores is one unfolding, whose best error is that of a truncated SVD
    pair = train_shape((4, 3), (2, 6), 3)
    dense = generator.normal(size=(12, 12))
    unfolding = dense.reshape(4, 3, 2, 6).transpose(0, 2, 1, 3).reshape(8, 18)
    tail = np.linalg.svd(unfolding, compute_uv=False)[3:]
    assert from_dense(dense, pair)[1] == pytest.approx(
        np.linalg.norm(tail) / np.linalg.norm(dense), rel=1e-10
    )


def test_tt_svd_refuses_another_shape():
    with pytest.raises(ValueError, match=r"weights: expected shape \(6, 8\), got \(8, 6\)"):
        from_dense(np.zeros((8, 6)), train_shape((2, 3), (4, 2), 2))


def test_uniform_ranks_are_never_larger_than_the_unfolding():
    assert uniform_ranks((2, 3), (1, 4), 99) == (1, 2, 1)
    assert uniform_ranks((7, 4, 4, 7), (8, 4, 4, 8), 6) == (1, 6, 6, 6, 1)
    assert uniform_ranks((1, 2, 2), (1, 2, 2), 3) == (1, 1, 3, 1)


@pytest.mark.parametrize(("number", "count"), [(1, 3), (12, 2), (12, 3), (97, 2), (64, 4)])
def test_factorisations_are_all_there_once(number, count):
    found = factorisations(number, count)
    assert len(set(found)) == len(found) and all(prod(f) == number and len(f) == count for f in found)
    divisors = [k for k in range(1, number + 1) if number % k == 0]
    grid = np.stack(np.meshgrid(*[divisors] * count, indexing="ij"), axis=-1).reshape(-1, count)
    assert len(found) == (grid.prod(axis=1) == number).sum()


def rank_bound(shape):
    mixing = prod(min(i, o) for i, o in zip(shape.inputs, shape.outputs))
    return min(max(shape.ranks) * mixing, prod(shape.inputs), prod(shape.outputs))


@pytest.mark.parametrize(
    ("inputs", "outputs", "rank"), [(64, 32, 4), (64, 10, 4), (96, 64, 3), (97, 64, 4), (48, 30, 2), (60, 128, 6)]
)
def test_a_planned_layer_can_have_full_rank(inputs, outputs, rank):
    """The plan avoids low-rank products, which have the fewest MACs; NumPy computes the rank of random cores."""
    shape = plan_shape(inputs, outputs, rank)
    rng = np.random.default_rng(0)
    weights = to_dense([rng.standard_normal(core) for core in shape.cores])  # with the rows of the padding
    assert np.linalg.matrix_rank(weights) == min(len(weights), outputs)


@pytest.mark.parametrize(("inputs", "outputs", "rank"), [(12, 8, 2), (20, 30, 3), (64, 10, 4), (13, 7, 2)])
def test_planning_is_the_brute_force_optimum(inputs, outputs, rank):
    candidates = [
        train_shape(i, o, rank)
        for count in (2, 3, 4)
        for width in {inputs, inputs + -inputs % 4, inputs + -inputs % 16}
        for i in shapes._balanced(width, count)
        for o in shapes._balanced(outputs, count)
    ]
    mixing = [min(rank_bound(shape), inputs) for shape in candidates]
    candidates = [shape for shape, bound in zip(candidates, mixing) if bound == max(mixing)]
    fewest = min(shape.n_parameters for shape in candidates)

    def cost(shape):
        return min(shape.sweep_macs(), shape.reversed().sweep_macs())

    for budget, limit in ((None, fewest * 3 // 2), (fewest, fewest), (4 * fewest, 4 * fewest)):
        chosen = plan_shape(inputs, outputs, rank, budget)
        assert prod(chosen.inputs) in range(inputs, inputs + 16) and prod(chosen.outputs) == outputs
        assert chosen.n_parameters == sum(prod(core) for core in chosen.cores) <= limit
        assert cost(chosen) == min(cost(shape) for shape in candidates if shape.n_parameters <= limit)
    with pytest.raises(ValueError, match=rf"expected at least {fewest} for .*, got {fewest - 1}"):
        plan_shape(inputs, outputs, rank, fewest - 1)


def test_a_larger_budget_never_costs_more():
    macs = [plan_shape(784, 1024, 6, budget).cheaper_sweep().macs for budget in (1872, 3000, 6000, 12000)]
    assert macs == sorted(macs, reverse=True)
