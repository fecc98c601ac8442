/* SPDX-License-Identifier: MIT */
#include "bpfree/sha256.h"

static const uint32_t K[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};

static uint32_t rotated(uint32_t x, uint32_t by) { return x >> by | x << (32 - by); }

/* Takes the block in; the message schedule is made in 16 words as it goes. */
static void take_block(bpfree_sha256 *h)
{
  uint32_t w[16], s[8];
  for (uint32_t k = 0; k < 16; k++) {
    const uint8_t *p = h->block + 4 * k;
    w[k] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
  }
  for (uint32_t k = 0; k < 8; k++) s[k] = h->state[k];
  for (uint32_t round = 0; round < 64; round++) {
    uint32_t *const own = &w[round & 15u];
    if (round >= 16) {
      const uint32_t early = w[(round + 1) & 15u], late = w[(round + 14) & 15u];
      *own += (rotated(early, 7) ^ rotated(early, 18) ^ early >> 3) + w[(round + 9) & 15u] +
              (rotated(late, 17) ^ rotated(late, 19) ^ late >> 10);
    }
    const uint32_t chosen = (s[4] & s[5]) ^ (~s[4] & s[6]), most = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t first = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) + chosen + K[round] + *own;
    const uint32_t second = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) + most;
    for (uint32_t k = 7; k > 0; k--) s[k] = s[k - 1];
    s[4] += first;
    s[0] = first + second;
  }
  for (uint32_t k = 0; k < 8; k++) h->state[k] += s[k];
}

void bpfree_sha256_start(bpfree_sha256 *h)
{
  static const uint32_t first[8] = {0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
                                    0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u};
  h->n = 0;
  for (uint32_t k = 0; k < 8; k++) h->state[k] = first[k];
}

void bpfree_sha256_add(bpfree_sha256 *h, const uint8_t *bytes, uint64_t n)
{
  while (n--) {
    h->block[h->n++ & 63u] = *bytes++;
    if ((h->n & 63u) == 0) take_block(h);
  }
}

void bpfree_sha256_digest(uint8_t digest[32], const bpfree_sha256 *hash)
{
  bpfree_sha256 h = *hash;
  const uint64_t bits = 8 * hash->n;
  uint8_t byte = 0x80;
  do { /* a one, then zeros up to where the length goes */
    bpfree_sha256_add(&h, &byte, 1);
    byte = 0;
  } while ((h.n & 63u) != 56);
  for (uint32_t k = 8; k-- > 0;) {
    byte = (uint8_t)(bits >> 8 * k);
    bpfree_sha256_add(&h, &byte, 1);
  }
  for (uint32_t k = 0; k < 32; k++) digest[k] = (uint8_t)(h.state[k / 4] >> (24 - 8 * (k & 3u)));
}
