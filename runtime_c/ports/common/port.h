/* SPDX-License-Identifier: MIT */
/*
 * How firmware tells the outside world what it did: one 32-bit value on a numbered channel at a time.
 *
 * A port is port.c, which has port_emit() and nothing else; on your own board it writes to a UART, to flash, or
 * nowhere, and startup code and linker script are those that came with the board:
 *   mailbox      a store to an address where only the emulator of `bpfree emulate` listens
 *   semihosting  a line on the console of qemu or of a debug probe
 *   host         a line on standard output, for programs that run on a computer
 */
#ifndef BPFREE_PORT_H
#define BPFREE_PORT_H

#include <stdint.h>

/* Where the emulator listens: BPFREE_MAILBOX + 4 * channel. No board has a device there, so a store would fault. */
#ifndef BPFREE_MAILBOX
#define BPFREE_MAILBOX 0x40080000u
#endif

/* Exit code of the fault handler; a program should not return it itself. */
#define PORT_EXIT_FAULT 99

/* Numbers are part of the interface between firmware and emulator: never renumber. */
enum port_channel {
  PORT_EXIT = 0, /* ends the run; value is the exit code, as a two's complement int */
  PORT_MARK = 1, /* a numbered point in the program: the emulator notes instructions and stack here */
  PORT_WORD = 2, /* one word of a stream, e.g. the bits of a float journal coefficient */
  PORT_HASH = 3, /* two words, low then high: a 64-bit hash of the result; the last pair counts */
  PORT_PUTC = 4  /* one character of text, in the low 8 bits */
};

/* Sends `value` on `channel`, one of enum port_channel. In the emulator PORT_EXIT does not return. */
void port_emit(uint32_t channel, uint32_t value);

#endif
