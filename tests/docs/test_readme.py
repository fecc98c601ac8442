# SPDX-License-Identifier: MIT
"""The examples of the README run as they are."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

README = Path(__file__).resolve().parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def test_the_coefficient_of_the_heat_equation_is_found(capsys):
    names: dict = {}
    exec(compile("import numpy as np\nimport bpfree as bf\n" + blocks("python")[2], "README.md", "exec"), names)
    assert names["solution"].unknowns["alpha"] == pytest.approx(0.3, abs=1e-3)
    assert names["solution"].predict([[0.5, 0.1]]).item() == pytest.approx(np.exp(-0.03 * np.pi**2), abs=1e-3)
    assert "'alpha': 0." in capsys.readouterr().out


def test_python_example_then_c_example_on_its_firmware(tmp_path, monkeypatch, capsys):
    for package in ("ziglang", "unicorn", "elftools", "capstone"):
        pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')
    from bpfree import emulate

    monkeypatch.chdir(tmp_path)
    names: dict = {}
    training, elsewhere, _ = blocks("python")
    exec(compile(training, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "outcome: done" in printed
    accuracy = float(printed.strip().splitlines()[-1])
    assert accuracy > 0.9, "the example is meant to work"

    exec(compile(elsewhere, "README.md", "exec"), names)
    assert max(float(error) for error in capsys.readouterr().out.split()[-2:]) < 1e-6

    (tmp_path / "firmware" / "main.c").write_text(*blocks("c"))
    result = emulate.run_firmware(emulate.compile_firmware(tmp_path / "firmware"))
    assert result.exit_code == 0


def test_eight_lines_of_python_and_ten_of_c():
    code = [line for line in blocks("python")[0].splitlines() if line and not line.startswith(("import", "from"))]
    assert len(code) <= 8
    inside = blocks("c")[0].split("{", 2)[2].splitlines()  # the body of main
    assert len([line for line in inside if line.strip() and line.strip() != "}"]) <= 10


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#:]+)\)", README.read_text()):
        assert (README.parent / target).exists(), target
