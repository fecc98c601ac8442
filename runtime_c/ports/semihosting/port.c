/* SPDX-License-Identifier: MIT */
/* The mailbox over semihosting of Arm and RISC-V, for qemu and debug probes: each message is
 * a line "channel value" in hexadecimal on the host's console, and PORT_EXIT
 * is the process's exit code. Takes the place of ports/mailbox/port.c. */
#include "port.h"

#define SYS_OPEN 0x01u
#define SYS_WRITE0 0x04u
#define SYS_WRITE 0x05u
#define SYS_EXIT_EXTENDED 0x20u
#define APPLICATION_EXIT 0x20026u

#ifdef __riscv
static uint32_t call(uint32_t operation, const void *argument)
{
  register uint32_t a0 __asm__("a0") = operation;
  register const void *a1 __asm__("a1") = argument;
  __asm__ volatile(
      ".balign 16\n\t" /* three whole words, which must not lie in two pages */
      ".option push\n\t.option norvc\n\t"
      "slli zero, zero, 0x1f\n\tebreak\n\tsrai zero, zero, 7\n\t"
      ".option pop"
      : "+r"(a0) : "r"(a1) : "memory");
  return a0;
}
#else
static uint32_t call(uint32_t operation, const void *argument)
{
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
#endif

static void put_hex(char *to, uint32_t value)
{
  for (int digit = 7; digit >= 0; digit--, value >>= 4) to[digit] = "0123456789abcdef"[value & 15u];
}

#ifdef PORT_RAM_FILE
/* Leaves RAM in a file of the host, for the emulator to look at the stack and the variables. */
static void keep_ram(void)
{
  extern uint8_t __ram_start[], __stack_top[];
  const uintptr_t open[3] = {(uintptr_t)PORT_RAM_FILE, 5u /* "wb" */, sizeof PORT_RAM_FILE - 1u};
  const uintptr_t write[3] = {call(SYS_OPEN, open), (uintptr_t)__ram_start, (uintptr_t)(__stack_top - __ram_start)};
  call(SYS_WRITE, write);
}
#endif

void port_emit(uint32_t channel, uint32_t value)
{
  char line[12] = {(char)('0' + channel), ' '};
  put_hex(line + 2, value);
  line[10] = '\n';
  line[11] = 0;
  call(SYS_WRITE0, line);
  if (channel == PORT_EXIT) {
#ifdef PORT_RAM_FILE
    keep_ram();
#endif
    const uint32_t block[2] = {APPLICATION_EXIT, value};
    call(SYS_EXIT_EXTENDED, block);
  }
}
