# SPDX-License-Identifier: MIT
"""The device benchmark: rows as documented, plausible sizes and ratios."""

import pytest

from bpfree import native
from bpfree.bench import device, run
from bpfree.bench.device import BASELINES, CASES, MLP, PUBLISHED, TARGETS, _note, _row
from bpfree.bench.rows import FIELDS


@pytest.fixture(scope="module")
def rows():
    """Run the quick benchmark once; return its rows by (case, metric)."""
    for package in ("ziglang", "unicorn", "elftools"):
        pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')
    if not native.available():
        pytest.skip("the compiled core is not built")
    found = run("device", quick=True)
    assert len({(r["case"], r["metric"]) for r in found}) == len(found)
    return {(r["case"], r["metric"]): r for r in found}


@pytest.mark.slow
def test_rows_have_the_fields_of_the_schema(rows):
    for r in rows.values():
        assert tuple(r) == FIELDS
        assert r["bench"] == "device" and r["seeds"] == 1 and r["std"] is None
        assert r["unit"] in ("B", "instructions", "samples", "hashes", "builds", "cycles")
        assert r["value"] is None or r["value"] > 0
        assert (r["ratio"] is None) or r["reference"].split(", ")[0] == BASELINES[r["case"]]


@pytest.mark.slow
def test_ratios_are_of_the_named_reference(rows):
    compared = {key: r for key, r in rows.items() if r["ratio"] is not None}
    for (_, metric), r in compared.items():
        assert r["ratio"] == r["value"] / rows[r["reference"].split(", ")[0], metric]["value"]
    assert {(MLP, metric) for metric in PUBLISHED[f"{MLP}/aifes"]} <= set(compared)
    assert {(case, "instructions_to_90") for case in CASES} <= set(compared)


@pytest.mark.slow
def test_less_memory_and_more_instructions_than_back_propagation(rows):
    for case in (MLP, "tt-714"):
        assert rows[case, "ram_bytes"]["value"] > 4 * CASES[case].network(0).graph.n_theta
        assert rows[case, "total_ram_bytes"]["ratio"] < 0.5
        assert rows[case, "instructions_to_90"]["ratio"] > 1
    dense, cores = (0.8, 1.0) if device.compiler() == "gnu" else (0.9, 1.1)  # clang beside their GCC
    assert rows[MLP, "flash_bytes"]["ratio"] < dense and rows["tt-714", "flash_bytes"]["ratio"] < cores
    assert 30_000 < rows[MLP, "instructions_per_step"]["value"] < (90_000 if device.compiler() == "gnu" else 70_000)


@pytest.mark.slow
@pytest.mark.parametrize("case", [f"{MLP}-unit-wise", f"{MLP}-unit-wise-O2"])
def test_unit_wise_takes_less_of_everything_than_back_propagation(rows, case):
    assert rows[f"{MLP}-unit-wise", "total_ram_bytes"]["ratio"] < 0.75
    assert rows[f"{MLP}-unit-wise", "flash_bytes"]["ratio"] < (0.8 if device.compiler() == "gnu" else 0.88)
    assert rows[case, "instructions_per_step"]["ratio"] < 0.5
    assert rows[case, "instructions_to_90"]["ratio"] < 0.3


@pytest.mark.slow
def test_instructions_to_an_accuracy_are_steps_times_a_measured_step(rows):
    for case, settings in CASES.items():
        steps = rows[case, "samples_to_90"]["value"] / settings.batch_size
        step = rows[case, "instructions_per_batch_step"]["value"]
        assert rows[case, "instructions_to_90"]["value"] == steps * step
    for case, figures in PUBLISHED.items():
        samples, step = rows[case, "samples_to_90"]["value"], figures["instructions_per_step"]
        assert rows[case, "instructions_to_90"]["value"] == samples * step
        assert "measured elsewhere" in rows[case, "instructions_to_90"]["reference"]


def test_a_ratio_says_when_the_compilers_differ(monkeypatch):
    rival = {"case": "a/b", "value": 2.0}
    monkeypatch.setattr(device, "compiler", lambda: "gnu")
    assert _row("a", "flash_bytes", [3], "B", rival)["reference"] == "a/b"
    monkeypatch.setattr(device, "compiler", lambda: "zig")
    assert "a/b, compiled with GCC, and ours with zig's clang" in _row("a", "flash_bytes", [3], "B", rival)["reference"]


def test_a_seed_that_does_not_get_there_leaves_no_mean():
    r = _row("a", "instructions_to_95", [3, None, 5], "instructions", {"case": "a/b", "value": 2.0})
    assert (r["value"], r["ratio"], r["seeds"]) == (None, None, 3)
    assert r["reference"] == "not reached by 1 of 3 seeds"


def test_mean_ratio_and_spread_over_seeds():
    r = _row("a", "instructions_to_90", [2, 4], "instructions", {"case": "a/b", "value": 6})
    assert (r["value"], r["ratio"], r["reference"], r["seeds"]) == (3, 0.5, "a/b", 2)
    assert r["std"] == pytest.approx(2**0.5)


def test_only_the_first_time_counts():
    first = {}
    for accuracy, when in ((0.5, 1), (0.9, 2), (0.96, 3), (0.97, 4)):
        _note(first, accuracy, tuple(TARGETS), when)
    assert first == {"to_90": 2, "to_95": 3}
