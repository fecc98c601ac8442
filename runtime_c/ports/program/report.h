/* SPDX-License-Identifier: MIT */
/* What main.c tells the outside world, through port.h. */
#ifndef BPFREE_REPORT_H
#define BPFREE_REPORT_H

#include <stdint.h>

/* 0 leaves out the text, which takes 0.3 to 0.5 KB of flash; hashes are sent and compared in any case. */
#ifndef REPORT_TEXT
#define REPORT_TEXT 1
#endif

/* Sends floats, a word each. */
void report_floats(const float *values, uint32_t n);

/* Says "name: right of n right". */
void report_right(const char *name, uint32_t right, uint32_t n);

/* Sends a result's hash and says how it compares with the expected one, which is 0 where a computer could not know it.
 * Returns the status of what was done, BPFREE_ERR_ARITHMETIC where that is BPFREE_OK and the hashes differ. */
int report(const char *name, int status, uint64_t hash, uint64_t expected);

#endif
