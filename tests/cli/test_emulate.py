# SPDX-License-Identifier: MIT
"""`bpfree emulate FOLDER`: what it measures, against counts and bits made otherwise; what it says of bad folders."""

import json
import shutil
import sys

import numpy as np
import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles or runs firmware: pip install "bpfree[emulate]"')

from command_line import run  # noqa: E402

import bpfree as bf  # noqa: E402
from bpfree import emulate  # noqa: E402
from bpfree.datasets import load_digits  # noqa: E402
from bpfree.exporters import firmware  # noqa: E402

DIGITS = load_digits()
STEPS = 10


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with firmware, the file of its model, and the run that the firmware repeats."""
    place = tmp_path_factory.mktemp("emulate")
    pixels, labels = DIGITS.train.pixels[:50], DIGITS.train.labels[:50]
    samples = firmware.Samples(pixels, labels=labels, scale=1 / 16)
    model = bf.Sequential(64, [bf.Linear(12), bf.ReLU(), bf.Linear(10)], seed=3)
    done = bf.train(
        model, (samples.x, labels), estimator=bf.UnitWise(), update=bf.SGD(0.2), batch_size=4, max_steps=STEPS,
        engine="compiled", progress=False,
    )  # fmt: skip
    firmware.export(model, place / "firmware", trainer=done.trainer, samples=samples, steps=STEPS)
    model.save(place / "model.npz")
    return place, model, done


def emulated(*arguments, code=0):
    result = run("emulate", *arguments, "--json", "-")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout), result.stderr


def test_the_document_has_what_the_run_took(exported):
    place, model, done = exported
    found, told = emulated(place / "firmware", "--model", place / "model.npz", "--data", "digits", "--to", 0.5)
    assert (found["target"], found["emulator"], found["exit_code"]) == ("cortex-m4f", "unicorn", 0)
    assert (found["steps"], found["skipped"], found["hash"]) == (STEPS, 0, done.model.hash)
    built = emulate.compile_firmware(place / "firmware", optimize="Os", output=place / "again.elf")
    counted = emulate.run_firmware(built, count=True)
    first, last = (mark.instructions for mark in counted.marks[:2])
    assert found["instructions_per_step"] == last - first
    assert found["stack_bytes"] == counted.stack_bytes
    assert found["ram_bytes"] == emulate.footprint(built).ram_bytes
    held_out = DIGITS.validation
    assert found["accuracy"]["before"] == model.accuracy(*held_out)
    assert found["accuracy"]["after"] == done.model.accuracy(*held_out)
    assert (found["expected_hash"], found["equal"]) == (done.model.hash, True)
    assert "equal to the computer's" in told


def test_memory_is_used_as_planned(exported):
    """The arena holds the larger layer's activations at least; arrays are the plan's, and a word or two beside them."""
    found, _ = emulated(exported[0] / "firmware")
    (model,) = found["models"]
    assert 4 * 12 <= model["arena_bytes"] <= model["planned_arena_bytes"] == 4 * 64
    assert model["planned_ram_bytes"] <= found["ram_bytes"] <= model["planned_ram_bytes"] + 16


def test_an_accuracy_is_reached_at_the_step_where_training_here_reaches_it(exported):
    """Steps are looked at in fives, and instructions are those of a step times so many."""
    place, model, done = exported
    halfway = bf.train(
        model, (DIGITS.train.pixels[:50].astype(np.float32) / 16, DIGITS.train.labels[:50]),
        estimator=bf.UnitWise(), update=bf.SGD(0.2), batch_size=4, max_steps=5, engine="compiled", progress=False,
    )  # fmt: skip
    levels = [run.model.accuracy(*DIGITS.validation) for run in (halfway, done)]
    assert model.accuracy(*DIGITS.validation) < levels[0] < levels[1], "training should help"
    options = (place / "firmware", "--model", place / "model.npz", "--data", "digits", "--to")
    for level, steps in ((levels[0], 5), (levels[1], 10), (0.999, None)):
        found, _ = emulated(*options, level)
        assert found["to"]["steps"] == steps
        wanted = None if steps is None else steps * found["instructions_per_step"]
        assert found["to"]["instructions"] == wanted


@pytest.mark.parametrize("target", ["rv32imafc", "host"])
def test_the_same_folder_runs_on_another_processor(exported, target):
    found, _ = emulated(exported[0] / "firmware", "--target", target)
    assert (found["target"], found["hash"]) == (target, exported[2].model.hash)
    assert (found["stack_bytes"] is None) == (target == "host")


def changed(exported, tmp_path, old, new):
    folder = tmp_path / "firmware"
    shutil.copytree(exported[0] / "firmware", folder)
    text = (folder / "main.c").read_text()
    assert old in text
    (folder / "main.c").write_text(text.replace(old, new))
    return folder


def test_a_program_that_fails_ends_with_1(exported, tmp_path):
    folder = changed(exported, tmp_path, "int main(void)\n{\n", "int main(void)\n{\n  return -9;\n")
    found, told = emulated(folder, code=1)
    assert found["exit_code"] == -9
    assert "ended with -9" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--target", "z80"], "--target: expected one of 'cortex-m0', "),
        (["--compiler", "icc"], "--compiler: expected one of 'zig', 'gnu', 'clang', got 'icc'"),
        (["--emulator", "bochs"], "--emulator: expected one of 'unicorn', 'qemu', 'host'"),
        (["--target", "cortex-m55", "--emulator", "unicorn"], "--emulator: expected one that has cortex-m55"),
        (["--to", "0.9"], "--model, --data: expected both"),
    ],
)
def test_wrong_options_are_named(exported, options, told):
    result = run("emulate", exported[0] / "firmware", *options)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_model_of_another_network_is_refused(exported, tmp_path):
    bf.Sequential(64, [bf.Linear(10)]).save(tmp_path / "other.npz")
    result = run("emulate", exported[0] / "firmware", "--model", tmp_path / "other.npz", "--data", "digits")
    assert (result.exit_code, "got 650 parameters; in FOLDER is model of 910" in result.stderr) == (2, True)


def test_a_folder_without_main_and_one_that_does_not_build_say_why(exported, tmp_path):
    folder = changed(exported, tmp_path, "int main(void)\n{\n", "int main(void)\n{\n  oops\n")
    result = run("emulate", folder)
    assert result.exit_code == 1
    assert "main.c:" in result.stderr and "oops" in result.stderr and "command: " in result.stderr
    (folder / "main.c").unlink()
    result = run("emulate", folder)
    assert result.exit_code == 1
    assert "expected main.c in" in result.stderr and "bpfree export firmware" in result.stderr


def test_what_is_not_installed_is_named(exported, monkeypatch):
    monkeypatch.setenv("PATH", str(exported[0]))
    result = run("emulate", exported[0] / "firmware", "--compiler", "gnu")
    assert (result.exit_code, "apt install gcc-arm-none-eabi" in result.stderr) == (1, True)
    result = run("emulate", exported[0] / "firmware", "--emulator", "qemu")
    assert (result.exit_code, "apt install qemu-system-arm" in result.stderr) == (1, True)
    monkeypatch.setitem(sys.modules, "unicorn", None)
    result = run("emulate", exported[0] / "firmware")
    assert (result.exit_code, "bpfree[emulate]" in result.stderr) == (1, True)


def test_a_main_of_ones_own_without_marks_is_run_and_not_counted(exported, tmp_path):
    folder = changed(exported, tmp_path, "int main(void)\n{\n", "int main(void)\n{\n  port_emit(4u, 'x'); return 0;\n")
    found, _ = emulated(folder)
    assert (found["exit_code"], found["text"], found["steps"], found["instructions_per_step"]) == (0, "x", 0, None)


def test_other_bits_than_the_computers_are_a_failure(exported, tmp_path):
    start = "int main(void)\n{\n"
    folder = changed(exported, tmp_path, start, start + '  report("", 0, 5, 5); return 0;\n')
    found, told = emulated(folder, code=1)
    assert (found["hash"], found["equal"]) == (f"{5:016x}", False)
    assert f"the bits differ: expected {exported[2].model.hash}, got 0000000000000005" in told


def test_nothing_is_told_of_the_arena_of_a_model_that_has_predicted_before_another_trains(exported, tmp_path):
    """Its paint would come after its use, and 0 bytes would be told."""
    _, model, done = exported
    samples = firmware.Samples(DIGITS.train.pixels[:50], labels=DIGITS.train.labels[:50], scale=1 / 16)
    firmware.export(model, tmp_path, trainer=done.trainer, samples=samples, steps=1, name="trained")
    firmware.export(model, tmp_path, inference=True, samples=samples, name="asked")
    found, _ = emulated(tmp_path)
    arenas = {own["name"]: own["arena_bytes"] for own in found["models"]}
    assert arenas["asked"] is None and arenas["trained"] > 0
