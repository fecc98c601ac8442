/* SPDX-License-Identifier: MIT */
/* Batches on a host: samples are turned to columns tile by tile, one perturbed
 * copy of theta serves the whole batch, and every tile stays in cache. */
#include <stddef.h>
#include "bpfree/host.h"

/* The workspace, cut into arrays; each starts on a cache line. */
typedef struct rooms {
  float *columns; /* (tiles, features, tile) */
  float *theta;   /* (n_theta) perturbed */
  float *arena;
  float *values;    /* (tile) */
  float *targets;   /* (outputs, tile) */
  uint32_t *labels; /* (tile) */
  uint64_t floats;  /* of all of them */
} rooms;

/* The next room of this many floats; base NULL only counts. */
static float *take(float *base, uint64_t *at, uint64_t floats)
{
  float *room = base ? base + *at : NULL;
  *at += (floats + 15u) & ~(uint64_t)15u;
  return room;
}

static rooms cut(const bpfree_model *model, uint32_t n, uint32_t tile, float *base)
{
  const uint64_t padded = ((uint64_t)n + tile - 1) / tile * tile;
  rooms r;
  r.floats = 0;
  r.columns = take(base, &r.floats, padded * model->tensors[model->input].size);
  r.theta = take(base, &r.floats, model->n_theta);
  r.arena = take(base, &r.floats, bpfree_arena_size(model, tile));
  r.values = take(base, &r.floats, tile);
  r.targets = take(base, &r.floats, (uint64_t)tile * model->tensors[model->output].size);
  r.labels = (uint32_t *)(void *)take(base, &r.floats, tile);
  return r;
}

uint64_t bpfree_workspace_size(const bpfree_model *model, uint32_t n, uint32_t tile)
{
  return tile ? cut(model, n, tile, NULL).floats * sizeof(float) : 0;
}

/* Checks before it cuts: nothing points outside the workspace. */
static int prepare(const bpfree_model *model, uint32_t n, uint32_t tile, float *workspace, uint64_t bytes, rooms *r)
{
  if (tile == 0) return BPFREE_ERR_ARG;
  if (!workspace || (uintptr_t)workspace & 63u) return BPFREE_ERR_ALIGN;
  if ((uint64_t)model->arena_sample * tile + model->arena_fixed > UINT32_MAX) return BPFREE_ERR_SIZE;
  if (bpfree_workspace_size(model, n, tile) > bytes) return BPFREE_ERR_SIZE;
  if (bpfree_check_arithmetic()) return BPFREE_ERR_NUMERIC;
  *r = cut(model, n, tile, workspace);
  return BPFREE_OK;
}

/* Both ways of turning walk strips of one cache line, so that what is read and
 * what is written stay in the first-level cache. */
#define STRIP 16

/* rows (n, width) to columns (width, tile), missing samples zero. */
static void to_columns(const float *rows, uint32_t n, uint32_t width, uint32_t tile, float *columns)
{
  const uint32_t present = n < tile ? n : tile;
  for (uint32_t f0 = 0; f0 < width; f0 += STRIP) {
    const uint32_t stop = width - f0 < STRIP ? width : f0 + STRIP;
    for (uint32_t s = 0; s < present; s++)
      for (uint32_t f = f0; f < stop; f++) columns[f * tile + s] = rows[(uint64_t)s * width + f];
    for (uint32_t f = f0; f < stop; f++)
      for (uint32_t s = present; s < tile; s++) columns[f * tile + s] = 0.0f;
  }
}

/* columns (width, tile) to rows (n, width), n <= tile. */
static void to_rows(const float *columns, uint32_t n, uint32_t width, uint32_t tile, float *rows)
{
  for (uint32_t f0 = 0; f0 < width; f0 += STRIP) {
    const uint32_t stop = width - f0 < STRIP ? width : f0 + STRIP;
    for (uint32_t s = 0; s < n; s++)
      for (uint32_t f = f0; f < stop; f++) rows[(uint64_t)s * width + f] = columns[f * tile + s];
  }
}

static void columns_of_batch(const bpfree_model *model, const bpfree_batch *batch, uint32_t tile, float *columns)
{
  const uint32_t features = model->tensors[model->input].size;
  for (uint32_t s = 0; s < batch->n; s += tile)
    to_columns(batch->x + (uint64_t)s * features, batch->n - s, features, tile, columns + (uint64_t)s * features);
}

/* Samples of a pass: a tile, but not for a few samples, which the kernels of a
 * plain pass compute as they are. */
static uint32_t pass_width(uint32_t n, uint32_t tile)
{
  const uint32_t few = n <= 2 ? n : 4;
  return n <= 4 && few < tile ? few : tile;
}

int bpfree_predict(const bpfree_model *model, const float *theta, const bpfree_batch *batch, uint32_t tile,
                   float *workspace, uint64_t workspace_bytes, float *y)
{
  rooms r;
  const int status = prepare(model, batch->n, tile, workspace, workspace_bytes, &r);
  if (status) return status;
  tile = pass_width(batch->n, tile);
  const uint32_t features = model->tensors[model->input].size, outputs = model->tensors[model->output].size;
  columns_of_batch(model, batch, tile, r.columns);
  for (uint32_t s = 0; s < batch->n; s += tile) {
    const bpfree_pass pass = {model, theta, 0, r.columns + (uint64_t)s * features, r.arena, tile, 1};
    bpfree_forward(&pass);
    const uint32_t count = batch->n - s < tile ? batch->n - s : tile;
    to_rows(bpfree_output(&pass, 0), count, outputs, tile, y + (uint64_t)s * outputs);
  }
  return BPFREE_OK;
}

/* The losses of one tile, at columns s .. s + tile. */
static void tile_losses(const rooms *r, const bpfree_pass *pass, const bpfree_batch *batch, bpfree_loss loss,
                        uint32_t s, float *values)
{
  const uint32_t outputs = pass->model->tensors[pass->model->output].size, tile = pass->n;
  const uint32_t count = batch->n - s < tile ? batch->n - s : tile;
  for (uint32_t k = 0; k < tile; k++) r->labels[k] = batch->labels && k < count ? batch->labels[s + k] : 0;
  if (batch->targets) to_columns(batch->targets + (uint64_t)s * outputs, count, outputs, tile, r->targets);
  bpfree_forward(pass);
  loss(bpfree_output(pass, 0), outputs, r->labels, r->targets, tile, r->values);
  for (uint32_t k = 0; k < count; k++) values[s + k] = r->values[k];
}

/* Where the losses of probe p are taken, or NULL: theta itself, or room, which
 * is turned into it. A coordinate differs in one element from theta, and so from
 * the coordinate before it: nothing is copied between two of them. */
static const float *place(const bpfree_model *model, const float *theta, const bpfree_probe *probes, uint32_t p,
                          float *room)
{
  const bpfree_probe *probe = &probes[p], *before = p ? probe - 1 : NULL;
  if (probe->mu == 0.0f) return theta;
  if (before && before->mu != 0.0f && before->direction == BPFREE_COORDINATE &&
      probe->direction == BPFREE_COORDINATE && probe->element < model->n_theta) {
    room[before->element] = theta[before->element];
    room[probe->element] = theta[probe->element] + probe->mu;
    return room;
  }
  return bpfree_perturb(model, theta, probe, room) ? NULL : room;
}

int bpfree_evaluate(const bpfree_model *model, const float *theta, const bpfree_batch *batch, bpfree_loss loss,
                    const bpfree_probe *probes, uint32_t n_probes, uint32_t tile, float *workspace,
                    uint64_t workspace_bytes, float *values)
{
  rooms r;
  const int status = prepare(model, batch->n, tile, workspace, workspace_bytes, &r);
  if (status) return status;
  for (uint32_t s = 0; batch->labels && s < batch->n; s++)
    if (batch->labels[s] >= model->tensors[model->output].size) return BPFREE_ERR_ARG;
  columns_of_batch(model, batch, tile, r.columns);
  for (uint32_t p = 0; p < n_probes; p++) {
    const float *at = place(model, theta, probes, p, r.theta);
    if (!at) return BPFREE_ERR_ARG;
    for (uint32_t s = 0; s < batch->n; s += tile) {
      const bpfree_pass pass = {model, at, 0, r.columns + (uint64_t)s * model->tensors[model->input].size,
                                r.arena, tile, 1};
      tile_losses(&r, &pass, batch, loss, s, values + (uint64_t)p * batch->n);
    }
  }
  return BPFREE_OK;
}
