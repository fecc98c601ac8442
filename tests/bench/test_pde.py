"""The benchmark of PDEs: rows as documented, ours beside floors and rivals, the curves, and the rival's equations."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from bpfree.bench import pde, pde_cases
from bpfree.bench.pde_cases import CASES, quickly, run_case
from bpfree.bench.rows import FIELDS
from bpfree.cli.bench import bench
from bpfree.pde import Taylor
from bpfree.pde.choices import make_network, points_of_terms
from bpfree.pde.objective import Objective, square

BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    """Run `bpfree bench pde --quick` with files, without the rules, which have their own tests."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("bench")
    files = [part for flag in ("json", "csv", "plot") for part in (f"--{flag}", str(folder / f"rows.{flag[:3]}"))]
    files[-1] = str(folder / "rows.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pde, "measure_rules", lambda quick: [])
        result = CliRunner().invoke(bench, ["pde", "--quick", *files], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder, [json.loads(line) for line in (folder / "rows.jso").read_text().splitlines()]


def test_rows(quick_run):
    _, rows = quick_run
    assert len({(r["case"], r["metric"]) for r in rows}) == len(rows)
    for r in rows:
        assert tuple(r) == FIELDS and r["bench"] == "pde"
        assert r["reference"].startswith("missing") if r["value"] is None else np.isfinite(r["value"])
    by_name = {(r["case"], r["metric"]): r for r in rows}
    for case in CASES:
        own = by_name[case.name, "relative_l2"]
        assert own["ratio"] == pytest.approx(own["value"] / case.target) and "float" in own["reference"]
        assert by_name[case.name, "forwards"]["value"] > 0 and by_name[case.name, "seconds"]["value"] > 0
        for floor, value in case.problem().floors().items():
            label = floor.replace(" + ", "+").replace(" ", "-")
            assert by_name[f"{case.name}/floor-{label}", "relative_l2"]["value"] == pytest.approx(value)
        assert (f"{case.name}/backprop", "relative_l2") in by_name or case.adversary is None
    assert by_name["inverse-heat", "coefficient_error"]["value"] > 0
    others = {"burgers/deepxde", "heat-1d/deepxde", "hjb-lin-20/seed", "hjb-lin-20/seed-taylor"}
    assert others <= {case for case, _ in by_name}


def test_curves(quick_run):
    folder, rows = quick_run
    with (folder / "rows.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["way"] for line in lines} == {"seed", "seed-taylor", "hjb-lin-20-zo", "hjb-lin-20"}
    seed = next(r for r in rows if (r["case"], r["metric"]) == ("hjb-lin-20/seed", "forwards"))
    assert int([line for line in lines if line["way"] == "seed"][-1]["forwards"]) == seed["value"]
    assert (folder / "rows.png").stat().st_size > 5000


def test_seconds_and_forwards_are_summed_over_phases():
    case = quickly(BY_NAME["hjb-lin-20-zo"])
    problem = case.problem()
    test = problem.test_points(64)
    result = run_case(case, 1, test)
    assert result.steps == 4 and len(case.phases) == 2
    one = run_case(pde_cases.replace(case, phases=case.phases[:1]), 1, test)
    assert result.forwards == 2 * one.forwards and result.seconds > 0
    first = 20 * 23  # a residual vector: twenty points, Taylor with 23 streams
    looks = [look[0] for look in result.looks]
    assert looks == [first, one.forwards, one.forwards + first, result.forwards]


def test_errors_are_at_the_published_points_and_tuning_was_elsewhere():
    assert len(set(pde_cases.SEEDS)) == len(pde_cases.SEEDS) and max(pde_cases.SEEDS) < 100
    for case in CASES:
        assert set(case.seeds) <= set(pde_cases.SEEDS)


def test_the_sparse_grid_and_taylor_lead_along_the_same_way():
    """The published setting at few points: directions and points are equal, derivatives differ by the grid's bias."""
    from dataclasses import replace

    from bpfree.pde import SparseGrid

    seed = BY_NAME["hjb-lin-20-zo"]
    test = seed.problem().test_points(200)
    ends = []
    for rule in (SparseGrid(level=3, sigma=0.1), Taylor()):
        settings = pde_cases.published(rule, 3) | {"points": 2}
        ends.append(run_case(replace(seed, phases=(settings,)), 1, test))
    assert ends[0].error == pytest.approx(ends[1].error, rel=1e-2)
    assert ends[0].forwards == pytest.approx(ends[1].forwards * 925 / 23, rel=0.01)


@pytest.mark.parametrize("name", [case.name for case in CASES if case.adversary is not None and "250" not in case.name])
def test_the_rival_has_our_loss(name):
    """PyTorch's loss equals our r . r at the same parameters and points, so both minimise the same function."""
    pytest.importorskip("torch")
    from bpfree.bench.pde_torch import Rival

    problem = BY_NAME[name].problem()
    model, counts = problem.network(5), points_of_terms(problem, 6)
    model.theta += np.float32(0.01)
    rival = Rival(problem, model, counts, seed=7)
    rival.points(0)
    network = make_network(problem, model, None)
    ours = Objective(problem, network, Taylor(), counts, "sobol", None, 7).at(0)
    theta = np.concatenate([model.theta.astype(float), list(problem.unknowns.values())])
    assert rival.loss().item() == pytest.approx(square(ours(theta)), rel=1e-9)
    np.testing.assert_array_equal(rival.theta(), theta)


def test_the_rival_learns():
    pytest.importorskip("torch")
    from bpfree.bench.pde_torch import Rival

    problem = BY_NAME["heat-1d"].problem()
    rival = Rival(problem, problem.network(1), {"residual": 64}, seed=1)
    rival.points(0)
    before = rival.loss().item()
    rival.train(0.5, 1e-2, 0, 0.5)
    assert rival.loss().item() < 0.05 * before and rival.steps > 0 and rival.passes > 64 * rival.steps
