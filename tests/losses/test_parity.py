"""Every loss: compiled equals exact bit for bit, on easy, extreme and odd-shaped scores."""

import numpy as np
import pytest
from helpers import assert_same_bits, floats, make_engine

from bpfree.engines import ReferenceEngine
from bpfree.engines.batch import Batch
from bpfree.engines.probes import AT_THETA
from bpfree.graph.layers import assemble
from bpfree.losses import LOSSES, get_loss

NO_CONSTANTS = np.zeros(0, np.float32)


def scores(kind, n, outputs):
    """(n, outputs) outputs of a network."""
    y = floats(4, n, outputs, scale=2)
    if kind == "extreme":
        y = np.sign(y) * np.float32(100)
    elif kind == "equal":
        y = np.full_like(y, 7.25)
    elif kind == "huge":
        y = y * np.float32(1e15)
    return y


def evaluate(engine, loss, y, seed=5):
    """The loss of the scores y themselves: the network is the identity."""
    n, outputs = y.shape
    identity = assemble([outputs], [("linear", "id", ["input"], {"outputs": outputs, "bias": False})])
    labels = np.random.default_rng(seed).integers(0, outputs, n).astype(np.uint32)
    targets = floats(6, n, outputs)
    batch = Batch(y, labels=labels) if loss.labels else Batch(y, targets=targets)
    theta = np.eye(outputs, dtype=np.float32).ravel()
    (values,), _ = engine.evaluate(identity, theta, NO_CONSTANTS, batch, loss, [AT_THETA])
    return values, batch


@pytest.mark.parametrize("kind", ["normal", "extreme", "equal", "huge"])
@pytest.mark.parametrize(("n", "outputs"), [(1, 1), (3, 1), (16, 10), (100, 3), (5, 150)])
@pytest.mark.parametrize("loss", list(LOSSES), ids=lambda loss: loss.name)
def test_compiled_equals_exact(compiled, loss, n, outputs, kind):
    y = scores(kind, n, outputs)
    expected, _ = evaluate(ReferenceEngine(exact=True), loss, y)
    assert np.isfinite(expected).all()
    assert_same_bits(evaluate(compiled, loss, y)[0], expected)


@pytest.mark.parametrize("kind", ["normal", "extreme", "equal"])
@pytest.mark.parametrize(("n", "outputs"), [(3, 1), (16, 10), (5, 150)])
@pytest.mark.parametrize("loss", list(LOSSES), ids=lambda loss: loss.name)
def test_fast_agrees_within_rounding(loss, n, outputs, kind):
    y = scores(kind, n, outputs)
    exact, _ = evaluate(ReferenceEngine(exact=True), loss, y)
    for dtype in (np.float32, np.float64):
        fast, _ = evaluate(ReferenceEngine(dtype=dtype), loss, y)
        assert fast.dtype == dtype
        assert np.abs(fast - exact).max() <= 3e-6 * max(1.0, np.abs(exact).max())


def test_one_class_costs_nothing(strict_engine):
    values, _ = evaluate(strict_engine, get_loss("cross_entropy"), scores("extreme", 9, 1))
    assert values.tolist() == [0.0] * 9


def test_not_a_number_is_not_hidden(strict_engine):
    for loss in LOSSES:
        for bad in (np.nan, np.inf):
            y = scores("normal", 4, 3)
            y[2, 1] = bad
            with np.errstate(invalid="ignore", over="ignore"):
                values, _ = evaluate(strict_engine, loss, y)
            # the identity's sums 0 * bad spoil the whole sample, and only that
            assert not np.isfinite(values[2]) and np.isfinite(values[[0, 1, 3]]).all()


def test_names():
    row = LOSSES["softmax_cross_entropy"]
    assert (
        get_loss("cross_entropy") is row and get_loss("softmax_cross_entropy") is row and get_loss(row) is row
    )


def test_a_compiled_engine_refuses_labels_out_of_range(compiled):
    graph = assemble([2], [("linear", "id", ["input"], {"outputs": 2, "bias": False})])
    batch = Batch(floats(0, 3, 2), labels=np.array([0, 1, 2], np.uint32))
    with pytest.raises(ValueError, match="evaluate: an argument is out of range"):
        compiled.evaluate(graph, floats(1, 4), NO_CONSTANTS, batch, get_loss("cross_entropy"), [AT_THETA])


def test_the_fixture_covers_every_engine():
    from helpers import ENGINES, ISAS

    assert ENGINES[0] == "exact" and len(ENGINES) == 1 + len(ISAS) and {"scalar", "baseline"} <= set(ISAS)
    assert make_engine("compiled-scalar").isa == "scalar"
