# SPDX-License-Identifier: MIT
"""The matrix of hashes: every build ends with the bits of this computer, and one that does not is counted as such."""

import os

import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles or runs firmware: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402
from bpfree.bench import device_hashes  # noqa: E402
from bpfree.bench.device_hashes import Build  # noqa: E402

FEW = [Build("cortex-m4f", "zig", "unicorn"), Build("host", "zig", "host", "O2", lto=True)]


def values(rows):
    return {(row["case"], row["metric"]): row["value"] for row in rows}


def test_a_hash_that_differs_and_a_missing_tool_are_told_apart(monkeypatch):
    few = [*FEW, Build("cortex-m3", "gnu", "unicorn")]
    monkeypatch.setattr(device_hashes, "builds", lambda quick: few)
    monkeypatch.setenv("PATH", "/nowhere")
    found = values(device_hashes.run())
    assert [found[f"hashes/{build.name}", "equal"] for build in few] == [1, 1, None]
    assert (found["hashes", "targets_run"], found["hashes", "targets_equal"]) == (2, 2)
    monkeypatch.setattr(device_hashes, "expected", lambda *_: "0" * 16)
    found = values(device_hashes.run())
    assert (found["hashes", "targets_run"], found["hashes", "targets_equal"]) == (2, 0)


def test_every_function_of_the_arithmetic_takes_part():
    """An expression that is contracted, or a function that is off by a bit, changes the hash."""
    from bpfree.exporters import firmware

    model, trainer, samples = device_hashes.problem()
    kernels = {row.op.name for row in model.graph.nodes}
    assert {"tt_linear", "tanh", "linear"} <= kernels
    wanted = device_hashes.expected(model, trainer, samples)
    assert wanted == device_hashes.expected(model, trainer, samples)
    other = firmware.Samples(samples.rows * 1.0000001, labels=samples.labels)
    assert device_hashes.expected(model, trainer, other) != wanted


def test_the_matrix_has_every_target_and_compiler():
    rows = device_hashes.builds()
    assert {build.target for build in rows} == set(emulate.TARGETS)
    assert {build.compiler for build in rows} == set(emulate.COMPILERS)
    assert {build.optimize for build in rows} == set(emulate.OPTIMIZE_LEVELS)
    assert {build.emulator for build in rows} == set(emulate.EMULATORS)
    assert len({build.name for build in rows}) == len(rows)
    assert {build.compiler for build in device_hashes.builds(quick=True)} == {"zig"}


@pytest.mark.slow
@pytest.mark.tool
def test_all_that_is_installed_comes_to_the_same_bits():
    rows = device_hashes.run()
    found = values(rows)
    wrong = [row for row in rows if row["metric"] == "equal" and row["value"] == 0]
    assert not wrong
    assert found["hashes", "targets_equal"] == found["hashes", "targets_run"] >= 14
    if "BPFREE_REQUIRE_TOOLS" in os.environ:
        absent = [row["case"] for row in rows if row["value"] is None and "/clang-" not in row["case"]]
        assert not absent, "tools that CI installs"
