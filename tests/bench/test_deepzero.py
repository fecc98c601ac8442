"""The benchmark of layer shares: every method has the same budget, and the rows report what was measured."""

import numpy as np
import pytest

from bpfree import native
from bpfree.bench import deepzero
from bpfree.bench.rows import FIELDS
from bpfree.datasets import load_digits
from bpfree.study.layer_ratios import GRADIENTS

METHODS = ("uniform", "grasp", "dense")


@pytest.fixture(scope="module")
def rows():
    """Run the quick benchmark with a few methods."""
    if not native.available():
        pytest.skip("the compiled core is not built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deepzero, "WIDTHS", {"digits-mlp": (32,), "digits-deep": (32, 16, 24, 16)})
        patch.setattr(deepzero, "METHODS", METHODS)
        patch.setattr(deepzero, "BUDGET", 8e5)
        return deepzero.run(quick=True)


def value(rows, case, metric):
    (found,) = [row["value"] for row in rows if (row["case"], row["metric"]) == (case, metric)]
    return found


def test_rows_have_the_fields_of_the_schema(rows):
    assert len({(row["case"], row["metric"]) for row in rows}) == len(rows)
    for row in rows:
        assert tuple(row) == FIELDS and row["bench"] == "deepzero" and np.isfinite(row["value"])


def test_forwards_are_equal_to_a_step_and_within_the_budget(rows):
    for case in ("digits-mlp", "digits-deep"):
        d = deepzero.network(case, 0).graph.n_theta
        for method in METHODS:
            step = deepzero.BATCH * (1 + (d if method == "dense" else round(deepzero.FRACTION * d)))
            forwards = value(rows, f"{case}/{method}", "forwards")
            assert 1.6e5 - step < forwards <= 1.6e5


def test_the_cost_of_grasp_is_taken_off_its_training(monkeypatch):
    digits, steps = load_digits(), {}
    for method in ("uniform", "grasp", "grasp-exact"):
        def train(model, data, *, max_steps, method=method, **rest):
            steps[method] = max_steps
            raise InterruptedError

        monkeypatch.setattr(deepzero, "train", train)
        with pytest.raises(InterruptedError):
            deepzero._train("digits-mlp", method, 0.03, 0, 1e6, digits)
    each = deepzero.BATCH * (1 + 241)
    cost = GRADIENTS * 2 * 64 * 2 * deepzero.SAMPLES  # two sides, queries, layers
    assert steps["uniform"] == steps["grasp-exact"] == int(1e6 // each)
    assert steps["grasp"] == int((1e6 - cost) // each) < steps["uniform"]


def test_the_bare_case_is_the_best_on_validation(rows):
    for case in ("digits-mlp", "digits-deep"):
        best = max(METHODS, key=lambda method: value(rows, f"{case}/{method}", "validation_accuracy"))
        assert value(rows, case, "test_accuracy") == value(rows, f"{case}/{best}", "test_accuracy")
        assert {row["reference"] for row in rows if row["case"] == case} == {
            f"ratios: {best}", "chosen by validation accuracy"
        }  # fmt: skip
        assert value(rows, f"{case}/uniform", "points_over_uniform") == 0


def test_what_the_shares_are_made_of(rows):
    assert value(rows, "digits-deep-shares/joint", "distance") < value(rows, "digits-deep-shares", "distance")
    for case in ("digits-deep-shares", "digits-deep-shares/joint"):
        assert -1 <= value(rows, case, "shuffled") <= 1
