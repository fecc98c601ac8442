"""The rules in `bpfree bench pde`: rows as documented, and the laws that do not depend on the clock."""

import numpy as np
import pytest
from autograd import elementwise_grad, grad
from graph_oracle import outputs

import bpfree as bf
from bpfree.bench.pde_rules import exact_derivatives, measure, rules
from bpfree.bench.rows import FIELDS


@pytest.fixture(scope="module")
def rows():
    """Measure the rules quickly, in two and five dimensions."""
    found = measure(quick=True, dims=(2, 5))
    assert len({(r["case"], r["metric"]) for r in found}) == len(found)
    assert all(tuple(r) == FIELDS and r["bench"] == "pde" for r in found)
    return {(r["case"], r["metric"]): r for r in found}


def test_the_formula_is_right():
    model = bf.Sequential(3, [bf.Linear(8), bf.Sin(), bf.Linear(9), bf.Sin(), bf.Linear(1)], seed=2)
    model.theta += np.float32(0.01)
    x = np.random.default_rng(0).random((4, 3))
    u = lambda p: outputs(model.graph, model.theta.astype(float), model.frozen, p).sum()
    laplacian = sum(elementwise_grad(lambda p, k=k: grad(u)(p)[:, k].sum())(x)[:, k] for k in (0, 1))
    found = exact_derivatives(model, x)
    np.testing.assert_allclose(found[0], laplacian, rtol=1e-12)
    np.testing.assert_allclose(found[1], grad(u)(x)[:, 2], rtol=1e-12)


@pytest.mark.parametrize("dim", [2, 5])
def test_every_rule_has_its_rows(rows, dim):
    for name in rules(dim):
        for kind in ("float64", "float32", "noisy"):
            case = f"rules-d{dim}/{name}-{kind}"
            if (name, kind) == ("taylor", "noisy"):
                assert rows[case, "laplacian_error"]["value"] is None
                continue
            metrics = ["laplacian_error", "gradient_error", "passes", "noise_gain"]
            metrics += ["noise_gain_measured" if kind == "noisy" else "seconds"]
            values = [rows[case, metric]["value"] for metric in metrics]
            assert all(np.isfinite(values)) and min(values) > 0


@pytest.mark.parametrize("dim", [2, 5])
def test_the_laws(rows, dim):
    def value(name, kind, metric="laplacian_error"):
        return rows[f"rules-d{dim}/{name}-{kind}", metric]["value"]

    assert value("taylor", "float64") < 1e-14 and value("taylor", "float32") < 1e-5
    assert value("differences", "float64") < 1e-5 and value("differences_4", "float64") < 1e-7
    assert 2e-3 < value("sparse_grid", "float64") < 0.12
    assert value("sparse_grid_richardson", "float64") <= 1e-3
    assert value("taylor", "float64", "passes") == min(value(name, "float64", "passes") for name in rules(dim))
    for name in rules(dim):
        if name != "taylor":
            assert rows[f"rules-d{dim}/{name}-noisy", "noise_gain_measured"]["ratio"] == pytest.approx(1, rel=0.6)
