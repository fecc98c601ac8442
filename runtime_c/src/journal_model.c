/* SPDX-License-Identifier: MIT */
/* Which step of a journal the run's model is of. */
#include "journal_bytes.h"

/* The decimal number before the first colon of a text; -1 where there is none, or one above `most`. */
static int64_t step_of(const uint8_t *text, uint32_t n, uint64_t most)
{
  uint64_t step = 0;
  uint32_t k = 0;
  for (; k < n && text[k] != ':'; k++) {
    if (text[k] < '0' || text[k] > '9') return -1;
    step = 10 * step + (uint64_t)(text[k] - '0');
    if (step > most) return -1;
  }
  return k ? (int64_t)step : -1;
}

int bpfree_journal_model_step(const uint8_t *bytes, uint64_t size, uint32_t *to_step)
{
  bpfree_journal j;
  bpfree_journal_record r, back = {.type = 0};
  int status = bpfree_journal_open(&j, bytes, size);
  if (status) return status;
  while ((status = bpfree_journal_next(&j, &r)) > 0)
    if (r.type == BPFREE_EVENT && get32(r.payload) == BPFREE_EVENT_WENT_BACK) back = r;
  if (status) return status;
  *to_step = 0xffffffffu;
  if (j.kind == BPFREE_SNAPSHOT || !back.type || back.step != j.step) return BPFREE_OK;
  const int64_t step = step_of(back.payload + 4, back.size - 4, j.step);
  if (step < (int64_t)j.first_step) return BPFREE_ERR_FORMAT;
  *to_step = (uint32_t)step;
  return BPFREE_OK;
}
