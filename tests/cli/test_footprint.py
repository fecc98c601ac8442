# SPDX-License-Identifier: MIT
"""`bpfree footprint`: tables for people, largest first, and all of it as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import run

import bpfree as bf
from bpfree.cli.data import load
from bpfree.cli.export_firmware import flash_samples

for _module in ("ziglang", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles or reads firmware: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402
from bpfree.exporters import firmware  # noqa: E402

SIZES = ("flash_bytes", "ram_bytes", "weights_bytes", "data_bytes")
MODEL = bf.Sequential(64, [bf.Linear(12), bf.ReLU(), bf.Linear(10)], seed=1)
WEIGHTS = range(4 * MODEL.graph.n_theta, 4 * MODEL.graph.n_theta + 5)
"""Bytes of weights: an array of constants that has none may still be one float."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Firmware of a dense network with 32 samples, for a Cortex-M4F."""
    place = tmp_path_factory.mktemp("footprint") / "fw"
    trainer = bf.Trainer(MODEL.graph, MODEL.frozen, "cross_entropy", bf.RGE(2), bf.SGD(0.01), 4)
    return firmware.export(MODEL, place, trainer=trainer, samples=flash_samples(load("digits"), 32))


def told(*arguments):
    result = run("footprint", *arguments, "--json", "-")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def total(rows):
    return {name: sum(row[name] for row in rows) for name in SIZES}


def test_one_target(folder, tmp_path):
    document = told(folder)
    (found,) = document["targets"]
    assert (found["target"], document["left_out"]) == ("cortex-m4f", {})
    whole = {name: found[name] for name in SIZES}
    for table in ("sources", "sections", "symbols"):
        assert total(found[table]) == whole
        sums = [sum(row[name] for name in SIZES) for row in found[table]]
        assert sums == sorted(sums, reverse=True) and len(sums) > 4
    built = emulate.compile_firmware(folder, optimize="Os", output=tmp_path / "firmware.elf")
    expected = emulate.footprint(built)
    assert found["beyond_an_empty_program"] == {name: getattr(expected, name) for name in SIZES}
    assert whole["weights_bytes"] in WEIGHTS and whole["data_bytes"] == 32 * (64 + 4)
    by_source = {row["source"]: row for row in found["sources"]}
    assert by_source["model.c"]["weights_bytes"] == whole["weights_bytes"]
    assert by_source["samples.c"]["data_bytes"] == whole["data_bytes"]
    assert by_source["runtime/op_linear.c"]["flash_bytes"] > 500 and by_source["main.c"]["ram_bytes"] > 3_000
    (theta,) = [row for row in found["symbols"] if row["symbol"] == "theta"]
    assert (theta["ram_bytes"], theta["source"]) == (4 * MODEL.graph.n_theta, "main.c")
    assert max(row["stack_bytes"] or 0 for row in found["symbols"]) > 50


def test_what_people_see(folder):
    result = run("footprint", folder, "--most", 3)
    assert result.exit_code == 0, result.output
    for text in ("bytes by source", "bytes by symbol", "bytes by section", "theta", "more", "cortex-m4f",
                 "beyond an empty program", "(clang), -Os", "largest stack frames"):  # fmt: skip
        assert text in result.stdout, text
    rows = [line for line in result.stdout.splitlines() if re.match(r"│ [^ │]", line)]
    assert len(rows) == 3 * 4 + 1


@pytest.mark.slow
def test_targets_of_other_families_get_their_port(folder):
    document = told(folder, "--target", "cortex-m0", "--target", "rv32imc", "--target", "cortex-m0")
    sizes = {row["target"]: row for row in document["targets"]}
    assert list(sizes) == ["cortex-m0", "rv32imc"]
    for name, found in sizes.items():
        sources = {row["source"] for row in found["sources"]}
        assert {"main.c", "port/startup.c", "runtime/train.c", "(compiler's library)"} <= sources, name
        assert found["weights_bytes"] in WEIGHTS
    assert sizes["cortex-m0"]["flash_bytes"] != sizes["rv32imc"]["flash_bytes"]
    assert not (folder / "build").exists(), "the folder is left as it was"


@pytest.mark.slow
def test_all_targets(folder):
    document = told(folder, "--all-targets")
    assert {row["target"] for row in document["targets"]} == {n for n, row in emulate.TARGETS.items() if row.bare}


def test_lto_is_smaller_and_explained(folder):
    plain, lto = told(folder)["targets"][0], run("footprint", folder, "--lto", "--json", "small.json")
    assert lto.exit_code == 0 and "counts for the file of its caller" in lto.stdout
    small = json.loads(Path("small.json").read_text())["targets"][0]
    assert small["flash_bytes"] < plain["flash_bytes"] and total(small["sources"]) == {n: small[n] for n in SIZES}


def test_wrong_use(folder, tmp_path):
    for arguments, message in {
        ("--target", "z80"): "--target: expected one of 'cortex-m0'",
        ("--target", "host"): "--target: expected one of 'cortex-m0'",
        ("--target", "rv32i", "--all-targets"): "--target, --all-targets: expected one of them, got both",
        ("--compiler", "msvc"): "--compiler: expected one of 'zig', 'gnu', 'clang', got 'msvc'",
        ("--optimize", "O9"): "--optimize: expected one of 'Os'",
    }.items():
        result = run("footprint", folder, *arguments)
        assert result.exit_code == 2 and message in result.output, result.output
    result = run("footprint", tmp_path)
    assert result.exit_code == 2 and "as " in result.output and "tells none" in result.output
    (tmp_path / "main.c").write_text("int main(void) { return 0; }\n")
    result = run("footprint", tmp_path, "--target", "rv32i")
    assert result.exit_code == 1 and "link.ld" in result.output


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
