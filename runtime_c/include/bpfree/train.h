/* SPDX-License-Identifier: MIT */
/* Training with forward passes only, in inference memory.
 *
 * What holds for every function here:
 * - The trainer, the context and all that they point to are the caller's, and stay alive while they are in use.
 *   Nothing is allocated, kept elsewhere, printed or locked. So runs with contexts of their own may take turns, or go
 *   on in several threads at once, with one trainer for all of them as long as its sample, tick and user allow it;
 *   one context is for one call at a time. Callbacks may call everything but the functions that change the context
 *   that they were called for.
 * - Tables, settings and rows are trusted: they come from the exporter. What bpfree_train_init has accepted is not
 *   checked again, so nothing may be called before it but what says sizes.
 * - No recursion. Stack on a Cortex-M4F at -Os: 0.6 KB for a step of RGE with signs, 0.5 KB of CGE or UnitWise, 1 KB
 *   where directions are normal numbers; bpfree_apply of these takes as much; callbacks come on top.
 * - Every status but BPFREE_OK and BPFREE_MORE is negative, and leaves theta, state and step as they were;
 *   coefficients, x, arena and work are not kept. bpfree_status_text() has a sentence for each.
 *
 *   for each sample of the minibatch:       bpfree_sample_fn, streamed
 *     for each query:                       one paired forward
 *       sum[query] += L(theta + mu u) - L(theta - mu u)
 *   coefficients = sum / (2 mu B q)         the journal record of the step
 *   theta = update(theta, sum_i coefficients_i u_i)
 *
 * RAM: theta + x + arena + coefficients (one float a query and group, or one an element of theta) + the update's
 * state + the estimator's work + the context below. Settings, tables and code are flash. */
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

/* Called whenever a pair of a sample and a query is done, as bpfree_step_some counts them: to feed a watchdog, to
 * look at a clock or a button. theta may hold moves then. Returns 0, or any other number, which ends the step with
 * BPFREE_ERR_CALLBACK, theta and state as before it. */
typedef int (*bpfree_tick_fn)(void *user);

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
  /* Subtracts factor times the step itself where g[k] = coefficient x[k]; NULL where state or theta are read. */
  void (*apply_scaled)(float *theta, float coefficient, const float *x, float factor, const float *settings,
                       uint32_t n);
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
  /* Fills context->coefficients for context->step, from context->sample and ->query on; BPFREE_MORE where it is not
   * done when context->spent has come to 0. */
  int (*estimate)(const struct bpfree_trainer *trainer, struct bpfree_context *context);
  /* out = elements [first, first + count) of theta + mu u, u the direction of number `query` of the record. NULL, as
   * `finish` is then, where a query depends on the losses of those before, or on what is inside of the network, and
   * with BPFREE_TELL 0: bpfree_probe and bpfree_tell refuse it. */
  void (*probe)(const struct bpfree_trainer *trainer, const struct bpfree_context *context, uint32_t query, float mu,
                uint32_t first, uint32_t count, float *out);
  /* Makes context->coefficients of what is there, the sums of a batch's differences. */
  void (*finish)(const struct bpfree_trainer *trainer, struct bpfree_context *context, uint32_t batch);
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
  /* Makes the step of a record on one slice by `apply_scaled` of the only link. `dry`: theta stays as it is, and 0 is
   * returned where it would not be finite; else 1, or -1 where the gradient is not made of scaled vectors, and
   * nothing was done. NULL: it never is. */
  int (*scaled)(const struct bpfree_trainer *trainer, const struct bpfree_context *context, const float *record,
                float factor, uint32_t slice, int dry);
} bpfree_estimator;

/* Settings of a run: const, in flash; the same in every call of a run. Write it with designated initialisers, or
 * field by field behind `= {0}`, {} in C++: what is not named is 0 or NULL. Samples are streamed one by one, so the
 * kernels of the model and the loss are those of one lane. */
typedef struct bpfree_trainer {
  const bpfree_model *model;         /* tables of two sides save instructions, those of one RAM */
  const bpfree_estimator *estimator; /* &bpfree_est_rge and the like, of estimators.h */
  const void *settings;     /* the estimator's own struct, as estimators.h says; NULL: its defaults, written there */
  const bpfree_link *links; /* (n_links) the update, such as &bpfree_upd_sgd with its settings */
  bpfree_loss loss;         /* bpfree_loss_softmax_cross_entropy or another row, or one's own */
  bpfree_sample_fn sample; /* may be NULL where only bpfree_apply and bpfree_tell are used */
  bpfree_tick_fn tick;     /* NULL: none is wanted */
  void *user;              /* handed to sample and to tick */
  uint32_t n_links;        /* at least 1 */
  uint32_t seed;           /* of all directions; every number is a seed, 0 too */
  uint32_t batch;          /* samples a step, 1..2^24 */
  uint32_t n_queries;      /* coefficients a step and group: directions, 1..4096; elements probed by CGE, 1..n_theta;
                            * n_theta where the record is the gradient; of UnitWise, or batch times the floats of
                             * a sample's factors */
  uint32_t two_sided;      /* 1: L+ - L-, of signs at once where the tables have two sides, else in turn; 0: L+ - L0 */
  float mu;                /* smoothing radius, in units of parameters, of UnitWise of activations: a normal number > 0,
                            * such as 2^-7 */
  float clip;              /* coefficients are cut to [-clip, clip], which records are not; 0: they are not */
  float scale;             /* every coefficient is multiplied by it, a normal number > 0; 1: as it is */
  uint32_t weighted;       /* 1: samples have weights; 0: no weight is read */
  bpfree_schedule mu_schedule; /* of mu */
  bpfree_schedule lr_schedule; /* of the whole step: it multiplies what is subtracted from theta */
  float coefficient_limit; /* while all coefficients are smaller theta and state stay finite, which the exporter has
                            * shown; a step with a larger one is tried before it is made; 0: nothing is known, and
                            * every step is */
} bpfree_trainer;

/* A run in RAM. The caller fills in buffers and their sizes, puts the first weights into theta and calls
 * bpfree_train_init, which sets the rest. Buffers are aligned to BPFREE_ALIGN bytes and do not overlap.
 *
 * Who writes on theta or state between steps, or puts others than the exported ones there, sets small_at = ~step: the
 * next step then looks at them before it counts on coefficient_limit. */
typedef struct bpfree_context {
  float *theta;        /* (n_theta) the parameters, which each step moves */
  float *x;            /* (features) one sample; free between steps */
  float *arena;        /* bpfree_train_arena_size() floats of activations; free between calls */
  float *coefficients; /* (groups * n_queries), group-major: after a step its record, until the next call */
  float *state;        /* bpfree_state_size() floats: of each link vectors, then scalars; a window's records; NULL if 0 */
  float *work;         /* bpfree_work_size() floats, free between steps; NULL if 0 */
  uint32_t theta_floats;       /* floats that theta has room for, BPFREE_FLOATS(theta) of an array, at least n_theta; */
  uint32_t x_floats;           /* and so on: bpfree_train_init refuses a buffer that is too small, such as the arena */
  uint32_t arena_floats;       /* of an earlier model */
  uint32_t coefficient_floats;
  uint32_t state_floats;
  uint32_t work_floats;
  uint32_t step;       /* the next step, from 0; who sets it (to go on with a run) sets sample and query to 0 */
  uint32_t small_at;   /* the step before which theta and state are known to be small; another one: they may be large */
  uint32_t sample;     /* what is next of a step that bpfree_step_some has begun: a sample of the minibatch, */
  uint32_t query;      /* and a query; both 0: no step is in progress */
  uint32_t spent;      /* the runtime's own */
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

/* Checks settings and buffers and sets step and state to those of a new run; theta is the caller's.
 * Returns BPFREE_OK, BPFREE_ERR_ARG (a buffer that is needed and missing, state or work where their sizes are not 0
 * among them), BPFREE_ERR_SIZE (one that is too small), BPFREE_ERR_ALIGN or BPFREE_ERR_ARITHMETIC (see
 * bpfree_check_arithmetic). */
int bpfree_train_init(const bpfree_trainer *trainer, bpfree_context *context);

/* One training step at context->step, which it then advances. Afterwards context->coefficients is the record of the
 * step. Finishes a step that bpfree_step_some has begun. Returns BPFREE_OK, BPFREE_ERR_ARG (no sample
 * function), BPFREE_ERR_CALLBACK (a sample could not be had, its label or weight is
 * out of range, or tick ended the step), or BPFREE_ERR_NUMERIC (a loss is not finite, or an element of theta or state
 * would not be). On error theta, state and step are as before, and the next call begins the step anew. */
int bpfree_step(const bpfree_trainer *trainer, bpfree_context *context);

/* A step in pieces: as bpfree_step, to the same bits, but after `budget` pairs of a sample and a query it returns
 * BPFREE_MORE, and the next call goes on. The call that finds no pair left makes the step, which takes as long as
 * bpfree_apply; where the budget ends with the last pair, that is the next one. 0: a budget of 2^32.
 *
 * A pair is one or two forward passes; one-sided, each call and each sample costs one at theta besides. For Gaussian
 * and sphere directions one-sided, and for coordinate descent, a pass over the minibatch at theta comes first, and
 * counts as a query; UnitWise counts samples, with all their units. The trainer's tick is called as often.
 *
 * Between calls theta and state are as before the step, so that theta may be read and predicted with; x and arena are
 * free, coefficients and work are not. A sample may be asked for again by each call. bpfree_skip and bpfree_apply end
 * a step that was begun. Errors are those of bpfree_step. */
int bpfree_step_some(const bpfree_trainer *trainer, bpfree_context *context, uint32_t budget);

/* out = elements [first, first + count) of the parameters at which hardware finds a loss of the step at context->step:
 * side 0 of number `query` of the record (group * n_queries + the query in its group) is theta + mu u; side 1 is
 * theta - mu u, or where the trainer is one-sided theta itself, the same for all. Loaded piece by piece, in any order.
 * Returns BPFREE_OK, or BPFREE_ERR_ARG: an estimator that cannot, or an argument out of range. */
int bpfree_probe(const bpfree_trainer *trainer, const bpfree_context *context, uint32_t query, uint32_t side,
                 uint32_t first, uint32_t count, float *out);

/* Makes the step at context->step of losses that hardware found, each the mean over a batch of its own choice, the same
 * for all: losses[2 query + side], or where the trainer is one-sided losses[0] at theta and losses[1 + query]. The bits
 * are those that bpfree_step makes of a batch of one sample with these losses; context->coefficients is the record.
 * Returns as bpfree_apply, or BPFREE_ERR_ARG: no losses, or an estimator that cannot. RGE with every direction, CGE and
 * Hybrid can; coordinate descent and UnitWise cannot. */
int bpfree_tell(const bpfree_trainer *trainer, bpfree_context *context, const float *losses);

/* Replays one step from its record, no data needed: the same theta bits as
 * bpfree_step left. Returns BPFREE_OK, or BPFREE_ERR_NUMERIC with theta and state
 * untouched when a coefficient is not finite, or an element of theta or state would not be. */
int bpfree_apply(const bpfree_trainer *trainer, bpfree_context *context, const float *coefficients);

/* Skips the step at context->step, whose samples could not be had or whose
 * losses are not finite: theta and the update's state stay, and context->step
 * advances to other samples and directions. context->coefficients becomes 0, the
 * record that a window of them has of this step; a journal notes it by bpfree_journal_skip. Count skips in a row: where
 * training has diverged, no step can be made any more. Returns BPFREE_OK. */
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
