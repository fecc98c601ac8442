# SPDX-License-Identifier: MIT
"""Every target of the table trains to the bits of the computer, and its machine reports alike."""

import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles or runs firmware: pip install "bpfree[emulate]"')

from firmware_runs import DIGITS, trained  # noqa: E402

from bpfree import emulate  # noqa: E402
from bpfree.exporters import firmware  # noqa: E402

BARE = [name for name, row in emulate.TARGETS.items() if row.unicorn]
ALIKE = {"cortex-m0plus": "cortex-m0", "rv32imac": "rv32imc"}
"""Targets whose code is that of another: with these the slower half of the table is in `make test-all`."""

TARGETS = [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in BARE]


@pytest.fixture(scope="module")
def run():
    return trained("dense", 2, n_queries=1)


@pytest.mark.parametrize("target", [*TARGETS, "host"])
def test_the_last_hash_is_that_of_the_computer(tmp_path, run, target):
    model, done = run
    firmware.export(model, tmp_path, trainer=done.trainer, samples=DIGITS, steps=2, target=target)
    built = emulate.compile_firmware(tmp_path, target=target, optimize="Os")
    result = emulate.run_firmware(built)
    assert (result.exit_code, f"{result.hash:016x}") == (0, done.model.hash)
    assert len(result.words) == 2 and len(result.marks) == 4
    assert result.fpu_enabled == built.target.has_fpu


PROGRAM = """
__attribute__((noinline)) static int down(int n) {
  volatile char room[100]; room[n] = 1; return n > 0 ? down(n - 1) + room[n] : room[0]; }
static volatile float third = 1.0f, sum; volatile int depth = 9;
int main(void) {
  for (const char *s = "hi"; *s != 0; s++) port_emit(PORT_PUTC, (uint32_t)*s);
  port_emit(PORT_MARK, 7u); port_emit(PORT_WORD, (uint32_t)down(depth)); sum = third / 3.0f;
  port_emit(PORT_MARK, 8u); return -3; }"""


@pytest.mark.parametrize("target", TARGETS)
def test_exit_code_text_marks_stack_and_variables(build, target):
    result = emulate.run_firmware(build(PROGRAM, target=target), count_between=(7, 8))
    assert (result.exit_code, result.text, result.words.tolist()) == (-3, "hi", [10])
    assert 10 * 100 < result.stack_bytes < 10 * 100 + 600
    assert result.read_symbol("sum", 4) == (0x3EAAAAAB).to_bytes(4, "little")
    assert 100 < result.instructions < 5000


@pytest.mark.parametrize("target", TARGETS)
def test_instructions_are_those_that_a_hook_on_each_counts(build, target):
    from unicorn import UC_HOOK_CODE

    from bpfree.emulate.machine import Emulation

    source = """static volatile uint32_t n = 1000u, sum;
    int main(void) { port_emit(PORT_MARK, 1u); for (uint32_t i = 0u; i < n; i++) sum = (sum << 1) ^ i;
      port_emit(PORT_MARK, 2u); return 0; }"""
    built, counts, seen = build(source, target=target), [], []
    run = Emulation(built)
    run.board.uc.hook_add(UC_HOOK_CODE, lambda *_: seen.append(0))
    run.sent.on_mark = lambda _mark: counts.append(len(seen))
    run.until_exit(60.0)
    assert emulate.run_firmware(built, count_between=(1, 2)).instructions == counts[1] - counts[0] > 4000
    marks = emulate.run_firmware(built, count=True).marks
    assert marks[1].instructions - marks[0].instructions == counts[1] - counts[0]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("*(volatile int *)(uintptr_t)0x60000000u = 1;", "0x60000000"),
        ("*(volatile int *)(uintptr_t)main = 1;", "WRITE_PROT"),
        ("void Fault_Handler(void); Fault_Handler();", "fault handler"),
        ("for (;;) { }", "more than 100000 instructions"),
    ],
    ids=["nowhere", "flash", "fault", "loop"],
)
def test_what_goes_wrong_names_the_function(build, target, body, what):
    source = f"""__attribute__((noinline)) static void guilty(void) {{ {body} }}
    int main(void) {{ guilty(); port_emit(PORT_MARK, 1u); return 0; }}"""
    with pytest.raises(emulate.EmulationError, match=what) as caught:
        emulate.run_firmware(build(source, target=target), max_instructions=100_000)
    assert caught.value.symbol.startswith(("guilty", "Fault_Handler", "called from guilty", "called from Fault"))


@pytest.mark.parametrize("target", TARGETS)
def test_a_stack_that_overruns_the_variables_is_noticed(build, target):
    size = emulate.TARGETS[target].ram_bytes - 3000
    source = f"""static volatile char fill[{size}]; volatile int n = 400;
    __attribute__((noinline)) static int down(int n) {{
      volatile int keep = n; return n > 0 ? down(n - 1) + keep : 0; }}
    int main(void) {{ fill[0] = 1; return down(n) + fill[5] > 0 ? 0 : 1; }}"""
    with pytest.raises(emulate.EmulationError, match="stack overran"):
        emulate.run_firmware(build(source, target=target))


def test_a_target_without_a_board_in_unicorn_names_the_emulator_that_has_it(build):
    for target, way in (("cortex-m55", "qemu"), ("host", "host")):
        assert emulate.EMULATORS[way].memory(emulate.TARGETS[target]) is not None
        with pytest.raises(ValueError, match=f"emulator: expected one that has {target}, .* take '{way}'"):
            build("int main(void) { return 0; }", target=target, emulator="unicorn")


def test_a_folder_for_another_processor_or_board_gets_the_port_of_the_emulator(tmp_path, run):
    """As after `--port none`, or once port.c writes to the UART of a board."""
    model, done = run
    firmware.export(model, tmp_path, trainer=done.trainer, samples=DIGITS, steps=2, target="cortex-m4f")
    (tmp_path / "port" / "link.ld").unlink()
    (tmp_path / "port" / "port.c").write_text('#include "board_of_mine.h"\n')
    for target in ("rv32imafc", "host"):
        result = emulate.run_firmware(emulate.compile_firmware(tmp_path, target=target, optimize="Os"))
        assert (result.exit_code, f"{result.hash:016x}") == (0, done.model.hash)
