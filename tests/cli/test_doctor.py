# SPDX-License-Identifier: MIT
"""`bpfree doctor`: missing parts are no error, broken parts are found."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest
from command_line import run

from bpfree import native
from bpfree.cli import self_checks as checks
from bpfree.cli.self_checks import BROKEN, MISSING, OK
from bpfree.errors import CoreMissingError

needs_core = pytest.mark.skipif(not native.available(), reason="the compiled core is not built")


def by_name(rows):
    return {row.name: row for row in rows}


def test_everything_here_works():
    result = run("doctor", "--json", "-")
    document = json.loads(result.stdout)
    assert result.exit_code == 0 and document["ok"]
    assert set(document) == {"command", "bpfree", "ok", "checks"}
    assert all(set(row) == {"section", "name", "status", "detail", "advice"} for row in document["checks"])
    sections = list(dict.fromkeys(row["section"] for row in document["checks"]))
    assert sections == ["this computer", "compiled core", "extras", "programs", "data sets", "self test, 5 steps"]
    assert "nothing is broken" in result.stderr


@needs_core
def test_the_self_test_runs_every_instruction_set_and_compares_hashes():
    rows = checks.self_test()
    assert len(rows) == 1 + len(native.isa_names()) and len({row.detail for row in rows}) == 1


@needs_core
def test_an_engine_that_computes_something_else_is_broken(monkeypatch):
    import bpfree as bf

    apply = bf.CompiledEngine.apply

    def wrong(self, trainer, theta, state, step, coefficients):
        theta, state = apply(self, trainer, theta, state, step, coefficients)
        theta[0] += 2.0**-20
        return theta, state

    monkeypatch.setattr(bf.CompiledEngine, "apply", wrong)
    result = run("doctor")
    assert result.exit_code == 1
    assert "BROKEN  compiled, scalar" in result.stdout and "broken: compiled, scalar" in result.stdout
    assert "build it again" in result.stdout


@pytest.mark.parametrize(("built", "status"), [(False, MISSING), (True, BROKEN)], ids=["missing", "broken"])
def test_a_core_that_is_there_must_load(monkeypatch, built, status):
    def fail():
        raise CoreMissingError("the compiled core bpfree._core does not load (undefined symbol): build it", built)

    monkeypatch.setattr(native, "core", fail)
    (row,) = checks.core()
    assert row.status == status and "build it" in row.advice


@needs_core
def test_a_core_of_other_tables_is_broken(monkeypatch):
    names = native.registry_name
    monkeypatch.setattr(native, "registry_name", lambda table, n: "other" if table == "losses" else names(table, n))
    row = by_name(checks.core())["tables"]
    assert row.status == BROKEN and "losses" in row.detail and "build it again" in row.advice


def test_extras_are_those_of_the_package():
    declared = set(metadata.metadata("bpfree").get_all("Provides-Extra")) - {"all", "dev"}
    assert set(checks.UNLOCKS) == declared
    for row in checks.extras():
        assert (row.status == OK) == (row.advice == "")
        assert row.status != MISSING or row.advice == f'pip install "bpfree[{row.name}]"'


def test_missing_and_broken_packages(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ['absent-x>=1; extra == "onnx"', 'pip; extra == "plot"'])
    rows = by_name(checks.extras())
    assert rows["onnx"].status == MISSING and "absent-x missing" in rows["onnx"].detail
    assert rows["plot"].status == OK and metadata.version("pip") in rows["plot"].detail

    def fail(name):
        raise RuntimeError("no such symbol")

    monkeypatch.setattr(checks, "import_module", fail)
    row = by_name(checks.extras())["plot"]
    assert row.status == BROKEN and "RuntimeError: no such symbol" in row.detail


def test_programs_that_are_there_must_run(tmp_path, monkeypatch):
    for name, code in (("cc", 0), ("qemu-system-arm", 1)):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} 1.2\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = by_name(checks.programs())
    assert (rows["cc"].status, rows["qemu-system-arm"].status) == (OK, BROKEN)
    assert "cc 1.2" in rows["cc"].detail
    assert rows["arm-none-eabi-gcc"].status == MISSING and "apt install" in rows["arm-none-eabi-gcc"].advice


def test_it_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "bpfree", "doctor", "--json", "-"], capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["ok"]
