/* SPDX-License-Identifier: MIT */
/* Seals of journals. Only what is called from here links SHA-256. */
#include "journal_bytes.h"

static void take(bpfree_seal *seal, const uint8_t *bytes, uint64_t n) { bpfree_sha256_add(&seal->hash, bytes, n); }

static int fits(const bpfree_seal *seal, const uint8_t *digest)
{
  uint8_t own[DIGEST];
  uint32_t others = 0;
  bpfree_sha256_digest(own, &seal->hash);
  for (uint32_t k = 0; k < DIGEST; k++) others |= (uint32_t)(own[k] ^ digest[k]);
  return others == 0;
}

void bpfree_seal_begin(bpfree_seal *seal, bpfree_journal *j, const uint8_t *bytes)
{
  bpfree_sha256_start(&seal->hash);
  bpfree_sha256_add(&seal->hash, bytes, j->at);
  seal->take = take;
  seal->fits = fits;
  j->seal = seal;
}

int bpfree_journal_seal(bpfree_journal *j, const bpfree_context *c, uint8_t *out, uint32_t room)
{
  if (!j->seal || !bpfree_journal_follows(j, c)) return BPFREE_ERR_ARG;
  uint8_t *p = bpfree_record_start(j, out, room, BPFREE_SEAL, c->step, DIGEST);
  if (!p) return BPFREE_ERR_SIZE;
  bpfree_sha256_digest(p, &j->seal->hash);
  return bpfree_record_finish(j, out);
}

int bpfree_journal_verify(const uint8_t *bytes, uint64_t size, uint64_t *sealed)
{
  bpfree_journal j;
  bpfree_seal seal;
  bpfree_journal_record r;
  *sealed = 0;
  int status = bpfree_journal_open(&j, bytes, size);
  if (status) return status;
  bpfree_seal_begin(&seal, &j, bytes);
  for (uint64_t before = j.at; (status = bpfree_journal_next(&j, &r)) > 0; before = j.at)
    if (r.type == BPFREE_SEAL) *sealed = before;
  return status;
}
