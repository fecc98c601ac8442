# SPDX-License-Identifier: MIT
"""Benchmarks: rows as documented, ours against rivals, and the command that runs them."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from bpfree import native
from bpfree.bench import BENCHES, probes
from bpfree.bench import run as run_bench
from bpfree.bench.rows import FIELDS, call_seconds, missing, rate, row
from bpfree.cli.bench import bench


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory):
    """Run `bpfree bench engine --quick` once; return its result and its rows."""
    if not native.available():
        pytest.skip("the compiled core is not built")
    path = tmp_path_factory.mktemp("bench") / "rows.json"
    result = CliRunner().invoke(bench, ["engine", "--quick", "--json", str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result, [json.loads(line) for line in path.read_text().splitlines()]


def test_rows_have_the_fields_of_the_schema(quick_run):
    _, rows = quick_run
    assert len({(r["case"], r["metric"]) for r in rows}) == len(rows)
    for r in rows:
        assert tuple(r) == FIELDS
        assert r["bench"] == "engine" and r["metric"] == "samples_per_second" and r["unit"] == "1/s"
        if r["value"] is None:
            assert r["reference"].startswith("missing") and r["ratio"] is None and r["seeds"] == 0
        else:
            assert r["value"] > 0 and r["std"] >= 0 and r["reference"] == "numpy" and r["seeds"] == 1


def test_every_case_has_ours_and_both_rivals(quick_run):
    _, rows = quick_run
    by_case = {r["case"]: r for r in rows}
    for kind in ("dense", "tt"):
        for n in (1, 32, 256):
            ours, numpy = by_case[f"{kind}-{n}"], by_case[f"{kind}-{n}/numpy"]
            assert numpy["ratio"] == 1
            assert ours["ratio"] == pytest.approx(ours["value"] / numpy["value"])
            assert f"{kind}-{n}/onnxruntime" in by_case
            ways = [r["value"] for case, r in by_case.items() if case.startswith(f"{kind}-{n}/numpy-")]
            assert not ways or numpy["value"] == max(ways)


def test_the_table_names_machine_versions_and_cases(quick_run):
    result, _ = quick_run
    for text in ("machine: ", "kernels ", np.__version__, "dense-256/numpy", "tt-1"):
        assert text in result.stdout


def test_probes_cost_what_the_issue_allows():
    """The claims of `bpfree bench probes` that do not depend on the clock; one sample keeps the loop short."""
    rows = {(r["case"], r["metric"]): r for r in probes.measure(n=1, repetitions=2)}
    assert all(tuple(r) == FIELDS and r["bench"] == "probes" for r in rows.values())
    cost, naive = rows["mnist-tt", "forwards_equivalent"], rows["mnist-tt/naive", "forwards_equivalent"]
    assert cost["value"] <= 25 and naive["value"] == 2 * 3962
    assert cost["ratio"] == pytest.approx(cost["value"] / naive["value"])
    assert rows["mnist-tt", "max_relative_difference"]["value"] <= 1e-9
    speedup, seconds = rows["mnist-tt", "speedup"]["value"], rows["mnist-tt", "seconds"]
    assert speedup == pytest.approx(rows["mnist-tt/naive", "seconds"]["value"] / seconds["value"])
    assert speedup > 5


def test_json_on_stdout_sends_the_table_to_stderr(monkeypatch):
    monkeypatch.setattr("bpfree.cli.bench.run_bench", lambda name, quick: [row(name, "a", "m", 1.0, "1/s")])
    result = CliRunner().invoke(bench, ["engine", "--json", "-"], catch_exceptions=False)
    assert [json.loads(line)["case"] for line in result.stdout.splitlines()] == ["a"]
    assert "machine: " in result.stderr


def test_unknown_benches_are_refused_with_the_list():
    with pytest.raises(ValueError, match="engine"):
        run_bench("nothing")
    result = CliRunner().invoke(bench, ["nothing"])
    assert result.exit_code == 2 and "engine" in result.output
    assert all(name in CliRunner().invoke(bench, ["--help"]).output for name in BENCHES)


def test_missing_rivals_say_why():
    assert missing("b", "a/x", "m", "1/s", "missing: x")["reference"] == "missing: x"


def test_repetitions_are_interleaved():
    order = []
    seconds = call_seconds({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, quick=True)
    assert len(seconds["a"]) == len(seconds["b"]) > 1
    runs = [name for k, name in enumerate(order) if k == 0 or order[k - 1] != name]
    assert runs == ["a", "b"] * (len(seconds["a"]) + 1)
    assert rate([1.0, 2.0, 4.0], items=8)[0] == 4
