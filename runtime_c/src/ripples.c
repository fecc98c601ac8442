/* SPDX-License-Identifier: MIT */
/* Probes of single entries, from a pass at theta that is kept: a probe computes the
 * slabs of its ripple in place, its losses are taken, and the slabs are put back. */
#include <string.h>
#include "bpfree/host.h"
#include "tiles.h"

/* One tile: every tensor as the probe at hand has it, and as it is at theta. */
typedef struct kept_tile {
  const bpfree_ripples *ripples;
  const bpfree_model *model;
  const float *packed;
  float *now;           /* (floats, n), and behind it the scratch of nodes */
  float *kept;          /* (floats, n) */
  bpfree_tensor *views; /* (tensors of the model) as the node at hand sees them */
  bpfree_pass pass;     /* of a model with these tensors */
} kept_tile;

/* Rows [m, m + rows) and columns [c, c + columns) of part p of a contraction. */
static void block(const kept_tile *t, const bpfree_stage *s, uint32_t p, uint32_t m, uint32_t rows, uint32_t c,
                  uint32_t columns)
{
  const uint32_t n = t->pass.n, first = (p * s->rows + m) * s->columns + c;
  float *const y = t->now + (t->ripples->offsets[s->output] + first) * n;
  const float *const x = t->now + (t->ripples->offsets[s->input] + p * s->inner * s->columns + c) * n;
  const float *const starts = s->start == UINT32_MAX ? NULL : t->packed + s->start + first;
  for (uint32_t r = 0; r < rows; r++)
    for (uint32_t k = 0; k < columns; k++) {
      const float start = starts ? starts[r * s->columns + k] + 0.0f : 0.0f;
      float *const to = y + (r * s->columns + k) * n;
      for (uint32_t i = 0; i < n; i++) to[i] = start;
    }
  t->ripples->contract(y, t->packed + s->matrix + m, s->rows, 1, x, rows, s->inner, columns * n, s->columns * n);
}

static void contraction(const kept_tile *t, const bpfree_stage *s, const bpfree_ripple_step *step, uint32_t at)
{
  const uint32_t of_part = s->rows * s->columns;
  switch (step->axis) {
  case BPFREE_PARTS:
    for (uint32_t b = 0, after = step->after / of_part; b < step->before; b++)
      for (uint32_t a = 0; a < after; a++) block(t, s, (b * step->size + at) * after + a, 0, s->rows, 0, s->columns);
    break;
  case BPFREE_ROWS:
    for (uint32_t p = 0; p < s->parts; p++) block(t, s, p, at, 1, 0, s->columns);
    break;
  case BPFREE_COLUMNS:
    for (uint32_t p = 0, before = step->before / (s->parts * s->rows); p < s->parts; p++)
      for (uint32_t b = 0; b < before; b++)
        block(t, s, p, 0, s->rows, (b * step->size + at) * step->after, step->after);
    break;
  default:
    block(t, s, at / of_part, at % of_part / s->columns, 1, at % s->columns, 1);
  }
}

/* A node on a slab of its tensors: rows with gaps between them. */
static void node_on_slab(const kept_tile *t, const bpfree_stage *s, const bpfree_ripple_step *step, uint32_t at)
{
  bpfree_node node = t->model->nodes[s->node];
  node.scratch = t->ripples->floats;
  for (uint32_t k = 0; k <= node.n_inputs; k++) {
    const uint32_t number = k < node.n_inputs ? node.inputs[k] : node.output;
    bpfree_tensor *view = &t->views[number];
    *view = t->model->tensors[number];
    view->offset = t->ripples->offsets[number];
    if (step->size == 1) continue;
    view->offset += at * step->after;
    view->size = step->before * step->after;
    view->row = step->after;
    view->stride = step->size * step->after;
  }
  if (step->size > 1) node.piece = step->after;
  node.kernel(&t->pass, &node);
}

/* Where on the middle axis of its output a step computes. */
static uint32_t index_of(const bpfree_ripple *probe, const bpfree_ripple_step *step)
{
  return probe->place / step->divisor % step->size;
}

static void run_steps(const kept_tile *t, const bpfree_ripple *probe)
{
  for (uint32_t k = probe->first; k < probe->first + probe->count; k++) {
    const bpfree_ripple_step *step = &t->ripples->steps[k];
    const bpfree_stage *stage = &t->ripples->stages[step->stage];
    const uint32_t at = index_of(probe, step);
    if (stage->inner)
      contraction(t, stage, step, at);
    else
      node_on_slab(t, stage, step, at);
  }
}

/* What the probe has changed becomes again what it is at theta. */
static void put_back(const kept_tile *t, const bpfree_ripple *probe)
{
  for (uint32_t k = probe->first; k < probe->first + probe->count; k++) {
    const bpfree_ripple_step *step = &t->ripples->steps[k];
    const uint32_t n = t->pass.n, offset = t->ripples->offsets[t->ripples->stages[step->stage].output];
    const uint32_t at = index_of(probe, step);
    for (uint32_t b = 0; b < step->before; b++) {
      const size_t first = (size_t)(offset + (b * step->size + at) * step->after) * n;
      memcpy(t->now + first, t->kept + first, (size_t)step->after * n * sizeof(float));
    }
  }
}

/* The workspace, cut into arrays; each starts on a cache line. */
typedef struct rooms {
  float *now;           /* (floats, tile), and behind it the scratch of nodes */
  float *kept;          /* (floats, tile) */
  float *losses;        /* bpfree_losses_room() */
  bpfree_tensor *views; /* (n_tensors) */
  uint64_t floats;      /* of all of them */
} rooms;

static rooms cut(const bpfree_model *model, const bpfree_ripples *ripples, uint32_t tile, float *base)
{
  const uint64_t tensors = (uint64_t)ripples->floats * tile;
  const uint64_t scratch = (uint64_t)ripples->scratch * tile + ripples->scratch_fixed;
  const uint64_t views = (uint64_t)model->n_tensors * (sizeof(bpfree_tensor) / sizeof(float));
  rooms r;
  r.floats = 0;
  r.now = bpfree_take(base, &r.floats, tensors + scratch);
  r.kept = bpfree_take(base, &r.floats, tensors);
  r.losses = bpfree_take(base, &r.floats, bpfree_losses_room(model->tensors[model->output].size, tile));
  r.views = (bpfree_tensor *)(void *)bpfree_take(base, &r.floats, views);
  return r;
}

uint64_t bpfree_ripples_size(const bpfree_model *model, const bpfree_ripples *ripples, uint32_t tile)
{
  return tile ? cut(model, ripples, tile, NULL).floats * sizeof(float) : 0;
}

/* The pass at theta of samples s .. s + tile, and a copy of it. */
static void fill(const kept_tile *t, const bpfree_batch *batch, uint32_t s)
{
  const uint32_t n = t->pass.n, features = t->model->tensors[t->model->input].size;
  const bpfree_ripple all = {0, 0, 0, t->ripples->n_stages, 0.0f};
  memset(t->now, 0, (size_t)t->ripples->floats * n * sizeof(float)); /* zeros behind inputs that are too narrow */
  bpfree_to_columns(batch->x + (uint64_t)s * features, batch->n - s, features, n,
                    t->now + t->ripples->offsets[t->model->input] * n);
  run_steps(t, &all);
  memcpy(t->kept, t->now, (size_t)t->ripples->floats * n * sizeof(float));
}

int bpfree_evaluate_ripples(const bpfree_model *model, const bpfree_ripples *ripples, const float *theta, float *packed,
                            const bpfree_batch *batch, bpfree_loss loss, const bpfree_ripple *probes,
                            uint32_t n_probes, uint32_t tile, float *workspace, uint64_t workspace_bytes,
                            float *values)
{
  const uint32_t outputs = model->tensors[model->output].size;
  if (tile == 0 || !bpfree_labels_fit(batch, outputs)) return BPFREE_ERR_ARG;
  if (!workspace || (uintptr_t)workspace & 63u) return BPFREE_ERR_ALIGN;
  if ((uint64_t)ripples->floats * tile > UINT32_MAX) return BPFREE_ERR_SIZE;
  if (bpfree_ripples_size(model, ripples, tile) > workspace_bytes) return BPFREE_ERR_SIZE;
  if (bpfree_check_arithmetic()) return BPFREE_ERR_ARITHMETIC;
  const rooms r = cut(model, ripples, tile, workspace);
  bpfree_model view = *model;
  view.tensors = r.views;
  view.input = UINT32_MAX; /* all tensors lie in the arena */
  view.arena_sample = ripples->floats + ripples->scratch;
  const bpfree_pass pass = {&view, theta, NULL, NULL, r.now, tile, 1};
  const kept_tile t = {ripples, model, packed, r.now, r.kept, r.views, pass};
  const float *const y = t.now + ripples->offsets[model->output] * tile;
  for (uint32_t s = 0; s < batch->n; s += tile) {
    fill(&t, batch, s);
    for (uint32_t p = 0; p < n_probes; p++) {
      float *const entry = packed + probes[p].position, before = *entry;
      *entry = before + probes[p].mu;
      run_steps(&t, &probes[p]);
      *entry = before;
      bpfree_tile_losses(y, outputs, batch, loss, s, tile, r.losses, values + (uint64_t)p * batch->n);
      put_back(&t, &probes[p]);
    }
  }
  return BPFREE_OK;
}
