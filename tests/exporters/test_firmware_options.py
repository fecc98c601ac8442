"""Options of config.h change what is linked and never a bit: any pair of settings meets in one of 32 builds."""

from __future__ import annotations

import shutil

import pytest

import bpfree as bf
from bpfree.exporters import firmware, options
from bpfree.graph.c_tables import device_tables

for package in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(package, reason=f'{package} missing: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, trained_by  # noqa: E402

from bpfree import emulate  # noqa: E402

STEPS = 2
BUILDS = range(32)
FREE = ("BPFREE_PAIRED", "BPFREE_CHECKS", "BPFREE_LOOK_FIRST")
"""Options that may be 0 whatever is trained; the others may be 0 where they are not wanted."""

STRICT = ("-Wconversion", "-pedantic")
RUNS = {
    "one query by sign": lambda: trained_by(bf.RGE(), "dense", STEPS),
    "one-sided, with state": lambda: trained_by(bf.RGE(2, two_sided=False), "deep", STEPS, update=bf.Adam(0.01)),
    "coordinates": lambda: trained_by(bf.CGE(0.1), "tt", STEPS, update=bf.Momentum(0.02)),
}


def setting(build: int, column: int) -> int:
    """Return an element of an orthogonal array: in every two of its 31 columns all four pairs are met eight times."""
    return (build & column).bit_count() % 2


def defines(build: int, wanted: set[str]) -> list[str]:
    may_be_0 = [*FREE, *(name for name in options.OPTIONS if name not in wanted and name not in FREE)]
    assert len(may_be_0) <= 29
    unroll = (1, 4, 8, 4)[2 * setting(build, 30) + setting(build, 31)]
    chosen = [f"{name}={setting(build, column)}" for column, name in enumerate(may_be_0, start=1)]
    return [*chosen, f"BPFREE_UNROLL={unroll}"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return by name of a run its folder, the hash it ends with and the options it wants."""
    found = {}
    for name, run_of in RUNS.items():
        model, run = run_of()
        folder = tmp_path_factory.mktemp("options")
        firmware.export(model, folder, trainer=run.trainer, samples=DIGITS, steps=STEPS)
        found[name] = folder, run.model.hash, options.wanted(device_tables(run.trainer), run.trainer)
    return found


def compilers():
    """Clang by zig, and GCC where it is installed."""
    return ("zig", "gnu") if shutil.which("arm-none-eabi-gcc") else ("zig",)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize(
    "build", [0, 31, *(pytest.param(k, marks=pytest.mark.slow) for k in BUILDS if k not in (0, 31))]
)
def test_every_build_is_free_of_warnings_and_trains_to_the_same_hash(exported, tmp_path, name, build):
    folder, expected, wanted = exported[name]
    for compiler in compilers():
        built = emulate.compile_firmware(
            folder, optimize="Os", compiler=compiler, defines=defines(build, wanted), extra_flags=STRICT,
            output=tmp_path / "firmware.elf",
        )  # fmt: skip
        assert f"{emulate.run_firmware(built).hash:016x}" == expected


def test_the_builds_meet_every_pair_of_settings():
    pairs = {(a, b) for a in range(1, 32) for b in range(a) if b}
    for a, b in pairs:
        assert len({(setting(build, a), setting(build, b)) for build in BUILDS}) == 4


@pytest.mark.parametrize(
    ("estimator", "update", "left_out"),
    [
        (bf.RGE(), bf.SGD(), {"ONE_SIDED", "GRADIENTS", "STATE", "WINDOWS"}),
        (bf.RGE(2), bf.SGD(), {"ONE_SIDED", "STATE", "WINDOWS"}),
        (bf.RGE(two_sided=False), bf.SGD(), {"TWO_SIDED", "PAIRED", "GRADIENTS", "STATE", "WINDOWS"}),
        (bf.RGE(direction="hadamard"), bf.Adam(), {"ONE_SIDED", "WINDOWS"}),
        (bf.RGE(2), bf.WindowMomentum(0.01), {"ONE_SIDED"}),
        (bf.CGE(), bf.SGD(), {"PAIRED", "ONE_SIDED", "STATE", "WINDOWS"}),
    ],
)
def test_what_a_trainer_does_not_want_is_left_out(estimator, update, left_out):
    graph = bf.Sequential(6, [bf.Linear(4), bf.ReLU(), bf.Linear(2)]).graph
    trainer = bf.Trainer(graph, [], "cross_entropy", estimator, update, 2)
    of_interest = {f"BPFREE_{name}" for name in ("ONE_SIDED", "TWO_SIDED", "PAIRED", "GRADIENTS", "STATE", "WINDOWS")}
    wanted = options.wanted(device_tables(trainer), trainer)
    assert {f"BPFREE_{name}" for name in left_out} == of_interest - wanted


@pytest.mark.parametrize(
    ("estimator", "update", "missing"),
    [
        (bf.RGE(), bf.SGD(0.02), "TWO_SIDED"),
        (bf.RGE(two_sided=False), bf.SGD(0.02), "ONE_SIDED"),
        (bf.RGE(2), bf.SGD(0.02), "GRADIENTS"),
        (bf.RGE(2), bf.Momentum(0.02), "STATE"),
        (bf.RGE(2), bf.WindowMomentum(0.02), "WINDOWS"),
    ],
)
def test_a_build_that_lacks_what_a_trainer_wants_refuses_it(tmp_path, estimator, update, missing):
    model, run = trained_by(estimator, "dense", 1, update=update)
    firmware.export(model, tmp_path, trainer=run.trainer, samples=DIGITS, steps=1)
    built = emulate.compile_firmware(tmp_path, optimize="Os", defines=[f"BPFREE_{missing}=0"])
    result = emulate.run_firmware(built)
    assert result.exit_code == -1 and len(result.words) == 0  # BPFREE_ERR_ARG
