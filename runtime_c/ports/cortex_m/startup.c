/* SPDX-License-Identifier: MIT */
/* What runs before main on a bare Cortex-M: vector table, FPU and memory. */
#include <stddef.h>
#include <stdint.h>

#include "port.h"

/* Placed by link.ld; only their addresses mean anything. */
extern uint32_t __data_load[], __data_start[], __data_end[], __bss_start[], __bss_end[], __stack_top[];

extern int main(void);
void Reset_Handler(void);
void Fault_Handler(void);

/* ---- vector table ---- */

typedef union {
  const void *address;
  void (*handler)(void);
} vector;

/* Interrupts stay off, so the sixteen system vectors are the whole table. */
__attribute__((section(".vectors"), used)) const vector __vectors[16] = {
    {.address = __stack_top},   {.handler = Reset_Handler},
    {.handler = Fault_Handler}, /* NMI */
    {.handler = Fault_Handler}, /* HardFault */
    {.handler = Fault_Handler}, /* MemManage */
    {.handler = Fault_Handler}, /* BusFault */
    {.handler = Fault_Handler}, /* UsageFault */
    {.address = NULL},          {.address = NULL}, {.address = NULL}, {.address = NULL},
    {.handler = Fault_Handler}, /* SVCall */
    {.handler = Fault_Handler}, /* DebugMonitor */
    {.address = NULL},
    {.handler = Fault_Handler}, /* PendSV */
    {.handler = Fault_Handler}, /* SysTick */
};

/* ---- reset and fault ---- */

__attribute__((used)) void Reset_Handler(void) {
#ifdef __ARM_FP
  /* CPACR: full access to coprocessors 10 and 11, or the first float instruction faults. */
  *(volatile uint32_t *)(uintptr_t)0xE000ED88u |= 0xFu << 20;
  __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
  const uint32_t *from = __data_load;
  for (uint32_t *to = __data_start; to < __data_end; to++) *to = *from++;
  for (uint32_t *to = __bss_start; to < __bss_end; to++) *to = 0u;
  port_emit(PORT_EXIT, (uint32_t)main());
  for (;;) {
  }
}

__attribute__((used)) void Fault_Handler(void) {
  port_emit(PORT_EXIT, PORT_EXIT_FAULT);
  for (;;) {
  }
}
