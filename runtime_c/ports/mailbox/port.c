/* SPDX-License-Identifier: MIT */
/* Mailbox of the emulator. On a real board replace this file: see port.h. */
#include "port.h"

/* Not inlined, so that every mark ends the same basic block and intervals between marks are exact. */
__attribute__((noinline)) void port_emit(uint32_t channel, uint32_t value) {
  *(volatile uint32_t *)(uintptr_t)(BPFREE_MAILBOX + 4u * channel) = value;
}
