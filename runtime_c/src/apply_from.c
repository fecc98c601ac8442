/* SPDX-License-Identifier: MIT */
/* A step from one theta and state to another, for hosts, where memory is far
 * from the processor: every vector passes through the cache once. */
#include <string.h>
#include "bpfree/host.h"
#include "clip.h"
#include "links.h"

#define CHUNK 4096u /* elements: what is read and written of them stays in the cache of a core */

/* The library's copy, out of line: in line GCC makes a slow `rep movs` of it. */
static __attribute__((noinline)) void copy(float *to, const float *from, size_t n)
{
  memmove(to, from, n * sizeof(float));
}

/* The parts of the state that are `scalars` (1) or vectors (0), elements [first, first + n) of these. */
static void copy_parts(const bpfree_trainer *t, const bpfree_context *c, const float *const *state, int scalars,
                       uint32_t first, uint32_t n)
{
  float *to = c->state;
  for (uint32_t k = 0; k < t->n_links; k++) {
    const bpfree_update *update = t->links[k].update;
    for (uint32_t v = 0; v < update->n_vectors; v++, to += t->model->n_theta, state++)
      if (!scalars) copy(to + first, *state + first, n);
    if (update->n_scalars && scalars) copy(to, *state, update->n_scalars);
    if (update->n_scalars) state++;
    to += update->n_scalars;
  }
  const bpfree_window *window = t->links->update->window;
  if (window && scalars) copy(to, *state, window->state(t));
}

int bpfree_apply_from(const bpfree_trainer *t, bpfree_context *c, const float *theta, const float *const *state,
                      const float *coefficients)
{
  const uint32_t n_theta = t->model->n_theta;
  const int streams = t->estimator == bpfree_given() && !t->links->update->window;
  copy_parts(t, c, state, 1, 0, 0);
  if (!streams) {
    copy(c->theta, theta, n_theta);
    copy_parts(t, c, state, 0, 0, n_theta);
    if (!bpfree_all_finite(coefficients, bpfree_record_size(t))) return BPFREE_ERR_NUMERIC;
    if (t->estimator->draw) t->estimator->draw(t, c);
    bpfree_make_step(t, c, coefficients);
    return BPFREE_OK;
  }
  float g[CHUNK];
  int finite = 1;
  bpfree_begin_links(t, c, coefficients);
  const float factor = bpfree_factor_at(&t->lr_schedule, c->step);
  for (uint32_t first = 0, n; first < n_theta; first += n) {
    n = n_theta - first < CHUNK ? n_theta - first : CHUNK;
    copy(c->theta + first, theta + first, n);
    copy_parts(t, c, state, 0, first, n);
    copy(g, coefficients + first, n);
    finite &= bpfree_all_finite(g, n);
    for (uint32_t k = 0; t->clip != 0.0f && k < n; k++) g[k] = bpfree_clipped(t, g[k]);
    bpfree_update_chunk(t, c, factor, g, first, n);
  }
  if (!finite) return BPFREE_ERR_NUMERIC;
  c->step++;
  return BPFREE_OK;
}
