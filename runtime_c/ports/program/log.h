/* SPDX-License-Identifier: MIT */
/* The log of a run: a journal, from which `bpfree replay` makes the run again. */
#ifndef BPFREE_LOG_H
#define BPFREE_LOG_H

#include "bpfree/journal.h"

/* Where it is kept: the first `used` of `room` bytes in RAM. */
typedef struct run_log {
  uint8_t *bytes;
  uint32_t room;
  uint32_t used;
  bpfree_journal journal;
} run_log;

/* After bpfree_train_init; settings: the text that the exporter wrote. Each returns BPFREE_OK or a negative status. */
int log_begin(run_log *log, const bpfree_trainer *trainer, const bpfree_context *run, uint32_t kind,
              const uint8_t *settings, uint32_t n_settings);

/* After each bpfree_step, with its status. Where that is not BPFREE_OK: after bpfree_skip, which made it a skip. */
int log_step(run_log *log, const bpfree_context *run, int status);

/* At the end: theta and state, in journals whose steps are no scalars. */
int log_end(run_log *log, const bpfree_context *run);

#endif
