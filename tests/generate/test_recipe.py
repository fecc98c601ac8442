"""The recipe of CONTRIBUTING.md, followed: a row for each table, added to a copy of the checkout, built and tested."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from new_rows import RECIPES, add

CHECKOUT = Path(__file__).resolve().parents[2]
NEVER = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", "*.so", "*.egg-info")
TESTS = (
    "tests/test_tables.py", "tests/test_imports.py", "tests/test_public_names.py", "tests/generate", "tests/ops",
    "tests/losses", "tests/updates", "tests/estimators", "tests/training", "tests/pde", "tests/exporters/test_onnx.py",
    "tests/docs/test_docs.py", "tests/docs/test_doctests.py", "tests/cli/test_solve.py",
)  # fmt: skip
WHOLE = "tables or imports or generated or public or oracle or settings_to_try or every_row"
"""Tests of tables as such, besides those that have the name of a row."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the checkout, and an environment that sees the packages of this one, but not this bpfree."""
    if not (CHECKOUT / "runtime_c").is_dir():
        pytest.skip("needs a checkout")
    place = tmp_path_factory.mktemp("recipe")
    shutil.copytree(CHECKOUT, place / "bpfree", ignore=NEVER)
    venv.create(place / "venv", symlinks=True)
    python = place / "venv" / "bin" / "python"
    ask = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    (own / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")  # whose own .pth files are not read
    return place / "bpfree", python


def run(checkout, *command):
    """Run Python in the copy; the environment's programs go first, as in the Makefile."""
    folder, python = checkout
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run([python, *command], cwd=folder, env={**os.environ, "PATH": tools}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    assert done.returncode == 0, done.stdout[-8000:]
    return done.stdout


def install(checkout, *settings):
    """Install the copy, editable, as `make setup` does."""
    run(checkout, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-build-isolation", "--no-deps",
        *(f"--config-settings={setting}" for setting in settings), "-e", ".")  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_rows_are_added_as_the_recipe_says(checkout):
    folder, _ = checkout
    install(checkout, "wheel.cmake=false", "wheel.py-api=py3")  # without the core, which is built once, behind the rows
    written = {name: add(name, folder) for name in RECIPES}
    assert all(len(files) <= 4 for files in written.values())
    generated = set(re.findall(r"wrote (\S+)", run(checkout, "-m", "bpfree.generate")))
    assert "bpfree/__init__.py" in generated and "runtime_c/include/bpfree/ops.gen.def" in generated
    assert not generated & set().union(*written.values()), "no file is written by hand and by make generate"
    run(checkout, "-m", "ruff", "check", "-q", ".")
    install(checkout, "cmake.define.BPFREE_WERROR=ON")

    found = run(checkout, "-c", "import bpfree as bf, bpfree._core as c; print(bf.__file__, c.__file__)").split()
    assert all(str(folder.parent) in path for path in found), "the copy is tested, and not the checkout"
    run(checkout, "-c", "import bpfree as bf; bf.Cos, bf.SPSA, bf.SoftSign, bf.pde.Extrapolated")
    chosen = " or ".join([*RECIPES, "Cos", "SPSA", "SoftSign", "Extrapolated", WHOLE])
    told = run(checkout, "-m", "pytest", "-q", "-rA", "-m", "not slow", "-k", chosen, *TESTS)
    passed = [line for line in told.splitlines() if line.startswith("PASSED")]
    for name in RECIPES:
        kinds = {name, name.replace("_", "").lower()}
        assert sum(any(kind in line.lower() for kind in kinds) for line in passed) >= 5, f"few tests see {name}"
