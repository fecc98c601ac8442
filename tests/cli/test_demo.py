# SPDX-License-Identifier: MIT
"""`bpfree demo`, shortened: what it prints, what it leaves behind, and how it fails."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

for package in ("ziglang", "unicorn", "elftools", "capstone", "matplotlib"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate,plot]"')

import bpfree as bf  # noqa: E402
from bpfree.cli import demo as module  # noqa: E402
from bpfree.cli import main  # noqa: E402


@pytest.fixture
def short(monkeypatch):
    """Shorten the demo to seconds; the real one is `make demo`."""
    import bpfree.cli.demo as demo

    monkeypatch.setattr(demo, "PHASES", ((30, 0.1), (10, 0.03)))
    monkeypatch.setattr(demo, "ON_COMPUTER", {"estimator": bf.RGE(n_queries=8), "batch_size": 32})
    monkeypatch.setattr(demo, "ON_DEVICE", {"estimator": bf.RGE(n_queries=2), "batch_size": 4})
    monkeypatch.setattr(demo, "DEVICE_STEPS", 3)
    return demo


def test_the_last_screen(short, tmp_path):
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path), "--seed", "0"])
    assert result.exit_code == 0, result.output
    hashes = re.findall(r"^  ([0-9a-f]{16})  ", result.output, re.MULTILINE)
    assert len(hashes) == 3 and len(set(hashes)) == 1
    for row in ("test accuracy", "floor", "forwards", "MACs", "parameters", "RAM", "stack", "flash", "instructions"):
        assert row in result.output
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    trained = bf.Model.load(tmp_path / "digits.npz")
    assert trained.graph.n_theta == 938
    assert (tmp_path / "firmware" / "Makefile").is_file()


def test_a_folder_with_files_of_one_s_own_ends_it_in_a_line(short, tmp_path):
    (tmp_path / "firmware").mkdir()
    (tmp_path / "firmware" / "model.c").write_text("int mine;\n")
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path)])
    assert result.exit_code == 2 and "--folder: expected files as an export left them" in result.output
    assert (tmp_path / "firmware" / "model.c").read_text() == "int mine;\n"


def test_hashes_that_differ_are_a_failure(short, tmp_path, monkeypatch):
    monkeypatch.setattr(short, "replay", lambda journal, trainer, theta, engine: theta)  # replays nothing
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path)])
    assert result.exit_code == 1
    assert "NOT EQUAL" in result.output


def test_missing_packages_are_named_before_any_training(short, tmp_path, monkeypatch):
    monkeypatch.setattr(short, "find_spec", lambda name: None if name == "unicorn" else object())
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path / "new")])
    assert result.exit_code == 1
    assert 'unicorn missing: pip install "bpfree[emulate,plot]"' in result.output
    assert not (tmp_path / "new").exists()


def test_help_teaches():
    output = CliRunner().invoke(main, ["demo", "--help"]).output
    assert "--folder" in output and "--seed" in output and "Cortex-M4F" in output
    assert "demo" in CliRunner().invoke(main, ["--help"]).output


def test_the_networks_are_the_same_for_a_seed():
    first, again, other = module.network(1), module.network(1), module.network(2)
    assert first.hash == again.hash != other.hash
