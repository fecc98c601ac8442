# SPDX-License-Identifier: MIT
"""The channels between firmware and emulator: numbers of runtime_c/ports/common/port.h, which a test compares."""

from __future__ import annotations

PORT_EXIT, PORT_MARK, PORT_WORD, PORT_HASH, PORT_PUTC = range(5)
EXIT_FAULT = 99  # exit code of the fault handler
MAILBOX = 0x4008_0000  # address
PAINT = 0xC5  # value of every byte of RAM at power-on
