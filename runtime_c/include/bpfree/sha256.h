/* SPDX-License-Identifier: MIT */
/* SHA-256 (FIPS 180-4), for the seals of journals. Not linked unless it is called. */
#ifndef BPFREE_SHA256_H
#define BPFREE_SHA256_H

#include <stdint.h>
#include "bpfree/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* The bytes so far. */
typedef struct bpfree_sha256 {
  uint64_t n;        /* of them */
  uint32_t state[8]; /* after their last whole block */
  uint8_t block[64]; /* what comes after that */
} bpfree_sha256;

/* No bytes. */
void bpfree_sha256_start(bpfree_sha256 *hash);

/* n more of them. */
void bpfree_sha256_add(bpfree_sha256 *hash, const uint8_t *bytes, uint64_t n);

/* The hash of those so far; more can be added after that. */
void bpfree_sha256_digest(uint8_t digest[32], const bpfree_sha256 *hash);
/* cffi: end */

#ifdef __cplusplus
}
#endif
#endif
