/* SPDX-License-Identifier: MIT */
/* What runs before main on a bare 32-bit RISC-V in machine mode: registers, traps, FPU and memory. */
#include <stdint.h>

#include "port.h"

/* 0 on cores without the registers of machine mode, such as PicoRV32: a trap is then not reported. */
#ifndef PORT_TRAPS
#define PORT_TRAPS 1
#endif

/* Placed by link.ld; only their addresses mean anything. */
extern uint32_t __data_load[], __data_start[], __data_end[], __bss_start[], __bss_end[];

extern int main(void);
void Reset_Handler(void);
void Fault_Handler(void);
void port_start(void);

/* The instructions on control registers are written as numbers, because assemblers do not agree on the name of
 * their extension: csrw mtvec, t0 and csrs mstatus, t0. */
__attribute__((naked, used, section(".reset"))) void Reset_Handler(void) {
  __asm__ volatile(
      ".option push\n\t"
      ".option norelax\n\t" /* gp is not set yet, so nothing may be addressed by it */
      "la gp, __global_pointer$\n\t"
      ".option pop\n\t"
      "la sp, __stack_top\n\t"
#if PORT_TRAPS
      "la t0, Fault_Handler\n\t"
      ".4byte 0x30529073\n\t"
#endif
#ifdef __riscv_flen
      "li t0, 0x2000\n\t" /* mstatus.FS = initial, or the first float instruction traps */
      ".4byte 0x3002a073\n\t"
#endif
      "j port_start");
}

__attribute__((used)) void port_start(void) {
  const uint32_t *from = __data_load;
  for (uint32_t *to = __data_start; to < __data_end; to++) *to = *from++;
  for (uint32_t *to = __bss_start; to < __bss_end; to++) *to = 0u;
  port_emit(PORT_EXIT, (uint32_t)main());
  for (;;) {
  }
}

/* Aligned, as the low bits of mtvec are a mode. */
__attribute__((used, aligned(4))) void Fault_Handler(void) {
  port_emit(PORT_EXIT, PORT_EXIT_FAULT);
  for (;;) {
  }
}
