# SPDX-License-Identifier: MIT
"""qemu and the host report what unicorn reports: exit codes, text, words, stack, variables, and what goes wrong."""

import os
import shutil

import pytest

for _module in ("ziglang", "unicorn", "elftools"):
    pytest.importorskip(_module, reason=f'{_module} compiles or runs firmware: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402

MISSING = [tool for tool in ("qemu-system-arm", "qemu-system-riscv32") if shutil.which(tool) is None]
QEMU = [
    pytest.mark.tool,
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(MISSING) and "BPFREE_REQUIRE_TOOLS" not in os.environ,
        reason=f"{', '.join(MISSING)} missing: apt install qemu-system-arm qemu-system-misc",
    ),
]
MACHINES = [
    ("host", "host"),
    *(pytest.param("qemu", name, marks=QEMU) for name, row in emulate.TARGETS.items() if row.qemu),
]
BOARDS = MACHINES[1:]

PROGRAM = """
__attribute__((noinline)) static int down(int n) {
  volatile char room[100]; room[n] = 1; return n > 0 ? down(n - 1) + room[n] : room[0]; }
static volatile float third = 1.0f, sum; volatile int depth = 9;
int main(void) {
  for (const char *s = "hi\\n"; *s != 0; s++) port_emit(PORT_PUTC, (uint32_t)*s);
  port_emit(PORT_MARK, 7u); port_emit(PORT_WORD, (uint32_t)down(depth)); sum = third / 3.0f;
  port_emit(PORT_HASH, 0x89abcdefu); port_emit(PORT_HASH, 0xfedcba98u); return -3; }"""


@pytest.mark.parametrize(("emulator", "target"), MACHINES)
def test_everything_sent_arrives(build, emulator, target):
    marks, words = [], []
    built = build(PROGRAM, target=target, emulator=emulator, optimize="Os")
    result = emulate.run_firmware(built, on_mark=marks.append, on_word=words.append)
    assert (result.exit_code, result.text, result.hash) == (-3, "hi\n", 0xFEDCBA9889ABCDEF)
    assert result.words.tolist() == words == [10]
    assert [mark.number for mark in marks] == [7] and marks == result.marks
    assert result.instructions is None
    assert result.fpu_enabled == built.target.has_fpu


@pytest.mark.parametrize(("emulator", "target"), BOARDS)
def test_stack_and_variables_are_those_of_unicorn(build, emulator, target):
    built = build(PROGRAM, target=target, emulator=emulator, optimize="Os")
    result = emulate.run_firmware(built)
    assert result.read_symbol("sum", 4) == (0x3EAAAAAB).to_bytes(4, "little")
    if built.target.unicorn is None:
        assert 10 * 100 < result.stack_bytes < 10 * 100 + 600
    else:
        same = emulate.run_firmware(build(PROGRAM, target=target, optimize="Os"))
        assert same.stack_bytes <= result.stack_bytes <= same.stack_bytes + 160  # its port has more to write


@pytest.mark.parametrize(("emulator", "target"), BOARDS)
@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("void Fault_Handler(void); Fault_Handler();", "fault handler"),
        ("__asm__ volatile(\".4byte 0\\n.4byte 0xde00de00\");", "fault handler"),
        ("for (;;) { }", r"no end after 1 s"),
    ],
    ids=["fault", "instruction", "loop"],
)
def test_what_goes_wrong_is_an_error(build, emulator, target, body, what):
    source = f"int main(void) {{ {body} port_emit(PORT_MARK, 1u); return 0; }}"
    with pytest.raises(emulate.EmulationError, match=what):
        emulate.run_firmware(build(source, target=target, emulator=emulator), timeout_s=1.0)


def test_a_program_that_crashes_here_or_loops_is_an_error(build):
    for body, what in (("__builtin_trap();", "signal"), ("for (;;) { }", r"no end after 0\.5 s")):
        program = build(f"int main(void) {{ {body} return 0; }}", target="host")
        with pytest.raises(emulate.EmulationError, match=what):
            emulate.run_firmware(program, timeout_s=0.5)


def test_what_does_not_count_instructions_says_so(build):
    program = build("int main(void) { return 0; }", target="host")
    for options in ({"count": True}, {"count_between": (1, 2)}, {"max_instructions": 5}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}: expected none on host"):
            emulate.run_firmware(program, **options)


def test_an_exception_in_a_callback_reaches_the_caller_and_ends_the_program(build):
    def interrupt(_mark):
        raise KeyboardInterrupt

    program = build("int main(void) { port_emit(PORT_MARK, 1u); for (;;) { } return 0; }", target="host")
    with pytest.raises(KeyboardInterrupt):
        emulate.run_firmware(program, timeout_s=30, on_mark=interrupt)
