# SPDX-License-Identifier: MIT
"""The footprint, the symbols and the instructions of firmware."""

import pytest

for _module in ("ziglang", "elftools", "capstone"):
    pytest.importorskip(_module, reason=f'{_module} compiles or reads firmware: pip install "bpfree[emulate]"')

from float_chain import FLOAT_CHAIN  # noqa: E402

from bpfree import emulate  # noqa: E402


def test_an_empty_program_has_no_footprint(build):
    assert emulate.footprint(build("int main(void) { return 0; }")) == emulate.Footprint(0, 0, 0, 0)


def test_footprint_tells_code_ram_weights_and_data_apart(build):
    source = """
    #define IN(s) __attribute__((section(s)))
    IN(".rodata.bpfree_weights") static const volatile uint32_t weights[100] = {1u};
    IN(".rodata.bpfree_data") static const volatile uint32_t samples[50] = {2u};
    static volatile uint32_t state[25] = {3u}, scratch[1000];
    int main(void) { scratch[999] = weights[7] + samples[9] + state[1]; return (int)scratch[1]; }"""
    firmware = build(source)
    size = emulate.footprint(firmware)
    assert (size.weights_bytes, size.data_bytes) == (400, 200)
    assert 4100 <= size.ram_bytes <= 4100 + 8
    assert 100 < size.flash_bytes < 100 + 120  # the image of state, and a small main
    assert emulate.footprint(firmware, empty=firmware).flash_bytes == 0


def test_unused_functions_do_not_link(build):
    source = """int kept(int); int unused(int); volatile int v;
    __attribute__((noinline)) int kept(int a) { return a + 1; }
    int unused(int a) { return a - 1; }
    int main(void) { return kept(v); }"""
    names = emulate.symbols(build(source))
    assert {"main", "kept", "port_emit", "Reset_Handler"} <= names
    assert not names & {"unused", "memcpy"}


def test_strict_flags_leave_no_fused_instruction_and_the_check_can_fail(build):
    strict = build(FLOAT_CHAIN)
    mnemonics = list(emulate.disassemble(strict))
    assert {"vmul.f32", "vadd.f32", "vdiv.f32"} <= set(mnemonics)
    assert ".byte" not in mnemonics
    assert emulate.fused_instructions(strict) == []
    # clang considers vfma slow on a Cortex-M4 and avoids it even where it may contract, so it is told otherwise.
    fma_is_fast = ["-Xclang", "-target-feature", "-Xclang", "-slowfpvfmx"]
    assert emulate.fused_instructions(build(FLOAT_CHAIN, extra_flags=fma_is_fast)) == []
    fused = emulate.fused_instructions(build(FLOAT_CHAIN, extra_flags=["-ffp-contract=fast", *fma_is_fast]))
    assert fused
    assert all(line.startswith("main") and "vf" in line for line in fused)


def test_no_sanitizer_is_inserted(build):
    firmware = build("volatile int v; int main(void) { return (v + 2147483647) << v; }")
    assert "udf" not in set(emulate.disassemble(firmware))
    assert not [name for name in emulate.symbols(firmware) if "ubsan" in name]
