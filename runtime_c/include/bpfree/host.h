/* SPDX-License-Identifier: MIT */
/* For hosts only, and linked by none of the firmware: the tables of pointers,
 * the choice of instruction set, and evaluation of whole batches. */
#ifndef BPFREE_HOST_H
#define BPFREE_HOST_H

#include "bpfree/estimators.h"
#include "bpfree/pde.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* Kernels are compiled once per instruction set, numbered from 0 = "scalar",
 * the build a device runs (1 lane), to the widest. Names and lanes are NULL
 * and 0 past the last; supported is 1 where this processor can run it. */
const char *bpfree_isa_name(uint32_t isa);
uint32_t bpfree_isa_lanes(uint32_t isa);
int bpfree_isa_supported(uint32_t isa);

/* y[m, c] += sum_k a[k * k_stride + m * m_stride] x[k, c] for c < columns; rows of
 * x and y lie `stride` floats apart. */
typedef void (*bpfree_contraction)(float *y, const float *a, uint32_t k_stride, uint32_t m_stride, const float *x,
                                   uint32_t rows, uint32_t inner, uint32_t columns, uint32_t stride);

/* Rows of the tables by number; NULL where there is no such row, and where an op has no jet or no slope. */
bpfree_kernel bpfree_registry_op(uint32_t isa, uint32_t number);
bpfree_jet bpfree_registry_jet(uint32_t isa, uint32_t op);
bpfree_contraction bpfree_registry_contraction(uint32_t isa);
bpfree_loss bpfree_registry_loss(uint32_t isa, uint32_t number);
bpfree_slope bpfree_registry_slope(uint32_t op);             /* of one lane */
const bpfree_closed *bpfree_registry_closed(uint32_t loss); /* of one lane */
const bpfree_estimator *bpfree_registry_estimator(uint32_t number);
const bpfree_update *bpfree_registry_update(uint32_t isa, uint32_t number);
bpfree_factor bpfree_registry_schedule(uint32_t number);
const bpfree_rule *bpfree_registry_rule(uint32_t number);
bpfree_residual bpfree_registry_residual(uint32_t number);
const char *bpfree_registry_name(const char *table, uint32_t number);

/* For bpfree_apply alone: coefficient k is element k of the gradient, however it
 * was computed. n_queries = n_theta, one group. */
const bpfree_estimator *bpfree_given(void);

/* bpfree_apply from another theta and state, which are left alone: context->theta
 * and context->state are only written. state: a pointer for every vector of a link,
 * one for its scalars where it has some, one for a window's records. With
 * bpfree_given everything passes through the cache once. Returns as bpfree_apply;
 * with BPFREE_ERR_NUMERIC what is in the context means nothing. */
int bpfree_apply_from(const bpfree_trainer *trainer, bpfree_context *context, const float *theta,
                      const float *const *state, const float *coefficients);

/* y[p, m, c] += sum_k a[k * k_stride + m * m_stride] x[p, k, c]: the product
 * that kernels are made of (kernel.h), `parts` times. y (parts, rows, columns),
 * x (parts, inner, columns). */
void bpfree_contract_parts(uint32_t isa, float *y, const float *a, uint32_t k_stride, uint32_t m_stride,
                           const float *x, uint32_t parts, uint32_t rows, uint32_t inner, uint32_t columns);

/* y[m, k] += sum over p, then c, of d[p, m, c] x[p, k, c]: what the gradient of such a
 * product's a is. y (rows, inner), d (parts, rows, columns), x (parts, inner, columns);
 * strip: room for BPFREE_OUTER_STRIP * inner floats. */
#define BPFREE_OUTER_STRIP 64
void bpfree_outer_parts(uint32_t isa, float *y, const float *d, const float *x, uint32_t parts, uint32_t rows,
                        uint32_t inner, uint32_t columns, float *strip);

/* A batch in the caller's layout, samples first. */
typedef struct bpfree_batch {
  const float *x;         /* (n, features) */
  const uint32_t *labels; /* (n) or NULL */
  const float *targets;   /* (n, outputs) or NULL */
  uint32_t n;
} bpfree_batch;

/* What is kept of the pass at theta, so that a probe runs only the nodes that
 * depend on what it moves. Any choice gives the same bits. */
typedef struct bpfree_reuse {
  const uint32_t *places; /* (n_tensors) of each one, in floats a sample; >= floats: not kept */
  uint32_t floats;        /* a sample, of all that is kept, gaps between rows counted */
  uint32_t tiles;         /* held at once, at least 1: theta is perturbed once for all of them */
} bpfree_reuse;

/* Bytes of workspace for the calls below, aligned to 64; `tile` samples are
 * computed at a time: 1 where the kernels have one lane, else a multiple of them
 * (0 gives 0 here and BPFREE_ERR_ARG below). reuse is that of bpfree_evaluate,
 * or NULL. */
uint64_t bpfree_workspace_size(const bpfree_model *model, const bpfree_reuse *reuse, uint32_t n, uint32_t tile);

/* y (n, outputs). Returns BPFREE_OK, BPFREE_ERR_ARG (tile 0), BPFREE_ERR_SIZE,
 * BPFREE_ERR_ALIGN, or BPFREE_ERR_ARITHMETIC as above. */
int bpfree_predict_batch(const bpfree_model *model, const float *theta, const bpfree_batch *batch, uint32_t tile,
                         float *workspace, uint64_t workspace_bytes, float *y);

/* values (n_probes, n): the loss of every sample at theta + mu u of every
 * probe; mu = 0 means theta itself. theta is only read. reuse may be NULL: every
 * probe then runs all nodes that its losses depend on. Returns as above, or
 * BPFREE_ERR_ARG (no tiles to hold, a probe out of range, or a label >= outputs). */
int bpfree_evaluate(const bpfree_model *model, const bpfree_reuse *reuse, const float *theta,
                    const bpfree_batch *batch, bpfree_loss loss, const struct bpfree_probe *probes, uint32_t n_probes,
                    uint32_t tile, float *workspace, uint64_t workspace_bytes, float *values);

/* Ripples: what probes of single entries compute again of a pass at theta that is
 * kept, also inside of layers. bpfree/engines/ripples.py writes the tables; they are
 * trusted. Tensors are those of the model and behind them those inside of layers.
 *
 * A stage is one contraction, y[p, m, c] = start[p, m, c] + sum_k a[k, m] x[p, k, c],
 * or one node of the model (inner 0). */
typedef struct bpfree_stage {
  uint32_t parts;
  uint32_t rows;
  uint32_t inner;
  uint32_t columns;
  uint32_t matrix; /* a (inner, rows) from here in `packed` */
  uint32_t start;  /* start (parts, rows, columns) from here; UINT32_MAX: none */
  uint32_t input;  /* number of the tensor x */
  uint32_t output; /* number of the tensor y, or what the node makes */
  uint32_t node;   /* number of the node */
} bpfree_stage;

/* What the slab of a step is cut along. */
enum bpfree_axis {
  BPFREE_PARTS = 0,  /* some p, all m and c; of a node its elements */
  BPFREE_ROWS = 1,   /* one m */
  BPFREE_COLUMNS = 2, /* some c */
  BPFREE_ELEMENT = 3 /* one output */
};

/* Of a stage's output (before, size, after), the elements at index
 * place / divisor % size of the middle axis. Size 1: all. */
typedef struct bpfree_ripple_step {
  uint32_t stage;
  uint32_t axis; /* enum bpfree_axis */
  uint32_t before;
  uint32_t size;
  uint32_t after;
  uint32_t divisor;
} bpfree_ripple_step;

/* One probe: entry `position` of packed moves by mu, and steps [first, first + count)
 * run. mu 0: theta itself. */
typedef struct bpfree_ripple {
  uint32_t position;
  uint32_t place;
  uint32_t first;
  uint32_t count;
  float mu;
} bpfree_ripple;

typedef struct bpfree_ripples {
  const bpfree_stage *stages;
  const bpfree_ripple_step *steps;  /* the first n_stages are the pass at theta */
  const uint32_t *offsets;          /* of each tensor, in floats a sample */
  uint32_t n_stages;
  uint32_t floats;                  /* a sample, of all tensors */
  uint32_t scratch;                 /* a sample, that nodes work in behind them */
  uint32_t scratch_fixed;           /* besides, whatever the batch */
  bpfree_contraction contract;      /* of the same instruction set as the model's kernels */
} bpfree_ripples;

/* Bytes of workspace for the call below, aligned to 64: all tensors of a tile twice. */
uint64_t bpfree_ripples_size(const bpfree_model *model, const bpfree_ripples *ripples, uint32_t tile);

/* values (n_probes, n): the loss of every sample at every probe. packed: the
 * parameters of contractions, as stages have them; it is written, and left as it was.
 * Returns as bpfree_evaluate. */
int bpfree_evaluate_ripples(const bpfree_model *model, const bpfree_ripples *ripples, const float *theta, float *packed,
                            const bpfree_batch *batch, bpfree_loss loss, const bpfree_ripple *probes,
                            uint32_t n_probes, uint32_t tile, float *workspace, uint64_t workspace_bytes,
                            float *values);

/* Rows in memory as a stream of shuffled minibatches: what `user` points to
 * when bpfree_sample_row is the trainer's sample function. */
typedef struct bpfree_rows {
  bpfree_batch batch;   /* all rows */
  const float *weights; /* (n), or NULL: 1 */
  uint32_t features;
  uint32_t outputs;
  uint32_t seed;     /* of the shuffle */
  uint32_t per_step; /* the trainer's batch */
} bpfree_rows;
int bpfree_sample_row(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y);

/* With the kernels of an instruction set, y[k] = exp, log, tanh, sigmoid, sin, cos,
 * expm1 or log1p (number 0 to 7) of x[k]: the runtime's own math. */
int bpfree_math(uint32_t isa, uint32_t number, uint32_t n, const float *x, float *y);
/* cffi: end */

#ifdef __cplusplus
}
#endif
#endif
