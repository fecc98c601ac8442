/* SPDX-License-Identifier: MIT */
/* Points through a rule, a network and a residual, a tile of them at a time. */
#include "streams.h"

/* The work, cut into arrays; each is aligned as the whole of it is. */
typedef struct rooms {
  float *x;    /* (features, tile) */
  float *jet;  /* (streams, outputs, tile) */
  float *r;    /* (tile) */
  float *rule; /* what the rule works in */
  uint64_t floats;
} rooms;

static float *take(float *base, uint64_t *at, uint64_t floats)
{
  const uint64_t unit = BPFREE_ALIGN / sizeof(float);
  float *room = base ? base + *at : NULL;
  *at += (floats + unit - 1) / unit * unit;
  return room;
}

static rooms cut(const bpfree_pde *pde, uint32_t tile, float *base)
{
  const bpfree_model *model = pde->model;
  rooms r;
  r.floats = 0;
  r.x = take(base, &r.floats, (uint64_t)model->tensors[model->input].size * tile);
  r.jet = take(base, &r.floats,
               (uint64_t)bpfree_stream_count(pde->streams) * model->tensors[model->output].size * tile);
  r.r = take(base, &r.floats, tile);
  r.rule = take(base, &r.floats, pde->rule->work(pde, tile));
  return r;
}

int bpfree_pde_check(const bpfree_pde *pde)
{
  if (!pde || !pde->model || !pde->rule || !pde->residual) return BPFREE_ERR_ARG;
  const int status = bpfree_streams_check(pde->streams, pde->model->tensors[pde->model->input].size);
  return status ? status : pde->rule->check(pde);
}

uint32_t bpfree_pde_size(const bpfree_pde *pde, uint32_t tile)
{
  if (tile == 0) return 0;
  const uint64_t floats = cut(pde, tile, NULL).floats;
  return floats > UINT32_MAX ? 0 : (uint32_t)floats;
}

int bpfree_pde_residuals(const bpfree_pde *pde, const float *theta, const float *points, uint32_t n, uint32_t tile,
                         float *work, uint32_t work_floats, float *r, float *loss)
{
  const int status = bpfree_pde_check(pde);
  if (status) return status;
  if (!theta || !points || !loss || tile == 0) return BPFREE_ERR_ARG;
  const uint32_t needed = bpfree_pde_size(pde, tile);
  if (needed == 0 || needed > work_floats) return BPFREE_ERR_SIZE;
  if (!work || (uintptr_t)work % BPFREE_ALIGN) return BPFREE_ERR_ALIGN;
  const rooms room = cut(pde, tile, work);
  const bpfree_model *model = pde->model;
  bpfree_field u = {room.x, room.jet, pde->streams, model->tensors[model->input].size,
                    model->tensors[model->output].size, 0};
  float sum = 0.0f;
  for (uint32_t at = 0; at < n; at += u.n) {
    u.n = n - at < tile ? n - at : tile;
    for (uint32_t s = 0; s < u.n; s++)
      for (uint32_t f = 0; f < u.features; f++) room.x[f * u.n + s] = *points++;
    pde->rule->jet(pde, theta, room.x, u.n, room.rule, room.jet);
    const int found = pde->residual(pde->user, &u, room.r);
    if (found) return found;
    for (uint32_t s = 0; s < u.n; s++) {
      if (r) r[at + s] = room.r[s];
      sum += room.r[s] * room.r[s];
    }
  }
  *loss = sum;
  return BPFREE_OK;
}
