/* SPDX-License-Identifier: MIT */
#include "bits.h"
#include "bpfree/model.h"

uint64_t bpfree_hash(const float *values, uint32_t n)
{
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t word = bpfree_bits32(values[i]);
    for (uint32_t byte = 0; byte < 4; byte++) { /* little-endian whatever the machine */
      hash ^= word & 0xffu;
      hash *= 0x100000001b3u;
      word >>= 8;
    }
  }
  return hash;
}
