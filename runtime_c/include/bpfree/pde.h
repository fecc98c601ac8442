/* SPDX-License-Identifier: MIT */
/* Derivatives of a network by its inputs, and residuals of PDEs made of them,
 * with forward passes only.
 *
 *   for each point:  rule:      u and its derivatives, a jet
 *                    residual:  r(x, jet), what should be 0
 *   loss = sum r^2
 *
 * Three rules: Taylor sends the derivatives through the network beside u, in
 * D + 2 streams for u, its gradient and its Laplacian; differences and a sparse
 * grid call it at 2 D + 1 to 2 D^2 + 2 D + 1 points one after the other, in
 * memory that grows with D alone. Only what tables name is linked. */
#ifndef BPFREE_PDE_H
#define BPFREE_PDE_H

#include "bpfree/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* One term c d_a d_b u; a and b are numbers of first derivatives. */
typedef struct bpfree_term {
  uint32_t a;
  uint32_t b;
  float c;
} bpfree_term;

/* A sum of second derivatives: of `count` terms or, where terms is NULL, the
 * sum of d_a d_a u for a in [first, first + count): a Laplacian needs no table. */
typedef struct bpfree_form {
  const bpfree_term *terms;
  uint32_t first;
  uint32_t count; /* at least 1 */
} bpfree_form;

/* What a jet is made of, in this order: the value, first derivatives, forms:
 * 1 + n_first + n_forms streams. */
typedef struct bpfree_streams {
  const float *directions; /* (n_first, features), d_a u = sum_i directions[a, i] du/dx_i;
                            * NULL: by the first n_first coordinates, as rules other than Taylor want */
  const bpfree_form *forms; /* (n_forms) */
  uint32_t n_first;
  uint32_t n_forms;
} bpfree_streams;

/* BPFREE_OK, or BPFREE_ERR_ARG: a form of no terms or of derivatives that there
 * are not, or more first derivatives than coordinates. */
int bpfree_streams_check(const bpfree_streams *streams, uint32_t features);

struct bpfree_jets;

/* Takes a jet through one node: bpfree_jet_<op>, beside its kernel. An op without
 * one is for training only: no model that has it can be differentiated by its inputs. */
typedef void (*bpfree_jet)(const struct bpfree_jets *jets, const bpfree_node *node);

/* One pass of a jet through a graph. Arithmetic: the value is that of a forward
 * pass; a layer applies to each stream without its bias; an elementwise phi
 *   d_a phi  = phi'(u) d_a u
 *   form phi = fl(phi'(u) form u) + fl(phi''(u) q),  q = sum_k fl(fl(c d_a u) d_b u), k ascending from the first. */
typedef struct bpfree_jets {
  const bpfree_model *model;
  const bpfree_jet *through; /* (n_nodes), by node */
  const bpfree_streams *streams;
  const float *theta; /* (n_theta), never written */
  const float *x;     /* (features, n) */
  float *work;        /* bpfree_jets_size() floats, aligned to BPFREE_ALIGN */
  uint32_t n;         /* points; 1 where the kernels have one lane */
} bpfree_jets;

/* Floats of work of a jet pass: an arena for each stream. 0: more than 2^32 - 1. */
uint32_t bpfree_jets_size(const bpfree_model *model, const bpfree_streams *streams, uint32_t n);

/* Runs every node. Afterwards stream s of the output is at bpfree_jets_output(),
 * shape (outputs, n), until work is reused. Streams are checked by the caller. */
void bpfree_jets_run(const bpfree_jets *jets);
const float *bpfree_jets_output(const bpfree_jets *jets, uint32_t stream);

struct bpfree_pde;

/* How derivatives are found. Checks are made by bpfree_pde_check. */
typedef struct bpfree_rule {
  /* BPFREE_OK, or BPFREE_ERR_ARG for settings or streams it cannot work with. */
  int (*check)(const struct bpfree_pde *pde);
  /* Floats it works in at n points at a time. */
  uint64_t (*work)(const struct bpfree_pde *pde, uint32_t n);
  /* jet (streams, outputs, n) at x (features, n). */
  void (*jet)(const struct bpfree_pde *pde, const float *theta, const float *x, uint32_t n, float *work, float *jet);
} bpfree_rule;

/* What a residual sees: the outputs of the network and their derivatives at n points. */
typedef struct bpfree_field {
  const float *x;   /* (features, n) */
  const float *jet; /* (streams, outputs, n): value, first derivatives, forms */
  const bpfree_streams *streams;
  uint32_t features;
  uint32_t outputs;
  uint32_t n;
} bpfree_field;

/* r (n): what should be 0 at each point. A pure function; one of your own goes
 * here too. Returns 0 or a negative number, which ends the call with that number. */
typedef int (*bpfree_residual)(const void *user, const bpfree_field *u, float *r);

/* A network, a rule and an equation: const, in flash. */
typedef struct bpfree_pde {
  const bpfree_model *model;
  const bpfree_jet *through;     /* (n_nodes), none NULL, for bpfree_rule_taylor; NULL for the others */
  const bpfree_streams *streams; /* what the residual reads */
  const bpfree_rule *rule;
  const float *settings;         /* what the rule's file says; NULL for bpfree_rule_taylor */
  bpfree_residual residual;
  const void *user;              /* handed to residual: its coefficients */
} bpfree_pde;

/* BPFREE_OK, or BPFREE_ERR_ARG: something missing, such as the jet of a node, streams or settings out of range. */
int bpfree_pde_check(const bpfree_pde *pde);

/* Floats of work for `tile` points at a time. 0: more than 2^32 - 1, or tile 0. */
uint32_t bpfree_pde_size(const bpfree_pde *pde, uint32_t tile);

/* r (n) at points (n, features), `tile` at a time: 1 where the kernels have one
 * lane, any number elsewhere; and their loss fl(loss + fl(r r)), ascending from 0.
 * r may be NULL where the loss is enough. theta is only read. Returns BPFREE_OK,
 * BPFREE_ERR_ARG, BPFREE_ERR_SIZE (work_floats), BPFREE_ERR_ALIGN (work), or what the residual returned. A loss that is
 * not finite is a result. */
int bpfree_pde_residuals(const bpfree_pde *pde, const float *theta, const float *points, uint32_t n, uint32_t tile,
                         float *work, uint32_t work_floats, float *r, float *loss);

/* Coefficients of bpfree_residual_black_scholes: at points (x, t)
 *   r = u_t + volatility^2 x^2 u_xx / 2 + rate x u_x - rate u. */
typedef struct bpfree_black_scholes {
  float rate;
  float volatility;
} bpfree_black_scholes;

/* Coefficients of the two HJB equations at points (x_1 .. x_d, t), of the
 * solution u = v(x) + (end - t) f, f the network, v what it is at the end:
 *   hjb_lin, v = sum x:                 r = u_t + Lap u - weight |grad u|^2 - source
 *   hjb_lqg, v = log((1 + |x|^2) / 2):  the same. */
typedef struct bpfree_hjb {
  float weight;
  float source;
  float end;
} bpfree_hjb;
/* cffi: end */

/* Rows of the tables, by name. The residuals read these streams: the value,
 * first derivatives by all coordinates, the Laplacian in all but the last; they
 * return BPFREE_ERR_ARG where there are others. */
#define BPFREE_RULE(number, name) extern const bpfree_rule bpfree_rule_##name;
#include "bpfree/rules.gen.def"
#undef BPFREE_RULE
#define BPFREE_RESIDUAL(number, name) int bpfree_residual_##name(const void *, const bpfree_field *, float *);
#include "bpfree/problems.gen.def"
#undef BPFREE_RESIDUAL
#define BPFREE_JET(number, name) void bpfree_jet_##name(const bpfree_jets *, const bpfree_node *);
#include "bpfree/jets.gen.def"
#undef BPFREE_JET

#ifdef __cplusplus
}
#endif
#endif
