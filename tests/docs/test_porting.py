"""The porting guide is right as it stands: its programs compile, link and run with the files that it lists."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import floats
from native_pde import NativePde

import bpfree as bf
from bpfree.engines import CompiledEngine
from bpfree.exporters import firmware
from bpfree.exporters.ports import port_files
from bpfree.exporters.runtime import listed_sources, runtime_folder
from bpfree.pde.problems import PROBLEMS
from bpfree.pde.rules import RULES
from bpfree.pde.streams import Streams

for package in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402
from bpfree.emulate.emulators import has  # noqa: E402
from bpfree.emulate.machine import Emulation  # noqa: E402

RUNTIME = runtime_folder()
GUIDE = (RUNTIME / "README.md").read_text()
PORT, *PROGRAMS = re.findall(r"^```c\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
ALWAYS = ("every program", "of these those that its tables name; or all")
STEPS = 20


def guide_files(*wanted):
    """Files of the rows of the guide's table with these words behind them, patterns filled in."""
    rows = dict(re.findall(r"^\| ((?:`[\w*.]+\.c` ?)+)\| (.+) \|$", GUIDE, re.MULTILINE))
    found = {text: re.findall(r"`([\w*.]+)`", files) for files, text in rows.items()}
    assert set(wanted) <= set(found), found
    return [path for text in wanted for name in found[text] for path in sorted((RUNTIME / "src").glob(name))]


def built(folder, model, trainer, program, *wanted, samples=None):
    """The program beside what the exporter writes about the model, with the guide's files in the place of its own."""
    exported = firmware.export(model, folder / "exported", trainer=trainer, samples=samples, steps=STEPS)
    own = ["model.c", "model.h"] + ["trainer.c", "samples.c"] * (samples is not None)
    target = folder / "program"
    target.mkdir()
    for name in own:
        shutil.copy(exported / name, target)
    shutil.copytree(exported / "port", target / "port")
    shutil.copytree(RUNTIME / "include" / "bpfree", target / "include" / "bpfree")
    (target / "src").mkdir()
    for path in [*guide_files(*ALWAYS, *wanted), *(RUNTIME / "src").glob("*.h")]:
        shutil.copy(path, target / "src")
    (target / "main.c").write_text(program)
    if "settings.h" in program:
        text = trainer.settings().replace('"', '\\"')
        (target / "settings.h").write_text(f'#include <stdint.h>\nstatic const uint8_t settings_text[] = "{text}";\n')
    return emulate.compile_firmware(target, optimize="Os", extra_flags=["-Wconversion", "-pedantic"])


def classifier():
    x, y = floats(1, 24, 8), np.arange(24) % 3
    model = bf.Sequential(8, [bf.Linear(6), bf.Tanh(), bf.Linear(3)], seed=2)
    run = bf.train(model, (x, y), estimator=bf.RGE(2), update=bf.SGD(0.05), batch_size=4, max_steps=STEPS)
    return model, run, firmware.Samples(x, labels=y)


def test_three_programs():
    assert len(PROGRAMS) == 3 and all('#include "model.h"' in program for program in PROGRAMS)


def test_the_port_of_a_board_writes_to_its_uart(tmp_path):
    """The board's UART is played by the test: a register that says there is room, and one that takes characters."""
    model, run, samples = classifier()
    folder = firmware.export(
        model, tmp_path / "own", trainer=run.trainer, samples=samples, steps=STEPS, port="none", target="cortex-m4f"
    )
    vendor = port_files(emulate.TARGETS["cortex-m4f"])
    (folder / "board").mkdir()
    (folder / "board" / "port.c").write_text(PORT)
    sources = [*folder.glob("*.c"), *folder.glob("runtime/*.c"), folder / "board" / "port.c"]
    program = emulate.compile_firmware(
        folder, optimize="Os", sources=[*sources, vendor["startup.c"], vendor["memory.c"]],
        extra_flags=["-Wconversion", "-pedantic"],
    )  # fmt: skip
    board, sent = Emulation(program, limit=20_000_000), bytearray()
    board.board.uc.mmio_map(
        0x40004000, 0x1000, lambda _uc, offset, *_: 0x80 if offset == 0x41C else 0, None,
        lambda _uc, offset, _size, value, _: sent.append(value) if offset == 0x428 else None, None,
    )  # fmt: skip
    with pytest.raises(emulate.EmulationError, match="more than"):  # startup.c loops once main has returned
        board.until_exit(60.0)
    lines = sent.decode().splitlines()
    low, high = (line[2:] for line in lines if line[0] == "3")
    assert (high + low, lines[-1]) == (run.model.hash, "0 00000000")


def test_the_table_of_targets_is_that_of_the_exporter():
    table = GUIDE.split("<!-- targets:")[1]
    found = {row[0]: row[1:] for row in re.findall(r"^\| `(.*)` \| `(.*)` \| (.*) \| (.*) \|$", table, re.MULTILINE)}
    for name, target in emulate.TARGETS.items():
        size = f"{target.flash_bytes >> 20} MB, {target.ram_bytes >> 10} KB" if target.bare else ""
        machines = ", ".join(key for key, machine in emulate.EMULATORS.items() if has(machine, target))
        assert found.pop(name) == (" ".join((f"{target.gnu.prefix}gcc", *target.cpu_flags)), size, machines)
    assert not found


def test_the_training_loop_trains(tmp_path):
    model, run, _ = classifier()
    program = built(tmp_path, model, run.trainer, PROGRAMS[0])
    result = emulate.run_firmware(program)
    theta = np.frombuffer(result.read_symbol("theta", 4 * model.graph.n_theta), np.float32)
    assert result.exit_code == 0 and np.isfinite(theta).all() and not np.array_equal(theta, model.theta)
    # without a file of the guide nothing links: there is no other way for the program to get at it
    (Path(program.folder) / "src" / "vector.c").unlink()
    with pytest.raises(emulate.FirmwareBuildError, match="bpfree_axpy"):
        emulate.compile_firmware(program.folder, optimize="Os")


def test_the_log_is_a_journal_on_the_computer(tmp_path):
    model, run, samples = classifier()
    result = emulate.run_firmware(built(tmp_path, model, run.trainer, PROGRAMS[1], "a log of its run", samples=samples))
    used = int.from_bytes(result.read_symbol("used", 4), "little")
    (tmp_path / "log").write_bytes(result.read_symbol("flash", used))
    assert result.exit_code == 0 and used > 64
    assert bf.theta_hash(bf.replay(tmp_path / "log", model)) == run.model.hash


def test_residuals_are_those_of_the_host(tmp_path):
    model = bf.Sequential(21, [bf.Linear(24), bf.Tanh(), bf.Linear(1)], seed=1)
    zeros = np.zeros((2, 1), np.float32)
    run = bf.train(model, (floats(1, 2, 21), zeros), loss="mse", estimator=bf.RGE(), batch_size=1, max_steps=1)
    result = emulate.run_firmware(built(tmp_path, model, run.trainer, PROGRAMS[2], "derivatives and PDEs"))
    found = [np.frombuffer(result.read_symbol(name, 4), np.float32) for name in ("r", "loss")]

    point = np.zeros((1, 21), np.float32)
    point[0, :3] = 0.25, -0.5, 1.0
    streams, row = Streams(np.eye(21), [[(k, k, 1.0) for k in range(20)]]), PROBLEMS["hjb_lqg"].number
    own = CompiledEngine("scalar").model(model.graph, model.frozen)
    expected = NativePde(own, streams, RULES["taylor"].number, (), row, (1.0, 0.0, 1.0)).residuals(model.theta, point)
    assert result.exit_code == 0 and expected[0][0] != 0
    assert (found[0][0], found[1][0]) == (expected[0][0], expected[1])


def test_the_list_is_of_all_files_and_the_guide_shows_all_of_it():
    names = [name for part in listed_sources().values() for name in part]
    listed = [path for name in names for path in (RUNTIME / "src").glob(name)]
    assert sorted(listed) == sorted((RUNTIME / "src").glob("*.c"))
    assert all(f"`{name}`" in GUIDE for name in names)
