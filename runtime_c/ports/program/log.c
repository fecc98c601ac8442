/* SPDX-License-Identifier: MIT */
/* Keeps a journal in RAM. On a board let `append` program the bytes into a flash, in pieces of PROGRAM bytes. */
#include "log.h"

enum { PROGRAM = 8 }; /* bytes that a flash programs at once: 1, 8, 16 or 32 */

/* The piece of n bytes behind those that are used, or the status that came instead. */
static int append(run_log *log, int n)
{
  if (n < 0) return n == BPFREE_ERR_SIZE ? BPFREE_ERR_FULL : n;
  log->used += (uint32_t)n;
  return BPFREE_OK;
}

int log_begin(run_log *log, const bpfree_trainer *trainer, const bpfree_context *run, uint32_t kind,
              const uint8_t *settings, uint32_t n_settings)
{
  log->used = 0;
  return append(log, bpfree_journal_begin(&log->journal, trainer, run, kind, PROGRAM, settings, n_settings, log->bytes,
                                          log->room));
}

int log_step(run_log *log, const bpfree_context *run, int status)
{
  uint8_t *out = log->bytes + log->used;
  const uint32_t room = log->room - log->used;
  if (status != BPFREE_OK) {
    const uint32_t why = status == BPFREE_ERR_NUMERIC ? BPFREE_SKIP_NUMERIC : BPFREE_SKIP_SAMPLE;
    return append(log, bpfree_journal_skip(&log->journal, run, why, 0, 0, out, room));
  }
  if (log->journal.kind != BPFREE_SCALARS) return BPFREE_OK;
  return append(log, bpfree_journal_scalars(&log->journal, run, out, room));
}

int log_end(run_log *log, const bpfree_context *run)
{
  if (log->journal.kind == BPFREE_SCALARS) return BPFREE_OK;
  return append(log, bpfree_journal_snapshot(&log->journal, run, log->bytes + log->used, log->room - log->used));
}
