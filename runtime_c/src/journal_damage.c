/* SPDX-License-Identifier: MIT */
/* What of a damaged journal can be had. */
#include "journal_bytes.h"

int bpfree_journal_up_to_damage(bpfree_journal *j, const uint8_t *bytes, uint64_t size)
{
  bpfree_journal_record r;
  j->at = 0;
  int status = bpfree_journal_open(j, bytes, size);
  if (status) return status;
  while ((status = bpfree_journal_next(j, &r)) > 0) {}
  return status;
}
