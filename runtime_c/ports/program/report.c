/* SPDX-License-Identifier: MIT */
/* Results as words, hashes and text. */
#include "report.h"

#include "bpfree/model.h"
#include "port.h"

void report_floats(const float *values, uint32_t n)
{
  for (uint32_t k = 0; k < n; k++) {
    union {
      float value;
      uint32_t bits;
    } word = {values[k]};
    port_emit(PORT_WORD, word.bits);
  }
}

#if REPORT_TEXT
static void say(const char *text)
{
  while (*text) port_emit(PORT_PUTC, (uint8_t)*text++);
}

static void say_hex(uint32_t word)
{
  for (uint32_t digit = 0; digit < 8; digit++, word <<= 4) port_emit(PORT_PUTC, (uint8_t)"0123456789abcdef"[word >> 28]);
}

static void say_hash(uint64_t hash)
{
  say_hex((uint32_t)(hash >> 32));
  say_hex((uint32_t)hash);
}

static void say_number(uint32_t number)
{
  char digits[11] = {0}, *first = digits + 10;
  do *--first = (char)('0' + number % 10u);
  while (number /= 10u);
  say(first);
}
#endif

void report_right(const char *name, uint32_t right, uint32_t n)
{
#if REPORT_TEXT
  say(name);
  say(": ");
  say_number(right);
  say(" of ");
  say_number(n);
  say(" right\n");
#else
  (void)name, (void)right, (void)n;
#endif
}

int report(const char *name, int status, uint64_t hash, uint64_t expected)
{
  const int equal = hash == expected;
  port_emit(PORT_HASH, (uint32_t)hash);
  port_emit(PORT_HASH, (uint32_t)(hash >> 32));
#if REPORT_TEXT
  say(name);
  say(": ");
  if (status == BPFREE_OK) {
    say_hash(hash);
    if (expected) say(equal ? ", as on the computer" : ", NOT as on the computer");
  } else {
    say("ended with status -");
    say_number((uint32_t)-status);
  }
  say("\n");
#else
  (void)name;
#endif
  return status == BPFREE_OK && expected && !equal ? BPFREE_ERR_ARITHMETIC : status;
}
