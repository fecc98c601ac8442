# SPDX-License-Identifier: MIT
"""`bpfree demo`, shortened: what it prints, what it leaves behind, and how it fails."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
from click.testing import CliRunner

for package in ("ziglang", "unicorn", "elftools", "capstone", "matplotlib"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate,plot]"')

import bpfree as bf  # noqa: E402
from bpfree.cli import demo as module  # noqa: E402
from bpfree.cli import main  # noqa: E402
from bpfree.datasets import load_digits  # noqa: E402


@pytest.fixture
def short(monkeypatch):
    """Shorten the demo to seconds; the real one is `make demo`."""
    import bpfree.cli.demo as demo

    monkeypatch.setattr(demo, "PHASES", ((30, 0.1), (10, 0.03)))
    monkeypatch.setattr(demo, "ON_COMPUTER", {"estimator": bf.RGE(n_queries=8), "batch_size": 32})
    monkeypatch.setitem(demo.ON_DEVICE["losses only"], "batch_size", 4)
    monkeypatch.setattr(demo, "DEVICE_STEPS", 10)
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
    assert bf.Model.load(tmp_path / "adapted.npz").hash != trained.hash
    assert all((tmp_path / f"firmware-{name.replace(' ', '-')}" / "Makefile").is_file() for name in short.ON_DEVICE)


def test_a_folder_with_files_of_one_s_own_ends_it_in_a_line(short, tmp_path):
    folder = tmp_path / "firmware-losses-only"
    folder.mkdir()
    (folder / "model.c").write_text("int mine;\n")
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path)])
    assert result.exit_code == 2 and "--folder: expected files as an export left them" in result.output
    assert (folder / "model.c").read_text() == "int mine;\n"


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


def test_the_changed_world_is_two_pixels_lower_and_to_the_right_and_half_as_bright():
    digits = load_digits("test").part(0, 5)
    seen = module.moved(digits)
    before, after = (own.pixels.reshape(5, 8, 8) for own in (digits, seen))
    for row, column in np.ndindex(8, 8):
        inside = row >= 2 and column >= 2
        np.testing.assert_array_equal(after[:, row, column], before[:, row - 2, column - 2] // 2 if inside else 0)
    assert (seen.labels == digits.labels).all()


@pytest.mark.parametrize("seed", (0, 1, 2))
@pytest.mark.parametrize("name", list(module.ON_DEVICE))
def test_the_device_gets_back_more_than_half_of_what_the_change_took(name, seed):
    """On test samples; the compiled engine computes the bits of the device, which the last screen shows."""
    digits = load_digits()
    mine, new = module.split(digits)
    model = trained_on_computer(seed)
    run = bf.train(
        model, module.moved(new), **module.ON_DEVICE[name], max_steps=module.DEVICE_STEPS, progress=False,
        seed=module.device_seed(seed), engine="compiled",
    )  # fmt: skip
    test = module.moved(digits.test)
    before, changed, adapted = model.accuracy(*digits.test), model.accuracy(*test), run.model.accuracy(*test)
    assert before > 0.93 and changed < 0.3
    assert adapted - changed > 0.5 * (before - changed)


@functools.cache
def trained_on_computer(seed):
    digits = load_digits()
    mine, _ = module.split(digits)
    return module.train_on_computer(module.network(seed), mine, digits.validation, seed)[-1].model
