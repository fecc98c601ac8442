/* SPDX-License-Identifier: MIT */
/* Batches on a host: samples are turned to columns tile by tile, one perturbed
 * copy of theta serves as many tiles as are held at once, and every tile stays
 * in cache. */
#include <stddef.h>
#include "probe.h"
#include "restart.h"
#include "tiles.h"

/* The workspace, cut into arrays; each starts on a cache line. */
typedef struct rooms {
  float *columns; /* (tiles, features, tile) */
  float *theta;   /* (n_theta) perturbed */
  float *arena;     /* and behind it what is kept of each tile that is held */
  float *losses;    /* bpfree_losses_room() */
  bpfree_tensor *tensors; /* (n_tensors) */
  uint32_t *stale;        /* (n_tensors) */
  uint32_t *wanted;       /* (n_tensors) */
  uint64_t floats;        /* of all of them */
} rooms;

/* Floats that so many bytes a tensor take. */
static uint64_t words(const bpfree_model *model, size_t bytes)
{
  return (uint64_t)model->n_tensors * (bytes / sizeof(float));
}

/* Where kept tensors start, in floats a sample from the start of the arena. */
static uint64_t cache_start(const bpfree_model *model, uint32_t tile)
{
  return ((uint64_t)model->arena_sample * tile + model->arena_fixed + tile - 1) / tile;
}

/* Arena and cache. */
static uint64_t arena_floats(const bpfree_model *model, const bpfree_reuse *reuse, uint32_t tile)
{
  const uint64_t kept = reuse ? (uint64_t)reuse->floats * reuse->tiles : 0;
  return (cache_start(model, tile) + kept) * tile;
}

static rooms cut(const bpfree_model *model, const bpfree_reuse *reuse, uint32_t n, uint32_t tile, float *base)
{
  const uint64_t padded = ((uint64_t)n + tile - 1) / tile * tile;
  rooms r;
  r.floats = 0;
  r.columns = bpfree_take(base, &r.floats, padded * model->tensors[model->input].size);
  r.theta = bpfree_take(base, &r.floats, model->n_theta);
  r.arena = bpfree_take(base, &r.floats, arena_floats(model, reuse, tile));
  r.losses = bpfree_take(base, &r.floats, bpfree_losses_room(model->tensors[model->output].size, tile));
  r.tensors = (bpfree_tensor *)(void *)bpfree_take(base, &r.floats, words(model, sizeof *r.tensors));
  r.stale = (uint32_t *)(void *)bpfree_take(base, &r.floats, words(model, sizeof *r.stale));
  r.wanted = (uint32_t *)(void *)bpfree_take(base, &r.floats, words(model, sizeof *r.wanted));
  return r;
}

uint64_t bpfree_workspace_size(const bpfree_model *model, const bpfree_reuse *reuse, uint32_t n, uint32_t tile)
{
  return tile ? cut(model, reuse, n, tile, NULL).floats * sizeof(float) : 0;
}

/* Checks before it cuts: nothing points outside the workspace. */
static int prepare(const bpfree_model *model, const bpfree_reuse *reuse, uint32_t n, uint32_t tile, float *workspace,
                   uint64_t bytes, rooms *r)
{
  if (tile == 0 || (reuse && reuse->tiles == 0)) return BPFREE_ERR_ARG;
  if (!workspace || (uintptr_t)workspace & 63u) return BPFREE_ERR_ALIGN;
  if (reuse && (uint64_t)reuse->floats * reuse->tiles > UINT32_MAX) return BPFREE_ERR_SIZE;
  if (arena_floats(model, reuse, tile) > UINT32_MAX) return BPFREE_ERR_SIZE;
  if (bpfree_workspace_size(model, reuse, n, tile) > bytes) return BPFREE_ERR_SIZE;
  if (bpfree_check_arithmetic()) return BPFREE_ERR_ARITHMETIC;
  *r = cut(model, reuse, n, tile, workspace);
  return BPFREE_OK;
}

static void columns_of_batch(const bpfree_model *model, const bpfree_batch *batch, uint32_t tile, float *columns)
{
  const uint32_t features = model->tensors[model->input].size;
  for (uint32_t s = 0; s < batch->n; s += tile)
    bpfree_to_columns(batch->x + (uint64_t)s * features, batch->n - s, features, tile,
                      columns + (uint64_t)s * features);
}

/* Samples of a pass: a tile, but not for a few samples, which the kernels of a
 * plain pass compute as they are. */
static uint32_t pass_width(uint32_t n, uint32_t tile)
{
  const uint32_t few = n <= 2 ? n : 4;
  return n <= 4 && few < tile ? few : tile;
}

int bpfree_predict_batch(const bpfree_model *model, const float *theta, const bpfree_batch *batch, uint32_t tile,
                         float *workspace, uint64_t workspace_bytes, float *y)
{
  rooms r;
  const int status = prepare(model, NULL, batch->n, tile, workspace, workspace_bytes, &r);
  if (status) return status;
  tile = pass_width(batch->n, tile);
  const uint32_t features = model->tensors[model->input].size, outputs = model->tensors[model->output].size;
  columns_of_batch(model, batch, tile, r.columns);
  for (uint32_t s = 0; s < batch->n; s += tile) {
    const bpfree_pass pass = {model, theta, 0, r.columns + (uint64_t)s * features, r.arena, tile, 1};
    bpfree_forward(&pass);
    const uint32_t count = batch->n - s < tile ? batch->n - s : tile;
    bpfree_to_rows(bpfree_output(&pass, 0), count, outputs, tile, y + (uint64_t)s * outputs);
  }
  return BPFREE_OK;
}

int bpfree_evaluate(const bpfree_model *model, const bpfree_reuse *reuse, const float *theta,
                    const bpfree_batch *batch, bpfree_loss loss, const struct bpfree_probe *probes, uint32_t n_probes,
                    uint32_t tile, float *workspace, uint64_t workspace_bytes, float *values)
{
  rooms r;
  const int status = prepare(model, reuse, batch->n, tile, workspace, workspace_bytes, &r);
  if (status) return status;
  const uint32_t outputs = model->tensors[model->output].size;
  if (!bpfree_labels_fit(batch, outputs)) return BPFREE_ERR_ARG;
  columns_of_batch(model, batch, tile, r.columns);
  restart again = {*model, r.tensors, r.stale, r.wanted, model, reuse, (uint32_t)cache_start(model, tile)};
  again.view.tensors = r.tensors;
  const uint32_t features = model->tensors[model->input].size;
  const int keeps = reuse && reuse->floats;
  const uint64_t held = keeps ? (uint64_t)reuse->tiles * tile : batch->n;
  const struct bpfree_probe *before = NULL; /* the one that r.theta is moved by */
  for (uint64_t start = 0; start < batch->n; start += held) {
    const uint32_t first = (uint32_t)start, stop = batch->n - first < held ? batch->n : first + (uint32_t)held;
    bpfree_restart_fill(&again);
    for (uint32_t s = first; keeps && s < stop; s += tile) {
      const bpfree_pass pass = {&again.view, theta, 0, r.columns + (uint64_t)s * features, r.arena, tile, 1};
      bpfree_restart_run(&again, &pass, (s - first) / tile);
    }
    for (uint32_t p = 0; p < n_probes; p++) {
      const int moved = probes[p].mu != 0.0f;
      if (moved && bpfree_move(model, theta, before, &probes[p], r.theta)) return BPFREE_ERR_ARG;
      if (moved) before = &probes[p];
      bpfree_restart_probe(&again, &probes[p]);
      for (uint32_t s = first; s < stop; s += tile) {
        const bpfree_pass pass = {&again.view, moved ? r.theta : theta, 0, r.columns + (uint64_t)s * features,
                                  r.arena, tile, 1};
        bpfree_restart_run(&again, &pass, (s - first) / tile);
        bpfree_tile_losses(bpfree_output(&pass, 0), outputs, batch, loss, s, tile, r.losses,
                           values + (uint64_t)p * batch->n);
      }
    }
  }
  return BPFREE_OK;
}
