/* SPDX-License-Identifier: MIT */
/* The mailbox over Arm semihosting, for qemu and debug probes: each message is
 * a line "channel value" in hexadecimal on the host's console, and PORT_EXIT
 * is the process's exit code. Takes the place of ports/cortex_m/port.c. */
#include "port.h"

#define SYS_WRITE0 0x04u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

static void call(uint32_t operation, const void *argument)
{
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void put_hex(char *to, uint32_t value)
{
  for (int digit = 7; digit >= 0; digit--, value >>= 4) to[digit] = "0123456789abcdef"[value & 15u];
}

void port_emit(uint32_t channel, uint32_t value)
{
  char line[12] = {(char)('0' + channel), ' '};
  put_hex(line + 2, value);
  line[10] = '\n';
  line[11] = 0;
  call(SYS_WRITE0, line);
  if (channel == PORT_EXIT) {
    const uint32_t block[2] = {APPLICATION_EXIT, value};
    call(SYS_EXIT_EXTENDED, block);
  }
}
