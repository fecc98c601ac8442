"""The benchmark of all estimators: equal forwards, every row of the table, its tier; the CSV file and the picture."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

import bpfree as bf
from bpfree import native
from bpfree.bench import estimators
from bpfree.bench.rows import FIELDS
from bpfree.cli.bench import bench
from bpfree.datasets import load_digits
from bpfree.estimators import ESTIMATORS

FEW = {"rge": bf.RGE(n_queries=4), "unit-wise": bf.UnitWise()}


@pytest.fixture(scope="module")
def curves():
    """Run the quick benchmark of two methods and all other rows of the table."""
    if not native.available():
        pytest.skip("the compiled core is not built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "METHODS", FEW)
        return estimators.measure(quick=True)


def test_every_row_of_the_table_has_its_curve():
    have = {ESTIMATORS.of(settings).name for settings in estimators.methods().values()}
    assert have == {row.name for row in ESTIMATORS}


def test_rows_of_the_table_without_settings_are_tried_with_their_own(curves):
    others = {row.name for row in ESTIMATORS} - {"rge", "unit_wise"}
    assert {curve.name for curve in curves} == {*FEW, *others, "head"}


def test_tiers_points_and_what_is_learned(curves):
    by_name = {curve.name: curve for curve in curves}
    assert [by_name[name].tier for name in ("rge", "unit-wise", "head")] == ["black-box", "layer-access", "closed-form"]
    for curve in curves[:-1]:
        assert curve.forwards[-1] == estimators.QUICK_BUDGET and curve.forwards == sorted(curve.forwards)
        assert len(curve.forwards) == len(curve.accuracy) == len(curve.std) and curve.lr > 0
        assert (curve.calibration > 0) == (curve.name != "coordinate_descent")  # which moves by mu itself
    assert by_name["unit-wise"].accuracy[-1] > 0.9 > 0.6 > by_name["unit-wise"].accuracy[0]


def test_the_accuracy_at_a_point_is_that_of_the_last_step_within_it():
    digits, estimator, update = load_digits(), bf.RGE(n_queries=4), bf.Adam(0.02)
    seen, _ = estimators._run(estimator, update, 1, 4000, [200, 256, 1000, 4000], digits)
    model = estimators.network(1)
    expected = [model.accuracy(*digits.test)]
    for budget in (256, 1000, 4000):
        run = bf.train(
            model, digits.train, estimator=estimator, update=update, max_forwards=budget, seed=1, progress=False
        )
        expected.append(run.model.accuracy(*digits.test))
    assert seen == expected


def test_rows(curves):
    rows = estimators.rows_of(curves, 1)
    assert len({(row["case"], row["metric"]) for row in rows}) == len(rows)
    for row in rows:
        assert tuple(row) == FIELDS and np.isfinite(row["value"])
        assert row["reference"].partition(":")[0] in ("black-box", "layer-access", "closed-form")
    value = {(row["case"], row["metric"]): row["value"] for row in rows}
    assert value["digits-mlp", "validation_accuracy"] == max(curve.validation for curve in curves[:-1])
    own = next(row for row in rows if row["case"] == "digits-mlp/unit-wise" and row["metric"] == "test_accuracy")
    assert own["ratio"] == own["value"] / value["digits-mlp/head", "test_accuracy"]


def test_files(curves, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(estimators, "measure", lambda quick: curves)
    table, picture = tmp_path / "curves.csv", tmp_path / "curves.png"
    result = CliRunner().invoke(
        bench, ["estimators", "--quick", "--csv", str(table), "--plot", str(picture)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert len(lines) == sum(len(curve.forwards) for curve in curves) and lines[0]["tier"] == "black-box"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("flag", ["--csv", "--plot"])
def test_other_benches_have_no_curves(flag, tmp_path):
    result = CliRunner().invoke(bench, ["engine", flag, str(tmp_path / "file.png")])
    assert result.exit_code == 2 and "expected bench estimators" in result.output
