# SPDX-License-Identifier: MIT
"""Small C programs, compiled and run on the emulated Cortex-M4F, against the results they must have."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from float_chain import FLOAT_CHAIN

for _module in ("ziglang", "unicorn", "elftools", "capstone"):
    pytest.importorskip(_module, reason=f'{_module} compiles or runs firmware: pip install "bpfree[emulate]"')

from bpfree import emulate  # noqa: E402
from bpfree.emulate import channels, machine  # noqa: E402

PORTS = Path(__file__).resolve().parents[2] / "runtime_c" / "ports"


# ---- building ----


def test_a_missing_package_names_the_extra(build, monkeypatch):
    firmware = build("int main(void) { return 0; }")
    monkeypatch.setitem(sys.modules, "unicorn", None)
    with pytest.raises(ImportError, match=r"bpfree\[emulate\]"):
        emulate.run_firmware(firmware)


@pytest.mark.parametrize(
    ("option", "known"),
    [({"target": "m99"}, "cortex-m4f"), ({"optimize": "O9"}, "O2"), ({"compiler": "icc"}, "gnu")],
)
def test_unknown_options_list_the_known_ones(tmp_path, option, known):
    with pytest.raises(ValueError, match=known):
        emulate.compile_firmware(tmp_path, **option)


def test_a_warning_is_a_build_error_that_shows_line_and_command(build):
    with pytest.raises(emulate.FirmwareBuildError, match=r"(?s)main\.c:3.*unused.*command: .*build-exe"):
        build("int main(void) { int unused; return 0; }")


def test_an_undefined_symbol_is_named(build):
    with pytest.raises(emulate.FirmwareBuildError, match="nowhere"):
        build("int nowhere(void);\nint main(void) { return nowhere(); }")


def test_ram_overflow_does_not_link(build):
    with pytest.raises(emulate.FirmwareBuildError, match=r"RAM|region"):
        build("static volatile char big[262000];\nint main(void) { return big[0] + big[261999]; }")


def test_flags_and_compiler_are_recorded(build):
    firmware = build("int main(void) { return CODE; }", defines=["CODE=5"], optimize="Os")
    assert {"-ffp-contract=off", "-Os", "-DCODE=5", "-std=c99"} <= set(firmware.flags)
    assert "zig" in firmware.compiler
    assert emulate.run_firmware(firmware).exit_code == 5


def test_a_compiler_that_is_not_there_is_named(tmp_path, monkeypatch):
    (tmp_path / "main.c").write_text("int main(void) { return 0; }")
    (tmp_path / "link.ld").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="apt install gcc-arm-none-eabi"):
        emulate.compile_firmware(tmp_path, compiler="gnu")


def test_port_header_and_emulator_agree():
    header = (PORTS / "common" / "port.h").read_text("utf-8")
    pairs = re.findall(r"(BPFREE_MAILBOX|PORT_\w+)(?: =)? (0x\w+?|\d+)u?\b", header)
    numbers = {name: int(value, 0) for name, value in pairs}
    assert numbers["BPFREE_MAILBOX"] == channels.MAILBOX
    assert numbers["PORT_EXIT_FAULT"] == channels.EXIT_FAULT
    for name in ("PORT_EXIT", "PORT_MARK", "PORT_WORD", "PORT_HASH", "PORT_PUTC"):
        assert numbers[name] == getattr(channels, name)


@pytest.mark.parametrize("optimize", ["Os", "O2", "O3"])
def test_port_is_clean_with_all_warnings(build, optimize):
    warnings = ["-Wconversion", "-pedantic", "-Wshadow", "-Wcast-align", "-Wmissing-prototypes"]
    build("int main(void) { return 0; }", optimize=optimize, extra_flags=warnings)


# ---- running ----


@pytest.mark.parametrize("code", [0, 42, -3])
def test_exit_code(build, code):
    assert emulate.run_firmware(build(f"int main(void) {{ return {code}; }}")).exit_code == code


def test_everything_sent_arrives_in_order(build):
    seen_marks, seen_records = [], []
    result = emulate.run_firmware(
        build("""int main(void) {
          for (const char *s = "hi\\n"; *s != 0; s++) port_emit(PORT_PUTC, (uint32_t)*s);
          port_emit(PORT_MARK, 7u);
          for (uint32_t i = 0u; i < 3u; i++) port_emit(PORT_WORD, i * 0x80000001u);
          port_emit(PORT_HASH, 1u); port_emit(PORT_HASH, 2u);
          port_emit(PORT_HASH, 0x89abcdefu); port_emit(PORT_HASH, 0xfedcba98u);
          return 0; }"""),
        on_mark=seen_marks.append,
        on_word=seen_records.append,
    )
    assert result.text == "hi\n"
    assert result.words.dtype == np.uint32
    assert result.words.tolist() == seen_records == [0, 0x80000001, 2]
    assert result.hash == 0xFEDCBA9889ABCDEF
    assert [(m.number, m.instructions) for m in result.marks] == [(7, None)]
    assert seen_marks == result.marks
    assert result.instructions is None
    assert result.fpu_enabled


def test_an_exception_in_a_callback_reaches_the_caller(build):
    def interrupt(_mark):
        raise KeyboardInterrupt

    firmware = build("int main(void) { port_emit(PORT_MARK, 1u); return 0; }")
    for options in ({}, {"count": True}):
        with pytest.raises(KeyboardInterrupt):
            emulate.run_firmware(firmware, on_mark=interrupt, **options)


def test_data_is_copied_and_bss_is_zeroed(build):
    source = """static volatile uint32_t set[3] = {11u, 22u, 0xdeadbeefu}, zero[500];
        volatile uint32_t seen = 1u;
        int main(void) { uint32_t bits = 0u; for (int i = 0; i < 500; i++) bits |= zero[i];
          for (int i = 0; i < 3; i++) port_emit(PORT_WORD, set[i]);
          port_emit(PORT_WORD, bits); seen = 0x01020304u; return 0; }"""
    result = emulate.run_firmware(build(source))
    assert result.words.tolist() == [11, 22, 0xDEADBEEF, 0]
    assert result.read_symbol("seen", 4) == bytes([4, 3, 2, 1])
    with pytest.raises(KeyError, match="absent"):
        result.read_symbol("absent", 4)


def test_memory_functions(build):
    """Addresses aligned and not, lengths that are no whole number of words, overlaps both ways."""
    result = emulate.run_firmware(
        build("""#include <stddef.h>
        void *memcpy(void *restrict a, const void *restrict b, size_t n);
        void *memset(void *a, int v, size_t n);
        void *memmove(void *a, const void *b, size_t n);
        static unsigned char a[64], b[64]; volatile size_t n = 13u;
        static void show(void) { for (int i = 0; i < 20; i++) port_emit(PORT_WORD, a[i]); }
        int main(void) { for (int i = 0; i < 64; i++) b[i] = (unsigned char)(i + 1);
          memcpy(a, b, n); show(); memcpy(a + 1, b, n); show(); memset(a, 0x1ff, n); show();
          memset(a + 2, 5, n); show(); memcpy(a, b, 40u); memmove(a + 3, a, n); show();
          memmove(a, a + 3, n); show(); return 0; }""")
    )
    a, b, want = bytearray(64), bytes(range(1, 65)), []
    for at, new in ((0, b[:13]), (1, b[:13]), (0, b"\xff" * 13), (2, b"\x05" * 13)):
        a[at : at + 13] = new
        want += a[:20]
    a[:40] = b[:40]
    for to, start in ((3, 0), (0, 3)):
        a[to : to + 13] = bytes(a[start : start + 13])
        want += a[:20]
    assert result.words.tolist() == want


# The same chain in C and NumPy: each operation rounds to float32 once, so a fused or a double step would show.
@pytest.mark.parametrize("optimize", ["Os", "O2", "O3"])
def test_float_bits_equal_numpy(build, optimize):
    f = np.float32
    s, x = 12345, []
    for _ in range(300):
        s = (s * 1664525 + 1013904223) % 2**32
        x.append(f(s >> 8) * f(0.001) - f(8000.0))
    a, want = f(0.5), []
    for i in range(300):
        a = (a * f(0.97) + x[i] * x[299 - i]) / (x[i] + f(0.25))
        want.append(a)
    got = emulate.run_firmware(build(FLOAT_CHAIN, optimize=optimize)).words
    np.testing.assert_array_equal(got, np.array(want, np.float32).view(np.uint32))


# ---- stack ----


def test_painting_sees_a_frame_of_known_size(build):
    peaks = {}
    for words in (16, 256):
        source = """volatile uint32_t n = WORDS;
            __attribute__((noinline)) static uint32_t deep(void) { volatile uint32_t frame[WORDS];
              for (uint32_t i = 0u; i < n; i++) frame[i] = i; return frame[n - 1u]; }
            int main(void) { port_emit(PORT_MARK, 1u); return (int)deep(); }"""
        result = emulate.run_firmware(build(source, defines=[f"WORDS={words}u"]))
        assert result.exit_code == words - 1
        assert result.marks[0].stack_bytes < 64
        peaks[words] = result.stack_bytes
    assert 1024 <= peaks[256] <= 1024 + 128
    assert peaks[256] - peaks[16] == 4 * (256 - 16)


def test_a_stack_that_reaches_the_variables_is_an_error(build):
    firmware = build("""volatile int depth = 20000; static volatile char fill[100000];
    __attribute__((noinline)) static int down(int n) {
      volatile int keep = n; return n > 0 ? down(n - 1) + keep : 0; }
    int main(void) { int r = down(depth); return r + fill[5] > 0 ? 0 : 1; }""")
    with pytest.raises(emulate.EmulationError, match=r"stack|UNMAPPED"):
        emulate.run_firmware(firmware)


# ---- counting ----

COUNTED = """
static volatile float x[40]; volatile int hits;
__attribute__((noinline)) static float relu_sum(int n) { float s = 0.0f;
  for (int i = 0; i < n; i++) {
    const float v = x[i % 40]; s += v > 0.0f ? v : 0.0f; if (v > 2.5f) hits++; } return s; }
int main(void) { for (int i = 0; i < 40; i++) x[i] = (float)(i % 7) - 3.0f;
  for (int step = 1; step <= 3; step++) {
    port_emit(PORT_MARK, 1u); x[1] = relu_sum(step * 50); port_emit(PORT_MARK, 2u); }
  port_emit(PORT_MARK, 3u); return hits > 0 ? 0 : 1; }"""


def count_one_by_one(firmware):
    """Return (total, [(mark, count)]) by a hook on each instruction: the slow, independent count.

    The hook is not called for the instructions that an IT block skips, so each IT adds its whole block.
    """
    from unicorn import UC_HOOK_CODE

    run = machine.Emulation(firmware)
    count, covered, marks = 0, set(), []

    def on_code(uc, address, size, _user):
        nonlocal count, covered
        if address in covered:
            return
        covered = set()
        count += 1
        halfword = int.from_bytes(uc.mem_read(address, 2), "little")
        if halfword >> 8 == 0xBF and halfword & 0xF:  # IT: the lowest set bit of the mask tells the length
            length = 4 - ((halfword & -halfword).bit_length() - 1)
            count += length
            at = address + 2
            for _ in range(length):
                covered.add(at)
                at += 4 if uc.mem_read(at + 1, 1)[0] >> 3 >= 0b11101 else 2

    run.sent.on_mark = lambda mark: marks.append((mark.number, count))
    run.board.uc.hook_add(UC_HOOK_CODE, on_code)
    run.until_exit(60.0)
    return count, marks


@pytest.mark.parametrize("optimize", ["Os", "O2"])
def test_block_counting_equals_counting_one_by_one(build, optimize):
    firmware = build(COUNTED, optimize=optimize)
    assert "it" in {m[:2] for m in emulate.disassemble(firmware)}, "the program should have IT blocks"
    total, marks = count_one_by_one(firmware)
    result = emulate.run_firmware(firmware, count=True)
    assert result.instructions == total
    assert [(m.number, m.instructions) for m in result.marks] == marks
    assert [number for number, _ in marks] == [1, 2, 1, 2, 1, 2, 3], "no mark is lost or sent twice"


@pytest.mark.parametrize("between", [(1, 2), (2, 1), (1, 1), (2, 3)])
def test_counting_between_marks_equals_the_difference(build, between):
    firmware = build(COUNTED)
    whole = emulate.run_firmware(firmware, count=True).marks
    first = next(i for i, m in enumerate(whole) if m.number == between[0])
    last = next(i for i, m in enumerate(whole) if i > first and m.number == between[1])
    part = emulate.run_firmware(firmware, count_between=between)
    assert part.instructions == whole[last].instructions - whole[first].instructions
    assert [m.number for m in part.marks] == [m.number for m in whole]
    counted = [i for i, m in enumerate(part.marks) if m.instructions is not None]
    assert counted == list(range(first, last + 1))
    assert part.exit_code == 0


def test_counting_between_marks_that_do_not_come_is_an_error(build):
    firmware = build(COUNTED)
    for between in ((9, 1), (3, 1)):
        with pytest.raises(emulate.EmulationError, match="did not come"):
            emulate.run_firmware(firmware, count_between=between)


# ---- failing ----


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("*(volatile int *)(uintptr_t)0x60000000u = 1;", "0x60000000"),
        ("*(volatile int *)(uintptr_t)0x100u = 1;", "0x00000100"),
        ('__asm__ volatile("udf #0");', "undefined"),
    ],
)
def test_a_fault_names_the_function(build, body, what):
    firmware = build(f"""__attribute__((noinline)) static void guilty(void) {{ {body} }}
    int main(void) {{ guilty(); port_emit(PORT_MARK, 1u); return 0; }}""")
    with pytest.raises(emulate.EmulationError, match=what) as caught:
        emulate.run_firmware(firmware)
    assert "guilty" in caught.value.symbol
    assert caught.value.advice


def test_a_jump_into_nowhere_names_the_caller(build):
    firmware = build("""void (*volatile f)(void);
    int main(void) { f = (void (*)(void))(uintptr_t)0x30000001u; f(); port_emit(1u, 1u); return 0; }""")
    with pytest.raises(emulate.EmulationError, match="called from main"):
        emulate.run_firmware(firmware)


def test_the_fault_handler_is_an_error(build):
    firmware = build("void Fault_Handler(void);\nint main(void) { Fault_Handler(); return 0; }")
    with pytest.raises(emulate.EmulationError, match="fault handler") as caught:
        emulate.run_firmware(firmware)
    assert "Fault_Handler" in caught.value.symbol


def test_an_unknown_channel_is_an_error(build):
    with pytest.raises(emulate.EmulationError, match="mailbox offset 20"):
        emulate.run_firmware(build("int main(void) { port_emit(5u, 0u); return 0; }"))


LOOP = """__attribute__((noinline)) static void spin(void) { for (;;) { } }
int main(void) { spin(); return 0; }"""


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_instructions": 200_000}, "more than 200000 instructions"),
        ({"max_instructions": 200_000, "count": True}, "more than 200000 instructions"),
        ({"timeout_s": 0.3}, r"no end after 0\.3 s"),
    ],
)
def test_an_endless_loop_ends(build, limit, message):
    with pytest.raises(emulate.EmulationError, match=message) as caught:
        emulate.run_firmware(build(LOOP), **limit)
    assert "spin" in caught.value.symbol


def test_limits_must_be_positive_and_counting_unambiguous(build):
    firmware = build("int main(void) { return 0; }")
    for options in ({"timeout_s": 0.0}, {"max_instructions": 0}, {"count": True, "count_between": (1, 2)}):
        with pytest.raises(ValueError, match=r"positive|got both"):
            emulate.run_firmware(firmware, **options)
