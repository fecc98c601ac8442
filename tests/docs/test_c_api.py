"""The page of the C API: its programs are compiled, as C and as C++, run, and end at the computer's bits."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from pages import blocks

import bpfree as bf
from bpfree.exporters import firmware
from bpfree.exporters.runtime import runtime_folder

PAGE = "c-api.md"
PROGRAM, *SNIPPETS = (text for _, text, _, _ in blocks(PAGE, "c"))
((_, CPLUSPLUS, _, _),) = blocks(PAGE, "cpp")
X = np.random.default_rng(1).normal(size=(24, 8)).astype(np.float32)
Y = np.arange(24) % 3
STRICT = ["-fno-fast-math", "-fno-math-errno", "-ffp-contract=off", "-Wall", "-Wextra", "-pedantic", "-Werror"]


@pytest.fixture(scope="module")
def run():
    model = bf.Sequential(8, [bf.Linear(6), bf.Tanh(), bf.Linear(3)], seed=2)
    return bf.train(model, (X, Y), estimator=bf.RGE(2), update=bf.SGD(0.05), batch_size=4, max_steps=20)


def export(run, folder):
    model = bf.Sequential(8, [bf.Linear(6), bf.Tanh(), bf.Linear(3)], seed=2)
    return firmware.export(model, folder, trainer=run.trainer, samples=firmware.Samples(X, labels=Y), steps=20)


def host_objects(folder):
    """The exported C, but its main program and port, compiled for this machine."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler")
    program = {folder / "main.c", folder / "report.c", *(folder / "port").iterdir()}
    sources = [path for path in folder.rglob("*.c") if path not in program]
    flags = ["-std=c99", "-O1", *STRICT, f"-I{folder}", f"-I{folder / 'runtime'}", f"-I{folder / 'port'}"]
    sections = ["-Dsection(name)="] if shutil.which("otool") else []
    subprocess.run([compiler, *flags, *sections, "-c", *map(str, sources)], check=True, cwd=folder)
    return [str(folder / f"{path.stem}.o") for path in sources]


def test_the_program_ends_at_the_hash_of_the_computer(run, tmp_path):
    for package in ("ziglang", "unicorn", "elftools", "capstone"):
        pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')
    from bpfree import emulate

    folder = export(run, tmp_path / "firmware")
    (folder / "main.c").write_text(PROGRAM)
    result = emulate.run_firmware(emulate.compile_firmware(folder, optimize="Os", extra_flags=["-pedantic"]))
    assert result.exit_code == 0
    assert f"{int.from_bytes(result.read_symbol('hash', 8), 'little'):016x}" == run.model.hash
    y = np.frombuffer(result.read_symbol("y", 12), np.float32)
    row = run.trainer.indices(0, len(X))[0]
    expected = bf.ReferenceEngine(exact=True).predict(
        run.model.graph, run.model.theta, run.model.frozen, X[row : row + 1]
    )
    assert np.array_equal(y, expected[0])


def test_the_program_in_cplusplus_ends_there_too(run, tmp_path):
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    folder = export(run, tmp_path / "firmware")
    objects = host_objects(folder)
    (folder / "main.cpp").write_text(CPLUSPLUS.replace("EXPECTED", f"0x{run.model.hash}u"))
    flags = ["-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{folder}", f"-I{folder / 'runtime'}"]
    subprocess.run([compiler, *flags, str(folder / "main.cpp"), *objects, "-o", str(folder / "program")], check=True)
    assert subprocess.run([str(folder / "program")], check=False).returncode == 0


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_every_header_is_cplusplus(compiler, tmp_path):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    headers = sorted((runtime_folder() / "include" / "bpfree").glob("*.h"))
    assert len(headers) > 8
    for header in headers:
        (tmp_path / "one.cpp").write_text(f'#include "bpfree/{header.name}"\n')
        flags = ["-std=c++11", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", f"-I{header.parent.parent}"]
        subprocess.run([compiler, *flags, str(tmp_path / "one.cpp")], check=True)


def test_snippets_call_what_there_is():
    declared = "".join(path.read_text() for path in (runtime_folder() / "include" / "bpfree").glob("*.h"))
    called = {name for text in SNIPPETS for name in re.findall(r"\b(bpfree_\w+)\(", text)}
    assert called and all(f"{name}(" in declared for name in called)
