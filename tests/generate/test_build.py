"""Holes end the build: a row of a table without its C file, and a C file that no list has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bpfree.exporters.runtime import runtime_folder

TABLES = {
    "ops": ("OP", "bpfree_op_hole_scalar"),
    "jets": ("JET", "bpfree_jet_hole_scalar"),
    "slopes": ("SLOPE", "bpfree_slope_hole_scalar"),
    "losses": ("LOSS", "bpfree_loss_hole_scalar"),
    "estimators": ("ESTIMATOR", "bpfree_est_hole"),
    "updates": ("UPDATE", "bpfree_upd_hole_scalar"),
    "schedules": ("SCHEDULE", "bpfree_sched_hole"),
    "rules": ("RULE", "bpfree_rule_hole"),
    "problems": ("RESIDUAL", "bpfree_residual_hole"),
}


@pytest.fixture
def cmake(tmp_path):
    """cmake(*arguments) beside a copy of the runtime; skipped where there is no cmake or no compiler."""
    tools = Path(sys.executable).parent
    path = os.pathsep.join([str(tools), os.environ["PATH"]])
    for tool in ("cmake", "ninja", os.environ.get("CC", "cc")):
        if not shutil.which(tool, path=path):
            pytest.skip(f"{tool} missing")
    shutil.copytree(runtime_folder(), tmp_path / "runtime_c")

    def call(*arguments):
        environment = {**os.environ, "PATH": path}
        return subprocess.run(["cmake", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)

    return call


CONFIGURE = ("-S", "runtime_c", "-B", "build", "-G", "Ninja")


def test_a_file_that_is_not_listed_ends_the_configuration(cmake, tmp_path):
    (tmp_path / "runtime_c" / "src" / "extra.c").write_text("int extra;\n")
    done = cmake(*CONFIGURE)
    assert done.returncode and "expected a line for every file in src, got none for" in done.stderr
    assert "src/extra.c" in done.stderr


def test_a_listed_file_that_is_not_there_ends_the_configuration(cmake, tmp_path):
    (tmp_path / "runtime_c" / "src" / "hash.c").unlink()
    done = cmake(*CONFIGURE)
    assert done.returncode and "expected files like src/hash.c, got none" in done.stderr


@pytest.mark.slow
def test_a_row_without_its_c_file_ends_the_build(cmake, tmp_path):
    for table, (macro, _) in TABLES.items():
        with open(tmp_path / "runtime_c" / "include" / "bpfree" / f"{table}.gen.def", "a") as file:
            file.write(f"BPFREE_{macro}(90, hole)\n")
    assert cmake(*CONFIGURE).returncode == 0
    done = cmake("--build", "build", "--target", "bpfree_links")
    output = done.stdout + done.stderr
    assert done.returncode
    assert [symbol for _, symbol in TABLES.values() if symbol not in output] == []
