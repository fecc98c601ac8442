/* SPDX-License-Identifier: MIT */
/* What runs before main on a bare Cortex-M: vector table, FPU, memory, and the functions compilers call. */
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

/* ---- memory functions that compilers call without being asked ---- */

/* An empty statement the optimiser cannot see through: it keeps gcc and clang from recognising a copy loop
 * and turning it into a call of the very function it is in. It costs no instruction. */
#define KEEP_LOOP() __asm__ volatile("" ::: "memory")

typedef uint32_t __attribute__((may_alias)) word;

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);

/* Weak: a libc's faster version wins where there is one. Used: link-time optimisation would drop them before the
 * compiler calls them. */
__attribute__((weak, used)) void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  unsigned char *d = to;
  const unsigned char *s = from;
  if ((((uintptr_t)d | (uintptr_t)s) & 3u) == 0u) {
    for (; n >= 4u; n -= 4u, d += 4, s += 4) {
      *(word *)(void *)d = *(const word *)(const void *)s;
      KEEP_LOOP();
    }
  }
  for (; n != 0u; n--) {
    *d++ = *s++;
    KEEP_LOOP();
  }
  return to;
}

__attribute__((weak, used)) void *memmove(void *to, const void *from, size_t n) {
  unsigned char *d = to;
  const unsigned char *s = from;
  if ((uintptr_t)d < (uintptr_t)s) {
    for (; n != 0u; n--) {
      *d++ = *s++;
      KEEP_LOOP();
    }
  } else {
    for (; n != 0u; n--) { /* backwards, as the ranges may overlap */
      d[n - 1u] = s[n - 1u];
      KEEP_LOOP();
    }
  }
  return to;
}

__attribute__((weak, used)) void *memset(void *to, int value, size_t n) {
  unsigned char *d = to;
  const uint32_t byte = (uint32_t)value & 0xFFu;
  if (((uintptr_t)d & 3u) == 0u) {
    for (; n >= 4u; n -= 4u, d += 4) {
      *(word *)(void *)d = byte * 0x01010101u;
      KEEP_LOOP();
    }
  }
  for (; n != 0u; n--) {
    *d++ = (unsigned char)byte;
    KEEP_LOOP();
  }
  return to;
}
