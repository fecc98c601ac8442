/* SPDX-License-Identifier: MIT */
/* A step after which theta or the update's state would not be finite is refused, and leaves both as they were. */
#define _POSIX_C_SOURCE 200112L
#include <float.h>
#include "journal_run.h"

#define RECORDS 40
#define SKIPPING (&golden_journals[2]) /* a window of records */

static uint64_t hash_of_state(const run *r)
{
  return bpfree_hash(r->context.state, bpfree_state_size(&r->trainer));
}

static int is_finite(const run *r)
{
  for (uint32_t k = 0; k < r->trainer.model->n_theta; k++)
    if (!(r->context.theta[k] >= -FLT_MAX && r->context.theta[k] <= FLT_MAX)) return 0;
  return 1;
}

/* Records of growing size, until one is refused; then theta, state and step are what they were, and the run can go on.
 * Returns how many there were. */
static uint32_t grows(const golden_journal *g, float lr, float limit)
{
  run r;
  start(&r, g);
  const float settings[1] = {lr};
  bpfree_link links[3] = {{&bpfree_upd_sgd, settings}, {&bpfree_upd_sgd, settings}, {&bpfree_upd_sgd, settings}};
  for (uint32_t k = 0; k < g->n_links; k++) links[k] = g->links[k];
  r.trainer.links = links;
  r.trainer.n_links = g->n_links + 1;
  r.trainer.clip = 0.0f;
  r.trainer.coefficient_limit = limit;
  const uint32_t n = bpfree_record_size(&r.trainer);
  int status = BPFREE_OK;
  float size = 1.0f;
  uint32_t made = 0;
  for (; made < RECORDS && status == BPFREE_OK; made++, size *= 8.0f) {
    const uint64_t theta = theta_of(&r), state = hash_of_state(&r);
    float *record = floats(n);
    for (uint32_t k = 0; k < n; k++) record[k] = k % 2 ? -size : size;
    status = bpfree_apply(&r.trainer, &r.context, record);
    free(record);
    CHECK(is_finite(&r));
    if (status == BPFREE_OK) continue;
    CHECK_EQUAL(status, BPFREE_ERR_NUMERIC);
    CHECK(theta == theta_of(&r) && state == hash_of_state(&r) && r.context.step == made);
  }
  CHECK(made > 1 && made < RECORDS);
  CHECK_EQUAL(bpfree_skip(&r.trainer, &r.context), BPFREE_OK);
  CHECK_EQUAL(r.context.step, made);
  end(&r);
  return made;
}

/* A step that is tried only from a limit on is made or refused as one that always is. */
static void decides_the_same(const golden_journal *g, float lr)
{
  CHECK_EQUAL(grows(g, lr, 64.0f), grows(g, lr, 0.0f));
}

int main(void)
{
  decides_the_same(PLAIN, 1e30f);
  decides_the_same(ADAM, 1.0f);
  decides_the_same(SKIPPING, 1e30f);
  return CHECK_RESULT();
}
