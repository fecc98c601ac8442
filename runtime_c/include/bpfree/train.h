/* SPDX-License-Identifier: MIT */
/* Training with forward passes only, in inference memory.
 *
 *   for each sample of the minibatch:       bpfree_sample_fn, streamed
 *     for each query:                       one paired forward
 *       sum[query] += L(theta + mu u) - L(theta - mu u)
 *   coefficients = sum / (2 mu B q)         the journal record of the step
 *   theta = update(theta, sum_i coefficients_i u_i)
 *
 * RAM: theta + x + arena + coefficients (one float a query and group, or one an
 * element of theta) + the update's state + the estimator's work + the context below. Settings, tables
 * and code are flash. */
#ifndef BPFREE_TRAIN_H
#define BPFREE_TRAIN_H

#include "bpfree/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* What a sample should come out as; the loss reads one of the two. */
typedef struct bpfree_target {
  uint32_t label;      /* class, for softmax_cross_entropy */
  const float *values; /* (outputs), for mse; stays valid until the next call */
  float weight;        /* finite, >= 0: what the loss is multiplied by; 1 unless it is written, read by trainers that
                        * are `weighted` */
} bpfree_target;

/* Writes sample i (< batch) of the minibatch of this step: x (features) and
 * its target. A pure function of (step, i): it may be called again. Returns 0
 * or a negative number, which ends the step with BPFREE_ERR_CALLBACK, as a label >= outputs does. */
typedef int (*bpfree_sample_fn)(void *user, uint32_t step, uint32_t i, float *x, bpfree_target *y);

/* values[s] = loss of sample s, n a multiple of the kernel's lanes. y (outputs, n); labels (n) or targets
 * (outputs, n). Labels are checked by the caller: label < outputs. */
typedef void (*bpfree_loss)(const float *y, uint32_t outputs, const uint32_t *labels, const float *targets,
                            uint32_t n, float *values);

struct bpfree_trainer;
struct bpfree_context;

/* A link of the update: turns a gradient into the step that theta is moved
 * back by, g <- f(g, theta, state). Links follow one another, the last one's g
 * is subtracted. All are elementwise, so they run chunk by chunk. */
typedef struct bpfree_update {
  /* g[0..n) and the vectors of state at the same elements; theta is read. */
  void (*transform)(float *g, const float *theta, float *const *state, const float *scalars, const float *settings,
                    uint32_t n);
  /* Moves the scalars on, once a step, with a look at its record; NULL where
   * there are none. */
  void (*begin)(const struct bpfree_trainer *trainer, const float *coefficients, float *scalars,
                const float *settings);
  /* Subtracts factor times the step itself where g[k] = coefficient times sign
   * k of word (most significant bit first, 1 = minus), n <= 32; NULL where that
   * saves nothing. */
  void (*apply_signs)(float *theta, float coefficient, uint32_t word, float factor, const float *settings,
                      uint32_t n);
  uint32_t n_vectors; /* of state, n_theta floats each, at most 2; start at 0 */
  uint32_t n_scalars; /* of state; start at 1 */
  /* Of a first link only, whose gradient is not that of this step alone. NULL in all others. */
  const struct bpfree_window *window;
  /* 1, of a first link only: the gradient goes into its first vector, where elements
   * that are not probed stay as they are; `transform` makes g of it. */
  uint32_t merges;
} bpfree_update;

/* A link that rebuilds gradients of earlier steps from their records. */
typedef struct bpfree_window {
  /* BPFREE_OK, or BPFREE_ERR_ARG for settings it cannot work with. */
  int (*check)(const struct bpfree_trainer *trainer);
  /* Floats of records, which start at 0, at the end of the state; of
   * context->work behind those of an estimator that has some. */
  uint32_t (*state)(const struct bpfree_trainer *trainer);
  uint32_t (*work)(const struct bpfree_trainer *trainer);
  /* Takes the record of this step in. */
  void (*keep)(const struct bpfree_trainer *trainer, const struct bpfree_context *context,
               const float *coefficients);
  /* In the place of the estimator's `weights` and `gradient`. */
  const float *(*weights)(const struct bpfree_trainer *trainer, const struct bpfree_context *context,
                          uint32_t group, uint32_t first, uint32_t count);
  void (*gradient)(const struct bpfree_trainer *trainer, const struct bpfree_context *context,
                   const float *weights, uint32_t slice, uint32_t block, uint32_t n, float *g);
} bpfree_window;

typedef struct bpfree_link {
  const bpfree_update *update;
  const float *settings; /* what its file says */
} bpfree_link;

/* What a number is multiplied by at a step. Settings start with {warmup, end}. */
typedef float (*bpfree_factor)(const float *settings, uint32_t step);

typedef struct bpfree_schedule {
  bpfree_factor factor; /* NULL: 1 at every step */
  const float *settings; /* what its file says */
} bpfree_schedule;

typedef struct bpfree_estimator {
  /* Fills context->coefficients for context->step. */
  int (*estimate)(const struct bpfree_trainer *trainer, struct bpfree_context *context);
  /* Puts into context->work what `weights` finds there after `estimate`, for a
   * step that is made from its record. NULL: nothing. */
  void (*draw)(const struct bpfree_trainer *trainer, const struct bpfree_context *context);
  /* g[0..n): elements [64 block, ...) of a slice of the gradient of a step, from
   * its group's coefficients, or what `weights` made of them. */
  void (*gradient)(const struct bpfree_trainer *trainer, uint32_t step, const float *coefficients,
                   uint32_t slice, uint32_t block, uint32_t n, float *g);
  /* Both words of signs of direction 0 in that block; NULL where directions
   * are not signs. With one query they are the gradient but for a factor. */
  void (*signs)(const struct bpfree_trainer *trainer, uint32_t step, uint32_t slice, uint32_t block,
                uint32_t words[2]);
  /* BPFREE_OK, or BPFREE_ERR_ARG for settings, or n_queries, that it cannot work with. */
  int (*check)(const struct bpfree_trainer *trainer);
  /* Elements [*first, *first + *count) of theta of one of the groups that probes move one at
   * a time; BPFREE_ERR_ARG if there is none of this number. NULL, or without settings: one
   * group, all of theta. */
  int (*group)(const struct bpfree_trainer *trainer, uint32_t group, uint32_t *first, uint32_t *count);
  /* Called once for each group, elements [first, first + count) of theta, before its
   * gradient, for what is the same in all chunks; NULL: the coefficients are used as they are. */
  const float *(*weights)(const struct bpfree_trainer *trainer, const struct bpfree_context *context,
                          uint32_t first, uint32_t count, const float *coefficients);
  /* Floats of context->work; NULL: none. Where it says 0, `weights` returns the coefficients. */
  uint32_t (*work)(const struct bpfree_trainer *trainer);
  uint32_t weights_fill_work; /* 1: `weights` makes as many floats as `work` says, or words; 0: n_queries of them */
  uint32_t averages; /* 1: g is the mean over a group's n_queries directions, 0: their sum */
  uint32_t coordinates; /* 1: directions are coordinates; where the first link merges, `gradient` leaves elements of g
                         * that are not probed as they are */
} bpfree_estimator;

/* Settings of a run: const, in flash. Write it with designated initialisers: what is
 * not named is 0 or NULL. Samples are streamed one by one, so the kernels of the model
 * and the loss are those of one lane. */
typedef struct bpfree_trainer {
  const bpfree_model *model;
  const bpfree_estimator *estimator;
  const void *settings;     /* the estimator's own, as estimators.h says; may be NULL */
  const bpfree_link *links; /* the update: at least one */
  bpfree_loss loss;
  bpfree_sample_fn sample; /* may be NULL where only bpfree_apply is used */
  void *user;              /* handed to sample */
  uint32_t n_links;
  uint32_t seed;           /* every number is a seed, 0 too */
  uint32_t batch;          /* samples a step, 1..2^24 */
  uint32_t n_queries;      /* coefficients a step and group: directions, 1..4096; elements probed by CGE, 1..n_theta;
                            * n_theta where the record is the gradient */
  uint32_t two_sided;      /* 1: L+ - L-, for which signs need tables of two sides; 0: L+ - L0 */
  float mu;                /* smoothing radius, a normal number > 0 */
  float clip;              /* coefficients are cut to [-clip, clip]; 0: they are not */
  float scale;             /* every coefficient is multiplied by it, a normal number > 0; 1: as it is */
  uint32_t weighted;       /* 1: samples have weights; 0: no weight is read */
  bpfree_schedule mu_schedule; /* of mu */
  bpfree_schedule lr_schedule; /* of the whole step: it multiplies what is subtracted from theta */
  float coefficient_limit; /* while all coefficients are smaller theta and state stay finite, which the exporter has
                            * shown; a step with a larger one is tried before it is made; 0: nothing is known, and
                            * every step is */
} bpfree_trainer;

/*
 * A run in RAM; every pointer is the caller's. Who writes on theta or state between steps, or puts others than the
 * exported ones there, sets small_at = ~step: the next step then looks at them before it counts on coefficient_limit.
 */
typedef struct bpfree_context {
  float *theta;        /* (n_theta) */
  float *x;            /* (features) one sample */
  float *arena;        /* bpfree_train_arena_size() floats */
  float *coefficients; /* (groups * n_queries), group-major */
  float *state;        /* bpfree_state_size() floats: each link's vectors, then scalars; a window's records; NULL if 0 */
  float *work;         /* bpfree_work_size() floats, free between calls; may be NULL if 0 */
  uint32_t theta_floats, x_floats, arena_floats; /* floats there are, at least as many as are needed: bpfree_train_init */
  uint32_t coefficient_floats, state_floats, work_floats; /* refuses an arena of an earlier model */
  uint32_t step;       /* the next step */
  uint32_t small_at;   /* the step before which theta and state are known to be small; another one: they may be large */
} bpfree_context;

/* Groups that probes move one at a time. */
uint32_t bpfree_n_groups(const bpfree_trainer *trainer);

/* Elements [*first, *first + *count) of theta of a group; BPFREE_ERR_ARG if there is no such group. */
int bpfree_group(const bpfree_trainer *trainer, uint32_t group, uint32_t *first, uint32_t *count);

/* mu at a step: fl(mu factor). */
float bpfree_mu(const bpfree_trainer *trainer, uint32_t step);

/* Floats of arena a training step needs (also holds a chunk of gradient). */
uint32_t bpfree_train_arena_size(const bpfree_model *model);

/* Floats of state of the update's links. */
uint32_t bpfree_state_size(const bpfree_trainer *trainer);

/* Floats of a step's record: groups * n_queries. */
uint32_t bpfree_record_size(const bpfree_trainer *trainer);

/* Floats the estimator works in: copies of theta where directions are normal numbers, the few elements that are
 * probed, and what looks into the layers. */
uint32_t bpfree_work_size(const bpfree_trainer *trainer);

/* Bytes of RAM of a run: theta, x, arena, coefficients, state, work, context. */
uint32_t bpfree_train_size(const bpfree_trainer *trainer);

/* Checks settings and buffers and zeroes step and state; theta is the caller's.
 * Returns BPFREE_OK, BPFREE_ERR_ARG (a buffer that is needed and missing, state or work where their sizes are not 0
 * among them), BPFREE_ERR_SIZE (one that is too small), BPFREE_ERR_ALIGN or BPFREE_ERR_ARITHMETIC (see
 * bpfree_check_arithmetic). */
int bpfree_train_init(const bpfree_trainer *trainer, bpfree_context *context);

/* One training step at context->step, which it then advances. Afterwards
 * context->coefficients is the record of the step. Returns BPFREE_OK,
 * BPFREE_ERR_ARG (tables of one side where two are probed), BPFREE_ERR_CALLBACK (a sample could
 * not be had, or its label or weight is out of range), or BPFREE_ERR_NUMERIC (a loss is not finite,
 * or an element of theta or state would not be); on error theta, state and step are as before. */
int bpfree_step(const bpfree_trainer *trainer, bpfree_context *context);

/* Replays one step from its record, no data needed: the same theta bits as
 * bpfree_step left. Returns BPFREE_OK, or BPFREE_ERR_NUMERIC with theta and state
 * untouched when a coefficient is not finite, or an element of theta or state would not be. */
int bpfree_apply(const bpfree_trainer *trainer, bpfree_context *context, const float *coefficients);

/* Skips the step at context->step, whose samples could not be had or whose
 * losses are not finite: theta and the update's state stay, and context->step
 * advances to other samples and directions. context->coefficients becomes 0, the
 * record that a window of them has of this step. Returns BPFREE_OK. */
int bpfree_skip(const bpfree_trainer *trainer, bpfree_context *context);
/* cffi: end */

/* Rows of the tables, by name: what a firmware's model.c refers to. */
#define BPFREE_LOSS(number, name) \
  void bpfree_loss_##name(const float *, uint32_t, const uint32_t *, const float *, uint32_t, float *);
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS
#define BPFREE_UPDATE(number, name) extern const bpfree_update bpfree_upd_##name;
#include "bpfree/updates.gen.def"
#undef BPFREE_UPDATE
#define BPFREE_SCHEDULE(number, name) float bpfree_sched_##name(const float *, uint32_t);
#include "bpfree/schedules.gen.def"
#undef BPFREE_SCHEDULE
#define BPFREE_OP(number, name) void bpfree_op_##name(const bpfree_pass *, const bpfree_node *);
#include "bpfree/ops.gen.def"
#undef BPFREE_OP

#ifdef __cplusplus
}
#endif
#endif
