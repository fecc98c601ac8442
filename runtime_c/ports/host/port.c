/* SPDX-License-Identifier: MIT */
/* The console of a computer: text on standard error; of everything else a line "channel value", the value in
 * hexadecimal, on standard output. Ends in the process's exit code, as any program there. */
#include <stdio.h>

#include "port.h"

void port_emit(uint32_t channel, uint32_t value) {
  static const char *const names[] = {"exit", "mark", "word", "hash"};
  if (channel == PORT_PUTC) {
    fputc((int)(value & 0xFFu), stderr);
  } else {
    printf("%s %08lx\n", names[channel], (unsigned long)value);
  }
}
