/* SPDX-License-Identifier: MIT */
/* A run with a golden journal, as a caller sets it up. */
#ifndef BPFREE_TESTS_JOURNAL_RUN_H
#define BPFREE_TESTS_JOURNAL_RUN_H

#include "run.h"
#include "journal.gen.h"

#define ALL 0xffffffffu
#define PLAIN (&golden_journals[0])
#define ADAM (&golden_journals[1])

/* A run of golden_runs[0] with a journal's update, before its first step. */
static inline void start(run *r, const golden_journal *g)
{
  CHECK_EQUAL(run_start(r, &golden_runs[0]), BPFREE_OK);
  r->trainer.links = g->links;
  r->trainer.n_links = g->n_links;
  r->trainer.clip = g->clip;
  r->context.state_floats = bpfree_state_size(&r->trainer);
  r->context.state = floats(r->context.state_floats);
  CHECK_EQUAL(bpfree_train_init(&r->trainer, &r->context), BPFREE_OK);
}

static inline void end(run *r)
{
  free(r->context.state);
  run_end(r);
}

static inline uint64_t theta_of(const run *r) { return bpfree_hash(r->context.theta, r->trainer.model->n_theta); }

static inline uint64_t fingerprint_of(const golden_journal *g)
{
  bpfree_journal j;
  CHECK_EQUAL(bpfree_journal_open(&j, g->bytes, g->size), BPFREE_OK);
  return j.fingerprint;
}

/* Bytes in a buffer of just their size, so that the address sanitizer sees one too many. */
static inline uint8_t *copy_of(const uint8_t *bytes, uint32_t size)
{
  uint8_t *copy = malloc(size ? size : 1);
  if (!copy) abort();
  memcpy(copy, bytes, size);
  return copy;
}

/* Where the records of a golden journal begin, and its end. Returns how many there are. */
static inline uint32_t places(const golden_journal *g, uint64_t *at)
{
  bpfree_journal j;
  bpfree_journal_record r;
  uint32_t n = 0;
  CHECK_EQUAL(bpfree_journal_open(&j, g->bytes, g->size), BPFREE_OK);
  for (at[0] = j.at; bpfree_journal_next(&j, &r) == 1; at[++n] = j.at) continue;
  return n;
}

#endif
