/* SPDX-License-Identifier: MIT */
/* Counter-based random numbers: Threefry2x32-20 (Salmon et al., SC 2011).
 * key = (seed, step), counter = (block, domain:4 | query:12 | sample:16).
 * The same bits on every machine and in Python; there is no generator state. */
#ifndef BPFREE_RNG_H
#define BPFREE_RNG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
enum bpfree_domain {
  BPFREE_DOMAIN_INIT = 0,
  BPFREE_DOMAIN_PROBE = 1,
  BPFREE_DOMAIN_NODE = 2,
  BPFREE_DOMAIN_ROUNDING = 3,
  BPFREE_DOMAIN_SHUFFLE = 4,
  BPFREE_DOMAIN_MASK = 5,
  BPFREE_DOMAIN_POINTS = 6,
  BPFREE_DOMAIN_GAUSSIAN = 7,
  BPFREE_DOMAIN_SPACE = 8,
  BPFREE_DOMAIN_CERTIFICATE = 9, /* this one and those below: reserved */
  BPFREE_DOMAIN_ATTACK = 10,
  BPFREE_DOMAIN_SKETCH = 11
};

/* out[0..1] = Threefry2x32-20(key, counter). */
void bpfree_threefry(const uint32_t key[2], const uint32_t counter[2], uint32_t out[2]);

/* The second counter word. query < 4096, sample < 65536. */
uint32_t bpfree_address(uint32_t domain, uint32_t query, uint32_t sample);

/* A keyed permutation of [0, n), O(1) memory (a Feistel network of 12 rounds,
 * walked back into range, and a bit for its parity), and its inverse:
 * unpermute(permute(i)) = i. Each domain has its own, and each part (< 65536) of
 * one. i < n, n <= 2^31. */
uint32_t bpfree_permute(uint32_t domain, uint32_t part, uint32_t seed, uint32_t step, uint32_t n, uint32_t i);
uint32_t bpfree_unpermute(uint32_t domain, uint32_t part, uint32_t seed, uint32_t step, uint32_t n, uint32_t i);

/* Position i of the shuffled order of n items in this epoch: the permutation
 * of BPFREE_DOMAIN_SHUFFLE. */
uint32_t bpfree_shuffle(uint32_t seed, uint32_t epoch, uint32_t n, uint32_t i);

/* Index of sample i of the minibatch at this step, when n items are walked in
 * shuffled epochs of n / batch full minibatches. i < batch <= n. */
uint32_t bpfree_batch_index(uint32_t seed, uint32_t step, uint32_t batch, uint32_t n, uint32_t i);
/* cffi: end */

#ifdef __cplusplus
}
#endif
#endif
