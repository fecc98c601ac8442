# SPDX-License-Identifier: MIT
"""The device benchmark: rows as documented, plausible sizes and ratios."""

import pytest

from bpfree import emulate, native
from bpfree.bench import device, device_aifes, device_rivals, run
from bpfree.bench.device import row_of
from bpfree.bench.device_accuracy import TARGETS, note
from bpfree.bench.device_cases import BUILDS, CASES, TARGET
from bpfree.bench.device_rivals import MLP, PUBLISHED
from bpfree.bench.rows import FIELDS
from bpfree.emulate.compilers import COMPILERS

SIZES = ("ram_bytes", "stack_bytes", "total_ram_bytes", "flash_bytes", "instructions_per_step")


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


@pytest.fixture
def gnu(rows):
    if rows[MLP, "flash_bytes"]["value"] is None:
        pytest.skip(rows[MLP, "flash_bytes"]["reference"])


@pytest.mark.slow
def test_rows_have_the_fields_of_the_schema(rows):
    for r in rows.values():
        assert tuple(r) == FIELDS
        assert r["bench"] == "device" and r["seeds"] <= 1 and r["std"] is None
        assert r["unit"] in ("B", "instructions", "samples", "hashes", "builds", "cycles")
        assert r["value"] is None or r["value"] > 0
        assert (r["ratio"] is None) or r["reference"].startswith(f"{MLP}/aifes; ")


@pytest.mark.slow
def test_every_number_of_a_case_says_which_compiler_and_flags_built_it(rows):
    for name in CASES:
        case = f"{name}@{TARGET}/zig"
        if rows[case, "flash_bytes"]["value"] is not None:
            assert {rows[case, metric]["reference"].split("; ")[-1] for metric in SIZES} == {
                rows[case, "ram_bytes"]["reference"]
            }
            assert rows[case, "ram_bytes"]["reference"].startswith("zig ")


@pytest.mark.slow
def test_sizes_stay_below_their_limits(rows, gnu):
    """One ELF file a row: the sizes and the instructions of the exported program with link-time optimisation."""
    value = lambda name, metric: rows[f"{name}@{TARGET}", metric]["value"]
    assert value("mlp-64-32-10", "total_ram_bytes") <= 10_900 and value("mlp-64-32-10", "stack_bytes") <= 512
    assert value("mlp-64-32-10", "flash_bytes") <= 5_600 and value("mlp-64-32-10", "instructions_per_step") <= 70_000
    assert value("mlp-64-32-10-inference", "flash_bytes") <= 2_048
    assert value("mnist-tt", "total_ram_bytes") <= 32_768
    assert value("mnist-tt-adam", "total_ram_bytes") <= 65_536


@pytest.mark.slow
def test_the_smallest_and_the_fastest_build():
    lacking = COMPILERS["gnu"].missing(emulate.TARGETS[TARGET])
    if lacking:
        pytest.skip(lacking)
    small, _ = device.measure(CASES["mlp-64-32-10"], BUILDS["best-size"])
    fast, _ = device.measure(CASES["mlp-64-32-10"], BUILDS["best-speed"])
    assert small["flash_bytes"] <= 4_600 and fast["instructions_per_step"] <= 62_000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp-64-32-10-tuned", "tt-714-tuned", "mlp-64-32-10-unit-wise"])
def test_instructions_to_an_accuracy_are_steps_times_a_step_of_the_same_file(rows, name):
    case = f"{name}@{TARGET}/zig"
    steps = rows[case, "samples_to_90"]["value"] / CASES[name].batch_size
    assert rows[case, "instructions_to_90"]["value"] == steps * rows[case, "instructions_per_step"]["value"]


@pytest.mark.slow
def test_back_propagation_needs_more_memory_and_fewer_instructions(rows):
    case = f"mlp-64-32-10-tuned@{TARGET}/zig"
    assert rows[case, "total_ram_bytes"]["ratio"] < 0.5 and rows[case, "flash_bytes"]["ratio"] < 0.75
    assert rows[case, "instructions_to_90"]["ratio"] > 1
    assert rows[f"mlp-64-32-10-unit-wise@{TARGET}/zig", "instructions_to_90"]["ratio"] < 0.3


@pytest.mark.slow
def test_instructions_of_rivals_are_samples_times_their_figure(rows):
    for name, numbers in PUBLISHED.items():
        own = rows[f"{MLP}/{name}", "instructions_to_90"]
        samples = rows[f"{MLP}/{name}", "samples_to_90"]["value"]
        step = rows[f"{MLP}/{name}", "instructions_per_step"]["value"]
        assert own["value"] == samples * step
        if "measured elsewhere" in own["reference"]:
            assert step == numbers["instructions_per_step"]


def test_published_figures_say_why_aifes_is_not_built_here(monkeypatch):
    monkeypatch.delenv(device_aifes.VARIABLE, raising=False)
    numbers, text = device_rivals.figures()[f"{MLP}/aifes"]
    assert numbers == PUBLISHED["aifes"]
    assert text.startswith(device_rivals.ELSEWHERE) and "BPFREE_AIFES is not set" in text


def test_a_seed_that_does_not_get_there_leaves_no_mean():
    r = row_of("a", "instructions_to_95", [3, None, 5], "gcc", {"case": "a/b", "value": 2.0})
    assert (r["value"], r["ratio"], r["seeds"]) == (None, None, 3)
    assert r["reference"] == "not reached by 1 of 3 seeds"


def test_mean_ratio_and_spread_over_seeds():
    r = row_of("a", "instructions_to_90", [2, 4], "gcc", {"case": "a/b", "value": 6})
    assert (r["value"], r["ratio"], r["reference"], r["seeds"]) == (3, 0.5, "a/b; gcc", 2)
    assert r["std"] == pytest.approx(2**0.5)


def test_only_the_first_time_counts():
    first = {}
    for accuracy, when in ((0.5, 1), (0.9, 2), (0.96, 3), (0.97, 4)):
        note(first, accuracy, tuple(TARGETS), when)
    assert first == {"to_90": 2, "to_95": 3}
