/* SPDX-License-Identifier: MIT */
/*
 * The mailbox: how firmware tells the outside world what it did.
 *
 * Every message is one 32-bit store to BPFREE_MAILBOX + 4 * channel. The emulator of `bpfree emulate` listens
 * there. No real Cortex-M has a device at that address, so on a real board the store would fault: replace
 * port.c - that one file - by code that writes to a UART, to flash, or nowhere, and keep this header.
 */
#ifndef BPFREE_PORT_H
#define BPFREE_PORT_H

#include <stdint.h>

#define BPFREE_MAILBOX 0x40080000u

/* Exit code of the fault handler; a program should not return it itself. */
#define PORT_EXIT_FAULT 99

/* Numbers are part of the interface between firmware and emulator: never renumber. */
enum port_channel {
  PORT_EXIT = 0,   /* ends the run; value is the exit code, as a two's complement int */
  PORT_MARK = 1,   /* a numbered point in the program: the emulator notes instructions and stack here */
  PORT_WORD = 2, /* one word of a stream, e.g. the bits of a float journal coefficient */
  PORT_HASH = 3,   /* two words, low then high: a 64-bit hash of the result; the last pair counts */
  PORT_PUTC = 4    /* one character of text, in the low 8 bits */
};

/* Sends `value` on `channel`, one of enum port_channel. In the emulator PORT_EXIT does not return. */
void port_emit(uint32_t channel, uint32_t value);

#endif
