/* SPDX-License-Identifier: MIT */
/* What estimators have of their own: what bpfree_trainer.settings points to. NULL
 * is allowed everywhere, and says what is written at each. Hybrid and coordinate descent
 * have nothing but n_queries and mu. */
#ifndef BPFREE_ESTIMATORS_H
#define BPFREE_ESTIMATORS_H

#include "bpfree/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
enum bpfree_grouping {
  BPFREE_JOINT = 0, /* one probe moves all parameters */
  BPFREE_LAYER = 1, /* one layer at a time, the others at theta */
  BPFREE_TENSOR = 2 /* one parameter tensor at a time */
};

/* bpfree_est_rge, _rge_gaussian, _rge_sphere, _rge_hadamard; NULL: BPFREE_JOINT. */
typedef struct bpfree_rge {
  uint32_t grouping; /* enum bpfree_grouping */
} bpfree_rge;

/* What coordinate-wise estimation probes of one slice. */
typedef struct bpfree_mask {
  uint32_t count; /* elements, at most the slice's size; 0 of a frozen one */
  float scale;    /* their coefficients are multiplied by it, a normal number > 0 */
} bpfree_mask;

/* bpfree_est_cge; NULL: others of all elements in every step. */
typedef struct bpfree_cge {
  const bpfree_mask *masks; /* (n_slices), counts add up to n_queries; NULL: it draws from all of theta */
  uint32_t mask_refresh;    /* steps that the same elements are probed for; 0 is as 1 */
  uint32_t cycle;           /* not 0: steps (times mask_refresh) in which all elements are probed, block after block,
                             * n_queries = ceil(n_theta / cycle) or one less; masks are NULL then */
} bpfree_cge;

/* A loss in closed form, one sample at a time, for estimators that look into
 * the layers. */
typedef struct bpfree_closed {
  /* aid (outputs): what the two others need of the scores y and the target. */
  void (*prepare)(const float *y, uint32_t outputs, const bpfree_target *target, float *aid);
  /* delta (outputs) = dL/dy. */
  void (*gradient)(const float *aid, uint32_t outputs, const bpfree_target *target, float *delta);
  /* L(y + s w) - L(y), where w_o = column[o * stride]. */
  float (*change)(const float *aid, uint32_t outputs, const bpfree_target *target, const float *column,
                  uint32_t stride, float s);
} bpfree_closed;

/* delta (size of the node's output) times dy/dx of an elementwise node, after a
 * pass over one sample whose arena still has what it reads: the node's input
 * or its output. */
typedef void (*bpfree_slope)(const bpfree_pass *pass, const bpfree_node *node, float *delta);

typedef struct bpfree_elementwise {
  bpfree_slope slope; /* named directly, as kernels are */
  uint32_t node;
} bpfree_elementwise;

/* What looks into a layer y = W x + b that is not kept as W itself, after a pass over one sample. */
typedef struct bpfree_layer {
  /* Floats of room that `project` works in. */
  uint32_t (*project_size)(const bpfree_node *node);
  /* Adds delta . y, differentiated by each trainable parameter of the node, to its elements of the gradient. */
  void (*project)(const bpfree_pass *pass, const bpfree_node *node, const float *delta, float *gradient, float *room);
  /* Floats of room that `column` reads, and that `halves` writes: what all columns have in common. */
  uint32_t (*column_size)(const bpfree_node *node);
  void (*halves)(const bpfree_pass *pass, const bpfree_node *node, float *room);
  /* w (outputs) = column j of W. */
  void (*column)(const bpfree_pass *pass, const bpfree_node *node, const float *room, uint32_t j, float *w);
} bpfree_layer;

/* From a trained node y = W x + b to where the derivative of the loss is found. */
typedef struct bpfree_route {
  const bpfree_elementwise *elementwise; /* the elementwise nodes behind it, the last first; may be NULL if 0 */
  uint32_t n_elementwise;
  uint32_t node;
  uint32_t tensor; /* what the last of them makes, and something else reads */
  uint32_t column; /* the node that alone reads it, if that is y = W x + b too; else n_nodes */
  const bpfree_layer *layer;  /* of `node`; NULL: its parameters are W and b. It needs a batch of 1 */
  const bpfree_layer *behind; /* of `column`; NULL: likewise */
} bpfree_route;

/* bpfree_est_unit_wise, whose model's arena plan keeps what is read after a pass;
 * NULL: only bpfree_apply is used. */
typedef struct bpfree_unit_wise {
  const bpfree_closed *loss;
  const bpfree_route *routes; /* one a trained node, the last node first */
  uint32_t n_routes;
  uint32_t exact_head; /* 1: dL/dy from the loss in closed form; 0: from differences, as everywhere else */
} bpfree_unit_wise;
/* cffi: end */

/* Rows of the tables, by name: what a firmware's model.c and trainer.c refer to. */
#define BPFREE_ESTIMATOR(number, name) extern const bpfree_estimator bpfree_est_##name;
#include "bpfree/estimators.gen.def"
#undef BPFREE_ESTIMATOR
#define BPFREE_LOSS(number, name) extern const bpfree_closed bpfree_closed_##name;
#include "bpfree/losses.gen.def"
#undef BPFREE_LOSS
#define BPFREE_LAYER_ROW(number, name) extern const bpfree_layer bpfree_layer_##name;
#include "bpfree/layers.gen.def"
#undef BPFREE_LAYER_ROW
#define BPFREE_SLOPE(number, name) void bpfree_slope_##name(const bpfree_pass *, const bpfree_node *, float *);
#include "bpfree/slopes.gen.def"
#undef BPFREE_SLOPE

#ifdef __cplusplus
}
#endif
#endif
